//! A stand-in for TikTok: a few creators and what was posted for them.
//!
//! Speaks the Content Posting API (developers.tiktok.com/doc/content-posting-api-reference-direct-post) as far as a publisher needs it: a video is
//! announced and then uploaded in pieces, photos are announced by their addresses, and a post's state is asked for by its `publish_id`. Every answer
//! has an `error`, whose code is `ok` if there is none.

mod posting;
mod videos;

use std::{collections::HashMap, sync::Mutex, time::SystemTime};

use axum::{
    Json, Router,
    extract::State,
    response::{Html, IntoResponse, Response},
    routing::{get, post, put},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::{
    Limit,
    fault::Endpoint,
    social::{Account, Budget, Charge, Desk, Input, Lives, Protocol, Renewal, Running, Standing, oauth},
};

/// A running stand-in.
pub type TikTok = Running<PostingApi>;

/// The routes and the voice of TikTok, and the pieces of videos that are not whole yet.
#[derive(Debug, Default)]
pub struct PostingApi {
    pieces: Mutex<HashMap<String, Vec<u8>>>,
}

/// The kind of an [`Account`] that an application which was not audited posts for: only privately.
pub const UNAUDITED: &str = "unaudited";

/// A refusal: status, code, message (developers.tiktok.com/doc/tiktok-api-v2-error-handling).
#[derive(Debug, Clone, Copy)]
struct No(StatusCode, &'static str, &'static str);

impl No {
    const TOKEN: Self = Self(StatusCode::UNAUTHORIZED, "access_token_invalid", "The access token is invalid or not found in the request.");
    const PARAMS: Self = Self(StatusCode::BAD_REQUEST, "invalid_params", "One or more fields in request is invalid.");
    const PRIVACY: Self = Self(StatusCode::FORBIDDEN, "privacy_level_option_mismatch", "privacy_level is not among the creator's options.");
    const UNAUDITED: Self = Self(
        StatusCode::FORBIDDEN,
        "unaudited_client_can_only_post_to_private_accounts",
        "Unaudited clients can only post to a private account.",
    );
    const PUBLISH_ID: Self = Self(StatusCode::BAD_REQUEST, "invalid_publish_id", "The publish_id does not exist.");
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "data": {}, "error": { "code": self.1, "message": self.2, "log_id": "stand-in" } }))).into_response()
    }
}

type Answer = Result<Json<Value>, No>;

fn ok(data: Value) -> Json<Value> {
    Json(json!({ "data": data, "error": { "code": "ok", "message": "", "log_id": "stand-in" } }))
}

/// Who calls, by the token in the header.
fn caller<'a>(desk: &'a Desk<PostingApi>, uri: &Uri, headers: &HeaderMap) -> Result<&'a Account, No> {
    desk.caller(uri, headers).map_err(|standing| match standing {
        Some(Standing::Expired | Standing::Revoked | Standing::Valid) | None => No::TOKEN,
    })
}

/// How visible a post of this creator may be.
fn options(account: &Account) -> &'static [&'static str] {
    if account.kind == UNAUDITED { &["SELF_ONLY"] } else { &["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"] }
}

async fn creator(State(desk): State<Desk<PostingApi>>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    Ok(ok(json!({
        "creator_avatar_url": "", "creator_username": account.handle, "creator_nickname": account.name,
        "privacy_level_options": options(account), "comment_disabled": false, "duet_disabled": false, "stitch_disabled": true,
        "max_video_post_duration_sec": 600,
    })))
}

async fn user(State(desk): State<Desk<PostingApi>>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    Ok(ok(json!({ "user": { "open_id": account.id, "display_name": account.name } })))
}

async fn authorize(State(desk): State<Desk<PostingApi>>, input: Input) -> Response {
    oauth::page(oauth::approve(&desk, &input, "client_key"))
}

