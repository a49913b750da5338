//! Finding out whether a status was posted, by looking at the account's own.

use chrono::{DateTime, Utc};
use domain::publication::{Frozen, Resolution, Sent};
use serde::Deserialize;
use url::Url;

use super::{RemoteId, Status, html::text_of, status_url};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        Answered, Call, Window,
        answer::{expect_json, signed},
        endpoint,
        recognise::{Candidate, recognise},
    },
};

/// How many pages of statuses are read at most.
const PAGES: usize = 5;

/// Statuses per page: the most that the API gives.
const PER_PAGE: usize = 40;

/// Statuses per page that a server may give at the most when it takes no notice of how many are asked for (snac and Mastodon by themselves: 20).
const LEAST_PER_PAGE: usize = 20;

/// A status as the account's list shows it.
#[derive(Debug, Deserialize)]
struct Listed {
    id: RemoteId,
    url: Option<String>,
    uri: Option<String>,
    created_at: DateTime<Utc>,
    #[serde(default)]
    content: String,
    /// The words as they were sent. snac tells them, and its `content` does not escape what looks like HTML in them.
    text: Option<String>,
}

/// Looks once through the account's statuses since the first send.
pub(super) async fn resolve(call: Call<'_>, frozen: &Frozen, window: &Window) -> ActivityResult<Answered<Resolution>> {
    let mut budget = None;
    let mut seen = Vec::new();
    let mut max_id = None;
    for _ in 0..PAGES {
        let page = page(call, max_id.as_deref()).await?;
        budget = page.budget.or(budget);
        let last = page.value.last().map(|status| (status.id.clone(), status.created_at));
        let known = seen.len();
        for status in page.value {
            if !seen.iter().any(|other: &Listed| other.id == status.id) {
                seen.push(status);
            }
        }
        match last {
            // The server takes no notice of `max_id` (snac): what it gives is all that can be seen.
            Some(_) if seen.len() == known => return Ok(Answered { value: judge_what_is_shown(seen, frozen, window), budget }),
            Some((id, created_at)) if created_at >= window.floor() => max_id = id.text(),
            // The list goes back to before the send, or ends.
            _ => return Ok(Answered { value: judge(seen, frozen, window), budget }),
        }
    }
    let evidence = format!("the account has more than {} statuses since the send", PAGES * PER_PAGE);
    Ok(Answered { value: Resolution::Unknown { evidence }, budget })
}

/// The status that a person names: by its id, or by an address of it. An address is looked for among the account's latest statuses, because servers
/// make them as they like; where it is not there, its last segment is tried as the id, which it is on Mastodon.
pub(super) async fn find(call: Call<'_>, named: &str) -> ActivityResult<Option<Sent>> {
    #[derive(Deserialize)]
    struct Owned {
        account: Owner,
        #[serde(flatten)]
        status: Status,
    }
    #[derive(Deserialize)]
    struct Owner {
        id: RemoteId,
    }
    let address = Url::parse(named).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let id = match &address {
        Some(url) => {
            let is_it = |known: &Option<String>| known.as_deref().and_then(|known| Url::parse(known).ok()).as_ref() == Some(url);
            if let Some(listed) = page(call, None).await?.value.into_iter().find(|s| is_it(&s.url) || is_it(&s.uri)) {
                return Ok(Status { id: listed.id, url: listed.url, uri: listed.uri }.sent());
            }
            url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default().to_owned()
        }
        None => named.to_owned(),
    };
    if id.is_empty() {
        return Err(ActivityError::rejected("not the address of a post"));
    }
    let found = expect_json::<Owned>(call, signed(call, call.http.get(status_url(call.account, &id)?)?)?).await?.value;
    if found.account.id.text().as_ref() != Some(&call.account.remote_id) {
        return Err(ActivityError::rejected("not a post of this account"));
    }
    Ok(found.status.sent())
}

async fn page(call: Call<'_>, max_id: Option<&str>) -> ActivityResult<Answered<Vec<Listed>>> {
    let mut url = endpoint(&call.account.base_url, "api/v1/accounts")?;
    url.path_segments_mut().map_err(|()| ActivityError::rejected("not an address"))?.extend([&call.account.remote_id, "statuses"]);
    url.query_pairs_mut().append_pair("limit", &PER_PAGE.to_string()).append_pair("exclude_reblogs", "true");
    if let Some(id) = max_id {
        url.query_pairs_mut().append_pair("max_id", id);
    }
    expect_json(call, signed(call, call.http.get(url)?)?).await
}

/// Where a list cannot be turned over, a post that is not on its only page may be behind it, unless that page is not full.
fn judge_what_is_shown(statuses: Vec<Listed>, frozen: &Frozen, window: &Window) -> Resolution {
    let shown = statuses.len();
    match judge(statuses, frozen, window) {
        Resolution::Absent { .. } if shown >= LEAST_PER_PAGE => {
            let evidence = format!("it is not among the account's latest {shown} statuses, and the server shows no older ones");
            Resolution::Unknown { evidence }
        }
        other => other,
    }
}

/// The statuses as candidates: their HTML as people read it, and with its tags, because links stand in attributes.
fn judge(statuses: Vec<Listed>, frozen: &Frozen, window: &Window) -> Resolution {
    let candidates = statuses.into_iter().map(|status| Candidate {
        id: status.id.clone().text(),
        at: status.created_at,
        text: status.text.filter(|text| !text.is_empty()).unwrap_or_else(|| text_of(&status.content)),
        hidden: text_of_attributes(&status.content),
        sent: Status { id: status.id, url: status.url, uri: status.uri }.sent(),
    });
    recognise(candidates.collect(), frozen, window)
}

/// The HTML with its entities resolved and its tags kept, so that links in attributes can be seen.
fn text_of_attributes(html: &str) -> String {
    text_of(&html.replace(['<', '>'], " "))
}

#[cfg(test)]
mod tests;
