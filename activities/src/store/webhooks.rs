//! Signed deliveries that were taken in.

use super::{OrgTx, classify};
use crate::ActivityResult;

/// Remembers a delivery by the hash of its signature. `false`: it was taken in before.
///
/// # Errors
/// When the database cannot answer.
pub async fn take_in(tx: &mut OrgTx, delivery: &[u8]) -> ActivityResult<bool> {
    let org = tx.org().uuid();
    // Deliveries older than any tolerance are refused by their time alone and need not be remembered.
    sqlx::query!("DELETE FROM webhook_deliveries WHERE received_at < now() - interval '3 days'")
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    let done = sqlx::query!("INSERT INTO webhook_deliveries (org_id, delivery) VALUES ($1, $2) ON CONFLICT DO NOTHING", org, delivery)
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    Ok(done.rows_affected() == 1)
}
