//! Posts: one text on one account in one language, and the facts of its life.
//!
//! Every change of status is conditional on the status and revision it starts from, so that it can be repeated and cannot overtake another.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    brief::Language,
    ids::{CampaignId, ConnectorId, PostId, VariantId},
    platform::Platform,
    post::{PostOptions, PostStatus, content_hash},
    schedule::ScheduleSpec,
};
use serde::{Deserialize, Serialize};

mod sending;
mod timing;

pub use self::sending::{
    GOES_ON_BY_PERSON, Published, SENT_BY_PERSON, ToSend, back_to_waiting, begin_sending, published, send_now, started,
};
pub use self::timing::{Did, explain, held, how_others_did, move_due, times_of_account};
use super::{OrgTx, classify, read_json, write_json};
use crate::{ActivityError, ActivityResult};

/// A post to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPost {
    /// Its id, derived from campaign, account and language.
    pub id: PostId,
    /// The account it goes to.
    pub connector_id: ConnectorId,
    /// That account's platform.
    pub platform: Platform,
    /// The language it is written in.
    pub language: Language,
}

/// A post as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// Its id.
    pub id: PostId,
    /// The campaign that it belongs to.
    pub campaign_id: CampaignId,
    /// The account that it goes to.
    pub connector_id: ConnectorId,
    /// That account's platform.
    pub platform: Platform,
    /// The language it is written in.
    pub language: Language,
    /// Its state.
    pub status: PostStatus,
    /// What a person should know about the state.
    pub note: Option<String>,
    /// The variant that was decided for.
    pub approved_variant_id: Option<VariantId>,
    /// Who decided, and when.
    pub decided_by: Option<String>,
    /// When it was decided.
    pub decided_at: Option<DateTime<Utc>>,
    /// The plan in force.
    pub schedule: Option<ScheduleSpec>,
    /// The instant that the plan comes to.
    pub due_at: Option<DateTime<Utc>>,
    /// Counts the plans: a timer of an older plan does nothing.
    pub revision: i32,
    /// How late it went out, in milliseconds, where that was worth telling.
    pub late_ms: Option<i64>,
    /// What kept it from going out at its time, if anything did.
    pub held_by: Option<String>,
    /// Why the plan in force has the time that it has, where it was chosen.
    pub schedule_reason: Option<String>,
    /// The platform's id of it.
    pub external_id: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
    /// When it was published.
    pub published_at: Option<DateTime<Utc>>,
    /// How it is known that it was published.
    pub resolved_by: Option<String>,
    /// What it has beside its text.
    #[serde(default)]
    pub options: PostOptions,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

struct Row {
    id: sqlx::types::Uuid,
    campaign_id: sqlx::types::Uuid,
    connector_id: sqlx::types::Uuid,
    platform: String,
    language: String,
    status: String,
    note: Option<String>,
    approved_variant_id: Option<sqlx::types::Uuid>,
    decided_by: Option<String>,
    decided_at: Option<DateTime<Utc>>,
    schedule: Option<serde_json::Value>,
    due_at: Option<DateTime<Utc>>,
    revision: i32,
    late_ms: Option<i64>,
    held_by: Option<String>,
    schedule_reason: Option<String>,
    external_id: Option<String>,
    url: Option<String>,
    published_at: Option<DateTime<Utc>>,
    resolved_by: Option<String>,
    options: serde_json::Value,
    created_at: DateTime<Utc>,
}

impl Row {
    fn read(self) -> ActivityResult<Post> {
        let unreadable = |what: &dyn std::fmt::Display| ActivityError::rejected(format_args!("a stored post cannot be read: {what}"));
        Ok(Post {
            id: PostId::from_uuid(self.id),
            campaign_id: CampaignId::from_uuid(self.campaign_id),
            connector_id: ConnectorId::from_uuid(self.connector_id),
            platform: self.platform.parse().map_err(|e| unreadable(&e))?,
            language: self.language.parse().map_err(|e| unreadable(&e))?,
            status: self.status.parse().map_err(|e| unreadable(&e))?,
            note: self.note,
            approved_variant_id: self.approved_variant_id.map(VariantId::from_uuid),
            decided_by: self.decided_by,
            decided_at: self.decided_at,
            schedule: self.schedule.map(read_json).transpose()?.flatten(),
            due_at: self.due_at,
            revision: self.revision,
            late_ms: self.late_ms,
            held_by: self.held_by,
            schedule_reason: self.schedule_reason,
            external_id: self.external_id,
            url: self.url,
            published_at: self.published_at,
            resolved_by: self.resolved_by,
            options: read_json(self.options)?,
            created_at: self.created_at,
        })
    }
}

