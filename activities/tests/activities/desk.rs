//! What every connector owes, whatever its platform: one post for one intent, tokens that are renewed, media that are staged unseen.

use std::time::Duration;

use activities::{
    http::{Outgoing, OutgoingSettings},
    platform::{self, Account, App, Apps, Credentials, MediaFile, Sending, Staged, Staging, Window, oauth},
};
use bytes::Bytes;
use chrono::Utc;
use domain::{
    brief::Language,
    ids::AssetId,
    platform::Platform,
    publication::{Frozen, Part, PartMedia, Resolution, Sent, Submission},
};
use sandbox::{
    fault::{Endpoint, Fault},
    social::{Entry, StandIn},
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;
use uuid::Uuid;

/// Look-ups that have to miss a post before it counts as absent where no key protects a repetition.
const SETTLING: usize = 3;

/// One account of a stand-in, connected.
pub(crate) struct Desk<S> {
    pub(crate) server: S,
    pub(crate) http: Outgoing,
    pub(crate) apps: Apps,
    pub(crate) account: Account,
    pub(crate) credentials: Credentials,
    pub(crate) handle: String,
}

/// A part with what was staged for it.
pub(crate) struct Made {
    pub(crate) frozen: Frozen,
    pub(crate) staged: Staged,
    pub(crate) files: Vec<MediaFile>,
}

impl Made {
    fn sending(&self) -> Sending<'_> {
        Sending { frozen: &self.frozen, staged: &self.staged, files: &self.files }
    }
}

pub(crate) fn part(text: &str) -> Part {
    let now = Utc::now();
    Part::new(text.to_owned(), Language::EN, now, now)
}

pub(crate) fn image(alt: &str, bytes: &'static [u8]) -> MediaFile {
    let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let (asset, content_type) = (AssetId::from_uuid(Uuid::now_v7()), "image/png".to_owned());
    let media = PartMedia { asset, content_type, bytes: bytes.len() as u64, sha256, size: Some((4, 3)), alt: alt.to_owned() };
    let public = Url::parse(&format!("https://media.example/{asset}.png")).unwrap();
    MediaFile::held(media, Some(public), Bytes::from_static(bytes))
}

impl<S: StandIn> Desk<S> {
    /// Connects the first account of `server`, or the one that is named, with `credentials`.
    pub(crate) async fn connect(platform: Platform, server: S, handle: &str, credentials: Credentials) -> Self {
        let settings = OutgoingSettings { allow_private_networks: true, timeout: Duration::from_secs(2), ..OutgoingSettings::default() };
        let http = Outgoing::new(&settings).unwrap();
        let apps = apps(platform, &server);
        let base = server.base_url().to_owned();
        let (account, credentials, _) = platform::connect(&http, &apps, platform, &base, "", credentials).await.unwrap();
        Self { server, http, apps, account, credentials, handle: handle.to_owned() }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.server.entries(&self.handle)
    }

    /// Stages a part until it is ready, and freezes it.
    pub(crate) async fn make(&self, mut part: Part, files: Vec<MediaFile>) -> Made {
        part.media = files.iter().map(|file| file.media.clone()).collect();
        let mut staged = Staged::NOTHING;
        for _ in 0..20 {
            match platform::stage(&self.http, &self.account, &self.credentials, &part, &files, staged).await.unwrap().value {
                Staging::Ready(ready) => {
                    let frozen = platform::freeze(&self.account, &part, &ready, Uuid::now_v7()).unwrap();
                    return Made { frozen, staged: ready, files };
                }
                // What there is so far goes through the store.
                Staging::Wait { staged: so_far, .. } => staged = Staged::from_plaintext(&so_far.to_plaintext()).unwrap(),
            }
        }
        panic!("never ready")
    }

    pub(crate) async fn submit(&self, made: &Made) -> Submission {
        platform::submit(&self.http, &self.account, &self.credentials, made.sending()).await.value
    }

    pub(crate) async fn resolve(&self, made: &Made, window: &Window) -> Resolution {
        platform::resolve(&self.http, &self.account, &self.credentials, made.sending(), window).await.unwrap().value
    }

    pub(crate) async fn posted(&self, part: Part, files: Vec<MediaFile>) -> Sent {
        let made = self.make(part, files).await;
        match self.submit(&made).await {
            Submission::Published(sent) => sent,
            other => panic!("{other:?}"),
        }
    }

