//! TikTok: the Content Posting API (<https://developers.tiktok.com/doc/content-posting-api-reference-direct-post>).
//!
//! A video is announced, which gives a `publish_id` and an address to upload to ([`upload`]); nobody sees it before its last piece is there, and its
//! state can be asked for by that number. Photos are fetched by TikTok: announcing them publishes them, and without an answer there is no number
//! to ask by ([`photos`]).

mod photos;
mod state;
mod upload;

use std::time::Duration;

use domain::{
    metrics::Counters,
    platform::{Disclosure, Platform},
    publication::{Frozen, Part, PartKind, Resolution, SendClass, Sent, Submission},
};
use futures::future::BoxFuture;
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Account, Adapter, Answered, Call, Health, Limits, MediaFile, Sending, Staged, Staging, Window,
    answer::{broken, complaint, retry_after_of, signed},
    endpoint,
    oauth::{Refresh, Rules},
};
use crate::{
    error::{ActivityError, ActivityResult},
    http::Answer,
};

/// The adapter.
pub(super) struct TikTok;

/// <https://developers.tiktok.com/doc/oauth-user-access-token-management>: `client_key` instead of `client_id`, scopes with commas, a refresh token
/// that works once. PKCE is for applications on telephones and desktops, and not that of RFC 7636.
static OAUTH: Rules = Rules {
    authorize: "https://www.tiktok.com/v2/auth/authorize/",
    token: "https://open.tiktokapis.com/v2/oauth/token/",
    separator: ",",
    client_id: "client_key",
    pkce: false,
    refresh: Refresh::Rotating,
    facts: &[("/open_id", "open_id")],
    ..Rules::STANDARD
};

/// How long to wait when a creator has posted too much for a day: no answer says it.
const DAY_WAIT: Duration = Duration::from_secs(3600);

/// Asks a method of the API with a JSON body; what is in the answer's `data`.
async fn ask(call: Call<'_>, path: &str, body: &Value) -> ActivityResult<Value> {
    let url = endpoint(&call.account.base_url, path)?;
    let request = signed(call, call.http.once(Method::POST, url)?)?.json(body);
    let answer = call.http.answer(request).await.map_err(broken)?;
    read(call, &answer)
}

/// The `data` of an answer, or what its `error` means (<https://developers.tiktok.com/doc/tiktok-api-v2-error-handling>).
fn read(call: Call<'_>, answer: &Answer) -> ActivityResult<Value> {
    let body = answer.body.as_ref().ok().and_then(|body| serde_json::from_slice::<Value>(body).ok()).unwrap_or_default();
    let code = body["error"]["code"].as_str().unwrap_or_default();
    if answer.status.is_success() && code == "ok" {
        return Ok(body["data"].clone());
    }
    let what = complaint(answer, |text| call.credentials.redact(text)).text;
    Err(match (code, answer.status.as_u16()) {
        ("access_token_invalid" | "access_token_expired" | "scope_not_authorized" | "scope_permission_missed", _) | (_, 401) => {
            ActivityError::credentials_expired(what)
        }
        ("spam_risk_too_many_posts" | "spam_risk_too_many_pending_share" | "reached_active_user_cap", _) => {
            ActivityError::rate_limited(DAY_WAIT.max(retry_after_of(answer)), what)
        }
        ("rate_limit_exceeded", _) | (_, 429) => ActivityError::rate_limited(retry_after_of(answer), what),
        ("unaudited_client_can_only_post_to_private_accounts", _) => ActivityError::rejected(format_args!(
            "TikTok has not audited this application, so that it may post to accounts that are private, and only so that nobody else sees it: {what}"
        )),
        ("url_ownership_unverified", _) => ActivityError::rejected(format_args!(
            "TikTok fetches photos only from addresses that were verified: add the media store's in TikTok's developer portal ({what})"
        )),
        ("invalid_publish_id", _) => ActivityError::not_found(what),
        (_, 404) => ActivityError::not_found(what),
        (_, 408 | 409 | 425 | 500..) => ActivityError::transient(what),
        // A success that is not understood says nothing.
        (_, 200..=299) => ActivityError::transient("the answer is not what TikTok answers"),
        _ => ActivityError::rejected(what),
    })
}

/// What an error means of a request of which nothing can have been published.
fn not_published(error: ActivityError) -> Submission {
    match error {
        ActivityError::RateLimited { retry_after_ms, .. } => Submission::RateLimited { retry_after_ms },
        ActivityError::CredentialsExpired { what } => Submission::CredentialsExpired { what },
        ActivityError::Rejected { what } | ActivityError::NotFound { what } => Submission::Rejected { what },
        ActivityError::Transient { what } | ActivityError::OutcomeUnknown { what } => Submission::NotSent { what },
    }
}

