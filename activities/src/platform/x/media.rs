//! Uploading media in segments (docs.x.com, "Chunked media upload"). An upload that is on no post is seen by nobody and ends by itself.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use reqwest::multipart::{Form, Part};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Told;
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        Answered, Call, MediaFile, RateBudget, Staged, Staging,
        answer::{expect_json, expect_success, signed},
        endpoint,
    },
};

/// The length of a segment in bytes: X takes up to 5 MB.
const SEGMENT: u64 = 4 * 1024 * 1024;

/// How many bytes one call sends before it comes back with what it got to, so that a long upload is not begun anew after a crash.
const STRIDE: u64 = 32 * 1024 * 1024;

/// An upload that ends sooner than this is made anew: the post has still to be sent.
const MARGIN: TimeDelta = TimeDelta::minutes(30);

/// One upload, as far as it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) id: String,
    /// The key under which the finished post shows it.
    pub(super) key: String,
    sha256: String,
    sent: u64,
    ends_at: DateTime<Utc>,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Sending,
    Processing,
    Ready,
}

#[derive(Debug, Deserialize)]
struct Made {
    id: String,
    media_key: Option<String>,
    expires_after_secs: Option<i64>,
    processing_info: Option<Processing>,
}

#[derive(Debug, Deserialize)]
struct Processing {
    state: String,
    check_after_secs: Option<u64>,
    error: Option<Failed>,
}

#[derive(Debug, Deserialize)]
struct Failed {
    message: Option<String>,
}

/// The ids that a body names.
pub(super) fn ids(staged: &Staged, files: usize) -> ActivityResult<Vec<String>> {
    let uploads: Vec<Upload> = staged.read()?.unwrap_or_default();
    if uploads.len() != files || uploads.iter().any(|upload| upload.step != Step::Ready) {
        return Err(ActivityError::rejected("the media are not uploaded yet"));
    }
    Ok(uploads.into_iter().map(|upload| upload.id).collect())
}

/// The keys by which a look-up knows the post.
pub(super) fn keys(staged: &Staged) -> ActivityResult<Vec<String>> {
    Ok(staged.read::<Vec<Upload>>()?.unwrap_or_default().into_iter().map(|upload| upload.key).collect())
}

/// Uploads what is not uploaded yet.
pub(super) async fn stage(call: Call<'_>, files: &[MediaFile], so_far: Staged) -> ActivityResult<Answered<Staging>> {
    if files.is_empty() {
        return Ok(Answered { value: Staging::Ready(Staged::default()), budget: None });
    }
    let mut uploads: Vec<Upload> = so_far.read()?.unwrap_or_default();
    let (mut left, mut budget) = (STRIDE, None);
    for (index, file) in files.iter().enumerate() {
        let fits = |upload: &Upload| upload.sha256 == file.media.sha256 && upload.ends_at > Utc::now() + MARGIN;
        if !uploads.get(index).is_some_and(fits) {
            uploads.truncate(index);
            uploads.push(announce(call, file).await?);
        }
        let upload = &mut uploads[index];
        while upload.step == Step::Sending {
            if left == 0 {
                return wait(&uploads, Duration::ZERO, budget);
            }
            let piece = file.range(upload.sent, SEGMENT).await?;
            append(call, &upload.id, upload.sent / SEGMENT, piece.clone()).await?;
            upload.sent += piece.len() as u64;
            left = left.saturating_sub(SEGMENT);
            if upload.sent >= file.media.bytes {
                let url = endpoint(&call.account.base_url, &format!("2/media/upload/{}/finalize", upload.id))?;
                let made = expect_json::<Told<Made>>(call, signed(call, call.http.once(Method::POST, url)?)?).await?;
                budget = made.budget.or(budget);
                upload.step = Step::Processing;
                if let Some(after) = busy(made.value.data)? {
                    return wait(&uploads, after, budget);
                }
                describe(call, file, upload).await?;
                upload.step = Step::Ready;
            }
        }
        if upload.step == Step::Processing {
            let mut url = endpoint(&call.account.base_url, "2/media/upload")?;
            url.query_pairs_mut().append_pair("command", "STATUS").append_pair("media_id", &upload.id);
            let made = expect_json::<Told<Made>>(call, signed(call, call.http.get(url)?)?).await?;
            budget = made.budget.or(budget);
            if let Some(after) = busy(made.value.data)? {
                return wait(&uploads, after, budget);
            }
            describe(call, file, upload).await?;
            upload.step = Step::Ready;
        }
    }
    Ok(Answered { value: Staging::Ready(Staged::of(&uploads)?), budget })
}

