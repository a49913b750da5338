//! Files for a post: blobs in the account's repository, embedded in the record (<https://docs.bsky.app/docs/advanced-guides/posts>).
//!
//! A blob that no record refers to is dropped after a while; uploading the same bytes again gives the same blob. A video is uploaded in the same
//! way; the service processes it once the post is there.

use domain::publication::PartMedia;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{MediaFile, Staged, Staging},
    Answered, Call, expect_json, method, session, signed,
};
use crate::error::{ActivityError, ActivityResult};

/// Uploads what is not uploaded yet. What is staged are the blobs as the server names them, in the order of the files.
pub(super) async fn stage(call: Call<'_>, files: &[MediaFile], so_far: Staged) -> ActivityResult<Answered<Staging>> {
    #[derive(Deserialize)]
    struct Uploaded {
        blob: Value,
    }
    let mut blobs: Vec<Value> = so_far.read()?.unwrap_or_default();
    let mut budget = None;
    for file in files.iter().skip(blobs.len()) {
        let url = method(call.account, "com.atproto.repo.uploadBlob")?;
        let request = signed(call, call.http.once(Method::POST, url)?)?
            .timeout(file.upload_timeout())
            .header(http::header::CONTENT_TYPE, &file.media.content_type)
            .header(http::header::CONTENT_LENGTH, file.media.bytes)
            .body(file.body());
        let uploaded = expect_json::<Uploaded>(call, request).await.map_err(session::expired)?;
        budget = uploaded.budget.or(budget);
        blobs.push(uploaded.value.blob);
    }
    Ok(Answered { value: Staging::Ready(Staged::of(&blobs)?), budget })
}

/// The embed of a post with these files (lexicons `app.bsky.embed.images` and `app.bsky.embed.video`); `None` without any.
pub(super) fn embed(media: &[PartMedia], staged: &Staged) -> ActivityResult<Option<Value>> {
    if media.is_empty() {
        return Ok(None);
    }
    let blobs: Vec<Value> = staged.read()?.unwrap_or_default();
    if blobs.len() != media.len() {
        return Err(ActivityError::rejected("its files are not with the server yet"));
    }
    if let ([video], [blob]) = (media, blobs.as_slice())
        && video.is_video()
    {
        let mut embed = json!({"$type": "app.bsky.embed.video", "video": blob, "alt": video.alt});
        ratio(video, &mut embed);
        return Ok(Some(embed));
    }
    if media.iter().any(PartMedia::is_video) {
        return Err(ActivityError::rejected("a video stands alone on Bluesky"));
    }
    let images: Vec<Value> = media
        .iter()
        .zip(blobs)
        .map(|(image, blob)| {
            let mut entry = json!({"alt": image.alt, "image": blob});
            ratio(image, &mut entry);
            entry
        })
        .collect();
    Ok(Some(json!({"$type": "app.bsky.embed.images", "images": images})))
}

fn ratio(media: &PartMedia, of: &mut Value) {
    if let Some((width, height)) = media.size {
        of["aspectRatio"] = json!({"width": width, "height": height});
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::{ids::AssetId, platform::Platform};
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

    use super::*;
    use crate::platform::{
        freeze,
        tests::{account, credentials, http, intent, post},
    };

    fn media(content_type: &str, size: Option<(u32, u32)>) -> PartMedia {
        PartMedia {
            asset: AssetId::from_uuid(uuid::Uuid::nil()),
            content_type: content_type.to_owned(),
            bytes: 5,
            sha256: String::new(),
            size,
            alt: "A loaf".to_owned(),
        }
    }

    #[tokio::test]
    async fn blobs_are_uploaded_once_and_embedded_with_their_descriptions() {
        let server = MockServer::start().await;
        let blob = json!({"$type": "blob", "ref": {"$link": "bafy1"}, "mimeType": "image/png", "size": 5});
        let answer = ResponseTemplate::new(200).set_body_json(json!({"blob": blob}));
        Mock::given(path("/xrpc/com.atproto.repo.uploadBlob")).respond_with(answer).expect(1).mount(&server).await;
        let (account, credentials, http) = (account(Platform::Bluesky, &server.uri()), credentials(Platform::Bluesky), http());
        let call = Call { http: &http, account: &account, credentials: &credentials };
        let files = [MediaFile::held(media("image/png", Some((4, 3))), None, Bytes::from_static(b"bytes"))];
        let mut staged = Staged::NOTHING;
        for _ in 0..2 {
            let Staging::Ready(ready) = stage(call, &files, staged).await.unwrap().value else { panic!("nothing to wait for") };
            staged = ready;
        }
        let request = &server.received_requests().await.unwrap()[0];
        assert_eq!((request.body.as_slice(), request.headers["content-type"].to_str().unwrap()), (b"bytes".as_slice(), "image/png"));
        assert_eq!(request.headers["content-length"], "5");

        let mut part = post("Bread");
        part.media = vec![files[0].media.clone()];
        let frozen = freeze(&account, &part, &staged, intent()).unwrap();
        let body: Value = serde_json::from_str(&frozen.body).unwrap();
        let image = json!({"alt": "A loaf", "image": blob, "aspectRatio": {"width": 4, "height": 3}});
        assert_eq!(body["record"]["embed"], json!({"$type": "app.bsky.embed.images", "images": [image]}));
        assert!(freeze(&account, &part, &Staged::NOTHING, intent()).is_err());
    }

    #[tokio::test]
    async fn an_expired_session_is_told_as_one() {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(400).set_body_json(json!({"error": "ExpiredToken", "message": "Token has expired"}));
        Mock::given(path("/xrpc/com.atproto.repo.uploadBlob")).respond_with(answer).mount(&server).await;
        let (account, credentials, http) = (account(Platform::Bluesky, &server.uri()), credentials(Platform::Bluesky), http());
        let call = Call { http: &http, account: &account, credentials: &credentials };
        let files = [MediaFile::held(media("image/png", None), None, Bytes::from_static(b"bytes"))];
        assert!(matches!(stage(call, &files, Staged::NOTHING).await, Err(ActivityError::CredentialsExpired { .. })));
    }

    #[test]
    fn a_video_stands_alone() {
        let staged = |n: usize| Staged::of(&vec![json!({"ref": "x"}); n]).unwrap();
        let video = media("video/mp4", None);
        let embed = embed(std::slice::from_ref(&video), &staged(1)).unwrap().unwrap();
        assert_eq!(embed, json!({"$type": "app.bsky.embed.video", "video": {"ref": "x"}, "alt": "A loaf"}));
        assert!(super::embed(&[video, media("image/png", None)], &staged(2)).is_err());
        assert_eq!(super::embed(&[], &Staged::NOTHING).unwrap(), None);
    }
}
