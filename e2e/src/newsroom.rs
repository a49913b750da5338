//! A whole Pressroom for one test: real PostgreSQL and restate-server, stand-ins for everybody else's servers, one org in it.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use activities::{
    http::{Outgoing, OutgoingSettings},
    mail::{Mailer, Security, SmtpSettings},
    media::{MediaSettings, MediaStore},
    model::{ModelSettings, Models, http_client},
    store::{OrgTx, Store},
    vault::Vault,
};
use anyhow::Context as _;
use domain::{
    ids::{BrandId, CampaignId, ConnectorId, OrgId},
    platform::Platform,
};
use futures::future::LocalBoxFuture;
use sandbox::{
    bluesky::{self, Bluesky},
    mail::MailServer,
    mastodon::{self, Mastodon},
    model::StandInModel,
    servers::TestStack,
    social::{self, StandIn},
};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use uuid::Uuid;
use workflows::{
    step::CrashPlan,
    world::{Outside, WorkflowSettings, World},
};

use crate::{engine::Engine, seed, settings, worker::Worker};

/// The platforms that whole pipelines run on in these tests: one that knows repetitions by a key, one whose records have names. What a connector of any
/// other platform does is proved in `activities/tests`.
pub const PLATFORMS: &[Platform] = &[Platform::Mastodon, Platform::Bluesky];

/// How a newsroom is set up.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long workflows wait for what.
    pub settings: WorkflowSettings,
    /// What the Mastodon stand-in is.
    pub mastodon: mastodon::Options,
    /// What the Bluesky stand-in is.
    pub bluesky: bluesky::Options,
    /// What the stand-in for a language model is.
    pub model: sandbox::model::Options,
    /// What the stand-in for a mail server is.
    pub mail: sandbox::mail::Options,
    /// Where workers reach the model, if not at the stand-in itself.
    pub model_url: Option<Url>,
    /// Where a gateway reaches the engine's ingress, if not at the engine itself.
    pub ingress_url: Option<Url>,
    /// Where `pressroom worker` and `pressroom gateway` reach PostgreSQL, if not at the server itself.
    pub database_by: Option<SocketAddr>,
    /// What `pressroom worker` and `pressroom gateway` log.
    pub log: &'static str,
    /// Settings of restate-server (`RESTATE_...`).
    pub restate: Vec<(&'static str, &'static str)>,
    /// Object storage for the files of posts (`[media]` of the settings), if there is any.
    pub media: Option<serde_json::Value>,
    /// How long one request to a platform may take.
    pub timeout: Duration,
    /// Whether workers may reach the stand-ins, which stand in a private network.
    pub allow_private_networks: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            settings: settings::quick(),
            // Many posts in a short time are the test's doing; a test of rate limits orders one.
            mastodon: mastodon::Options { limits: None, ..mastodon::Options::default() },
            bluesky: bluesky::Options { limits: None, ..bluesky::Options::default() },
            model: sandbox::model::Options::default(),
            mail: sandbox::mail::Options::default(),
            model_url: None,
            ingress_url: None,
            database_by: None,
            log: "info",
            restate: Vec::new(),
            media: None,
            timeout: Duration::from_secs(20),
            allow_private_networks: true,
        }
    }
}

/// See the module. Everything in it ends when it is dropped.
#[derive(Debug)]
pub struct Newsroom {
    /// The worker in this process, if one runs. (First, so that it ends before what it uses.)
    pub worker: Option<Worker>,
    /// Where that worker listens, over restarts.
    worker_address: Option<SocketAddr>,
    /// The two real servers.
    pub stack: TestStack,
    /// The engine's doors.
    pub engine: Engine,
    /// The Mastodon stand-in.
    pub mastodon: Mastodon,
    /// The Bluesky stand-in.
    pub bluesky: Bluesky,
    /// The stand-ins of all other platforms.
    pub social: Vec<Box<dyn StandIn>>,
    /// The stand-in for a language model.
    pub model: StandInModel,
    /// The stand-in for a mail server.
    pub mail: MailServer,
    /// How it was set up.
    pub plan: Plan,
    /// The tenant.
    pub org: OrgId,
    /// Its brand.
    pub brand: BrandId,
    /// A campaign for posts that no pipeline wrote.
    pub campaign: CampaignId,
    /// One connected account on each platform.
    pub accounts: BTreeMap<Platform, ConnectorId>,
    store: Store,
    vault_keys: SecretString,
    app_url: SecretString,
}

