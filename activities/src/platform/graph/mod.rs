//! What Meta's Graph APIs have in common: addresses, errors, how they tell what is left of a limit, and counters.
//!
//! Sources: developers.facebook.com, "Handle errors" (codes 1 to 803), "Rate limits" (codes and headers), "Error codes" of the Instagram platform
//! (subcodes 22070xx). 24/4279009 is documented nowhere; it is what Threads answers while a container is not ready (reported by many, e.g.
//! fbsamples/threads_api#70).

pub(super) mod comments;
pub(super) mod containers;
pub(super) mod login;

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use domain::publication::{Sent, Submission};
use http::HeaderMap;
use reqwest::RequestBuilder;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use super::{
    Account, Answered, Call, RateBudget,
    answer::{complaint, read_json, retry_after_of, send_judged, signed, succeeded},
    endpoint,
};
use crate::{
    error::{ActivityError, ActivityResult},
    http::{Answer, Failure},
};

/// The version of graph.facebook.com that this was written for.
pub(super) const FACEBOOK: &str = "v25.0";

/// How long to wait where a limit is reached and no time is told.
const PAUSE: Duration = Duration::from_secs(30);
/// How long to wait where the posts of a day are used up: the day moves on, so that some may be free earlier than in a day.
pub(super) const DAILY: Duration = Duration::from_secs(1800);

/// An address of the API. Ids come from a server: each stays one segment of the path.
pub(super) fn edge(account: &Account, version: &str, path: &[&str], query: &[(&str, &str)]) -> ActivityResult<Url> {
    let mut url = endpoint(&account.base_url, version)?;
    url.path_segments_mut().map_err(|()| ActivityError::rejected("not an address"))?.extend(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

/// Fields as a form.
pub(super) fn form<K: AsRef<str>, V: AsRef<str>>(fields: impl IntoIterator<Item = (K, V)>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A POST of a form, with the account's token in its header, that is sent at most once.
pub(super) fn posting(call: Call<'_>, url: Url, body: String) -> ActivityResult<RequestBuilder> {
    let request = signed(call, call.http.once(http::Method::POST, url)?)?;
    Ok(request.header(http::header::CONTENT_TYPE, FORM).body(body))
}

/// The media type of a form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// What a Graph API objects to.
#[derive(Debug, Deserialize)]
struct Trouble {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    error_subcode: i64,
    #[serde(default)]
    is_transient: bool,
}

/// What is to be concluded from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The token is not good (any more), or does not allow it: connecting again mends that.
    Token,
    /// Ask again later.
    Limit(Duration),
    /// There is nothing of this id.
    Missing,
    /// What was staged is not ready, or was published already.
    NotReady,
    /// The platform's own trouble.
    Passing,
    /// A refusal of the request as such.
    Refused,
}

impl Trouble {
    fn of(answer: &Answer) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            error: Trouble,
        }
        if answer.status.is_success() {
            return None;
        }
        serde_json::from_slice::<Body>(answer.body.as_ref().ok()?).ok().map(|body| body.error)
    }

    fn meaning(&self, answer: &Answer) -> Meaning {
        let wait = regained(&answer.headers).unwrap_or(PAUSE);
        match (self.code, self.error_subcode) {
            // "You reached maximum number of posts that is allowed to be published": of a day.
            (_, 2_207_042) => Meaning::Limit(DAILY),
            // "We restrict certain activity to protect our community": waiting does not help.
            (_, 2_207_051) => Meaning::Refused,
            (24, 4_279_009) | (9007, _) | (_, 2_207_027) => Meaning::NotReady,
            (_, 2_207_003 | 2_207_001 | 2_207_032 | 2_207_053) => Meaning::Passing,
            (102 | 104 | 190 | 2500, _) | (3 | 10 | 200..=299, _) => Meaning::Token,
            (4 | 17 | 32 | 341 | 613 | 80_000..=80_014, _) => Meaning::Limit(wait),
            (100, 33) | (803 | 24, _) => Meaning::Missing,
            (1 | 2 | -1 | -2, _) => Meaning::Passing,
            _ if self.is_transient => Meaning::Passing,
            _ => Meaning::Refused,
        }
    }
}

/// Sends something that is safe to repeat and reads its answer.
pub(super) async fn ask<T: DeserializeOwned>(call: Call<'_>, request: RequestBuilder) -> ActivityResult<Answered<T>> {
    let answer = call.http.answer(request).await.map_err(|failure| match failure {
        Failure::Refused(what) => ActivityError::rejected(what),
        Failure::NotSent(what) | Failure::Broken(what) => ActivityError::transient(what),
    })?;
    if let Some(trouble) = Trouble::of(&answer) {
        let what = complaint(&answer, |text| call.credentials.redact(text)).text;
        let by_status = answer.status.is_server_error() || matches!(answer.status.as_u16(), 408 | 409 | 425);
        return Err(match trouble.meaning(&answer) {
            Meaning::Token => ActivityError::credentials_expired(what),
            Meaning::Limit(wait) => ActivityError::rate_limited(wait, what),
            Meaning::Missing => ActivityError::not_found(what),
            Meaning::NotReady | Meaning::Passing => ActivityError::transient(what),
            Meaning::Refused if answer.status == 429 => ActivityError::rate_limited(retry_after_of(&answer), what),
            Meaning::Refused if by_status => ActivityError::transient(what),
            Meaning::Refused => ActivityError::rejected(what),
        });
    }
    read_json(&succeeded(call, answer)?)
}

