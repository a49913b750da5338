//! Uploads: the file, its alt text, and the attachment that a status refers to.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use data_encoding::HEXLOWER;
use http::{StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{App, Media, Refusal, account::Caller, params::Params};

/// `configuration.statuses.max_media_attachments` of Mastodon.
pub(crate) const MAX_ATTACHMENTS: usize = 4;
/// `configuration.media_attachments.image_size_limit` of Mastodon 4, in bytes.
pub(crate) const MAX_IMAGE: usize = 16 * 1024 * 1024;
/// `configuration.media_attachments.description_limit`, in characters.
pub(crate) const MAX_DESCRIPTION: usize = 1_500;
/// What the stand-in takes of `supported_mime_types`.
pub(crate) const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The MediaAttachment entity.
pub(crate) fn json(app: &App, media: &Media) -> Value {
    let url = format!("{}/media/{}", app.base(), media.id);
    json!({
        "id": media.id, "type": "image", "url": url, "preview_url": url, "remote_url": Value::Null, "preview_remote_url": Value::Null, "text_url": Value::Null,
        "meta": {}, "description": media.description, "blurhash": Value::Null,
    })
}

fn description(params: &Params) -> Result<Option<String>, Refusal> {
    let text = params.get("description").map(str::to_owned);
    match text {
        Some(text) if text.chars().count() > MAX_DESCRIPTION => {
            Err(Refusal::invalid(format!("Description is too long (maximum is {MAX_DESCRIPTION} characters)")))
        }
        text => Ok(text),
    }
}

pub(crate) async fn upload(State(app): State<App>, caller: Caller, params: Params) -> Result<Json<Value>, Refusal> {
    let (_, content_type, file) =
        params.files.iter().find(|(name, _, _)| name == "file").ok_or_else(|| Refusal::invalid("File can't be blank"))?;
    if !IMAGE_TYPES.contains(&content_type.as_str()) {
        return Err(Refusal::invalid("File content type is invalid, File is invalid"));
    }
    if file.len() > MAX_IMAGE {
        return Err(Refusal::invalid("File file size must be less than 16 MB"));
    }
    let description = description(&params)?;
    let mut memory = app.memory();
    let media = Media {
        id: memory.next_id(Utc::now()).to_string(),
        account: caller.handle,
        content_type: content_type.clone(),
        bytes: file.len(),
        sha256: HEXLOWER.encode(&Sha256::digest(file)),
        description,
    };
    let answer = json(&app, &media);
    memory.upload(media, file.clone());
    Ok(Json(answer))
}

pub(crate) async fn show(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let media = app.memory().medium(&id).filter(|media| media.account == caller.handle).cloned().ok_or_else(Refusal::not_found)?;
    Ok(Json(json(&app, &media)))
}

pub(crate) async fn describe(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Value>, Refusal> {
    let text = description(&params)?;
    let mut memory = app.memory();
    memory.medium(&id).filter(|media| media.account == caller.handle).ok_or_else(Refusal::not_found)?;
    memory.describe(&id, text);
    let media = memory.medium(&id).cloned().ok_or_else(Refusal::not_found)?;
    drop(memory);
    Ok(Json(json(&app, &media)))
}

pub(crate) async fn file(State(app): State<App>, Path(id): Path<String>) -> Response {
    let memory = app.memory();
    match (memory.files.get(&id), memory.medium(&id)) {
        (Some(file), Some(media)) => ([(header::CONTENT_TYPE, media.content_type.clone())], file.clone()).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
