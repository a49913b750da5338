//! Posting: a video that is uploaded, photos that would be fetched, and how far TikTok is with either.

use std::sync::PoisonError;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::{Answer, No, PostingApi, UNAUDITED, caller, ok, options};
use crate::social::{Account, Attachment, Books, Desk, Draft, Entry, EntryKind, Input, Processing, Progress};

const MEGABYTE: u64 = 1_000_000;
/// The largest piece, and the largest last one (content-posting-api-media-transfer-guide).
const PIECE: u64 = 64 * 1024 * 1024;
const LAST_PIECE: u64 = 128 * 1024 * 1024;

/// Whether what is said of a post will do.
fn check(account: &Account, info: &Value, units: usize, most: usize) -> Result<(), No> {
    let privacy = info["privacy_level"].as_str().ok_or(No::PARAMS)?;
    if account.kind == UNAUDITED && privacy != "SELF_ONLY" {
        return Err(No::UNAUDITED);
    }
    if !options(account).contains(&privacy) {
        return Err(No::PRIVACY);
    }
    // Who pays for a post has to be seen.
    if info["brand_content_toggle"] == true && privacy == "SELF_ONLY" {
        return Err(No::PARAMS);
    }
    if units > most { Err(No::PARAMS) } else { Ok(()) }
}

fn units(text: &Value) -> usize {
    text.as_str().unwrap_or_default().encode_utf16().count()
}

/// Announces a video.
pub(super) async fn video(State(desk): State<Desk<PostingApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let (info, source) = (&input.json["post_info"], &input.json["source_info"]);
    check(account, info, units(&info["title"]), 2200)?;
    let number = |name: &str| source[name].as_u64().filter(|n| *n > 0).ok_or(No::PARAMS);
    let (size, piece, count) = (number("video_size")?, number("chunk_size")?, number("total_chunk_count")?);
    let is_whole = count == 1 && piece == size && size <= PIECE;
    let is_pieces = (5 * MEGABYTE..=PIECE).contains(&piece) && count == size / piece && count <= 1000;
    if source["source"] != "FILE_UPLOAD" || !(is_whole || is_pieces) {
        return Err(No::PARAMS);
    }
    let now = Utc::now();
    let mut books = desk.books();
    let id = format!("v_pub_file~v2-1.{}", books.number(now));
    books.draft(id.clone(), Draft::new(&account.handle, "video", input.json.clone()), &input, now);
    Ok(ok(json!({ "publish_id": id, "upload_url": format!("{}/video/?upload_id={id}&upload_token=stand-in", desk.base()) })))
}

