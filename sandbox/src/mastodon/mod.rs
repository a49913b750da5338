//! A stand-in for a Mastodon server, or for one of the servers that only speak its API.
//!
//! Speaks the documented client API (docs.joinmastodon.org) as far as a publisher needs it, with the answers, limits and error texts of Mastodon 4. As snac or GoToSocial it
//! ignores `Idempotency-Key`, as those do. Its instance title, its pages and the header `x-pressroom-stand-in` say what it is.

mod account;
mod instance;
mod media;
mod oauth;
mod pages;
mod params;
mod refusal;
mod stand_in;
mod state;
mod statuses;
mod text;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub use self::state::{Media, Status};
use self::{refusal::Refusal, state::Memory};
use crate::{
    Limit,
    budget::{Begins, Spent},
    fault::{
        Endpoint, FaultPlan,
        controls::{self, Steered},
        gate::{self, MAX_BODY, Platform},
        wire::Server,
    },
};

/// Which server software the stand-in is, as nodeinfo tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Software {
    /// Honours `Idempotency-Key` for an hour.
    Mastodon,
    /// Posts twice under one key (observed on snac 2.75), knows no rate limits.
    Snac,
    /// Does not handle keys either.
    GoToSocial,
}

impl Software {
    /// `software.name` of nodeinfo.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mastodon => "mastodon",
            Self::Snac => "snac",
            Self::GoToSocial => "gotosocial",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Mastodon => "4.4.8",
            Self::Snac => "2.75",
            Self::GoToSocial => "0.20.2",
        }
    }

    fn max_characters(self) -> usize {
        match self {
            Self::Mastodon => 500,
            Self::Snac => 100_000,
            Self::GoToSocial => 5_000,
        }
    }
}

/// An account that exists from the start.
#[derive(Debug, Clone)]
pub struct Account {
    /// Local name, without `@` and domain.
    pub handle: String,
    /// Name shown.
    pub display_name: String,
    /// An access token that is valid without going through OAuth.
    pub token: String,
}

impl Account {
    /// An account with its token.
    pub fn new(handle: &str, token: &str) -> Self {
        Self { handle: handle.to_owned(), display_name: handle.to_owned(), token: token.to_owned() }
    }
}

/// Mastodon's throttles (`config/initializers/rack_attack.rb` and `RateLimiter`).
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// All API requests of one token: 300 in 5 minutes.
    pub api: Limit,
    /// New statuses of one account: 300 in 3 hours.
    pub statuses: Limit,
    /// Uploads of one account: 30 in 30 minutes.
    pub media: Limit,
    /// Deletions by one account: 30 in 30 minutes.
    pub deletes: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self { api: Limit::new(300, 300), statuses: Limit::new(300, 3 * 3600), media: Limit::new(30, 1800), deletes: Limit::new(30, 1800) }
    }
}

/// How to start a stand-in.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// What it says it is.
    pub software: Software,
    /// Longest status; by default what the software allows.
    pub max_characters: Option<usize>,
    /// Who lives there. The first one is who approves at `/oauth/authorize` unless `account=` names another.
    pub accounts: Vec<Account>,
    /// Throttles; `None` for none at all. snac has none in any case.
    pub limits: Option<Limits>,
    /// How long a key is remembered, in seconds: an hour on Mastodon.
    pub idempotency_seconds: i64,
    /// Where the books are kept over a restart.
    pub data: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            software: Software::Mastodon,
            max_characters: None,
            accounts: vec![Account::new("pressroom", "mastodon-stand-in-token")],
            limits: Some(Limits::default()),
            idempotency_seconds: 3_600,
            data: None,
        }
    }
}

/// A running stand-in. Dropping it stops it at once.
#[derive(Debug)]
pub struct Mastodon {
    app: App,
    server: Server,
}

