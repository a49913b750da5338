//! What every handler can reach.

use std::{ops::Deref, sync::Arc};

use activities::{http::Outgoing, media::MediaStore, platform::Apps, store::Store, vault::Vault};
use tokio::sync::watch;

use crate::{
    access::AccessTable,
    auth::{ApiKeys, LoginThrottle, Tokens},
    engine::Engine,
    limits::RequestLimits,
    runs::{drafts::Drafts, watch::Watchers},
    settings::GatewaySettings,
};

/// The gateway's state; cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Inner>);

/// See [`App`].
#[derive(Debug)]
pub struct Inner {
    /// What it was told.
    pub settings: GatewaySettings,
    /// The facts.
    pub store: Store,
    pub(crate) vault: Vault,
    pub(crate) outgoing: Outgoing,
    pub(crate) apps: Apps,
    pub(crate) media: Option<MediaStore>,
    /// The durable engine.
    pub engine: Engine,
    pub(crate) api_keys: ApiKeys,
    pub(crate) tokens: Tokens,
    pub(crate) logins: LoginThrottle,
    pub(crate) limits: RequestLimits,
    pub(crate) watchers: Watchers,
    pub(crate) drafts: Drafts,
    pub(crate) access: AccessTable,
    pub(crate) openapi: String,
    stopping: watch::Sender<bool>,
}

/// What the gateway works with.
#[derive(Clone)]
pub struct Parts {
    /// The facts.
    pub store: Store,
    /// Seals what must not lie about: credentials, webhook secrets.
    pub vault: Vault,
    /// Checked HTTP to servers that users name.
    pub outgoing: Outgoing,
    /// The applications that we are registered as at platforms.
    pub apps: Apps,
    /// Object storage; without it, the routes of assets say so.
    pub media: Option<MediaStore>,
}

impl App {
    /// Puts the parts together. Nothing is connected to yet.
    ///
    /// # Errors
    /// Every setting that makes no sense.
    pub fn new(settings: GatewaySettings, parts: Parts) -> Result<Self, Vec<String>> {
        settings.validate()?;
        let document = crate::openapi::document();
        let access = AccessTable::from_document(&document).map_err(|route| vec![format!("{route}: states no roles")])?;
        let openapi = serde_json::to_string(&document).map_err(|e| vec![format!("the OpenAPI document cannot be written: {e}")])?;
        let engine = Engine::new(&settings.ingress_url, &settings.admin_url).map_err(|e| vec![e.to_string()])?;
        Ok(Self(Arc::new(Inner {
            api_keys: ApiKeys::default(),
            tokens: Tokens::new(settings.token_secret.as_ref(), settings.access_token_minutes),
            logins: LoginThrottle::default(),
            limits: RequestLimits::new(settings.requests_per_minute, settings.request_burst),
            watchers: Watchers::default(),
            drafts: Drafts::default(),
            access,
            openapi,
            engine,
            store: parts.store,
            vault: parts.vault,
            outgoing: parts.outgoing,
            apps: parts.apps,
            media: parts.media,
            settings,
            stopping: watch::Sender::new(false),
        })))
    }

    /// Turns true when the process is asked to stop: streams end, so that their clients reconnect elsewhere.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    /// How often this process has asked the engine how a watched run is; runs, not watchers, make it grow.
    #[must_use]
    pub fn run_polls(&self) -> u64 {
        self.0.watchers.polls()
    }

    pub(crate) fn stop(&self) {
        self.0.stopping.send_replace(true);
    }
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
