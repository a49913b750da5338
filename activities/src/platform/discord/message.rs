//! Messages as Discord shows them, and finding one among a channel's.

use chrono::{DateTime, Utc};
use domain::publication::{Frozen, Resolution, Sent};
use http::Method;
use serde::Deserialize;

use super::{Place, Way};
use crate::{
    error::ActivityResult,
    platform::{
        Account, Answered, Call, Window,
        answer::expect_json,
        recognise::{Candidate, recognise},
    },
};

/// How many pages are read at most, and how long one is: the most that the API gives.
const PAGES: usize = 5;
const PER_PAGE: usize = 100;

/// As much of a message as is needed.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    id: String,
    #[serde(default)]
    content: String,
    timestamp: Option<DateTime<Utc>>,
    author: Option<Author>,
    #[serde(default)]
    reactions: Vec<Reaction>,
    nonce: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Author {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Reaction {
    count: i64,
}

impl Message {
    /// Where the message is; `None` if it has no id.
    pub(super) fn sent(&self, account: &Account) -> Option<Sent> {
        let Place { guild, channel, .. } = Place::of(account).ok()?;
        let id = Some(&self.id).filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()))?;
        let url = account.base_url.join(&format!("/channels/{guild}/{channel}/{id}")).ok()?;
        Some(Sent { external_id: id.clone(), url: url.into(), cid: None })
    }

    /// How often people reacted to it, with whatever.
    pub(super) fn reactions(&self) -> i64 {
        self.reactions.iter().map(|reaction| reaction.count).sum()
    }
}

/// Looks once through the channel's messages since the first send, as a bot.
pub(super) async fn look_up(call: Call<'_>, way: &Way, frozen: &Frozen, window: &Window) -> ActivityResult<Answered<Resolution>> {
    let place = Place::of(call.account)?;
    let mut budget = None;
    let mut seen: Vec<Message> = Vec::new();
    for _ in 0..PAGES {
        let mut request = way.request(call, Method::GET, &["channels", &place.channel, "messages"])?.query(&[("limit", PER_PAGE)]);
        if let Some(last) = seen.last() {
            request = request.query(&[("before", &last.id)]);
        }
        let page = expect_json::<Vec<Message>>(call, request).await?;
        budget = page.budget.or(budget);
        let full = page.value.len() == PER_PAGE;
        let reached = page.value.last().and_then(|message| message.timestamp).is_some_and(|at| at < window.floor());
        seen.extend(page.value);
        if !full || reached {
            return Ok(Answered { value: judge(call.account, &place, seen, frozen, window), budget });
        }
    }
    let evidence = format!("the channel has more than {} messages since the send", PAGES * PER_PAGE);
    Ok(Answered { value: Resolution::Unknown { evidence }, budget })
}

/// By the nonce, where Discord still shows it; else by link and text among the bot's own.
fn judge(account: &Account, place: &Place, messages: Vec<Message>, frozen: &Frozen, window: &Window) -> Resolution {
    let own: Vec<Message> =
        messages.into_iter().filter(|message| message.author.as_ref().is_some_and(|author| author.id == place.author)).collect();
    let wanted = frozen.idempotency_key.as_deref();
    let named = own.iter().find(|message| wanted.is_some() && message.nonce.as_ref().and_then(|nonce| nonce.as_str()) == wanted);
    if let Some(sent) = named.and_then(|message| message.sent(account)) {
        return Resolution::Found { sent, evidence: "a message has its number".to_owned() };
    }
    let candidates = own.into_iter().map(|message| Candidate {
        id: Some(message.id.clone()),
        at: message.timestamp.unwrap_or(window.first_sent_at),
        sent: message.sent(account),
        text: message.content,
        hidden: String::new(),
    });
    recognise(candidates.collect(), frozen, window)
}