impl Newsroom {
    /// Starts everything but a worker, and seeds an org with a brand, a campaign and an account on each platform.
    ///
    /// # Errors
    /// What did not start.
    #[must_use]
    pub fn open(plan: Plan) -> LocalBoxFuture<'static, anyhow::Result<Self>> {
        Box::pin(Self::opened(plan))
    }

    async fn opened(plan: Plan) -> anyhow::Result<Self> {
        let stack = TestStack::start_with_env(&plan.restate).await?;
        let password = Uuid::now_v7().simple().to_string();
        migrations::run(stack.superuser_url().expose_secret(), Some(&password)).await?;
        let app_url = app_url(stack.superuser_url(), &password)?;
        let org = OrgId::from_uuid(Uuid::now_v7());
        let mut newsroom = Self {
            worker: None,
            worker_address: None,
            engine: Engine::new(stack.ingress_url(), stack.admin_url())?,
            mastodon: Mastodon::start(plan.mastodon.clone()).await?,
            bluesky: Bluesky::start(plan.bluesky.clone()).await?,
            // Many posts in a short time are the test's doing.
            social: social::every(&social::Options { throttled: false, ..social::Options::default() }).await?,
            model: StandInModel::start(plan.model.clone()).await?,
            mail: MailServer::start(plan.mail.clone()).await?,
            stack,
            plan,
            org,
            brand: BrandId::derived(org.uuid(), "brand"),
            campaign: CampaignId::derived(org.uuid(), "by hand"),
            accounts: BTreeMap::new(),
            store: Store::connect_lazy(app_url.expose_secret(), 4).map_err(told)?,
            vault_keys: format!("test:{}", data_key()).into(),
            app_url,
        };
        seed::people_and_brand(&newsroom).await?;
        for platform in Platform::ALL.iter().filter(|platform| platform.capabilities().takes_text_alone()) {
            let id = seed::account(&newsroom, *platform).await?;
            newsroom.accounts.insert(*platform, id);
        }
        Ok(newsroom)
    }

    /// The same, with a worker in this process.
    ///
    /// # Errors
    /// What did not start.
    #[must_use]
    pub fn staffed(plan: Plan) -> LocalBoxFuture<'static, anyhow::Result<Self>> {
        Box::pin(async {
            let mut newsroom = Self::open(plan).await?;
            newsroom.start_worker().await?;
            Ok(newsroom)
        })
    }

    /// Starts a worker in this process, at the address that the first one had, and registers the first one.
    ///
    /// # Errors
    /// When it cannot listen, or the engine does not take it.
    pub async fn start_worker(&mut self) -> anyhow::Result<()> {
        let first = self.worker_address.is_none();
        let worker = Worker::start(self.worker_address, || self.world())?;
        if first {
            self.worker_address = Some(worker.address());
            self.engine.register(&worker.url()?).await?;
        }
        self.worker = Some(worker);
        Ok(())
    }

    /// Takes the worker in this process away at once.
    pub fn kill_worker(&mut self) {
        self.worker = None;
    }

    /// The account on a platform.
    ///
    /// # Panics
    /// Never: every platform has one.
    #[must_use]
    pub fn account(&self, platform: Platform) -> ConnectorId {
        self.accounts.get(&platform).copied().unwrap_or_else(|| unreachable!("an account on each platform"))
    }

    /// What goes wrong on a platform.
    #[must_use]
    pub fn faults(&self, platform: Platform) -> &sandbox::fault::FaultPlan {
        self.stand_in(platform).faults()
    }

    /// A platform's stand-in.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn stand_in(&self, platform: Platform) -> &dyn StandIn {
        match platform {
            Platform::Mastodon => &self.mastodon,
            Platform::Bluesky => &self.bluesky,
            other => {
                let found = self.social.iter().find(|stand_in| stand_in.platform() == other.as_str());
                found.unwrap_or_else(|| unreachable!("a stand-in for {other}")).as_ref()
            }
        }
    }

    /// A transaction in this newsroom's org.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn in_org(&self) -> anyhow::Result<OrgTx> {
        self.store.in_org(self.org).await.map_err(told)
    }

    /// The database, as the application's role.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The database's address for the application's role.
    #[must_use]
    pub const fn app_url(&self) -> &SecretString {
        &self.app_url
    }

    /// The same by way of [`Plan::database_by`].
    ///
    /// # Errors
    /// Never: the address is our own.
    pub fn app_url_by_line(&self) -> anyhow::Result<SecretString> {
        let Some(line) = self.plan.database_by else { return Ok(self.app_url.clone()) };
        let mut url = Url::parse(self.app_url.expose_secret())?;
        url.set_host(Some(&line.ip().to_string()))?;
        url.set_port(Some(line.port())).map_err(|()| anyhow::anyhow!("the database's address takes no port"))?;
        Ok(url.to_string().into())
    }

    /// The key ring's keys, as the settings take them.
    #[must_use]
    pub const fn vault_keys(&self) -> &SecretString {
        &self.vault_keys
    }

    /// The key ring.
    ///
    /// # Errors
    /// Never: the keys are our own.
    pub fn vault(&self) -> anyhow::Result<Vault> {
        Vault::from_keys(self.vault_keys.expose_secret()).context("the key ring")
    }

    /// The client for requests to platforms.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn outgoing(&self) -> anyhow::Result<Outgoing> {
        let timeout = self.plan.timeout;
        let settings =
            OutgoingSettings { allow_private_networks: self.plan.allow_private_networks, timeout, ..OutgoingSettings::default() };
        Outgoing::new(&settings).map_err(told)
    }

    /// The models' settings: the stand-in.
    ///
    /// # Errors
    /// Never: they are our own.
    pub fn models(&self) -> anyhow::Result<ModelSettings> {
        Ok(serde_json::from_value(self.model_document())?)
    }

    /// The same as a settings file has them.
    pub(crate) fn model_document(&self) -> serde_json::Value {
        let (base_url, model) =
            (self.plan.model_url.as_ref().map_or_else(|| self.model.openai_url(), Url::to_string), sandbox::model::NAME);
        let mut document = serde_json::json!({
            "providers": [{ "name": "stand-in", "kind": "openai", "base_url": base_url, "model": model }],
            "embedder": { "base_url": base_url, "model": model, "dimensions": 256 },
        });
        if let Some(key) = &self.plan.model.api_key {
            document["providers"][0]["api_key"] = key.as_str().into();
            document["embedder"]["api_key"] = key.as_str().into();
        }
        document
    }

    /// The mail settings: the stand-in.
    #[must_use]
    pub fn smtp(&self) -> SmtpSettings {
        SmtpSettings {
            host: self.mail.address().ip().to_string(),
            port: self.mail.address().port(),
            security: Security::Plain,
            username: self.plan.mail.credentials.as_ref().map(|(name, _)| name.clone()),
            password: self.plan.mail.credentials.as_ref().map(|(_, password)| password.clone().into()),
            from: "Pressroom <pressroom@pressroom.test>".to_owned(),
            timeout_seconds: 30,
        }
    }

    /// Object storage, if the plan has any.
    ///
    /// # Errors
    /// When its settings are none.
    pub fn media(&self) -> anyhow::Result<Option<MediaStore>> {
        let settings = self.plan.media.clone().map(serde_json::from_value::<MediaSettings>).transpose()?;
        Ok(settings.as_ref().map(MediaStore::new))
    }

    /// The outside world of a worker in this process; to be built on the runtime that uses it.
    fn world(&self) -> anyhow::Result<World> {
        let client = http_client(Duration::from_secs(5)).context("the HTTP client for models")?;
        let (models, embedder) = Models::from_settings(&self.models()?, &client).map_err(|e| anyhow::anyhow!("{e}"))?;
        Ok(World::new(Outside {
            store: Store::connect_lazy(self.app_url.expose_secret(), 10).map_err(told)?,
            models,
            embedder: std::sync::Arc::new(embedder),
            mailer: Mailer::new(&self.smtp())?,
            outgoing: self.outgoing()?,
            apps: activities::platform::Apps::default(),
            vault: self.vault()?,
            media: self.media()?,
            settings: self.plan.settings.clone(),
            crash_plan: CrashPlan::default(),
        }))
    }
}

/// An activity's error, which on purpose is no standard error, as a test takes it.
pub(crate) fn told(error: activities::ActivityError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

fn app_url(superuser: &SecretString, password: &str) -> anyhow::Result<SecretString> {
    let mut url = Url::parse(superuser.expose_secret())?;
    let set = url.set_username(migrations::APP_ROLE).and_then(|()| url.set_password(Some(password)));
    set.map_err(|()| anyhow::anyhow!("the database's address takes no user"))?;
    Ok(url.to_string().into())
}

/// 32 bytes in base64: 43 digits and one `=`; the last digit leaves its two spare bits empty.
fn data_key() -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = || char::from(DIGITS.get(rand::random_range(0..64)).copied().unwrap_or(b'A'));
    let mut key: String = std::iter::repeat_with(digit).take(42).collect();
    key.push_str("A=");
    key
}
