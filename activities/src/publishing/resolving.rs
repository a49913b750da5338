//! What a person says of a post whose outcome nothing else could tell.

use chrono::{DateTime, Utc};
use domain::{
    ids::{CampaignId, ConnectorId, PostId},
    post::PostStatus,
    publication::Sent,
};
use serde::{Deserialize, Serialize};

use super::{
    Attempt,
    sending::{receipt, record_published},
};
use crate::{
    ActivityResult,
    store::{
        OrgTx, parts, posts,
        receipts::{self, Receipt},
    },
};

/// What follows from a person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "next", rename_all = "snake_case")]
pub enum Resolved {
    /// It is on its platform.
    Published {
        /// The campaign that it belongs to.
        campaign_id: CampaignId,
        /// Whether its id there is known, so that its counters can be read.
        measurable: bool,
    },
    /// It is to be sent now, under this plan.
    SendAgain {
        /// The account it goes out by.
        connector_id: ConnectorId,
        /// The plan.
        revision: i32,
    },
    /// It asked nothing.
    NotAsked {
        /// What it is instead.
        status: PostStatus,
    },
}

/// Takes a person's word on a post that needs attention: `found` is where it is (perhaps without an id), or it is not there. In a thread the word is
/// about the first part that is not known to be out; where others follow, they are sent now.
///
/// # Errors
/// When the database cannot answer.
pub async fn resolve_by_person(
    tx: &mut OrgTx,
    post: PostId,
    found: Option<&Sent>,
    by: &str,
    now: DateTime<Utc>,
) -> ActivityResult<Resolved> {
    let stored = posts::require(tx, post).await?;
    let rows = parts::of_post(tx, post).await?;
    let open = rows.iter().take_while(|part| part.sent.is_some()).count();
    let part = u32::try_from(open).unwrap_or(u32::MAX);
    let attempts = receipts::of_post(tx, post).await?;
    let last = attempts.iter().rfind(|a| a.part == part);
    let attempt = Attempt {
        org: tx.org(),
        post,
        connector: stored.connector_id,
        revision: stored.revision,
        part,
        parts: u32::try_from(rows.len()).unwrap_or(u32::MAX).max(1),
        staged: !rows.is_empty(),
        number: last.map_or(0, |a| a.attempt),
    };
    let again = |revision| Resolved::SendAgain { connector_id: stored.connector_id, revision };
    match (stored.status, found) {
        (PostStatus::Published, Some(sent)) if stored.resolved_by.as_deref() == Some(by) => {
            Ok(Resolved::Published { campaign_id: stored.campaign_id, measurable: !sent.external_id.is_empty() })
        }
        (PostStatus::NeedsAttention, Some(sent)) => {
            record_published(tx, attempt, sent, by, None).await?;
            if attempt.part + 1 < attempt.parts {
                return Ok(again(posts::send_now(tx, post, now, posts::GOES_ON_BY_PERSON).await?));
            }
            let measurable = !stored.external_id.as_deref().unwrap_or(&sent.external_id).is_empty();
            Ok(Resolved::Published { campaign_id: stored.campaign_id, measurable })
        }
        (PostStatus::NeedsAttention, None) => {
            // One that was refused, or never left, has its outcome.
            if last.is_some_and(Receipt::is_open) {
                let absent = receipts::Outcome { resolved_by: Some(by.to_owned()), ..receipts::Outcome::named("absent") };
                receipts::settle(tx, receipt(post, part, attempt.number), &absent).await?;
            }
            Ok(again(posts::send_now(tx, post, now, posts::SENT_BY_PERSON).await?))
        }
        // The step was repeated after its commit: the answer was taken before.
        (PostStatus::Scheduled, None) if stored.note.as_deref() == Some(posts::SENT_BY_PERSON) => Ok(again(stored.revision)),
        (PostStatus::Scheduled, Some(_)) if stored.note.as_deref() == Some(posts::GOES_ON_BY_PERSON) => Ok(again(stored.revision)),
        (status, _) => Ok(Resolved::NotAsked { status }),
    }
}
