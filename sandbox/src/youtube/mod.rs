//! A stand-in for YouTube: a few channels, their videos and the comments under them.
//!
//! Speaks the Data API v3 (developers.google.com/youtube/v3) as far as a publisher needs it. A video is uploaded into a resumable session: pieces
//! are multiples of 256 KiB but for the last, a question with `Content-Range: bytes */N` tells how far the session is, and it goes on telling after the
//! video is complete. Also Google's own OAuth: refresh tokens that go on working.

mod comments;
mod session;
mod videos;

use std::{collections::HashMap, sync::Mutex, time::SystemTime};

use axum::{
    Json, Router,
    extract::State,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Value, json};

use crate::{
    Limit,
    fault::Endpoint,
    social::{Account, Budget, Charge, Desk, Input, Lives, Protocol, Renewal, Running, oauth, set_headers},
};

/// A running stand-in.
pub type YouTube = Running<DataApi>;

/// The routes and the voice of YouTube, and the pieces of videos that are not whole yet: after a restart they are gone, and asked for again.
#[derive(Debug, Default)]
pub struct DataApi {
    pieces: Mutex<HashMap<String, Vec<u8>>>,
}

/// A refusal: status, reason, message (developers.google.com/youtube/v3/docs/errors).
#[derive(Debug, Clone, Copy)]
struct No(StatusCode, &'static str, &'static str);

impl No {
    const AUTH: Self = Self(StatusCode::UNAUTHORIZED, "authError", "Request had invalid authentication credentials.");
    const VIDEO: Self = Self(StatusCode::NOT_FOUND, "videoNotFound", "The video that you are trying to use cannot be found.");
    const COMMENT: Self = Self(StatusCode::NOT_FOUND, "commentNotFound", "One or more of the specified comments cannot be found.");
    const FORBIDDEN: Self = Self(StatusCode::FORBIDDEN, "forbidden", "The request might not be properly authorized.");
    const SESSION: Self = Self(StatusCode::NOT_FOUND, "notFound", "The upload session cannot be found.");
    const RANGE: Self = Self(StatusCode::BAD_REQUEST, "badRequest", "Failed to parse Content-Range header.");
    const TITLE: Self = Self(StatusCode::BAD_REQUEST, "invalidTitle", "The request metadata specifies an invalid or empty video title.");
    const DESCRIPTION: Self =
        Self(StatusCode::BAD_REQUEST, "invalidDescription", "The request metadata specifies an invalid video description.");
    const METADATA: Self = Self(StatusCode::BAD_REQUEST, "invalidVideoMetadata", "The request metadata is invalid.");
    const MISSING: Self = Self(StatusCode::BAD_REQUEST, "missingRequiredParameter", "A required parameter is missing.");
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let Self(status, reason, message) = self;
        let errors = json!([{ "message": message, "domain": "youtube", "reason": reason }]);
        let name = status.canonical_reason().unwrap_or("Unknown").to_uppercase().replace(' ', "_");
        (status, Json(json!({ "error": { "code": status.as_u16(), "message": message, "errors": errors, "status": name } })))
            .into_response()
    }
}

/// Who calls, by the token in the header.
fn caller<'a>(desk: &'a Desk<DataApi>, uri: &Uri, headers: &HeaderMap) -> Result<&'a Account, No> {
    desk.caller(uri, headers).map_err(|_| No::AUTH)
}

/// An id of this many bytes that cannot be guessed, in the letters of YouTube's ids.
fn id<const N: usize>() -> String {
    BASE64URL_NOPAD.encode(&rand::random::<[u8; N]>())
}

/// The playlist of a channel's uploads.
fn uploads(account: &Account) -> String {
    format!("UU{}", account.id.trim_start_matches("UC"))
}

async fn channels(State(desk): State<Desk<DataApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Result<Json<Value>, No> {
    let account = caller(&desk, &uri, &headers)?;
    if !input.flag("mine") {
        return Err(No::MISSING);
    }
    Ok(Json(json!({ "kind": "youtube#channelListResponse", "items": [{
        "kind": "youtube#channel", "id": account.id,
        "snippet": { "title": account.name, "customUrl": format!("@{}", account.handle) },
        "contentDetails": { "relatedPlaylists": { "likes": "LL", "uploads": uploads(account) } },
    }] })))
}

async fn front() -> Html<&'static str> {
    Html("<h1>YouTube (stand-in)</h1><p>This is a stand-in of Pressroom, not YouTube.</p>")
}