/// Stores the posts of a campaign, with the options that the campaign has for them; those that are there already stay as they are.
///
/// # Errors
/// When the database cannot answer, or an account is not this org's.
pub async fn insert_all(tx: &mut OrgTx, campaign: CampaignId, posts: &[NewPost]) -> ActivityResult<()> {
    let org = tx.org().uuid();
    for post in posts {
        sqlx::query!(
            "INSERT INTO posts (id, org_id, campaign_id, connector_id, platform, language, options)
             VALUES ($1, $2, $3, $4, $5, $6, (SELECT options FROM campaigns WHERE id = $3)) ON CONFLICT (id) DO NOTHING",
            post.id.uuid(),
            org,
            campaign.uuid(),
            post.connector_id.uuid(),
            post.platform.as_str(),
            post.language.as_str()
        )
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    }
    Ok(())
}

/// The post `id`.
///
/// # Errors
/// When the database cannot answer.
pub async fn get(tx: &mut OrgTx, id: PostId) -> ActivityResult<Option<Post>> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, campaign_id, connector_id, platform, language, status, note, approved_variant_id, decided_by, decided_at, schedule, due_at,
                revision, late_ms, held_by, schedule_reason, external_id, url, published_at, resolved_by, options, created_at
         FROM posts WHERE id = $1",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    row.map(Row::read).transpose()
}

/// On which platform and in which language each of these posts is; those that do not exist are left out. Neither ever changes.
///
/// # Errors
/// When the database cannot answer.
pub async fn places(tx: &mut OrgTx, ids: &[PostId]) -> ActivityResult<BTreeMap<PostId, (Platform, Language)>> {
    let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
    let rows =
        sqlx::query!("SELECT id, platform, language FROM posts WHERE id = ANY($1)", &ids).fetch_all(tx.conn()).await.map_err(classify)?;
    let unreadable = |what: &dyn std::fmt::Display| ActivityError::rejected(format_args!("a stored post cannot be read: {what}"));
    rows.into_iter()
        .map(|row| {
            let platform = row.platform.parse().map_err(|e| unreadable(&e))?;
            Ok((PostId::from_uuid(row.id), (platform, row.language.parse().map_err(|e| unreadable(&e))?)))
        })
        .collect()
}

/// The post `id`, which must exist.
///
/// # Errors
/// [`ActivityError::NotFound`] when it does not.
pub async fn require(tx: &mut OrgTx, id: PostId) -> ActivityResult<Post> {
    get(tx, id).await?.ok_or_else(|| ActivityError::not_found(format_args!("the post {id} does not exist")))
}

/// The status of the post `id`, which no other transaction changes until this one ends.
///
/// # Errors
/// [`ActivityError::NotFound`] when there is no such post.
pub async fn lock(tx: &mut OrgTx, id: PostId) -> ActivityResult<PostStatus> {
    let status = sqlx::query_scalar!("SELECT status FROM posts WHERE id = $1 FOR UPDATE", id.uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?
        .ok_or_else(|| ActivityError::not_found(format_args!("the post {id} does not exist")))?;
    status.parse().map_err(|e| ActivityError::rejected(format_args!("a stored post cannot be read: {e}")))
}

/// A page of posts in the order of their ids, after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(
    tx: &mut OrgTx,
    campaign: Option<CampaignId>,
    status: Option<PostStatus>,
    platform: Option<Platform>,
    after: Option<PostId>,
    limit: i64,
) -> ActivityResult<Vec<Post>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, campaign_id, connector_id, platform, language, status, note, approved_variant_id, decided_by, decided_at, schedule, due_at,
                revision, late_ms, held_by, schedule_reason, external_id, url, published_at, resolved_by, options, created_at
         FROM posts
         WHERE ($1::uuid IS NULL OR campaign_id = $1) AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR platform = $3)
           AND ($4::uuid IS NULL OR id > $4)
         ORDER BY id LIMIT $5",
        campaign.map(CampaignId::uuid),
        status.map(PostStatus::as_str),
        platform.map(Platform::as_str),
        after.map(PostId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    rows.into_iter().map(Row::read).collect()
}

