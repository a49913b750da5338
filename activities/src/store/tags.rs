//! Where a brand's hashtags are seen: in the examples of its voice and in its published posts.

use domain::{ids::BrandId, platform::Platform};

use super::{OrgTx, classify};
use crate::ActivityResult;

/// A published post's tags and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedPost {
    /// The tags that were added to its text.
    pub hashtags: Vec<String>,
    /// Likes, comments, shares and clicks together, as last read.
    pub reactions: i64,
}

/// The examples of the voice in force that have a hashtag.
///
/// # Errors
/// When the database cannot answer.
pub async fn texts_of_voice(tx: &mut OrgTx, brand: BrandId) -> ActivityResult<Vec<String>> {
    sqlx::query_scalar!(
        "SELECT e.text FROM brands b JOIN voice_examples e ON e.voice_id = b.active_voice_id WHERE b.id = $1 AND e.text LIKE '%#%' ORDER BY e.position",
        brand.uuid()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)
}

/// The brand's latest published posts on a platform, at most 200. Counters only grow, so that the greatest reading is the last.
///
/// # Errors
/// When the database cannot answer.
pub async fn of_published(tx: &mut OrgTx, brand: BrandId, platform: Platform) -> ActivityResult<Vec<TaggedPost>> {
    let rows = sqlx::query!(
        r#"SELECT v.hashtags,
                  (coalesce(max(m.likes), 0) + coalesce(max(m.comments), 0) + coalesce(max(m.shares), 0) + coalesce(max(m.clicks), 0))::bigint
                      AS "reactions!"
           FROM (SELECT p.id, p.published_at, v.hashtags
                 FROM posts p JOIN campaigns c ON c.id = p.campaign_id JOIN variants v ON v.id = p.approved_variant_id
                 WHERE c.brand_id = $1 AND p.platform = $2 AND p.published_at IS NOT NULL AND v.hashtags <> '{}'
                 ORDER BY p.published_at DESC, p.id LIMIT 200) v
                LEFT JOIN metric_readings m ON m.post_id = v.id
           GROUP BY v.id, v.published_at, v.hashtags ORDER BY v.published_at DESC, v.id"#,
        brand.uuid(),
        platform.as_str()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(rows.into_iter().map(|r| TaggedPost { hashtags: r.hashtags, reactions: r.reactions }).collect())
}
