//! A server between Pressroom and another one: it passes requests on, and on order misbehaves in ways that the other one has no fault for.
//!
//! It can answer with the very request that it got, headers and all, as a debugging proxy or a careless server does; and it can keep an answer to
//! itself after the other side has done its work. It also remembers the tokens that pass through, so that a test can look for them afterwards.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use url::Url;

/// What happens to a request instead of being passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whim {
    /// It is answered with this status and, in the words of the error, everything that it carried, after so many characters of other words.
    Echo(u16, usize),
    /// It never arrives, and is never answered.
    Swallow,
    /// It is passed on and carried out; the answer never comes back.
    KeepAnswer,
    /// It is held until the test lets it go ([`Mirror::let_go`]), and then passed on.
    Hold,
}

#[derive(Debug)]
struct Order {
    path: &'static str,
    whim: Whim,
    times: u32,
}

#[derive(Debug, Default)]
struct Inner {
    upstream: Option<Url>,
    orders: Vec<Order>,
    done: Vec<Whim>,
    tokens: Vec<String>,
}

#[derive(Debug, Clone)]
struct Shared {
    inner: Arc<Mutex<Inner>>,
    /// A permit lets one request go that is held.
    held: Arc<Semaphore>,
    http: reqwest::Client,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running mirror. Dropping it ends it.
#[derive(Debug)]
pub struct Mirror {
    base: Url,
    shared: Shared,
    serving: JoinHandle<()>,
}

impl Mirror {
    /// Starts one with nobody behind it yet.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        let shared = Shared { inner: Arc::default(), held: Arc::new(Semaphore::new(0)), http };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let base = Url::parse(&format!("http://{}", listener.local_addr()?))?;
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            // An error would be the listener's end, which the test notices by itself.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { base, shared, serving })
    }

    /// Its address.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.base
    }

    /// Stands in front of this server from now on.
    pub fn front(&self, upstream: Url) {
        self.shared.lock().upstream = Some(upstream);
    }

    /// Has a whim on the next so many requests with `path` in their path.
    pub fn order(&self, path: &'static str, whim: Whim, times: u32) {
        self.shared.lock().orders.push(Order { path, whim, times });
    }

    /// Lets so many requests go that it holds, or will hold.
    pub fn let_go(&self, requests: usize) {
        self.shared.held.add_permits(requests);
    }

    /// The whims that it had, in order.
    #[must_use]
    pub fn done(&self) -> Vec<Whim> {
        self.shared.lock().done.clone()
    }

    /// Every token that the server behind it gave out, or was shown.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        self.shared.lock().tokens.clone()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    match handle(&shared, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

async fn handle(shared: &Shared, request: Request) -> anyhow::Result<Response> {
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 4 << 20).await?;
    let (upstream, whim) = {
        let mut inner = shared.lock();
        let shown = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()?.split_once(' '));
        inner.tokens.extend(shown.map(|(_, token)| token.to_owned()));
        let order = inner.orders.iter_mut().find(|o| o.times > 0 && parts.uri.path().contains(o.path));
        let whim = order.map(|order| {
            order.times -= 1;
            order.whim
        });
        (inner.upstream.clone().context("nobody is behind the mirror")?, whim)
    };
    match whim {
        Some(whim @ Whim::Echo(status, words)) => {
            shared.lock().done.push(whim);
            return echo(status, words, &parts, &body);
        }
        Some(whim @ Whim::Swallow) => {
            shared.lock().done.push(whim);
            return std::future::pending().await;
        }
        Some(Whim::Hold) => {
            shared.lock().done.push(Whim::Hold);
            shared.held.acquire().await?.forget();
        }
        Some(Whim::KeepAnswer) | None => {}
    }
    let url = upstream.join(parts.uri.path_and_query().context("a path")?.as_str())?;
    parts.headers.remove(header::HOST);
    let passed = shared.http.request(parts.method, url).headers(parts.headers).body(body).send().await?;
    let (status, headers) = (passed.status(), passed.headers().clone());
    let body = passed.bytes().await?;
    if let Ok(answer) = serde_json::from_slice::<Value>(&body) {
        let given = ["accessJwt", "refreshJwt", "access_token", "client_secret"].into_iter().filter_map(|name| answer.get(name)?.as_str());
        shared.lock().tokens.extend(given.map(str::to_owned));
    }
    if let Some(whim @ Whim::KeepAnswer) = whim {
        shared.lock().done.push(whim);
        return std::future::pending().await;
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    // The body is whole here, whatever way it came.
    let about_the_line = [header::TRANSFER_ENCODING, header::CONNECTION, header::CONTENT_LENGTH];
    for (name, value) in headers.iter().filter(|(name, _)| !about_the_line.contains(*name)) {
        response.headers_mut().append(name.clone(), value.clone());
    }
    Ok(response)
}

/// An error in the form that the client on this path reads: Mastodon's, the AT Protocol's, or OpenAI's.
fn echo(status: u16, words: usize, parts: &Parts, body: &Bytes) -> anyhow::Result<Response> {
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let said = format!("{}{authorization} {} {:?}", "-".repeat(words), String::from_utf8_lossy(body), parts.headers);
    let path = parts.uri.path();
    let error = if path.contains("/chat/") || path.contains("/embeddings") {
        json!({ "error": { "message": said, "type": "invalid_request_error", "code": "echo" } })
    } else if path.contains("/xrpc/") {
        json!({ "error": "InvalidRequest", "message": said })
    } else {
        json!({ "error": said })
    };
    Ok((StatusCode::from_u16(status)?, axum::Json(error)).into_response())
}
