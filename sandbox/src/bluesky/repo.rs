//! Records: create, put, read, list and delete, with what was observed on PDS 0.5.35 where the documentation is silent.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Query, State},
};
use chrono::Utc;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Account, App, Blob, Record, Refusal, cid,
    input::{Input, or_null},
    lexicon::{self, POST},
    session::Caller,
    state::Memory,
    tid,
};
use crate::fault::gate::Hide;

/// Default and largest page of `listRecords`.
const PAGE: usize = 50;
const MAX_PAGE: usize = 100;
/// Largest blob that the PDS takes (`PDS_BLOB_UPLOAD_LIMIT`), in bytes. Images in posts must be smaller still.
pub(crate) const MAX_BLOB: usize = 5 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Write {
    repo: String,
    collection: String,
    rkey: Option<String>,
    record: Value,
    validate: Option<bool>,
    #[serde(default, deserialize_with = "or_null")]
    swap_record: Option<Option<String>>,
}

/// A record that may be written.
struct Prepared {
    uri: String,
    rkey: String,
    cid: String,
    value: Value,
    validation: &'static str,
}

pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    hide: Option<Extension<Hide>>,
    Input(write): Input<Write>,
) -> Result<Json<Value>, Refusal> {
    let mut memory = app.memory();
    let rkey = write.rkey.clone().unwrap_or_else(|| memory.tids.next(Utc::now()));
    let prepared = prepare(&app, &memory, &caller, rkey, &write)?;
    if memory.record(&prepared.uri).is_some() {
        // Observed: a second create under one key is no named error but a crash of the repository's tree.
        return Err(Refusal::of(StatusCode::INTERNAL_SERVER_ERROR));
    }
    Ok(Json(insert(&mut memory, caller.did, write.collection, prepared, hide)))
}

pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    hide: Option<Extension<Hide>>,
    Input(write): Input<Write>,
) -> Result<Json<Value>, Refusal> {
    let mut memory = app.memory();
    let rkey = write.rkey.clone().ok_or_else(|| Refusal::invalid("Missing required key \"rkey\" at $"))?;
    let prepared = prepare(&app, &memory, &caller, rkey, &write)?;
    let current = memory.record(&prepared.uri).map(|record| record.cid.clone());
    if current.as_ref() == Some(&prepared.cid) {
        // An identical put changes nothing, makes no commit, and is not compared with `swapRecord`.
        return Ok(Json(json!({ "uri": prepared.uri, "cid": prepared.cid, "validationStatus": prepared.validation })));
    }
    if let Some(expected) = &write.swap_record
        && *expected != current
    {
        return Err(Refusal::bad("InvalidSwap", format!("Record was at {}", current.as_deref().unwrap_or("null"))));
    }
    if current.is_none() {
        return Ok(Json(insert(&mut memory, caller.did, write.collection, prepared, hide)));
    }
    memory.change(&prepared.uri, prepared.cid.clone(), prepared.value);
    let commit = commit(&mut memory, &prepared.uri, &prepared.cid);
    Ok(Json(json!({ "uri": prepared.uri, "cid": prepared.cid, "commit": commit, "validationStatus": prepared.validation })))
}

fn insert(memory: &mut Memory, did: String, collection: String, prepared: Prepared, hide: Option<Extension<Hide>>) -> Value {
    let commit = commit(memory, &prepared.uri, &prepared.cid);
    let answer = json!({ "uri": prepared.uri, "cid": prepared.cid, "commit": commit, "validationStatus": prepared.validation });
    let record = Record {
        uri: prepared.uri,
        cid: prepared.cid,
        did,
        collection,
        rkey: prepared.rkey,
        value: prepared.value,
        accepted_at: Utc::now(),
        overwritten: Vec::new(),
        deleted: false,
    };
    memory.create(record, hide.map(|Extension(hide)| hide));
    answer
}

/// The commit that a write made. Its id has the right form only: the stand-in keeps no tree of signed commits to hash.
fn commit(memory: &mut Memory, uri: &str, record: &str) -> Value {
    let rev = memory.tids.next(Utc::now());
    json!({ "cid": cid::of_record(&json!({ "rev": rev, "uri": uri, "record": record })), "rev": rev })
}

fn prepare(app: &App, memory: &Memory, caller: &Caller, rkey: String, write: &Write) -> Result<Prepared, Refusal> {
    if !is_nsid(&write.collection) {
        return Err(Refusal::invalid(format!("Invalid NSID (got \"{}\") at $.collection", write.collection)));
    }
    if !is_record_key(&rkey) {
        return Err(Refusal::invalid(format!("Invalid record key (got \"{rkey}\") at $.rkey")));
    }
    let account = own(app, &write.repo, caller)?;
    let mut value = write.record.clone();
    let Value::Object(fields) = &mut value else {
        return Err(Refusal::invalid(format!("Expected object value type (got {}) at $.record", write.record)));
    };
    let kind = fields.entry("$type").or_insert_with(|| Value::String(write.collection.clone()));
    if *kind != Value::String(write.collection.clone()) {
        return Err(Refusal::invalid(format!("Invalid $type: expected {}, got {}", write.collection, kind.as_str().unwrap_or("unknown"))));
    }
    let known = write.collection == POST;
    let validation = match write.validate {
        Some(false) => "unknown",
        Some(true) if !known => return Err(Refusal::invalid(format!("Unknown lexicon type: {}", write.collection))),
        _ if known => {
            lexicon::check_post(&value)?;
            if !tid::is_tid(&rkey) {
                return Err(Refusal::invalid(format!("Invalid record key for {POST}: Invalid TID string (got \"{rkey}\") at $")));
            }
            "valid"
        }
        _ => "unknown",
    };
    if let Some(lost) =
        lexicon::blobs(&value).into_iter().find(|blob| !memory.blobs().iter().any(|known| known.cid == blob.cid && known.did == caller.did))
    {
        return Err(Refusal::bad("BlobNotFound", format!("Could not find blob: {}", lost.cid)));
    }
    let cid = cid::of_record(&value).ok_or_else(|| Refusal::invalid("Input/record must be a valid record"))?;
    Ok(Prepared { uri: format!("at://{}/{}/{rkey}", account.did, write.collection), rkey, cid, value, validation })
}

