//! Images: announced, uploaded to an address of their own, processed.

use axum::{
    Json,
    extract::{Path, State},
};
use chrono::{TimeDelta, Utc};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{Answer, No, Rest, acting, caller, posts};
use crate::social::{Attachment, Books, Desk, Draft, Input, Progress};

/// The longest alt text.
const MAX_ALT: usize = 4086;

pub(super) async fn initialize(State(desk): State<Desk<Rest>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let caller = caller(&desk, &uri, &headers)?;
    if input.get("action").as_deref() != Some("initializeUpload") {
        return Err(No::invalid("no such action"));
    }
    let owner = input.json["initializeUploadRequest"]["owner"].as_str().unwrap_or_default();
    let account = acting(&desk, caller, owner)?;
    let now = Utc::now();
    let mut books = desk.books();
    let urn = format!("urn:li:image:C4D{}", posts::number(&mut books));
    books.draft(urn.clone(), Draft::new(&account.handle, "announced", json!({ "owner": owner })), &input, now);
    let url = format!("{}/dms-uploads/{urn}", desk.base());
    let expires = (now + TimeDelta::hours(24)).timestamp_millis();
    Ok(Json(json!({ "value": { "uploadUrlExpiresAt": expires, "uploadUrl": url, "image": urn } })))
}

/// Takes the bytes. The address is the secret.
pub(super) async fn upload(State(desk): State<Desk<Rest>>, Path(urn): Path<String>, input: Input) -> StatusCode {
    let kind = match input.body.as_ref() {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, ..] => "image/jpeg",
        [b'G', b'I', b'F', ..] => "image/gif",
        _ => return StatusCode::BAD_REQUEST,
    };
    let now = Utc::now();
    let mut books = desk.books();
    let Some(draft) = books.drafted(&urn).cloned() else { return StatusCode::NOT_FOUND };
    let draft = Draft { kind: "uploaded".to_owned(), ..draft.with_file(kind, &input.body, None) };
    books.draft(urn, draft, &input, now);
    StatusCode::CREATED
}

pub(super) async fn show(State(desk): State<Desk<Rest>>, Path(urn): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    caller(&desk, &uri, &headers)?;
    let mut books = desk.books();
    let draft = books.drafted(&urn).cloned().ok_or_else(No::missing)?;
    let status = match books.progress(&urn, Utc::now()) {
        _ if draft.file.is_none() => "WAITING_UPLOAD",
        Some(Progress::Ready) => "AVAILABLE",
        Some(Progress::Failed) => "PROCESSING_FAILED",
        Some(Progress::Working) | None => "PROCESSING",
    };
    Ok(Json(json!({ "id": urn, "owner": draft.data["owner"], "status": status })))
}

/// The images that a post names, each with its alt text.
pub(super) fn named(books: &Books, account: &str, named: &[Value]) -> Result<Vec<Attachment>, No> {
    let mut files = Vec::new();
    for image in named {
        let urn = image["id"].as_str().unwrap_or_default();
        let draft = books.drafted(urn).filter(|draft| draft.account == account && draft.processing.progress(Utc::now()) == Progress::Ready);
        let file = draft.and_then(|draft| draft.file.clone()).ok_or_else(|| No::invalid("ERROR :: /content :: media is not available"))?;
        let alt = image["altText"].as_str().filter(|alt| !alt.is_empty());
        if alt.is_some_and(|alt| alt.chars().count() > MAX_ALT) {
            return Err(No::invalid("ERROR :: /content/media/altText :: length is greater than maximum allowed 4086"));
        }
        files.push(Attachment { alt: alt.map(str::to_owned), ..file });
    }
    Ok(files)
}
