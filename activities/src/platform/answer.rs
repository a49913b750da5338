//! What a platform's answer means: for reads, and for the one send.

use chrono::Utc;
use domain::publication::{Sent, Submission};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Answered, Call, RateBudget, budget::retry_after};
use crate::{
    error::{ActivityError, ActivityResult},
    http::{Answer, Failure},
};

/// The longest text of a server that is passed on, in characters.
const QUOTE: usize = 300;

/// A server's own words about what is wrong.
pub(super) struct Complaint {
    /// A name of the error, where the platform has such (Bluesky).
    pub(super) code: Option<String>,
    /// The status and the message.
    pub(super) text: String,
}

/// Reads the error of an answer: `{"error": "message"}` (Mastodon), `{"error": "Code", "message": "..."}` (AT Protocol), with
/// `error_description` (OAuth), `{"error": {"message", "code" or "type"}}` (Meta, Google, TikTok), `{"message"}` (Discord, LinkedIn),
/// `{"description"}` (Telegram), `{"detail"}` (X) or `{"errors": [{"message"}]}` (Buffer, Hootsuite).
///
/// `hide` takes secrets out of a text. It sees the server's words before they are cut: of a secret that is cut in two, the first half would stay.
pub(super) fn complaint(answer: &Answer, hide: impl Fn(&str) -> String) -> Complaint {
    let status = answer.status.as_u16();
    let body = answer.body.as_ref().ok().and_then(|body| serde_json::from_slice::<Value>(body).ok()).unwrap_or_default();
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let error = &body["error"];
    let code = text(error).or_else(|| text(&error["code"])).or_else(|| text(&error["type"]));
    let says = match (&code, text(&body["message"]), text(&body["error_description"]).or_else(|| text(&error["message"]))) {
        (Some(code), Some(message), _) => format!("{code}: {message}"),
        (Some(_), None, Some(description)) => description,
        (Some(code), None, None) => code.clone(),
        (None, _, Some(description)) => description,
        // Discord's `message`, Telegram's `description`, X's `detail`.
        (None, message, None) => {
            let others = [&body["description"], &body["detail"], &body["errors"][0]["message"]];
            message.or_else(|| others.into_iter().find_map(text)).unwrap_or_default()
        }
    };
    let says: String = says.chars().filter(|c| !c.is_control()).collect();
    let says: String = hide(&says).chars().take(QUOTE).collect();
    Complaint {
        code,
        text: if says.is_empty() { format!("the server answered {status}") } else { format!("the server answered {status}: {says}") },
    }
}

/// The budget that an answer tells.
pub(super) fn budget(answer: &Answer) -> Option<RateBudget> {
    let now = Utc::now();
    RateBudget::read(&answer.headers, now).or_else(|| super::graph::usage(&answer.headers, now))
}

/// How long an answer asks to wait.
pub(super) fn retry_after_of(answer: &Answer) -> std::time::Duration {
    retry_after(&answer.headers, Utc::now())
}

/// Adds the account's token to a request.
pub(super) fn signed(call: Call<'_>, request: reqwest::RequestBuilder) -> ActivityResult<reqwest::RequestBuilder> {
    let token = call.credentials.bearer().ok_or_else(|| ActivityError::credentials_expired("there is no access token"))?;
    Ok(request.bearer_auth(token.expose_secret()))
}

/// Sends something that is safe to repeat and expects success.
pub(super) async fn expect_success(call: Call<'_>, request: reqwest::RequestBuilder) -> ActivityResult<Answer> {
    let answer = call.http.answer(request).await.map_err(broken)?;
    succeeded(call, answer)
}

/// What it means that something that is safe to repeat was not answered.
pub(super) fn broken(failure: Failure) -> ActivityError {
    match failure {
        Failure::Refused(what) => ActivityError::rejected(what),
        Failure::NotSent(what) | Failure::Broken(what) => ActivityError::transient(what),
    }
}

/// The answer, if it is a success; else what its status means.
pub(super) fn succeeded(call: Call<'_>, answer: Answer) -> ActivityResult<Answer> {
    let status = answer.status;
    if status.is_success() {
        return Ok(answer);
    }
    let Complaint { text, .. } = complaint(&answer, |text| call.credentials.redact(text));
    Err(match status {
        StatusCode::TOO_MANY_REQUESTS => ActivityError::rate_limited(retry_after(&answer.headers, Utc::now()), text),
        StatusCode::UNAUTHORIZED => ActivityError::credentials_expired(text),
        StatusCode::NOT_FOUND | StatusCode::GONE => ActivityError::not_found(text),
        StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT | StatusCode::TOO_EARLY => ActivityError::transient(text),
        status if status.is_redirection() => ActivityError::rejected(moved(&answer)),
        status if status.is_client_error() => ActivityError::rejected(text),
        _ => ActivityError::transient(text),
    })
}

