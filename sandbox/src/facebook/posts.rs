//! Posts, photos and comments of a page.

use axum::{
    Json,
    extract::{Path, State},
    response::Html,
};
use chrono::Utc;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::GraphPages;
use crate::{
    graph::{self, Answer, GraphError, comments, containers},
    social::{Account, Books, Desk, Draft, Entry, EntryKind, Input},
};

/// The longest `message`.
const MAX_MESSAGE: usize = 63_206;

type At = State<Desk<GraphPages>>;

pub(super) async fn create(State(desk): At, Path(page): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = graph::owner(&desk, &uri, &headers, &page)?;
    let message = input.get("message").unwrap_or_default();
    if message.encode_utf16().count() > MAX_MESSAGE {
        return Err(GraphError::parameter("Param message must be at most 63206 characters long."));
    }
    let attached = input.nested("attached_media").unwrap_or_default();
    if message.is_empty() && attached.as_array().is_none_or(Vec::is_empty) && input.get("link").is_none() {
        return Err(GraphError::parameter("Requires one of the params: message, link, attached_media"));
    }
    let now = Utc::now();
    let mut books = desk.books();
    for photo in attached.as_array().into_iter().flatten() {
        photo_of(&books, account, photo["media_fbid"].as_str().unwrap_or_default())?;
    }
    let id = format!("{}_{}", account.id, books.number(now));
    let draft = books.draft(id.clone(), Draft::new(&account.handle, "post", input.json.clone()), &input, now);
    if input.get("published").as_deref() != Some("false") {
        publish(&mut books, account, draft, &input)?;
    }
    Ok(Json(json!({ "id": id })))
}

fn photo_of(books: &Books, account: &Account, id: &str) -> Result<Draft, GraphError> {
    let found = books.drafted(id).filter(|draft| draft.account == account.handle && draft.kind == "photo");
    found.cloned().ok_or_else(|| GraphError::parameter("Invalid parameter").with_subcode(1_366_046, "Photos should be uploaded first"))
}

/// Makes a post public. One that is so already stays as it is.
fn publish(books: &mut Books, account: &Account, draft: Draft, input: &Input) -> Result<(), GraphError> {
    if draft.published.is_some() {
        return Ok(());
    }
    let attached = match &draft.data["attached_media"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        value => value.clone(),
    };
    let mut entry = Entry::new(&account.handle, EntryKind::Post, draft.data["message"].as_str().unwrap_or_default());
    for photo in attached.as_array().into_iter().flatten() {
        entry.media.extend(photo_of(books, account, photo["media_fbid"].as_str().unwrap_or_default())?.file);
    }
    books.publish(draft.id.clone(), entry, input, Utc::now());
    books.keep_draft(Draft { published: Some(draft.id.clone()), ..draft });
    Ok(())
}

pub(super) async fn photo(State(desk): At, Path(page): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = graph::owner(&desk, &uri, &headers, &page)?;
    if input.get("published").as_deref() != Some("false") {
        return Err(GraphError::parameter("This stand-in takes photos for later posts only: published has to be false"));
    }
    let address = input.get("url").ok_or_else(|| GraphError::new(324, "(#324) Requires upload file"))?;
    let alt = input.get("alt_text_custom");
    let draft = Draft::new(&account.handle, "photo", json!({}));
    let draft = containers::with_media(draft, &address, alt.as_deref(), &["image/jpeg", "image/png", "image/gif"]).await;
    if draft.file.is_none() {
        return Err(GraphError::new(324, "(#324) Missing or invalid image file").with_subcode(2_069_019, "Missing or invalid image file"));
    }
    let now = Utc::now();
    let mut books = desk.books();
    let id = books.number(now).to_string();
    Ok(Json(json!({ "id": books.draft(id, draft, &input, now).id })))
}

/// Publishes what was not published.
pub(super) async fn update(State(desk): At, Path(id): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = graph::caller(&desk, &uri, &headers)?;
    let mut books = desk.books();
    let draft = books.drafted(&id).filter(|draft| draft.account == account.handle && draft.kind == "post").cloned();
    let draft = draft.ok_or_else(|| GraphError::missing(&id))?;
    // A deleted post does not come back.
    if draft.published.is_some() && books.entry(&id).is_none() {
        return Err(GraphError::missing(&id));
    }
    if !input.flag("is_published") {
        return Err(GraphError::parameter("Nothing to update"));
    }
    publish(&mut books, account, draft, &input)?;
    Ok(Json(json!({ "success": true })))
}

pub(super) async fn show(State(desk): At, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = graph::caller(&desk, &uri, &headers)?;
    let now = Utc::now();
    let mut books = desk.books();
    let draft = books.drafted(&id).filter(|draft| draft.account == account.handle && draft.kind == "post").cloned();
    let draft = draft.ok_or_else(|| GraphError::missing(&id))?;
    if draft.published.is_some() && books.entry(&id).is_none() {
        return Err(GraphError::missing(&id));
    }
    // A read that lags behind still shows the post as it was.
    let published = books.sees(&id, now);
    if published {
        books.look(&id);
    }
    let count = |counter: &str| if published { books.count(&id, counter, now) } else { 0 };
    let (page, number) = id.split_once('_').unwrap_or(("", &id));
    Ok(Json(json!({
        "id": id, "is_published": published, "permalink_url": format!("{}/{page}/posts/{number}", desk.base()),
        "reactions": { "data": [], "summary": { "total_count": count("reactions") } },
        "comments": { "data": [], "summary": { "total_count": count("comments") } }, "shares": { "count": count("shares") },
    })))
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
    let known = ["post_media_view", "post_total_media_view_unique", "post_clicks", "post_reactions_like_total"];
    graph::insights(&mut desk.books(), &id, &input.get("metric").unwrap_or_default(), &known)
}

pub(super) async fn comment(State(desk): At, Path(id): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = graph::caller(&desk, &uri, &headers)?;
    comments::comment(&desk, account, &id, &input)
}

pub(super) async fn comments(State(desk): At, Path(id): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    graph::caller(&desk, &uri, &headers)?;
    comments::list(&desk, &id, &input, "message", "created_time")
}

pub(super) async fn page(State(desk): At, Path((page, number)): Path<(String, String)>) -> Result<Html<String>, GraphError> {
    let books = desk.books();
    let entry = books.entry(&format!("{page}_{number}")).ok_or_else(|| GraphError::missing(&number))?;
    let text = entry.text.replace('&', "&amp;").replace('<', "&lt;");
    Ok(Html(format!("<p>A post on a stand-in of Facebook:</p><pre>{text}</pre>")))
}
