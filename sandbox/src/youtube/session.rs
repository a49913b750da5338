//! Resumable uploads (developers.google.com/youtube/v3/guides/using_resumable_upload_protocol).

use std::sync::PoisonError;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::{DataApi, No, caller, empty, id, set_headers, videos};
use crate::social::{Attachment, Desk, Draft, Entry, EntryKind, Input};

/// A piece that is not the last is a multiple of this many bytes.
const GRAIN: u64 = 256 * 1024;

/// What `Content-Range` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// The first and the last byte of the piece; `None` for a question.
    pub(super) piece: Option<(u64, u64)>,
    /// How long the whole is.
    pub(super) total: u64,
}

impl Range {
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let (piece, total) = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
        let total = total.parse().ok()?;
        if piece == "*" {
            return Some(Self { piece: None, total });
        }
        let (first, last) = piece.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last && last < total).then_some(Self { piece: Some((first, last)), total })
    }
}

/// Opens a session.
pub(super) async fn open(State(desk): State<Desk<DataApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Result<Response, No> {
    let account = caller(&desk, &uri, &headers)?;
    let parts = input.get("part").ok_or(No::MISSING)?;
    if input.get("uploadType").as_deref() != Some("resumable") {
        return Err(No::MISSING);
    }
    let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let length = told("x-upload-content-length").and_then(|length| length.parse::<u64>().ok()).filter(|length| *length > 0);
    let content_type = told("x-upload-content-type").filter(|kind| kind.starts_with("video/") || kind == "application/octet-stream");
    let metadata: Value = serde_json::from_slice(&input.body).map_err(|_| No::METADATA)?;
    check(&metadata, &parts)?;
    let data = json!({ "metadata": metadata, "length": length.ok_or(No::METADATA)?, "type": content_type.ok_or(No::METADATA)? });
    let upload = id::<24>();
    desk.books().draft(upload.clone(), Draft::new(&account.handle, "session", data), &input, Utc::now());
    let mut response = empty(StatusCode::OK);
    let location = format!("{}/upload/youtube/v3/videos?uploadType=resumable&upload_id={upload}", desk.base());
    set_headers(&mut response, [("location", location)]);
    Ok(response)
}

fn check(metadata: &Value, parts: &str) -> Result<(), No> {
    let text = |name: &str| metadata["snippet"][name].as_str().unwrap_or_default();
    let is_plain = |text: &str| !text.contains(['<', '>']);
    if text("title").trim().is_empty() || text("title").chars().count() > 100 || !is_plain(text("title")) {
        return Err(No::TITLE);
    }
    if text("description").len() > 5000 || !is_plain(text("description")) {
        return Err(No::DESCRIPTION);
    }
    // What is not named in `part` must not be there.
    let named: Vec<&str> = parts.split(',').collect();
    let fields = metadata.as_object().ok_or(No::METADATA)?;
    if fields.keys().any(|field| !named.contains(&field.as_str())) { Err(No::METADATA) } else { Ok(()) }
}

/// Takes a piece, or tells how far the session is.
pub(super) async fn put(State(desk): State<Desk<DataApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Result<Response, No> {
    let account = caller(&desk, &uri, &headers)?;
    let upload = input.get("upload_id").ok_or(No::SESSION)?;
    let range = Range::read(&headers).ok_or(No::RANGE)?;
    let mut books = desk.books();
    let draft = books.drafted(&upload).filter(|draft| draft.kind == "session" && draft.account == account.handle).cloned();
    let draft = draft.ok_or(No::SESSION)?;
    if draft.data["length"] != range.total {
        return Err(No::RANGE);
    }
    if let Some(video) = &draft.published {
        let entry = books.entries().iter().find(|entry| &entry.id == video).cloned().ok_or(No::SESSION)?;
        return Ok(Json(videos::resource(&entry, account)).into_response());
    }
    let mut pieces = desk.protocol().pieces.lock().unwrap_or_else(PoisonError::into_inner);
    let held = pieces.entry(upload.clone()).or_default();
    let Some((first, last)) = range.piece else { return Ok(incomplete(held.len())) };
    let is_last = last + 1 == range.total;
    if input.body.len() as u64 != last - first + 1 || !(is_last || (last + 1 - first).is_multiple_of(GRAIN)) {
        return Err(No::RANGE);
    }
    if first != held.len() as u64 {
        return Ok(incomplete(held.len()));
    }
    held.extend_from_slice(&input.body);
    if !is_last {
        return Ok(incomplete(held.len()));
    }
    let bytes = pieces.remove(&upload).unwrap_or_default();
    drop(pieces);
    let kind = draft.data["type"].as_str().unwrap_or_default().to_owned();
    let draft = draft.with_file(&kind, &bytes, None);
    let metadata = &draft.data["metadata"];
    let mut entry = Entry::new(&account.handle, EntryKind::Post, &videos::text(metadata));
    entry.media = draft.file.iter().map(|file| Attachment { id: upload.clone(), ..file.clone() }).collect();
    for (switch, on) in [
        ("containsSyntheticMedia", &metadata["status"]["containsSyntheticMedia"]),
        ("hasPaidProductPlacement", &metadata["paidProductPlacementDetails"]["hasPaidProductPlacement"]),
    ] {
        if on == true {
            entry.disclosures.push(switch.to_owned());
        }
    }
    entry.request = metadata.clone();
    let entry = books.publish(id::<8>(), entry, &input, Utc::now());
    books.keep_draft(Draft { published: Some(entry.id.clone()), ..draft });
    Ok((StatusCode::CREATED, Json(videos::resource(&entry, account))).into_response())
}

/// `308 Resume Incomplete`, with what is there.
fn incomplete(held: usize) -> Response {
    let mut response = empty(StatusCode::PERMANENT_REDIRECT);
    if held > 0
        && let Ok(range) = HeaderValue::from_str(&format!("bytes=0-{}", held - 1))
    {
        response.headers_mut().insert(header::RANGE, range);
    }
    response
}
