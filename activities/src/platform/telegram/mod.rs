//! Telegram through a bot (<https://core.telegram.org/bots/api>).
//!
//! The bot's token stands in the path of every request: addresses of this module go to the server and nowhere else. A bot can neither name its
//! messages nor read a chat, so a send with an open outcome stays open. An album is several messages: its id here has all of theirs.

use domain::{
    metrics::Counters,
    platform::{Platform, TextLimits},
    publication::{Frozen, Part, Resolution, Sent, Submission},
    text::length,
};
use futures::future::BoxFuture;
use http::{Method, StatusCode};
use reqwest::multipart::Form;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    Account, Adapter, Answered, Call, Health, Limits, Sending, Staged, Window,
    answer::{expect_json, send_judged},
    endpoint,
    upload::with_files,
};
use crate::error::{ActivityError, ActivityResult};

/// The adapter.
pub(super) struct Telegram;

/// The address of a method.
fn method(call: Call<'_>, name: &str) -> ActivityResult<Url> {
    let token = call.credentials.secret("bot_token")?.expose_secret();
    let mut url = endpoint(&call.account.base_url, "")?;
    url.path_segments_mut().map_err(|()| ActivityError::rejected("not an address"))?.pop_if_empty().push(&format!("bot{token}")).push(name);
    Ok(url)
}

/// Every success is wrapped like this.
#[derive(Debug, Deserialize)]
struct Given<T> {
    result: T,
}

#[derive(Debug, Deserialize)]
struct Chat {
    id: i64,
    #[serde(rename = "type")]
    kind: String,
    username: Option<String>,
    title: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    message_id: i64,
    chat: Chat,
}

/// What a method that publishes gives: a message, or the messages of an album.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Published {
    One(Message),
    Many(Vec<Message>),
}

impl Published {
    fn sent(self) -> Option<Sent> {
        let messages = match self {
            Self::One(message) => vec![message],
            Self::Many(messages) => messages,
        };
        let first = messages.first()?;
        let url = match &first.chat.username {
            Some(name) => format!("https://t.me/{name}/{}", first.message_id),
            // A private channel's numbers begin with -100, which its links leave out; other chats have no links.
            None => first
                .chat
                .id
                .to_string()
                .strip_prefix("-100")
                .map(|number| format!("https://t.me/c/{number}/{}", first.message_id))
                .unwrap_or_default(),
        };
        let ids: Vec<String> = messages.iter().map(|message| message.message_id.to_string()).collect();
        Some(Sent { external_id: ids.join(","), url, cid: None })
    }
}

/// The ids of the messages that an id of ours stands for.
fn ids(external_id: &str) -> ActivityResult<Vec<i64>> {
    let ids: Option<Vec<i64>> = external_id.split(',').map(|id| id.parse().ok()).collect();
    ids.ok_or_else(|| ActivityError::not_found("no message of Telegram has such an id"))
}

/// A read, with the refusals that mean the token: a malformed one is "not found".
async fn ask<T: serde::de::DeserializeOwned>(call: Call<'_>, name: &str, query: &[(&str, &str)]) -> ActivityResult<T> {
    let mut url = method(call, name)?;
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    match expect_json::<Given<T>>(call, call.http.get(url)?).await {
        Ok(answered) => Ok(answered.value.result),
        Err(ActivityError::NotFound { what }) => Err(ActivityError::credentials_expired(what)),
        Err(error) => Err(error),
    }
}

async fn health(call: Call<'_>) -> ActivityResult<Answered<Health>> {
    #[derive(Deserialize)]
    struct Me {
        id: i64,
    }
    #[derive(Deserialize)]
    struct Member {
        status: String,
        #[serde(default)]
        can_post_messages: bool,
    }
    let asked = call.credentials.fact("chat_id").ok_or_else(|| ActivityError::rejected("the chat's name or number is missing"))?;
    let me: Me = ask(call, "getMe", &[]).await?;
    let chat: Chat = ask(call, "getChat", &[("chat_id", asked)]).await?;
    let number = chat.id.to_string();
    let member: Member = ask(call, "getChatMember", &[("chat_id", &number), ("user_id", &me.id.to_string())]).await?;
    let may = match (chat.kind.as_str(), member.status.as_str()) {
        (_, "creator") => true,
        ("channel", status) => status == "administrator" && member.can_post_messages,
        (_, status) => !matches!(status, "left" | "kicked" | "restricted"),
    };
    if !may {
        return Err(ActivityError::rejected("the bot may not post there: make it an administrator that may post messages"));
    }
    let handle = chat.username.or(chat.title).unwrap_or_else(|| number.clone());
    let health =
        Health { remote_id: number, handle, software: None, limits: Limits::default(), token_expires_at: None, scopes: Vec::new() };
    Ok(Answered { value: health, budget: None })
}

/// The method that a frozen body is for.
fn method_of(body: &Value) -> &'static str {
    match body {
        body if body.get("media").is_some() => "sendMediaGroup",
        body if body.get("photo").is_some() => "sendPhoto",
        body if body.get("video").is_some() => "sendVideo",
        _ => "sendMessage",
    }
}