/// How visible a post may be: to everybody, else as widely as this creator allows.
///
/// # Errors
/// [`ActivityError::Rejected`] if the creator allows nothing, or only what a paid partnership may not be.
async fn privacy(call: Call<'_>, part: &Part) -> ActivityResult<String> {
    let creator = ask(call, "v2/post/publish/creator_info/query/", &json!({})).await?;
    let offered: Vec<&str> = creator["privacy_level_options"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let wanted = ["PUBLIC_TO_EVERYONE", "FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"];
    let level = wanted.into_iter().find(|level| offered.contains(level));
    let level = level.ok_or_else(|| ActivityError::rejected("TikTok says that this account cannot post now"))?;
    if level == "SELF_ONLY" && part.disclosures.contains(&Disclosure::PaidPartnership) {
        return Err(ActivityError::rejected(
            "this account may only post for itself, and TikTok allows no paid partnership that nobody sees",
        ));
    }
    Ok(level.to_owned())
}

/// What is said of a post.
fn post_info(part: &Part, privacy: &str) -> Value {
    let told = |disclosure| part.disclosures.contains(&disclosure);
    json!({
        "privacy_level": privacy,
        "disable_comment": false,
        "brand_content_toggle": told(Disclosure::PaidPartnership),
        "brand_organic_toggle": told(Disclosure::OwnBrand),
    })
}

/// Where people see a post, as far as its number is known.
fn page(account: &Account, post: Option<&str>) -> String {
    let base = &account.base_url;
    let base = match base.host_str() {
        Some(host) if host.ends_with("tiktokapis.com") => "https://www.tiktok.com/".to_owned(),
        _ => format!("{}/", base.as_str().trim_end_matches('/')),
    };
    let handle = &account.handle;
    post.map_or_else(|| format!("{base}@{handle}"), |post| format!("{base}@{handle}/video/{post}"))
}

/// A post by its number, or by its `publish_id` while TikTok gives none: only public posts get one, and only after they were looked at.
fn sent(account: &Account, publish_id: &str, post: Option<String>) -> Sent {
    let url = page(account, post.as_deref());
    Sent { external_id: post.unwrap_or_else(|| publish_id.to_owned()), url, cid: None }
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    let mut url = endpoint(&call.account.base_url, "v2/user/info/")?;
    url.query_pairs_mut().append_pair("fields", "open_id,display_name");
    let answer = call.http.answer(signed(call, call.http.get(url)?)?).await.map_err(broken)?;
    let user = read(call, &answer)?;
    let creator = ask(call, "v2/post/publish/creator_info/query/", &json!({})).await?;
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let value = Health {
        remote_id: text(&user["user"]["open_id"]).ok_or_else(|| ActivityError::rejected("TikTok names no account"))?,
        handle: text(&creator["creator_username"]).or_else(|| text(&user["user"]["display_name"])).unwrap_or_default(),
        software: None,
        limits: Limits::default(),
        token_expires_at: call.credentials.expires_at(),
        scopes: call.credentials.scopes().to_vec(),
    };
    Ok(Answered { value, budget: None })
}

async fn counters(call: Call<'_>, external_id: &str) -> ActivityResult<Answered<Counters>> {
    let told = |value| Ok(Answered { value, budget: None });
    let post = if is_post(external_id) {
        external_id.to_owned()
    } else {
        match state::fetch(call, external_id).await?.post() {
            Some(post) => post,
            // Not public, or not yet: nobody counts.
            None => return told(Counters::default()),
        }
    };
    let body = json!({ "filters": { "video_ids": [post] } });
    let found = ask(call, "v2/video/query/?fields=id,like_count,comment_count,share_count,view_count", &body).await?;
    let video = found["videos"].get(0).ok_or_else(|| ActivityError::not_found("TikTok shows no such post"))?;
    let number = |name: &str| video[name].as_i64();
    told(Counters {
        likes: number("like_count"),
        comments: number("comment_count"),
        shares: number("share_count"),
        impressions: number("view_count"),
        ..Counters::default()
    })
}

/// Whether an id is the number of a post, and not a `publish_id`.
fn is_post(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_photos(files: &[MediaFile]) -> bool {
    !files.is_empty() && files.iter().all(|file| !file.media.is_video())
}

impl Adapter for TikTok {
    fn stage<'a>(
        &'a self,
        call: Call<'a>,
        part: &'a Part,
        files: &'a [MediaFile],
        so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(async move {
            let value = match (part.kind, files) {
                (PartKind::Comment | PartKind::Continuation, _) => {
                    return Err(ActivityError::rejected("TikTok takes no comments and no threads"));
                }
                (PartKind::Post, [film]) if film.media.is_video() => upload::stage(call, part, film, &so_far).await?,
                (PartKind::Post, photos) if is_photos(photos) => photos::stage(call, part).await?,
                _ => return Err(ActivityError::rejected("a post on TikTok is one video, or photos")),
            };
            Ok(Answered { value, budget: None })
        })
    }

    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        if part.media.iter().any(domain::publication::PartMedia::is_video) {
            let (publish_id, body) = upload::frozen(part, staged)?;
            return Ok(Frozen::new(Platform::TikTok, account.send_class(), intent, body, part).with_record_key(publish_id));
        }
        let body = photos::frozen(part, staged)?;
        // The announcement publishes, and nothing of it is known before.
        Ok(Frozen::new(Platform::TikTok, SendClass::F, intent, body, part))
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, sending: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        Box::pin(async move {
            let value = match &sending.frozen.record_key {
                Some(publish_id) => upload::submit(call, sending, publish_id).await,
                None => photos::submit(call, sending).await,
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
            let value = match &sending.frozen.record_key {
                Some(publish_id) => upload::resolve(call, sending, publish_id).await?,
                None => photos::resolve(call, sending.frozen, window).await?,
            };
            Ok(Answered { value, budget: None })
        })
    }

    fn oauth(&self) -> Option<&'static Rules> {
        Some(&OAUTH)
    }

    fn delete<'a>(&'a self, _call: Call<'a>, _external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(async { Err(ActivityError::rejected("TikTok lets no application delete a post: delete it in TikTok itself")) })
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        Box::pin(counters(call, external_id))
    }
}
