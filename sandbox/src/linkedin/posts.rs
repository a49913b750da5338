//! Posts: made, listed for organisations, deleted.

use axum::{
    Json,
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
};
use chrono::{TimeDelta, Utc};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{Answer, No, ORGANIZATION, Rest, acting, caller, images};
use crate::social::{Books, Desk, Entry, EntryKind, Input};

/// For how long the same post is refused: a day was seen; LinkedIn documents nothing.
const REMEMBERS: TimeDelta = TimeDelta::hours(24);

/// The longest text.
const MOST: usize = 3000;

/// The characters that mean something in `little` text, which a backslash takes their meaning from.
const RESERVED: &str = r"|{}@[]()<>#\*_~";

/// The text that people see: `None` if a reserved character stands where nothing can be made of it.
pub(super) fn plain(little: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = little;
    while let Some(c) = rest.chars().next() {
        if let Some(tag) = rest.strip_prefix("{hashtag|\\#|") {
            let (tag, after) = tag.split_once('}')?;
            out.push('#');
            out.push_str(&plain(tag)?);
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let next = rest.chars().next().filter(|next| RESERVED.contains(*next))?;
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
            // A hashtag as people write it is one too.
            '#' if rest.starts_with(char::is_alphanumeric) => out.push('#'),
            c if RESERVED.contains(c) => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

/// An id as LinkedIn makes them: milliseconds since 1970, shifted.
pub(super) fn number(books: &mut Books) -> u64 {
    let now = Utc::now();
    let micros = books.number(now);
    ((micros / 1000) << 22) | (micros % 1000)
}

pub(super) async fn create(State(desk): State<Desk<Rest>>, uri: Uri, headers: HeaderMap, input: Input) -> Result<Response, No> {
    let caller = caller(&desk, &uri, &headers)?;
    let author = input.get("author").ok_or_else(|| No::invalid("ERROR :: /author :: field is required"))?;
    let account = acting(&desk, caller, &author)?;
    if input.get("lifecycleState").as_deref() != Some("PUBLISHED") || input.get("visibility").is_none() {
        return Err(No::invalid("ERROR :: /lifecycleState :: field is required"));
    }
    let little = input.get("commentary").unwrap_or_default();
    // What is not escaped breaks the text off there, silently.
    let text = plain(&little).unwrap_or_else(|| little.split(|c| "([{".contains(c)).next().unwrap_or_default().to_owned());
    if text.chars().count() > MOST {
        return Err(No::invalid("ERROR :: /commentary :: length is greater than maximum allowed 3000"));
    }
    let content = &input.json["content"];
    let named: Vec<Value> = match (&content["media"], &content["multiImage"]["images"]) {
        (Value::Object(one), _) => vec![Value::Object(one.clone())],
        (_, Value::Array(many)) if (2..=20).contains(&many.len()) => many.clone(),
        (_, Value::Array(_)) => return Err(No::invalid("ERROR :: /content/multiImage/images :: 2 to 20")),
        _ => Vec::new(),
    };
    let now = Utc::now();
    let mut books = desk.books();
    let media = images::named(&books, &account.handle, &named)?;
    let files = |media: &[crate::social::Attachment]| media.iter().map(|file| file.sha256.clone()).collect::<Vec<_>>();
    let same = |other: &Entry| {
        !other.deleted
            && other.kind == EntryKind::Post
            && other.account == account.handle
            && other.text == text
            && files(&other.media) == files(&media)
            && other.at > now - REMEMBERS
    };
    if let Some(original) = books.entries().iter().find(|other| same(other)) {
        return Err(No::duplicate(&original.id));
    }
    let mut entry = Entry::new(&account.handle, EntryKind::Post, &text);
    entry.media = media;
    let id = format!("urn:li:share:{}", number(&mut books));
    let entry = books.publish(id, entry, &input, now);
    Ok((StatusCode::CREATED, [("x-restli-id", entry.id.clone()), ("x-linkedin-id", entry.id)]).into_response())
}

fn post(entry: &Entry, author: &str) -> Value {
    json!({
        "id": entry.id, "author": author, "commentary": entry.request["commentary"], "content": entry.request["content"],
        "createdAt": entry.at.timestamp_millis(), "publishedAt": entry.at.timestamp_millis(), "lifecycleState": "PUBLISHED", "visibility": "PUBLIC",
    })
}

pub(super) async fn of_author(State(desk): State<Desk<Rest>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let caller = caller(&desk, &uri, &headers)?;
    let author =
        input.get("author").filter(|_| input.get("q").as_deref() == Some("author")).ok_or_else(|| No::invalid("no such finder"))?;
    let account = acting(&desk, caller, &author)?;
    if account.kind != ORGANIZATION {
        return Err(No::forbidden());
    }
    let number = |name: &str, or: usize| input.get(name).and_then(|value| value.parse::<usize>().ok()).unwrap_or(or);
    let (start, count) = (number("start", 0), number("count", 10).min(100));
    let listed = desk.books().listed(Utc::now(), |entry| entry.account == account.handle && entry.kind == EntryKind::Post);
    let elements: Vec<Value> = listed.iter().skip(start).take(count).map(|entry| post(entry, &author)).collect();
    Ok(Json(json!({ "elements": elements, "paging": { "start": start, "count": count, "links": [] } })))
}

pub(super) async fn show(State(desk): State<Desk<Rest>>, Path(urn): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let caller = caller(&desk, &uri, &headers)?;
    let mut books = desk.books();
    if !books.sees(&urn, Utc::now()) {
        return Err(No::missing());
    }
    let entry = books.entry(&urn).cloned().ok_or_else(No::missing)?;
    drop(books);
    let account = desk.account(&entry.account).ok_or_else(No::missing)?;
    if acting(&desk, caller, &account.id)?.kind != ORGANIZATION {
        return Err(No::forbidden());
    }
    Ok(Json(post(&entry, &account.id)))
}

/// Deleting is idempotent: what is gone is a 204, too.
pub(super) async fn remove(
    State(desk): State<Desk<Rest>>,
    Path(urn): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, No> {
    let caller = caller(&desk, &uri, &headers)?;
    let owner = desk.books().entry(&urn).map(|entry| entry.account.clone());
    if let Some(account) = owner.and_then(|owner| desk.account(&owner).map(|account| account.id.clone())) {
        acting(&desk, caller, &account)?;
        desk.books().delete(&urn);
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn page(State(desk): State<Desk<Rest>>, Path(urn): Path<String>) -> Result<Html<String>, StatusCode> {
    let books = desk.books();
    let text = books.entry(&urn).ok_or(StatusCode::NOT_FOUND)?.text.replace('&', "&amp;").replace('<', "&lt;");
    Ok(Html(format!("<p>A post on a stand-in of Pressroom, not on LinkedIn:</p><pre>{text}</pre>")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_text_reads_as_people_see_it_and_what_is_not_escaped_breaks_it() {
        assert_eq!(plain(r"a \(b\) \@c \\ #News {hashtag|\#|More}").as_deref(), Some(r"a (b) @c \ #News #More"));
        assert_eq!(plain("a (b)"), None);
        assert_eq!(plain(r"a \b"), None);
    }
}
