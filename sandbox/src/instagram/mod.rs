//! A stand-in for Instagram's API with Facebook Login (graph.facebook.com): containers of media that are published, comments, counters.
//!
//! Speaks developers.facebook.com/documentation/instagram-platform. What a second publication of one container is answered is not documented; here
//! it is the "media is not ready" that an unready container is answered.

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
pub type Instagram = Running<GraphInstagram>;

/// The routes and the voice of Instagram.
#[derive(Debug, Default)]
pub struct GraphInstagram;

/// The page that an Instagram account is connected to.
fn page(account: &Account) -> Value {
    json!({
        "id": format!("10{}", account.id), "name": format!("Page of {}", account.name), "category": "Café",
        "instagram_business_account": { "id": account.id, "username": account.handle },
    })
}

async fn me(State(desk): State<Desk<GraphInstagram>>, uri: Uri, headers: HeaderMap) -> Answer {
    Ok(Json(page(graph::caller(&desk, &uri, &headers)?)))
}

async fn pages(State(desk): State<Desk<GraphInstagram>>, uri: Uri, headers: HeaderMap) -> Answer {
    login::pages(&desk, &uri, &headers, page)
}

impl Protocol for GraphInstagram {
    const PLATFORM: &'static str = "instagram";

    fn inhabitants() -> Vec<Account> {
        vec![Account::new("17841405309211844", "pressroom", "instagram-stand-in-token")]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/v25.0/dialog/oauth", get(oauth::authorize::<Self>))
            .route("/v25.0/oauth/access_token", get(login::access_token::<Self>).post(login::access_token::<Self>))
            .route("/v25.0/me", get(me))
            .route("/v25.0/me/accounts", get(pages))
            .route("/v25.0/{user}/media", get(posts::list).post(posts::create))
            .route("/v25.0/{user}/media_publish", post(posts::publish))
            .route("/v25.0/{user}/content_publishing_limit", get(posts::limit))
            .route("/v25.0/{id}", get(posts::show).delete(posts::delete))
            .route("/v25.0/{id}/insights", get(posts::insights))
            .route("/v25.0/{id}/comments", get(posts::comments).post(posts::comment))
            .route("/p/{code}/", get(posts::page))
    }

    fn kinds(method: &Method, path: &str) -> &'static [Endpoint] {
        let writes = *method != Method::GET;
        match path {
            "/v25.0/me" | "/v25.0/me/accounts" | "/v25.0/oauth/access_token" | "/v25.0/dialog/oauth" => &[Endpoint::Auth],
            path if path.ends_with("/content_publishing_limit") => &[],
            path if path.ends_with("/media") && writes => &[Endpoint::Media],
            path if path.ends_with("/insights") => &[Endpoint::Metrics],
            path if path.starts_with("/v25.0/") && writes => &[Endpoint::Publish],
            path if path.starts_with("/v25.0/") => &[Endpoint::Lookup],
            _ => &[],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        GraphError::of_status(status).into_response()
    }

    fn rate_limited(budget: &Budget) -> Response {
        graph::rate_limited(budget, "instagram", 80_002)
    }

    fn token(uri: &Uri, headers: &HeaderMap) -> Option<String> {
        graph::token(uri, headers)
    }

    fn charges(_: &Desk<Self>, _: &Method, _: &str, _: &str) -> Vec<Charge> {
        vec![Charge { key: "calls".to_owned(), limit: Limit::new(48_000, 24 * 3600), points: 1 }]
    }

    fn tell(response: &mut Response, budget: &Budget) {
        graph::tell(response, budget);
    }

    fn login(account: &Account, _: &str) -> Value {
        json!({ "access_token": account.token })
    }
}
