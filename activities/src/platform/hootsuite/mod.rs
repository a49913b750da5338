//! Hootsuite through its REST API (<https://apidocs.hootsuite.com/docs/api/index.html>).
//!
//! An account is one social profile. A message without a time goes out at once. Hootsuite has no key against repetitions and no drafts: what is in
//! doubt is looked for among the profile's messages.

mod look_up;
mod media;

use domain::{
    metrics::Counters,
    platform::Platform,
    publication::{Frozen, Part, Resolution, Submission},
};
use futures::future::BoxFuture;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use self::look_up::{Message, State};
use super::{
    Account, Adapter, Answered, Call, Health, Limits, MediaFile, Offered, Sending, Staged, Staging, Window,
    answer::{budget, expect_json, expect_success, retry_after_of, send_judged, signed},
    endpoint,
    network::takes,
    oauth::{ClientAuth, Refresh, Rules},
};
use crate::{
    error::{ActivityError, ActivityResult},
    http::Answer,
};

/// The adapter.
pub(super) struct Hootsuite;

/// developer.hootsuite.com, "API authentication": the application proves itself by HTTP Basic authentication and in no other way; an hour, and a
/// refresh token that works once and does not end. PKCE by S256: the server's own metadata (RFC 8414).
static OAUTH: Rules = Rules {
    authorize: "https://platform.hootsuite.com/oauth2/auth",
    token: "https://platform.hootsuite.com/oauth2/token",
    client: ClientAuth::Basic,
    refresh: Refresh::Rotating,
    ..Rules::STANDARD
};

/// The envelope of every answer.
#[derive(Debug, Deserialize)]
struct Told<T> {
    data: T,
}

/// A social profile.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    social_network_id: Option<String>,
    /// Not told of profiles on X.
    social_network_username: Option<String>,
    is_reauth_required: Option<i64>,
}

impl Profile {
    fn name(&self) -> String {
        let name = self.social_network_username.as_deref().or(self.social_network_id.as_deref()).filter(|name| !name.is_empty());
        name.unwrap_or(&self.id).trim_start_matches('@').to_owned()
    }
}

/// The network behind a type of profile, where a message can be of nothing but what a post here has.
///
/// # Errors
/// [`ActivityError::Rejected`] for the others: Pinterest wants a board, the rest cannot be published to by this API.
fn network_of(kind: &str) -> ActivityResult<Platform> {
    match kind {
        "TWITTER" => Ok(Platform::X),
        "LINKEDIN" | "LINKEDINCOMPANY" => Ok(Platform::LinkedIn),
        "FACEBOOKPAGE" => Ok(Platform::Facebook),
        "THREADS" => Ok(Platform::Threads),
        other => Err(ActivityError::rejected(format_args!(
            "a profile of the type {other} cannot be published to from here: connect one of X, LinkedIn, Facebook pages or Threads"
        ))),
    }
}

/// An address of the API.
fn v1(account: &Account, path: &[&str]) -> ActivityResult<Url> {
    let mut url = endpoint(&account.base_url, "v1")?;
    url.path_segments_mut().map_err(|()| ActivityError::rejected("not an address"))?.extend(path);
    Ok(url)
}

/// A request that makes something. Type and encoding have to be these ("Request Format").
fn post(call: Call<'_>, path: &[&str], body: String) -> ActivityResult<reqwest::RequestBuilder> {
    let request = signed(call, call.http.once(Method::POST, v1(call.account, path)?)?)?;
    Ok(request.header(http::header::CONTENT_TYPE, "application/json;charset=utf-8").body(body))
}

/// The code and the words of the first error of an answer ("Error Codes").
fn error_in(call: Call<'_>, answer: &Answer) -> Option<(i64, String)> {
    let body: Value = serde_json::from_slice(answer.body.as_ref().ok()?).ok()?;
    let error = body["errors"].as_array()?.first()?;
    let said: String = error["message"].as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let said: String = call.credentials.redact(&said).chars().take(300).collect();
    let code = error["code"].as_i64()?;
    Some((code, format!("Hootsuite answered {code}: {said}")))
}

