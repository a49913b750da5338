//! Families of rotating refresh tokens: each use replaces the token; using one that is not the newest ends the family.

use chrono::{DateTime, Utc};
use domain::ids::{SessionId, UserId};

use super::{OrgTx, classify};
use crate::ActivityResult;

/// Begins a family.
///
/// # Errors
/// When the database cannot answer.
pub async fn insert(tx: &mut OrgTx, id: SessionId, user: UserId, hash: &[u8], expires_at: DateTime<Utc>) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO sessions (id, org_id, user_id, hash, expires_at) VALUES ($1, $2, $3, $4, $5)",
        id.uuid(),
        org,
        user.uuid(),
        hash,
        expires_at
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Replaces the newest token. `false`: `old` is not the newest, or the family has ended.
///
/// One statement decides, so that of two uses of one token only one can win.
///
/// # Errors
/// When the database cannot answer.
pub async fn rotate(tx: &mut OrgTx, id: SessionId, old: &[u8], new: &[u8]) -> ActivityResult<bool> {
    let done = sqlx::query!(
        "UPDATE sessions SET hash = $3 WHERE id = $1 AND hash = $2 AND revoked_at IS NULL AND expires_at > now()",
        id.uuid(),
        old,
        new
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(done.rows_affected() == 1)
}

/// Ends a family; one that has ended stays so.
///
/// # Errors
/// When the database cannot answer.
pub async fn revoke(tx: &mut OrgTx, id: SessionId) -> ActivityResult<()> {
    sqlx::query!("UPDATE sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", id.uuid())
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    Ok(())
}
