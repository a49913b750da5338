//! A stand-in for X (API v2, <https://docs.x.com/x-api>): posts, replies, media, the account's own list, OAuth 2 with PKCE and rotating refresh
//! tokens.
//!
//! As X does, it refuses a text that the account has posted already with a 403 that names nothing, wraps links, escapes `&`, `<` and `>` in what it
//! lists, and tells its limits in `x-rate-limit-*`.

mod media;
mod posts;
mod text;

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
    social::{Account, Budget, Charge, Desk, Lives, Protocol, Renewal, Running, oauth, set_headers},
};

/// A running stand-in.
pub type X = Running<ApiV2>;

/// The routes and the voice of X.
#[derive(Debug, Default)]
pub struct ApiV2;

/// A problem as X describes it (RFC 7807).
#[derive(Debug, Clone)]
struct Problem(StatusCode, &'static str, String);

impl Problem {
    fn new(status: StatusCode, detail: &str) -> Self {
        Self(status, "about:blank", detail.to_owned())
    }

    fn invalid(detail: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, "https://api.twitter.com/2/problems/invalid-request", detail.to_owned())
    }

    fn duplicate() -> Self {
        Self::new(StatusCode::FORBIDDEN, "You are not allowed to create a Tweet with duplicate content.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(status, kind, detail) = self;
        let title = status.canonical_reason().unwrap_or("Error");
        (status, Json(json!({ "title": title, "type": kind, "status": status.as_u16(), "detail": detail }))).into_response()
    }
}

type Answer = Result<Json<Value>, Problem>;

/// Who calls, by the token in the header.
fn caller<'a>(desk: &'a Desk<ApiV2>, uri: &Uri, headers: &HeaderMap) -> Result<&'a Account, Problem> {
    desk.caller(uri, headers).map_err(|_| Problem::new(StatusCode::UNAUTHORIZED, "Unauthorized"))
}

async fn me(State(desk): State<Desk<ApiV2>>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    Ok(Json(json!({ "data": { "id": account.id, "name": account.name, "username": account.handle } })))
}

impl Protocol for ApiV2 {
    const PLATFORM: &'static str = "x";

    fn inhabitants() -> Vec<Account> {
        vec![Account::new("1700000000000000001", "pressroom", "x-stand-in-token")]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/i/oauth2/authorize", get(oauth::authorize::<Self>))
            .route("/2/oauth2/token", post(oauth::token::<Self>))
            .route("/2/users/me", get(me))
            .route("/2/users/{id}/tweets", get(posts::of_account))
            .route("/2/tweets", post(posts::create))
            .route("/2/tweets/{id}", get(posts::show).delete(posts::delete))
            .route("/2/media/upload", get(media::status))
            .route("/2/media/upload/initialize", post(media::initialize))
            .route("/2/media/upload/{id}/append", post(media::append))
            .route("/2/media/upload/{id}/finalize", post(media::finalize))
            .route("/2/media/metadata", post(media::describe))
            .route("/{handle}/status/{id}", get(posts::page))
    }

    fn kinds(method: &Method, path: &str) -> &'static [Endpoint] {
        match path {
            "/2/tweets" => &[Endpoint::Publish],
            "/2/users/me" | "/2/oauth2/token" => &[Endpoint::Auth],
            path if path.starts_with("/2/tweets/") && *method == Method::DELETE => &[Endpoint::Publish],
            path if path.starts_with("/2/tweets/") => &[Endpoint::Metrics],
            path if path.starts_with("/2/users/") => &[Endpoint::Lookup],
            path if path.starts_with("/2/media/") => &[Endpoint::Media],
            _ => &[],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        Problem::new(status, status.canonical_reason().unwrap_or("Error")).into_response()
    }

    fn rate_limited(budget: &Budget) -> Response {
        let mut response = Self::refusal(StatusCode::TOO_MANY_REQUESTS);
        Self::tell(&mut response, budget);
        response
    }

    fn duplicate(_: Option<&Response>) -> Response {
        Problem::duplicate().into_response()
    }

    fn charges(_: &Desk<Self>, method: &Method, path: &str, _: &str) -> Vec<Charge> {
        // docs.x.com, "Rate limits", per user and 15 minutes.
        let points = match (method, path) {
            (&Method::POST, "/2/tweets") => 100,
            (&Method::DELETE, _) => 50,
            (&Method::POST, path) if path.starts_with("/2/media/upload") => 1875,
            (&Method::POST, "/2/media/metadata") => 500,
            (_, "/2/users/me") => 75,
            _ => 900,
        };
        let key = if path.ends_with("/tweets") { path } else { path.rsplit_once('/').map_or(path, |(kind, _)| kind) };
        vec![Charge { key: format!("{method} {key}"), limit: Limit::new(points, 900), points: 1 }]
    }

    fn tell(response: &mut Response, budget: &Budget) {
        let resets = budget.resets.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        set_headers(
            response,
            [
                ("x-rate-limit-limit", budget.limit.points.to_string()),
                ("x-rate-limit-remaining", budget.remaining.to_string()),
                ("x-rate-limit-reset", resets.to_string()),
            ],
        );
    }

    fn login(account: &Account, _: &str) -> Value {
        json!({ "access_token": account.token })
    }

    fn lives() -> Lives {
        Lives { access_seconds: Some(7200), refresh: Renewal::Rotates { grace_seconds: 0 } }
    }
}
