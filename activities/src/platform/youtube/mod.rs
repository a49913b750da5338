//! YouTube: the Data API v3 (<https://developers.google.com/youtube/v3/docs>).
//!
//! A video goes into an upload session ([`session`]) that nobody can see. All but its last piece is given ahead; the last piece publishes it, and the
//! session tells afterwards whether the video is complete. A first comment is looked for under its video.

mod comments;
mod session;
mod uploads;

use chrono::{DateTime, Utc};
use domain::{
    metrics::Counters,
    platform::{Disclosure, Platform},
    publication::{Frozen, Part, PartKind, Resolution, Sent, Submission, body_hash},
    text::shorten,
};
use futures::future::BoxFuture;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    Account, Adapter, Answered, Call, Health, Limits, MediaFile, Sending, Staged, Staging, Window,
    answer::{complaint, retry_after_of, signed},
    endpoint,
    oauth::{Refresh, Rules},
};
use crate::{
    error::{ActivityError, ActivityResult},
    http::{Answer, Failure},
};

/// The adapter.
pub(super) struct YouTube;

/// <https://developers.google.com/identity/protocols/oauth2/web-server>. Without `access_type=offline` there is no refresh token, and without
/// `prompt=consent` only the first authorisation of a person brings one. It goes on working, for a week if the application is still being tested.
static OAUTH: Rules = Rules {
    authorize: "https://accounts.google.com/o/oauth2/v2/auth",
    token: "https://oauth2.googleapis.com/token",
    extra: &[("access_type", "offline"), ("prompt", "consent")],
    refresh: Refresh::Reusable,
    ..Rules::STANDARD
};

/// The longest title in characters (`snippet.title`).
const MAX_TITLE: usize = 100;
/// The parts of a video that an upload sets.
const PARTS: &str = "snippet,status,paidProductPlacementDetails";
/// How long to wait when a day's quota is used up: it comes back at midnight Pacific time, and no answer says when that is.
const QUOTA_WAIT: std::time::Duration = std::time::Duration::from_secs(3600);

/// An address of the API, with these parameters.
fn method(account: &Account, path: &str, query: &[(&str, &str)]) -> ActivityResult<Url> {
    let mut url = endpoint(&account.base_url, path)?;
    url.query_pairs_mut().extend_pairs(query);
    Ok(url)
}

/// Where people see a video: on YouTube, or on whatever stands in for its API.
fn watch(account: &Account, video: &str) -> String {
    let base = &account.base_url;
    let page = match base.host_str() {
        Some(host) if host.ends_with("googleapis.com") => Url::parse("https://www.youtube.com/watch").ok(),
        _ => endpoint(base, "watch").ok(),
    };
    page.map(|mut page| {
        page.query_pairs_mut().append_pair("v", video);
        page.to_string()
    })
    .unwrap_or_default()
}

/// A video that was published.
fn sent(account: &Account, video: String) -> Sent {
    Sent { url: watch(account, &video), external_id: video, cid: None }
}

/// Title and description: the first line, and the rest. Of a first line that is too long to be a title as much as fits becomes one, and the
/// description has the whole text. Neither may hold `<` or `>` (<https://developers.google.com/youtube/v3/docs/videos#snippet.title>); what looks
/// like them goes instead.
fn title_and_description(text: &str) -> (String, String) {
    let text = text.trim().replace('<', "\u{2039}").replace('>', "\u{203a}");
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let first = first.trim();
    if first.chars().count() <= MAX_TITLE {
        return (first.to_owned(), rest.trim().to_owned());
    }
    (shorten(first, MAX_TITLE), text)
}

/// What an upload says of its video: made of the part alone, so that it is the same when the session is opened and when the post is frozen.
///
/// Category 22 is "People & Blogs", YouTube's own default. A video for children has to be declared as one; ours are for everybody.
fn metadata(part: &Part) -> String {
    let (title, description) = title_and_description(&part.text);
    json!({
        "snippet": { "title": title, "description": description, "categoryId": "22", "defaultLanguage": part.language },
        "status": {
            "privacyStatus": "public",
            "selfDeclaredMadeForKids": false,
            "containsSyntheticMedia": part.disclosures.contains(&Disclosure::AiGenerated),
        },
        "paidProductPlacementDetails": { "hasPaidProductPlacement": part.disclosures.contains(&Disclosure::PaidPartnership) },
    })
    .to_string()
}

/// Sends something and expects success.
async fn ask(call: Call<'_>, request: reqwest::RequestBuilder) -> ActivityResult<Answer> {
    let answer = call.http.answer(signed(call, request)?).await.map_err(|failure| match failure {
        Failure::Refused(what) => ActivityError::rejected(what),
        Failure::NotSent(what) | Failure::Broken(what) => ActivityError::transient(what),
    })?;
    if answer.status.is_success() { Ok(answer) } else { Err(refusal(call, &answer)) }
}

/// Sends something that is safe to repeat and reads its JSON answer.
async fn ask_json(call: Call<'_>, url: Url) -> ActivityResult<Value> {
    let answer = ask(call, call.http.get(url)?).await?;
    let body = answer.body.as_ref().map_err(ActivityError::transient)?;
    serde_json::from_slice(body).map_err(|_| ActivityError::transient("the answer is not what YouTube answers"))
}

