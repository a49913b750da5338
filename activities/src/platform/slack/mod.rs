//! Slack through a bot in a channel (<https://docs.slack.dev/apis/web-api>).
//!
//! An account is `team/channel`. Every message carries the number of its intent in its metadata, by which a look-up knows it. A refusal is a 200 with
//! `ok: false`, so that the status alone says nothing.

mod files;
mod look_up;

use domain::{
    metrics::Counters,
    platform::Platform,
    publication::{Frozen, Part, Resolution, Sent, Submission},
    text::length,
};
use futures::future::BoxFuture;
use http::Method;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use self::look_up::Message;
use super::{
    Account, Adapter, Answered, Call, Health, Limits, MediaFile, Sending, Staged, Staging, Window,
    answer::{budget, expect_success, send_judged},
    endpoint,
};
use crate::{
    error::{ActivityError, ActivityResult},
    http::Answer,
};

/// The adapter.
pub(super) struct Slack;

/// The type of our metadata, and the field of its payload that holds the intent.
const EVENT_TYPE: &str = "pressroom_post";

/// Errors that mean the token ("Errors" of every method).
const TOKEN: &[&str] = &[
    "not_authed",
    "invalid_auth",
    "token_expired",
    "token_revoked",
    "account_inactive",
    "missing_scope",
    "no_permission",
    "org_login_required",
];

/// Errors after which something may have been done: "it's possible some aspect of the operation succeeded before the error was raised".
const OPEN: &[&str] = &["fatal_error", "internal_error", "service_unavailable", "request_timeout", "team_added_to_org", "request_failed"];

/// A request to a method that changes something.
fn call_method(call: Call<'_>, name: &str) -> ActivityResult<reqwest::RequestBuilder> {
    let token = call.credentials.secret("bot_token")?;
    let url = endpoint(&call.account.base_url, &format!("api/{name}"))?;
    Ok(call.http.once(Method::POST, url)?.bearer_auth(token.expose_secret()))
}

/// A request to a method that reads.
fn read_method(call: Call<'_>, name: &str, query: &[(&str, &str)]) -> ActivityResult<reqwest::RequestBuilder> {
    let token = call.credentials.secret("bot_token")?;
    let url = endpoint(&call.account.base_url, &format!("api/{name}"))?;
    Ok(call.http.get(url)?.query(query).bearer_auth(token.expose_secret()))
}

/// The error of an answer that says `ok: false`; `None` for a success, or for what is no answer of Slack's.
fn refusal(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_slice(answer.body.as_ref().ok()?).ok()?;
    (body["ok"] == false).then(|| body["error"].as_str().unwrap_or("no reason").to_owned())
}

/// What a refusal means for something that may be asked again.
fn error_of(name: &str) -> ActivityError {
    let what = format!("Slack answered {name}");
    match name {
        "ratelimited" => ActivityError::rate_limited(std::time::Duration::from_secs(60), what),
        "message_not_found" | "thread_not_found" | "file_not_found" => ActivityError::not_found(what),
        "not_in_channel" => ActivityError::rejected("the bot is not in the channel: invite it there"),
        "channel_not_found" => ActivityError::rejected("there is no such channel, or the bot may not see it: invite it there"),
        name if TOKEN.contains(&name) => ActivityError::credentials_expired(what),
        name if OPEN.contains(&name) => ActivityError::transient(what),
        _ => ActivityError::rejected(what),
    }
}

/// Sends something that is safe to repeat and reads its answer.
async fn ask<T: DeserializeOwned>(call: Call<'_>, request: reqwest::RequestBuilder) -> ActivityResult<Answered<T>> {
    let answer = expect_success(call, request).await?;
    if let Some(name) = refusal(&answer) {
        return Err(error_of(&name));
    }
    let budget = budget(&answer);
    let body = answer.body.as_ref().map_err(ActivityError::transient)?;
    let value = serde_json::from_slice(body).map_err(|_| ActivityError::rejected("the answer is not what Slack answers"))?;
    Ok(Answered { value, budget })
}

/// The channel of an account.
fn channel(account: &Account) -> ActivityResult<&str> {
    account.remote_id.split_once('/').map(|(_, channel)| channel).ok_or_else(|| ActivityError::rejected("the account is not connected yet"))
}

/// A message's id is its time; its address is that without the point, under the workspace's own host, which the account's name ends with.
fn sent(account: &Account, ts: &str) -> Option<Sent> {
    let is_ts =
        ts.split_once('.').is_some_and(|(s, f)| [s, f].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())));
    let host = account.handle.rsplit_once('@').map(|(_, host)| host)?;
    let url = format!("{}://{host}/archives/{}/p{}", account.base_url.scheme(), channel(account).ok()?, ts.replace('.', ""));
    is_ts.then(|| Sent { external_id: ts.to_owned(), url, cid: None })
}

