//! Photos: TikTok fetches them from public addresses, and announcing them publishes them
//! (<https://developers.tiktok.com/doc/content-posting-api-reference-photo-post>).

use domain::publication::{Frozen, Part, Resolution, Submission, normalise};
use http::{Method, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ask, not_published, page, post_info, privacy, read, sent, state};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        Call, Sending, Staged, Staging, Window,
        answer::{signed, unanswered},
        endpoint,
    },
};

/// The longest title of photos in UTF-16 units.
const MAX_TITLE: usize = 90;

/// What was found out about the creator.
#[derive(Debug, Serialize, Deserialize)]
struct Creator {
    privacy: String,
}

/// Asks what the creator allows.
pub(super) async fn stage(call: Call<'_>, part: &Part) -> ActivityResult<Staging> {
    let privacy = privacy(call, part).await?;
    Staged::of(&Creator { privacy }).map(Staging::Ready)
}

/// What is said of photos: all but their addresses, which are made anew for each attempt and are nobody else's to know.
pub(super) fn frozen(part: &Part, staged: &Staged) -> ActivityResult<String> {
    let creator: Option<Creator> = staged.read()?;
    let creator = creator.ok_or_else(|| ActivityError::rejected("nobody asked what the creator allows"))?;
    let mut info = post_info(part, &creator.privacy);
    info["description"] = json!(part.text);
    let first = part.text.lines().next().unwrap_or_default().trim();
    if first.encode_utf16().count() <= MAX_TITLE {
        info["title"] = json!(first);
    }
    info["auto_add_music"] = json!(true);
    Ok(json!({ "post_info": info, "post_mode": "DIRECT_POST", "media_type": "PHOTO" }).to_string())
}

pub(super) async fn submit(call: Call<'_>, sending: Sending<'_>) -> Submission {
    let request = || {
        let addresses: Option<Vec<&str>> = sending.files.iter().map(|file| file.public_url.as_ref().map(url::Url::as_str)).collect();
        let addresses = addresses.filter(|addresses| !addresses.is_empty());
        let addresses = addresses.ok_or_else(|| ActivityError::rejected("TikTok fetches photos, and these have no public address"))?;
        let mut body: Value =
            serde_json::from_str(&sending.frozen.body).map_err(|_| ActivityError::rejected("what was frozen cannot be read"))?;
        body["source_info"] = json!({ "source": "PULL_FROM_URL", "photo_cover_index": 0, "photo_images": addresses });
        let url = endpoint(&call.account.base_url, "v2/post/publish/content/init/")?;
        let request = signed(call, call.http.once(Method::POST, url)?)?.header(header::CONTENT_TYPE, &sending.frozen.content_type);
        ActivityResult::Ok(request.body(body.to_string()))
    };
    let request = match request() {
        Ok(request) => request,
        Err(error) => return not_published(error),
    };
    let answer = match call.http.answer(request).await {
        Err(failure) => return unanswered(failure),
        Ok(answer) => answer,
    };
    let publish_id = match read(call, &answer) {
        Ok(data) => data["publish_id"].as_str().map(str::to_owned),
        Err(ActivityError::Transient { what } | ActivityError::OutcomeUnknown { what }) => return Submission::Unknown { what },
        Err(error) => return not_published(error),
    };
    let Some(publish_id) = publish_id else { return Submission::Unknown { what: "the answer names no post".to_owned() } };
    // It is TikTok's from here on. One look tells its number, or that TikTok refuses it after all.
    match state::fetch(call, &publish_id).await {
        Ok(state::State::Failed(why)) => Submission::Rejected { what: format!("TikTok refuses the photos: {why}") },
        Ok(state::State::Out(post)) => Submission::Published(sent(call.account, &publish_id, post)),
        _ => Submission::Published(sent(call.account, &publish_id, None)),
    }
}

/// Looks among the newest public posts. That it is not there proves nothing: private posts are not listed, and whether photos are is not documented.
pub(super) async fn resolve(call: Call<'_>, frozen: &Frozen, window: &Window) -> ActivityResult<Resolution> {
    let listed = ask(call, "v2/video/list/?fields=id,title,video_description,create_time", &json!({ "max_count": 20 })).await?;
    let since = window.floor().timestamp();
    let matching: Vec<&str> = listed["videos"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|post| post["create_time"].as_i64().is_none_or(|at| at >= since))
        .filter(|post| {
            let is_text = |name: &str| normalise(post[name].as_str().unwrap_or_default()) == frozen.correlation.text_normalised;
            is_text("video_description") || is_text("title")
        })
        .filter_map(|post| post["id"].as_str())
        .filter(|id| !window.known_external_ids.iter().any(|known| known == id))
        .collect();
    Ok(match matching.as_slice() {
        [id] => Resolution::Found {
            sent: sent(call.account, id, Some((*id).to_owned())),
            evidence: "one of the account's newest posts has its text".to_owned(),
        },
        [] => {
            let evidence =
                format!("none of the public posts has its text, which proves nothing for photos; see {}", page(call.account, None));
            Resolution::Unknown { evidence }
        }
        many => Resolution::Unknown { evidence: format!("{} of the account's posts have its text", many.len()) },
    })
}
