//! Posts: made, listed, counted, deleted.

use axum::{
    Json,
    extract::{Path, State},
    response::Html,
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{
    Answer, ApiV2, Problem, caller, media,
    text::{MOST, shown, weight},
};
use crate::social::{Books, Desk, Entry, EntryKind, Input};

/// For how long the same text is refused. X does not say; hours were seen.
const REMEMBERS: TimeDelta = TimeDelta::hours(24);

pub(super) async fn create(State(desk): State<Desk<ApiV2>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let text = input.get("text").unwrap_or_default();
    let ids: Vec<String> = match &input.json["media"]["media_ids"] {
        Value::Array(ids) => ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    if text.trim().is_empty() && ids.is_empty() {
        return Err(Problem::invalid("One or more parameters to your request was invalid."));
    }
    if weight(&text) > MOST {
        return Err(Problem::new(StatusCode::FORBIDDEN, "Your Tweet text is too long."));
    }
    let now = Utc::now();
    let mut books = desk.books();
    let parent = input.json["reply"]["in_reply_to_tweet_id"].as_str().map(str::to_owned);
    if parent.as_deref().is_some_and(|parent| books.entry(parent).is_none()) {
        let what = "You attempted to reply to a Tweet that is deleted or not visible to you.";
        return Err(Problem::new(StatusCode::FORBIDDEN, what));
    }
    let mut entry = Entry::new(&account.handle, if parent.is_some() { EntryKind::Reply } else { EntryKind::Post }, &text);
    entry.media = media::named(&books, &account.handle, &ids)?;
    let same = |other: &&Entry| {
        !other.deleted && other.account == account.handle && other.text == text && other.parent == parent && other.at > now - REMEMBERS
    };
    if !text.is_empty() && books.entries().iter().any(|other| same(&other)) {
        return Err(Problem::duplicate());
    }
    entry.parent = parent;
    entry.disclosures = ["made_with_ai", "paid_partnership"].into_iter().filter(|name| input.flag(name)).map(str::to_owned).collect();
    // An id as X makes them: milliseconds since its epoch, shifted.
    let id = (((books.number(now) / 1000).saturating_sub(1_288_834_974_657) << 22) | u64::from(books.entries().len() as u32 & 0x3f_ffff))
        .to_string();
    let entry = books.publish(id, entry, &input, now);
    let (shown, _) = shown(&entry.id, &entry.text, None);
    Ok(Json(json!({ "data": { "id": entry.id, "text": shown, "edit_history_tweet_ids": [entry.id] } })))
}

fn post(books: &Books, entry: &Entry, private: bool, now: DateTime<Utc>) -> Value {
    let address = entry.media.first().map(|_| format!("https://x.com/{}/status/{}/photo/1", entry.account, entry.id));
    let (text, urls) = shown(&entry.id, &entry.text, address.as_deref());
    let count = |name: &str| books.count(&entry.id, name, now);
    let mut post = json!({
        "id": entry.id, "text": text, "created_at": entry.at.to_rfc3339_opts(SecondsFormat::Millis, true), "edit_history_tweet_ids": [entry.id],
        "entities": { "urls": urls },
        "public_metrics": {
            "retweet_count": count("retweet"), "reply_count": count("reply"), "like_count": count("like"), "quote_count": count("quote"),
            "bookmark_count": count("bookmark"), "impression_count": count("impression"),
        },
    });
    if private {
        post["non_public_metrics"] =
            json!({ "impression_count": count("impression"), "url_link_clicks": count("url_link_click"), "user_profile_clicks": 0 });
    }
    if !entry.media.is_empty() {
        post["attachments"] = json!({ "media_keys": entry.media.iter().map(media::key_of).collect::<Vec<_>>() });
    }
    post
}

pub(super) async fn of_account(
    State(desk): State<Desk<ApiV2>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Answer {
    caller(&desk, &uri, &headers)?;
    let owner = desk.account(&id).ok_or_else(|| Problem::invalid("The `id` query parameter value is not valid"))?;
    let most = input.get("max_results").map_or(Ok(10), |most| most.parse::<usize>()).map_err(|_| Problem::invalid("max_results"))?;
    if !(5..=100).contains(&most) {
        return Err(Problem::invalid("The `max_results` query parameter value is not between 5 and 100"));
    }
    let from = match input.get("start_time") {
        Some(text) => Some(DateTime::parse_from_rfc3339(&text).map_err(|_| Problem::invalid("start_time is not a time"))?.to_utc()),
        None => None,
    };
    let before = input.get("pagination_token").and_then(|token| token.parse::<u64>().ok());
    let now = Utc::now();
    let mut books = desk.books();
    let fits = |entry: &Entry| {
        entry.account == owner.handle
            && from.is_none_or(|from| entry.at >= from)
            && before.is_none_or(|before| entry.id.parse::<u64>().is_ok_and(|id| id < before))
    };
    let listed = books.listed(now, fits);
    let page = &listed[..most.min(listed.len())];
    let mut meta = json!({ "result_count": page.len() });
    if listed.len() > most {
        meta["next_token"] = page.last().map(|last| last.id.clone()).into();
    }
    let data: Vec<Value> = page.iter().map(|entry| post(&books, entry, false, now)).collect();
    // An empty list has no `data` at all.
    Ok(Json(if data.is_empty() { json!({ "meta": meta }) } else { json!({ "data": data, "meta": meta }) }))
}

fn no_such(id: &str) -> Value {
    json!({ "errors": [{
        "value": id, "detail": format!("Could not find tweet with id: [{id}]."), "title": "Not Found Error", "resource_type": "tweet",
        "parameter": "id", "resource_id": id, "type": "https://api.twitter.com/2/problems/resource-not-found",
    }] })
}

/// A post that is not there is a 200 with `errors` and no `data`.
pub(super) async fn show(State(desk): State<Desk<ApiV2>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let now = Utc::now();
    let mut books = desk.books();
    books.look(&id);
    let Some(entry) = books.entry(&id).cloned() else { return Ok(Json(no_such(&id))) };
    let private = entry.account == account.handle && input.get("tweet.fields").is_some_and(|fields| fields.contains("non_public_metrics"));
    Ok(Json(json!({ "data": post(&books, &entry, private, now) })))
}

pub(super) async fn delete(State(desk): State<Desk<ApiV2>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let mut books = desk.books();
    if books.entry(&id).is_some_and(|entry| entry.account != account.handle) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "You are not authorized to delete this Tweet."));
    }
    if !books.delete(&id) {
        return Err(Problem(StatusCode::NOT_FOUND, "https://api.twitter.com/2/problems/resource-not-found", "Not found".to_owned()));
    }
    Ok(Json(json!({ "data": { "deleted": true } })))
}

pub(super) async fn page(State(desk): State<Desk<ApiV2>>, Path((_, id)): Path<(String, String)>) -> Result<Html<String>, StatusCode> {
    let books = desk.books();
    let text = books.entry(&id).ok_or(StatusCode::NOT_FOUND)?.text.replace('&', "&amp;").replace('<', "&lt;");
    Ok(Html(format!("<p>A post on a stand-in of Pressroom, not on X:</p><pre>{text}</pre>")))
}