impl Protocol for DataApi {
    const PLATFORM: &'static str = "youtube";

    fn inhabitants() -> Vec<Account> {
        vec![
            Account::new("UCpressroomstandin000001", "pressroom", "ya29.pressroom-stand-in-token"),
            Account::new("UCpressroomstandin000002", "northwind", "ya29.northwind-stand-in-token"),
        ]
    }

    fn routes() -> Router<Desk<Self>> {
        Router::new()
            .route("/", get(front))
            .route("/o/oauth2/v2/auth", get(oauth::authorize::<Self>))
            .route("/token", post(oauth::token::<Self>))
            .route("/upload/youtube/v3/videos", post(session::open).put(session::put))
            .route("/youtube/v3/channels", get(channels))
            .route("/youtube/v3/videos", get(videos::list).delete(videos::delete))
            .route("/youtube/v3/playlistItems", get(videos::playlist))
            .route("/youtube/v3/commentThreads", get(comments::list).post(comments::insert))
            .route("/youtube/v3/comments", get(comments::get).delete(comments::delete))
            .route("/watch", get(videos::page))
    }

    fn kinds(method: &Method, path: &str) -> &'static [Endpoint] {
        match (method.as_str(), path) {
            ("POST" | "PUT", "/upload/youtube/v3/videos") => &[Endpoint::Media],
            ("POST", "/youtube/v3/commentThreads") | ("DELETE", _) => &[Endpoint::Publish],
            ("GET", "/youtube/v3/videos") => &[Endpoint::Lookup, Endpoint::Metrics],
            ("GET", "/youtube/v3/commentThreads" | "/youtube/v3/comments" | "/youtube/v3/playlistItems") => &[Endpoint::Lookup],
            ("GET", "/youtube/v3/channels") | (_, "/token") => &[Endpoint::Auth],
            _ => &[],
        }
    }

    /// A piece that completes a video publishes it; a question about a session is a look-up.
    fn kinds_of(method: &Method, uri: &Uri, headers: &HeaderMap) -> &'static [Endpoint] {
        if method != Method::PUT {
            return Self::kinds(method, uri.path());
        }
        match session::Range::read(headers) {
            Some(session::Range { piece: None, .. }) => &[Endpoint::Lookup],
            Some(session::Range { piece: Some((_, last)), total }) if last + 1 == total => &[Endpoint::Publish],
            _ => &[Endpoint::Media],
        }
    }

    fn refusal(status: StatusCode) -> Response {
        match status {
            StatusCode::UNAUTHORIZED => No::AUTH,
            status if status.is_server_error() => No(status, "backendError", "Backend Error"),
            status => No(status, "badRequest", "The request is refused."),
        }
        .into_response()
    }

    fn rate_limited(budget: &Budget) -> Response {
        let left = budget.resets.duration_since(SystemTime::now()).map_or(1, |left| left.as_secs() + 1);
        // The day's quota is a 403 that says no time; a burst is a 429.
        if budget.limit.seconds >= 86_400 {
            return No(StatusCode::FORBIDDEN, "quotaExceeded", "The request cannot be completed because you have exceeded your quota.")
                .into_response();
        }
        let mut response = No(StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded", "Rate Limit Exceeded").into_response();
        set_headers(&mut response, [("retry-after", left.to_string())]);
        response
    }

    fn charges(_: &Desk<Self>, method: &Method, path: &str, _: &str) -> Vec<Charge> {
        if method == Method::POST && path == "/upload/youtube/v3/videos" {
            return vec![Charge { key: "uploads".to_owned(), limit: Limit::new(100, 86_400), points: 1 }];
        }
        Vec::new()
    }

    fn lives() -> Lives {
        Lives { access_seconds: Some(3_599), refresh: Renewal::Keeps }
    }

    fn login(account: &Account, _: &str) -> Value {
        json!({ "access_token": account.token })
    }
}

/// When something happened, as the API writes it.
fn rfc3339(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// An answer of nothing but a status.
fn empty(status: StatusCode) -> Response {
    let mut response = status.into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, header::HeaderValue::from_static("0"));
    response
}
