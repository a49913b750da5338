//! Containers, posts and replies.

use axum::{
    Json,
    extract::{Path, State},
};
use chrono::{TimeDelta, Utc};
use http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};
use unicode_segmentation::UnicodeSegmentation;

use super::GraphThreads;
use crate::{
    graph::{self, Answer, GraphError, containers},
    social::{Books, Desk, Draft, Entry, EntryKind, Input},
};

/// "Text posts are limited to 500 characters. Emojis are counted as the number of UTF-8 bytes."
const MAX_TEXT: usize = 500;
/// "Carousels are limited to 20 images, videos, or a mix of the two."
const MAX_CHILDREN: usize = 20;
/// "The maximum length of alt_text is 1,000 characters."
const MAX_ALT: usize = 1000;
/// Posts within a moving period of 24 hours.
const POSTS: usize = 250;
/// Replies within it.
const REPLIES: usize = 1000;

/// The length as Threads counts it. Beyond the BMP everything is taken for an emoji here: close enough for a refusal.
fn length(text: &str) -> usize {
    text.graphemes(true).map(|one| if one.chars().any(|c| c > '\u{ffff}') { one.len() } else { 1 }).sum()
}

pub(super) async fn create(
    State(desk): State<Desk<GraphThreads>>,
    Path(user): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Answer {
    let account = graph::owner(&desk, &uri, &headers, &user)?;
    let text = input.get("text").unwrap_or_default();
    if length(&text) > MAX_TEXT {
        return Err(GraphError::parameter("Param text must be at most 500 characters long."));
    }
    let alt = input.get("alt_text");
    if alt.as_ref().is_some_and(|alt| alt.chars().count() > MAX_ALT) {
        return Err(GraphError::parameter("Param alt_text must be at most 1000 characters long."));
    }
    if let Some(parent) = input.get("reply_to_id")
        && desk.books().entry(&parent).is_none()
    {
        return Err(GraphError::missing(&parent));
    }
    let address = |name: &str| input.get(name).ok_or_else(|| GraphError::parameter(&format!("The parameter {name} is required")));
    let mut draft = Draft::new(&account.handle, "container", input.json.clone());
    match input.get("media_type").as_deref() {
        Some("TEXT") if text.is_empty() => return Err(GraphError::parameter("The parameter text is required")),
        Some("TEXT") => {}
        Some("IMAGE") => {
            draft = containers::with_media(draft, &address("image_url")?, alt.as_deref(), &["image/jpeg", "image/png"]).await;
        }
        Some("VIDEO") => draft = containers::with_media(draft, &address("video_url")?, alt.as_deref(), &["video/mp4"]).await,
        Some("CAROUSEL") => {
            containers::children(&desk.books(), &account.handle, &input.get("children").unwrap_or_default(), MAX_CHILDREN)?;
        }
        _ => return Err(GraphError::parameter("Param media_type must be one of {TEXT, IMAGE, VIDEO, CAROUSEL}")),
    }
    let now = Utc::now();
    let mut books = desk.books();
    let id = books.number(now).to_string();
    Ok(Json(json!({ "id": books.draft(id, draft, &input, now).id })))
}

/// How many posts, or replies, an account made within the last day.
fn made(books: &Books, account: &str, kind: EntryKind) -> usize {
    let since = Utc::now() - TimeDelta::hours(24);
    books.entries().iter().filter(|entry| entry.account == account && entry.kind == kind && entry.at >= since).count()
}

pub(super) async fn publish(
    State(desk): State<Desk<GraphThreads>>,
    Path(user): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Answer {
    let account = graph::owner(&desk, &uri, &headers, &user)?;
    let id = input.get("creation_id").ok_or_else(|| GraphError::parameter("The parameter creation_id is required"))?;
    let now = Utc::now();
    let mut books = desk.books();
    let not_found = || GraphError::new(24, "The requested resource does not exist").with_subcode(4_279_009, "Media Not Found");
    let container = containers::publishable(&books, &account.handle, &id, now).ok_or_else(not_found)?;
    if container.data["is_carousel_item"] == "true" {
        return Err(not_found());
    }
    let text = |name: &str| container.data[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let parent = text("reply_to_id");
    let (kind, most) = if parent.is_some() { (EntryKind::Reply, REPLIES) } else { (EntryKind::Post, POSTS) };
    if desk.options().throttled && made(&books, &account.handle, kind) >= most {
        return Err(GraphError::new(4, "Application request limit reached").with_subcode(2_207_042, "Maximum number of posts reached"));
    }
    let children = match text("children") {
        Some(ids) => containers::children(&books, &account.handle, &ids, MAX_CHILDREN)?,
        None => Vec::new(),
    };
    let mut entry = Entry::new(&account.handle, kind, &text("text").unwrap_or_default());
    entry.media = if children.is_empty() {
        container.file.clone().into_iter().collect()
    } else {
        children.into_iter().filter_map(|c| c.file).collect()
    };
    entry.parent = parent;
    entry.key = Some(id);
    let number = books.number(now).to_string();
    let entry = books.publish(number, entry, &input, now);
    books.keep_draft(Draft { published: Some(entry.id.clone()), ..container });
    Ok(Json(json!({ "id": entry.id })))
}

/// The fields of an entry that were asked for.
fn shown(desk: &Desk<GraphThreads>, entry: &Entry, fields: &str) -> Value {
    let all = json!({
        "id": entry.id, "media_product_type": "THREADS", "media_type": if entry.media.is_empty() { "TEXT_POST" } else { "IMAGE" },
        "permalink": format!("{}/@{}/post/S{}", desk.base(), entry.account, entry.id), "username": entry.account, "text": entry.text,
        "timestamp": graph::stamp(entry.at), "shortcode": format!("S{}", entry.id), "is_quote_post": false,
    });
    let wanted = |name: &str| name == "id" || fields.split(',').any(|field| field == name);
    Value::Object(
        all.as_object().into_iter().flatten().filter(|(name, _)| wanted(name)).map(|(k, v)| (k.clone(), v.clone())).collect::<Map<_, _>>(),
    )
}

fn listed(desk: &Desk<GraphThreads>, account: &str, kind: EntryKind, input: &Input) -> Json<Value> {
    let fields = input.get("fields").unwrap_or_default();
    let entries = desk.books().listed(Utc::now(), |entry| entry.account == account && entry.kind == kind);
    let data: Vec<_> = graph::page(entries, input).iter().map(|entry| shown(desk, entry, &fields)).collect();
    Json(json!({ "data": data, "paging": { "cursors": {} } }))
}

pub(super) async fn list(
    State(desk): State<Desk<GraphThreads>>,
    Path(user): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Answer {
    let account = graph::owner(&desk, &uri, &headers, &user)?;
    Ok(listed(&desk, &account.handle, EntryKind::Post, &input))
}

pub(super) async fn replies(
    State(desk): State<Desk<GraphThreads>>,
    Path(user): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Answer {
    let account = graph::owner(&desk, &uri, &headers, &user)?;
    Ok(listed(&desk, &account.handle, EntryKind::Reply, &input))
}

pub(super) async fn limit(State(desk): State<Desk<GraphThreads>>, Path(user): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = graph::owner(&desk, &uri, &headers, &user)?;
    let books = desk.books();
    let config = |total: usize| json!({ "quota_total": total, "quota_duration": 86_400 });
    Ok(Json(json!({ "data": [{
        "quota_usage": made(&books, &account.handle, EntryKind::Post), "config": config(POSTS),
        "reply_quota_usage": made(&books, &account.handle, EntryKind::Reply), "reply_config": config(REPLIES),
    }] })))
}

/// A container, or a post: the id says which.
pub(super) async fn show(
    State(desk): State<Desk<GraphThreads>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Answer {
    let account = graph::caller(&desk, &uri, &headers)?;
    let now = Utc::now();
    let mut books = desk.books();
    if let Some(draft) = books.drafted(&id).filter(|draft| draft.account == account.handle).cloned() {
        let status = containers::status(&mut books, &id, now).ok_or_else(|| GraphError::missing(&id))?;
        let mut answer = json!({ "status": status, "id": id });
        if status == "ERROR" {
            answer["error_message"] = containers::trouble(&draft).into();
        }
        return Ok(Json(answer));
    }
    if !books.sees(&id, now) {
        return Err(GraphError::missing(&id));
    }
    let entry = books.entry(&id).cloned().ok_or_else(|| GraphError::missing(&id))?;
    drop(books);
    Ok(Json(shown(&desk, &entry, &input.get("fields").unwrap_or_default())))
}

pub(super) async fn delete(State(desk): State<Desk<GraphThreads>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = graph::caller(&desk, &uri, &headers)?;
    let mut books = desk.books();
    let own = books.entry(&id).is_some_and(|entry| entry.account == account.handle);
    if !own || !books.delete(&id) {
        return Err(GraphError::missing(&id));
    }
    Ok(Json(json!({ "success": true, "deleted_id": id })))
}

pub(super) async fn insights(
    State(desk): State<Desk<GraphThreads>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Answer {
    graph::caller(&desk, &uri, &headers)?;
    let known = ["views", "likes", "replies", "reposts", "quotes", "shares"];
    graph::insights(&mut desk.books(), &id, &input.get("metric").unwrap_or_default(), &known)
}
