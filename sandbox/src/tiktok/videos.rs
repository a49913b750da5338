//! What a creator posted, and how it does.

use axum::{
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
};
use chrono::Utc;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{Answer, No, PostingApi, caller, ok, seconds};
use crate::social::{Desk, Entry, Input};

fn is_public(entry: &Entry) -> bool {
    entry.request["post_info"]["privacy_level"] == "PUBLIC_TO_EVERYONE"
}

fn resource(desk: &Desk<PostingApi>, entry: &Entry) -> Value {
    json!({
        "id": entry.id, "title": "", "video_description": entry.text, "create_time": seconds(entry.at.into()),
        "share_url": format!("{}/@{}/video/{}", desk.base(), entry.account, entry.id),
    })
}

/// The public posts of a creator, newest first.
pub(super) async fn list(State(desk): State<Desk<PostingApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let most = input.get("max_count").and_then(|n| n.parse().ok()).unwrap_or(10_usize).min(20);
    let listed = desk.books().listed(Utc::now(), |entry| entry.account == account.handle && is_public(entry));
    let videos: Vec<Value> = listed.iter().take(most).map(|entry| resource(&desk, entry)).collect();
    Ok(ok(json!({ "videos": videos, "cursor": 0, "has_more": listed.len() > most })))
}

/// Counters of posts by their numbers.
pub(super) async fn query(State(desk): State<Desk<PostingApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let ids = input.json["filters"]["video_ids"].as_array().cloned().filter(|ids| ids.len() <= 20).ok_or(No::PARAMS)?;
    let now = Utc::now();
    let mut books = desk.books();
    let mut videos = Vec::new();
    for id in ids.iter().filter_map(Value::as_str) {
        let Some(entry) = books.entry(id).filter(|entry| entry.account == account.handle && is_public(entry)).cloned() else { continue };
        books.look(id);
        let mut video = resource(&desk, &entry);
        for counter in ["like_count", "comment_count", "share_count", "view_count"] {
            video[counter] = books.count(id, counter, now).into();
        }
        videos.push(video);
    }
    Ok(ok(json!({ "videos": videos })))
}

/// What people see.
pub(super) async fn page(State(desk): State<Desk<PostingApi>>, Path((_, id)): Path<(String, String)>) -> Response {
    match desk.books().entry(&id).filter(|entry| is_public(entry)) {
        Some(entry) => {
            Html(format!("<p>A post on a stand-in.</p><p>{}</p>", entry.text.replace('&', "&amp;").replace('<', "&lt;"))).into_response()
        }
        None => (StatusCode::NOT_FOUND, Html("<p>This post is not available</p>")).into_response(),
    }
}
