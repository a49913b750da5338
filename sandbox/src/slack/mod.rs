//! A stand-in for Slack: one workspace, a channel for each bot that lives there.
//!
//! Speaks the Web API methods (docs.slack.dev) that a publisher needs: refusals are a 200 with `ok: false`, the rate window is a 429, a text beyond
//! some 4000 characters becomes several messages, and an image can stand in a message only after it was processed.

mod files;
mod messages;

use axum::{
    Json, Router,
    extract::State,
    response::{Html, IntoResponse, Response},
    routing::{any, get, post},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::{
    Limit,
    fault::Endpoint,
    social::{Account, Budget, Charge, Desk, Input, Protocol, Running, Standing, set_headers},
};

/// A running stand-in.
pub type Slack = Running<WebApi>;

/// The routes and the voice of Slack.
#[derive(Debug, Default)]
pub struct WebApi;

/// The workspace that everybody is in.
const TEAM: &str = "T0STANDIN";

/// A refusal, as Slack says it: `{"ok": false, "error": "..."}`, with status 200.
#[derive(Debug, Clone, Copy)]
struct No(&'static str);

impl IntoResponse for No {
    fn into_response(self) -> Response {
        Json(json!({ "ok": false, "error": self.0 })).into_response()
    }
}

type Answer = Result<Json<Value>, No>;

/// Who calls, by the token in the header.
fn caller<'a>(desk: &'a Desk<WebApi>, uri: &Uri, headers: &HeaderMap) -> Result<&'a Account, No> {
    desk.caller(uri, headers).map_err(|standing| match standing {
        Some(Standing::Expired) => No("token_expired"),
        Some(Standing::Revoked | Standing::Valid) => No("token_revoked"),
        None if WebApi::token(uri, headers).is_some() => No("invalid_auth"),
        None => No("not_authed"),
    })
}

/// The channel that is asked for, which has to be that of the bot: it is a member of no other.
fn channel(desk: &Desk<WebApi>, account: &Account, input: &Input) -> Result<String, No> {
    let asked = input.get("channel").or_else(|| input.get("channel_id")).ok_or(No("channel_not_found"))?;
    if asked == account.kind {
        return Ok(asked);
    }
    let exists = desk.options().accounts.iter().any(|other| other.kind == asked);
    Err(No(if exists { "not_in_channel" } else { "channel_not_found" }))
}

async fn auth_test(State(desk): State<Desk<WebApi>>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    Ok(Json(json!({
        "ok": true, "url": format!("{}/", desk.base()), "team": "Stand-in", "user": account.handle, "team_id": TEAM, "user_id": account.id,
        "bot_id": format!("B{}", &account.id[1..]), "is_enterprise_install": false,
    })))
}

async fn front() -> Html<&'static str> {
    Html("<h1>Slack (stand-in)</h1><p>This is a stand-in of Pressroom, not Slack.</p>")
}

impl Protocol for WebApi {
    const PLATFORM: &'static str = "slack";

    fn inhabitants() -> Vec<Account> {
        vec![Account::new("U0PRESSROOM", "pressroom", "xoxb-slack-stand-in-token").of_kind("C0PRESSROOM")]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/", get(front))
            .route("/api/auth.test", any(auth_test))
            .route("/api/chat.postMessage", post(messages::publish))
            .route("/api/chat.delete", post(messages::delete))
            .route("/api/conversations.history", any(messages::history))
            .route("/api/conversations.replies", any(messages::replies))
            .route("/api/files.getUploadURLExternal", any(files::announce))
            .route("/upload/v1/{id}", post(files::upload))
            .route("/api/files.completeUploadExternal", post(files::complete))
            .route("/api/files.info", any(files::info))
            .route("/archives/{channel}/{message}", get(messages::page))
    }

    fn kinds(_: &Method, path: &str) -> &'static [Endpoint] {
        match path {
            "/api/chat.postMessage" | "/api/chat.delete" => &[Endpoint::Publish],
            "/api/conversations.history" | "/api/conversations.replies" => &[Endpoint::Lookup, Endpoint::Metrics],
            "/api/auth.test" => &[Endpoint::Auth],
            path if path.starts_with("/api/files.") || path.starts_with("/upload/") => &[Endpoint::Media],
            _ => &[],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        let error = if status.is_server_error() { "internal_error" } else { "request_failed" };
        (status, Json(json!({ "ok": false, "error": error }))).into_response()
    }

    fn rate_limited(budget: &Budget) -> Response {
        let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(json!({ "ok": false, "error": "ratelimited" }))).into_response();
        let seconds = budget.resets.duration_since(std::time::SystemTime::now()).map_or(1, |left| left.as_secs() + 1);
        set_headers(&mut response, [("retry-after", seconds.to_string())]);
        response
    }

    fn charges(_: &Desk<Self>, _: &Method, path: &str, _: &str) -> Vec<Charge> {
        // "No more than one message per second per channel, with short bursts"; `conversations.history` is tier 3, 50 a minute.
        match path {
            "/api/chat.postMessage" => vec![Charge { key: path.to_owned(), limit: Limit::new(10, 10), points: 1 }],
            "/api/conversations.history" | "/api/conversations.replies" => {
                vec![Charge { key: path.to_owned(), limit: Limit::new(50, 60), points: 1 }]
            }
            _ => Vec::new(),
        }
    }

    fn login(account: &Account, _: &str) -> Value {
        json!({ "bot_token": account.token, "channel": account.kind })
    }
}
