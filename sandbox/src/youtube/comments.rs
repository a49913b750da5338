//! Comments under videos.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{DataApi, No, caller, id, rfc3339};
use crate::social::{Desk, Entry, EntryKind, Input};

/// A comment of the first level, as the API shows it.
fn thread(desk: &Desk<DataApi>, entry: &Entry) -> Value {
    let channel = desk.account(&entry.account).map(|account| account.id.clone()).unwrap_or_default();
    let video = entry.parent.clone().unwrap_or_default();
    let comment = json!({
        "kind": "youtube#comment", "id": entry.id,
        "snippet": {
            "videoId": video, "textOriginal": entry.text, "textDisplay": entry.text, "authorChannelId": { "value": channel },
            "publishedAt": rfc3339(entry.at),
        },
    });
    json!({ "kind": "youtube#commentThread", "id": entry.id, "snippet": { "videoId": video, "topLevelComment": comment } })
}

pub(super) async fn insert(State(desk): State<Desk<DataApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Result<Json<Value>, No> {
    let account = caller(&desk, &uri, &headers)?;
    let snippet = &input.json["snippet"];
    let text = snippet["topLevelComment"]["snippet"]["textOriginal"].as_str().filter(|text| !text.trim().is_empty());
    let text = text.ok_or(No(StatusCode::BAD_REQUEST, "commentTextRequired", "The comment resource must have a text."))?;
    let video = snippet["videoId"].as_str().ok_or(No::VIDEO)?;
    let mut books = desk.books();
    books.entry(video).filter(|entry| entry.kind == EntryKind::Post).ok_or(No::VIDEO)?;
    let mut entry = Entry::new(&account.handle, EntryKind::Comment, text);
    entry.parent = Some(video.to_owned());
    let entry = books.publish(format!("Ug{}", id::<18>()), entry, &input, Utc::now());
    drop(books);
    Ok(Json(thread(&desk, &entry)))
}

/// The comments under a video, newest first.
pub(super) async fn list(State(desk): State<Desk<DataApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Result<Json<Value>, No> {
    caller(&desk, &uri, &headers)?;
    let video = input.get("videoId").ok_or(No::MISSING)?;
    let most = input.get("maxResults").and_then(|n| n.parse().ok()).unwrap_or(20_usize).min(100);
    let now = Utc::now();
    let mut books = desk.books();
    books.entry(&video).ok_or(No::VIDEO)?;
    let listed = books.listed(now, |entry| entry.kind == EntryKind::Comment && entry.parent.as_ref() == Some(&video));
    drop(books);
    let items: Vec<Value> = listed.iter().take(most).map(|entry| thread(&desk, entry)).collect();
    Ok(Json(json!({ "kind": "youtube#commentThreadListResponse", "items": items })))
}

pub(super) async fn get(State(desk): State<Desk<DataApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Result<Json<Value>, No> {
    caller(&desk, &uri, &headers)?;
    let id = input.get("id").ok_or(No::MISSING)?;
    let found = desk.books().entry(&id).filter(|entry| entry.kind == EntryKind::Comment).cloned();
    let items: Vec<Value> = found.iter().map(|entry| thread(&desk, entry)["snippet"]["topLevelComment"].clone()).collect();
    Ok(Json(json!({ "kind": "youtube#commentListResponse", "items": items })))
}

pub(super) async fn delete(State(desk): State<Desk<DataApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Result<Response, No> {
    let account = caller(&desk, &uri, &headers)?;
    let id = input.get("id").ok_or(No::MISSING)?;
    let mut books = desk.books();
    let entry = books.entry(&id).filter(|entry| entry.kind == EntryKind::Comment).ok_or(No::COMMENT)?;
    if entry.account != account.handle {
        return Err(No::FORBIDDEN);
    }
    books.delete(&id);
    Ok(StatusCode::NO_CONTENT.into_response())
}
