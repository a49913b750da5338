//! Containers, media and comments.

use axum::{
    Json,
    extract::{Path, State},
    response::Html,
};
use chrono::{TimeDelta, Utc};
use http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};

use super::GraphInstagram;
use crate::{
    graph::{self, Answer, GraphError, comments, containers},
    social::{Books, Desk, Draft, Entry, EntryKind, Input},
};

/// "Maximum 2200 characters, 30 hashtags, and 20 @ tags."
const MAX_CAPTION: usize = 2200;
const MAX_TAGS: usize = 30;
const MAX_MENTIONS: usize = 20;
/// "Up to 10 container IDs of each image and video that should appear in the published carousel."
const MAX_CHILDREN: usize = 10;
/// "Alternative text, up to 1000 character."
const MAX_ALT: usize = 1000;
/// API-published posts within a moving period of 24 hours.
const POSTS: usize = 100;

type At = State<Desk<GraphInstagram>>;

pub(super) async fn create(State(desk): At, Path(user): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = graph::owner(&desk, &uri, &headers, &user)?;
    let caption = input.get("caption").unwrap_or_default();
    if caption.chars().count() > MAX_CAPTION {
        return Err(GraphError::new(36_004, "The caption is too long.").with_subcode(2_207_010, "Caption too long"));
    }
    if caption.matches('#').count() > MAX_TAGS || caption.matches('@').count() > MAX_MENTIONS {
        return Err(GraphError::new(36_004, "The caption has too many tags.").with_subcode(2_207_040, "Too many tags"));
    }
    let alt = input.get("alt_text");
    if alt.as_ref().is_some_and(|alt| alt.chars().count() > MAX_ALT) {
        return Err(GraphError::parameter("Param alt_text must be at most 1000 characters long."));
    }
    let mut draft = Draft::new(&account.handle, "container", input.json.clone());
    match (input.get("media_type").as_deref(), input.get("image_url"), input.get("video_url")) {
        (None | Some("IMAGE"), Some(image), None) => draft = containers::with_media(draft, &image, alt.as_deref(), &["image/jpeg"]).await,
        (Some("REELS" | "VIDEO"), None, Some(video)) => draft = containers::with_media(draft, &video, None, &["video/mp4"]).await,
        (Some("CAROUSEL"), None, None) => {
            containers::children(&desk.books(), &account.handle, &input.get("children").unwrap_or_default(), MAX_CHILDREN)?;
        }
        _ => return Err(GraphError::parameter("The parameter image_url is required")),
    }
    let now = Utc::now();
    let mut books = desk.books();
    let id = books.number(now).to_string();
    Ok(Json(json!({ "id": books.draft(id, draft, &input, now).id })))
}

fn made(books: &Books, account: &str) -> usize {
    let since = Utc::now() - TimeDelta::hours(24);
    books.entries().iter().filter(|entry| entry.account == account && entry.kind == EntryKind::Post && entry.at >= since).count()
}

