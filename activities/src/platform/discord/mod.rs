//! Discord through a bot in a channel, or through a channel's webhook (<https://docs.discord.com/developers>).
//!
//! An account is `guild/channel/author`, the author being the bot or the webhook; which of them it is, stands where other platforms have their
//! software. A webhook's token stands in the path of its requests: its addresses go to the server and nowhere else.

mod message;
mod way;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    metrics::Counters,
    platform::Platform,
    publication::{Frozen, Part, Resolution, Submission},
};
use futures::future::BoxFuture;
use http::{Method, StatusCode};
use reqwest::multipart::Form;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use self::{
    message::{Message, look_up},
    way::{BOT, Place, Way},
};
use super::{
    Account, Adapter, Answered, Apps, Call, Credentials, Health, Limits, Sending, Staged, Window,
    answer::{complaint, expect_json, expect_success, send_judged},
    upload::{file_name, with_files},
};
use crate::error::{ActivityError, ActivityResult};

/// The adapter.
pub(super) struct Discord;

/// The largest request in bytes ("Create Message", Limitations), less what the form around the files takes.
const MAX_FILES: u64 = 24 * 1024 * 1024;

/// The error that says that a webhook was deleted ("JSON Error Codes").
const UNKNOWN_WEBHOOK: &str = "Unknown Webhook";

/// The number that Discord recognises a repetition by: at most 25 characters, the same for the same intent.
fn nonce(intent: Uuid) -> String {
    // All 16 bytes in 22 characters.
    URL_SAFE_NO_PAD.encode(intent.as_bytes())
}

/// A missing webhook is no missing message: the account has to be connected again.
fn deleted_webhook(error: ActivityError) -> ActivityError {
    match error {
        ActivityError::NotFound { what } if what.contains(UNKNOWN_WEBHOOK) => ActivityError::CredentialsExpired { what },
        other => other,
    }
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    #[derive(Deserialize)]
    struct User {
        id: String,
        username: String,
    }
    #[derive(Deserialize)]
    struct Channel {
        id: String,
        guild_id: Option<String>,
    }
    #[derive(Deserialize)]
    struct Webhook {
        id: String,
        name: Option<String>,
        channel_id: Option<String>,
        guild_id: Option<String>,
    }
    let way = Way::of(call.credentials)?;
    let (place, handle, budget) = match &way {
        Way::Bot { .. } => {
            let channel = call.credentials.fact("channel").ok_or_else(|| ActivityError::rejected("the channel's id is missing"))?;
            let me = expect_json::<User>(call, way.request(call, Method::GET, &["users", "@me"])?).await?;
            let found = expect_json::<Channel>(call, way.request(call, Method::GET, &["channels", channel])?).await?;
            let guild = found.value.guild_id.unwrap_or_else(|| "@me".to_owned());
            (Place { guild, channel: found.value.id, author: me.value.id }, me.value.username, found.budget)
        }
        Way::Webhook { .. } => {
            let found = expect_json::<Webhook>(call, way.request(call, Method::GET, &[])?).await.map_err(deleted_webhook)?;
            let webhook = found.value;
            let (Some(channel), Some(guild)) = (webhook.channel_id, webhook.guild_id) else {
                return Err(ActivityError::rejected("the webhook belongs to no channel"));
            };
            let handle = webhook.name.unwrap_or_else(|| webhook.id.clone());
            (Place { guild, channel, author: webhook.id }, handle, found.budget)
        }
    };
    let health = Health {
        remote_id: place.to_string(),
        handle,
        software: Some(way.name().to_owned()),
        limits: Limits::default(),
        token_expires_at: None,
        scopes: Vec::new(),
    };
    Ok(Answered { value: health, budget })
}

