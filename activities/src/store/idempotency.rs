//! Answers given under an `Idempotency-Key`, and who is working on one that has none yet.

use chrono::{DateTime, Utc};

use super::{OrgTx, classify};
use crate::ActivityResult;

/// For how long a key is remembered, in hours.
pub const REMEMBERED_HOURS: i32 = 24;

/// How many seconds a request may be worked on before another may take it over. Taking over is safe at any time, because what a request
/// does is idempotent by ids that come from its key; the lease only keeps two from working in vain.
pub const LEASE_SECONDS: i32 = 10;

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The `Location` header.
    pub location: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a request with a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// Work: nobody does. `first_seen` is the same for every repeat of this key.
    Mine {
        /// When the key was first seen.
        first_seen: DateTime<Utc>,
    },
    /// Come back later: somebody is working on it.
    InUse,
    /// Repeat this answer.
    Answered(Answer),
    /// Refuse: the key belongs to another request.
    OtherRequest,
}

/// Reserves `key` for the request that hashes to `request_hash`, or says why not.
///
/// # Errors
/// When the database cannot answer.
pub async fn reserve(tx: &mut OrgTx, key: &str, request_hash: &[u8]) -> ActivityResult<Reservation> {
    let org = tx.org().uuid();
    // A key that is too old counts as new.
    let mine = sqlx::query_scalar!(
        "INSERT INTO idempotency_keys AS k (org_id, key, request_hash, leased_at) VALUES ($1, $2, $3, now())
         ON CONFLICT (org_id, key) DO UPDATE SET leased_at = now(), request_hash = $3, status = NULL, location = NULL, body = NULL,
                 created_at = CASE WHEN k.created_at < now() - make_interval(hours => $5) THEN now() ELSE k.created_at END
             WHERE k.created_at < now() - make_interval(hours => $5)
                OR (k.status IS NULL AND k.request_hash = $3 AND (k.leased_at IS NULL OR k.leased_at < now() - make_interval(secs => $4)))
         RETURNING created_at",
        org,
        key,
        request_hash,
        f64::from(LEASE_SECONDS),
        REMEMBERED_HOURS
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    if let Some(first_seen) = mine {
        return Ok(Reservation::Mine { first_seen });
    }
    let row = sqlx::query!("SELECT request_hash, status, location, body FROM idempotency_keys WHERE key = $1", key)
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?;
    Ok(match row {
        Some(row) if row.request_hash != request_hash => Reservation::OtherRequest,
        Some(row) => match row.status.map(u16::try_from) {
            Some(Ok(status)) => Reservation::Answered(Answer { status, location: row.location, body: row.body.unwrap_or_default() }),
            _ => Reservation::InUse,
        },
        None => Reservation::InUse,
    })
}

/// Keeps the answer; the first one stands. Sweeps a few old keys besides, so that none needs a job of its own.
///
/// # Errors
/// When the database cannot answer.
pub async fn keep(tx: &mut OrgTx, key: &str, request_hash: &[u8], answer: &Answer) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE idempotency_keys SET status = $3, location = $4, body = $5, leased_at = NULL
         WHERE key = $1 AND request_hash = $2 AND status IS NULL",
        key,
        request_hash,
        i16::try_from(answer.status).unwrap_or(i16::MAX),
        answer.location,
        answer.body
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    sqlx::query!(
        "DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM idempotency_keys WHERE created_at < now() - make_interval(hours => $1) ORDER BY created_at LIMIT 20
             FOR UPDATE SKIP LOCKED))",
        REMEMBERED_HOURS
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Lets the next repeat work on it at once: the answer was one that a repeat may better.
///
/// # Errors
/// When the database cannot answer.
pub async fn release(tx: &mut OrgTx, key: &str, request_hash: &[u8]) -> ActivityResult<()> {
    sqlx::query!("UPDATE idempotency_keys SET leased_at = NULL WHERE key = $1 AND request_hash = $2 AND status IS NULL", key, request_hash)
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    Ok(())
}