fn wait(uploads: &[Upload], after: Duration, budget: Option<RateBudget>) -> ActivityResult<Answered<Staging>> {
    let what = "X is at work on the media".to_owned();
    Ok(Answered { value: Staging::Wait { staged: Staged::of(&uploads)?, what, after }, budget })
}

async fn announce(call: Call<'_>, file: &MediaFile) -> ActivityResult<Upload> {
    let category = if file.media.is_video() { "tweet_video" } else { "tweet_image" };
    let body = json!({"media_type": file.media.content_type, "total_bytes": file.media.bytes, "media_category": category});
    let url = endpoint(&call.account.base_url, "2/media/upload/initialize")?;
    let told = expect_json::<Told<Made>>(call, signed(call, call.http.once(Method::POST, url)?)?.json(&body)).await?;
    let made = told.value.data.filter(|made| !made.id.is_empty() && made.id.bytes().all(|b| b.is_ascii_digit()));
    let made = made.ok_or_else(|| ActivityError::transient("X named no upload"))?;
    let ends_at = Utc::now() + TimeDelta::try_seconds(made.expires_after_secs.unwrap_or(24 * 3600)).unwrap_or_default();
    let key = made.media_key.unwrap_or_else(|| format!("{}_{}", if file.media.is_video() { 13 } else { 3 }, made.id));
    Ok(Upload { id: made.id, key, sha256: file.media.sha256.clone(), sent: 0, ends_at, step: Step::Sending })
}

/// Sends one segment. The same one again takes its own place.
async fn append(call: Call<'_>, id: &str, index: u64, piece: bytes::Bytes) -> ActivityResult<()> {
    let url = endpoint(&call.account.base_url, &format!("2/media/upload/{id}/append"))?;
    let part = Part::stream(piece).file_name("segment");
    let form = Form::new().text("segment_index", index.to_string()).part("media", part);
    expect_success(call, signed(call, call.http.once(Method::POST, url)?)?.multipart(form)).await.map(|_| ())
}

/// How long to wait for an upload; `None` if it is ready.
fn busy(made: Option<Made>) -> ActivityResult<Option<Duration>> {
    let made = made.ok_or_else(|| ActivityError::transient("X says nothing about the upload"))?;
    let Some(Processing { state, check_after_secs, error }) = made.processing_info else { return Ok(None) };
    match state.as_str() {
        "succeeded" => Ok(None),
        "failed" => {
            let why = error.and_then(|error| error.message).unwrap_or_else(|| "without a reason".to_owned());
            Err(ActivityError::rejected(format!("X cannot use the media: {why}")))
        }
        _ => Ok(Some(Duration::from_secs(check_after_secs.unwrap_or(5).clamp(1, 300)))),
    }
}

/// Gives an image its alt text.
async fn describe(call: Call<'_>, file: &MediaFile, upload: &Upload) -> ActivityResult<()> {
    if file.media.alt.is_empty() || file.media.is_video() {
        return Ok(());
    }
    let body = json!({"id": upload.id, "metadata": {"alt_text": {"text": file.media.alt}}});
    let url = endpoint(&call.account.base_url, "2/media/metadata")?;
    expect_success(call, signed(call, call.http.once(Method::POST, url)?)?.json(&body)).await.map(|_| ())
}
