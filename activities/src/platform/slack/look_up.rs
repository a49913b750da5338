//! Finding a message in its channel, by the intent in its metadata or by its time.

use domain::publication::{Frozen, Resolution};
use serde::Deserialize;
use serde_json::Value;

use super::{EVENT_TYPE, ask, channel, read_method, sent};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{Answered, Call, Window},
};

/// How many pages are read at most. A page has 100 messages, or 15 for apps that are distributed outside of Slack's marketplace.
const PAGES: usize = 10;

/// As much of a message as is needed.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    ts: String,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    pub(super) reactions: Vec<Reaction>,
    #[serde(default)]
    pub(super) reply_count: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reaction {
    pub(super) count: i64,
}

#[derive(Debug, Deserialize)]
struct Page {
    messages: Vec<Message>,
    #[serde(default)]
    response_metadata: Cursor,
}

#[derive(Debug, Deserialize, Default)]
struct Cursor {
    #[serde(default)]
    next_cursor: String,
}

/// Looks once through the channel's messages since the first send, or through the thread's if the post is a part of one.
pub(super) async fn resolve(call: Call<'_>, frozen: &Frozen, window: &Window) -> ActivityResult<Answered<Resolution>> {
    let body: Value = serde_json::from_str(&frozen.body).map_err(|_| ActivityError::rejected("the frozen post cannot be read"))?;
    let thread = body["thread_ts"].as_str();
    let intent = frozen.intent.to_string();
    let oldest = format!("{}.000000", window.floor().timestamp());
    let (mut budget, mut cursor, mut looked) = (None, String::new(), 0);
    for _ in 0..PAGES {
        let mut query =
            vec![("channel", channel(call.account)?), ("include_all_metadata", "true"), ("limit", "100"), ("oldest", oldest.as_str())];
        if let Some(thread) = thread {
            query.push(("ts", thread));
        }
        if !cursor.is_empty() {
            query.push(("cursor", &cursor));
        }
        let name = if thread.is_some() { "conversations.replies" } else { "conversations.history" };
        let page = ask::<Page>(call, read_method(call, name, &query)?).await?;
        budget = page.budget.or(budget);
        looked += page.value.messages.len();
        let is_it = |message: &&Message| {
            message.metadata["event_type"] == EVENT_TYPE && message.metadata["event_payload"]["intent"] == intent.as_str()
        };
        if let Some(found) = page.value.messages.iter().find(is_it).and_then(|message| sent(call.account, &message.ts)) {
            let evidence = format!("a message since {oldest} carries its number");
            return Ok(Answered { value: Resolution::Found { sent: found, evidence }, budget });
        }
        cursor = page.value.response_metadata.next_cursor;
        if cursor.is_empty() {
            let evidence = format!("none of {looked} messages since {oldest} carries its number");
            return Ok(Answered { value: Resolution::Absent { evidence }, budget });
        }
    }
    let evidence = format!("there are more than {looked} messages since {oldest}");
    Ok(Answered { value: Resolution::Unknown { evidence }, budget })
}

/// The message of this time, in the channel or in a thread.
pub(super) async fn message(call: Call<'_>, ts: &str) -> ActivityResult<Answered<Message>> {
    let channel = channel(call.account)?;
    let query = [("channel", channel), ("oldest", ts), ("latest", ts), ("inclusive", "true"), ("limit", "1")];
    let mut page = ask::<Page>(call, read_method(call, "conversations.history", &query)?).await?;
    if !page.value.messages.iter().any(|message| message.ts == ts) {
        page = ask::<Page>(call, read_method(call, "conversations.replies", &[("channel", channel), ("ts", ts)])?).await?;
    }
    let Answered { value, budget } = page;
    let message = value.messages.into_iter().find(|message| message.ts == ts);
    message.map(|value| Answered { value, budget }).ok_or_else(|| ActivityError::not_found("there is no such message"))
}