/// Sends something that is safe to repeat and reads its JSON answer.
pub(super) async fn expect_json<T: DeserializeOwned>(call: Call<'_>, request: reqwest::RequestBuilder) -> ActivityResult<Answered<T>> {
    let answer = expect_success(call, request).await?;
    read_json(&answer)
}

/// The JSON of a success.
pub(super) fn read_json<T: DeserializeOwned>(answer: &Answer) -> ActivityResult<Answered<T>> {
    let budget = budget(answer);
    let body = answer.body.as_ref().map_err(ActivityError::transient)?;
    let value = serde_json::from_slice(body)
        .map_err(|_| ActivityError::rejected("the server's answer is not what this platform's servers answer"))?;
    Ok(Answered { value, budget })
}

/// Where a server says that it is now.
pub(super) fn moved(answer: &Answer) -> String {
    let host = answer.headers.get(http::header::LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| url::Url::parse(to).ok());
    match host.as_ref().and_then(|url| url.host_str()) {
        Some(host) => format!("the server has moved to {host}: connect the account with that address"),
        None => "the server redirects: connect the account with the address it redirects to".to_owned(),
    }
}

/// Sends a post, once, and concludes. `published` reads the answer to a success; `None` from it means that the answer is not understood.
pub(super) async fn send(
    call: Call<'_>,
    request: ActivityResult<reqwest::RequestBuilder>,
    published: impl FnOnce(&[u8]) -> Option<Sent>,
    special: impl FnOnce(StatusCode, &Complaint) -> Option<Submission>,
) -> Answered<Submission> {
    transmit(call, request, |answer| conclude(call, answer, published, special)).await
}

/// As [`send`], for a platform whose status alone does not say it: `judge` sees every answer first, a success too. What it leaves is judged by its
/// status, and a success that it did not understand is unknown.
pub(super) async fn send_judged(
    call: Call<'_>,
    request: ActivityResult<reqwest::RequestBuilder>,
    judge: impl FnOnce(&Answer) -> Option<Submission>,
) -> Answered<Submission> {
    transmit(call, request, |answer| judge(answer).unwrap_or_else(|| conclude(call, answer, |_| None, |_, _| None))).await
}

async fn transmit(
    call: Call<'_>,
    request: ActivityResult<reqwest::RequestBuilder>,
    conclude: impl FnOnce(&Answer) -> Submission,
) -> Answered<Submission> {
    let request = match request {
        Ok(request) => request,
        Err(ActivityError::CredentialsExpired { what }) => {
            return Answered { value: Submission::CredentialsExpired { what }, budget: None };
        }
        Err(error) => return Answered { value: Submission::NotSent { what: error.what().to_owned() }, budget: None },
    };
    match call.http.answer(request).await {
        Ok(answer) => Answered { budget: budget(&answer), value: conclude(&answer) },
        Err(failure) => Answered { value: unanswered(failure), budget: None },
    }
}

/// What a send without an answer comes to.
pub(super) fn unanswered(failure: Failure) -> Submission {
    match failure {
        Failure::NotSent(what) => Submission::NotSent { what },
        Failure::Refused(what) => Submission::RefusedBySettings { what },
        Failure::Broken(what) => Submission::Unknown { what },
    }
}

/// What an answer to the one send proves. Whatever is not known to be definite is [`Submission::Unknown`].
fn conclude(
    call: Call<'_>,
    answer: &Answer,
    published: impl FnOnce(&[u8]) -> Option<Sent>,
    special: impl FnOnce(StatusCode, &Complaint) -> Option<Submission>,
) -> Submission {
    let status = answer.status;
    if status.is_success() {
        return match &answer.body {
            Ok(body) => published(body).map_or_else(
                || Submission::Unknown { what: format!("the server answered {status}, but with nothing that names a post") },
                Submission::Published,
            ),
            Err(what) => Submission::Unknown { what: format!("the server answered {status}, but the answer broke off: {what}") },
        };
    }
    let complaint = complaint(answer, |text| call.credentials.redact(text));
    if let Some(submission) = special(status, &complaint) {
        return submission;
    }
    let what = complaint.text;
    match status.as_u16() {
        429 => Submission::RateLimited {
            retry_after_ms: u64::try_from(retry_after(&answer.headers, Utc::now()).as_millis()).unwrap_or(u64::MAX),
        },
        401 => Submission::CredentialsExpired { what },
        // These say that the same request has to be made elsewhere, so it was not carried out here. 302 and 303 may follow a success.
        301 | 307 | 308 => Submission::Rejected { what: moved(answer) },
        // Refusals of the request as such. Not among them: 408, 409 and 425, which proxies and locks answer while the work may go on behind.
        400 | 402..=407 | 410..=417 | 421 | 422 | 426 | 428 | 431 | 451 => Submission::Rejected { what },
        _ => Submission::Unknown { what },
    }
}