/// Tokens, in TikTok's form: scopes with commas, the account's id beside them, a refusal without a status.
async fn token(State(desk): State<Desk<PostingApi>>, headers: HeaderMap, input: Input) -> Response {
    match oauth::exchange(&desk, &headers, &input, "client_key") {
        Ok(issued) => {
            let mut answer = oauth::granted(&issued);
            answer["open_id"] = desk.account(&issued.account).map(|account| account.id.clone()).unwrap_or_default().into();
            answer["refresh_expires_in"] = 15_552_000.into();
            Json(answer).into_response()
        }
        Err(refused) => {
            Json(json!({ "error": refused.name(), "error_description": "refused by the stand-in", "log_id": "stand-in" })).into_response()
        }
    }
}

async fn front() -> Html<&'static str> {
    Html("<h1>TikTok (stand-in)</h1><p>This is a stand-in of Pressroom, not TikTok.</p>")
}

impl Protocol for PostingApi {
    const PLATFORM: &'static str = "tiktok";

    fn inhabitants() -> Vec<Account> {
        vec![
            Account::new("-000pressroom", "pressroom", "act.pressroom-stand-in-token"),
            Account::new("-000northwind", "northwind", "act.northwind-stand-in-token").of_kind(UNAUDITED),
        ]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/", get(front))
            .route("/v2/auth/authorize/", get(authorize))
            .route("/v2/oauth/token/", post(token))
            .route("/v2/user/info/", get(user))
            .route("/v2/post/publish/creator_info/query/", post(creator))
            .route("/v2/post/publish/video/init/", post(posting::video))
            .route("/v2/post/publish/content/init/", post(posting::photos))
            .route("/v2/post/publish/status/fetch/", post(posting::status))
            .route("/video/", put(posting::upload))
            .route("/v2/video/list/", post(videos::list))
            .route("/v2/video/query/", post(videos::query))
            .route("/{creator}/video/{id}", get(videos::page))
    }

    fn kinds(_: &Method, path: &str) -> &'static [Endpoint] {
        match path {
            "/v2/post/publish/content/init/" => &[Endpoint::Publish],
            "/v2/post/publish/video/init/" | "/video/" => &[Endpoint::Media],
            "/v2/post/publish/status/fetch/" | "/v2/video/list/" => &[Endpoint::Lookup],
            "/v2/video/query/" => &[Endpoint::Metrics],
            "/v2/oauth/token/" | "/v2/user/info/" | "/v2/post/publish/creator_info/query/" => &[Endpoint::Auth],
            _ => &[],
        }
    }

    /// The piece that completes a video publishes it.
    fn kinds_of(method: &Method, uri: &Uri, headers: &HeaderMap) -> &'static [Endpoint] {
        match posting::range(headers) {
            Some((_, last, total)) if uri.path() == "/video/" && last + 1 == total => &[Endpoint::Publish],
            _ => Self::kinds(method, uri.path()),
        }
    }

    fn refusal(status: StatusCode) -> Response {
        match status {
            StatusCode::UNAUTHORIZED => No::TOKEN,
            status if status.is_server_error() => No(status, "internal_error", "Something went wrong. Please try again later."),
            status => No(status, "invalid_params", "The request is refused."),
        }
        .into_response()
    }

    fn rate_limited(_: &Budget) -> Response {
        // No header says when the minute is over.
        No(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", "Your request is over the limit. Please try again later.").into_response()
    }

    fn charges(_: &Desk<Self>, _: &Method, path: &str, _: &str) -> Vec<Charge> {
        let points = match path {
            "/v2/post/publish/video/init/" | "/v2/post/publish/content/init/" => 6,
            "/v2/post/publish/status/fetch/" => 30,
            "/v2/post/publish/creator_info/query/" => 20,
            _ => return Vec::new(),
        };
        let key = if points == 6 { "init" } else { path };
        vec![Charge { key: key.to_owned(), limit: Limit::new(points, 60), points: 1 }]
    }

    fn lives() -> Lives {
        Lives { access_seconds: Some(7_200), refresh: Renewal::Rotates { grace_seconds: 0 } }
    }

    fn login(account: &Account, _: &str) -> Value {
        json!({ "access_token": account.token })
    }
}

/// Whole seconds since 1970.
fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
