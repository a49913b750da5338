//! Pictures: announced, put to an address of their own, processed.

use axum::{
    Json,
    extract::{Path, State},
};
use chrono::Utc;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::json;

use super::{Answer, No, RestV1, caller};
use crate::social::{Attachment, Books, Desk, Draft, Input, Progress};

/// What may be uploaded ("MediaUploadUrlRequest").
const TYPES: &[&str] = &["video/mp4", "image/gif", "image/jpeg", "image/jpg", "image/png"];

pub(super) async fn create(State(desk): State<Desk<RestV1>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let (kind, size) = (input.get("mimeType").unwrap_or_default(), input.json["sizeBytes"].as_u64().unwrap_or_default());
    if !TYPES.contains(&kind.as_str()) || size == 0 {
        return Err(No::invalid(1100, "Invalid JSON schema"));
    }
    let now = Utc::now();
    let mut books = desk.books();
    // The real ones are addresses in base64, with its `=`.
    let id = data_encoding::BASE64.encode(format!("media/{}", books.number(now)).as_bytes());
    books.draft(id.clone(), Draft::new(&account.handle, "announced", json!({ "mimeType": kind, "sizeBytes": size })), &input, now);
    let mut url = url::Url::parse(desk.base()).map_err(|_| No::invalid(5000, "An unknown error occurred"))?;
    url.set_path("production");
    url.path_segments_mut().map_err(|()| No::invalid(5000, "An unknown error occurred"))?.push(&id);
    url.set_query(Some("AWSAccessKeyId=STANDIN&Expires=1799&Signature=of-the-stand-in"));
    Ok(Json(json!({ "data": { "id": id, "uploadUrl": url, "uploadUrlDurationSeconds": 1799 } })))
}

/// Takes the bytes, as S3 does: whoever has the address may. Type and size have to be those that were announced; a second upload is thrown away.
pub(super) async fn upload(State(desk): State<Desk<RestV1>>, Path(id): Path<String>, headers: HeaderMap, input: Input) -> StatusCode {
    let now = Utc::now();
    let mut books = desk.books();
    let Some(draft) = books.drafted(&id).cloned() else { return StatusCode::FORBIDDEN };
    if headers.contains_key(http::header::AUTHORIZATION) {
        // "Only one auth mechanism allowed".
        return StatusCode::BAD_REQUEST;
    }
    if draft.data["mimeType"] != input.content_type || draft.data["sizeBytes"] != input.body.len() {
        return StatusCode::FORBIDDEN;
    }
    if draft.file.is_none() {
        let draft = Draft { kind: "uploaded".to_owned(), ..draft.with_file(&input.content_type, &input.body, None) };
        books.draft(id, draft, &input, now);
    }
    StatusCode::OK
}

pub(super) async fn show(State(desk): State<Desk<RestV1>>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    caller(&desk, &uri, &headers)?;
    let mut books = desk.books();
    let draft = books.drafted(&id).cloned().ok_or_else(No::missing)?;
    let ready = draft.file.is_some() && books.progress(&id, Utc::now()) == Some(Progress::Ready);
    let mut data = json!({ "id": id, "state": if ready { "READY" } else { "QUEUED" } });
    if ready {
        data["downloadUrl"] = format!("{}/production/{id}", desk.base()).into();
        data["downloadUrlDurationSeconds"] = 1799.into();
    }
    Ok(Json(json!({ "data": data })))
}

/// The pictures that a message names.
pub(super) fn named(books: &Books, ids: &[String]) -> Result<Vec<Attachment>, No> {
    let ready = |id: &String| {
        let draft = books.drafted(id).filter(|draft| draft.processing.progress(Utc::now()) == Progress::Ready)?;
        draft.file.clone()
    };
    ids.iter()
        .map(|id| ready(id).ok_or_else(|| No::invalid(40_021, "Uploaded media is not yet ready to be used (further processing required)")))
        .collect()
}
