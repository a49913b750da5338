//! A stand-in for Discord: one server with one channel, a bot in it, and a webhook of it.
//!
//! Speaks version 10 of the HTTP API (docs.discord.com) as far as a publisher needs it: a nonce that is enforced gives the first message again for
//! a few minutes, a webhook can read and delete only what it has the number of, and every answer tells its own bucket.

mod messages;

use std::time::UNIX_EPOCH;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use chrono::Utc;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::{
    Limit,
    fault::Endpoint,
    social::{Account, Budget, Charge, Desk, Protocol, Running, Standing, bearer, set_headers},
};

/// A running stand-in.
pub type Discord = Running<HttpApi>;

/// The routes and the voice of Discord.
#[derive(Debug, Default)]
pub struct HttpApi;

/// The kind of an [`Account`] that is a bot.
pub const BOT: &str = "bot";
/// The kind of an [`Account`] that is a webhook; its id and token are in its address.
pub const WEBHOOK: &str = "webhook";

const GUILD: &str = "1000000000000000001";
const CHANNEL: &str = "1000000000000000002";

/// A refusal: status, Discord's own code, message (docs.discord.com, "JSON Error Codes").
#[derive(Debug, Clone)]
struct No(StatusCode, u32, &'static str);

impl No {
    const UNAUTHORIZED: Self = Self(StatusCode::UNAUTHORIZED, 0, "401: Unauthorized");
    const WEBHOOK_TOKEN: Self = Self(StatusCode::UNAUTHORIZED, 50027, "Invalid Webhook Token");
    const CHANNEL: Self = Self(StatusCode::NOT_FOUND, 10003, "Unknown Channel");
    const MESSAGE: Self = Self(StatusCode::NOT_FOUND, 10008, "Unknown Message");
    const WEBHOOK: Self = Self(StatusCode::NOT_FOUND, 10015, "Unknown Webhook");
    const EMPTY: Self = Self(StatusCode::BAD_REQUEST, 50006, "Cannot send an empty message");
    const FORM: Self = Self(StatusCode::BAD_REQUEST, 50035, "Invalid Form Body");
    const TOO_LARGE: Self = Self(StatusCode::PAYLOAD_TOO_LARGE, 40005, "Request entity too large");
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "message": self.2, "code": self.1 }))).into_response()
    }
}

type Answer = Result<Json<Value>, No>;

/// The bot that calls.
fn bot<'a>(desk: &'a Desk<HttpApi>, uri: &Uri, headers: &HeaderMap) -> Result<&'a Account, No> {
    desk.caller(uri, headers).ok().filter(|account| account.kind == BOT).ok_or(No::UNAUTHORIZED)
}

/// The bot that calls, about the channel that there is.
fn bot_in<'a>(desk: &'a Desk<HttpApi>, uri: &Uri, headers: &HeaderMap, channel: &str) -> Result<&'a Account, No> {
    let bot = bot(desk, uri, headers)?;
    if channel == CHANNEL { Ok(bot) } else { Err(No::CHANNEL) }
}

/// The webhook that an address names. One that was revoked is deleted: its number is not known any more.
fn webhook<'a>(desk: &'a Desk<HttpApi>, id: &str, token: &str) -> Result<&'a Account, No> {
    let account = desk.account(id).filter(|account| account.id == id && account.kind == WEBHOOK).ok_or(No::WEBHOOK)?;
    match desk.books().bearer(token, Utc::now()) {
        Some((owner, Standing::Valid)) if owner == account.handle => Ok(account),
        Some((owner, Standing::Revoked)) if owner == account.handle => Err(No::WEBHOOK),
        _ => Err(No::WEBHOOK_TOKEN),
    }
}

async fn me(State(desk): State<Desk<HttpApi>>, uri: Uri, headers: HeaderMap) -> Answer {
    let bot = bot(&desk, &uri, &headers)?;
    Ok(Json(json!({ "id": bot.id, "username": bot.handle, "discriminator": "0000", "bot": true, "global_name": Value::Null })))
}

async fn channel(State(desk): State<Desk<HttpApi>>, Path(channel): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    bot_in(&desk, &uri, &headers, &channel)?;
    Ok(Json(json!({ "id": CHANNEL, "type": 0, "guild_id": GUILD, "name": "stand-in" })))
}

async fn show_webhook(State(desk): State<Desk<HttpApi>>, Path((id, token)): Path<(String, String)>) -> Answer {
    let webhook = webhook(&desk, &id, &token)?;
    Ok(Json(json!({ "id": webhook.id, "type": 1, "name": webhook.handle, "channel_id": CHANNEL, "guild_id": GUILD, "token": token })))
}