/// What an answer that is no success means (<https://developers.google.com/youtube/v3/docs/errors>): Google's reasons say more than its statuses.
fn refusal(call: Call<'_>, answer: &Answer) -> ActivityError {
    let what = complaint(answer, |text| call.credentials.redact(text)).text;
    let body = answer.body.as_ref().ok().and_then(|body| serde_json::from_slice::<Value>(body).ok()).unwrap_or_default();
    match (answer.status.as_u16(), body["error"]["errors"][0]["reason"].as_str().unwrap_or_default()) {
        (_, "quotaExceeded" | "dailyLimitExceeded" | "uploadLimitExceeded") => {
            ActivityError::rate_limited(QUOTA_WAIT.max(retry_after_of(answer)), what)
        }
        (429, _) | (_, "rateLimitExceeded" | "userRateLimitExceeded" | "uploadRateLimitExceeded") => {
            ActivityError::rate_limited(retry_after_of(answer), what)
        }
        (401, _) | (403, "insufficientPermissions" | "authError" | "youtubeSignupRequired" | "accountClosed" | "accountSuspended") => {
            ActivityError::credentials_expired(what)
        }
        (404 | 410, _) => ActivityError::not_found(what),
        (408 | 409 | 425 | 500.., _) => ActivityError::transient(what),
        _ => ActivityError::rejected(what),
    }
}

/// What such an answer proves of a request that publishes.
fn refused(call: Call<'_>, answer: &Answer) -> Submission {
    match refusal(call, answer) {
        ActivityError::RateLimited { retry_after_ms, .. } => Submission::RateLimited { retry_after_ms },
        ActivityError::CredentialsExpired { what } => Submission::CredentialsExpired { what },
        ActivityError::Rejected { what } | ActivityError::NotFound { what } => Submission::Rejected { what },
        ActivityError::Transient { what } | ActivityError::OutcomeUnknown { what } => Submission::Unknown { what },
    }
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    let url = method(call.account, "youtube/v3/channels", &[("part", "snippet"), ("mine", "true")])?;
    let channels = ask_json(call, url).await?;
    let channel = &channels["items"][0];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let remote_id = text(&channel["id"]).ok_or_else(|| ActivityError::rejected("this Google account has no channel on YouTube"))?;
    let name = text(&channel["snippet"]["customUrl"]).or_else(|| text(&channel["snippet"]["title"])).unwrap_or_default();
    let value = Health {
        remote_id,
        handle: name.trim_start_matches('@').to_owned(),
        software: None,
        limits: Limits::default(),
        token_expires_at: call.credentials.expires_at(),
        scopes: call.credentials.scopes().to_vec(),
    };
    Ok(Answered { value, budget: None })
}

/// Whether an id is that of a video: comments have longer ones.
fn is_video(id: &str) -> bool {
    id.len() == 11
}

async fn counters(call: Call<'_>, video: &str) -> ActivityResult<Answered<Counters>> {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Statistics {
        view_count: Option<String>,
        like_count: Option<String>,
        comment_count: Option<String>,
    }
    let url = method(call.account, "youtube/v3/videos", &[("part", "statistics"), ("id", video)])?;
    let found = ask_json(call, url).await?;
    let item = found["items"].get(0).ok_or_else(|| ActivityError::not_found("YouTube has no such video"))?;
    let told: Statistics = serde_json::from_value(item["statistics"].clone()).unwrap_or_default();
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
    // A video is shown when it is viewed; how often its picture was shown in lists is for YouTube Analytics alone.
    let value = Counters {
        likes: number(told.like_count),
        comments: number(told.comment_count),
        impressions: number(told.view_count),
        ..Counters::default()
    };
    Ok(Answered { value, budget: None })
}

fn moment(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str()?.parse().ok()
}

impl Adapter for YouTube {
    fn stage<'a>(
        &'a self,
        call: Call<'a>,
        part: &'a Part,
        files: &'a [MediaFile],
        so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(async move {
            let value = match part.kind {
                PartKind::Comment => Staging::Ready(Staged::NOTHING),
                PartKind::Post | PartKind::Continuation => session::stage(call, &metadata(part), session::film(files)?, &so_far).await?,
            };
            Ok(Answered { value, budget: None })
        })
    }

    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        let frozen = |body: String| Frozen::new(Platform::YouTube, account.send_class(), intent, body, part);
        if part.kind == PartKind::Comment {
            let video = part.reply_to.as_ref().map(|on| on.root.external_id.as_str()).unwrap_or_default();
            return Ok(frozen(comments::body(&account.remote_id, video, &part.text)));
        }
        let frozen = frozen(metadata(part));
        let key = session::key(staged, &body_hash(&frozen.body))?;
        Ok(frozen.with_record_key(key))
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, sending: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        Box::pin(async move {
            let value = if sending.frozen.record_key.is_some() {
                session::submit(call, sending).await
            } else {
                comments::submit(call, sending.frozen).await
            };
            Answered { value, budget: None }
        })
    }

    fn resolve<'a>(
        &'a self,
        call: Call<'a>,
        sending: Sending<'a>,
        window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>> {
        Box::pin(async move {
            let value = if sending.frozen.record_key.is_some() {
                session::resolve(call, sending, window).await?
            } else {
                comments::resolve(call, sending.frozen, window).await?
            };
            Ok(Answered { value, budget: None })
        })
    }

    fn oauth(&self) -> Option<&'static Rules> {
        Some(&OAUTH)
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(async move {
            let path = if is_video(external_id) { "youtube/v3/videos" } else { "youtube/v3/comments" };
            let url = method(call.account, path, &[("id", external_id)])?;
            ask(call, call.http.once(Method::DELETE, url)?).await?;
            Ok(Answered { value: (), budget: None })
        })
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        Box::pin(counters(call, external_id))
    }
}
