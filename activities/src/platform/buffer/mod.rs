//! Buffer through its GraphQL API (<https://developers.buffer.com>).
//!
//! An account is one channel. A post is made as a draft, which nobody sees and whose id is kept; publishing it is an edit that shares it now. By its
//! id its state can be asked at any time, so that an open outcome is settled by the post itself and not by its likeness. Buffer hands it on to the
//! network by itself: until it has, the outcome stays open; what it could not hand on, it says.

mod graphql;
mod network;

use domain::{
    metrics::Counters,
    platform::Platform,
    publication::{Frozen, Part, Resolution, Sent, Submission, body_hash},
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use self::graphql::{ask, error_of, json_of, refusal, request};
use super::{
    Account, Adapter, Answered, Call, Health, Limits, MediaFile, Offered, Sending, Staged, Staging, Window,
    answer::send_judged,
    network::takes,
    oauth::{ClientAuth, Refresh, Rules},
};
use crate::error::{ActivityError, ActivityResult};

/// The adapter.
pub(super) struct Buffer;

/// developers.buffer.com, "Authentication" and "Building Apps": the code grant with PKCE, an hour, and a refresh token that works once: using one
/// again revokes all. Buffer's server is one of OpenID Connect, which gives a refresh token only where the person was asked (Core, section 11).
static OAUTH: Rules = Rules {
    authorize: "https://auth.buffer.com/auth",
    token: "https://auth.buffer.com/token",
    client: ClientAuth::Body,
    extra: &[("prompt", "consent")],
    refresh: Refresh::Rotating,
    ..Rules::STANDARD
};

/// A draft that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Draft {
    post: String,
    /// The SHA-256 of what it was made of.
    of: String,
}

/// The network behind an account.
fn network_of(account: &Account) -> ActivityResult<Platform> {
    network::of(account.software.as_deref().unwrap_or_default())
}

/// What makes the draft of a part.
fn draft_input(account: &Account, part: &Part, files: &[MediaFile]) -> ActivityResult<Value> {
    let assets: ActivityResult<Vec<Value>> = files
        .iter()
        .map(|file| {
            let url = file.public_url.as_ref().ok_or_else(|| ActivityError::rejected("Buffer fetches pictures, and one has no address"))?;
            let mut image = json!({ "url": url });
            if !file.media.alt.is_empty() {
                image["metadata"] = json!({ "altText": file.media.alt });
            }
            Ok(json!({ "image": image }))
        })
        .collect();
    let mut input = json!({
        "channelId": account.remote_id, "schedulingType": "automatic", "mode": "shareNow", "saveToDraft": true, "text": part.text,
        "assets": assets?,
    });
    if let Some(metadata) = network::metadata(network_of(account)?) {
        input["metadata"] = metadata;
    }
    Ok(input)
}

/// What a draft was made of, without the addresses of its pictures: those change.
fn made_of(account: &Account, part: &Part) -> String {
    let media: Vec<_> = part.media.iter().map(|media| (&media.sha256, &media.alt)).collect();
    body_hash(&json!({ "channel": account.remote_id, "text": part.text, "media": media }).to_string())
}

async fn stage(call: Call<'_>, part: &Part, files: &[MediaFile], so_far: Staged) -> ActivityResult<Answered<Staging>> {
    allowed(call.account, part)?;
    let of = made_of(call.account, part);
    if so_far.read::<Draft>()?.is_some_and(|draft| draft.of == of) {
        return Ok(Answered { value: Staging::Ready(so_far), budget: None });
    }
    let input = draft_input(call.account, part, files)?;
    let made = ask(call, graphql::DRAFT, Some(&input), "createPost").await?;
    if let Some((kind, said)) = refusal(call, &made.value, "PostActionSuccess") {
        let what = format!("Buffer refuses the post: {said}");
        return Err(match kind.as_str() {
            "UnexpectedError" | "VoidMutationError" | "" => ActivityError::transient(what),
            _ => ActivityError::rejected(what),
        });
    }
    let post = made.value["post"]["id"].as_str().filter(|id| is_id(id)).ok_or_else(|| ActivityError::transient("Buffer named no post"))?;
    let staged = Staged::of(&Draft { post: post.to_owned(), of })?;
    Ok(Answered { value: Staging::Ready(staged), budget: made.budget })
}

