//! A stand-in for the Telegram Bot API: a channel for each bot that lives there.
//!
//! Speaks the methods (core.telegram.org/bots/api) that a publisher needs, with the words of the official server (tdlib/telegram-bot-api). A bot
//! cannot read what is in a chat, so there is nothing to look up: that is the point of this stand-in.

mod messages;

use std::time::SystemTime;

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::{
    Limit,
    fault::Endpoint,
    social::{Account, Budget, Charge, Desk, Input, Protocol, Running, set_headers},
};

/// A running stand-in.
pub type Telegram = Running<BotApi>;

/// The routes and the voice of Telegram. An account is a channel, named as people name it, with the one bot that may post there.
#[derive(Debug, Default)]
pub struct BotApi;

/// A refusal: `{"ok": false, "error_code": ..., "description": "..."}`.
#[derive(Debug, Clone, Copy)]
struct No(StatusCode, &'static str);

impl No {
    const fn bad(description: &'static str) -> Self {
        Self(StatusCode::BAD_REQUEST, description)
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "ok": false, "error_code": self.0.as_u16(), "description": self.1 }))).into_response()
    }
}

type Answer = Result<Value, No>;

/// The numeric id of a bot's channel: chats of this kind begin with -100.
fn chat_number(account: &Account) -> i64 {
    -1_000_000_000_000 - account.id.parse::<i64>().unwrap_or_default()
}

/// The chat of a bot, by its number or its name; a bot is in no other.
fn chat(account: &Account, input: &Input) -> Result<Value, No> {
    let asked = input.get("chat_id").ok_or(No::bad("Bad Request: chat_id is empty"))?;
    let number = chat_number(account);
    if asked != number.to_string() && !asked.strip_prefix('@').is_some_and(|name| name.eq_ignore_ascii_case(&account.handle)) {
        return Err(No::bad("Bad Request: chat not found"));
    }
    Ok(json!({ "id": number, "title": "Stand-in", "username": account.handle, "type": "channel" }))
}

/// One route for all methods: which one it is stands in the path, and so does the token.
async fn method(
    State(desk): State<Desk<BotApi>>,
    Path((_, name)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Response {
    let Ok(account) = desk.caller(&uri, &headers) else {
        return No(StatusCode::UNAUTHORIZED, "Unauthorized").into_response();
    };
    // Names of methods are read whatever their case.
    let answer = match name.to_ascii_lowercase().as_str() {
        "getme" => Ok(user(account)),
        "getchat" => chat(account, &input),
        "getchatmember" => chat(account, &input)
            .map(|_| json!({ "status": "administrator", "user": user(account), "can_post_messages": true, "can_delete_messages": true })),
        "sendmessage" => messages::text(&desk, account, &input),
        "sendphoto" => messages::file(&desk, account, &input, "photo"),
        "sendvideo" => messages::file(&desk, account, &input, "video"),
        "sendmediagroup" => messages::album(&desk, account, &input),
        "deletemessage" | "deletemessages" => messages::delete(&desk, account, &input),
        _ => Err(No(StatusCode::NOT_FOUND, "Not Found: method not found")),
    };
    match answer {
        Ok(result) => Json(json!({ "ok": true, "result": result })).into_response(),
        Err(no) => no.into_response(),
    }
}

fn user(account: &Account) -> Value {
    let id = account.id.parse::<i64>().unwrap_or_default();
    json!({ "id": id, "is_bot": true, "first_name": "Pressroom", "username": format!("{}_bot", account.handle) })
}

async fn front() -> Html<&'static str> {
    Html("<h1>Telegram (stand-in)</h1><p>This is a stand-in of Pressroom, not Telegram.</p>")
}

/// `/bot<token>/<method>`.
fn split(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/bot")?.split_once('/')
}

impl Protocol for BotApi {
    const PLATFORM: &'static str = "telegram";

    fn inhabitants() -> Vec<Account> {
        vec![Account::new("7000000001", "pressroom_news", "7000000001:telegram-stand-in-token")]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new().route("/", get(front)).route("/{bot}/{method}", any(method))
    }

    fn kinds(_: &Method, path: &str) -> &'static [Endpoint] {
        match split(path).map(|(_, method)| method.to_ascii_lowercase()) {
            Some(method) if method.starts_with("send") || method.starts_with("delete") => &[Endpoint::Publish],
            Some(method) if method.starts_with("get") => &[Endpoint::Auth],
            _ => &[],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        No(status, status.canonical_reason().unwrap_or("Internal Server Error")).into_response()
    }

    fn rate_limited(budget: &Budget) -> Response {
        let seconds = budget.resets.duration_since(SystemTime::now()).map_or(1, |left| left.as_secs() + 1);
        let body = json!({
            "ok": false, "error_code": 429, "description": format!("Too Many Requests: retry after {seconds}"),
            "parameters": { "retry_after": seconds },
        });
        let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
        set_headers(&mut response, [("retry-after", seconds.to_string())]);
        response
    }

    fn token(uri: &Uri, _: &HeaderMap) -> Option<String> {
        split(uri.path()).map(|(token, _)| token.to_owned())
    }

    fn shown(path: &str) -> String {
        split(path).map_or_else(|| path.to_owned(), |(_, method)| format!("/bot[token]/{method}"))
    }

    fn charges(_: &Desk<Self>, _: &Method, path: &str, _: &str) -> Vec<Charge> {
        // One message a second in a chat, "short bursts" apart, and 30 a second of a bot.
        match Self::kinds(&Method::POST, path) {
            [Endpoint::Publish] => vec![Charge { key: "chat".to_owned(), limit: Limit::new(20, 20), points: 1 }],
            _ => Vec::new(),
        }
    }

    fn login(account: &Account, _: &str) -> Value {
        json!({ "bot_token": account.token, "chat_id": format!("@{}", account.handle) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_read_from_the_path_and_shown_in_none() {
        let uri: Uri = "/bot7:secret/sendMessage".parse().unwrap();
        assert_eq!(BotApi::token(&uri, &HeaderMap::new()).as_deref(), Some("7:secret"));
        assert_eq!(BotApi::shown(uri.path()), "/bot[token]/sendMessage");
    }
}
