//! Receipts: one row for each attempt to send a post. They are what makes "sent once, or known" more than a wish.
//!
//! The row is written before anything is sent ([`arm`]). Just before the first byte leaves, the attempt is claimed ([`claim`]): exactly one
//! process ever gets the claim, so an attempt whose process died after it is looked up, never sent again blindly.

use chrono::{DateTime, Utc};
use domain::{
    ids::{ConnectorId, PostId, ReceiptId},
    publication::{Frozen, Sent},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OrgTx, classify, read_json, write_json};
use crate::{ActivityError, ActivityResult};

/// An attempt to send a post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its id.
    pub id: ReceiptId,
    /// Counts the attempts of the post, from 1.
    pub attempt: i32,
    /// SHA-256 of the bytes that were sent, in hexadecimal.
    pub body_hash: String,
    /// How many parts the post has.
    pub parts: i32,
    /// When the intent was stored.
    pub armed_at: DateTime<Utc>,
    /// When sending began.
    pub sent_at: Option<DateTime<Utc>>,
    /// When an answer came, or it was known that none would.
    pub answered_at: Option<DateTime<Utc>>,
    /// What it came to.
    pub outcome: Option<String>,
    /// The platform's id of the post.
    pub external_id: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
    /// What came back, for a person.
    pub what: Option<String>,
    /// How the outcome is known.
    pub resolved_by: Option<String>,
    /// What a look-up saw.
    pub evidence: Option<Value>,
}