impl Mastodon {
    /// Starts it. Fails if the port is taken or the books cannot be read.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, options.port)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let memory = Memory::open(&options)?;
        let app = App { shared: Arc::new(Shared { options, base, faults: FaultPlan::default(), memory: Mutex::new(memory) }) };
        let server = Server::on(listener, router(app.clone()));
        Ok(Self { app, server })
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.app.shared.base
    }

    /// What is to go wrong.
    pub fn faults(&self) -> &FaultPlan {
        &self.app.shared.faults
    }

    /// Every status ever accepted, oldest first, deleted ones included: the truth that "exactly once" is compared with.
    pub fn books(&self) -> Vec<Status> {
        self.app.memory().statuses().cloned().collect()
    }

    /// The statuses of one account.
    pub fn statuses_of(&self, handle: &str) -> Vec<Status> {
        self.app.memory().statuses().filter(|status| status.account == handle).cloned().collect()
    }

    /// Every upload ever accepted, oldest first.
    pub fn media(&self) -> Vec<Media> {
        self.app.memory().media().cloned().collect()
    }

    /// Lets all tokens of an account expire. False if there is no such account.
    pub fn expire(&self, handle: &str) -> bool {
        self.app.expire(handle)
    }

    /// Revokes all tokens of an account. False if there is no such account.
    pub fn revoke(&self, handle: &str) -> bool {
        self.app.revoke(handle)
    }

    /// Makes all tokens of an account valid again. False if there is no such account.
    pub fn reinstate(&self, handle: &str) -> bool {
        self.app.reinstate(handle)
    }

    /// Stops accepting, lets requests in flight finish for a second, then cuts what is left.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// What the routes share.
#[derive(Debug, Clone)]
pub(crate) struct App {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    base: String,
    faults: FaultPlan,
    memory: Mutex<Memory>,
}

impl App {
    fn options(&self) -> &Options {
        &self.shared.options
    }

