//! A stand-in for Threads (graph.threads.net): containers that are published, replies, counters, and the exchange of tokens.
//!
//! Speaks developers.facebook.com/documentation/threads. What a second publication of one container is answered is not documented; here it is the
//! "media not found" that an unready container is answered.

mod oauth;
mod posts;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{Html, Response},
    routing::{get, post},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::{
    Limit,
    fault::Endpoint,
    graph::{self, Answer, GraphError},
    social::{Account, Budget, Charge, Desk, Lives, Protocol, Renewal, Running, oauth as kernel_oauth},
};

/// A running stand-in.
pub type Threads = Running<GraphThreads>;

/// The routes and the voice of Threads.
#[derive(Debug, Default)]
pub struct GraphThreads;

/// How long a long-lived token is good: 60 days.
const LONG: i64 = 60 * 24 * 3600;

async fn me(State(desk): State<Desk<GraphThreads>>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = graph::caller(&desk, &uri, &headers)?;
    Ok(Json(json!({ "id": account.id, "username": account.handle, "name": account.name })))
}

async fn front() -> Html<&'static str> {
    Html("<h1>Threads (stand-in)</h1><p>This is a stand-in of Pressroom, not Threads.</p>")
}

async fn page(State(desk): State<Desk<GraphThreads>>, Path((_, id)): Path<(String, String)>) -> Result<Html<String>, GraphError> {
    let books = desk.books();
    let entry = books.entry(id.trim_start_matches('S')).ok_or_else(|| GraphError::missing(&id))?;
    let text = entry.text.replace('&', "&amp;").replace('<', "&lt;");
    Ok(Html(format!("<p>A post on a stand-in of Threads:</p><pre>{text}</pre>")))
}

impl Protocol for GraphThreads {
    const PLATFORM: &'static str = "threads";

    fn inhabitants() -> Vec<Account> {
        vec![Account::new("24681012141618202", "pressroom", "threads-stand-in-token")]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/", get(front))
            .route("/oauth/authorize", get(kernel_oauth::authorize::<Self>))
            .route("/oauth/access_token", post(oauth::access_token))
            .route("/access_token", get(oauth::lengthen))
            .route("/refresh_access_token", get(oauth::refresh))
            .route("/v1.0/me", get(me))
            .route("/v1.0/{user}/threads", get(posts::list).post(posts::create))
            .route("/v1.0/{user}/replies", get(posts::replies))
            .route("/v1.0/{user}/threads_publish", post(posts::publish))
            .route("/v1.0/{user}/threads_publishing_limit", get(posts::limit))
            .route("/v1.0/{id}", get(posts::show).delete(posts::delete))
            .route("/v1.0/{id}/insights", get(posts::insights))
            .route("/{handle}/post/{id}", get(page))
    }

    fn kinds(method: &Method, path: &str) -> &'static [Endpoint] {
        match path {
            "/v1.0/me" => &[Endpoint::Auth],
            path if path.ends_with("access_token") || path.starts_with("/oauth/") => &[Endpoint::Auth],
            path if path.ends_with("/threads_publish") => &[Endpoint::Publish],
            path if path.ends_with("/threads_publishing_limit") => &[],
            path if path.ends_with("/threads") && *method == Method::POST => &[Endpoint::Media],
            path if path.ends_with("/insights") => &[Endpoint::Metrics],
            path if path.starts_with("/v1.0/") && *method == Method::DELETE => &[Endpoint::Publish],
            path if path.starts_with("/v1.0/") => &[Endpoint::Lookup],
            _ => &[],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        axum::response::IntoResponse::into_response(GraphError::of_status(status))
    }

    fn rate_limited(budget: &Budget) -> Response {
        graph::rate_limited(budget, "threads", 80_002)
    }

    fn token(uri: &Uri, headers: &HeaderMap) -> Option<String> {
        graph::token(uri, headers)
    }

    fn charges(_: &Desk<Self>, _: &Method, _: &str, _: &str) -> Vec<Charge> {
        // 4800 calls for each impression of the last day, of which ten are counted at least.
        vec![Charge { key: "calls".to_owned(), limit: Limit::new(48_000, 24 * 3600), points: 1 }]
    }

    fn tell(response: &mut Response, budget: &Budget) {
        graph::tell(response, budget);
    }

    fn login(account: &Account, _: &str) -> Value {
        json!({ "access_token": account.token })
    }

    fn lives() -> Lives {
        Lives { access_seconds: Some(LONG), refresh: Renewal::None }
    }
}
