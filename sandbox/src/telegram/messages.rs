//! Messages: text, a photo, a video, an album of them.

use chrono::{DateTime, Utc};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, BotApi, No, chat};
use crate::social::{Account, Attachment, Books, Desk, Draft, Entry, EntryKind, FormFile, Input};

/// `message_text_length_max` and `message_caption_length_max` of TDLib, which counts code points.
const MAX_TEXT: usize = 4096;
const MAX_CAPTION: usize = 1024;
/// `sendPhoto.photo`, `sendVideo.video`, in bytes.
const MAX_PHOTO: usize = 10_000_000;
const MAX_VIDEO: usize = 50_000_000;

/// Ids of messages count up within a chat. An album is several messages: its entry has all their ids, with commas between.
fn next_ids(books: &Books, count: usize) -> Vec<u64> {
    let last = books.entries().iter().flat_map(|entry| entry.id.split(',')).filter_map(|id| id.parse::<u64>().ok()).max().unwrap_or(0);
    (1..).map(|step| last + step).take(count.max(1)).collect()
}

/// The entry that has the message of this id.
fn holder(books: &Books, id: &str) -> Option<String> {
    books.entries().iter().find(|entry| !entry.deleted && entry.id.split(',').any(|one| one == id)).map(|entry| entry.id.clone())
}

fn message(id: u64, chat: &Value, entry: &Entry, now: DateTime<Utc>) -> Value {
    let mut message = json!({ "message_id": id, "chat": chat, "sender_chat": chat, "date": now.timestamp() });
    message[if entry.media.is_empty() { "text" } else { "caption" }] = entry.text.as_str().into();
    message
}

/// Publishes an entry as one message, or as many as it has media.
fn publish(desk: &Desk<BotApi>, account: &Account, input: &Input, mut entry: Entry) -> Result<Vec<Value>, No> {
    let chat = chat(account, input)?;
    let now = Utc::now();
    let mut books = desk.books();
    if let Some(reply) = input.nested("reply_parameters") {
        let parent = holder(&books, &reply["message_id"].to_string());
        if parent.is_none() && reply["allow_sending_without_reply"] != true {
            return Err(No::bad("Bad Request: message to be replied not found"));
        }
        entry.kind = if parent.is_some() { EntryKind::Reply } else { EntryKind::Post };
        entry.parent = parent;
    }
    let ids = next_ids(&books, entry.media.len());
    let id = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let entry = books.publish(id, entry, input, now);
    Ok(ids.into_iter().map(|id| message(id, &chat, &entry, now)).collect())
}

pub(super) fn text(desk: &Desk<BotApi>, account: &Account, input: &Input) -> Answer {
    let text = input.get("text").unwrap_or_default();
    if text.trim().is_empty() {
        return Err(No::bad("Bad Request: message text is empty"));
    }
    if text.chars().count() > MAX_TEXT {
        return Err(No::bad("Bad Request: message is too long"));
    }
    let mut messages = publish(desk, account, input, Entry::new(&account.handle, EntryKind::Post, &text))?;
    Ok(messages.remove(0))
}

fn captioned(account: &Account, caption: &str) -> Result<Entry, No> {
    if caption.chars().count() > MAX_CAPTION {
        return Err(No::bad("Bad Request: message caption is too long"));
    }
    Ok(Entry::new(&account.handle, EntryKind::Post, caption))
}

fn attachment(account: &Account, file: &FormFile, kind: &str) -> Result<Attachment, No> {
    let most = if kind == "photo" { MAX_PHOTO } else { MAX_VIDEO };
    if file.bytes.len() > most {
        return Err(No(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"));
    }
    let known: &[&[u8]] = if kind == "photo" { &[b"\x89PNG", b"\xff\xd8\xff"] } else { &[b"\0\0\0"] };
    if !known.iter().any(|start| file.bytes.starts_with(start)) {
        return Err(No::bad("Bad Request: IMAGE_PROCESS_FAILED"));
    }
    let draft = Draft::new(&account.handle, "file", Value::Null).with_file(&file.content_type, &file.bytes, None);
    draft.file.ok_or(No::bad("Bad Request: there is no file in the request"))
}

pub(super) fn file(desk: &Desk<BotApi>, account: &Account, input: &Input, kind: &str) -> Answer {
    // The parameter is the file itself, or the name of the field that has it.
    let named = input.get(kind).and_then(|value| value.strip_prefix("attach://").map(str::to_owned));
    let file = input.file(named.as_deref().unwrap_or(kind)).ok_or(No::bad("Bad Request: there is no file in the request"))?;
    let mut entry = captioned(account, &input.get("caption").unwrap_or_default())?;
    entry.media = vec![attachment(account, file, kind)?];
    let mut messages = publish(desk, account, input, entry)?;
    Ok(messages.remove(0))
}

pub(super) fn album(desk: &Desk<BotApi>, account: &Account, input: &Input) -> Answer {
    let items = input.nested("media").ok_or(No::bad("Bad Request: can't parse media JSON object"))?;
    let items = items.as_array().ok_or(No::bad("Bad Request: expected an Array of InputMedia"))?;
    if !(2..=10).contains(&items.len()) {
        return Err(No::bad("Bad Request: wrong number of items in the album"));
    }
    // The caption of the first item is what people read under the album.
    let mut entry = captioned(account, items[0]["caption"].as_str().unwrap_or_default())?;
    for item in items {
        let (Some(kind @ ("photo" | "video")), Some(field)) = (item["type"].as_str(), item["media"].as_str()) else {
            return Err(No::bad("Bad Request: type of InputMedia must be photo or video"));
        };
        let file = field.strip_prefix("attach://").and_then(|field| input.file(field));
        entry.media.push(attachment(account, file.ok_or(No::bad("Bad Request: there is no file in the request"))?, kind)?);
    }
    Ok(publish(desk, account, input, entry)?.into())
}

pub(super) fn delete(desk: &Desk<BotApi>, account: &Account, input: &Input) -> Answer {
    chat(account, input)?;
    let asked = input.nested("message_ids").or_else(|| input.nested("message_id").map(|id| json!([id])));
    let ids: Vec<String> = asked.as_ref().and_then(Value::as_array).into_iter().flatten().map(ToString::to_string).collect();
    let mut books = desk.books();
    let holders: Vec<String> = ids.iter().filter_map(|id| holder(&books, id)).collect();
    // `deleteMessages` skips what it does not find, `deleteMessage` says so.
    if holders.is_empty() && input.get("message_id").is_some() {
        return Err(No::bad("Bad Request: message to delete not found"));
    }
    holders.iter().for_each(|id| {
        books.delete(id);
    });
    Ok(json!(true))
}