/// Moves a post from one of `from` to `to`. False, and nothing changed, if it was in none of them; true as well if it had been moved before.
///
/// # Errors
/// When the database cannot answer.
pub async fn advance(tx: &mut OrgTx, id: PostId, from: &[PostStatus], to: PostStatus, note: Option<&str>) -> ActivityResult<bool> {
    let from: Vec<String> = from.iter().map(ToString::to_string).collect();
    let row = sqlx::query_scalar!(
        "UPDATE posts SET status = $3, note = $4 WHERE id = $1 AND (status = ANY($2) OR status = $3) RETURNING id",
        id.uuid(),
        &from,
        to.as_str(),
        note
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    Ok(row.is_some())
}

/// Binds the approval of `variant` to exactly `content`. The content replaces the variant's: what is approved is what is sent.
///
/// False if the post no longer waits for a decision (and was not decided in just this way before).
///
/// # Errors
/// When the database cannot answer.
pub async fn approve(tx: &mut OrgTx, id: PostId, variant: VariantId, content: &str, by: &str) -> ActivityResult<bool> {
    let options = sqlx::query_scalar!("SELECT options FROM posts WHERE id = $1 FOR UPDATE", id.uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?;
    let Some(options) = options else { return Ok(false) };
    let hash = content_hash(content, &read_json(options)?);
    let row = sqlx::query_scalar!(
        "UPDATE posts SET status = 'approved', approved_variant_id = $2, approved_hash = $3, decided_by = $4, decided_at = coalesce(decided_at, now()), note = NULL
         WHERE id = $1 AND (status IN ('draft', 'needs_approval') OR (status = 'approved' AND approved_variant_id = $2 AND approved_hash = $3 AND decided_by = $4))
         RETURNING id",
        id.uuid(),
        variant.uuid(),
        hash.as_slice(),
        by
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    if row.is_some() {
        sqlx::query!("UPDATE variants SET content = $2 WHERE id = $1", variant.uuid(), content)
            .execute(tx.conn())
            .await
            .map_err(classify)?;
        // What was staged for other words is of no use to these.
        super::parts::clear(tx, id).await?;
    }
    Ok(row.is_some())
}

/// Decides against a post. False if it no longer waits for a decision.
///
/// # Errors
/// When the database cannot answer.
pub async fn reject(tx: &mut OrgTx, id: PostId, reason: &str, by: &str) -> ActivityResult<bool> {
    let row = sqlx::query_scalar!(
        "UPDATE posts SET status = 'rejected', decided_by = $3, decided_at = coalesce(decided_at, now()), note = $2
         WHERE id = $1 AND (status IN ('draft', 'needs_approval') OR (status = 'rejected' AND decided_by = $3)) RETURNING id",
        id.uuid(),
        reason,
        by
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    Ok(row.is_some())
}

/// Voids an approval because the text, or what the post has beside it, was changed: the post waits for a decision again, and timers of its plan do
/// nothing any more. A post of which something is out, or may be, keeps its approval.
///
/// # Errors
/// When the database cannot answer.
pub async fn void_approval(tx: &mut OrgTx, id: PostId, why: &str) -> ActivityResult<bool> {
    let row = sqlx::query_scalar!(
        "UPDATE posts SET status = 'needs_approval', approved_variant_id = NULL, approved_hash = NULL, decided_by = NULL, decided_at = NULL,
                due_at = NULL, revision = revision + 1, note = $2
         WHERE id = $1 AND status IN ('approved', 'scheduled')
           AND NOT EXISTS (SELECT 1 FROM receipts WHERE post_id = $1 AND sent_at IS NOT NULL
                           AND (outcome IS NULL OR outcome IN ('unknown', 'published')))
         RETURNING id",
        id.uuid(),
        why
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    Ok(row.is_some())
}

/// Puts a plan in force as `revision`. False if the post is not one that can be planned (not approved, being sent, or ended), or another plan was
/// made of it since. One that needs attention can be given a new time unless it may have been sent: then a person answers first. `first_only`: the
/// plan is not anybody's word on this post, so it neither moves a post that has a plan nor brings back one that was stopped.
///
/// # Errors
/// When the database cannot answer.
pub async fn plan(
    tx: &mut OrgTx,
    id: PostId,
    revision: i32,
    schedule: &ScheduleSpec,
    due_at: DateTime<Utc>,
    first_only: bool,
) -> ActivityResult<bool> {
    let row = sqlx::query_scalar!(
        "UPDATE posts SET status = 'scheduled', revision = $2, schedule = $3, due_at = $4, late_ms = NULL, held_by = NULL, schedule_reason = NULL, note = NULL
         WHERE id = $1 AND approved_hash IS NOT NULL
           AND (revision = $2 - 1 OR (revision = $2 AND status = 'scheduled' AND schedule = $3 AND due_at = $4))
           AND (NOT $5 OR status = 'approved' OR revision = $2)
           AND (status IN ('approved', 'scheduled', 'cancelled')
                OR (status = 'needs_attention' AND NOT EXISTS (SELECT 1 FROM receipts WHERE post_id = $1 AND sent_at IS NOT NULL
                                                               AND (outcome IS NULL OR outcome = 'unknown'))))
         RETURNING id",
        id.uuid(),
        revision,
        write_json(schedule)?,
        due_at,
        first_only
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    Ok(row.is_some())
}

/// Takes a post out of its plan as `revision`, or a later one where it has had more plans since: no number is ever given twice, because a timer
/// that bears it may still be on its way. False if it is being sent or has ended. The note of one that may be out all the same says so.
///
/// # Errors
/// When the database cannot answer.
pub async fn cancel(tx: &mut OrgTx, id: PostId, revision: i32, note: Option<&str>) -> ActivityResult<bool> {
    let row = sqlx::query_scalar!(
        "UPDATE posts SET status = 'cancelled', revision = CASE WHEN status = 'cancelled' THEN revision ELSE greatest(revision + 1, $2) END,
                note = CASE WHEN EXISTS (SELECT 1 FROM receipts WHERE post_id = $1 AND sent_at IS NOT NULL AND (outcome IS NULL OR outcome = 'unknown'))
                            THEN concat_ws('; ', $3::text, 'it may have been published before') ELSE $3 END
         WHERE id = $1 AND (status IN ('drafting', 'draft', 'needs_approval', 'approved', 'scheduled', 'needs_attention') OR (status = 'cancelled' AND revision >= $2))
         RETURNING id",
        id.uuid(),
        revision,
        note
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    Ok(row.is_some())
}

/// Replaces what a post has beside its text, and voids its approval. False, and nothing changed, while its texts are written (they would be judged
/// without it), once it has ended, or where something of it is out or may be.
///
/// # Errors
/// When the database cannot answer.
pub async fn set_options(tx: &mut OrgTx, id: PostId, options: &PostOptions) -> ActivityResult<bool> {
    let row = sqlx::query_scalar!(
        "UPDATE posts SET options = $2
         WHERE id = $1 AND status IN ('draft', 'needs_approval', 'approved', 'scheduled')
           AND NOT EXISTS (SELECT 1 FROM receipts WHERE post_id = $1 AND sent_at IS NOT NULL
                           AND (outcome IS NULL OR outcome IN ('unknown', 'published')))
         RETURNING id",
        id.uuid(),
        write_json(options)?
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    if row.is_none() {
        return Ok(false);
    }
    void_approval(tx, id, "what it has beside its text was changed after it was approved").await?;
    Ok(true)
}
