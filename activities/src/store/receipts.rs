//! Receipts: one row for each attempt to send a part of a post. They are what makes "sent once, or known" more than a wish.
//!
//! The row is written before anything is sent ([`arm`]). Just before the first byte leaves, the attempt is claimed ([`claim`]): exactly one
//! process ever gets the claim, so an attempt whose process died after it is looked up, never sent again blindly.

use chrono::{DateTime, Utc};
use domain::{
    ids::{ConnectorId, PostId, ReceiptId},
    publication::{Frozen, PartKind, SendClass, Sent},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OrgTx, classify, parts::number, read_json, write_json};
use crate::{ActivityError, ActivityResult};

/// An attempt to send a part of a post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its id.
    pub id: ReceiptId,
    /// Which part of the post, from 0.
    #[serde(default)]
    pub part: u32,
    /// What that part is.
    #[serde(default = "post")]
    pub kind: String,
    /// Counts the attempts of the part, from 1.
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
    /// What the account offered against sending twice when the bytes were frozen.
    pub class: Option<SendClass>,
    /// The hash of the platform's record, where it has one.
    #[serde(default)]
    pub cid: Option<String>,
    /// Whether a further attempt sends these very bytes: they were frozen under the approval in force.
    #[serde(default)]
    pub in_force: bool,
}

fn post() -> String {
    "post".to_owned()
}

impl Receipt {
    /// Whether it may have been sent and nothing is known of its outcome.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.sent_at.is_some() && matches!(self.outcome.as_deref(), None | Some("unknown"))
    }
}

/// An attempt to be.
#[derive(Debug, Clone, Copy)]
pub struct Intent<'a> {
    /// The receipt's id.
    pub id: ReceiptId,
    /// The post.
    pub post: PostId,
    /// The account.
    pub connector: ConnectorId,
    /// Which part of the post, from 0.
    pub part: u32,
    /// What that part is.
    pub kind: PartKind,
    /// How many parts the post has.
    pub parts: u32,
    /// Counts the attempts of the part, from 1.
    pub attempt: i32,
    /// The approval that the bytes are made under.
    pub approved_hash: &'a [u8],
}

