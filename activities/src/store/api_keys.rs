//! API keys. Only the hash of a key's secret part is stored.

use domain::ids::ApiKeyId;

use super::{OrgTx, classify};
use crate::ActivityResult;

/// Stores a key; the same id a second time changes nothing.
///
/// # Errors
/// When the database cannot answer, or `role` is none.
pub async fn insert(tx: &mut OrgTx, id: ApiKeyId, name: &str, role: &str, hash: &[u8]) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO api_keys (id, org_id, name, role, hash) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
        id.uuid(),
        org,
        name,
        role,
        hash
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Ends a key. Gateways that used it in the last few seconds may honour it until their cache ages out.
///
/// Says whether there was such a key that had not been ended.
///
/// # Errors
/// When the database cannot answer.
pub async fn revoke(tx: &mut OrgTx, id: ApiKeyId) -> ActivityResult<bool> {
    let done = sqlx::query!("UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", id.uuid())
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    Ok(done.rows_affected() == 1)
}