/// What `Content-Range` says: the first byte, the last, and how long the whole is.
pub(super) fn range(headers: &HeaderMap) -> Option<(u64, u64, u64)> {
    let (piece, total) = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = piece.split_once('-')?;
    let (first, last, total) = (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    (first <= last && last < total).then_some((first, last, total))
}

/// Takes a piece; needs no token, because the address is the secret.
pub(super) async fn upload(State(desk): State<Desk<PostingApi>>, headers: HeaderMap, input: Input) -> Response {
    let Some((first, last, total)) = range(&headers) else { return StatusCode::BAD_REQUEST.into_response() };
    let Some(id) = input.get("upload_id") else { return StatusCode::NOT_FOUND.into_response() };
    let mut books = desk.books();
    let Some(draft) = books.drafted(&id).filter(|draft| draft.kind == "video").cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let source = &draft.data["source_info"];
    let is_last = last + 1 == total;
    let piece = source["chunk_size"].as_u64().unwrap_or_default();
    let right_length = if is_last { last - first < LAST_PIECE } else { last + 1 - first == piece };
    if source["video_size"] != total || input.body.len() as u64 != last + 1 - first || !right_length {
        return StatusCode::BAD_REQUEST.into_response();
    }
    if draft.data["done"] == true {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    let mut pieces = desk.protocol().pieces.lock().unwrap_or_else(PoisonError::into_inner);
    let held = pieces.entry(id.clone()).or_default();
    if held.len() as u64 != first {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    held.extend_from_slice(&input.body);
    if !is_last {
        return StatusCode::PARTIAL_CONTENT.into_response();
    }
    let bytes = pieces.remove(&id).unwrap_or_default();
    drop(pieces);
    let draft = draft.with_file(&input.content_type, &bytes, None);
    let files = draft.file.iter().cloned().collect();
    let title = draft.data["post_info"]["title"].as_str().unwrap_or_default().to_owned();
    complete(&mut books, draft, &title, files, &input);
    StatusCode::CREATED.into_response()
}

/// Publishes a draft, unless processing it fails. What the gate ordered for the last request says how that goes, else what it ordered for the
/// announcement.
fn complete(books: &mut Books, draft: Draft, text: &str, media: Vec<Attachment>, input: &Input) {
    let now = Utc::now();
    let announced = draft.processing;
    let mut draft = books.draft(draft.id.clone(), draft, input, now);
    if draft.processing == Processing::default() {
        draft.processing = announced;
    }
    draft.data["done"] = true.into();
    if draft.processing.progress(now) != Progress::Failed {
        let info = &draft.data["post_info"];
        let mut entry = Entry::new(&draft.account, EntryKind::Post, text);
        entry.media = media;
        entry.key = Some(draft.id.clone());
        entry.request = draft.data.clone();
        for switch in ["brand_content_toggle", "brand_organic_toggle", "is_aigc"] {
            if info[switch] == true {
                entry.disclosures.push(switch.to_owned());
            }
        }
        let id = books.number(now).to_string();
        draft.published = Some(books.publish(id, entry, input, now).id);
    }
    books.keep_draft(draft);
}

/// Announces photos, which publishes them.
pub(super) async fn photos(State(desk): State<Desk<PostingApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let (info, source) = (&input.json["post_info"], &input.json["source_info"]);
    check(account, info, units(&info["description"]), 4000)?;
    let images: Vec<&str> = source["photo_images"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let is_direct = input.json["media_type"] == "PHOTO" && input.json["post_mode"] == "DIRECT_POST" && source["source"] == "PULL_FROM_URL";
    if !is_direct || images.is_empty() || images.len() > 35 || units(&info["title"]) > 90 {
        return Err(No::PARAMS);
    }
    let media = images.iter().map(|address| Attachment {
        // The stand-in fetches nothing: what it was told is where.
        id: address.split('?').next().unwrap_or_default().to_owned(),
        content_type: String::new(),
        bytes: 0,
        sha256: String::new(),
        alt: None,
    });
    let media = media.collect();
    let now = Utc::now();
    let mut books = desk.books();
    let id = format!("p_pub_url~v2.{}", books.number(now));
    let mut data = input.json.clone();
    data["source_info"] = Value::Null;
    let draft = books.draft(id.clone(), Draft::new(&account.handle, "photos", data), &input, now);
    let text = info["description"].as_str().unwrap_or_default().to_owned();
    complete(&mut books, draft, &text, media, &input);
    Ok(ok(json!({ "publish_id": id })))
}

/// How far TikTok is with a post.
pub(super) async fn status(State(desk): State<Desk<PostingApi>>, uri: Uri, headers: HeaderMap, input: Input) -> Answer {
    let account = caller(&desk, &uri, &headers)?;
    let id = input.get("publish_id").ok_or(No::PARAMS)?;
    let now = Utc::now();
    let mut books = desk.books();
    let draft = books.drafted(&id).filter(|draft| draft.account == account.handle).cloned().ok_or(No::PUBLISH_ID)?;
    if draft.data["done"] != true {
        let held = desk.protocol().pieces.lock().unwrap_or_else(PoisonError::into_inner).get(&id).map_or(0, Vec::len);
        return Ok(ok(json!({ "status": "PROCESSING_UPLOAD", "uploaded_bytes": held })));
    }
    let post = draft.published.clone().unwrap_or_default();
    let size = draft.data["source_info"]["video_size"].as_u64();
    let mut answer = match books.progress(&id, now) {
        Some(Progress::Failed) => json!({ "status": "FAILED", "fail_reason": "video_pull_failed" }),
        Some(Progress::Working) | None => json!({ "status": if size.is_some() { "PROCESSING_UPLOAD" } else { "PROCESSING_DOWNLOAD" } }),
        Some(Progress::Ready) => {
            // Only what everybody may see has a number, and only once it was looked at.
            let is_public = draft.data["post_info"]["privacy_level"] == "PUBLIC_TO_EVERYONE" && books.sees(&post, now);
            let number: Option<u64> = post.parse().ok().filter(|_| is_public);
            json!({ "status": "PUBLISH_COMPLETE", "publicaly_available_post_id": number.into_iter().collect::<Vec<u64>>() })
        }
    };
    if let Some(size) = size {
        answer["uploaded_bytes"] = size.into();
    }
    Ok(ok(answer))
}
