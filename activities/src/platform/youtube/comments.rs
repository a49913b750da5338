//! A comment of our own under a video (<https://developers.google.com/youtube/v3/docs/commentThreads>).

use domain::publication::{Frozen, Resolution, Sent, Submission, normalise};
use http::{Method, header};
use serde_json::{Value, json};

use super::{ask_json, method, moment, refused, watch};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        Account, Call, Window,
        answer::{signed, unanswered},
    },
};

pub(super) fn body(channel: &str, video: &str, text: &str) -> String {
    json!({ "snippet": { "channelId": channel, "videoId": video, "topLevelComment": { "snippet": { "textOriginal": text } } } }).to_string()
}

/// The video that a frozen comment is about.
fn video(frozen: &Frozen) -> ActivityResult<String> {
    let body: Value = serde_json::from_str(&frozen.body).unwrap_or_default();
    let video = body["snippet"]["videoId"].as_str().filter(|id| !id.is_empty());
    video.map(str::to_owned).ok_or_else(|| ActivityError::rejected("the comment names no video"))
}

fn sent(account: &Account, video: &str, id: &str) -> Sent {
    Sent { external_id: id.to_owned(), url: format!("{}&lc={id}", watch(account, video)), cid: None }
}

pub(super) async fn submit(call: Call<'_>, frozen: &Frozen) -> Submission {
    let request = || {
        let url = method(call.account, "youtube/v3/commentThreads", &[("part", "snippet")])?;
        let request = signed(call, call.http.once(Method::POST, url)?)?;
        ActivityResult::Ok((video(frozen)?, request.header(header::CONTENT_TYPE, &frozen.content_type).body(frozen.body.clone())))
    };
    let (video, request) = match request() {
        Ok(made) => made,
        Err(ActivityError::CredentialsExpired { what }) => return Submission::CredentialsExpired { what },
        Err(error) => return Submission::NotSent { what: error.what().to_owned() },
    };
    match call.http.answer(request).await {
        Err(failure) => unanswered(failure),
        Ok(answer) if answer.status.is_success() => {
            let body = answer.body.as_ref().ok().and_then(|body| serde_json::from_slice::<Value>(body).ok()).unwrap_or_default();
            match body["id"].as_str() {
                Some(id) => Submission::Published(sent(call.account, &video, id)),
                None => Submission::Unknown { what: "the answer names no comment".to_owned() },
            }
        }
        Ok(answer) => refused(call, &answer),
    }
}

/// Looks among the newest comments under the video for one of ours with this text.
pub(super) async fn resolve(call: Call<'_>, frozen: &Frozen, window: &Window) -> ActivityResult<Resolution> {
    let video = video(frozen)?;
    let query = [("part", "snippet"), ("videoId", video.as_str()), ("order", "time"), ("maxResults", "100")];
    let listed = ask_json(call, method(call.account, "youtube/v3/commentThreads", &query)?).await?;
    let ours: Vec<&Value> = listed["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|thread| &thread["snippet"]["topLevelComment"])
        .filter(|comment| comment["snippet"]["authorChannelId"]["value"] == call.account.remote_id.as_str())
        .filter(|comment| moment(&comment["snippet"]["publishedAt"]).is_none_or(|at| at >= window.floor()))
        .collect();
    let matching: Vec<&str> = ours
        .iter()
        .filter(|comment| normalise(comment["snippet"]["textOriginal"].as_str().unwrap_or_default()) == frozen.correlation.text_normalised)
        .filter_map(|comment| comment["id"].as_str())
        .filter(|id| !window.known_external_ids.iter().any(|known| known == id))
        .collect();
    Ok(match matching.as_slice() {
        [id] => Resolution::Found {
            sent: sent(call.account, &video, id),
            evidence: "our only comment with its text under the video".to_owned(),
        },
        [] => Resolution::Absent { evidence: format!("none of our {} comments under the video has its text", ours.len()) },
        many => Resolution::Unknown { evidence: format!("{} of our comments under the video have its text", many.len()) },
    })
}
