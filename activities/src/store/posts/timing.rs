//! When posts went out, what held them, and how they did at their hours.

use chrono::{DateTime, Utc};
use domain::{
    ids::{ConnectorId, PostId},
    schedule::lateness::Held,
};

use super::super::{OrgTx, classify};
use crate::ActivityResult;

/// How a published post did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Did {
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// Likes, comments, shares and saves together.
    pub interactions: i64,
    /// How often it was shown, where the platform tells.
    pub impressions: Option<i64>,
}

/// How the other posts of a post's brand did on its platform, those that were published after `since` and measured at least once.
///
/// # Errors
/// When the database cannot answer.
pub async fn how_others_did(tx: &mut OrgTx, id: PostId, since: DateTime<Utc>) -> ActivityResult<Vec<Did>> {
    sqlx::query_as!(
        Did,
        r#"SELECT p.published_at AS "published_at!", max(r.impressions) AS impressions,
                  (coalesce(max(r.likes), 0) + coalesce(max(r.comments), 0) + coalesce(max(r.shares), 0) + coalesce(max(r.saves), 0)) AS "interactions!"
           FROM posts me JOIN campaigns mine ON mine.id = me.campaign_id
           JOIN campaigns c ON c.brand_id = mine.brand_id
           JOIN posts p ON p.campaign_id = c.id AND p.platform = me.platform AND p.id <> me.id
           JOIN metric_readings r ON r.post_id = p.id
           WHERE me.id = $1 AND p.status = 'published' AND p.published_at > $2
           GROUP BY p.id, p.published_at ORDER BY p.id"#,
        id.uuid(),
        since
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)
}

/// The times between `from` and `to` at which other posts of an account went out or are to go out.
///
/// # Errors
/// When the database cannot answer.
pub async fn times_of_account(
    tx: &mut OrgTx,
    account: ConnectorId,
    but: PostId,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> ActivityResult<Vec<DateTime<Utc>>> {
    sqlx::query_scalar!(
        r#"SELECT coalesce(published_at, due_at) AS "at!" FROM posts
           WHERE connector_id = $1 AND id <> $2 AND status IN ('scheduled', 'publishing', 'published')
             AND coalesce(published_at, due_at) BETWEEN $3 AND $4 ORDER BY 1"#,
        account.uuid(),
        but.uuid(),
        from,
        to
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)
}

/// Says why the plan `revision` of a post has the time that it has.
///
/// # Errors
/// When the database cannot answer.
pub async fn explain(tx: &mut OrgTx, id: PostId, revision: i32, reason: &str) -> ActivityResult<()> {
    sqlx::query!("UPDATE posts SET schedule_reason = $3 WHERE id = $1 AND revision = $2", id.uuid(), revision, reason)
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    Ok(())
}

/// Notes what keeps a post under the plan `revision` from going out; what was noted first stays.
///
/// # Errors
/// When the database cannot answer.
pub async fn held(tx: &mut OrgTx, id: PostId, revision: i32, by: Held) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE posts SET held_by = coalesce(held_by, $3) WHERE id = $1 AND revision = $2 AND status IN ('scheduled', 'publishing')",
        id.uuid(),
        revision,
        by.as_str()
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Moves the instant of the plan `revision`, because the rules of its zone have changed; the wall time stays.
///
/// # Errors
/// When the database cannot answer.
pub async fn move_due(tx: &mut OrgTx, id: PostId, revision: i32, due_at: DateTime<Utc>) -> ActivityResult<()> {
    sqlx::query!("UPDATE posts SET due_at = $3 WHERE id = $1 AND revision = $2 AND status = 'scheduled'", id.uuid(), revision, due_at)
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    Ok(())
}
