//! Images: uploaded to nobody's sight, and shown in a message once Slack has processed them.

use std::time::Duration;

use domain::publication::PartMedia;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ask, call_method, read_method};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{Answered, Call, MediaFile, Staged, Staging, answer::expect_success, upload::file_name},
};

/// The ids of the part's files, in its order.
#[derive(Serialize, Deserialize)]
struct Files {
    ids: Vec<String>,
}

/// Uploads what is not uploaded yet, then asks whether it was processed: until then, a message with it is refused.
pub(super) async fn stage(call: Call<'_>, files: &[MediaFile], so_far: Staged) -> ActivityResult<Answered<Staging>> {
    if files.is_empty() {
        return Ok(Answered { value: Staging::Ready(Staged::NOTHING), budget: None });
    }
    let known = so_far.read::<Files>()?.filter(|known| known.ids.len() == files.len());
    let uploaded = match known {
        Some(known) => known,
        None => {
            let mut ids = Vec::new();
            for (index, file) in files.iter().enumerate() {
                ids.push(upload(call, index, file).await?);
            }
            Files { ids }
        }
    };
    let staged = Staged::of(&uploaded)?;
    for id in &uploaded.ids {
        if !is_processed(call, id).await? {
            let what = "Slack is processing the images".to_owned();
            return Ok(Answered { value: Staging::Wait { staged, what, after: Duration::from_secs(2) }, budget: None });
        }
    }
    Ok(Answered { value: Staging::Ready(staged), budget: None })
}

async fn upload(call: Call<'_>, index: usize, file: &MediaFile) -> ActivityResult<String> {
    #[derive(Deserialize)]
    struct Announced {
        upload_url: String,
        file_id: String,
    }
    let (name, length) = (file_name(index, &file.media.content_type), file.media.bytes.to_string());
    let mut query = vec![("filename", name.as_str()), ("length", length.as_str())];
    if !file.media.alt.is_empty() {
        query.push(("alt_txt", &file.media.alt));
    }
    let Announced { upload_url, file_id } = ask(call, read_method(call, "files.getUploadURLExternal", &query)?).await?.value;
    let request = call.http.once(Method::POST, call.http.check_url(&upload_url)?)?;
    let request = request.header(http::header::CONTENT_TYPE, &file.media.content_type).body(file.read().await?);
    expect_success(call, request).await?;
    let complete = json!({ "files": [{ "id": file_id, "title": name }] });
    ask::<Value>(call, call_method(call, "files.completeUploadExternal")?.json(&complete)).await?;
    Ok(file_id)
}

/// Slack tells a file's type once it has looked at it.
async fn is_processed(call: Call<'_>, id: &str) -> ActivityResult<bool> {
    #[derive(Deserialize)]
    struct Info {
        file: File,
    }
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        mimetype: String,
        #[serde(default)]
        mode: String,
    }
    let file = ask::<Info>(call, read_method(call, "files.info", &[("file", id)])?).await?.value.file;
    if file.mode == "tombstone" {
        return Err(ActivityError::rejected("Slack could not process an image"));
    }
    Ok(!file.mimetype.is_empty())
}

/// The blocks that show the images. Slack wants an alt text for each; where there is none, it is told that it is an image.
pub(super) fn blocks(media: &[PartMedia], staged: &Staged) -> ActivityResult<Vec<Value>> {
    let files = staged.read::<Files>()?.filter(|files| files.ids.len() == media.len());
    let files = files.ok_or_else(|| ActivityError::rejected("the images were not uploaded yet"))?;
    let block = |(media, id): (&PartMedia, &String)| {
        let alt = if media.alt.is_empty() { "image" } else { &media.alt };
        json!({ "type": "image", "slack_file": { "id": id }, "alt_text": alt })
    };
    Ok(media.iter().zip(&files.ids).map(block).collect())
}
