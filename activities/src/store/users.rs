//! People who sign in.

use domain::ids::UserId;

use super::{OrgTx, classify};
use crate::ActivityResult;

/// A person of this org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who it is.
    pub id: UserId,
    /// Where mail reaches them; what they sign in with.
    pub email: String,
    /// Name for people.
    pub name: String,
    /// The role that they act in.
    pub role: String,
}

/// Creates a user; the same id a second time changes nothing.
///
/// # Errors
/// [`crate::ActivityError::Rejected`] when the address belongs to somebody already.
pub async fn insert(tx: &mut OrgTx, user: &User, password_hash: &str) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO users (id, org_id, email, name, role, password_hash) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
        user.id.uuid(),
        org,
        user.email,
        user.name,
        user.role,
        password_hash
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The user `id` of this org.
///
/// # Errors
/// When the database cannot answer.
pub async fn get(tx: &mut OrgTx, id: UserId) -> ActivityResult<Option<User>> {
    let row = sqlx::query!("SELECT id, email, name, role FROM users WHERE id = $1", id.uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?;
    Ok(row.map(|r| User { id: UserId::from_uuid(r.id), email: r.email, name: r.name, role: r.role }))
}