async fn publish_request(call: Call<'_>, Sending { frozen, files, .. }: Sending<'_>) -> ActivityResult<reqwest::RequestBuilder> {
    let unreadable = || ActivityError::rejected("the frozen post cannot be read");
    let body: Map<String, Value> = serde_json::from_str(&frozen.body).map_err(|_| unreadable())?;
    let request = call.http.once(Method::POST, method(call, method_of(&Value::Object(body.clone())))?)?;
    if files.is_empty() {
        return Ok(request.header(http::header::CONTENT_TYPE, &frozen.content_type).body(frozen.body.clone()));
    }
    let form = body.into_iter().fold(Form::new(), |form, (name, value)| match value {
        Value::String(text) => form.text(name, text),
        value => form.text(name, value.to_string()),
    });
    Ok(request.multipart(with_files(form, files, |index| format!("file{index}")).await?))
}

impl Adapter for Telegram {
    fn freeze(&self, account: &Account, part: &Part, _staged: &Staged, intent: Uuid) -> ActivityResult<Frozen> {
        let kind = |media: &domain::publication::PartMedia| if media.is_video() { "video" } else { "photo" };
        let mut body = json!({ "chat_id": account.remote_id });
        if let Some(reply) = &part.reply_to {
            body["reply_parameters"] = json!({ "message_id": ids(&reply.parent.external_id)?.first() });
        }
        match part.media.as_slice() {
            [] => body["text"] = part.text.as_str().into(),
            [one] => {
                body[kind(one)] = "attach://file0".into();
                body["caption"] = part.text.as_str().into();
            }
            many => {
                let mut items: Vec<Value> = many
                    .iter()
                    .enumerate()
                    .map(|(index, media)| json!({ "type": kind(media), "media": format!("attach://file{index}") }))
                    .collect();
                items[0]["caption"] = part.text.as_str().into();
                body["media"] = items.into();
            }
        }
        let longest = Platform::Telegram.capabilities().max_units_with_media.filter(|_| !part.media.is_empty());
        if let Some(units) = longest {
            let measured = length(&part.text, &TextLimits { units, ..Platform::Telegram.into() });
            if !measured.fits {
                let what = format!("a text with media may have {units} characters, this one has {}", measured.units);
                return Err(ActivityError::rejected(what));
            }
        }
        Ok(Frozen::new(Platform::Telegram, account.send_class(), intent, body.to_string(), part))
    }

    fn check<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, ActivityResult<Answered<Health>>> {
        Box::pin(health(call))
    }

    fn submit<'a>(&'a self, call: Call<'a>, sending: Sending<'a>) -> BoxFuture<'a, Answered<Submission>> {
        Box::pin(async move {
            let request = publish_request(call, sending).await;
            send_judged(call, request, |answer| {
                let body = answer.body.as_ref().ok()?;
                if answer.status.is_success() {
                    return serde_json::from_slice::<Given<Published>>(body).ok()?.result.sent().map(Submission::Published);
                }
                // The official server tells the wait in a header, too; this is what is documented.
                let wait = serde_json::from_slice::<Value>(body).ok()?["parameters"]["retry_after"].as_u64();
                let wait = wait.filter(|_| answer.status == StatusCode::TOO_MANY_REQUESTS)?;
                Some(Submission::RateLimited { retry_after_ms: wait.saturating_mul(1000) })
            })
            .await
        })
    }

    fn resolve<'a>(
        &'a self,
        _call: Call<'a>,
        _sending: Sending<'a>,
        _window: &'a Window,
    ) -> BoxFuture<'a, ActivityResult<Answered<Resolution>>> {
        let evidence = "a bot cannot read what is in a chat: look there yourself".to_owned();
        Box::pin(std::future::ready(Ok(Answered { value: Resolution::Unknown { evidence }, budget: None })))
    }

    fn delete<'a>(&'a self, call: Call<'a>, external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<()>>> {
        Box::pin(async move {
            let ids = ids(external_id)?;
            let (name, body) = match ids.as_slice() {
                [one] => ("deleteMessage", json!({ "chat_id": call.account.remote_id, "message_id": one })),
                many => ("deleteMessages", json!({ "chat_id": call.account.remote_id, "message_ids": many })),
            };
            let request = call.http.once(Method::POST, method(call, name)?)?.json(&body);
            match expect_json::<Given<bool>>(call, request).await {
                Ok(answered) => Ok(answered.map(|_| ())),
                Err(ActivityError::Rejected { what }) if what.contains("message to delete not found") => {
                    Err(ActivityError::NotFound { what })
                }
                Err(error) => Err(error),
            }
        })
    }

    fn metrics<'a>(&'a self, _call: Call<'a>, _external_id: &'a str) -> BoxFuture<'a, ActivityResult<Answered<Counters>>> {
        // A bot reads no counters.
        Box::pin(std::future::ready(Ok(Answered { value: Counters::default(), budget: None })))
    }
}
