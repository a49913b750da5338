//! Messages: posted, listed, deleted.

use axum::{
    Json,
    extract::{Path, State},
    response::Html,
};
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{Answer, No, WebApi, caller, channel, files};
use crate::social::{Books, Desk, Entry, EntryKind, Input};

/// A text longer than this comes out as several messages of 4000 characters (seen on the real service; 40,000 are cut off).
const SPLITS_BEYOND: usize = 4040;
const PIECE: usize = 4000;
const CUT_OFF: usize = 40_000;

/// The longest page of a history.
const MAX_PAGE: usize = 999;

/// `1700000000.123456`: Slack's id of a message is its time.
fn ts(number: u64) -> String {
    format!("{}.{:06}", number / 1_000_000, number % 1_000_000)
}

/// The three characters that have to be escaped (docs.slack.dev, "Formatting message text").
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

pub(super) async fn publish(State(desk): State<Desk<WebApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let channel = channel(&desk, account, &input)?;
    let text: String = unescaped(&input.get("text").unwrap_or_default()).chars().take(CUT_OFF).collect();
    let now = Utc::now();
    let mut books = desk.books();
    let media = files::images(&mut books, &account.handle, &input, now)?;
    if text.trim().is_empty() && media.is_empty() {
        return Err(No("no_text"));
    }
    let parent = input.get("thread_ts");
    if parent.as_deref().is_some_and(|parent| books.entry(parent).is_none()) {
        return Err(No("cannot_reply_to_message"));
    }
    let characters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> =
        if characters.len() > SPLITS_BEYOND { characters.chunks(PIECE).map(|piece| piece.iter().collect()).collect() } else { vec![text] };
    let mut first = None;
    for piece in pieces {
        let mut entry = Entry::new(&account.handle, if parent.is_some() { EntryKind::Reply } else { EntryKind::Post }, &piece);
        entry.parent.clone_from(&parent);
        entry.media = if first.is_none() { media.clone() } else { Vec::new() };
        entry.key = input.nested("metadata").map(|metadata| metadata["event_payload"].to_string());
        let id = ts(books.number(now));
        let entry = books.publish(id, entry, &input, now);
        first.get_or_insert(entry);
    }
    let entry = first.ok_or(No("no_text"))?;
    Ok(Json(json!({ "ok": true, "channel": channel, "ts": entry.id, "message": message(&books, &entry, true, now) })))
}

/// A message as lists show it.
fn message(books: &Books, entry: &Entry, with_metadata: bool, now: DateTime<Utc>) -> Value {
    let replies = books.entries().iter().filter(|other| !other.deleted && other.parent.as_ref() == Some(&entry.id)).count() as u64;
    let escaped = entry.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut message = json!({ "type": "message", "subtype": "bot_message", "ts": entry.id, "text": escaped, "bot_id": "B0PRESSROOM" });
    if let Some(parent) = &entry.parent {
        message["thread_ts"] = parent.as_str().into();
    }
    if replies > 0 {
        message["thread_ts"] = entry.id.as_str().into();
        message["reply_count"] = replies.into();
    }
    let hearts = books.count(&entry.id, "heart", now);
    if hearts > 0 {
        message["reactions"] = json!([{ "name": "heart", "count": hearts, "users": [] }]);
    }
    // Parameters come as JSON or, in a form, as JSON within a string.
    let metadata = match &entry.request["metadata"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        value => value.clone(),
    };
    if with_metadata && metadata.is_object() {
        message["metadata"] = metadata;
    }
    message
}

pub(super) async fn history(State(desk): State<Desk<WebApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    channel(&desk, account, &input)?;
    let at = |name: &str| input.get(name).and_then(|at| at.parse::<f64>().ok());
    let (oldest, latest) = (at("oldest").unwrap_or(0.0), input.get("cursor").and_then(|c| c.parse().ok()).or_else(|| at("latest")));
    let inclusive = input.flag("inclusive");
    let limit = at("limit").map_or(100, |limit| limit as usize).clamp(1, MAX_PAGE);
    let now = Utc::now();
    let mut books = desk.books();
    let fits = |entry: &Entry| {
        let at = entry.id.parse::<f64>().unwrap_or_default();
        let within = at > oldest && latest.is_none_or(|latest| at < latest) || inclusive && (at == oldest || latest == Some(at));
        entry.account == account.handle && entry.parent.is_none() && within
    };
    let listed = books.listed(now, fits);
    let more = listed.len() > limit;
    let page = &listed[..limit.min(listed.len())];
    let cursor = page.last().filter(|_| more).map(|last| last.id.clone()).unwrap_or_default();
    page.iter().for_each(|entry| books.look(&entry.id));
    let messages: Vec<Value> = page.iter().map(|entry| message(&books, entry, input.flag("include_all_metadata"), now)).collect();
    Ok(Json(json!({ "ok": true, "messages": messages, "has_more": more, "response_metadata": { "next_cursor": cursor } })))
}

pub(super) async fn replies(State(desk): State<Desk<WebApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    channel(&desk, account, &input)?;
    let asked = input.get("ts").ok_or(No("thread_not_found"))?;
    let now = Utc::now();
    let mut books = desk.books();
    let thread = books.entry(&asked).ok_or(No("thread_not_found"))?.parent.clone().unwrap_or(asked);
    let mut listed = books.listed(now, |entry| entry.id == thread || entry.parent.as_ref() == Some(&thread));
    listed.reverse();
    if listed.is_empty() {
        return Err(No("thread_not_found"));
    }
    listed.iter().for_each(|entry| books.look(&entry.id));
    let messages: Vec<Value> = listed.iter().map(|entry| message(&books, entry, input.flag("include_all_metadata"), now)).collect();
    Ok(Json(json!({ "ok": true, "messages": messages, "has_more": false, "response_metadata": { "next_cursor": "" } })))
}

pub(super) async fn delete(State(desk): State<Desk<WebApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let channel = channel(&desk, account, &input)?;
    let ts = input.get("ts").ok_or(No("message_not_found"))?;
    if !desk.books().delete(&ts) {
        return Err(No("message_not_found"));
    }
    Ok(Json(json!({ "ok": true, "channel": channel, "ts": ts })))
}

pub(super) async fn page(State(desk): State<Desk<WebApi>>, Path((_, message)): Path<(String, String)>) -> Result<Html<String>, StatusCode> {
    let books = desk.books();
    let entry = books.entries().iter().find(|entry| !entry.deleted && format!("p{}", entry.id.replace('.', "")) == message);
    let text = entry.ok_or(StatusCode::NOT_FOUND)?.text.replace('&', "&amp;").replace('<', "&lt;");
    Ok(Html(format!("<p>A message on a stand-in of Pressroom, not on Slack:</p><pre>{text}</pre>")))
}
