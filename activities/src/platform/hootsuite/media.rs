//! Uploading pictures ("Create media upload url"): announced, put to an address of Amazon's, processed. One that is on no message is seen by nobody.

use std::time::Duration;

use domain::publication::PartMedia;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Told, post, v1};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        Answered, Call, MediaFile, Staged, Staging,
        answer::{broken, expect_json, signed},
    },
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Uploaded {
    id: String,
    sha256: String,
    ready: bool,
    /// How often it was asked for in vain.
    asked: u32,
}

/// After how many questions a picture that is not ready is given up, each after a longer wait: some ten minutes in all. Hootsuite knows no state of
/// failure, only "not yet".
const QUESTIONS: u32 = 15;

/// The ids of the pictures, in their order.
///
/// # Errors
/// [`ActivityError::Rejected`] if they are not all there.
pub(super) fn ids(staged: &Staged, media: &[PartMedia]) -> ActivityResult<Vec<String>> {
    let uploaded: Vec<Uploaded> = staged.read()?.unwrap_or_default();
    let same = uploaded.len() == media.len() && uploaded.iter().zip(media).all(|(one, media)| one.ready && one.sha256 == media.sha256);
    same.then(|| uploaded.into_iter().map(|one| one.id).collect())
        .ok_or_else(|| ActivityError::rejected("the pictures are not in Hootsuite yet"))
}

/// Uploads what is not uploaded yet.
pub(super) async fn stage(call: Call<'_>, files: &[MediaFile], so_far: Staged) -> ActivityResult<Answered<Staging>> {
    #[derive(Deserialize)]
    struct Media {
        state: String,
    }
    if files.is_empty() {
        return Ok(Answered { value: Staging::Ready(Staged::default()), budget: None });
    }
    let mut uploaded: Vec<Uploaded> = so_far.read()?.unwrap_or_default();
    for (index, file) in files.iter().enumerate() {
        if uploaded.get(index).is_none_or(|one| one.sha256 != file.media.sha256) {
            uploaded.truncate(index);
            uploaded.push(upload(call, file).await?);
        }
    }
    for index in 0..uploaded.len() {
        if uploaded[index].ready {
            continue;
        }
        let request = signed(call, call.http.get(v1(call.account, &["media", &uploaded[index].id])?)?)?;
        match expect_json::<Told<Media>>(call, request).await {
            Ok(told) if told.value.data.state == "READY" => uploaded[index].ready = true,
            // Right after the upload, it may not know it yet.
            Ok(_) | Err(ActivityError::NotFound { .. }) if uploaded[index].asked < QUESTIONS => {
                uploaded[index].asked += 1;
                let after = Duration::from_secs((1 << uploaded[index].asked.min(6)).min(60));
                let (staged, what) = (Staged::of(&uploaded)?, "Hootsuite is at work on the pictures".to_owned());
                return Ok(Answered { value: Staging::Wait { staged, what, after }, budget: None });
            }
            Ok(_) | Err(ActivityError::NotFound { .. }) => return Err(ActivityError::rejected("Hootsuite does not finish with a picture")),
            Err(error) => return Err(error),
        }
    }
    Ok(Answered { value: Staging::Ready(Staged::of(&uploaded)?), budget: None })
}

async fn upload(call: Call<'_>, file: &MediaFile) -> ActivityResult<Uploaded> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Place {
        id: String,
        upload_url: String,
    }
    let body: Value = json!({ "sizeBytes": file.media.bytes, "mimeType": file.media.content_type });
    let place = expect_json::<Told<Place>>(call, post(call, &["media"], body.to_string())?).await?.value.data;
    // The address is the secret: no token goes there. Type and size have to be those that were announced.
    let request = call
        .http
        .once(Method::PUT, call.http.check_url(&place.upload_url)?)?
        .header(http::header::CONTENT_TYPE, &file.media.content_type)
        .body(file.read().await?);
    let answer = call.http.answer(request).await.map_err(broken)?;
    if !answer.status.is_success() {
        return Err(ActivityError::transient(format_args!("the upload to Hootsuite was answered {}", answer.status)));
    }
    Ok(Uploaded { id: place.id, sha256: file.media.sha256.clone(), ready: false, asked: 0 })
}
