//! Uploading images (learn.microsoft.com, "Images API"). One that is on no post is seen by nobody.

use std::time::Duration;

use domain::publication::PartMedia;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{encoded, read, write};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        Answered, Call, MediaFile, Staged, Staging,
        answer::{expect_json, expect_success, signed},
    },
};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Image {
    urn: String,
    sha256: String,
    ready: bool,
}

/// The images of a body, with their alt texts.
pub(super) fn named(staged: &Staged, media: &[PartMedia]) -> ActivityResult<Vec<Value>> {
    let images: Vec<Image> = staged.read()?.unwrap_or_default();
    if images.len() != media.len() || images.iter().any(|image| !image.ready) {
        return Err(ActivityError::rejected("the images are not uploaded yet"));
    }
    let named = images.into_iter().zip(media).map(|(image, media)| {
        let mut named = json!({"id": image.urn});
        if !media.alt.is_empty() {
            named["altText"] = media.alt.as_str().into();
        }
        named
    });
    Ok(named.collect())
}

/// Uploads what is not uploaded yet.
pub(super) async fn stage(call: Call<'_>, files: &[MediaFile], so_far: Staged) -> ActivityResult<Answered<Staging>> {
    #[derive(Deserialize)]
    struct Status {
        status: String,
    }
    if files.is_empty() {
        return Ok(Answered { value: Staging::Ready(Staged::default()), budget: None });
    }
    let mut images: Vec<Image> = so_far.read()?.unwrap_or_default();
    for (index, file) in files.iter().enumerate() {
        if images.get(index).is_none_or(|image| image.sha256 != file.media.sha256) {
            images.truncate(index);
            images.push(upload(call, file).await?);
        }
    }
    for index in 0..images.len() {
        if images[index].ready {
            continue;
        }
        let status = expect_json::<Status>(call, read(call, &format!("images/{}", encoded(&images[index].urn)))?).await?.value.status;
        match status.as_str() {
            "AVAILABLE" => images[index].ready = true,
            "PROCESSING_FAILED" => return Err(ActivityError::rejected("LinkedIn cannot use an image")),
            _ => {
                let (staged, what) = (Staged::of(&images)?, "LinkedIn is at work on the images".to_owned());
                return Ok(Answered { value: Staging::Wait { staged, what, after: Duration::from_secs(2) }, budget: None });
            }
        }
    }
    Ok(Answered { value: Staging::Ready(Staged::of(&images)?), budget: None })
}

async fn upload(call: Call<'_>, file: &MediaFile) -> ActivityResult<Image> {
    #[derive(Deserialize)]
    struct Made {
        value: Place,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Place {
        upload_url: String,
        image: String,
    }
    let body = json!({"initializeUploadRequest": {"owner": call.account.remote_id}});
    let made = expect_json::<Made>(call, write(call, Method::POST, "images?action=initializeUpload")?.json(&body)).await?.value.value;
    if !made.image.starts_with("urn:li:image:") {
        return Err(ActivityError::transient("LinkedIn named no image"));
    }
    // The token goes to LinkedIn's own servers only.
    let url = call.http.check_url(&made.upload_url)?;
    let own = url.host_str().is_some_and(|host| host.ends_with(".linkedin.com")) || url.host() == call.account.base_url.host();
    if !own {
        return Err(ActivityError::rejected("LinkedIn names an address to upload to that is not its own"));
    }
    let request = signed(call, call.http.once(Method::PUT, url)?)?.header(http::header::CONTENT_TYPE, &file.media.content_type);
    expect_success(call, request.body(file.read().await?)).await?;
    Ok(Image { urn: made.image, sha256: file.media.sha256.clone(), ready: false })
}
