//! Statuses: posting, reading, listing, deleting.

use axum::{
    Extension, Json,
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{App, Refusal, Software, Status, account::Caller, instant, media, params::Params, text};
use crate::{audience, fault::gate::Hide};

/// Mastodon's default and largest page of an account's statuses.
const PAGE: usize = 20;
const MAX_PAGE: usize = 40;

pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    hide: Option<Extension<Hide>>,
    headers: HeaderMap,
    params: Params,
) -> Result<Json<Value>, Refusal> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).filter(|key| !key.is_empty()).map(str::to_owned);
    let now = Utc::now();
    let id = {
        // One lock from the look at the key to the record, so that two requests at once under one key make one status.
        let mut memory = app.memory();
        let made = match &key {
            Some(key) if app.options().software == Software::Mastodon => {
                memory.made_under(&caller.handle, key, now, app.options().idempotency_seconds)
            }
            _ => None,
        };
        match made {
            // The status of a used key that was deleted since is not found; Mastodon does not make it again.
            Some(id) => memory.status(&id).ok_or_else(Refusal::not_found)?.id.clone(),
            None => {
                let mut status = draft(&app, &memory, &caller.handle, &params)?;
                status.id = memory.next_id(now).to_string();
                status.idempotency_key = key;
                status.accepted_at = now;
                let id = status.id.clone();
                memory.accept(status, hide.map(|Extension(hide)| hide));
                id
            }
        }
    };
    let status = app.memory().status(&id).cloned().ok_or_else(Refusal::not_found)?;
    Ok(Json(app.status_json(&status, Some(&caller.handle))))
}

/// The status that the parameters describe, checked as Mastodon checks it; id, key and time are still to be filled in.
fn draft(app: &App, memory: &super::state::Memory, handle: &str, params: &Params) -> Result<Status, Refusal> {
    if params.get("scheduled_at").is_some() {
        return Err(Refusal::invalid("Scheduled at is not supported by this stand-in"));
    }
    let text = params.get("status").unwrap_or_default().to_owned();
    let spoiler_text = params.get("spoiler_text").unwrap_or_default().to_owned();
    let media_ids: Vec<String> = params.all("media_ids").filter(|id| !id.is_empty()).map(str::to_owned).collect();
    if media_ids.len() > media::MAX_ATTACHMENTS {
        return Err(Refusal::invalid(format!("Cannot attach more than {} files", media::MAX_ATTACHMENTS)));
    }
    let free = |id: &String| {
        let mine = memory.medium(id).is_some_and(|media| media.account == handle);
        mine && !memory.statuses().any(|status| status.media_ids.contains(id))
    };
    // snac leaves out what it does not know, and posts the rest.
    let media_ids: Vec<String> = if app.is_snac() { media_ids.into_iter().filter(free).collect() } else { media_ids };
    let lost: Vec<&str> = media_ids.iter().filter(|id| !free(id)).map(String::as_str).collect();
    if !lost.is_empty() {
        return Err(Refusal::invalid(format!("Media {} not found or already attached to another post", lost.join(", "))));
    }
    if text.trim().is_empty() && media_ids.is_empty() && !app.is_snac() {
        return Err(Refusal::invalid("Text can't be blank"));
    }
    if text::countable_length(&format!("{spoiler_text}{text}")) > app.max_characters() {
        return Err(Refusal::invalid(format!("Text character limit of {} exceeded", app.max_characters())));
    }
    let visibility = params.get("visibility").unwrap_or("public").to_owned();
    if !["public", "unlisted", "private", "direct"].contains(&visibility.as_str()) {
        return Err(Refusal::invalid("Visibility is not included in the list"));
    }
    let mut in_reply_to_id = params.get("in_reply_to_id").map(str::to_owned);
    if app.is_snac() {
        // An answer to what it does not know stands alone.
        in_reply_to_id = in_reply_to_id.filter(|id| memory.status(id).is_some());
    }
    if in_reply_to_id.as_deref().is_some_and(|id| memory.status(id).is_none()) {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "The post you are trying to reply to does not appear to exist."));
    }
    Ok(Status {
        id: String::new(),
        account: handle.to_owned(),
        text,
        idempotency_key: None,
        accepted_at: Utc::now(),
        language: params.get("language").map(str::to_owned),
        visibility,
        in_reply_to_id,
        spoiler_text,
        sensitive: params.flag("sensitive"),
        media_ids,
        deleted: false,
    })
}

pub(crate) async fn show(State(app): State<App>, caller: Option<Caller>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let viewer = caller.map(|caller| caller.handle);
    let status = {
        let mut memory = app.memory();
        let status = memory.status(&id).filter(|status| visible(status, viewer.as_deref())).cloned().ok_or_else(Refusal::not_found)?;
        if memory.misses(&id, Utc::now()) {
            return Err(Refusal::not_found());
        }
        memory.look(&id);
        status
    };
    Ok(Json(app.status_json(&status, viewer.as_deref())))
}

pub(crate) async fn delete(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    if app.is_snac() {
        // It has no such method.
        return Err(Refusal::not_found());
    }
    let status = app.memory().status(&id).filter(|status| status.account == caller.handle).cloned().ok_or_else(Refusal::not_found)?;
    app.memory().delete(&id);
    let mut json = app.status_json(&status, Some(&caller.handle));
    // The source comes back with a deletion, so that a client can offer to write it anew.
    json["text"] = Value::String(status.text);
    Ok(Json(json))
}

