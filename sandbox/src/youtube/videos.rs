//! Videos: reading, listing, deleting.

use axum::{
    Json,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use chrono::Utc;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{DataApi, No, caller, rfc3339, uploads};
use crate::social::{Account, Desk, Entry, EntryKind, Input};

/// What people read of a video.
pub(super) fn text(metadata: &Value) -> String {
    let field = |name: &str| metadata["snippet"][name].as_str().unwrap_or_default();
    format!("{}\n{}", field("title"), field("description")).trim().to_owned()
}

/// A video as the API shows it.
pub(super) fn resource(entry: &Entry, account: &Account) -> Value {
    let mut video = entry.request.clone();
    video["kind"] = "youtube#video".into();
    video["id"] = entry.id.as_str().into();
    video["snippet"]["publishedAt"] = rfc3339(entry.at).into();
    video["snippet"]["channelId"] = account.id.as_str().into();
    video["status"]["uploadStatus"] = "uploaded".into();
    video
}

pub(super) async fn list(State(desk): State<Desk<DataApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Result<Json<Value>, No> {
    let account = caller(&desk, &uri, &headers)?;
    let ids = input.get("id").ok_or(No::MISSING)?;
    let with_counters = input.get("part").ok_or(No::MISSING)?.split(',').any(|part| part == "statistics");
    let now = Utc::now();
    let mut books = desk.books();
    let mut items = Vec::new();
    for id in ids.split(',') {
        if !books.sees(id, now) {
            continue;
        }
        let Some(entry) = books.entry(id).filter(|entry| entry.kind == EntryKind::Post).cloned() else { continue };
        let mut video = resource(&entry, desk.account(&entry.account).unwrap_or(account));
        if with_counters {
            books.look(id);
            let count = |name: &str| books.count(id, name, now).to_string();
            video["statistics"] = json!({
                "viewCount": count("viewCount"), "likeCount": count("likeCount"), "favoriteCount": "0", "commentCount": count("commentCount"),
            });
        }
        items.push(video);
    }
    Ok(Json(json!({ "kind": "youtube#videoListResponse", "items": items })))
}

/// The videos of an uploads playlist, newest first.
pub(super) async fn playlist(State(desk): State<Desk<DataApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Result<Json<Value>, No> {
    let account = caller(&desk, &uri, &headers)?;
    let asked = input.get("playlistId").ok_or(No::MISSING)?;
    if asked != uploads(account) {
        return Err(No(StatusCode::NOT_FOUND, "playlistNotFound", "The playlist cannot be found."));
    }
    let number = |name: &str, otherwise: usize| input.get(name).and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let (skip, most) = (number("pageToken", 0), number("maxResults", 5).min(50));
    let listed = desk.books().listed(Utc::now(), |entry| entry.account == account.handle && entry.kind == EntryKind::Post);
    let shown = listed.iter().skip(skip).take(most).map(|entry| {
        let snippet = &entry.request["snippet"];
        json!({
            "kind": "youtube#playlistItem",
            "snippet": { "publishedAt": rfc3339(entry.at), "title": snippet["title"], "description": snippet["description"], "playlistId": asked },
            "contentDetails": { "videoId": entry.id, "videoPublishedAt": rfc3339(entry.at) },
        })
    });
    let mut page = json!({ "kind": "youtube#playlistItemListResponse", "items": shown.collect::<Vec<_>>() });
    if skip + most < listed.len() {
        page["nextPageToken"] = (skip + most).to_string().into();
    }
    Ok(Json(page))
}

pub(super) async fn delete(State(desk): State<Desk<DataApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Result<Response, No> {
    let account = caller(&desk, &uri, &headers)?;
    let id = input.get("id").ok_or(No::MISSING)?;
    let mut books = desk.books();
    let entry = books.entry(&id).filter(|entry| entry.kind == EntryKind::Post).ok_or(No::VIDEO)?;
    if entry.account != account.handle {
        return Err(No::FORBIDDEN);
    }
    books.delete(&id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What people see.
pub(super) async fn page(State(desk): State<Desk<DataApi>>, input: Input) -> Response {
    let found = input.get("v").and_then(|id| desk.books().entry(&id).cloned());
    match found {
        Some(entry) => {
            let text = entry.text.replace('&', "&amp;").replace('<', "&lt;");
            Html(format!("<p>A video on a stand-in.</p><p>{text}</p>")).into_response()
        }
        None => (StatusCode::NOT_FOUND, Html("<p>Video unavailable</p>")).into_response(),
    }
}
