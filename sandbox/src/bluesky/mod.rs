//! A stand-in for a Bluesky PDS with the AppView behind it.
//!
//! Speaks the XRPC methods that a publisher needs, with the error names of the reference PDS and with what was observed on version 0.5.35: a second `createRecord` under one
//! key is a 500, an identical `putRecord` is a 200 without a commit, a changed one overwrites unless `swapRecord` forbids it. Record ids are real ones, commit ids only look it.
//! Its server description, its pages and the header `x-pressroom-stand-in` say what it is.

mod cid;
mod feed;
mod input;
mod lexicon;
mod refusal;
mod repo;
mod server;
mod session;
mod stand_in;
mod state;
mod tid;
pub(crate) mod token;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use data_encoding::BASE32_NOPAD;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

pub use self::state::{Blob, Record};
use self::{refusal::Refusal, state::Memory, token::Signer};
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

/// An account that exists from the start.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its handle, a domain name.
    pub handle: String,
    /// Its DID.
    pub did: String,
    /// Its app password.
    pub password: String,
}

impl Account {
    /// An account with a DID that follows from its handle.
    pub fn new(handle: &str, password: &str) -> Self {
        let did = BASE32_NOPAD.encode(&Sha256::digest(handle)).to_lowercase();
        Self { handle: handle.to_owned(), did: format!("did:plc:{}", &did[..24]), password: password.to_owned() }
    }
}

/// The PDS's rate limits (docs.bsky.app, "Rate limits").
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Points for writes of one account: 5000 an hour; a create costs 3, a put 2, a delete 1.
    pub writes: Limit,
    /// `createSession` of one account: 30 in 5 minutes.
    pub sessions: Limit,
    /// All requests from one address: 3000 in 5 minutes.
    pub requests: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self { writes: Limit::new(5_000, 3_600), sessions: Limit::new(30, 300), requests: Limit::new(3_000, 300) }
    }
}

/// How to start a stand-in.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Who lives there.
    pub accounts: Vec<Account>,
    /// How long an access token is good, in seconds: two hours on the PDS.
    pub access_seconds: i64,
    /// How long a refresh token is good, in seconds: ninety days on the PDS.
    pub refresh_seconds: i64,
    /// How long a used refresh token still gives the same successor, in seconds: two hours on the PDS. With 0 it is single-use to the letter.
    pub refresh_grace_seconds: i64,
    /// Rate limits; `None` for none.
    pub limits: Option<Limits>,
    /// Where the books are kept over a restart.
    pub data: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            accounts: vec![Account::new("pressroom.test", "bluesky-stand-in-password")],
            access_seconds: 7_200,
            refresh_seconds: 90 * 86_400,
            refresh_grace_seconds: 7_200,
            limits: Some(Limits::default()),
            data: None,
        }
    }
}

/// A running stand-in. Dropping it stops it at once.
#[derive(Debug)]
pub struct Bluesky {
    app: App,
    server: Server,
}

impl Bluesky {
    /// Starts it. Fails if the port is taken or the books cannot be read.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, options.port)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let memory = Memory::open(&options)?;
        let signer =
            Signer::new(&options.accounts.iter().map(|account| format!("{}:{}\n", account.did, account.password)).collect::<String>());
        let app = App { shared: Arc::new(Shared { options, base, signer, faults: FaultPlan::default(), memory: Mutex::new(memory) }) };
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

    /// Every record ever accepted, oldest first, deleted ones included: the truth that "exactly once" is compared with.
    pub fn books(&self) -> Vec<Record> {
        self.app.memory().records().to_vec()
    }

    /// The records of one account, by handle or DID.
    pub fn records_of(&self, name: &str) -> Vec<Record> {
        let did = self.app.account(name).map(|account| account.did.clone());
        self.books().into_iter().filter(|record| Some(&record.did) == did.as_ref()).collect()
    }