pub(crate) async fn of_account(
    State(app): State<App>,
    caller: Option<Caller>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let params = Params::of_query(&query.unwrap_or_default());
    let handle = app.account_by_id(&account).ok_or_else(Refusal::not_found)?.handle.clone();
    let viewer = caller.map(|caller| caller.handle);
    let number = |name| params.get(name).and_then(|value| value.parse::<u64>().ok());
    let limit = number("limit").map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE));
    let snac = app.is_snac();
    let (max, since, min) = if snac { (None, None, None) } else { (number("max_id"), number("since_id"), number("min_id")) };
    let fits = |status: &Status| {
        let id: u64 = status.id.parse().unwrap_or_default();
        status.account == handle
            && !status.deleted
            && visible(status, viewer.as_deref())
            && max.is_none_or(|max| id < max)
            && since.is_none_or(|since| id > since)
            && min.is_none_or(|min| id > min)
            && !(params.flag("exclude_replies") && status.in_reply_to_id.is_some())
            && !(params.flag("only_media") && status.media_ids.is_empty())
    };
    let page: Vec<Status> = {
        let mut memory = app.memory();
        let now = Utc::now();
        let fitting: Vec<Status> = memory.statuses().rev().filter(|status| fits(status)).cloned().collect();
        let mut seen: Vec<Status> = fitting.into_iter().filter(|status| !memory.misses(&status.id, now)).collect();
        // `min_id` asks for the page next to it, `since_id` for the newest page down to it.
        if min.is_some() {
            let older = seen.len().saturating_sub(limit);
            seen.drain(..older);
        }
        // snac takes no notice of what page is asked for, nor of how long: it gives all that it has.
        if !snac {
            seen.truncate(limit);
        }
        seen
    };
    let json: Vec<Value> = page.iter().map(|status| app.status_json(status, viewer.as_deref())).collect();
    let mut response = Json(json).into_response();
    if !snac && let Some(links) = links(&app, &account, limit, &page) {
        response.headers_mut().insert(header::LINK, links);
    }
    Ok(response)
}

fn links(app: &App, account: &str, limit: usize, page: &[Status]) -> Option<HeaderValue> {
    let url = format!("{}/api/v1/accounts/{account}/statuses?limit={limit}", app.base());
    let mut links = Vec::new();
    if page.len() == limit {
        links.push(format!(r#"<{url}&max_id={}>; rel="next""#, page.last()?.id));
    }
    links.push(format!(r#"<{url}&min_id={}>; rel="prev""#, page.first()?.id));
    HeaderValue::from_str(&links.join(", ")).ok()
}

fn visible(status: &Status, viewer: Option<&str>) -> bool {
    matches!(status.visibility.as_str(), "public" | "unlisted") || viewer == Some(&status.account)
}

impl App {
    /// Where a status can be read by a person.
    pub(crate) fn status_url(&self, status: &Status) -> String {
        format!("{}/@{}/{}", self.base(), status.account, status.id)
    }

    /// The Status entity, as `viewer` sees it.
    fn status_json(&self, status: &Status, viewer: Option<&str>) -> Value {
        let account = self.account_json(&status.account);
        let memory = self.memory();
        let looks = memory.looks(&status.id);
        let age = (Utc::now() - status.accepted_at).to_std().unwrap_or_default();
        let replies = memory.statuses().filter(|other| !other.deleted && other.in_reply_to_id.as_ref() == Some(&status.id)).count() as u64;
        let count = |reaction| audience::count(&status.id, reaction, age, looks);
        let answered =
            status.in_reply_to_id.as_deref().and_then(|id| memory.status(id)).map(|answered| self.account_json_id(&answered.account));
        let tags: Vec<Value> = text::hashtags(&status.text)
            .into_iter()
            .map(|tag| json!({ "url": format!("{}/tags/{tag}", self.base()), "name": tag }))
            .collect();
        let media: Vec<Value> = status.media_ids.iter().filter_map(|id| memory.medium(id)).map(|media| media::json(self, media)).collect();
        let mut json = json!({
            "id": status.id, "created_at": instant(status.accepted_at), "in_reply_to_id": status.in_reply_to_id, "in_reply_to_account_id": answered,
            "sensitive": status.sensitive, "spoiler_text": status.spoiler_text, "visibility": status.visibility,
            "language": status.language.as_deref().unwrap_or("en"), "uri": format!("{}/users/{}/statuses/{}", self.base(), status.account, status.id),
            "url": self.status_url(status), "replies_count": replies + count("reply"), "reblogs_count": count("reblog"), "favourites_count": count("favourite"),
            "edited_at": Value::Null, "content": text::to_html(&status.text, self.base()), "reblog": Value::Null, "account": account,
            "media_attachments": media, "mentions": [], "tags": tags, "emojis": [], "card": Value::Null, "poll": Value::Null,
        });
        if self.is_snac() {
            // It escapes nothing, and tells the words as they were sent beside.
            json["content"] = Value::String(text::snac_html(&status.text, self.base()));
            json["text"] = Value::String(status.text.clone());
        }
        if viewer.is_some() {
            for flag in ["favourited", "reblogged", "muted", "bookmarked"] {
                json[flag] = Value::Bool(false);
            }
        }
        json
    }

    fn account_json_id(&self, handle: &str) -> Option<String> {
        self.account(handle).map(|(place, _)| super::account::account_id(place))
    }
}