/// What the answer to the one send proves.
fn judged(call: Call<'_>, answer: &Answer) -> Option<Submission> {
    let error = error_in(call, answer);
    if answer.status.is_success() {
        let body: Told<Vec<Message>> = serde_json::from_slice(answer.body.as_ref().ok()?).ok()?;
        return Some(match body.data.first().and_then(|message| message.state(call.account)) {
            Some(State::Taken(sent)) => Submission::Published(sent),
            Some(State::Waits) => Submission::Unknown { what: "the message waits in Hootsuite for somebody's approval".to_owned() },
            Some(State::Failed) => Submission::Rejected { what: "Hootsuite could not send the message".to_owned() },
            Some(State::Other(state)) => Submission::Unknown { what: format!("Hootsuite says of the message: {state}") },
            // A part that failed stands beside one that did not; here there is one.
            None => Submission::Unknown { what: error.map_or_else(|| "Hootsuite names no message".to_owned(), |(_, what)| what) },
        });
    }
    let (code, what) = error?;
    match (code, answer.status) {
        (1003 | 1004 | 1043, status) if status.is_client_error() => {
            let wait = retry_after_of(answer).as_millis();
            Some(Submission::RateLimited { retry_after_ms: u64::try_from(wait).unwrap_or(u64::MAX) })
        }
        // "Missing or duplicate", "invalid": what was sent with it was not looked at.
        (1000 | 1001 | 1036, StatusCode::BAD_REQUEST) => Some(Submission::CredentialsExpired { what }),
        (40_021, StatusCode::BAD_REQUEST) => Some(Submission::NotSent { what }),
        // "An unknown error", "an internal error", whatever status they come with.
        (5000 | 9000, _) => Some(Submission::Unknown { what }),
        (_, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => Some(Submission::Rejected { what }),
        _ => None,
    }
}

async fn message(call: Call<'_>, id: &str) -> ActivityResult<Answered<Message>> {
    let request = signed(call, call.http.get(v1(call.account, &["messages", id])?)?)?;
    Ok(expect_json::<Told<Message>>(call, request).await?.map(|told| told.data))
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    let id = call.credentials.fact("social_profile").ok_or_else(|| ActivityError::rejected("the social profile's number is missing"))?;
    let request = signed(call, call.http.get(v1(call.account, &["socialProfiles", id])?)?)?;
    let told = expect_json::<Told<Profile>>(call, request).await;
    let told = told.map_err(|error| match error {
        ActivityError::NotFound { .. } => ActivityError::rejected("Hootsuite has no such social profile, or this token does not open it"),
        other => other,
    })?;
    let profile = &told.value.data;
    if profile.is_reauth_required == Some(1) {
        return Err(ActivityError::credentials_expired(
            "the network does not let Hootsuite in any more: reconnect the profile in Hootsuite",
        ));
    }
    let value = Health {
        remote_id: profile.id.clone(),
        handle: profile.name(),
        software: Some(profile.kind.clone()),
        limits: Limits { max_characters: Some(network_of(&profile.kind)?.capabilities().max_units), characters_per_url: None },
        token_expires_at: call.credentials.expires_at(),
        scopes: call.credentials.scopes().to_vec(),
    };
    Ok(Answered { value, budget: told.budget })
}

/// Every profile that can be published to from here.
async fn offered(call: Call<'_>) -> ActivityResult<Vec<Offered>> {
    let request = signed(call, call.http.get(v1(call.account, &["socialProfiles"])?)?)?;
    let profiles = expect_json::<Told<Vec<Profile>>>(call, request).await?.value.data;
    let offered: Vec<Offered> = profiles
        .into_iter()
        .filter(|profile| network_of(&profile.kind).is_ok())
        .map(|profile| Offered {
            name: format!("{} ({})", profile.name(), profile.kind),
            credentials: call.credentials.clone().with_fact("social_profile", &profile.id),
            id: profile.id,
        })
        .collect();
    if offered.is_empty() {
        return Err(ActivityError::rejected("there is no social profile in Hootsuite that can be published to from here"));
    }
    Ok(offered)
}

impl Adapter for Hootsuite {
    fn stage<'a>(
        &'a self,
        call: Call<'a>,
        _part: &'a Part,
        files: &'a [MediaFile],
        so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(media::stage(call, files, so_far))
    }

    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        if part.reply_to.is_some() {
            return Err(ActivityError::rejected("Hootsuite cannot hang a message on another one"));
        }
        takes(network_of(account.software.as_deref().unwrap_or_default())?, part)?;
        let mut body = json!({ "text": part.text, "socialProfileIds": [account.remote_id], "emailNotification": false });
        if !part.media.is_empty() {
            body["media"] = media::ids(staged, &part.media)?.into_iter().map(|id| json!({ "id": id })).collect();
        }
        Ok(Frozen::new(Platform::Hootsuite, account.send_class(), intent, body.to_string(), part))
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, Sending { frozen, .. }: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        let request = post(call, &["messages"], frozen.body.clone());
        Box::pin(send_judged(call, request, move |answer| judged(call, answer)))
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

    fn address<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Option<String>>> {
        Box::pin(async move {
            match message(call, external_id).await?.value.state(call.account) {
                Some(State::Taken(sent)) if !sent.url.is_empty() => Ok(Some(sent.url)),
                _ => Ok(None),
            }
        })
    }

    /// Hootsuite deletes only what it has not sent yet (40003).
    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(async move {
            let request = signed(call, call.http.once(Method::DELETE, v1(call.account, &["messages", external_id])?)?)?;
            let answer = expect_success(call, request).await?;
            Ok(Answered { value: (), budget: budget(&answer) })
        })
    }

    /// There are no counters in this API; but that the message is there, and went out, is looked at.
    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        Box::pin(async move {
            let told = message(call, external_id).await?;
            match told.value.state(call.account) {
                Some(State::Failed) => Err(ActivityError::rejected("Hootsuite could not send the message")),
                _ => Ok(told.map(|_| Counters::default())),
            }
        })
    }
}

#[cfg(test)]
mod tests;
