//! LinkedIn through its versioned REST API (<https://learn.microsoft.com/linkedin/marketing/>).
//!
//! An account's id is the URN of its author, a member or an organisation. LinkedIn refuses a post that the author has just made, and names it: that
//! is the proof that an earlier send arrived, if the one that is named is young enough to be ours.

mod comments;
mod images;
mod little;
mod look_up;
mod metrics;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    metrics::Counters,
    platform::Platform,
    publication::{Frozen, Part, PartKind, Resolution, Sent, Submission},
};
use futures::future::BoxFuture;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    Account, Adapter, Answered, Call, Credentials, Health, Limits, MediaFile, Offered, Sending, Staged, Staging, Window,
    answer::{budget, expect_json, expect_success, send_judged, signed},
    endpoint,
    oauth::{ClientAuth, Refresh, Rules},
};
use crate::{
    error::{ActivityError, ActivityResult},
    http::Answer,
};

/// The adapter.
pub(super) struct LinkedIn;

/// learn.microsoft.com, "Authorization Code Flow" and "Refresh Tokens with OAuth 2.0": 60 days; approved applications get a refresh token, which
/// stays the same for a year. Others have to connect again. PKCE is for native applications only.
static OAUTH: Rules = Rules {
    authorize: "https://www.linkedin.com/oauth/v2/authorization",
    token: "https://www.linkedin.com/oauth/v2/accessToken",
    client: ClientAuth::Body,
    pkce: false,
    refresh: Refresh::Reusable,
    renew_before: TimeDelta::days(7),
    ..Rules::STANDARD
};

/// The version of the API that this speaks. LinkedIn keeps one for a year at least.
const VERSION: &str = "202603";

/// For how long we rely on LinkedIn to refuse a repetition, in minutes. It documents nothing; refusals after a day were reported
/// (github.com/ComposioHQ/composio, issue 2710).
const REFUSES: u32 = 30;

/// How far LinkedIn's clock may run behind ours.
const SKEW: TimeDelta = TimeDelta::minutes(5);

const PERSON: &str = "urn:li:person:";
const ORGANIZATION: &str = "urn:li:organization:";