/// Refuses what cannot be published here.
fn allowed(account: &Account, part: &Part) -> ActivityResult<()> {
    if part.reply_to.is_some() {
        return Err(ActivityError::rejected("Buffer cannot hang a post on another one"));
    }
    takes(network_of(account)?, part)
}

/// Whether this can be the id of a post.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Where a post stands.
enum Standing {
    /// The network has it.
    Sent(Sent),
    /// It is a draft.
    Draft,
    /// Buffer is at work on it.
    Working,
    /// It waits for somebody in Buffer.
    Waits,
    /// Buffer could not hand it on.
    Failed(String),
    /// Something that we do not know.
    Other(String),
}

impl Standing {
    fn read(call: Call<'_>, post: &Value) -> Option<Self> {
        let id = post["id"].as_str().filter(|id| is_id(id))?;
        Some(match post["status"].as_str()? {
            "sent" => {
                let url = post["externalLink"].as_str().unwrap_or_default();
                Self::Sent(Sent { external_id: id.to_owned(), url: url.to_owned(), cid: None })
            }
            "draft" => Self::Draft,
            "scheduled" | "sending" => Self::Working,
            "needs_approval" => Self::Waits,
            "error" => Self::Failed(call.credentials.redact(post["error"]["message"].as_str().unwrap_or("it does not say why"))),
            other => Self::Other(other.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect()),
        })
    }
}

async fn standing(call: Call<'_>, id: &str) -> ActivityResult<Answered<Standing>> {
    let told = ask(call, graphql::POST, Some(&json!({ "id": id })), "post").await?;
    let standing = Standing::read(call, &told.value).ok_or_else(|| ActivityError::transient("the answer is not what Buffer answers"))?;
    Ok(Answered { value: standing, budget: told.budget })
}

/// The draft that a frozen post publishes.
fn draft_of(frozen: &Frozen) -> ActivityResult<&str> {
    frozen.record_key.as_deref().ok_or_else(|| ActivityError::rejected("the frozen post names no draft"))
}

/// What the answer to the one edit proves. A refusal of it proves nothing yet: the post may be out by an earlier one, and refused because of that.
fn judged(call: Call<'_>, answer: &crate::http::Answer, refused: &mut Option<String>) -> Option<Submission> {
    if !answer.status.is_success() {
        return None;
    }
    let body = json_of(answer)?;
    if let Some(error) = error_of(call, answer, &body) {
        return Some(match error {
            ActivityError::CredentialsExpired { what } => Submission::CredentialsExpired { what },
            ActivityError::RateLimited { retry_after_ms, .. } => Submission::RateLimited { retry_after_ms },
            ActivityError::Rejected { what } | ActivityError::NotFound { what } => {
                *refused = Some(what.clone());
                Submission::Unknown { what }
            }
            ActivityError::Transient { what } | ActivityError::OutcomeUnknown { what } => Submission::Unknown { what },
        });
    }
    let payload = &body["data"]["editPost"];
    if payload.is_null() {
        return None;
    }
    if let Some((kind, said)) = refusal(call, payload, "PostActionSuccess") {
        let what = format!("Buffer refuses to publish the post: {said}");
        if matches!(kind.as_str(), "InvalidInputError" | "LimitReachedError" | "NotFoundError" | "UnauthorizedError") {
            *refused = Some(what.clone());
        }
        return Some(Submission::Unknown { what });
    }
    Some(match Standing::read(call, &payload["post"])? {
        Standing::Sent(sent) => Submission::Published(sent),
        Standing::Failed(why) => Submission::Rejected { what: format!("Buffer could not publish it: {why}") },
        Standing::Draft => Submission::Rejected { what: "Buffer leaves the post a draft: publish it there".to_owned() },
        Standing::Working => Submission::Unknown { what: "Buffer has the post and is at work on it".to_owned() },
        Standing::Waits => Submission::Unknown { what: "the post waits in Buffer for somebody's approval".to_owned() },
        Standing::Other(status) => Submission::Unknown { what: format!("Buffer says of the post: {status}") },
    })
}

