//! A post on its way out: taken up, sent, noted.

use chrono::{DateTime, Utc};
use domain::{
    brief::Language,
    ids::{CampaignId, PostId},
    post::{PostOptions, content_hash},
    schedule::{ScheduleSpec, lateness::Held},
};
use serde::{Deserialize, Serialize};

use super::super::{OrgTx, classify, read_json};
use crate::{ActivityError, ActivityResult};

/// The note of a post that a person said is not on the platform, until it is sent again.
pub const SENT_BY_PERSON: &str = "is sent again, because a person said that it is not there";

/// The note of a thread of which a person said that the part in question is there, until the rest is sent.
pub const GOES_ON_BY_PERSON: &str = "goes on, because a person said that the part in question is there";

/// Puts a post that needs attention into a new plan: now. Returns the plan's revision.
///
/// # Errors
/// [`ActivityError::NotFound`] when it does not need attention.
pub async fn send_now(tx: &mut OrgTx, id: PostId, now: DateTime<Utc>, note: &str) -> ActivityResult<i32> {
    sqlx::query_scalar!(
        "UPDATE posts SET status = 'scheduled', revision = revision + 1, due_at = $2, note = $3 WHERE id = $1 AND status = 'needs_attention' RETURNING revision",
        id.uuid(),
        now,
        note
    )
    .fetch_one(tx.conn())
    .await
    .map_err(classify)
}

/// What the lane needs to send a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToSend {
    /// The campaign that it belongs to.
    pub campaign_id: CampaignId,
    /// Exactly the text that was approved.
    pub content: String,
    /// Its language.
    pub language: Language,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// How many seconds after that it is still sent, if that was said for it.
    pub window_seconds: Option<u32>,
    /// The short links of its variants, the longest first: every variant has its own, and a code may begin another.
    pub links: Vec<String>,
    /// What it has beside its text.
    pub options: PostOptions,
    /// What the approval is bound to.
    pub approved_hash: Vec<u8>,
    /// Whether rows say what its parts are.
    pub has_parts: bool,
}

impl ToSend {
    /// The link in `text` that no other post has.
    #[must_use]
    pub fn unique_link(&self, text: &str) -> Option<String> {
        self.links.iter().find(|link| text.contains(link.as_str())).cloned()
    }
}

/// Takes a scheduled post into sending. `None` if the plan `revision` is no longer in force.
///
/// A text that is not the one that was approved is refused: the post waits for a decision again.
///
/// # Errors
/// [`ActivityError::Rejected`] when the text was changed after its approval.
pub async fn begin_sending(tx: &mut OrgTx, id: PostId, revision: i32, short_link_base: &str) -> ActivityResult<Option<ToSend>> {
    let row = sqlx::query!(
        r#"UPDATE posts p SET status = 'publishing', note = NULL FROM variants v
           WHERE p.id = $1 AND p.revision = $2 AND p.status IN ('scheduled', 'publishing') AND v.id = p.approved_variant_id
           RETURNING p.campaign_id, p.language, p.due_at AS "due_at!", p.schedule, p.approved_hash AS "approved_hash!", p.options, v.content,
                     EXISTS (SELECT 1 FROM post_parts WHERE post_id = p.id) AS "has_parts!",
                     (SELECT array_agg(l.code ORDER BY length(l.code) DESC, l.id) FROM links l WHERE l.post_id = p.id) AS codes"#,
        id.uuid(),
        revision
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    let Some(row) = row else { return Ok(None) };
    let options: PostOptions = read_json(row.options)?;
    let schedule: Option<ScheduleSpec> = row.schedule.map(read_json).transpose()?.flatten();
    if content_hash(&row.content, &options).as_slice() != row.approved_hash {
        return Err(ActivityError::rejected("the text was changed after it was approved"));
    }
    Ok(Some(ToSend {
        campaign_id: CampaignId::from_uuid(row.campaign_id),
        language: row.language.parse().map_err(|e| ActivityError::rejected(format_args!("a stored post cannot be read: {e}")))?,
        content: row.content,
        due_at: row.due_at,
        window_seconds: schedule.and_then(|asked| asked.window_seconds()),
        links: row.codes.into_iter().flatten().map(|code| format!("{short_link_base}{code}")).collect(),
        options,
        approved_hash: row.approved_hash,
        has_parts: row.has_parts,
    }))
}

/// What is known of a post that is on its platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The platform's id.
    pub external_id: String,
    /// Where people see it.
    pub url: Option<String>,
    /// How it is known: `answer`, `lookup`, `duplicate`, `person:<who>`.
    pub resolved_by: String,
    /// How late it is, in milliseconds, where the lateness rule says to tell.
    pub late_ms: Option<i64>,
}

/// Notes that a post is on its platform. Final: nothing changes it afterwards.
///
/// # Errors
/// When the database cannot answer.
pub async fn published(tx: &mut OrgTx, id: PostId, facts: &Published) -> ActivityResult<()> {
    let held =
        sqlx::query_scalar!("SELECT held_by FROM posts WHERE id = $1", id.uuid()).fetch_optional(tx.conn()).await.map_err(classify)?;
    let why = held.flatten().as_deref().and_then(Held::named).unwrap_or(Held::Queue);
    let note = facts.late_ms.map(|_| format!("went out late: {}", why.words()));
    sqlx::query!(
        "UPDATE posts SET status = 'published', external_id = $2, url = $3, resolved_by = $4, late_ms = $5, published_at = coalesce(published_at, now()),
                note = $6, held_by = CASE WHEN $5::bigint IS NULL THEN NULL ELSE $7::text END
         WHERE id = $1 AND status <> 'published'",
        id.uuid(),
        facts.external_id,
        facts.url,
        facts.resolved_by,
        facts.late_ms,
        note,
        why.as_str()
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Notes that a post could not be sent now and waits in its account's lane, for `note`; it can still be cancelled.
///
/// # Errors
/// When the database cannot answer.
pub async fn back_to_waiting(tx: &mut OrgTx, id: PostId, revision: i32, note: &str) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE posts SET status = 'scheduled', note = $3 WHERE id = $1 AND revision = $2 AND status = 'publishing'",
        id.uuid(),
        revision,
        note
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Notes where the first part of a post is, while others are still to come.
///
/// # Errors
/// When the database cannot answer.
pub async fn started(tx: &mut OrgTx, id: PostId, external_id: &str, url: Option<&str>) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE posts SET external_id = coalesce(external_id, $2), url = coalesce(url, $3) WHERE id = $1 AND status <> 'published'",
        id.uuid(),
        external_id,
        url
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}