    /// The protocol in small: send; if the outcome is open, look; send again only on "absent", or where the platform names the original.
    pub(crate) async fn publish(&self, made: &Made) -> Sent {
        let window = Window { first_sent_at: Utc::now(), known_external_ids: Vec::new() };
        for _ in 0..4 {
            match self.submit(made).await {
                Submission::Published(sent) | Submission::Duplicate(sent) => return sent,
                Submission::Unknown { .. } | Submission::Repeated { .. } => {}
                other => panic!("{other:?}"),
            }
            let looks = if made.frozen.can_resend(window.first_sent_at, Utc::now()) { 1 } else { SETTLING };
            for _ in 0..looks {
                match self.resolve(made, &window).await {
                    Resolution::Found { sent, .. } => return sent,
                    Resolution::Unknown { .. } if made.frozen.is_refused_as_duplicate(window.first_sent_at, Utc::now()) => {}
                    Resolution::Absent { .. } => {}
                    Resolution::Unknown { evidence } => panic!("{evidence}"),
                }
            }
        }
        panic!("never published")
    }

    /// Whatever breaks, one post is left in the books, and its id is known.
    pub(crate) async fn one_post_is_left(&self, faults: &[Fault]) {
        for (number, fault) in faults.iter().enumerate() {
            let made = self.make(part(&format!("{number}: News (really) & <truly> #News")), Vec::new()).await;
            self.server.faults().next(Endpoint::Publish, fault.clone(), 1);
            let sent = self.publish(&made).await;
            assert!(self.server.faults().pending().is_empty(), "{fault:?} did happen");
            let start = format!("{number}:");
            let ids: Vec<String> =
                self.entries().into_iter().filter(|entry| entry.text.starts_with(&start)).map(|entry| entry.id).collect();
            assert_eq!(ids, [sent.external_id], "{fault:?}");
        }
    }

    /// Expired tokens, closed windows and lost credentials are definite, and nothing is posted.
    pub(crate) async fn refusals_post_nothing(&self) {
        let before = self.entries().len();
        let made = self.make(part("Nothing of this"), Vec::new()).await;
        self.server.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: 90 }, 1);
        assert_eq!(self.submit(&made).await.name(), "rate_limited");
        self.server.faults().clear();
        assert!(self.server.expire(&self.handle));
        assert_eq!(self.submit(&made).await.name(), "credentials_expired");
        assert!(self.server.revoke(&self.handle));
        assert_eq!(self.submit(&made).await.name(), "credentials_expired");
        assert!(platform::check(&self.http, &self.account, &self.credentials).await.is_err());
        assert!(self.server.reinstate(&self.handle));
        assert_eq!(self.entries().len(), before);
    }
}

/// Authorises through the stand-in's page, as a person would.
pub(crate) async fn authorised(platform: Platform, server: &impl StandIn, extra: &[(&str, &str)]) -> Credentials {
    let settings = OutgoingSettings { allow_private_networks: true, timeout: Duration::from_secs(5), ..OutgoingSettings::default() };
    let http = Outgoing::new(&settings).unwrap();
    let (base, redirect) = (Url::parse(server.base_url()).unwrap(), Url::parse("https://app.example/back").unwrap());
    let apps = apps(platform, server);
    let begun = oauth::begin(&http, &apps, platform, &base, &redirect, "state").await.unwrap();
    let mut page = begun.authorize_url.clone();
    page.query_pairs_mut().extend_pairs(extra);
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = browser.get(page).send().await.unwrap();
    let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let code = SecretString::from(back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned());
    let returned = oauth::Returned { redirect: &redirect, code: &code, kept: &begun.kept };
    oauth::finish(&http, &apps, platform, &base, returned).await.unwrap()
}

/// The application that the stand-in knows, and where it answers.
fn apps(platform: Platform, server: &impl StandIn) -> Apps {
    let api_base = Some(Url::parse(server.base_url()).unwrap());
    let (client_id, client_secret) = (Some("stand-in-app".to_owned()), Some(SecretString::from("stand-in-app-secret")));
    Apps::default().with(platform, App { client_id, client_secret, api_base, authorize_base: None })
}

impl<S: StandIn> Desk<S> {
    /// A refresh token that works once brings the next, and is refused the second time.
    pub(crate) async fn refresh_tokens_work_once(&mut self) {
        let used = self.credentials.clone();
        assert!(used.expires_at().is_some(), "a token that ends");
        let next = platform::refresh(&self.http, &self.apps, &self.account, &used).await.unwrap();
        let token = |credentials: &Credentials, name: &str| credentials.secret(name).unwrap().expose_secret().to_owned();
        for name in ["access_token", "refresh_token"] {
            assert_ne!(token(&next, name), token(&used, name), "{name}");
        }
        let again = platform::refresh(&self.http, &self.apps, &self.account, &used).await.unwrap_err();
        assert!(matches!(again, activities::ActivityError::CredentialsExpired { .. }), "{again:?}");
        self.credentials = next;
        platform::check(&self.http, &self.account, &self.credentials).await.unwrap();
    }
}