/// The three characters that begin markup ("Formatting message text", Escaping text).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    #[derive(Deserialize)]
    struct Whose {
        url: String,
        user: String,
        team_id: String,
    }
    let channel = call.credentials.fact("channel").ok_or_else(|| ActivityError::rejected("the channel's id is missing"))?;
    let whose = ask::<Whose>(call, read_method(call, "auth.test", &[])?).await?.value;
    // The look-up needs to read the channel, so that is tried now, and not when a post is in doubt.
    let read = ask::<Value>(call, read_method(call, "conversations.history", &[("channel", channel), ("limit", "1")])?).await?;
    let url = url::Url::parse(&whose.url).map_err(|_| ActivityError::rejected("Slack named no address of the workspace"))?;
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err(ActivityError::rejected("Slack named no address of the workspace")),
    };
    let health = Health {
        remote_id: format!("{}/{channel}", whose.team_id),
        handle: format!("{}@{host}", whose.user),
        software: None,
        limits: Limits::default(),
        token_expires_at: None,
        scopes: Vec::new(),
    };
    Ok(Answered { value: health, budget: read.budget })
}

impl Adapter for Slack {
    fn stage<'a>(
        &'a self,
        call: Call<'a>,
        _part: &'a Part,
        files: &'a [MediaFile],
        so_far: Staged,
    ) -> BoxFuture<'a, ActivityResult<Answered<Staging>>> {
        Box::pin(files::stage(call, files, so_far))
    }

    fn freeze(&self, account: &Account, part: &Part, staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        // Slack would not refuse it, but make several messages of it.
        let measured = length(&part.text, &Platform::Slack.into());
        if !measured.fits {
            let what = format!("a message may have {} characters, this one has {}", measured.limit, measured.units);
            return Err(ActivityError::rejected(what));
        }
        let mut body = json!({
            "channel": channel(account)?, "text": escaped(&part.text), "mrkdwn": false, "unfurl_links": true, "unfurl_media": true,
            "metadata": { "event_type": EVENT_TYPE, "event_payload": { "intent": intent } },
        });
        if let Some(reply) = &part.reply_to {
            // Every part hangs on the first: a reply to a reply is not shown in the thread.
            body["thread_ts"] = reply.root.external_id.as_str().into();
        }
        if !part.media.is_empty() {
            // In an attachment, because blocks of the message itself would stand in place of its text.
            body["attachments"] = json!([{ "fallback": "", "blocks": files::blocks(&part.media, staged)? }]);
        }
        Ok(Frozen::new(Platform::Slack, account.send_class(), intent, body.to_string(), part))
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, Sending { frozen, .. }: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        Box::pin(async move {
            let content_type = format!("{}; charset=utf-8", frozen.content_type);
            let request = call_method(call, "chat.postMessage")
                .map(|request| request.header(http::header::CONTENT_TYPE, content_type).body(frozen.body.clone()));
            send_judged(call, request, |answer| {
                if !answer.status.is_success() {
                    return None;
                }
                if let Some(name) = refusal(answer) {
                    return Some(refused(&name));
                }
                let body: Value = serde_json::from_slice(answer.body.as_ref().ok()?).ok()?;
                sent(call.account, body["ts"].as_str()?).map(Submission::Published)
            })
            .await
        })
    }

    fn resolve<'a>(
        &'a self,
        call: Call<'a>,
        Sending { frozen, .. }: Sending<'a>,
        window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>> {
        Box::pin(look_up::resolve(call, frozen, window))
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(async move {
            let body = json!({ "channel": channel(call.account)?, "ts": external_id });
            Ok(ask::<Value>(call, call_method(call, "chat.delete")?.json(&body)).await?.map(|_| ()))
        })
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        Box::pin(async move {
            let message = look_up::message(call, external_id).await?;
            Ok(message.map(|Message { reactions, reply_count, .. }| Counters {
                likes: Some(reactions.iter().map(|reaction| reaction.count).sum()),
                comments: Some(reply_count),
                ..Counters::default()
            }))
        })
    }
}

/// What a refusal of the one send proves.
fn refused(name: &str) -> Submission {
    match error_of(name) {
        ActivityError::CredentialsExpired { what } => Submission::CredentialsExpired { what },
        ActivityError::RateLimited { retry_after_ms, .. } => Submission::RateLimited { retry_after_ms },
        ActivityError::Transient { what } | ActivityError::OutcomeUnknown { what } => Submission::Unknown { what },
        ActivityError::Rejected { what } | ActivityError::NotFound { what } => Submission::Rejected { what },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_definite_only_where_slack_says_that_nothing_was_done() {
        for (name, outcome) in [
            ("invalid_auth", "credentials_expired"),
            ("ratelimited", "rate_limited"),
            ("channel_not_found", "rejected"),
            ("msg_too_long", "rejected"),
            ("fatal_error", "unknown"),
            ("internal_error", "unknown"),
        ] {
            assert_eq!(refused(name).name(), outcome, "{name}");
        }
    }

    #[test]
    fn markup_is_escaped_once() {
        assert_eq!(escaped("a < b && <@U1>"), "a &lt; b &amp;&amp; &lt;@U1&gt;");
    }
}