pub(super) async fn publish(State(desk): At, Path(user): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = graph::owner(&desk, &uri, &headers, &user)?;
    let id = input.get("creation_id").ok_or_else(|| GraphError::parameter("The parameter creation_id is required"))?;
    let now = Utc::now();
    let mut books = desk.books();
    let not_ready = || GraphError::new(9007, "Media ID is not available").with_subcode(2_207_027, "The media is not ready for publishing");
    let container = containers::publishable(&books, &account.handle, &id, now).ok_or_else(not_ready)?;
    if container.data["is_carousel_item"] == "true" {
        return Err(GraphError::missing(&id));
    }
    if desk.options().throttled && made(&books, &account.handle) >= POSTS {
        return Err(GraphError::new(9, "Application request limit reached").with_subcode(2_207_042, "Maximum number of posts reached"));
    }
    let field = |name: &str| container.data[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let children = match field("children") {
        Some(ids) => containers::children(&books, &account.handle, &ids, MAX_CHILDREN)?,
        None => Vec::new(),
    };
    let mut entry = Entry::new(&account.handle, EntryKind::Post, &field("caption").unwrap_or_default());
    entry.media = if children.is_empty() {
        container.file.clone().into_iter().collect()
    } else {
        children.into_iter().filter_map(|c| c.file).collect()
    };
    let on = |name: &&str| container.data[*name] == "true";
    entry.disclosures = ["is_paid_partnership", "is_ai_generated"].iter().filter(|name| on(name)).map(|name| (*name).to_owned()).collect();
    entry.key = Some(id);
    let number = books.number(now).to_string();
    let entry = books.publish(number, entry, &input, now);
    books.keep_draft(Draft { published: Some(entry.id.clone()), ..container });
    Ok(Json(json!({ "id": entry.id })))
}

fn shown(desk: &Desk<GraphInstagram>, entry: &Entry, fields: &str) -> Value {
    let video = entry.media.first().is_some_and(|media| media.content_type.starts_with("video/"));
    let books = desk.books();
    let now = Utc::now();
    let all = json!({
        "id": entry.id, "caption": entry.text, "timestamp": graph::stamp(entry.at), "username": entry.account,
        "permalink": format!("{}/p/S{}/", desk.base(), entry.id), "media_product_type": if video { "REELS" } else { "FEED" },
        "like_count": books.count(&entry.id, "likes", now), "comments_count": books.count(&entry.id, "comments", now),
    });
    let wanted = |name: &str| name == "id" || fields.split(',').any(|field| field == name);
    Value::Object(
        all.as_object().into_iter().flatten().filter(|(k, _)| wanted(k)).map(|(k, v)| (k.clone(), v.clone())).collect::<Map<_, _>>(),
    )
}

pub(super) async fn list(State(desk): At, Path(user): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = graph::owner(&desk, &uri, &headers, &user)?;
    let fields = input.get("fields").unwrap_or_default();
    let entries = desk.books().listed(Utc::now(), |entry| entry.account == account.handle && entry.kind == EntryKind::Post);
    let data: Vec<_> = graph::page(entries, &input).iter().map(|entry| shown(&desk, entry, &fields)).collect();
    Ok(Json(json!({ "data": data, "paging": { "cursors": {} } })))
}

pub(super) async fn limit(State(desk): At, Path(user): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = graph::owner(&desk, &uri, &headers, &user)?;
    let used = made(&desk.books(), &account.handle);
    Ok(Json(json!({ "data": [{ "quota_usage": used, "config": { "quota_total": POSTS, "quota_duration": 86_400 } }] })))
}

/// A container, or a published one: the id says which.
pub(super) async fn show(State(desk): At, Path(id): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = graph::caller(&desk, &uri, &headers)?;
    let now = Utc::now();
    let mut books = desk.books();
    if let Some(draft) = books.drafted(&id).filter(|draft| draft.account == account.handle).cloned() {
        let status = containers::status(&mut books, &id, now).ok_or_else(|| GraphError::missing(&id))?;
        let words = if status == "ERROR" { format!("Error: {}", containers::trouble(&draft)) } else { status.to_owned() };
        return Ok(Json(json!({ "status_code": status, "status": words, "id": id })));
    }
    if !books.sees(&id, now) {
        return Err(GraphError::missing(&id));
    }
    let entry = books.entry(&id).cloned().ok_or_else(|| GraphError::missing(&id))?;
    drop(books);
    Ok(Json(shown(&desk, &entry, &input.get("fields").unwrap_or_default())))
}

pub(super) async fn delete(State(desk): At, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = graph::caller(&desk, &uri, &headers)?;
    let mut books = desk.books();
    let own = books.entry(&id).is_some_and(|entry| entry.account == account.handle);
    if !own || !books.delete(&id) {
        return Err(GraphError::missing(&id));
    }
    Ok(Json(json!({ "success": true })))
}

pub(super) async fn insights(State(desk): At, Path(id): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    graph::caller(&desk, &uri, &headers)?;
    let mut books = desk.books();
    let video = books.entry(&id).and_then(|entry| entry.media.first()).is_some_and(|media| media.content_type.starts_with("video/"));
    let known = ["views", "reach", "likes", "comments", "saved", "shares", "total_interactions", "follows"];
    // Reels have no `follows`.
    let known = if video { &known[..known.len() - 1] } else { &known[..] };
    graph::insights(&mut books, &id, &input.get("metric").unwrap_or_default(), known)
}

pub(super) async fn comment(State(desk): At, Path(id): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = graph::caller(&desk, &uri, &headers)?;
    comments::comment(&desk, account, &id, &input)
}

pub(super) async fn comments(State(desk): At, Path(id): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    graph::caller(&desk, &uri, &headers)?;
    comments::list(&desk, &id, &input, "text", "timestamp")
}

pub(super) async fn page(State(desk): At, Path(code): Path<String>) -> Result<Html<String>, GraphError> {
    let books = desk.books();
    let entry = books.entry(code.trim_start_matches('S')).ok_or_else(|| GraphError::missing(&code))?;
    let text = entry.text.replace('&', "&amp;").replace('<', "&lt;");
    Ok(Html(format!("<p>A post on a stand-in of Instagram:</p><pre>{text}</pre>")))
}
