//! A stand-in for pages on Facebook (graph.facebook.com): posts and photos that are made unpublished, then published; comments, counters.
//!
//! Speaks developers.facebook.com/documentation/pages-api.

mod posts;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::{
    Limit,
    fault::Endpoint,
    graph::{self, Answer, GraphError, login},
    social::{Account, Budget, Charge, Desk, Protocol, Running, oauth},
};

/// A running stand-in.
pub type Facebook = Running<GraphPages>;

/// The routes and the voice of Facebook.
#[derive(Debug, Default)]
pub struct GraphPages;

fn page(account: &Account) -> Value {
    json!({ "id": account.id, "name": account.handle, "category": "Café" })
}

async fn me(State(desk): State<Desk<GraphPages>>, uri: Uri, headers: HeaderMap) -> Answer {
    Ok(Json(page(graph::caller(&desk, &uri, &headers)?)))
}

async fn pages(State(desk): State<Desk<GraphPages>>, uri: Uri, headers: HeaderMap) -> Answer {
    login::pages(&desk, &uri, &headers, page)
}

impl Protocol for GraphPages {
    const PLATFORM: &'static str = "facebook";

    fn inhabitants() -> Vec<Account> {
        vec![Account::new("546349135390552", "pressroom", "facebook-stand-in-token")]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/v25.0/dialog/oauth", get(oauth::authorize::<Self>))
            .route("/v25.0/oauth/access_token", get(login::access_token::<Self>).post(login::access_token::<Self>))
            .route("/v25.0/me", get(me))
            .route("/v25.0/me/accounts", get(pages))
            .route("/v25.0/{page}/feed", post(posts::create))
            .route("/v25.0/{page}/photos", post(posts::photo))
            .route("/v25.0/{id}", get(posts::show).post(posts::update).delete(posts::delete))
            .route("/v25.0/{id}/insights", get(posts::insights))
            .route("/v25.0/{id}/comments", get(posts::comments).post(posts::comment))
            .route("/{page}/posts/{id}", get(posts::page))
    }

    fn kinds(method: &Method, path: &str) -> &'static [Endpoint] {
        let writes = *method != Method::GET;
        match path {
            "/v25.0/me" | "/v25.0/me/accounts" | "/v25.0/oauth/access_token" | "/v25.0/dialog/oauth" => &[Endpoint::Auth],
            path if path.ends_with("/feed") || path.ends_with("/photos") => &[Endpoint::Media],
            path if path.ends_with("/insights") => &[Endpoint::Metrics],
            path if path.starts_with("/v25.0/") && writes => &[Endpoint::Publish],
            path if path.starts_with("/v25.0/") => &[Endpoint::Lookup, Endpoint::Metrics],
            _ => &[],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        GraphError::of_status(status).into_response()
    }

    fn rate_limited(budget: &Budget) -> Response {
        graph::rate_limited(budget, "pages", 80_001)
    }

    fn token(uri: &Uri, headers: &HeaderMap) -> Option<String> {
        graph::token(uri, headers)
    }

    fn charges(_: &Desk<Self>, _: &Method, _: &str, _: &str) -> Vec<Charge> {
        // 4800 calls for each engaged person of the last day: one here.
        vec![Charge { key: "calls".to_owned(), limit: Limit::new(4_800, 24 * 3600), points: 1 }]
    }

    fn tell(response: &mut Response, budget: &Budget) {
        graph::tell(response, budget);
    }

    fn login(account: &Account, _: &str) -> Value {
        json!({ "access_token": account.token })
    }
}
