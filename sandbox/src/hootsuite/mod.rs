//! A stand-in for Hootsuite (<https://apidocs.hootsuite.com/docs/api/index.html>): one member with a social profile on each of two networks.
//!
//! A token opens every profile of the member who gave it. What is sent without a time is sent at once.

mod media;
mod messages;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Value, json};

use crate::{
    Limit,
    fault::Endpoint,
    social::{Account, Budget, Charge, Desk, Input, Lives, Protocol, Renewal, Running, oauth, set_headers},
};

/// A running stand-in.
pub type Hootsuite = Running<RestV1>;

/// The routes and the voice of Hootsuite.
#[derive(Debug, Default)]
pub struct RestV1;

/// A refusal as Hootsuite says it.
#[derive(Debug, Clone)]
pub(super) struct No(StatusCode, u32, String);

impl No {
    fn invalid(code: u32, what: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, code, what.to_owned())
    }

    fn missing() -> Self {
        Self(StatusCode::NOT_FOUND, 4001, "Resource not found".to_owned())
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        let error = json!({ "code": code, "message": message, "id": "f7d32670-4e6a-48c0-a2a7-87803536a712" });
        (status, [(header::CONTENT_TYPE, "application/json;charset=utf-8")], Json(json!({ "errors": [error] }))).into_response()
    }
}

type Answer = Result<Json<Value>, No>;

/// Who calls.
fn caller<'a>(desk: &'a Desk<RestV1>, uri: &Uri, headers: &HeaderMap) -> Result<&'a Account, No> {
    desk.caller(uri, headers).map_err(|_| No(StatusCode::UNAUTHORIZED, 1001, "Invalid access token".to_owned()))
}

fn profile(account: &Account) -> Value {
    // Of those on X, neither name nor picture is told.
    let name = (account.kind != "TWITTER").then_some(&account.handle);
    json!({
        "id": account.id, "type": account.kind, "socialNetworkId": account.handle, "socialNetworkUsername": name, "avatarUrl": null,
        "owner": "MEMBER", "ownerId": "15240789", "isReauthRequired": 0,
    })
}

async fn profiles(State(desk): State<Desk<RestV1>>, uri: Uri, headers: HeaderMap) -> Answer {
    caller(&desk, &uri, &headers)?;
    Ok(Json(json!({ "data": desk.options().accounts.iter().map(profile).collect::<Vec<_>>() })))
}

async fn show_profile(State(desk): State<Desk<RestV1>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    caller(&desk, &uri, &headers)?;
    let account = desk.options().accounts.iter().find(|account| account.id == id).ok_or_else(No::missing)?;
    Ok(Json(json!({ "data": profile(account) })))
}

/// "Including your client credentials in the request-body is not supported."
async fn token(state: State<Desk<RestV1>>, headers: HeaderMap, input: Input) -> Response {
    if !headers.contains_key(header::AUTHORIZATION) || input.get("client_secret").is_some() {
        return oauth::Refused::Client.into_response();
    }
    oauth::token(state, headers, input).await
}

impl Protocol for RestV1 {
    const PLATFORM: &'static str = "hootsuite";

    fn inhabitants() -> Vec<Account> {
        vec![
            Account::new("115185509", "pressroom", "hootsuite-stand-in-token").of_kind("LINKEDINCOMPANY"),
            Account::new("115185510", "pressroom-news", "hootsuite-stand-in-other-token").of_kind("TWITTER"),
        ]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/oauth2/auth", get(oauth::authorize::<Self>))
            .route("/oauth2/token", post(token))
            .route("/v1/socialProfiles", get(profiles))
            .route("/v1/socialProfiles/{id}", get(show_profile))
            .route("/v1/messages", post(messages::create).get(messages::retrieve))
            .route("/v1/messages/{id}", get(messages::show).delete(messages::delete))
            .route("/v1/media", post(media::create))
            .route("/v1/media/{id}", get(media::show))
            .route("/production/{id}", put(media::upload))
            .route("/posts/{id}", get(messages::page))
    }

    fn kinds(method: &Method, path: &str) -> &'static [Endpoint] {
        match path {
            "/v1/messages" if *method == Method::POST => &[Endpoint::Publish],
            "/v1/messages" => &[Endpoint::Lookup],
            path if path.starts_with("/v1/messages/") && *method == Method::DELETE => &[Endpoint::Publish],
            path if path.starts_with("/v1/messages/") => &[Endpoint::Metrics],
            "/v1/socialProfiles" | "/oauth2/token" => &[Endpoint::Auth],
            path if path.starts_with("/v1/socialProfiles/") => &[Endpoint::Auth],
            path if path.starts_with("/v1/media") || path.starts_with("/production/") => &[Endpoint::Media],
            _ => &[],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        let code = match status.as_u16() {
            400 => 4000,
            404 => 4001,
            _ => 5000,
        };
        No(status, code, status.canonical_reason().unwrap_or("Error").to_owned()).into_response()
    }

    fn rate_limited(_: &Budget) -> Response {
        // Hootsuite says nowhere how long to wait.
        No(StatusCode::TOO_MANY_REQUESTS, 1003, "Account plan limit exceeded".to_owned()).into_response()
    }

    fn charges(_: &Desk<Self>, _: &Method, _: &str, _: &str) -> Vec<Charge> {
        // developer.hootsuite.com, "API rate limits".
        let charge = |key: &str, count, seconds| Charge { key: key.to_owned(), limit: Limit::new(count, seconds), points: 1 };
        vec![charge("second", 20, 1), charge("day", 100_000, 86_400)]
    }

    fn tell(response: &mut Response, budget: &Budget) {
        set_headers(response, [("x-account-rate-limit-requests-remaining", budget.remaining.to_string())]);
    }

    fn login(account: &Account, _: &str) -> Value {
        json!({ "access_token": account.token, "social_profile": account.id })
    }

    fn lives() -> Lives {
        Lives { access_seconds: Some(3599), refresh: Renewal::Rotates { grace_seconds: 0 } }
    }
}