/// A URN within a path or a query: rest.li wants its colons, brackets and commas encoded.
fn encoded(urn: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    urn.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// An address of the versioned API; `path` is encoded already.
fn rest(account: &Account, path: &str) -> ActivityResult<Url> {
    endpoint(&account.base_url, &format!("rest/{path}"))
}

fn versioned(call: Call<'_>, request: reqwest::RequestBuilder) -> ActivityResult<reqwest::RequestBuilder> {
    Ok(signed(call, request)?.header("LinkedIn-Version", VERSION).header("X-Restli-Protocol-Version", "2.0.0"))
}

fn read(call: Call<'_>, path: &str) -> ActivityResult<reqwest::RequestBuilder> {
    versioned(call, call.http.get(rest(call.account, path)?)?)
}

fn write(call: Call<'_>, method: Method, path: &str) -> ActivityResult<reqwest::RequestBuilder> {
    versioned(call, call.http.once(method, rest(call.account, path)?)?)
}

fn is_organization(account: &Account) -> bool {
    account.remote_id.starts_with(ORGANIZATION)
}

/// Whether this names a post.
fn is_post(urn: &str) -> bool {
    let number = urn.strip_prefix("urn:li:share:").or_else(|| urn.strip_prefix("urn:li:ugcPost:"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Where people read a post or a comment.
fn sent(account: &Account, urn: &str) -> Option<Sent> {
    let post = comments::parent(urn).unwrap_or(urn);
    if !is_post(post) {
        return None;
    }
    let api = Platform::LinkedIn.capabilities().api.and_then(|api| Url::parse(api).ok());
    let place = if api.is_some_and(|api| api.host() == account.base_url.host()) {
        "https://www.linkedin.com/".to_owned()
    } else {
        endpoint(&account.base_url, "").ok()?.to_string()
    };
    Some(Sent { external_id: urn.to_owned(), url: format!("{place}feed/update/{post}"), cid: None })
}

/// When the post of this URN was made: its number begins with the milliseconds since 1970.
fn made_at(urn: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(i64::try_from(urn.rsplit(':').next()?.parse::<u64>().ok()? >> 22).ok()?)
}

/// What the refusal of a repetition proves. The post that it names can be an older one of the same words, which is not ours.
fn repeated(call: Call<'_>, frozen: &Frozen, says: &str) -> Submission {
    let named =
        says.split_once("duplicate of ").map(|(_, rest)| rest.split(|c: char| c.is_whitespace() || c == '"').next().unwrap_or_default());
    match named.and_then(|urn| Some((sent(call.account, urn)?, made_at(urn)?))) {
        Some((sent, at)) if at >= frozen.frozen_at - SKEW => Submission::Duplicate(sent),
        Some((sent, at)) => {
            Submission::Rejected { what: format!("LinkedIn has this very post already, from {}: {}", at.to_rfc3339(), sent.url) }
        }
        None => Submission::Repeated { what: "LinkedIn refuses the post as a repetition, but names none".to_owned() },
    }
}

/// The message of an answer that refuses a repetition.
fn repetition(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_slice(answer.body.as_ref().ok()?).ok()?;
    let errors = body["errorDetails"]["inputErrors"].as_array();
    let named = errors.into_iter().flatten().any(|error| error["code"] == "DUPLICATE_POST");
    (answer.status == 422 && named).then(|| body["message"].as_str().unwrap_or_default().to_owned())
}

#[derive(Debug, Deserialize)]
struct List<T> {
    #[serde(default = "Vec::new")]
    elements: Vec<T>,
}

/// Who the token is of.
async fn member(call: Call<'_>) -> ActivityResult<Answered<(String, String)>> {
    #[derive(Deserialize)]
    struct UserInfo {
        sub: String,
        #[serde(default)]
        name: String,
    }
    let url = endpoint(&call.account.base_url, "v2/userinfo")?;
    let info = expect_json::<UserInfo>(call, signed(call, call.http.get(url)?)?).await?;
    Ok(info.map(|UserInfo { sub, name }| (format!("{PERSON}{sub}"), name)))
}

async fn organization(call: Call<'_>, number: &str) -> ActivityResult<Answered<String>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Organization {
        vanity_name: Option<String>,
        localized_name: Option<String>,
    }
    let told = expect_json::<Organization>(call, read(call, &format!("organizations/{}", encoded(number)))?).await?;
    Ok(told.map(|told| told.vanity_name.or(told.localized_name).unwrap_or_else(|| number.to_owned())))
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    let (remote_id, handle, kind, budget) = match call.credentials.fact("organization") {
        Some(number) => {
            let number = number.trim().trim_start_matches(ORGANIZATION);
            if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
                return Err(ActivityError::rejected("an organisation's number has digits only"));
            }
            let told = organization(call, number).await?;
            (format!("{ORGANIZATION}{number}"), told.value, "organization", told.budget)
        }
        None => {
            let told = member(call).await?;
            (told.value.0, told.value.1, "member", told.budget)
        }
    };
    let (token_expires_at, scopes) = (call.credentials.expires_at(), call.credentials.scopes().to_vec());
    let value = Health { remote_id, handle, software: Some(kind.to_owned()), limits: Limits::default(), token_expires_at, scopes };
    Ok(Answered { value, budget })
}

/// The member, and every organisation that it administers.
async fn offered(call: Call<'_>) -> ActivityResult<Vec<Offered>> {
    #[derive(Deserialize)]
    struct Role {
        organization: String,
    }
    let known: &Credentials = call.credentials;
    let (id, name) = member(call).await?.value;
    let mut offered = vec![Offered { id, name, credentials: known.clone() }];
    let path = "organizationAcls?q=roleAssignee&role=ADMINISTRATOR&state=APPROVED&count=100";
    let roles = match expect_json::<List<Role>>(call, read(call, path)?).await {
        Ok(roles) => roles.value.elements,
        // An application without that permission posts for members only.
        Err(ActivityError::Rejected { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    for Role { organization: urn } in roles {
        let Some(number) = urn.strip_prefix(ORGANIZATION) else { continue };
        let name = organization(call, number).await?.value;
        offered.push(Offered { id: urn.clone(), name, credentials: known.clone().with_fact("organization", number) });
    }
    Ok(offered)
}

impl Adapter for LinkedIn {
    fn stage<'a>(
        &'a self,
        call: Call<'a>,
        _part: &'a Part,
        files: &'a [MediaFile],
        so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(images::stage(call, files, so_far))
    }

    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        let class = account.send_class();
        if let (PartKind::Comment | PartKind::Continuation, Some(reply)) = (part.kind, &part.reply_to) {
            let body = comments::body(account, &part.text, &reply.root.external_id)?;
            return Ok(Frozen::new(Platform::LinkedIn, class, intent, body.to_string(), part));
        }
        let mut body = json!({
            "author": account.remote_id, "commentary": little::escaped(&part.text), "visibility": "PUBLIC",
            "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []},
            "lifecycleState": "PUBLISHED", "isReshareDisabledByAuthor": false,
        });
        match images::named(staged, &part.media)?.as_slice() {
            [] => {}
            [one] => body["content"] = json!({"media": one}),
            many => body["content"] = json!({"multiImage": {"images": many}}),
        }
        Ok(Frozen::new(Platform::LinkedIn, class, intent, body.to_string(), part).with_duplicate_oracle(REFUSES))
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, Sending { frozen, .. }: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        let comment = comments::object(&frozen.body);
        let path = comment.as_ref().map_or_else(|| "posts".to_owned(), |post| format!("socialActions/{}/comments", encoded(post)));
        let request = write(call, Method::POST, &path)
            .map(|request| request.header(http::header::CONTENT_TYPE, &frozen.content_type).body(frozen.body.clone()));
        Box::pin(send_judged(call, request, move |answer| {
            if let Some(says) = repetition(answer) {
                return Some(repeated(call, frozen, &call.credentials.redact(&says)));
            }
            if !answer.status.is_success() {
                return None;
            }
            // The id is in a header only; a post's answer has no body.
            let id = answer.headers.get("x-restli-id")?.to_str().ok()?;
            let urn = match &comment {
                Some(post) => comments::urn(post, id)?,
                None => id.to_owned(),
            };
            sent(call.account, &urn).map(Submission::Published)
        }))
    }

    fn resolve<'a>(
        &'a self,
        call: Call<'a>,
        Sending { frozen, .. }: Sending<'a>,
        window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>> {
        Box::pin(look_up::resolve(call, frozen, window))
    }

    fn oauth(&self) -> Option<&'static Rules> {
        Some(&OAUTH)
    }

    fn accounts<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Vec<Offered>>> {
        Box::pin(offered(call))
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(async move {
            let path = match comments::parts(external_id) {
                Some((post, id)) => {
                    format!("socialActions/{}/comments/{}?actor={}", encoded(post), encoded(id), encoded(&call.account.remote_id))
                }
                None => format!("posts/{}", encoded(external_id)),
            };
            let answer = expect_success(call, write(call, Method::DELETE, &path)?).await?;
            Ok(Answered { value: (), budget: budget(&answer) })
        })
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        Box::pin(metrics::metrics(call, external_id))
    }
}

#[cfg(test)]
mod tests;
