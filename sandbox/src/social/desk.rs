//! The server that is the same for every platform, around the routes that are not.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use chrono::Utc;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Account, Books, Entry, Lives, Login, Options, Renewal, StandIn, Standing};
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

/// What a request takes from a budget.
#[derive(Debug, Clone)]
pub struct Charge {
    /// Which budget.
    pub key: String,
    /// What the budget holds.
    pub limit: Limit,
    /// How many points are taken.
    pub points: u32,
}

/// What is left of the tightest budget, for the platform's own headers.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// What the budget holds.
    pub limit: Limit,
    /// What is left.
    pub remaining: u32,
    /// When it is full again.
    pub resets: SystemTime,
}

/// A platform's public protocol: its routes, and its voice when it refuses.
pub trait Protocol: Debug + Default + Send + Sync + 'static {
    /// The platform's name, as Pressroom calls it.
    const PLATFORM: &'static str;

    /// Who lives there if nobody else is named.
    fn inhabitants() -> Vec<Account>;
    /// Its routes.
    fn routes() -> Router<Desk<Self>>;
    /// The kinds of a request, for the fault plan; empty for those that no fault may touch.
    fn kinds(method: &Method, path: &str) -> &'static [Endpoint];
    /// The same, where the headers decide: a piece that completes an upload publishes, the others do not.
    fn kinds_of(method: &Method, uri: &Uri, _headers: &HeaderMap) -> &'static [Endpoint] {
        Self::kinds(method, uri.path())
    }
    /// Whether only the body of such a request tells its kinds (GraphQL): then they are those of [`Self::kinds_in`].
    fn body_tells(_method: &Method, _path: &str) -> bool {
        false
    }
    /// The kinds of a request with this body.
    fn kinds_in(_body: &[u8]) -> &'static [Endpoint] {
        &[]
    }
    /// Its error answer of this status.
    fn refusal(status: StatusCode) -> Response;
    /// Its answer while a rate window is closed, headers included.
    fn rate_limited(budget: &Budget) -> Response;
    /// What a person enters to connect this account.
    fn login(account: &Account, base_url: &str) -> Value;

    /// Its answer to a repetition; `original` is its answer to the request that made the post. Platforms that do not know repetitions keep this.
    fn duplicate(_original: Option<&Response>) -> Response {
        Self::refusal(StatusCode::CONFLICT)
    }
    /// The secret that a request shows: by default that of `Authorization: Bearer`.
    fn token(_uri: &Uri, headers: &HeaderMap) -> Option<String> {
        bearer(headers, "Bearer ")
    }
    /// A path as logs may show it, where secrets stand in paths.
    fn shown(path: &str) -> String {
        path.to_owned()
    }
    /// The budgets that a request of this account takes from.
    fn charges(_desk: &Desk<Self>, _method: &Method, _path: &str, _account: &str) -> Vec<Charge> {
        Vec::new()
    }
    /// Its headers of a budget, on an answer that is not a refusal.
    fn tell(_response: &mut Response, _budget: &Budget) {}
    /// How long tokens are good and how they are renewed.
    fn lives() -> Lives {
        Lives { access_seconds: None, refresh: Renewal::None }
    }
}

/// The token of an `Authorization` header with this scheme (`"Bearer "`, `"Bot "`).
pub fn bearer(headers: &HeaderMap, scheme: &str) -> Option<String> {
    Some(headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix(scheme)?.to_owned())
}

/// A running stand-in. Dropping it stops it at once.
#[derive(Debug)]
pub struct Running<P: Protocol> {
    desk: Desk<P>,
    server: Server,
}

impl<P: Protocol> Running<P> {
    /// Starts it. Fails if the port is taken or the books cannot be read.
    pub async fn start(mut options: Options) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, options.port)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let mut books = Books::open(options.data.as_deref(), P::PLATFORM)?;
        if options.accounts.is_empty() {
            options.accounts = P::inhabitants();
        }
        for account in &options.accounts {
            books.grant_from_start(&account.token, &account.handle);
        }
        let shared = Shared { options, base, faults: FaultPlan::default(), books: Mutex::new(books), protocol: P::default() };
        let desk = Desk { shared: Arc::new(shared) };
        let server = Server::on(listener, router(desk.clone()));
        Ok(Self { desk, server })
    }

    /// What the routes see.
    pub fn desk(&self) -> &Desk<P> {
        &self.desk
    }

    /// Stops accepting, lets requests in flight finish for a second, then cuts what is left.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// What the routes share.
#[derive(Debug)]
pub struct Desk<P> {
    shared: Arc<Shared<P>>,
}

impl<P> Clone for Desk<P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[derive(Debug)]
struct Shared<P> {
    options: Options,
    base: String,
    faults: FaultPlan,
    books: Mutex<Books>,
    protocol: P,
}

