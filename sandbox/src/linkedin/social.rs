//! Comments and counters.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{Answer, No, ORGANIZATION, Rest, acting, caller, posts};
use crate::social::{Desk, Entry, EntryKind, Input};

/// The longest comment.
const MOST: usize = 1250;

fn shown(entry: &Entry, actor: &str) -> Value {
    let object = entry.parent.clone().unwrap_or_default();
    let id = entry.id.trim_end_matches(')').rsplit(',').next().unwrap_or_default();
    json!({
        "actor": actor, "commentUrn": entry.id, "id": id, "object": object, "message": { "attributes": [], "text": entry.text },
        "created": { "actor": actor, "time": entry.at.timestamp_millis() },
    })
}

pub(super) async fn comment(
    State(desk): State<Desk<Rest>>,
    Path(urn): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Result<Response, No> {
    let caller = caller(&desk, &uri, &headers)?;
    let actor = input.get("actor").ok_or_else(|| No::invalid("ERROR :: /actor :: field is required"))?;
    let account = acting(&desk, caller, &actor)?;
    let text = input.json["message"]["text"].as_str().unwrap_or_default();
    if text.is_empty() || text.chars().count() > MOST {
        return Err(No::invalid("ERROR :: /message/text :: 1 to 1250 characters"));
    }
    let mut books = desk.books();
    if books.entry(&urn).is_none() {
        return Err(No::missing());
    }
    let mut entry = Entry::new(&account.handle, EntryKind::Comment, text);
    entry.parent = Some(urn.clone());
    let id = posts::number(&mut books);
    let entry = books.publish(format!("urn:li:comment:({urn},{id})"), entry, &input, Utc::now());
    Ok((StatusCode::CREATED, [("x-restli-id", id.to_string())], Json(shown(&entry, &actor))).into_response())
}

pub(super) async fn comments(State(desk): State<Desk<Rest>>, Path(urn): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let caller = caller(&desk, &uri, &headers)?;
    let owner = desk.books().entry(&urn).map(|entry| entry.account.clone()).ok_or_else(No::missing)?;
    let owner = desk.account(&owner).ok_or_else(No::missing)?;
    if acting(&desk, caller, &owner.id)?.kind != ORGANIZATION {
        return Err(No::forbidden());
    }
    let listed = desk.books().listed(Utc::now(), |entry| entry.parent.as_ref() == Some(&urn));
    let id = |handle: &str| desk.account(handle).map(|account| account.id.clone()).unwrap_or_default();
    let elements: Vec<Value> = listed.iter().map(|entry| shown(entry, &id(&entry.account))).collect();
    Ok(Json(json!({ "elements": elements, "paging": { "start": 0, "count": 100, "links": [] } })))
}

pub(super) async fn remove(
    State(desk): State<Desk<Rest>>,
    Path((urn, id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, No> {
    caller(&desk, &uri, &headers)?;
    let gone = desk.books().delete(&format!("urn:li:comment:({urn},{id})"));
    gone.then_some(StatusCode::NO_CONTENT).ok_or_else(No::missing)
}

/// The URN within `List(urn)` or `(share:urn)`.
fn within(parameter: Option<String>) -> Option<String> {
    let text = parameter?;
    let inner = text.trim_start_matches("List(").trim_start_matches('(').trim_end_matches(')');
    Some(inner[inner.find("urn:li:")?..].to_owned())
}

pub(super) async fn of_organization(State(desk): State<Desk<Rest>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let caller = caller(&desk, &uri, &headers)?;
    let organization = input.get("organizationalEntity").unwrap_or_default();
    acting(&desk, caller, &organization)?;
    let urn = within(input.get("shares").or_else(|| input.get("ugcPosts"))).ok_or_else(|| No::invalid("shares"))?;
    let now = Utc::now();
    let mut books = desk.books();
    if books.entry(&urn).is_none() {
        return Ok(Json(json!({ "elements": [] })));
    }
    books.look(&urn);
    let count = |name: &str| books.count(&urn, name, now);
    let statistics = json!({
        "clickCount": count("click"), "likeCount": count("like"), "commentCount": count("comment"), "shareCount": count("share"),
        "impressionCount": count("impression"), "uniqueImpressionsCount": count("impression"), "engagement": 0.1,
    });
    Ok(Json(json!({ "elements": [{ "organizationalEntity": organization, "share": urn, "totalShareStatistics": statistics }] })))
}

pub(super) async fn of_member(State(desk): State<Desk<Rest>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let caller = caller(&desk, &uri, &headers)?;
    let urn = within(input.get("entity")).ok_or_else(|| No::invalid("entity"))?;
    let kind = input.get("queryType").unwrap_or_default();
    let now = Utc::now();
    let mut books = desk.books();
    let entry = books.entry(&urn).cloned().ok_or_else(No::missing)?;
    if entry.account != caller.handle {
        return Err(No::forbidden());
    }
    books.look(&urn);
    let counter = match kind.as_str() {
        "REACTION" => "like",
        "COMMENT" => "comment",
        "RESHARE" => "share",
        _ => "impression",
    };
    Ok(Json(json!({ "elements": [{ "count": books.count(&urn, counter, now), "metricType": kind, "targetEntity": { "share": urn } }] })))
}
