//! Finding out whether a status was posted, by looking at the account's own.

use chrono::{DateTime, Utc};
use domain::publication::{Frozen, Resolution, normalise};
use serde::Deserialize;

use super::{RemoteId, Status, html::text_of};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        Answered, Call, Window,
        answer::{expect_json, signed},
        endpoint,
    },
};

/// How many pages of statuses are read at most.
const PAGES: usize = 5;

/// Statuses per page: the most that the API gives.
const PER_PAGE: usize = 40;

/// How long a common beginning of two texts has to be, in characters of the normalised text, to make one suspect of being the other.
const NEAR: usize = 24;

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

/// Recognises the post: by a link that only it has, else by its text. More than one match, or a text that is nearly its, decides nothing: saying
/// "absent" by mistake would post it twice.
fn judge(statuses: Vec<Listed>, frozen: &Frozen, window: &Window) -> Resolution {
    let since = window.floor().to_rfc3339();
    let candidates: Vec<(Status, String, bool)> = statuses
        .into_iter()
        .filter(|status| status.created_at >= window.floor())
        .filter(|status| status.id.clone().text().is_none_or(|id| !window.known_external_ids.contains(&id)))
        .map(|status| {
            let text = text_of(&status.content);
            let linked = frozen
                .correlation
                .link
                .as_deref()
                .is_some_and(|link| has_link(&text, link) || has_link(&text_of_attributes(&status.content), link));
            (Status { id: status.id, url: status.url, uri: status.uri }, normalise(&text), linked)
        })
        .collect();
    let looked = candidates.len();
    let wanted = frozen.correlation.text_normalised.as_str();
    if wanted.is_empty() && frozen.correlation.link.is_none() {
        return Resolution::Unknown { evidence: "the post has neither a link of its own nor a text that could be recognised".to_owned() };
    }
    let near = candidates.iter().filter(|(_, text, linked)| *linked || is_near(text, wanted)).count();
    let by_link = candidates.iter().any(|(_, _, linked)| *linked);
    let mut matching: Vec<Status> = candidates
        .into_iter()
        .filter(|(_, text, linked)| if by_link { *linked } else { !wanted.is_empty() && text == wanted })
        .map(|(status, ..)| status)
        .collect();
    let by = if by_link { "its own link" } else { "its text" };
    match (matching.len(), near) {
        (1, _) => match matching.remove(0).sent() {
            Some(sent) => {
                let evidence = format!("one of {looked} statuses since {since} has {by}");
                Resolution::Found { sent, evidence }
            }
            None => Resolution::Unknown { evidence: format!("the status with {by} has no id") },
        },
        (0, 0) => Resolution::Absent { evidence: format!("none of {looked} statuses since {since} has its link or text") },
        (0, near) => Resolution::Unknown { evidence: format!("{near} of {looked} statuses since {since} begin like it, but differ") },
        (many, _) => Resolution::Unknown { evidence: format!("{many} of {looked} statuses since {since} have {by}") },
    }
}

/// The HTML with its entities resolved and its tags kept, so that links in attributes can be seen.
fn text_of_attributes(html: &str) -> String {
    text_of(&html.replace(['<', '>'], " "))
}

/// Whether a text has exactly this link, not one that merely begins like it.
fn has_link(text: &str, link: &str) -> bool {
    text.match_indices(link).any(|(at, _)| {
        !text[at + link.len()..].starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '?' | '=' | '&' | '%'))
    })
}

/// Whether two normalised texts share a beginning long enough to be one text that a server has changed.
fn is_near(a: &str, b: &str) -> bool {
    let shortest = a.chars().count().min(b.chars().count());
    let common = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    shortest > 0 && common >= NEAR.min(shortest)
}

#[cfg(test)]
mod tests;