async fn publish(call: Call<'_>, frozen: &Frozen) -> Answered<Submission> {
    let mut refused = None;
    let answered = send_judged(call, request(call, frozen.body.clone()), |answer| judged(call, answer, &mut refused)).await;
    let (Some(what), Ok(id)) = (refused, draft_of(frozen)) else { return answered };
    // Nothing else is sent: the post itself is asked what the refusal is worth.
    match standing(call, id).await.map(|told| told.value) {
        Ok(Standing::Draft) => answered.map(|_| Submission::Rejected { what }),
        Ok(Standing::Sent(sent)) => answered.map(|_| Submission::Published(sent)),
        _ => answered,
    }
}

async fn resolve(call: Call<'_>, frozen: &Frozen) -> ActivityResult<Answered<Resolution>> {
    let told = match standing(call, draft_of(frozen)?).await {
        Err(ActivityError::NotFound { .. }) => {
            let evidence = "Buffer does not know the post any more: somebody deleted it there".to_owned();
            return Ok(Answered { value: Resolution::Unknown { evidence }, budget: None });
        }
        other => other?,
    };
    let value = match told.value {
        Standing::Sent(sent) => Resolution::Found { sent, evidence: "Buffer says of its id: sent".to_owned() },
        Standing::Draft => Resolution::Absent { evidence: "Buffer says of its id: draft".to_owned() },
        Standing::Working => return Err(ActivityError::transient("Buffer has the post and is at work on it")),
        Standing::Waits => Resolution::Unknown { evidence: "the post waits in Buffer for somebody's approval".to_owned() },
        Standing::Failed(why) => Resolution::Unknown { evidence: format!("Buffer could not publish it: {why}") },
        Standing::Other(status) => Resolution::Unknown { evidence: format!("Buffer says of its id: {status}") },
    };
    Ok(Answered { value, budget: told.budget })
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    let id = call.credentials.fact("channel").ok_or_else(|| ActivityError::rejected("the channel's id is missing"))?;
    let told = ask(call, graphql::CHANNEL, Some(&json!({ "id": id })), "channel").await;
    let told = told.map_err(|error| match error {
        ActivityError::NotFound { .. } => ActivityError::rejected("Buffer has no such channel, or this key does not open it"),
        other => other,
    })?;
    let channel = &told.value;
    if channel["isLocked"] == true {
        return Err(ActivityError::rejected("Buffer has locked the channel: the plan has too few"));
    }
    if channel["isDisconnected"] == true {
        return Err(ActivityError::credentials_expired("the network does not let Buffer in any more: reconnect the channel in Buffer"));
    }
    let (Some(id), Some(name), Some(service)) = (channel["id"].as_str(), channel["name"].as_str(), channel["service"].as_str()) else {
        return Err(ActivityError::rejected("the answer is not what Buffer answers"));
    };
    let value = Health {
        remote_id: id.to_owned(),
        handle: name.trim_start_matches('@').to_owned(),
        software: Some(service.to_owned()),
        limits: Limits { max_characters: Some(network::of(service)?.capabilities().max_units), characters_per_url: None },
        token_expires_at: call.credentials.expires_at(),
        scopes: call.credentials.scopes().to_vec(),
    };
    Ok(Answered { value, budget: told.budget })
}