/// The repository, if it is the caller's own.
fn own<'a>(app: &'a App, repo: &str, caller: &Caller) -> Result<&'a Account, Refusal> {
    let account = app.account(repo).ok_or_else(Refusal::no_account)?;
    if account.did == caller.did { Ok(account) } else { Err(Refusal::unauthorized("Authentication Required")) }
}

fn is_nsid(text: &str) -> bool {
    text.len() <= 317
        && text.split('.').count() >= 3
        && text.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
}

fn is_record_key(text: &str) -> bool {
    (1..=512).contains(&text.len()) && text != "." && text != ".." && text.chars().all(|c| c.is_ascii_alphanumeric() || "_~.:-".contains(c))
}

#[derive(Deserialize)]
pub(crate) struct Read {
    repo: String,
    collection: String,
    rkey: String,
    cid: Option<String>,
}

pub(crate) async fn get(State(app): State<App>, Query(read): Query<Read>) -> Result<Json<Value>, Refusal> {
    // Of a repository elsewhere it would ask the AppView, which knows it neither.
    let account = app.account(&read.repo).ok_or_else(|| Refusal::invalid("Could not locate record"))?;
    let uri = format!("at://{}/{}/{}", account.did, read.collection, read.rkey);
    let found = app.memory().look_up(&uri, Utc::now()).filter(|record| read.cid.as_ref().is_none_or(|cid| *cid == record.cid));
    let record = found.ok_or_else(|| Refusal::bad("RecordNotFound", format!("Could not locate record: {uri}")))?;
    Ok(Json(json!({ "uri": record.uri, "cid": record.cid, "value": record.value })))
}

#[derive(Deserialize)]
pub(crate) struct Delete {
    repo: String,
    collection: String,
    rkey: String,
    #[serde(rename = "swapRecord")]
    swap_record: Option<String>,
}

pub(crate) async fn delete(State(app): State<App>, caller: Caller, Input(delete): Input<Delete>) -> Result<Json<Value>, Refusal> {
    let account = own(&app, &delete.repo, &caller)?;
    let uri = format!("at://{}/{}/{}", account.did, delete.collection, delete.rkey);
    let mut memory = app.memory();
    // Deleting what is not there succeeds without a commit.
    let Some(current) = memory.record(&uri).map(|record| record.cid.clone()) else { return Ok(Json(json!({}))) };
    if delete.swap_record.is_some_and(|expected| expected != current) {
        return Err(Refusal::bad("InvalidSwap", format!("Record was at {current}")));
    }
    memory.delete(&uri);
    let commit = commit(&mut memory, &uri, &current);
    Ok(Json(json!({ "commit": commit })))
}

#[derive(Deserialize)]
pub(crate) struct List {
    repo: String,
    collection: String,
    limit: Option<usize>,
    cursor: Option<String>,
    reverse: Option<bool>,
}

pub(crate) async fn list(State(app): State<App>, Query(list): Query<List>) -> Result<Json<Value>, Refusal> {
    let did = app.account(&list.repo).ok_or_else(|| Refusal::invalid(format!("Could not find repo: {}", list.repo)))?.did.clone();
    let limit = list.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        let end = if limit == 0 { "too small (minimum 1" } else { "too big (maximum 100" };
        return Err(Refusal::invalid(format!("Invalid com.atproto.repo.listRecords params: integer {end}, got {limit})")));
    }
    let reverse = list.reverse.unwrap_or(false);
    let mut memory = app.memory();
    let behind = |rkey: &str| list.cursor.as_deref().is_none_or(|cursor| if reverse { rkey > cursor } else { rkey < cursor });
    let mut fitting: Vec<Record> = memory
        .records()
        .iter()
        .filter(|record| record.did == did && record.collection == list.collection && !record.deleted && behind(&record.rkey))
        .cloned()
        .collect();
    let now = Utc::now();
    fitting.retain(|record| !memory.veils.misses(&record.uri, now));
    // Newest first: record keys of posts sort by time.
    fitting.sort_by(|a, b| if reverse { a.rkey.cmp(&b.rkey) } else { b.rkey.cmp(&a.rkey) });
    fitting.truncate(limit);
    let mut answer = json!({ "records": fitting.iter().map(|record| json!({ "uri": record.uri, "cid": record.cid, "value": record.value })).collect::<Vec<_>>() });
    if let Some(last) = fitting.last() {
        answer["cursor"] = Value::String(last.rkey.clone());
    }
    Ok(Json(answer))
}

pub(crate) async fn upload(State(app): State<App>, caller: Caller, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Refusal> {
    let mime = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| Refusal::invalid("Request encoding (Content-Type) required but not provided"))?;
    if body.len() > MAX_BLOB {
        return Err(Refusal::of(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let blob = Blob { cid: cid::of_blob(&body), did: caller.did, mime: mime.to_owned(), size: body.len() };
    let answer = json!({ "blob": { "$type": "blob", "ref": { "$link": blob.cid }, "mimeType": blob.mime, "size": blob.size } });
    app.memory().upload(blob);
    Ok(Json(answer))
}