/// Reads with the account's token.
pub(super) async fn read<T: DeserializeOwned>(call: Call<'_>, url: Url) -> ActivityResult<Answered<T>> {
    ask(call, signed(call, call.http.get(url)?)?).await
}

/// Sends what publishes, once, and concludes. `published` reads a success.
pub(super) async fn publish(
    call: Call<'_>,
    request: ActivityResult<RequestBuilder>,
    published: impl FnOnce(&Value) -> Option<Sent>,
) -> Answered<Submission> {
    send_judged(call, request, |answer| {
        if answer.status.is_success() {
            let body = serde_json::from_slice::<Value>(answer.body.as_ref().ok()?).ok()?;
            return published(&body).map(Submission::Published);
        }
        let trouble = Trouble::of(answer)?;
        let what = complaint(answer, |text| call.credentials.redact(text)).text;
        match trouble.meaning(answer) {
            Meaning::Token => Some(Submission::CredentialsExpired { what }),
            Meaning::Limit(wait) => Some(Submission::RateLimited { retry_after_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) }),
            Meaning::NotReady | Meaning::Passing => Some(Submission::Unknown { what }),
            Meaning::Missing | Meaning::Refused => None,
        }
    })
    .await
}

/// An id, which comes as text.
pub(super) fn id_of(body: &Value) -> Option<String> {
    body["id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned)
}

/// Deletes something by its id.
pub(super) async fn delete(call: Call<'_>, version: &str, id: &str) -> ActivityResult<Answered<()>> {
    let url = edge(call.account, version, &[id], &[])?;
    Ok(ask::<Value>(call, signed(call, call.http.once(http::Method::DELETE, url)?)?).await?.map(|_| ()))
}

/// The counters of a post, by the platform's names. What it has no number for is not among them.
pub(super) async fn insights(call: Call<'_>, version: &str, id: &str, metrics: &str) -> ActivityResult<Answered<BTreeMap<String, i64>>> {
    #[derive(Deserialize)]
    struct Insights {
        data: Vec<Insight>,
    }
    #[derive(Deserialize)]
    struct Insight {
        name: String,
        #[serde(default)]
        values: Vec<Value>,
        total_value: Option<Value>,
    }
    let url = edge(call.account, version, &[id, "insights"], &[("metric", metrics)])?;
    let told = read::<Insights>(call, url).await?;
    Ok(told.map(|told| {
        let number = |insight: &Insight| {
            let value = insight.total_value.as_ref().or_else(|| insight.values.last())?;
            value["value"].as_i64()
        };
        told.data.iter().filter_map(|insight| Some((insight.name.clone(), number(insight)?))).collect()
    }))
}

/// What the headers say of the limits: how much is used, in per cent, of the fullest, and when calls are taken again if none are.
fn used(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let read = |name: &str| serde_json::from_str::<Value>(headers.get(name)?.to_str().ok()?).ok();
    let cases = read("x-business-use-case-usage").unwrap_or_default();
    let cases: Vec<Value> =
        cases.as_object().into_iter().flatten().flat_map(|(_, list)| list.as_array().cloned().unwrap_or_default()).collect();
    let minutes = cases.iter().filter_map(|case| case["estimated_time_to_regain_access"].as_u64()).max();
    let percent = |usage: &Value| ["call_count", "total_cputime", "total_time"].iter().filter_map(|name| usage[*name].as_u64()).max();
    let fullest = cases.iter().chain(read("x-app-usage").as_ref()).filter_map(percent).max()?;
    Some((fullest, minutes))
}

/// How long until calls are taken again; `None` if that is not told.
fn regained(headers: &HeaderMap) -> Option<Duration> {
    used(headers)?.1.filter(|minutes| *minutes > 0).map(|minutes| Duration::from_secs(minutes.min(24 * 60) * 60))
}

/// The budget that the headers tell: of a hundred per cent.
pub(super) fn usage(headers: &HeaderMap, now: DateTime<Utc>) -> Option<RateBudget> {
    let (used, minutes) = used(headers)?;
    let minutes = i64::try_from(minutes.filter(|minutes| *minutes > 0).unwrap_or(60)).unwrap_or(60);
    Some(RateBudget { limit: 100, remaining: 100_u64.saturating_sub(used), reset_at: now + TimeDelta::minutes(minutes.min(24 * 60)) })
}

#[cfg(test)]
mod tests;