async fn front() -> Html<&'static str> {
    Html("<h1>Discord (stand-in)</h1><p>This is a stand-in of Pressroom, not Discord.</p>")
}

/// The token within `/api/v10/webhooks/{id}/{token}`.
fn webhook_token(path: &str) -> Option<&str> {
    path.strip_prefix("/api/v10/webhooks/")?.split('/').nth(1)
}

impl Protocol for HttpApi {
    const PLATFORM: &'static str = "discord";

    fn inhabitants() -> Vec<Account> {
        vec![
            Account::new("1000000000000000010", "pressroom", "discord-stand-in-bot-token").of_kind(BOT),
            Account::new("1000000000000000011", "pressroom-hook", "discord-stand-in-webhook-token").of_kind(WEBHOOK),
        ]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/", get(front))
            .route("/api/v10/users/@me", get(me))
            .route("/api/v10/channels/{channel}", get(channel))
            .route("/api/v10/channels/{channel}/messages", get(messages::list).post(messages::by_bot))
            .route("/api/v10/channels/{channel}/messages/{id}", get(messages::show).delete(messages::delete))
            .route("/api/v10/webhooks/{id}/{token}", get(show_webhook).post(messages::by_webhook))
            .route("/api/v10/webhooks/{id}/{token}/messages/{message}", get(messages::show_own).delete(messages::delete_own))
            .route("/channels/{guild}/{channel}/{id}", get(messages::page))
    }

    fn kinds(method: &Method, path: &str) -> &'static [Endpoint] {
        let Some(path) = path.strip_prefix("/api/v10/") else { return &[] };
        match *method {
            Method::POST | Method::DELETE => &[Endpoint::Publish],
            Method::GET if path.contains("/messages") => &[Endpoint::Lookup, Endpoint::Metrics],
            Method::GET => &[Endpoint::Auth],
            _ => &[],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        (status, Json(json!({ "message": format!("{}: {}", status.as_u16(), status.canonical_reason().unwrap_or_default()), "code": 0 })))
            .into_response()
    }

    fn rate_limited(budget: &Budget) -> Response {
        let after = budget.resets.duration_since(std::time::SystemTime::now()).unwrap_or_default().as_secs_f64();
        let body = json!({ "message": "You are being rate limited.", "retry_after": after, "global": false });
        let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
        Self::tell(&mut response, budget);
        set_headers(&mut response, [("retry-after", format!("{:.0}", after.ceil())), ("x-ratelimit-scope", "user".to_owned())]);
        response
    }

    fn token(uri: &Uri, headers: &HeaderMap) -> Option<String> {
        bearer(headers, "Bot ").or_else(|| webhook_token(uri.path()).map(str::to_owned))
    }

    fn shown(path: &str) -> String {
        webhook_token(path).map_or_else(|| path.to_owned(), |token| path.replace(token, "[token]"))
    }

    fn charges(_: &Desk<Self>, method: &Method, path: &str, _: &str) -> Vec<Charge> {
        // Discord tells its buckets only in its answers; five in five seconds is what channels and webhooks were seen to have.
        let bucket = format!("{method} {}", path.split('/').nth(3).unwrap_or_default());
        vec![Charge { key: bucket, limit: Limit::new(5, 5), points: 1 }]
    }

    fn tell(response: &mut Response, budget: &Budget) {
        let at = budget.resets.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let after = budget.resets.duration_since(std::time::SystemTime::now()).unwrap_or_default().as_secs_f64();
        set_headers(
            response,
            [
                ("x-ratelimit-limit", budget.limit.points.to_string()),
                ("x-ratelimit-remaining", budget.remaining.to_string()),
                ("x-ratelimit-reset", format!("{at:.3}")),
                ("x-ratelimit-reset-after", format!("{after:.3}")),
                ("x-ratelimit-bucket", "stand-in".to_owned()),
            ],
        );
    }

    fn login(account: &Account, base_url: &str) -> Value {
        if account.kind == WEBHOOK {
            json!({ "webhook_url": format!("{base_url}/api/webhooks/{}/{}", account.id, account.token) })
        } else {
            json!({ "bot_token": account.token, "channel": CHANNEL })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhooks_token_is_in_no_path_that_is_shown() {
        let shown = HttpApi::shown("/api/v10/webhooks/1/secret/messages/2");
        assert_eq!(shown, "/api/v10/webhooks/1/[token]/messages/2");
        assert_eq!(HttpApi::shown("/api/v10/channels/1/messages"), "/api/v10/channels/1/messages");
    }
}
