//! Posts: drafts first, then shared, asked about, counted, deleted.

use axum::extract::State;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{GraphQl, Refused, channel_of};
use crate::social::{Books, Desk, Draft, Entry, EntryKind, Input, Progress};

/// The most pictures of a post, of all networks that there are here.
const MOST_IMAGES: usize = 4;

/// The longest text of a service.
fn longest(service: &str) -> usize {
    match service {
        "twitter" => 280,
        "mastodon" => 500,
        "bluesky" => 300,
        _ => 3000,
    }
}

fn no(kind: &str, message: &str) -> Value {
    json!({ "__typename": kind, "message": message })
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// An id as Buffer's are: 24 hexadecimal digits.
fn number(books: &mut Books) -> String {
    format!("{:024x}", books.number(Utc::now()))
}

/// Makes a post: a draft, or one that goes out at once.
pub(super) async fn create(State(desk): State<Desk<GraphQl>>, input: Input) -> Result<Value, Refused> {
    let asked = &input.json["variables"]["input"];
    let channel = channel_of(&desk, asked["channelId"].as_str().unwrap_or_default())?;
    let text = asked["text"].as_str().unwrap_or_default();
    let assets = asked["assets"].as_array().cloned().unwrap_or_default();
    if asked["schedulingType"] != "automatic" || !asked["mode"].is_string() {
        return Err(Refused::invalid("Field schedulingType of required type SchedulingType! was not provided."));
    }
    if text.is_empty() && assets.is_empty() {
        return Ok(no("InvalidInputError", "Text is required"));
    }
    if text.chars().count() > longest(&channel.kind) || assets.len() > MOST_IMAGES {
        return Ok(no("InvalidInputError", &format!("The post is too long for {}", channel.kind)));
    }
    let mut files = Vec::new();
    for asset in &assets {
        let image = &asset["image"];
        let alt = image["metadata"]["altText"].as_str();
        let draft = Draft::new(&channel.handle, "asset", json!({}));
        match crate::graph::fetch(draft, image["url"].as_str().unwrap_or_default(), alt).await {
            Some(fetched) if fetched.file.as_ref().is_some_and(|file| file.content_type.starts_with("image/")) => files.push(fetched),
            _ => return Ok(no("InvalidInputError", "The image could not be fetched")),
        }
    }
    let now = Utc::now();
    let mut books = desk.books();
    let mut named = Vec::new();
    for file in files {
        let id = number(&mut books);
        named.push(id.clone());
        books.draft(id, file, &Input::default(), now);
    }
    let id = number(&mut books);
    let draft = Draft::new(&channel.handle, "post", json!({ "text": text, "assets": named }));
    books.draft(id.clone(), draft, &input, now);
    if asked["saveToDraft"] != true {
        share(&mut books, &id, text, &input, now);
    }
    let post = post(&desk, &mut books, &id, now, false).ok_or_else(Refused::missing)?;
    Ok(json!({ "__typename": "PostActionSuccess", "post": post }))
}

/// Hands a draft on to its network. Whether that takes, as was ordered, is its processing.
fn share(books: &mut Books, id: &str, text: &str, input: &Input, now: DateTime<Utc>) {
    let Some(draft) = books.drafted(id).cloned() else { return };
    let draft = books.draft(id.to_owned(), Draft { kind: "shared".to_owned(), ..draft }, input, now);
    if draft.processing.progress(now) == Progress::Failed {
        return;
    }
    let mut entry = Entry::new(&draft.account, EntryKind::Post, text);
    let assets = draft.data["assets"].as_array().into_iter().flatten().filter_map(Value::as_str);
    entry.media = assets.filter_map(|asset| books.drafted(asset).and_then(|asset| asset.file.clone())).collect();
    books.publish(id.to_owned(), entry, input, now);
}

/// Edits a post: with a mode, a draft is published. What is not named stays as it was.
pub(super) fn edit(desk: &Desk<GraphQl>, input: &Input) -> Result<Value, Refused> {
    let asked = &input.json["variables"]["input"];
    let id = asked["id"].as_str().unwrap_or_default().to_owned();
    let now = Utc::now();
    let mut books = desk.books();
    let Some(draft) = books.drafted(&id).cloned().filter(|draft| draft.kind != "asset" && draft.kind != "deleted") else {
        return Ok(no("NotFoundError", "Post not found"));
    };
    // What Buffer says of one that is out is not documented; that it cannot go out again is.
    if draft.kind == "shared" {
        return Ok(no("InvalidInputError", "This post has already been sent and cannot be edited"));
    }
    let text = asked["text"].as_str().or_else(|| draft.data["text"].as_str()).unwrap_or_default().to_owned();
    if asked["mode"] == "shareNow" && asked["saveToDraft"] != true {
        share(&mut books, &id, &text, input, now);
    }
    let post = post(desk, &mut books, &id, now, false).ok_or_else(Refused::missing)?;
    Ok(json!({ "__typename": "PostActionSuccess", "post": post }))
}

/// A post as the API shows it; `looked` if somebody asks for it, which an eventually consistent look-up may miss.
fn post(desk: &Desk<GraphQl>, books: &mut Books, id: &str, now: DateTime<Utc>, looked: bool) -> Option<Value> {
    let draft = books.drafted(id).cloned().filter(|draft| !matches!(draft.kind.as_str(), "asset" | "deleted"))?;
    let service = desk.account(&draft.account).map(|account| account.kind.clone()).unwrap_or_default();
    let shared = draft.kind == "shared" && (!looked || books.entry(id).is_none() || books.sees(id, now));
    let progress = if looked && shared { books.progress(id, now)? } else { draft.processing.progress(now) };
    let status = match progress {
        _ if !shared => "draft",
        Progress::Failed => "error",
        Progress::Working => "sending",
        Progress::Ready => "sent",
    };
    let entry = books.entry(id).cloned();
    let failed = (status == "error")
        .then(|| json!({ "__typename": "PostPublishingError", "message": "The network refused the post", "supportUrl": null }));
    let count = |names: [&str; 6]| -> Vec<Value> {
        let metric = |name: &str| json!({ "__typename": "PostMetric", "type": name, "name": name, "value": books.count(id, name, now), "unit": "count" });
        names.into_iter().map(metric).collect()
    };
    let metrics = (status == "sent").then(|| count(["reactions", "comments", "shares", "reposts", "impressions", "clicks"]));
    Some(json!({
        "__typename": "Post", "id": id, "status": status, "text": draft.data["text"], "createdAt": instant(draft.at),
        "sentAt": entry.as_ref().map(|entry| instant(entry.at)), "channelId": desk.account(&draft.account).map(|account| account.id.clone()),
        "channelService": service, "shareMode": "shareNow", "error": failed, "metrics": metrics,
        "externalLink": (status == "sent").then(|| format!("{}/{service}/posts/{id}", desk.base())),
    }))
}

pub(super) fn show(desk: &Desk<GraphQl>, input: &Input) -> Result<Value, Refused> {
    let id = input.json["variables"]["input"]["id"].as_str().unwrap_or_default();
    let mut books = desk.books();
    if input.get("query").is_some_and(|document| document.contains("metrics")) {
        books.look(id);
    }
    post(desk, &mut books, id, Utc::now(), true).ok_or_else(Refused::missing)
}

/// Deletes a post, draft or not.
pub(super) fn delete(desk: &Desk<GraphQl>, input: &Input) -> Result<Value, Refused> {
    let id = input.json["variables"]["input"]["id"].as_str().unwrap_or_default();
    let mut books = desk.books();
    let draft = books.drafted(id).cloned().filter(|draft| draft.kind != "deleted").ok_or_else(Refused::missing)?;
    books.delete(id);
    books.keep_draft(Draft { kind: "deleted".to_owned(), ..draft });
    Ok(json!({ "__typename": "DeletePostSuccess", "id": id }))
}
