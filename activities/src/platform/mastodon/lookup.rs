//! Finding out whether a status was posted, by looking at the account's own.

use chrono::{DateTime, Utc};
use domain::publication::{Frozen, Resolution};
use serde::Deserialize;

use super::{RemoteId, Status, html::text_of};
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

/// A status as the account's list shows it.
#[derive(Debug, Deserialize)]
struct Listed {
    id: RemoteId,
    url: Option<String>,
    uri: Option<String>,
    created_at: DateTime<Utc>,
    #[serde(default)]
    content: String,
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
        seen.extend(page.value);
        match last {
            Some((id, created_at)) if created_at >= window.floor() => max_id = id.text(),
            // The list goes back to before the send, or ends.
            _ => return Ok(Answered { value: judge(seen, frozen, window), budget }),
        }
    }
    let evidence = format!("the account has more than {} statuses since the send", PAGES * PER_PAGE);
    Ok(Answered { value: Resolution::Unknown { evidence }, budget })
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

/// The statuses as candidates: their HTML as people read it, and with its tags, because links stand in attributes.
fn judge(statuses: Vec<Listed>, frozen: &Frozen, window: &Window) -> Resolution {
    let candidates = statuses.into_iter().map(|status| Candidate {
        id: status.id.clone().text(),
        at: status.created_at,
        text: text_of(&status.content),
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
