//! Files for a status: uploaded first, processed by the server, and named by their ids in the status
//! (<https://docs.joinmastodon.org/methods/media/>).

use std::time::Duration;

use domain::publication::PartMedia;
use http::{Method, StatusCode};
use reqwest::multipart;
use serde::{Deserialize, Serialize};

use super::{
    super::{MediaFile, Staged, Staging},
    Answered, Call, RemoteId, budget, endpoint, expect_success, signed,
};
use crate::error::{ActivityError, ActivityResult};

/// How long to wait before asking again whether a file is processed.
const POLL: Duration = Duration::from_secs(2);

/// A file that the server has; in the order of the part's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Upload {
    id: String,
    /// Whether a status may name it.
    ready: bool,
}

#[derive(Deserialize)]
struct Attachment {
    id: RemoteId,
    url: Option<String>,
}

/// Uploads what is not uploaded yet, and asks for what is still being processed.
pub(super) async fn stage(call: Call<'_>, files: &[MediaFile], so_far: Staged) -> ActivityResult<Answered<Staging>> {
    let known: Vec<Upload> = so_far.read()?.unwrap_or_default();
    let (mut uploads, mut left) = (Vec::with_capacity(files.len()), None);
    for (place, file) in files.iter().enumerate() {
        let upload = match known.get(place) {
            Some(upload) if upload.ready => upload.clone(),
            Some(upload) => match processed(call, &upload.id, &mut left).await {
                // The server forgets files that no status names after a while.
                Err(ActivityError::NotFound { .. }) => send(call, file, &mut left).await?,
                ready => Upload { ready: ready?, ..upload.clone() },
            },
            None => send(call, file, &mut left).await?,
        };
        uploads.push(upload);
    }
    let staged = Staged::of(&uploads)?;
    let value = if uploads.iter().all(|upload| upload.ready) {
        Staging::Ready(staged)
    } else {
        Staging::Wait { staged, what: "the server processes the files".to_owned(), after: POLL }
    };
    Ok(Answered { value, budget: left })
}

/// The ids that a status with these files names.
pub(super) fn ids(media: &[PartMedia], staged: &Staged) -> ActivityResult<Vec<String>> {
    let uploads: Vec<Upload> = staged.read()?.unwrap_or_default();
    if uploads.len() != media.len() || uploads.iter().any(|upload| !upload.ready) {
        return Err(ActivityError::rejected("its files are not with the server yet"));
    }
    Ok(uploads.into_iter().map(|upload| upload.id).collect())
}

/// `POST /api/v2/media`: 200 when the file can be used, 202 while it is processed.
async fn send(call: Call<'_>, file: &MediaFile, left: &mut Option<super::super::RateBudget>) -> ActivityResult<Upload> {
    let media = &file.media;
    let part = multipart::Part::stream_with_length(file.body(), media.bytes)
        .file_name(file.name())
        .mime_str(&media.content_type)
        .map_err(|_| ActivityError::rejected("the file has no media type"))?;
    let mut form = multipart::Form::new().part("file", part);
    if !media.alt.trim().is_empty() {
        form = form.text("description", media.alt.clone());
    }
    let url = endpoint(&call.account.base_url, "api/v2/media")?;
    let request = signed(call, call.http.once(Method::POST, url)?)?.timeout(file.upload_timeout()).multipart(form);
    let answer = expect_success(call, request).await?;
    *left = budget(&answer).or(*left);
    let attachment: Attachment = read(answer.body.as_ref())?;
    let ready = answer.status != StatusCode::ACCEPTED && attachment.url.is_some();
    Ok(Upload { id: attachment.id.text().ok_or_else(|| ActivityError::rejected("the server gave the file no id"))?, ready })
}

/// `GET /api/v1/media/:id`: 206 while the file is processed.
async fn processed(call: Call<'_>, id: &str, left: &mut Option<super::super::RateBudget>) -> ActivityResult<bool> {
    let mut url = endpoint(&call.account.base_url, "api/v1/media")?;
    url.path_segments_mut().map_err(|()| ActivityError::rejected("not an address"))?.push(id);
    let answer = expect_success(call, signed(call, call.http.get(url)?)?).await?;
    *left = budget(&answer).or(*left);
    let attachment: Attachment = read(answer.body.as_ref())?;
    Ok(answer.status != StatusCode::PARTIAL_CONTENT && attachment.url.is_some())
}

