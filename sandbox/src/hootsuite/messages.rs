//! Messages: sent at once where they have no time, listed by time, deleted only as long as they are not sent.

use axum::{
    Json,
    extract::{Path, State},
    response::Html,
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{Answer, No, RestV1, caller, media};
use crate::social::{Desk, Entry, EntryKind, Input};

/// The longest span of a question.
const SPAN: TimeDelta = TimeDelta::weeks(4);

/// The longest text of a type of profile.
fn longest(kind: &str) -> usize {
    match kind {
        "TWITTER" => 280,
        "THREADS" => 500,
        _ => 3000,
    }
}

/// A list in the JSON body.
fn list(value: &Value, each: impl Fn(&Value) -> Option<&str>) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|one| each(one).map(str::to_owned)).collect()
}

pub(super) async fn create(State(desk): State<Desk<RestV1>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    caller(&desk, &uri, &headers)?;
    if input.content_type != "application/json;charset=utf-8" {
        return Err(No::invalid(1100, "Invalid JSON schema"));
    }
    let profiles = list(&input.json["socialProfileIds"], Value::as_str);
    // A message of several profiles becomes several; those of Pressroom have one.
    let [profile] = profiles.as_slice() else { return Err(No::invalid(2306, "Missing social profile ID")) };
    let account = desk.account(profile).ok_or_else(|| No::invalid(4001, "Resource not found"))?;
    let text = input.get("text").unwrap_or_default();
    let ids = list(&input.json["media"], |media| media["id"].as_str());
    if (text.is_empty() && ids.is_empty()) || text.chars().count() > longest(&account.kind) {
        return Err(No::invalid(4000, "Schema validation failed"));
    }
    let now = Utc::now();
    let mut books = desk.books();
    let mut entry = Entry::new(&account.handle, EntryKind::Post, &text);
    entry.media = media::named(&books, &ids)?;
    let id = books.number(now).to_string();
    let entry = books.publish(id, entry, &input, now);
    drop(books);
    Ok(Json(json!({ "data": [message(&desk, &entry)] })))
}

fn message(desk: &Desk<RestV1>, entry: &Entry) -> Value {
    let account = desk.account(&entry.account);
    let id = account.map(|account| account.id.clone()).unwrap_or_default();
    let media: Vec<Value> = entry.media.iter().map(|file| json!({ "id": file.id })).collect();
    let mut message = json!({
        "id": entry.id, "state": "SENT", "text": entry.text, "socialProfile": { "id": id }, "media": media, "mediaUrls": null, "postId": entry.id,
        "scheduledSendTime": entry.at.to_rfc3339_opts(SecondsFormat::Secs, true), "tags": null, "reviewers": null, "sequenceNumber": null,
    });
    // Of Facebook and LinkedIn only.
    if account.is_some_and(|account| account.kind.starts_with("LINKEDIN") || account.kind.starts_with("FACEBOOK")) {
        message["postUrl"] = format!("{}/posts/{}", desk.base(), entry.id).into();
    }
    message
}

pub(super) async fn retrieve(State(desk): State<Desk<RestV1>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    caller(&desk, &uri, &headers)?;
    let instant = |name: &str| {
        let text = input.get(name).filter(|text| text.ends_with('Z'))?;
        DateTime::parse_from_rfc3339(&text).ok().map(|at| at.to_utc())
    };
    let (Some(start), Some(end)) = (instant("startTime"), instant("endTime")) else {
        return Err(No::invalid(1100, "Invalid JSON schema"));
    };
    if end - start > SPAN {
        return Err(No::invalid(40_020, "Specified date range is too large"));
    }
    let limit = input.get("limit").map_or(Ok(50), |limit| limit.parse::<usize>()).unwrap_or(0);
    if !(1..=100).contains(&limit) {
        return Err(No::invalid(1100, "Invalid JSON schema"));
    }
    let handle = input.get("socialProfileIds").and_then(|id| desk.account(&id)).map(|account| account.handle.clone());
    let after =
        input.get("cursor").map_or(Ok(0), |cursor| cursor.parse::<usize>()).map_err(|_| No::invalid(3020, "Invalid cursor format"))?;
    let fits = |entry: &Entry| handle.as_ref().is_none_or(|handle| *handle == entry.account) && (start..=end).contains(&entry.at);
    let mut listed = desk.books().listed(Utc::now(), fits);
    // "Sorted by increasing scheduled send time."
    listed.reverse();
    let data: Vec<Value> = listed.iter().skip(after).take(limit).map(|entry| message(&desk, entry)).collect();
    let next = (listed.len() > after + limit).then(|| (after + limit).to_string());
    Ok(Json(json!({ "data": data, "metadata": { "cursor": { "next": next, "previous": null } } })))
}

pub(super) async fn show(State(desk): State<Desk<RestV1>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    caller(&desk, &uri, &headers)?;
    let mut books = desk.books();
    if !books.sees(&id, Utc::now()) {
        return Err(No::missing());
    }
    let entry = books.entry(&id).cloned().ok_or_else(No::missing)?;
    drop(books);
    Ok(Json(json!({ "data": message(&desk, &entry) })))
}

/// What is sent is not deleted: all of these are.
pub(super) async fn delete(State(desk): State<Desk<RestV1>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    caller(&desk, &uri, &headers)?;
    desk.books().entry(&id).ok_or_else(No::missing)?;
    Err(No::invalid(40_003, "You have attempted to delete a message that cannot be deleted in its current state"))
}

pub(super) async fn page(State(desk): State<Desk<RestV1>>, Path(id): Path<String>) -> Result<Html<String>, StatusCode> {
    let books = desk.books();
    let text = books.entry(&id).ok_or(StatusCode::NOT_FOUND)?.text.replace('&', "&amp;").replace('<', "&lt;");
    Ok(Html(format!("<p>A message on a stand-in of Pressroom, not by way of Hootsuite:</p><pre>{text}</pre>")))
}
