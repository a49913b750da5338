//! What the AppView tells through the PDS: posts with their counters, and an author's feed.

use axum::{
    Json,
    extract::{Query, RawQuery, State},
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{App, Record, Refusal, lexicon::POST, session::Caller};
use crate::audience;

/// Most URIs in one `getPosts`.
const MAX_POSTS: usize = 25;

/// An instant as JavaScript writes it.
fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub(crate) async fn get_posts(State(app): State<App>, _caller: Caller, RawQuery(query): RawQuery) -> Result<Json<Value>, Refusal> {
    let query = query.unwrap_or_default();
    let uris: Vec<String> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "uris" || name == "uris[]")
        .map(|(_, uri)| uri.into_owned())
        .collect();
    if uris.is_empty() || uris.len() > MAX_POSTS {
        return Err(Refusal::invalid(format!("Error: uris must have 1 to {MAX_POSTS} elements")));
    }
    // Posts that are not there are left out, without an error.
    let found: Vec<Record> = {
        let mut memory = app.memory();
        let now = Utc::now();
        let found: Vec<Record> =
            uris.iter().filter_map(|uri| memory.look_up(uri, now)).filter(|record| record.collection == POST).collect();
        for record in &found {
            memory.look(&record.uri);
        }
        found
    };
    Ok(Json(json!({ "posts": found.iter().map(|record| app.post_view(record)).collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
pub(crate) struct Feed {
    actor: String,
    limit: Option<usize>,
    cursor: Option<String>,
    filter: Option<String>,
}

pub(crate) async fn get_author_feed(State(app): State<App>, _caller: Caller, Query(feed): Query<Feed>) -> Result<Json<Value>, Refusal> {
    let did = app.account(&feed.actor).ok_or_else(|| Refusal::invalid("Profile not found"))?.did.clone();
    let limit = feed.limit.unwrap_or(50);
    if !(1..=100).contains(&limit) {
        return Err(Refusal::invalid("Error: limit can not be greater than 100 or less than 1"));
    }
    let no_replies = matches!(feed.filter.as_deref(), Some("posts_no_replies" | "posts_and_author_threads"));
    let mut found: Vec<Record> = {
        let mut memory = app.memory();
        let now = Utc::now();
        let fits = |record: &Record| {
            record.did == did && record.collection == POST && !record.deleted && !(no_replies && record.value.get("reply").is_some())
        };
        let mut found: Vec<Record> = memory.records().iter().rev().filter(|record| fits(record)).cloned().collect();
        found.retain(|record| !memory.veils.misses(&record.uri, now));
        found
    };
    if let Some(cursor) = &feed.cursor {
        found.retain(|record| position(record) < *cursor);
    }
    found.truncate(limit);
    let mut answer = json!({ "feed": found.iter().map(|record| json!({ "post": app.post_view(record) })).collect::<Vec<_>>() });
    if let Some(last) = found.last().filter(|_| found.len() == limit) {
        answer["cursor"] = Value::String(position(last));
    }
    Ok(Json(answer))
}

/// The place of a post in its author's feed; microseconds, so that posts made within one millisecond keep apart.
fn position(record: &Record) -> String {
    record.accepted_at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl App {
    /// `app.bsky.feed.defs#postView`.
    fn post_view(&self, record: &Record) -> Value {
        let memory = self.memory();
        let looks = memory.looks(&record.uri);
        let age = (Utc::now() - record.accepted_at).to_std().unwrap_or_default();
        let replies =
            memory.records().iter().filter(|other| !other.deleted && other.value["reply"]["parent"]["uri"] == record.uri.as_str()).count()
                as u64;
        let count = |reaction| audience::count(&record.uri, reaction, age, looks);
        let handle = self.account(&record.did).map_or("handle.invalid", |account| account.handle.as_str());
        json!({
            "uri": record.uri, "cid": record.cid, "author": { "did": record.did, "handle": handle, "displayName": handle, "labels": [] }, "record": record.value,
            "replyCount": replies + count("reply"), "repostCount": count("repost"), "likeCount": count("like"), "quoteCount": count("quote"),
            "bookmarkCount": count("bookmark"), "indexedAt": instant(record.accepted_at), "labels": [],
        })
    }
}