    fn base(&self) -> &str {
        &self.shared.base
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it behaves as snac 2.75 was seen to.
    fn is_snac(&self) -> bool {
        self.options().software == Software::Snac
    }

    fn max_characters(&self) -> usize {
        self.options().max_characters.unwrap_or(self.options().software.max_characters())
    }

    /// Takes this request from the budgets that it falls under; the tightest is what the headers tell.
    fn spend(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Spent> {
        let limits = self.options().limits.filter(|_| self.options().software != Software::Snac && path.starts_with("/api/"))?;
        let mut memory = self.memory();
        let token = bearer(headers).unwrap_or_default().to_owned();
        let account = memory.account_of(&token).unwrap_or_default();
        let more = match *method {
            Method::POST if path == "/api/v1/statuses" => Some(("statuses", limits.statuses)),
            Method::POST if path == "/api/v1/media" || path == "/api/v2/media" => Some(("media", limits.media)),
            Method::DELETE if path.starts_with("/api/v1/statuses/") => Some(("deletes", limits.deletes)),
            _ => None,
        };
        let now = SystemTime::now();
        let all = memory.budgets.spend(format!("api:{token}"), 1, limits.api, Begins::OnTheClock, now);
        let special = more.map(|(name, limit)| memory.budgets.spend(format!("{name}:{account}"), 1, limit, Begins::OnTheClock, now));
        [Some(all), special].into_iter().flatten().min_by_key(|spent| (!spent.exceeded, spent.remaining))
    }
}

/// The token of an `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// An instant as Rails writes it in JSON: milliseconds and `Z`.
fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn router(app: App) -> Router {
    Router::new()
        .route("/.well-known/nodeinfo", get(instance::nodeinfo_links))
        .route("/nodeinfo/2.0", get(instance::nodeinfo))
        .route("/.well-known/oauth-authorization-server", get(oauth::metadata))
        .route("/api/v1/instance", get(instance::v1))
        .route("/api/v2/instance", get(instance::v2))
        .route("/api/v1/apps", post(oauth::register))
        .route("/oauth/authorize", get(oauth::authorize))
        .route("/oauth/token", post(oauth::token))
        .route("/oauth/revoke", post(oauth::revoke))
        .route("/api/v1/accounts/verify_credentials", get(account::verify_credentials))
        .route("/api/v1/accounts/lookup", get(account::lookup))
        .route("/api/v1/accounts/{id}", get(account::show))
        .route("/api/v1/accounts/{id}/statuses", get(statuses::of_account))
        .route("/api/v1/statuses", post(statuses::create))
        .route("/api/v1/statuses/{id}", get(statuses::show).delete(statuses::delete))
        .route("/api/v1/media", post(media::upload))
        .route("/api/v2/media", post(media::upload))
        .route("/api/v1/media/{id}", get(media::show).put(media::describe))
        .route("/media/{id}", get(media::file))
        .route("/", get(pages::front))
        .route("/{handle}", get(pages::profile))
        .route("/{handle}/{id}", get(pages::status))
        .merge(controls::routes())
        .fallback(|| async { Refusal::not_found() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(app.clone(), throttle))
        .layer(from_fn_with_state(app.clone(), gate::gate::<App>))
        .with_state(app)
}

async fn throttle(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(spent) = app.spend(request.method(), request.uri().path(), request.headers()) else {
        return next.run(request).await;
    };
    let mut response = if spent.exceeded { Refusal::too_many().into_response() } else { next.run(request).await };
    rate_headers(&mut response, spent.limit.points, spent.remaining, spent.resets);
    response
}

fn rate_headers(response: &mut Response, limit: u32, remaining: u32, resets: SystemTime) {
    // Mastodon writes the instant with microseconds (`iso8601(6)`), unlike most platforms, which write seconds.
    let resets = DateTime::<Utc>::from(resets).to_rfc3339_opts(SecondsFormat::Micros, true);
    for (name, value) in
        [("x-ratelimit-limit", limit.to_string()), ("x-ratelimit-remaining", remaining.to_string()), ("x-ratelimit-reset", resets)]
    {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}

impl Platform for App {
    fn faults(&self) -> &FaultPlan {
        &self.shared.faults
    }

    fn kinds(&self, method: &Method, path: &str) -> &'static [Endpoint] {
        match (method, path) {
            (&Method::POST, "/api/v1/statuses") => &[Endpoint::Publish],
            (&Method::DELETE, path) if path.starts_with("/api/v1/statuses/") => &[Endpoint::Publish],
            (&Method::GET, path) if path.starts_with("/api/v1/statuses/") => &[Endpoint::Lookup, Endpoint::Metrics],
            (_, "/api/v1/accounts/verify_credentials" | "/api/v1/apps" | "/oauth/token" | "/oauth/authorize" | "/oauth/revoke") => {
                &[Endpoint::Auth]
            }
            (&Method::GET, path) if path.starts_with("/api/v1/accounts/") => &[Endpoint::Lookup],
            (_, path) if path.starts_with("/api/v1/media") || path.starts_with("/api/v2/media") => &[Endpoint::Media],
            _ => &[],
        }
    }

    fn refusal(&self, status: StatusCode) -> Response {
        Refusal::of(status).into_response()
    }

    fn rate_limited(&self, until: SystemTime) -> Response {
        let mut response = Refusal::too_many().into_response();
        rate_headers(&mut response, self.options().limits.unwrap_or_default().api.points, 0, until);
        response
    }

    fn expire_bearer(&self, _: &Uri, headers: &HeaderMap) {
        if let Some(token) = bearer(headers) {
            self.memory().expire_token(token);
        }
    }

    fn revoke_bearer(&self, _: &Uri, headers: &HeaderMap) {
        let account = bearer(headers).and_then(|token| self.memory().account_of(token));
        if let Some(account) = account {
            self.revoke(&account);
        }
    }
}

impl Steered for App {
    fn books(&self) -> Value {
        let memory = self.memory();
        json!({ "statuses": memory.statuses().collect::<Vec<_>>(), "media": memory.media().collect::<Vec<_>>() })
    }

    fn expire(&self, name: &str) -> bool {
        self.memory().mark_tokens(name, state::Standing::Expired)
    }

    fn revoke(&self, name: &str) -> bool {
        self.memory().mark_tokens(name, state::Standing::Revoked)
    }

    fn reinstate(&self, name: &str) -> bool {
        self.memory().mark_tokens(name, state::Standing::Valid)
    }
}
