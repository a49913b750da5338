//! Choosing the hour of a post from how the brand's earlier ones did.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ids::PostId,
    schedule::{
        At, WallTime,
        best_time::{BestTime, Knowledge, LONGEST, Observation},
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    ActivityResult,
    store::{OrgTx, posts},
};

/// When a post goes out, and why then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The wall time.
    pub at: At,
    /// Why, for people.
    pub reason: String,
}

/// How far back readings count: habits change.
const MEMORY: TimeDelta = TimeDelta::days(180);

/// Chooses the hour of a post.
///
/// # Errors
/// [`NotFound`](crate::ActivityError::NotFound) when there is no such post; otherwise when the database cannot answer.
pub async fn choose(tx: &mut OrgTx, id: PostId, asked: &BestTime, now: DateTime<Utc>) -> ActivityResult<Chosen> {
    let post = posts::require(tx, id).await?;
    let did = posts::how_others_did(tx, id, now - MEMORY).await?;
    let taken =
        posts::times_of_account(tx, post.connector_id, id, now - TimeDelta::hours(1), now + TimeDelta::hours(i64::from(LONGEST) + 1))
            .await?;
    let knowledge = Knowledge::of(post.platform, asked.timezone, &observations(&did));
    Ok(match knowledge.choose(asked, id, now, &taken) {
        Some(choice) => Chosen { at: choice.at, reason: choice.reason },
        None => Chosen {
            // Whole seconds, upwards: what is asked for is not over.
            at: At {
                window_seconds: asked.window_seconds,
                ..At::new(WallTime::of(now + TimeDelta::seconds(1), asked.timezone), asked.timezone)
            },
            reason: format!("now: within {} hours there is no hour without another post of the account", asked.within_hours),
        },
    })
}

/// A rate where every post tells how often it was shown; else counts, which can be compared with each other but not with rates.
fn observations(did: &[posts::Did]) -> Vec<Observation> {
    let rates = did.iter().all(|post| post.impressions.is_some_and(|shown| shown > 0));
    #[expect(clippy::cast_precision_loss, reason = "counters of a post")]
    let engagement = |post: &posts::Did| {
        let did = post.interactions.max(0) as f64 + 0.5;
        if rates { did / (post.impressions.unwrap_or(1) as f64 + 1.0) } else { did }
    };
    did.iter().map(|post| Observation { published_at: post.published_at, engagement: engagement(post) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_counts_are_not_mixed() {
        let did = |interactions, impressions| posts::Did { published_at: Utc::now(), interactions, impressions };
        let all_shown = observations(&[did(10, Some(99)), did(0, Some(9))]);
        assert!((all_shown[0].engagement - 0.105).abs() < 1e-9 && (all_shown[1].engagement - 0.05).abs() < 1e-9);
        let some = observations(&[did(10, Some(99)), did(0, None)]);
        assert!((some[0].engagement - 10.5).abs() < 1e-9 && (some[1].engagement - 0.5).abs() < 1e-9);
    }
}
