//! The questions that are asked before an org is known. Each goes through a function of the database that answers one row by a unique or
//! unguessable key, as its owner; the application's role cannot read those tables across orgs.

use chrono::{DateTime, Utc};
use domain::ids::{ApiKeyId, OrgId, SessionId, UserId};

use super::{Store, classify};
use crate::ActivityResult;

/// An API key as it is stored.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    /// The org that it belongs to.
    pub org: OrgId,
    /// The role that it acts in.
    pub role: String,
    /// SHA-256 of its secret part.
    pub hash: Vec<u8>,
    /// What its owner calls it.
    pub name: String,
}

/// A user as signing in needs it.
#[derive(Debug, Clone)]
pub struct UserRecord {
    /// Who it is.
    pub id: UserId,
    /// The org that it belongs to.
    pub org: OrgId,
    /// The role that it acts in.
    pub role: String,
    /// PHC string of the password.
    pub password_hash: String,
    /// Name for people.
    pub name: String,
}

/// A family of refresh tokens.
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// The org of its user.
    pub org: OrgId,
    /// Whose it is.
    pub user: UserId,
    /// The user's role now.
    pub role: String,
    /// SHA-256 of the newest token.
    pub hash: Vec<u8>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// When it was ended.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The API key `id`, unless there is none or it was revoked.
///
/// # Errors
/// When the database cannot answer.
pub async fn api_key(store: &Store, id: ApiKeyId) -> ActivityResult<Option<KeyRecord>> {
    let row =
        sqlx::query!(r#"SELECT org_id AS "org_id!", role AS "role!", hash AS "hash!", name AS "name!" FROM find_api_key($1)"#, id.uuid())
            .fetch_optional(store.pool())
            .await
            .map_err(classify)?;
    Ok(row.map(|r| KeyRecord { org: OrgId::from_uuid(r.org_id), role: r.role, hash: r.hash, name: r.name }))
}

/// The user with this e-mail address, in whatever case it was typed.
///
/// # Errors
/// When the database cannot answer.
pub async fn user(store: &Store, email: &str) -> ActivityResult<Option<UserRecord>> {
    let row = sqlx::query!(
        r#"SELECT id AS "id!", org_id AS "org_id!", role AS "role!", password_hash AS "password_hash!", name AS "name!" FROM find_user($1)"#,
        email
    )
    .fetch_optional(store.pool())
    .await
    .map_err(classify)?;
    Ok(row.map(|r| UserRecord {
        id: UserId::from_uuid(r.id),
        org: OrgId::from_uuid(r.org_id),
        role: r.role,
        password_hash: r.password_hash,
        name: r.name,
    }))
}

/// The family of refresh tokens `id`.
///
/// # Errors
/// When the database cannot answer.
pub async fn session(store: &Store, id: SessionId) -> ActivityResult<Option<SessionRecord>> {
    let row = sqlx::query!(
        r#"SELECT org_id AS "org_id!", user_id AS "user_id!", role AS "role!", hash AS "hash!", expires_at AS "expires_at!", revoked_at
           FROM find_session($1)"#,
        id.uuid()
    )
    .fetch_optional(store.pool())
    .await
    .map_err(classify)?;
    Ok(row.map(|r| SessionRecord {
        org: OrgId::from_uuid(r.org_id),
        user: UserId::from_uuid(r.user_id),
        role: r.role,
        hash: r.hash,
        expires_at: r.expires_at,
        revoked_at: r.revoked_at,
    }))
}

/// The sealed webhook secret of `org`; `None` when the org is unknown or takes no webhooks.
///
/// # Errors
/// When the database cannot answer.
pub async fn webhook_secret(store: &Store, org: OrgId) -> ActivityResult<Option<Vec<u8>>> {
    let row = sqlx::query!("SELECT webhook_secret FROM find_org($1)", org.uuid()).fetch_optional(store.pool()).await.map_err(classify)?;
    Ok(row.and_then(|r| r.webhook_secret))
}

/// Where the short link `code` leads; the visit is counted if `counts`.
///
/// # Errors
/// When the database cannot answer.
pub async fn follow_link(store: &Store, code: &str, counts: bool) -> ActivityResult<Option<String>> {
    sqlx::query_scalar!("SELECT follow_link($1, $2)", code, counts).fetch_one(store.pool()).await.map_err(classify)
}
