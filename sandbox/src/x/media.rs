//! Media: announced, sent in segments, finished, processed, described.

use axum::{
    Json,
    extract::{Path, State},
};
use chrono::Utc;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::{Answer, ApiV2, Problem, caller};
use crate::social::{Books, Desk, Draft, Input, Progress};

/// How long an upload can be used, in seconds.
const LIVES: u64 = 86_400;

/// The longest alt text.
const MAX_ALT: usize = 1000;

fn key(category: &str, id: &str) -> String {
    let kind = if category.contains("video") { 13 } else { 3 };
    format!("{kind}_{id}")
}

fn own(books: &Books, account: &str, id: &str) -> Result<Draft, Problem> {
    let draft = books.drafted(id).filter(|draft| draft.account == account).cloned();
    draft.ok_or_else(|| Problem::invalid("media id is not valid"))
}

pub(super) async fn initialize(State(desk): State<Desk<ApiV2>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let (Some(kind), Some(total)) = (input.get("media_type"), input.json["total_bytes"].as_u64()) else {
        return Err(Problem::invalid("media_type and total_bytes are needed"));
    };
    let category = input.get("media_category").unwrap_or_else(|| "tweet_image".to_owned());
    let most = if category.contains("video") { 512 } else { 5 } * 1024 * 1024;
    if total > most {
        return Err(Problem::invalid("The media is larger than is allowed."));
    }
    let now = Utc::now();
    let mut books = desk.books();
    let id = books.number(now).to_string();
    let data = json!({ "media_type": kind, "total_bytes": total, "category": category, "received": {} });
    books.draft(id.clone(), Draft::new(&account.handle, "announced", data), &input, now);
    Ok(Json(json!({ "data": { "id": id, "media_key": key(&category, &id), "expires_after_secs": LIVES } })))
}

/// Takes one segment; a segment that comes twice replaces itself.
pub(super) async fn append(
    State(desk): State<Desk<ApiV2>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Result<Json<Value>, Problem> {
    let account = caller(&desk, &uri, &headers)?;
    let index = input.get("segment_index").ok_or_else(|| Problem::invalid("segment_index is missing"))?;
    let file = input.file("media").ok_or_else(|| Problem::invalid("media is missing"))?;
    if file.bytes.len() > 5 * 1024 * 1024 {
        return Err(Problem::invalid("a segment has 5 MB at most"));
    }
    let mut books = desk.books();
    let mut draft = own(&books, &account.handle, &id)?;
    if draft.kind != "announced" {
        return Err(Problem::invalid("the upload is finished"));
    }
    draft.data["received"][index] = data_encoding::BASE64.encode(&file.bytes).into();
    books.keep_draft(draft);
    Ok(Json(json!({ "data": { "expires_at": Utc::now().timestamp() + LIVES as i64 } })))
}

pub(super) async fn finalize(
    State(desk): State<Desk<ApiV2>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    input: Input,
) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let now = Utc::now();
    let mut books = desk.books();
    let mut draft = own(&books, &account.handle, &id)?;
    if draft.kind == "announced" {
        let mut segments: Vec<(u32, Vec<u8>)> = Vec::new();
        for (index, text) in draft.data["received"].as_object().into_iter().flatten() {
            let bytes = data_encoding::BASE64.decode(text.as_str().unwrap_or_default().as_bytes()).unwrap_or_default();
            segments.push((index.parse().unwrap_or(u32::MAX), bytes));
        }
        segments.sort_by_key(|(index, _)| *index);
        let bytes: Vec<u8> = segments.into_iter().flat_map(|(_, bytes)| bytes).collect();
        if draft.data["total_bytes"] != bytes.len() {
            return Err(Problem::invalid("the segments are not as long as was announced"));
        }
        let kind = draft.data["media_type"].as_str().unwrap_or_default().to_owned();
        draft.data["received"] = json!({});
        // Processing begins here; what the gate ordered for this request says how it goes.
        draft = books.draft(id.clone(), Draft { kind: "finished".to_owned(), ..draft.with_file(&kind, &bytes, None) }, &input, now);
    }
    let progress = draft.processing.progress(now);
    Ok(Json(answer(&draft, progress)))
}

fn answer(draft: &Draft, progress: Progress) -> Value {
    let category = draft.data["category"].as_str().unwrap_or_default();
    let size = draft.file.as_ref().map(|file| file.bytes);
    let mut data = json!({ "id": draft.id, "media_key": key(category, &draft.id), "size": size, "expires_after_secs": LIVES });
    match progress {
        Progress::Ready if category.contains("video") => data["processing_info"] = json!({ "state": "succeeded", "progress_percent": 100 }),
        Progress::Ready => {}
        Progress::Working => data["processing_info"] = json!({ "state": "in_progress", "check_after_secs": 1, "progress_percent": 8 }),
        Progress::Failed => {
            data["processing_info"] =
                json!({ "state": "failed", "error": { "code": 1, "name": "InvalidMedia", "message": "Unsupported video format" } });
        }
    }
    json!({ "data": data })
}

pub(super) async fn status(State(desk): State<Desk<ApiV2>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let id = input.get("media_id").ok_or_else(|| Problem::invalid("media_id is missing"))?;
    let mut books = desk.books();
    let draft = own(&books, &account.handle, &id)?;
    let progress = books.progress(&id, Utc::now()).ok_or_else(|| Problem::invalid("media id is not valid"))?;
    Ok(Json(answer(&draft, progress)))
}

pub(super) async fn describe(State(desk): State<Desk<ApiV2>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let id = input.get("id").ok_or_else(|| Problem::invalid("id is missing"))?;
    let text = input.json["metadata"]["alt_text"]["text"].as_str().unwrap_or_default().to_owned();
    if text.is_empty() || text.chars().count() > MAX_ALT {
        return Err(Problem::invalid("alt_text has 1 to 1000 characters"));
    }
    let mut books = desk.books();
    let mut draft = own(&books, &account.handle, &id)?;
    let file = draft.file.as_mut().ok_or_else(|| Problem::invalid("the upload is not finished"))?;
    file.alt = Some(text.clone());
    books.keep_draft(draft);
    Ok(Json(json!({ "data": { "id": id, "associated_metadata": { "alt_text": { "text": text } } } })))
}

/// The uploads that a post names.
pub(super) fn named(books: &Books, account: &str, ids: &[String]) -> Result<Vec<crate::social::Attachment>, Problem> {
    let gone = || Problem::new(StatusCode::BAD_REQUEST, "Your media IDs are invalid.");
    let mut files = Vec::new();
    for id in ids {
        let draft = own(books, account, id).map_err(|_| gone())?;
        if draft.kind != "finished" || draft.processing.progress(Utc::now()) != Progress::Ready {
            return Err(gone());
        }
        files.push(draft.file.ok_or_else(gone)?);
    }
    let videos = files.iter().filter(|file| file.content_type.starts_with("video/")).count();
    if files.len() > 4 || (videos > 0 && files.len() > 1) {
        return Err(Problem::invalid("Photo, GIF or video: at most 4 of the first or one of the others"));
    }
    Ok(files)
}

/// The key of an upload that hangs on a post.
pub(super) fn key_of(file: &crate::social::Attachment) -> String {
    key(if file.content_type.starts_with("video/") { "tweet_video" } else { "tweet_image" }, &file.id)
}
