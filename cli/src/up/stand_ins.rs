//! Stand-ins for the services that the settings do not name. They speak the real protocols, and say that they are stand-ins.

use std::path::Path;

use activities::{
    mail::SmtpSettings,
    media::{MediaSettings, MediaStore},
    model::ModelSettings,
};
use anyhow::Context as _;
use sandbox::{bluesky::Bluesky, mail::MailServer, mastodon::Mastodon, model::StandInModel, s3::ObjectStore};

use super::ports::Ports;
use crate::settings::Settings;

/// Those that run.
#[derive(Default)]
pub(crate) struct StandIns {
    /// A language model, where the settings name none.
    pub model: Option<StandInModel>,
    /// A mail server, where the settings name none.
    pub mail: Option<MailServer>,
    /// Object storage, where the settings name none.
    pub media: Option<ObjectStore>,
    /// A Mastodon server, for the demonstration.
    pub mastodon: Option<Mastodon>,
    /// A Bluesky server, for the demonstration.
    pub bluesky: Option<Bluesky>,
}

impl StandIns {
    /// Starts what is missing, and names it in the settings. `social` starts the platforms as well.
    ///
    /// # Errors
    /// When one cannot listen.
    pub(crate) async fn start(settings: &mut Settings, ports: &mut Ports, folder: &Path, social: bool) -> anyhow::Result<Self> {
        let mut running = Self::default();
        let books = folder.join("stand-ins");
        std::fs::create_dir_all(&books).with_context(|| format!("making {}", books.display()))?;
        if settings.models.is_none() {
            let options = sandbox::model::Options { port: ports.of("model"), careless_one_in: Some(5), ..Default::default() };
            let model = StandInModel::start(options).await.context("the stand-in for a language model")?;
            settings.models = Some(model_settings(&model.openai_url())?);
            ports.remember("model", port_of(&model.openai_url())?);
            running.model = Some(model);
        }
        if settings.mail.is_none() {
            let options = sandbox::mail::Options { port: ports.of("mail"), folder: Some(books.join("mail")), ..Default::default() };
            let mail = MailServer::start(options).await.context("the stand-in for a mail server")?;
            ports.remember("mail", mail.address().port());
            settings.mail = Some(SmtpSettings {
                host: mail.address().ip().to_string(),
                port: mail.address().port(),
                security: activities::mail::Security::Plain,
                username: None,
                password: None,
                from: "Pressroom <pressroom@pressroom.test>".to_owned(),
                timeout_seconds: 30,
            });
            running.mail = Some(mail);
        }
        if settings.media.is_none() {
            let (store, media) = media_store(ports.of("media"), &books.join("media")).await?;
            ports.remember("media", port_of(&store.endpoint())?);
            settings.media = Some(media);
            running.media = Some(store);
        }
        if social {
            let options =
                sandbox::mastodon::Options { port: ports.of("mastodon"), data: Some(books.join("mastodon")), ..Default::default() };
            let mastodon = Mastodon::start(options).await.context("the stand-in for Mastodon")?;
            ports.remember("mastodon", port_of(mastodon.base_url())?);
            running.mastodon = Some(mastodon);
            let options = sandbox::bluesky::Options { port: ports.of("bluesky"), data: Some(books.join("bluesky")), ..Default::default() };
            let bluesky = Bluesky::start(options).await.context("the stand-in for Bluesky")?;
            ports.remember("bluesky", port_of(bluesky.base_url())?);
            running.bluesky = Some(bluesky);
        }
        Ok(running)
    }

    /// Their names and addresses, for people.
    #[must_use]
    pub(crate) fn urls(&self) -> Vec<(String, String)> {
        let mut urls = Vec::new();
        let mut add = |name: &str, url: String| urls.push((format!("stand-in for {name}"), url));
        if let Some(model) = &self.model {
            add("a language model", model.openai_url());
        }
        if let Some(mail) = &self.mail {
            add("a mail server", format!("smtp://{}", mail.address()));
        }
        if let Some(media) = &self.media {
            add("object storage", media.endpoint());
        }
        if let Some(mastodon) = &self.mastodon {
            add("Mastodon", mastodon.base_url().to_owned());
        }
        if let Some(bluesky) = &self.bluesky {
            add("Bluesky", bluesky.base_url().to_owned());
        }
        urls
    }

    /// Ends them.
    pub(crate) async fn stop(self) {
        if let Some(model) = self.model {
            model.stop().await;
        }
        if let Some(mastodon) = self.mastodon {
            mastodon.stop().await;
        }
        if let Some(bluesky) = self.bluesky {
            bluesky.stop().await;
        }
    }
}

/// Object storage over a folder, with its bucket made and credentials that live as long as it does.
async fn media_store(port: u16, folder: &Path) -> anyhow::Result<(ObjectStore, MediaSettings)> {
    let secret: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
    let options = sandbox::s3::Options { port, folder: folder.to_owned(), access_key: "pressroom".to_owned(), secret_key: secret.clone() };
    let store = ObjectStore::start(options).await.context("the stand-in for object storage")?;
    let settings: MediaSettings = serde_json::from_value(serde_json::json!({
        "endpoint": store.endpoint(), "bucket": "media", "access_key": "pressroom", "secret_key": secret,
    }))?;
    MediaStore::new(&settings).ensure_bucket().await.map_err(|e| anyhow::anyhow!("the stand-in for object storage: {e}"))?;
    Ok((store, settings))
}

fn port_of(url: &str) -> anyhow::Result<u16> {
    url::Url::parse(url)?.port().context("a stand-in without a port")
}

fn model_settings(base_url: &str) -> anyhow::Result<ModelSettings> {
    Ok(serde_json::from_value(serde_json::json!({
        "providers": [{ "name": "stand-in", "kind": "openai", "base_url": base_url, "model": sandbox::model::NAME }],
        "embedder": { "base_url": base_url, "model": sandbox::model::NAME, "dimensions": 256 },
    }))?)
}