    /// Every upload ever accepted, oldest first.
    pub fn blobs(&self) -> Vec<Blob> {
        self.app.memory().blobs().to_vec()
    }

    /// Lets all access tokens of an account (handle or DID) expire; refresh tokens stay good. False if there is no such account.
    pub fn expire(&self, name: &str) -> bool {
        Steered::expire(&self.app, name)
    }

    /// Takes an account's password and all its tokens away. False if there is no such account.
    pub fn revoke(&self, name: &str) -> bool {
        self.app.revoke(name)
    }

    /// Lets an account sign in again; its old tokens stay dead. False if there is no such account.
    pub fn reinstate(&self, name: &str) -> bool {
        self.app.reinstate(name)
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
    signer: Signer,
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

    fn signer(&self) -> &Signer {
        &self.shared.signer
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn service_did(&self) -> String {
        format!("did:web:{}", self.base().trim_start_matches("http://").replace(':', "%3A"))
    }

    /// The account of this handle or DID.
    fn account(&self, name: &str) -> Option<&Account> {
        self.options().accounts.iter().find(|account| account.handle == name || account.did == name)
    }

    /// The account that a genuine token belongs to, whether or not the token has expired.
    fn owner(&self, headers: &HeaderMap) -> Option<String> {
        bearer(headers).and_then(|token| self.signer().genuine(token)).map(|claims| claims.sub)
    }

    /// Takes a request from the budgets that it falls under; the tightest is what the headers tell. `identifier` is who signs in, if this is a sign-in.
    fn spend(&self, path: &str, headers: &HeaderMap, identifier: Option<&str>) -> Option<Spent> {
        let limits = self.options().limits.filter(|_| path.starts_with("/xrpc/"))?;
        let writer = self.owner(headers);
        let points = match path {
            "/xrpc/com.atproto.repo.createRecord" => 3,
            "/xrpc/com.atproto.repo.putRecord" => 2,
            "/xrpc/com.atproto.repo.deleteRecord" => 1,
            _ => 0,
        };
        let mut memory = self.memory();
        let mut spend = |key: String, points, limit| memory.budgets.spend(key, points, limit, Begins::OnFirstUse, SystemTime::now());
        let all = spend("requests".to_owned(), 1, limits.requests);
        let writes = writer.filter(|_| points > 0).map(|did| spend(format!("writes:{did}"), points, limits.writes));
        let session = identifier.map(|identifier| spend(format!("session:{identifier}"), 1, limits.sessions));
        [Some(all), writes, session].into_iter().flatten().min_by_key(|spent| (!spent.exceeded, spent.remaining))
    }
}

/// The token of an `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn router(app: App) -> Router {
    Router::new()
        .route("/xrpc/_health", get(server::health))
        .route("/xrpc/com.atproto.server.describeServer", get(server::describe))
        .route("/xrpc/com.atproto.server.createSession", post(session::create))
        .route("/xrpc/com.atproto.server.refreshSession", post(session::refresh))
        .route("/xrpc/com.atproto.server.getSession", get(session::get))
        .route("/xrpc/com.atproto.server.deleteSession", post(session::delete))
        .route("/xrpc/com.atproto.identity.resolveHandle", get(server::resolve))
        .route("/xrpc/com.atproto.repo.createRecord", post(repo::create))
        .route("/xrpc/com.atproto.repo.putRecord", post(repo::put))
        .route("/xrpc/com.atproto.repo.getRecord", get(repo::get))
        .route("/xrpc/com.atproto.repo.deleteRecord", post(repo::delete))
        .route("/xrpc/com.atproto.repo.listRecords", get(repo::list))
        .route("/xrpc/com.atproto.repo.uploadBlob", post(repo::upload))
        .route("/xrpc/app.bsky.feed.getPosts", get(feed::get_posts))
        .route("/xrpc/app.bsky.feed.getAuthorFeed", get(feed::get_author_feed))
        .route("/", get(server::front))
        .route("/profile/{actor}/post/{rkey}", get(server::post))
        .merge(controls::routes())
        .fallback(|| async { Refusal::no_method() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(app.clone(), throttle))
        .layer(from_fn_with_state(app.clone(), gate::gate::<App>))
        .with_state(app)
}

async fn throttle(State(app): State<App>, request: Request, next: Next) -> Response {
    let (request, identifier) = if request.uri().path() == "/xrpc/com.atproto.server.createSession" {
        // Sign-ins are limited by who signs in, and that stands in the body.
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
            return Refusal::invalid("Request body could not be read").into_response();
        };
        let identifier = serde_json::from_slice::<Value>(&body).ok().and_then(|body| Some(body["identifier"].as_str()?.to_owned()));
        (Request::from_parts(parts, Body::from(body)), identifier)
    } else {
        (request, None)
    };
    let Some(spent) = app.spend(request.uri().path(), request.headers(), identifier.as_deref()) else {
        return next.run(request).await;
    };
    let mut response = if spent.exceeded { Refusal::of(StatusCode::TOO_MANY_REQUESTS).into_response() } else { next.run(request).await };
    rate_headers(&mut response, spent.limit, spent.remaining, spent.resets);
    response
}

fn rate_headers(response: &mut Response, limit: Limit, remaining: u32, resets: SystemTime) {
    // Seconds since the epoch, rounded down, as `xrpc-server` writes them.
    let resets = resets.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for (name, value) in [
        ("ratelimit-limit", limit.points.to_string()),
        ("ratelimit-remaining", remaining.to_string()),
        ("ratelimit-reset", resets.to_string()),
        ("ratelimit-policy", format!("{};w={}", limit.points, limit.seconds)),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}

impl Platform for App {
    fn faults(&self) -> &FaultPlan {
        &self.shared.faults
    }

    fn kinds(&self, _method: &Method, path: &str) -> &'static [Endpoint] {
        match path.strip_prefix("/xrpc/") {
            Some("com.atproto.repo.createRecord" | "com.atproto.repo.putRecord" | "com.atproto.repo.deleteRecord") => &[Endpoint::Publish],
            Some("com.atproto.repo.getRecord" | "com.atproto.repo.listRecords") => &[Endpoint::Lookup],
            Some("app.bsky.feed.getPosts" | "app.bsky.feed.getAuthorFeed") => &[Endpoint::Lookup, Endpoint::Metrics],
            Some("com.atproto.repo.uploadBlob") => &[Endpoint::Media],
            Some(method) if method.starts_with("com.atproto.server.") && method != "com.atproto.server.describeServer" => &[Endpoint::Auth],
            _ => &[],
        }
    }

    fn refusal(&self, status: StatusCode) -> Response {
        Refusal::of(status).into_response()
    }

    fn rate_limited(&self, until: SystemTime) -> Response {
        let mut response = Refusal::of(StatusCode::TOO_MANY_REQUESTS).into_response();
        rate_headers(&mut response, self.options().limits.unwrap_or_default().writes, 0, until);
        response
    }

    fn expire_bearer(&self, _: &Uri, headers: &HeaderMap) {
        if let Some(did) = self.owner(headers) {
            self.memory().expire(&did);
        }
    }

    fn revoke_bearer(&self, _: &Uri, headers: &HeaderMap) {
        if let Some(did) = self.owner(headers) {
            self.memory().revoke(&did);
        }
    }
}

impl Steered for App {
    fn books(&self) -> Value {
        let memory = self.memory();
        json!({ "records": memory.records(), "blobs": memory.blobs() })
    }

    fn expire(&self, name: &str) -> bool {
        self.account(name).map(|account| self.memory().expire(&account.did)).is_some()
    }

    fn revoke(&self, name: &str) -> bool {
        self.account(name).map(|account| self.memory().revoke(&account.did)).is_some()
    }

    fn reinstate(&self, name: &str) -> bool {
        self.account(name).map(|account| self.memory().reinstate(&account.did)).is_some()
    }
}