fn read(body: Result<&bytes::Bytes, &String>) -> ActivityResult<Attachment> {
    serde_json::from_slice(body.map_err(ActivityError::transient)?)
        .map_err(|_| ActivityError::rejected("the server's answer is not what this platform's servers answer"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::{ids::AssetId, platform::Platform};
    use serde_json::{Value, json};
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{method, path},
    };

    use super::*;
    use crate::platform::{
        freeze,
        tests::{account, credentials, http, intent, post},
    };

    fn image(alt: &str) -> MediaFile {
        let bytes = Bytes::from_static(b"\x89PNG and so on");
        let media = PartMedia {
            asset: AssetId::from_uuid(uuid::Uuid::nil()),
            content_type: "image/png".to_owned(),
            bytes: bytes.len() as u64,
            sha256: String::new(),
            size: None,
            alt: alt.to_owned(),
        };
        MediaFile::held(media, None, bytes)
    }

    fn attachment(status: u16, id: &str, ready: bool) -> ResponseTemplate {
        let url = ready.then(|| format!("https://social.example/media/{id}"));
        ResponseTemplate::new(status).set_body_json(json!({"id": id, "type": "image", "url": url}))
    }

    #[tokio::test]
    async fn files_are_uploaded_once_waited_for_and_named_in_the_status() {
        let server = MockServer::start().await;
        let uploads = Mock::given(method("POST")).and(path("/api/v2/media"));
        uploads.respond_with(attachment(200, "1", true)).up_to_n_times(1).expect(1).mount(&server).await;
        let uploads = Mock::given(method("POST")).and(path("/api/v2/media"));
        uploads.respond_with(attachment(202, "2", false)).expect(1).mount(&server).await;
        let polls = Mock::given(method("GET")).and(path("/api/v1/media/2"));
        polls.respond_with(attachment(206, "2", false)).up_to_n_times(1).mount(&server).await;
        let polls = Mock::given(method("GET")).and(path("/api/v1/media/2"));
        polls.respond_with(attachment(200, "2", true)).mount(&server).await;

        let (account, credentials, http) = (account(Platform::Mastodon, &server.uri()), credentials(Platform::Mastodon), http());
        let call = Call { http: &http, account: &account, credentials: &credentials };
        let files = [image("A loaf"), image("")];
        let mut part = post("Bread");
        part.media = files.iter().map(|file| file.media.clone()).collect();
        let mut staged = Staged::NOTHING;
        for waits in [true, true, false] {
            match stage(call, &files, staged).await.unwrap().value {
                Staging::Wait { staged: so_far, .. } if waits => {
                    assert!(freeze(&account, &part, &so_far, intent()).is_err(), "it cannot be sent like this");
                    staged = so_far;
                }
                Staging::Ready(done) if !waits => staged = done,
                other => panic!("{other:?}"),
            }
        }
        let frozen = freeze(&account, &part, &staged, intent()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&frozen.body).unwrap()["media_ids"], json!(["1", "2"]));
        let received = server.received_requests().await.unwrap();
        let body = String::from_utf8_lossy(&received[0].body);
        assert!(body.contains("A loaf") && body.contains("PNG and so on") && body.contains("image/png"), "{body}");
        assert!(!String::from_utf8_lossy(&received[1].body).contains("description"), "there is none");
    }

    #[tokio::test]
    async fn a_file_that_the_server_forgot_is_uploaded_again_and_one_that_it_refuses_is_told() {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(404).set_body_json(json!({"error": "Record not found"})))
            .mount(&server)
            .await;
        Mock::given(method("POST")).respond_with(attachment(200, "9", true)).up_to_n_times(1).mount(&server).await;
        let refusal = json!({"error": "Validation failed: File content type is invalid"});
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(422).set_body_json(refusal)).mount(&server).await;
        let (account, credentials, http) = (account(Platform::Mastodon, &server.uri()), credentials(Platform::Mastodon), http());
        let call = Call { http: &http, account: &account, credentials: &credentials };
        let waiting = Staged::of(&[Upload { id: "8".to_owned(), ready: false }]).unwrap();
        let done = stage(call, &[image("")], waiting).await.unwrap().value;
        assert_eq!(done, Staging::Ready(Staged::of(&[Upload { id: "9".to_owned(), ready: true }]).unwrap()));
        let refused = stage(call, &[image("")], Staged::NOTHING).await.unwrap_err();
        assert!(matches!(&refused, ActivityError::Rejected { what } if what.contains("content type")), "{refused}");
    }
}