async fn publish_request(call: Call<'_>, Sending { frozen, files, .. }: Sending<'_>) -> ActivityResult<reqwest::RequestBuilder> {
    let way = Way::of(call.credentials)?;
    let place = Place::of(call.account)?;
    let request = match &way {
        Way::Bot { .. } => way.request(call, Method::POST, &["channels", &place.channel, "messages"])?,
        // Without `wait`, the answer names no message, and a message that was not saved is no error.
        Way::Webhook { .. } => way.request(call, Method::POST, &[])?.query(&[("wait", "true")]),
    };
    if files.is_empty() {
        return Ok(request.header(http::header::CONTENT_TYPE, &frozen.content_type).body(frozen.body.clone()));
    }
    let form = Form::new().text("payload_json", frozen.body.clone());
    Ok(request.multipart(with_files(form, files, |index| format!("files[{index}]")).await?))
}

impl Adapter for Discord {
    fn freeze(&self, account: &Account, part: &Part, _staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        if part.media.iter().map(|media| media.bytes).sum::<u64>() > MAX_FILES {
            return Err(ActivityError::rejected("the files of one message may have 24 MiB together"));
        }
        // A name in a text is no mention, and nobody is to be called by a text that looks like one.
        let mut body = json!({ "content": part.text, "allowed_mentions": { "parse": [] } });
        let is_bot = account.software.as_deref() == Some(BOT);
        if is_bot {
            body["nonce"] = nonce(intent).into();
            body["enforce_nonce"] = true.into();
            // A webhook cannot answer: its parts stand below each other.
            if let Some(reply) = &part.reply_to {
                body["message_reference"] = json!({ "message_id": reply.parent.external_id, "fail_if_not_exists": true });
            }
        }
        if !part.media.is_empty() {
            let described = part.media.iter().enumerate().map(|(index, media)| {
                let mut file = json!({ "id": index, "filename": file_name(index, &media.content_type) });
                if !media.alt.is_empty() {
                    file["description"] = media.alt.as_str().into();
                }
                file
            });
            body["attachments"] = described.collect();
        }
        let frozen = Frozen::new(Platform::Discord, account.send_class(), intent, body.to_string(), part);
        Ok(if is_bot { frozen.with_idempotency_key(nonce(intent)) } else { frozen })
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, sending: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        Box::pin(async move {
            let request = publish_request(call, sending).await;
            send_judged(call, request, |answer| {
                if answer.status.is_success() {
                    let message: Message = serde_json::from_slice(answer.body.as_ref().ok()?).ok()?;
                    return message.sent(call.account).map(Submission::Published);
                }
                let what = complaint(answer, |text| call.credentials.redact(text)).text;
                let gone = answer.status == StatusCode::NOT_FOUND && what.contains(UNKNOWN_WEBHOOK);
                gone.then_some(Submission::CredentialsExpired { what })
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
        Box::pin(async move {
            match Way::of(call.credentials)? {
                way @ Way::Bot { .. } => look_up(call, &way, frozen, window).await,
                Way::Webhook { .. } => {
                    let evidence = "a webhook cannot read the channel: look there yourself".to_owned();
                    Ok(Answered { value: Resolution::Unknown { evidence }, budget: None })
                }
            }
        })
    }

    fn refresh<'a>(&'a self, call: Call<'a>, _apps: &'a Apps) -> BoxFuture<'a, ActivityResult<Credentials>> {
        // Nothing ends here. A webhook's token is named by itself, so that it is taken out of texts even where the whole address is not there.
        Box::pin(async move { Way::of(call.credentials).map(|way| way.keep(call.credentials)) })
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(async move {
            let request = Way::of(call.credentials)?.to_message(call, Method::DELETE, external_id)?;
            let answer = expect_success(call, request).await.map_err(deleted_webhook)?;
            Ok(Answered { value: (), budget: super::answer::budget(&answer) })
        })
    }

    fn metrics<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        Box::pin(async move {
            let request = Way::of(call.credentials)?.to_message(call, Method::GET, external_id)?;
            let message = expect_json::<Message>(call, request).await.map_err(deleted_webhook)?;
            Ok(message.map(|message| Counters { likes: Some(message.reactions()), ..Counters::default() }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_short_enough_stays_and_differs() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(nonce(one).len() <= 25 && nonce(one) == nonce(one));
        assert_ne!(nonce(one), nonce(two));
    }
}
