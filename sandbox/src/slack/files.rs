//! Files: announced, uploaded, completed, and shown in a message once they were processed.

use axum::{
    Json,
    extract::{Path, State},
};
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{Answer, No, WebApi, caller};
use crate::social::{Attachment, Books, Desk, Draft, Input, Progress};

/// The longest alt text of an image block.
const MAX_ALT: usize = 2000;

pub(super) async fn announce(State(desk): State<Desk<WebApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let (Some(name), Some(length)) = (input.get("filename"), input.get("length").and_then(|length| length.parse::<u64>().ok())) else {
        return Err(No("invalid_arguments"));
    };
    let now = Utc::now();
    let mut books = desk.books();
    let id = format!("F{}", books.number(now));
    books.draft(id.clone(), Draft::new(&account.handle, "announced", json!({ "name": name, "length": length })), &input, now);
    Ok(Json(json!({ "ok": true, "upload_url": format!("{}/upload/v1/{id}", desk.base()), "file_id": id })))
}

/// Takes the bytes, raw or as a multipart form; needs no token, because the address is the secret.
pub(super) async fn upload(State(desk): State<Desk<WebApi>>, Path(id): Path<String>, input: Input) -> (StatusCode, String) {
    let mut books = desk.books();
    let Some(draft) = books.drafted(&id).filter(|draft| draft.kind == "announced").cloned() else {
        return (StatusCode::NOT_FOUND, "no such upload".to_owned());
    };
    let bytes = input.files.first().map_or(&input.body, |file| &file.bytes).clone();
    if draft.data["length"] != bytes.len() {
        return (StatusCode::BAD_REQUEST, "the length is not the one that was announced".to_owned());
    }
    books.keep_draft(Draft { kind: "uploaded".to_owned(), ..draft.with_file(&kind_of(&bytes), &bytes, None) });
    (StatusCode::OK, format!("OK - {}", bytes.len()))
}

/// What a file is, by its first bytes: Slack does not believe its name either.
fn kind_of(bytes: &[u8]) -> String {
    let kind = match bytes {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', ..] => "image/gif",
        _ => "application/octet-stream",
    };
    kind.to_owned()
}

pub(super) async fn complete(State(desk): State<Desk<WebApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let files = input.nested("files").ok_or(No("invalid_arguments"))?;
    let now = Utc::now();
    let mut books = desk.books();
    let mut answers = Vec::new();
    for id in files.as_array().into_iter().flatten().filter_map(|file| file["id"].as_str()) {
        let draft = books.drafted(id).filter(|draft| draft.account == account.handle && draft.file.is_some()).cloned();
        let draft = draft.ok_or(No("file_not_found"))?;
        answers.push(json!({ "id": id, "title": draft.data["name"] }));
        if draft.kind != "completed" {
            // Processing starts here; what the gate ordered for this request says how it goes.
            books.draft(id.to_owned(), Draft { kind: "completed".to_owned(), ..draft }, &input, now);
        }
    }
    if answers.is_empty() {
        return Err(No("invalid_arguments"));
    }
    Ok(Json(json!({ "ok": true, "files": answers })))
}

pub(super) async fn info(State(desk): State<Desk<WebApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let id = input.get("file").ok_or(No("file_not_found"))?;
    let mut books = desk.books();
    let draft = books.drafted(&id).filter(|draft| draft.account == account.handle && draft.kind == "completed").cloned();
    let draft = draft.ok_or(No("file_not_found"))?;
    let file = draft.file.as_ref().ok_or(No("file_not_found"))?;
    let progress = books.progress(&id, Utc::now()).ok_or(No("file_not_found"))?;
    // Until a file was processed, Slack does not know what it is.
    let (mimetype, mode) = match progress {
        Progress::Working => ("", "hosted"),
        Progress::Ready => (file.content_type.as_str(), "hosted"),
        Progress::Failed => ("", "tombstone"),
    };
    Ok(Json(
        json!({ "ok": true, "file": { "id": id, "name": draft.data["name"], "mimetype": mimetype, "mode": mode, "size": file.bytes } }),
    ))
}

/// The images that stand in a message, in its blocks or in those of its attachments.
pub(super) fn images(books: &mut Books, account: &str, input: &Input, now: DateTime<Utc>) -> Result<Vec<Attachment>, No> {
    let own = input.nested("blocks").unwrap_or_default();
    let attached = input.nested("attachments").unwrap_or_default();
    let blocks: Vec<&Value> = own
        .as_array()
        .into_iter()
        .flatten()
        .chain(attached.as_array().into_iter().flatten().filter_map(|attachment| attachment["blocks"].as_array()).flatten())
        .collect();
    if blocks.len() > 50 {
        return Err(No("invalid_blocks"));
    }
    let mut images = Vec::new();
    for block in blocks.into_iter().filter(|block| block["type"] == "image") {
        let alt = block["alt_text"].as_str().filter(|alt| !alt.is_empty() && alt.chars().count() <= MAX_ALT).ok_or(No("invalid_blocks"))?;
        let id = block["slack_file"]["id"].as_str().ok_or(No("invalid_blocks"))?;
        let draft = books.drafted(id).filter(|draft| draft.account == account && draft.kind == "completed").ok_or(No("invalid_blocks"))?;
        let file = draft.file.as_ref().filter(|file| file.content_type.starts_with("image/")).ok_or(No("invalid_blocks"))?;
        if draft.processing.progress(now) != Progress::Ready {
            return Err(No("invalid_blocks"));
        }
        images.push(Attachment { alt: Some(alt.to_owned()), ..file.clone() });
    }
    Ok(images)
}
