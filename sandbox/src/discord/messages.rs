//! Messages: by the bot and by the webhook.

use axum::{
    Json,
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{Answer, BOT, CHANNEL, GUILD, HttpApi, No, bot_in, webhook};
use crate::social::{Account, Attachment, Books, Desk, Draft, Entry, EntryKind, Input};

/// "The past few minutes", in which an enforced nonce gives the first message again.
const NONCE_MINUTES: i64 = 3;
/// Limits of "Create Message" and "Uploading Files".
const MAX_CONTENT: usize = 2000;
const MAX_NONCE: usize = 25;
const MAX_ALT: usize = 1024;
const MAX_FILES: usize = 10;
const MAX_FILE: usize = 10 * 1024 * 1024;
const MAX_REQUEST: usize = 25 * 1024 * 1024;
const MAX_PAGE: usize = 100;

/// A snowflake: milliseconds since 2015 in the upper 42 bits.
fn snowflake(books: &mut Books, now: DateTime<Utc>) -> String {
    let number = books.number(now);
    let milliseconds = (number / 1000).saturating_sub(1_420_070_400_000);
    ((milliseconds << 22) | (number % 1000)).to_string()
}

/// The message that a request asks for: JSON, or a form with `payload_json` and files.
fn draft(account: &Account, books: &mut Books, input: &Input, now: DateTime<Utc>) -> Result<Entry, No> {
    let payload = input.nested("payload_json").unwrap_or_else(|| input.json.clone());
    let content = payload["content"].as_str().unwrap_or_default();
    if input.body.len() > MAX_REQUEST || input.files.iter().any(|file| file.bytes.len() > MAX_FILE) {
        return Err(No::TOO_LARGE);
    }
    if content.chars().count() > MAX_CONTENT || input.files.len() > MAX_FILES {
        return Err(No::FORM);
    }
    if content.trim().is_empty() && input.files.is_empty() {
        return Err(No::EMPTY);
    }
    let mut entry = Entry::new(&account.handle, EntryKind::Post, content);
    for file in &input.files {
        let index = file.field.strip_prefix("files[").and_then(|rest| rest.strip_suffix(']')).ok_or(No::FORM)?;
        let described = payload["attachments"].as_array().into_iter().flatten().find(|one| plain(&one["id"]) == index);
        let alt = described.and_then(|one| one["description"].as_str());
        if alt.is_some_and(|alt| alt.chars().count() > MAX_ALT) {
            return Err(No::FORM);
        }
        let made = Draft::new(&account.handle, "file", Value::Null).with_file(&file.content_type, &file.bytes, alt);
        let id = snowflake(books, now);
        entry.media.extend(made.file.map(|file| Attachment { id, ..file }));
    }
    if account.kind == BOT {
        if let Some(parent) = payload["message_reference"]["message_id"].as_str() {
            books.entry(parent).ok_or(No::FORM)?;
            entry.kind = EntryKind::Reply;
            entry.parent = Some(parent.to_owned());
        }
        entry.key = Some(plain(&payload["nonce"])).filter(|nonce| !nonce.is_empty());
        if entry.key.as_ref().is_some_and(|nonce| nonce.len() > MAX_NONCE) {
            return Err(No::FORM);
        }
    }
    entry.request = payload;
    Ok(entry)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

fn json(desk: &Desk<HttpApi>, books: &Books, entry: &Entry, now: DateTime<Utc>) -> Value {
    let author = desk.account(&entry.account);
    let is_bot = author.is_some_and(|account| account.kind == BOT);
    let id = author.map(|account| account.id.clone()).unwrap_or_default();
    let attachments: Vec<Value> = entry
        .media
        .iter()
        .map(|file| json!({ "id": file.id, "filename": "file", "size": file.bytes, "content_type": file.content_type, "description": file.alt }))
        .collect();
    let mut message = json!({
        "id": entry.id, "channel_id": CHANNEL, "type": if entry.parent.is_some() { 19 } else { 0 }, "content": entry.text,
        "author": { "id": id, "username": entry.account, "bot": true }, "attachments": attachments, "embeds": [], "mentions": [],
        "timestamp": entry.at.to_rfc3339_opts(SecondsFormat::Micros, false), "edited_timestamp": Value::Null, "tts": false, "pinned": false,
    });
    if !is_bot {
        message["webhook_id"] = id.into();
    }
    if let Some(parent) = &entry.parent {
        message["message_reference"] = json!({ "message_id": parent, "channel_id": CHANNEL, "guild_id": GUILD });
    }
    let likes = books.count(&entry.id, "👍", now);
    if likes > 0 {
        message["reactions"] = json!([{ "emoji": { "name": "👍" }, "count": likes, "me": false }]);
    }
    message
}

pub(super) async fn by_bot(
    State(desk): State<Desk<HttpApi>>,
    Path(channel): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Answer {
    let bot = bot_in(&desk, &uri, &headers, &channel)?;
    let now = Utc::now();
    let mut books = desk.books();
    let entry = draft(bot, &mut books, &input, now)?;
    let enforced = entry.request["enforce_nonce"] == true;
    let made = books.entries().iter().rev().find(|made| {
        enforced
            && made.account == bot.handle
            && made.key.is_some()
            && made.key == entry.key
            && now - made.at < TimeDelta::minutes(NONCE_MINUTES)
    });
    if let Some(made) = made.cloned() {
        return Ok(Json(json(&desk, &books, &made, now)));
    }
    let mut answer = publish(&desk, &mut books, entry.clone(), &input, now);
    if let Some(nonce) = entry.key {
        // The nonce comes back with the answer to the request, and is not kept with the message.
        answer["nonce"] = nonce.into();
    }
    Ok(Json(answer))
}

fn publish(desk: &Desk<HttpApi>, books: &mut Books, entry: Entry, input: &Input, now: DateTime<Utc>) -> Value {
    let id = snowflake(books, now);
    let entry = books.publish(id, entry, input, now);
    json(desk, books, &entry, now)
}

pub(super) async fn by_webhook(
    State(desk): State<Desk<HttpApi>>,
    Path((id, token)): Path<(String, String)>,
    input: Input,
) -> Result<Response, No> {
    let account = webhook(&desk, &id, &token)?;
    let now = Utc::now();
    let mut books = desk.books();
    let entry = draft(account, &mut books, &input, now)?;
    let answer = publish(&desk, &mut books, entry, &input, now);
    Ok(if input.flag("wait") { Json(answer).into_response() } else { StatusCode::NO_CONTENT.into_response() })
}

pub(super) async fn list(
    State(desk): State<Desk<HttpApi>>,
    Path(channel): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Answer {
    bot_in(&desk, &uri, &headers, &channel)?;
    let number = |name: &str| input.get(name).and_then(|id| id.parse::<u64>().ok());
    let (before, after) = (number("before"), number("after"));
    let limit = number("limit").map_or(50, |limit| usize::try_from(limit).unwrap_or(MAX_PAGE)).clamp(1, MAX_PAGE);
    let now = Utc::now();
    let mut books = desk.books();
    let mut listed = books.listed(now, |entry| {
        let id: u64 = entry.id.parse().unwrap_or_default();
        before.is_none_or(|before| id < before) && after.is_none_or(|after| id > after)
    });
    listed.truncate(limit);
    Ok(Json(listed.iter().map(|entry| json(&desk, &books, entry, now)).collect()))
}

fn one(desk: &Desk<HttpApi>, id: &str, by: Option<&str>) -> Answer {
    let now = Utc::now();
    let mut books = desk.books();
    let entry = books.entry(id).filter(|entry| by.is_none_or(|by| entry.account == by)).cloned().ok_or(No::MESSAGE)?;
    if !books.sees(id, now) {
        return Err(No::MESSAGE);
    }
    books.look(id);
    Ok(Json(json(desk, &books, &entry, now)))
}

pub(super) async fn show(
    State(desk): State<Desk<HttpApi>>,
    Path((channel, id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    bot_in(&desk, &uri, &headers, &channel)?;
    one(&desk, &id, None)
}

pub(super) async fn show_own(State(desk): State<Desk<HttpApi>>, Path((id, token, message)): Path<(String, String, String)>) -> Answer {
    let account = webhook(&desk, &id, &token)?;
    one(&desk, &message, Some(&account.handle))
}

fn remove(desk: &Desk<HttpApi>, id: &str, by: &Account) -> Result<StatusCode, No> {
    let mut books = desk.books();
    books.entry(id).filter(|entry| entry.account == by.handle).ok_or(No::MESSAGE)?;
    books.delete(id);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete(
    State(desk): State<Desk<HttpApi>>,
    Path((channel, id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, No> {
    remove(&desk, &id, bot_in(&desk, &uri, &headers, &channel)?)
}

pub(super) async fn delete_own(
    State(desk): State<Desk<HttpApi>>,
    Path((id, token, message)): Path<(String, String, String)>,
) -> Result<StatusCode, No> {
    remove(&desk, &message, webhook(&desk, &id, &token)?)
}

pub(super) async fn page(
    State(desk): State<Desk<HttpApi>>,
    Path((_, _, id)): Path<(String, String, String)>,
) -> Result<Html<String>, StatusCode> {
    let books = desk.books();
    let text = books.entry(&id).ok_or(StatusCode::NOT_FOUND)?.text.replace('&', "&amp;").replace('<', "&lt;");
    Ok(Html(format!("<p>A message on a stand-in of Pressroom, not on Discord:</p><pre>{text}</pre>")))
}