/// Stores the intent of an attempt and returns the frozen post of the post's first attempt: every attempt sends the same bytes under the same
/// keys.
///
/// # Errors
/// When the database cannot answer.
pub async fn arm(
    tx: &mut OrgTx,
    id: ReceiptId,
    post: PostId,
    connector: ConnectorId,
    attempt: i32,
    frozen: &Frozen,
) -> ActivityResult<Frozen> {
    let org = tx.org().uuid();
    let first = sqlx::query_scalar!("SELECT frozen FROM receipts WHERE post_id = $1 ORDER BY attempt LIMIT 1", post.uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?;
    let frozen: Frozen = match first {
        Some(value) => read_json(value)?,
        None => frozen.clone(),
    };
    sqlx::query!(
        "INSERT INTO receipts (id, org_id, post_id, connector_id, attempt, frozen, body_hash) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO NOTHING",
        id.uuid(),
        org,
        post.uuid(),
        connector.uuid(),
        attempt,
        write_json(&frozen)?,
        frozen.body_hash
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(frozen)
}

/// Takes the right to send this attempt. True exactly once, whoever asks and however often.
///
/// # Errors
/// When the database cannot answer. The claim may then have been taken: asking again answers false, and the attempt is looked up.
pub async fn claim(tx: &mut OrgTx, id: ReceiptId) -> ActivityResult<bool> {
    let row = sqlx::query_scalar!(
        "UPDATE receipts SET sent_at = now() WHERE id = $1 AND sent_at IS NULL AND outcome IS NULL RETURNING id",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    Ok(row.is_some())
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// `published`, `rejected`, `rate_limited`, `credentials_expired`, `not_sent`, `unknown` or `absent`.
    pub outcome: String,
    /// The platform's id of the post.
    pub external_id: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
    /// What came back, for a person.
    pub what: Option<String>,
    /// How it is known.
    pub resolved_by: Option<String>,
    /// What a look-up saw.
    pub evidence: Option<Value>,
}

impl Outcome {
    /// An outcome by its name alone.
    #[must_use]
    pub fn named(outcome: &str) -> Self {
        Self { outcome: outcome.to_owned(), external_id: None, url: None, what: None, resolved_by: None, evidence: None }
    }

    /// It is on the platform, and `how` says how that is known.
    #[must_use]
    pub fn published(sent: &Sent, how: &str) -> Self {
        Self {
            external_id: Some(sent.external_id.clone()),
            url: Some(sent.url.clone()).filter(|url| !url.is_empty()),
            resolved_by: Some(how.to_owned()),
            ..Self::named("published")
        }
    }
}

/// The frozen post of an attempt.
///
/// # Errors
/// [`ActivityError::NotFound`] when there is no such attempt.
pub async fn frozen(tx: &mut OrgTx, id: ReceiptId) -> ActivityResult<Frozen> {
    let value = sqlx::query_scalar!("SELECT frozen FROM receipts WHERE id = $1", id.uuid()).fetch_one(tx.conn()).await.map_err(classify)?;
    read_json(value)
}

/// One attempt.
///
/// # Errors
/// [`ActivityError::NotFound`] when there is no such attempt.
pub async fn outcome(tx: &mut OrgTx, id: ReceiptId) -> ActivityResult<Receipt> {
    let post = sqlx::query_scalar!("SELECT post_id FROM receipts WHERE id = $1", id.uuid()).fetch_one(tx.conn()).await.map_err(classify)?;
    let attempts = of_post(tx, PostId::from_uuid(post)).await?;
    attempts.into_iter().find(|a| a.id == id).ok_or_else(|| ActivityError::not_found("no such attempt"))
}

/// The platform's ids of the account's other posts that went out since `since`: a look-up cannot take one of them for this post.
///
/// # Errors
/// When the database cannot answer.
pub async fn published_ids(tx: &mut OrgTx, connector: ConnectorId, except: PostId, since: DateTime<Utc>) -> ActivityResult<Vec<String>> {
    sqlx::query_scalar!(
        r#"SELECT external_id AS "external_id!" FROM receipts
           WHERE connector_id = $1 AND post_id <> $2 AND armed_at >= $3 AND external_id IS NOT NULL"#,
        connector.uuid(),
        except.uuid(),
        since
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)
}

/// Notes what an attempt came to. A later word (a look-up after an unknown outcome) replaces an earlier one.
///
/// # Errors
/// When the database cannot answer.
pub async fn settle(tx: &mut OrgTx, id: ReceiptId, outcome: &Outcome) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE receipts SET answered_at = coalesce(answered_at, now()), outcome = $2, external_id = $3, url = $4, what = coalesce($5, what),
                resolved_by = $6, evidence = coalesce($7, evidence)
         WHERE id = $1 AND outcome IS DISTINCT FROM 'published'",
        id.uuid(),
        outcome.outcome,
        outcome.external_id,
        outcome.url,
        outcome.what,
        outcome.resolved_by,
        outcome.evidence
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The attempts of a post, in their order.
///
/// # Errors
/// When the database cannot answer.
pub async fn of_post(tx: &mut OrgTx, post: PostId) -> ActivityResult<Vec<Receipt>> {
    let rows = sqlx::query!(
        "SELECT id, attempt, body_hash, parts, armed_at, sent_at, answered_at, outcome, external_id, url, what, resolved_by, evidence
         FROM receipts WHERE post_id = $1 ORDER BY attempt",
        post.uuid()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(rows
        .into_iter()
        .map(|r| Receipt {
            id: ReceiptId::from_uuid(r.id),
            attempt: r.attempt,
            body_hash: r.body_hash,
            parts: r.parts,
            armed_at: r.armed_at,
            sent_at: r.sent_at,
            answered_at: r.answered_at,
            outcome: r.outcome,
            external_id: r.external_id,
            url: r.url,
            what: r.what,
            resolved_by: r.resolved_by,
            evidence: r.evidence,
        })
        .collect())
}

/// When the post may first have left the house; `None` when no attempt was sent.
///
/// # Errors
/// When the database cannot answer.
pub async fn first_sent_at(tx: &mut OrgTx, post: PostId) -> ActivityResult<Option<DateTime<Utc>>> {
    sqlx::query_scalar!("SELECT min(sent_at) FROM receipts WHERE post_id = $1", post.uuid()).fetch_one(tx.conn()).await.map_err(|e| match e
    {
        sqlx::Error::RowNotFound => ActivityError::not_found("no attempt of this post"),
        other => classify(other),
    })
}
