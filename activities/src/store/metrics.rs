//! Readings of posts' counters. A reading is stored under its source's name for it, so that a repeated one changes nothing.

use chrono::{DateTime, Utc};
use domain::{
    ids::{PostId, ReadingId},
    metrics::{Counters, Reading},
};

use super::{OrgTx, classify};
use crate::ActivityResult;

/// Stores a reading; one that is there already stays as it is.
///
/// # Errors
/// When the database cannot answer, or the post is not this org's.
pub async fn save(tx: &mut OrgTx, post: PostId, reading: &Reading) -> ActivityResult<()> {
    let org = tx.org().uuid();
    let id = ReadingId::derived(post.uuid(), &reading.source_id);
    let c = &reading.counters;
    sqlx::query!(
        "INSERT INTO metric_readings (id, org_id, post_id, observed_at, source_id, likes, comments, shares, saves, impressions, clicks, followers_delta)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (post_id, source_id) DO NOTHING",
        id.uuid(),
        org,
        post.uuid(),
        reading.observed_at,
        reading.source_id,
        c.likes,
        c.comments,
        c.shares,
        c.saves,
        c.impressions,
        c.clicks,
        c.followers_delta
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The readings of a post since `since`, in the order of their observation.
///
/// # Errors
/// When the database cannot answer.
pub async fn of_post(tx: &mut OrgTx, post: PostId, since: Option<DateTime<Utc>>) -> ActivityResult<Vec<Reading>> {
    let rows = sqlx::query!(
        "SELECT observed_at, source_id, likes, comments, shares, saves, impressions, clicks, followers_delta FROM metric_readings
         WHERE post_id = $1 AND ($2::timestamptz IS NULL OR observed_at >= $2) ORDER BY observed_at, source_id",
        post.uuid(),
        since
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(rows
        .into_iter()
        .map(|r| Reading {
            source_id: r.source_id,
            observed_at: r.observed_at,
            counters: Counters {
                likes: r.likes,
                comments: r.comments,
                shares: r.shares,
                saves: r.saves,
                impressions: r.impressions,
                clicks: r.clicks,
                followers_delta: r.followers_delta,
            },
        })
        .collect())
}

/// How often the post's short links were followed; `None` when it has none.
///
/// # Errors
/// When the database cannot answer.
pub async fn clicks(tx: &mut OrgTx, post: PostId) -> ActivityResult<Option<i64>> {
    let row = sqlx::query!(
        r#"SELECT count(DISTINCT l.id) AS "links!", coalesce(sum(c.clicks), 0)::bigint AS "clicks!"
           FROM links l LEFT JOIN link_clicks c ON c.link_id = l.id WHERE l.post_id = $1"#,
        post.uuid()
    )
    .fetch_one(tx.conn())
    .await
    .map_err(classify)?;
    Ok((row.links > 0).then_some(row.clicks))
}