impl<P: Protocol> Desk<P> {
    /// How it was started.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.shared.base
    }

    /// The books, locked: hold them from a check to the record, so that two requests at once see each other, and never over an await.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.shared.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What only this platform has.
    pub fn protocol(&self) -> &P {
        &self.shared.protocol
    }

    /// The account of this handle or id.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.options().accounts.iter().find(|account| account.handle == name || account.id == name)
    }

    /// Who makes a request, or how the token that it shows stands; `Err(None)` for no token, or one that nobody ever had.
    pub fn caller(&self, uri: &Uri, headers: &HeaderMap) -> Result<&Account, Option<Standing>> {
        let token = P::token(uri, headers).ok_or(None)?;
        let (handle, standing) = self.books().bearer(&token, Utc::now()).ok_or(None)?;
        match standing {
            Standing::Valid => self.account(&handle).ok_or(None),
            standing => Err(Some(standing)),
        }
    }

    /// How long tokens are good, as the platform has it or as the stand-in was told.
    pub fn lives(&self) -> Lives {
        let mut lives = P::lives();
        lives.access_seconds = self.options().access_seconds.or(lives.access_seconds);
        if let (Renewal::Rotates { grace_seconds }, Some(told)) = (&mut lives.refresh, self.options().refresh_grace_seconds) {
            *grace_seconds = told;
        }
        lives
    }

    /// Takes a request from its budgets; the tightest is what the headers tell.
    fn spend(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Spent> {
        if !self.options().throttled || P::kinds(method, uri.path()).is_empty() {
            return None;
        }
        let token = P::token(uri, headers)?;
        let account = self.books().bearer(&token, Utc::now())?.0;
        let charges = P::charges(self, method, uri.path(), &account);
        let (mut books, now) = (self.books(), SystemTime::now());
        let spent = charges
            .into_iter()
            .map(|charge| books.budgets.spend(format!("{}:{account}", charge.key), charge.points, charge.limit, Begins::OnFirstUse, now));
        spent.min_by_key(|spent| (!spent.exceeded, spent.remaining))
    }
}

fn router<P: Protocol>(desk: Desk<P>) -> Router {
    P::routes()
        .merge(controls::routes())
        .fallback(|| async { P::refusal(StatusCode::NOT_FOUND) })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(desk.clone(), throttle::<P>))
        .layer(from_fn_with_state(desk.clone(), gate::gate::<Desk<P>>))
        .with_state(desk)
}

async fn throttle<P: Protocol>(State(desk): State<Desk<P>>, request: Request, next: Next) -> Response {
    let Some(Spent { limit, remaining, resets, exceeded }) = desk.spend(request.method(), request.uri(), request.headers()) else {
        return next.run(request).await;
    };
    let budget = Budget { limit, remaining, resets };
    if exceeded {
        return P::rate_limited(&budget);
    }
    let mut response = next.run(request).await;
    P::tell(&mut response, &budget);
    response
}

/// Sets headers whose values are known to be plain.
pub fn set_headers<const N: usize>(response: &mut Response, headers: [(&'static str, String); N]) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}

impl<P: Protocol> Platform for Desk<P> {
    fn faults(&self) -> &FaultPlan {
        &self.shared.faults
    }

    fn kinds(&self, method: &Method, path: &str) -> &'static [Endpoint] {
        P::kinds(method, path)
    }

    fn kinds_of(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> &'static [Endpoint] {
        P::kinds_of(method, uri, headers)
    }

    fn body_tells(&self, method: &Method, path: &str) -> bool {
        P::body_tells(method, path)
    }

    fn kinds_in(&self, body: &[u8]) -> &'static [Endpoint] {
        P::kinds_in(body)
    }

    fn refusal(&self, status: StatusCode) -> Response {
        P::refusal(status)
    }

    fn rate_limited(&self, until: SystemTime) -> Response {
        let seconds = until.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs());
        P::rate_limited(&Budget { limit: Limit::new(1, seconds.max(1)), remaining: 0, resets: until })
    }

    fn duplicate(&self, original: Option<&Response>) -> Response {
        P::duplicate(original)
    }

    fn expire_bearer(&self, uri: &Uri, headers: &HeaderMap) {
        if let Some(token) = P::token(uri, headers) {
            self.books().expire_token(&token);
        }
    }

    fn revoke_bearer(&self, uri: &Uri, headers: &HeaderMap) {
        let account = P::token(uri, headers).and_then(|token| self.books().bearer(&token, Utc::now()));
        if let Some((account, _)) = account {
            self.books().mark(&account, Standing::Revoked);
        }
    }

    fn shown(&self, path: &str) -> String {
        P::shown(path)
    }
}

impl<P: Protocol> Steered for Desk<P> {
    fn books(&self) -> Value {
        let books = Self::books(self);
        json!({ "entries": books.entries(), "drafts": books.drafts() })
    }

    fn expire(&self, name: &str) -> bool {
        self.mark(name, Standing::Expired)
    }

    fn revoke(&self, name: &str) -> bool {
        self.mark(name, Standing::Revoked)
    }

    fn reinstate(&self, name: &str) -> bool {
        self.mark(name, Standing::Valid)
    }
}

impl<P: Protocol> Desk<P> {
    fn mark(&self, name: &str, standing: Standing) -> bool {
        self.account(name).is_some_and(|account| Self::books(self).mark(&account.handle, standing))
    }
}

impl<P: Protocol> StandIn for Running<P> {
    fn platform(&self) -> &'static str {
        P::PLATFORM
    }

    fn base_url(&self) -> &str {
        self.desk.base()
    }

    fn faults(&self) -> &FaultPlan {
        &self.desk.shared.faults
    }

    fn logins(&self) -> Vec<Login> {
        let login = |account: &Account| Login {
            handle: account.handle.clone(),
            base_url: self.desk.base().to_owned(),
            credentials: P::login(account, self.desk.base()),
        };
        self.desk.options().accounts.iter().map(login).collect()
    }

    fn entries(&self, account: &str) -> Vec<Entry> {
        let handle = self.desk.account(account).map(|account| account.handle.clone());
        self.desk.books().entries().iter().filter(|entry| Some(&entry.account) == handle.as_ref()).cloned().collect()
    }

    fn expire(&self, account: &str) -> bool {
        Steered::expire(&self.desk, account)
    }

    fn revoke(&self, account: &str) -> bool {
        Steered::revoke(&self.desk, account)
    }

    fn reinstate(&self, account: &str) -> bool {
        Steered::reinstate(&self.desk, account)
    }

    fn set_counter(&self, entry: &str, counter: &str, value: u64) -> bool {
        self.desk.books().set_counter(entry, counter, value)
    }
}
