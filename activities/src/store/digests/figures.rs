//! What a digest's numbers are made of: a brand's posts, their readings, and the clicks on their links.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    brief::Language,
    digest::{Period, PostFigures},
    ids::{BrandId, PostId},
    metrics::{Counters, Reading, Series},
    platform::Platform,
    text::shorten,
};
use uuid::Uuid;

use super::{OrgTx, classify};
use crate::{ActivityError, ActivityResult};

/// A published post, as a digest tells of it.
struct Published {
    id: PostId,
    platform: Platform,
    language: Language,
    content: String,
    url: Option<String>,
    published_at: DateTime<Utc>,
}

/// The figures of the brand's posts in `period` and in one of the same length before it. A post is in it if it was published in either, or
/// anything was observed of it in either.
///
/// Clicks come from our own links where a post has any. They are counted by the hour: an hour belongs to the period in which it ends, so that
/// none is counted twice or lost between two periods; with `running`, the period ends now, and the hour under way counts as well.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn of_brand(tx: &mut OrgTx, brand: BrandId, period: Period, running: bool) -> ActivityResult<Vec<PostFigures>> {
    let before = period.from - (period.to - period.from);
    let posts = published(tx, brand, before, period.to).await?;
    let ids: Vec<Uuid> = posts.iter().map(|post| post.id.uuid()).collect();
    let mut readings = readings(tx, &ids, period.to).await?;
    let clicks = clicks(tx, &ids, before, period, running).await?;
    Ok(posts
        .into_iter()
        .map(|post| {
            let series: Series = readings.remove(&post.id).unwrap_or_default().into_iter().collect();
            let mut figures = PostFigures {
                post_id: post.id,
                platform: post.platform,
                language: post.language,
                excerpt: excerpt(&post.content),
                url: post.url,
                published_at: post.published_at,
                period: series.between(period.from, period.to),
                previous: series.between(before, period.from),
            };
            if let Some((now, earlier)) = clicks.get(&post.id) {
                figures.period.clicks = Some(*now);
                // Before it was published nobody could click, which is not the same as nobody did.
                figures.previous.clicks = (post.published_at <= period.from).then_some(*earlier);
            }
            figures
        })
        .collect())
}

async fn published(tx: &mut OrgTx, brand: BrandId, from: DateTime<Utc>, to: DateTime<Utc>) -> ActivityResult<Vec<Published>> {
    let rows = sqlx::query!(
        r#"SELECT p.id, p.platform, p.language, p.url, p.published_at AS "published_at!", coalesce(v.content, '') AS "content!"
           FROM posts p JOIN campaigns c ON c.id = p.campaign_id LEFT JOIN variants v ON v.id = p.approved_variant_id
           WHERE c.brand_id = $1 AND p.published_at <= $3
             AND (p.published_at > $2
                  OR EXISTS (SELECT 1 FROM metric_readings r WHERE r.post_id = p.id AND r.observed_at > $2 AND r.observed_at <= $3)
                  OR EXISTS (SELECT 1 FROM links l JOIN link_clicks k ON k.link_id = l.id
                             WHERE l.post_id = p.id AND k.hour > $2 - interval '1 hour' AND k.hour <= $3))
           ORDER BY p.id"#,
        brand.uuid(),
        from,
        to
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    let unreadable = |what: &dyn std::fmt::Display| ActivityError::rejected(format_args!("a stored post cannot be read: {what}"));
    rows.into_iter()
        .map(|r| {
            Ok(Published {
                id: PostId::from_uuid(r.id),
                platform: r.platform.parse().map_err(|e| unreadable(&e))?,
                language: r.language.parse().map_err(|e| unreadable(&e))?,
                content: r.content,
                url: r.url,
                published_at: r.published_at,
            })
        })
        .collect()
}

async fn readings(tx: &mut OrgTx, posts: &[Uuid], to: DateTime<Utc>) -> ActivityResult<BTreeMap<PostId, Vec<Reading>>> {
    let rows = sqlx::query!(
        "SELECT post_id, observed_at, source_id, likes, comments, shares, saves, impressions, clicks, followers_delta
         FROM metric_readings WHERE post_id = ANY($1) AND observed_at <= $2 ORDER BY observed_at, source_id",
        posts,
        to
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    let mut by_post: BTreeMap<PostId, Vec<Reading>> = BTreeMap::new();
    for r in rows {
        let counters = Counters {
            likes: r.likes,
            comments: r.comments,
            shares: r.shares,
            saves: r.saves,
            impressions: r.impressions,
            clicks: r.clicks,
            followers_delta: r.followers_delta,
        };
        let reading = Reading { source_id: r.source_id, observed_at: r.observed_at, counters };
        by_post.entry(PostId::from_uuid(r.post_id)).or_default().push(reading);
    }
    Ok(by_post)
}

/// Clicks in the period and in the one before, for every post that has links.
async fn clicks(
    tx: &mut OrgTx,
    posts: &[Uuid],
    before: DateTime<Utc>,
    period: Period,
    running: bool,
) -> ActivityResult<BTreeMap<PostId, (i64, i64)>> {
    let rows = sqlx::query!(
        r#"SELECT l.post_id,
                  coalesce(sum(k.clicks) FILTER (WHERE k.hour + interval '1 hour' > $3
                                                   AND ($5 OR k.hour + interval '1 hour' <= $4)), 0)::bigint AS "now!",
                  coalesce(sum(k.clicks) FILTER (WHERE k.hour + interval '1 hour' > $2
                                                   AND k.hour + interval '1 hour' <= $3), 0)::bigint AS "earlier!"
           FROM links l LEFT JOIN link_clicks k ON k.link_id = l.id WHERE l.post_id = ANY($1) GROUP BY l.post_id"#,
        posts,
        before,
        period.from,
        period.to,
        running
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(rows.into_iter().map(|r| (PostId::from_uuid(r.post_id), (r.now, r.earlier))).collect())
}

/// The most characters of a post's text that a digest shows.
const EXCERPT: usize = 80;

/// How a text begins, on one line.
fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    shorten(&line, EXCERPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_cut_between_words() {
        assert_eq!(excerpt("Short,\n\n and   done."), "Short, and done.");
        let long = "word, ".repeat(40);
        let cut = excerpt(&long);
        assert!(cut.chars().count() <= EXCERPT && cut.ends_with("word\u{2026}"), "{cut}");
        let endless = "\u{e4}".repeat(200);
        assert_eq!(excerpt(&endless).chars().count(), EXCERPT);
    }
}
