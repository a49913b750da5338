//! Looking for a message among those of the profile ("Retrieve outbound messages"): by its pictures, else its link, else its text.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::publication::{Frozen, Resolution, Sent};
use serde::Deserialize;
use serde_json::Value;

use super::v1;
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        Account, Answered, Call, Window,
        answer::{expect_json, signed},
        recognise::{Candidate, recognise},
    },
};

/// The longest span that one question may be about: `endTime` "must not be later than 4 weeks from startTime".
const SPAN: TimeDelta = TimeDelta::weeks(4);
/// How many pages are read at most, and how many messages one has: as many as Hootsuite gives.
const PAGES: usize = 5;
const PER_PAGE: usize = 100;
/// How far Hootsuite's clock may run ahead of ours.
const AHEAD: TimeDelta = TimeDelta::minutes(10);

/// A message, as far as it is needed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    id: String,
    state: String,
    text: Option<String>,
    scheduled_send_time: Option<DateTime<Utc>>,
    media: Option<Vec<Media>>,
    /// Of Facebook and LinkedIn only, once it is out.
    post_url: Option<String>,
    /// The network's own id, once it is out.
    post_id: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Media {
    id: Option<String>,
}

/// What a message's state means.
pub(super) enum State {
    /// Hootsuite has it: it is out, or goes out by itself.
    Taken(Sent),
    /// It waits for somebody in Hootsuite.
    Waits,
    /// It did not go out, and will not.
    Failed,
    /// Something that we do not know.
    Other(String),
}

impl Message {
    /// Reads it, if its id can be one.
    pub(super) fn state(&self, account: &Account) -> Option<State> {
        if self.id.is_empty() || !self.id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return None;
        }
        Some(match self.state.as_str() {
            "SENT" | "SCHEDULED" | "SUBMITTED" => {
                State::Taken(Sent { external_id: self.id.clone(), url: self.url(account).unwrap_or_default(), cid: None })
            }
            "PENDING_APPROVAL" => State::Waits,
            "SEND_FAILED_PERMANENTLY" | "REJECTED" => State::Failed,
            other => State::Other(other.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect()),
        })
    }

    /// Where people read it, as far as that is known.
    fn url(&self, account: &Account) -> Option<String> {
        let on_x = account.software.as_deref() == Some("TWITTER");
        let id = self.post_id.as_deref().filter(|id| on_x && !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
        self.post_url.clone().or_else(|| Some(format!("https://x.com/i/status/{}", id?)))
    }

    fn media_ids(&self) -> Vec<&str> {
        self.media.iter().flatten().filter_map(|media| media.id.as_deref()).collect()
    }

    /// What is to be concluded if this is the one.
    fn found(&self, account: &Account, evidence: String) -> Resolution {
        match self.state(account) {
            Some(State::Taken(sent)) => Resolution::Found { sent, evidence },
            Some(State::Waits) => Resolution::Unknown { evidence: format!("{evidence}; it waits in Hootsuite for somebody's approval") },
            Some(State::Failed) => Resolution::Unknown { evidence: format!("{evidence}; Hootsuite could not send it") },
            Some(State::Other(state)) => Resolution::Unknown { evidence: format!("{evidence}; Hootsuite says of it: {state}") },
            None => Resolution::Unknown { evidence: format!("{evidence}, but no id") },
        }
    }
}

#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Message>,
    #[serde(default)]
    metadata: Value,
}

/// Looks once.
pub(super) async fn resolve(call: Call<'_>, frozen: &Frozen, window: &Window) -> ActivityResult<Answered<Resolution>> {
    let written: Value = serde_json::from_str(&frozen.body).map_err(|_| ActivityError::rejected("the frozen message cannot be read"))?;
    let pictures: Vec<&str> = written["media"].as_array().into_iter().flatten().filter_map(|media| media["id"].as_str()).collect();
    let (mut seen, mut budget, mut next) = (Vec::new(), None, None);
    for _ in 0..PAGES {
        let page = page(call, window, next.as_deref()).await?;
        budget = page.budget.or(budget);
        seen.extend(page.value.data);
        next = page.value.metadata["cursor"]["next"].as_str().filter(|cursor| !cursor.is_empty()).map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    let known = |message: &&Message| !window.known_external_ids.contains(&message.id);
    let same: Vec<&Message> = seen.iter().filter(known).filter(|one| !pictures.is_empty() && one.media_ids() == pictures).collect();
    if let [one] = same.as_slice() {
        let evidence = format!("one of {} messages since {} has its pictures", seen.len(), window.floor().to_rfc3339());
        return Ok(Answered { value: one.found(call.account, evidence), budget });
    }
    if next.is_some() {
        let evidence = format!("the profile has more than {} messages since the send", PAGES * PER_PAGE);
        return Ok(Answered { value: Resolution::Unknown { evidence }, budget });
    }
    // Whatever its state, it is recognised first; what it is worth is asked of the one that was.
    let candidates = seen.iter().map(|message| Candidate {
        id: Some(message.id.clone()),
        at: message.scheduled_send_time.unwrap_or(DateTime::<Utc>::MAX_UTC),
        text: message.text.clone().unwrap_or_default(),
        hidden: String::new(),
        sent: Some(Sent { external_id: message.id.clone(), url: String::new(), cid: None }),
    });
    let value = match recognise(candidates.collect(), frozen, window) {
        Resolution::Found { sent, evidence } => match seen.iter().find(|message| message.id == sent.external_id) {
            Some(message) => message.found(call.account, evidence),
            None => Resolution::Unknown { evidence },
        },
        other => other,
    };
    Ok(Answered { value, budget })
}

async fn page(call: Call<'_>, window: &Window, cursor: Option<&str>) -> ActivityResult<Answered<Page>> {
    let start = window.floor();
    let end = (Utc::now() + AHEAD).min(start + SPAN);
    let instant = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut url = v1(call.account, &["messages"])?;
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("startTime", &instant(start)).append_pair("endTime", &instant(end));
        query.append_pair("socialProfileIds", &call.account.remote_id).append_pair("limit", &PER_PAGE.to_string());
        // Those that are sent at once and wait for an approval have no time to be found by.
        query.append_pair("includeUnscheduledReviewMsgs", "true");
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
    }
    expect_json(call, signed(call, call.http.get(url)?)?).await
}