/// Stores the intent of an attempt. It sends the bytes of the part's first attempt under the same approval, with the same keys, if there was one and
/// no attempt was refused since; `frozen` otherwise.
///
/// # Errors
/// When the database cannot answer.
pub async fn arm(tx: &mut OrgTx, intent: &Intent<'_>, frozen: &Frozen) -> ActivityResult<()> {
    let org = tx.org().uuid();
    let part = number(intent.part);
    let first = sqlx::query_scalar!(
        "SELECT frozen FROM receipts r WHERE post_id = $1 AND part = $2 AND coalesce(approved_hash, $3) = $3
         AND attempt > (SELECT coalesce(max(attempt), 0) FROM receipts WHERE post_id = $1 AND part = $2 AND outcome = 'rejected')
         ORDER BY attempt LIMIT 1",
        intent.post.uuid(),
        part,
        intent.approved_hash
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    let frozen: Frozen = match first {
        Some(value) => read_json(value)?,
        None => frozen.clone(),
    };
    sqlx::query!(
        "INSERT INTO receipts (id, org_id, post_id, connector_id, part, kind, parts, attempt, frozen, body_hash, approved_hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING",
        intent.id.uuid(),
        org,
        intent.post.uuid(),
        intent.connector.uuid(),
        part,
        intent.kind.as_str(),
        number(intent.parts),
        intent.attempt,
        write_json(&frozen)?,
        frozen.body_hash,
        intent.approved_hash
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
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
    /// `published`, `rejected`, `rate_limited`, `credentials_expired`, `not_sent`, `refused_by_settings`, `unknown` or `absent`.
    pub outcome: String,
    /// The platform's id of the post.
    pub external_id: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
    /// The hash of the platform's record, where it has one.
    #[serde(default)]
    pub cid: Option<String>,
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
        Self { outcome: outcome.to_owned(), external_id: None, url: None, cid: None, what: None, resolved_by: None, evidence: None }
    }

    /// It is on the platform, and `how` says how that is known.
    #[must_use]
    pub fn published(sent: &Sent, how: &str) -> Self {
        Self {
            external_id: Some(sent.external_id.clone()),
            url: Some(sent.url.clone()).filter(|url| !url.is_empty()),
            cid: sent.cid.clone(),
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

/// The platform's ids of the account's other posts, and of this one's other parts, that went out since `since`: a look-up cannot take one of them
/// for this part.
///
/// # Errors
/// When the database cannot answer.
pub async fn published_ids(
    tx: &mut OrgTx,
    connector: ConnectorId,
    except: PostId,
    part: u32,
    since: DateTime<Utc>,
) -> ActivityResult<Vec<String>> {
    sqlx::query_scalar!(
        r#"SELECT external_id AS "external_id!" FROM receipts
           WHERE connector_id = $1 AND NOT (post_id = $2 AND part = $3) AND armed_at >= $4 AND external_id IS NOT NULL"#,
        connector.uuid(),
        except.uuid(),
        number(part),
        since
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)
}

/// Notes what an attempt came to. A later word (a look-up after an unknown outcome) replaces an earlier one. One that our own settings refused was
/// never sent, though its claim says so.
///
/// # Errors
/// When the database cannot answer.
pub async fn settle(tx: &mut OrgTx, id: ReceiptId, outcome: &Outcome) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE receipts SET answered_at = coalesce(answered_at, now()), outcome = $2,
                sent_at = CASE WHEN $2 = 'refused_by_settings' THEN NULL ELSE sent_at END, external_id = $3, url = $4, what = coalesce($5, what),
                resolved_by = $6, evidence = coalesce($7, evidence), cid = $8
         WHERE id = $1 AND outcome IS DISTINCT FROM 'published'",
        id.uuid(),
        outcome.outcome,
        outcome.external_id,
        outcome.url,
        outcome.what,
        outcome.resolved_by,
        outcome.evidence,
        outcome.cid
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The attempts of a post, part by part, in their order.
///
/// # Errors
/// When the database cannot answer.
pub async fn of_post(tx: &mut OrgTx, post: PostId) -> ActivityResult<Vec<Receipt>> {
    let rows = sqlx::query!(
        r#"SELECT r.id, r.part, r.kind, r.attempt, r.body_hash, r.parts, r.armed_at, r.sent_at, r.answered_at, r.outcome, r.external_id, r.url,
                  r.cid, r.what, r.resolved_by, r.evidence, r.frozen ->> 'class' AS class,
                  coalesce(r.approved_hash = p.approved_hash, true) AS "in_force!"
           FROM receipts r JOIN posts p ON p.id = r.post_id WHERE r.post_id = $1 ORDER BY r.part, r.attempt"#,
        post.uuid()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(rows
        .into_iter()
        .map(|r| Receipt {
            id: ReceiptId::from_uuid(r.id),
            part: u32::try_from(r.part).unwrap_or_default(),
            kind: r.kind,
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
            class: r.class.and_then(|class| serde_json::from_value(Value::String(class)).ok()),
            cid: r.cid,
            in_force: r.in_force,
        })
        .collect())
}

/// When the part may first have left the house, and when last; `None` when no attempt was sent.
///
/// # Errors
/// When the database cannot answer.
pub async fn sent_between(tx: &mut OrgTx, post: PostId, part: u32) -> ActivityResult<Option<(DateTime<Utc>, DateTime<Utc>)>> {
    let sent = sqlx::query!(
        "SELECT min(sent_at) AS first, max(sent_at) AS last FROM receipts WHERE post_id = $1 AND part = $2",
        post.uuid(),
        number(part)
    );
    let sent = sent.fetch_one(tx.conn()).await.map_err(classify)?;
    Ok(sent.first.zip(sent.last))
}
