//! How far TikTok is with a post (<https://developers.tiktok.com/doc/content-posting-api-reference-get-video-status>).

use serde_json::{Value, json};

use super::ask;
use crate::{error::ActivityResult, platform::Call};

/// What TikTok says of a `publish_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for the video, of which it has so many bytes, or is at work on it.
    Uploading(Option<u64>),
    /// It fetches, or is at work.
    Working,
    /// It is out; its number, if it is public and was looked at.
    Out(Option<String>),
    /// It will not come out, and why.
    Failed(String),
    /// Something that is not known here.
    Other(String),
}

impl State {
    /// The number of a post that is out, if there is one.
    pub(super) fn post(self) -> Option<String> {
        match self {
            Self::Out(post) => post,
            _ => None,
        }
    }
}

pub(super) async fn fetch(call: Call<'_>, publish_id: &str) -> ActivityResult<State> {
    let data = ask(call, "v2/post/publish/status/fetch/", &json!({ "publish_id": publish_id })).await?;
    Ok(match data["status"].as_str().unwrap_or_default() {
        "PROCESSING_UPLOAD" => State::Uploading(data["uploaded_bytes"].as_u64()),
        "PROCESSING_DOWNLOAD" => State::Working,
        "PUBLISH_COMPLETE" => {
            // The name is TikTok's.
            let post = match &data["publicaly_available_post_id"][0] {
                Value::Number(number) => Some(number.to_string()),
                Value::String(text) => Some(text.clone()),
                _ => None,
            };
            State::Out(post)
        }
        "FAILED" => State::Failed(data["fail_reason"].as_str().unwrap_or("it gives no reason").to_owned()),
        other => State::Other(other.to_owned()),
    })
}