/// Every channel of every organisation that is of a network that we can publish to.
async fn offered(call: Call<'_>) -> ActivityResult<Vec<Offered>> {
    let account = ask(call, graphql::ORGANIZATIONS, None, "account").await?.value;
    let mut offered = Vec::new();
    for organization in account["organizations"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_str()) {
        let channels = ask(call, graphql::CHANNELS, Some(&json!({ "organizationId": organization })), "channels").await?.value;
        for channel in channels.as_array().into_iter().flatten() {
            let (Some(id), Some(name), Some(service)) = (channel["id"].as_str(), channel["name"].as_str(), channel["service"].as_str())
            else {
                continue;
            };
            if network::of(service).is_ok() {
                let name = format!("{name} ({service})");
                offered.push(Offered { id: id.to_owned(), name, credentials: call.credentials.clone().with_fact("channel", id) });
            }
        }
    }
    if offered.is_empty() {
        return Err(ActivityError::rejected("there is no channel in Buffer that can be published to from here"));
    }
    Ok(offered)
}

/// The counters of a post, where Buffer has read them: once a day, and 0 where the network told nothing.
fn counters(metrics: &Value) -> Counters {
    let number = |name: &str| {
        let told = metrics.as_array()?.iter().find(|metric| metric["type"] == name)?;
        #[expect(clippy::cast_possible_truncation, reason = "counts: whole numbers that GraphQL has as floats")]
        told["value"].as_f64().filter(|value| value.is_finite() && *value >= 0.0).map(|value| value as i64)
    };
    let several = |names: &[&str]| {
        let told: Vec<i64> = names.iter().filter_map(|name| number(name)).collect();
        (!told.is_empty()).then(|| told.into_iter().fold(0, i64::saturating_add))
    };
    Counters {
        likes: number("reactions"),
        comments: number("comments"),
        shares: several(&["shares", "reposts", "quotes"]),
        saves: number("saves"),
        impressions: number("impressions").or_else(|| number("views")),
        clicks: number("clicks"),
        followers_delta: number("follows"),
    }
}

impl Adapter for Buffer {
    fn stage<'a>(
        &'a self,
        call: Call<'a>,
        part: &'a Part,
        files: &'a [MediaFile],
        so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(stage(call, part, files, so_far))
    }

    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        allowed(account, part)?;
        let draft: Draft = staged.read()?.ok_or_else(|| ActivityError::rejected("there is no draft of the post in Buffer"))?;
        if draft.of != made_of(account, part) {
            return Err(ActivityError::rejected("the draft in Buffer is of another post"));
        }
        // What is not named stays as the draft has it: its pictures ("EditPostInput.assets").
        let mut input =
            json!({ "id": draft.post, "schedulingType": "automatic", "mode": "shareNow", "saveToDraft": false, "text": part.text });
        if let Some(metadata) = network::metadata(network_of(account)?) {
            input["metadata"] = metadata;
        }
        let body = graphql::body(graphql::PUBLISH, &input).to_string();
        Ok(Frozen::new(Platform::Buffer, account.send_class(), intent, body, part).with_record_key(draft.post))
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, Sending { frozen, .. }: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        Box::pin(publish(call, frozen))
    }

    fn resolve<'a>(
        &'a self,
        call: Call<'a>,
        Sending { frozen, .. }: Sending<'a>,
        _window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>> {
        Box::pin(resolve(call, frozen))
    }

    fn oauth(&self) -> Option<&'static Rules> {
        Some(&OAUTH)
    }

    fn accounts<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Vec<Offered>>> {
        Box::pin(offered(call))
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(async move {
            let told = ask(call, graphql::DELETE, Some(&json!({ "id": external_id })), "deletePost").await?;
            match refusal(call, &told.value, "DeletePostSuccess") {
                None => Ok(told.map(|_| ())),
                Some((kind, said)) if kind == "NotFoundError" => {
                    Err(ActivityError::not_found(format_args!("Buffer has no such post: {said}")))
                }
                Some((_, said)) => Err(ActivityError::rejected(format_args!("Buffer does not delete the post: {said}"))),
            }
        })
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        Box::pin(async move {
            let told = ask(call, graphql::METRICS, Some(&json!({ "id": external_id })), "post").await?;
            Ok(told.map(|post| counters(&post["metrics"])))
        })
    }

    fn address<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Option<String>>> {
        Box::pin(async move {
            match standing(call, external_id).await?.value {
                Standing::Sent(sent) if !sent.url.is_empty() => Ok(Some(sent.url)),
                _ => Ok(None),
            }
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
