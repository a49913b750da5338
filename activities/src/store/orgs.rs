//! Tenants.

use super::{OrgTx, classify};
use crate::ActivityResult;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Org {
    /// Name for people.
    pub name: String,
    /// Tokens that it may spend on language models in a calendar month (UTC); `None`: no limit.
    pub token_budget: Option<i64>,
}

/// Creates the transaction's org; one that exists stays as it is.
///
/// # Errors
/// When the database cannot answer.
pub async fn insert(tx: &mut OrgTx, name: &str) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!("INSERT INTO orgs (org_id, name) VALUES ($1, $2) ON CONFLICT (org_id) DO NOTHING", org, name)
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    Ok(())
}

/// The transaction's org.
///
/// # Errors
/// When the database cannot answer.
pub async fn get(tx: &mut OrgTx) -> ActivityResult<Option<Org>> {
    let row = sqlx::query!("SELECT name, token_budget FROM orgs").fetch_optional(tx.conn()).await.map_err(classify)?;
    Ok(row.map(|r| Org { name: r.name, token_budget: r.token_budget }))
}

/// Sets the sealed secret that signs the org's metrics webhooks; `None` ends taking them in.
///
/// # Errors
/// When the database cannot answer.
pub async fn set_webhook_secret(tx: &mut OrgTx, sealed: Option<&[u8]>) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!("UPDATE orgs SET webhook_secret = $2 WHERE org_id = $1", org, sealed).execute(tx.conn()).await.map_err(classify)?;
    Ok(())
}
