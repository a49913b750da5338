//! Connectors: connected social accounts. Their credentials are stored sealed and leave this module only sealed.

use chrono::{DateTime, Utc};
use domain::{ids::ConnectorId, platform::Platform};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OrgTx, classify};
use crate::{ActivityError, ActivityResult};

/// A connected account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connector {
    /// Its id.
    pub id: ConnectorId,
    /// Its platform.
    pub platform: Platform,
    /// The server it lives on.
    pub base_url: String,
    /// Its name on the platform.
    pub handle: String,
    /// The platform's own id of it.
    pub remote_id: String,
    /// The server's software, where it tells (`mastodon`, `snac`).
    pub software: Option<String>,
    /// The server's own limit of a post's length, where it tells.
    pub max_characters: Option<i32>,
    /// When its token ends, where the platform tells.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// What its token allows, where the platform tells.
    pub scopes: Vec<String>,
    /// `connected`, `needs_reconnect` or `disconnected`.
    pub state: String,
    /// What the platform said when the state last changed.
    pub state_reason: Option<String>,
    /// The rate budget as the platform last told it.
    pub budget: Option<Value>,
    /// When the account was last checked.
    pub checked_at: Option<DateTime<Utc>>,
    /// When it was connected.
    pub created_at: DateTime<Utc>,
}

/// The row identity that sealed credentials are bound to: sealed for one account, they cannot be opened as another's.
#[must_use]
pub fn seal_context(tx: &OrgTx, id: ConnectorId) -> String {
    format!("connectors/{}/{id}", tx.org())
}

/// Stores an account, or what is newly known of it. `sealed` replaces its credentials.
///
/// # Errors
/// When the database cannot answer.
pub async fn save(tx: &mut OrgTx, c: &Connector, sealed: &[u8]) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO connectors (id, org_id, platform, base_url, handle, remote_id, software, max_characters, credentials, token_expires_at, scopes, checked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now())
         ON CONFLICT (id) DO UPDATE SET handle = excluded.handle, remote_id = excluded.remote_id, software = excluded.software,
             max_characters = excluded.max_characters, credentials = excluded.credentials, token_expires_at = excluded.token_expires_at,
             scopes = excluded.scopes, refresh_started_at = NULL, refresh_token_hash = NULL,
             checked_at = now(), state = 'connected', state_reason = NULL",
        c.id.uuid(),
        org,
        c.platform.as_str(),
        c.base_url,
        c.handle,
        c.remote_id,
        c.software,
        c.max_characters,
        sealed,
        c.token_expires_at,
        &c.scopes
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The account `id`.
///
/// # Errors
/// When the database cannot answer.
pub async fn get(tx: &mut OrgTx, id: ConnectorId) -> ActivityResult<Option<Connector>> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, platform, base_url, handle, remote_id, software, max_characters, token_expires_at, scopes, state, state_reason, budget, checked_at, created_at
         FROM connectors WHERE id = $1",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    row.map(Row::read).transpose()
}

/// The account `id`, which must exist.
///
/// # Errors
/// [`ActivityError::NotFound`] when it does not.
pub async fn require(tx: &mut OrgTx, id: ConnectorId) -> ActivityResult<Connector> {
    get(tx, id).await?.ok_or_else(|| ActivityError::not_found(format_args!("the connector {id} does not exist")))
}

/// A page of accounts in the order of their ids, after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(tx: &mut OrgTx, after: Option<ConnectorId>, limit: i64) -> ActivityResult<Vec<Connector>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, platform, base_url, handle, remote_id, software, max_characters, token_expires_at, scopes, state, state_reason, budget, checked_at, created_at
         FROM connectors WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2",
        after.map(ConnectorId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    rows.into_iter().map(Row::read).collect()
}

/// The account's sealed credentials.
///
/// # Errors
/// [`ActivityError::CredentialsExpired`] when it has none (any more).
pub async fn sealed_credentials(tx: &mut OrgTx, id: ConnectorId) -> ActivityResult<Vec<u8>> {
    sqlx::query_scalar!("SELECT credentials FROM connectors WHERE id = $1 AND state <> 'disconnected'", id.uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?
        .flatten()
        .ok_or_else(|| ActivityError::credentials_expired("the account is disconnected"))
}

/// What a renewal has brought.
#[derive(Debug, Clone, Copy)]
pub struct Renewed<'a> {
    /// The new credentials, sealed.
    pub sealed: &'a [u8],
    /// When their token ends.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// What it allows.
    pub scopes: &'a [String],
}

/// Notes that a renewal begins with the token of this hash, to be committed before the platform is asked. Answers when an earlier one was begun with
/// the same token, of which nobody knows how it ended.
///
/// # Errors
/// When the database cannot answer.
pub async fn begin_renewal(tx: &mut OrgTx, id: ConnectorId, token_hash: &[u8; 32]) -> ActivityResult<Option<DateTime<Utc>>> {
    let before = sqlx::query!("SELECT refresh_started_at, refresh_token_hash FROM connectors WHERE id = $1 FOR UPDATE", id.uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?;
    let same = before.filter(|before| before.refresh_token_hash.as_deref() == Some(token_hash.as_slice()));
    if let Some(started_at) = same.and_then(|before| before.refresh_started_at) {
        return Ok(Some(started_at));
    }
    sqlx::query!(
        "UPDATE connectors SET refresh_started_at = now(), refresh_token_hash = $2 WHERE id = $1",
        id.uuid(),
        token_hash.as_slice()
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(None)
}

/// Ends a renewal: with what it brought, or with nothing. One that was overtaken, because a person connected the account meanwhile, changes nothing.
///
/// # Errors
/// When the database cannot answer.
pub async fn end_renewal(tx: &mut OrgTx, id: ConnectorId, token_hash: &[u8; 32], renewed: Option<Renewed<'_>>) -> ActivityResult<()> {
    let query = match renewed {
        Some(Renewed { sealed, token_expires_at, scopes }) => sqlx::query!(
            "UPDATE connectors SET credentials = $3, token_expires_at = $4, scopes = $5, state = 'connected', state_reason = NULL, checked_at = now(),
                 refresh_started_at = NULL, refresh_token_hash = NULL
             WHERE id = $1 AND refresh_token_hash = $2 AND state <> 'disconnected'",
            id.uuid(),
            token_hash.as_slice(),
            sealed,
            token_expires_at,
            scopes
        )
        .execute(tx.conn())
        .await,
        None => {
            sqlx::query!(
                "UPDATE connectors SET refresh_started_at = NULL, refresh_token_hash = NULL WHERE id = $1 AND refresh_token_hash = $2",
                id.uuid(),
                token_hash.as_slice()
            )
            .execute(tx.conn())
            .await
        }
    };
    query.map_err(classify)?;
    Ok(())
}

/// Notes the state that the account is in, and why. A disconnected one stays that until it is connected again ([`save`]).
///
/// # Errors
/// When the database cannot answer.
pub async fn set_state(tx: &mut OrgTx, id: ConnectorId, state: &str, reason: Option<&str>) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE connectors SET state = $2, state_reason = $3, checked_at = now() WHERE id = $1 AND state <> 'disconnected'",
        id.uuid(),
        state,
        reason
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Ends the connection: the credentials are deleted, the account stays for the posts that went out by it.
///
/// # Errors
/// When the database cannot answer.
pub async fn disconnect(tx: &mut OrgTx, id: ConnectorId) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE connectors SET state = 'disconnected', state_reason = NULL, credentials = NULL, refresh_token_hash = NULL WHERE id = $1",
        id.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Notes the rate budget that the platform told.
///
/// # Errors
/// When the database cannot answer.
pub async fn set_budget(tx: &mut OrgTx, id: ConnectorId, budget: &Value) -> ActivityResult<()> {
    sqlx::query!("UPDATE connectors SET budget = $2 WHERE id = $1", id.uuid(), budget).execute(tx.conn()).await.map_err(classify)?;
    Ok(())
}

/// The account that is this one on its platform, if it was connected before. Until the transaction ends, whoever else asks for the same account waits:
/// of two who connect it at once, one makes its row, and the other finds it.
///
/// # Errors
/// When the database cannot answer.
pub async fn same_account(tx: &mut OrgTx, platform: Platform, base_url: &str, remote_id: &str) -> ActivityResult<Option<ConnectorId>> {
    let account = format!("connectors/{}/{platform}/{base_url}/{remote_id}", tx.org());
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", account).execute(tx.conn()).await.map_err(classify)?;
    let id = sqlx::query_scalar!(
        "SELECT id FROM connectors WHERE platform = $1 AND base_url = $2 AND remote_id = $3 ORDER BY id LIMIT 1",
        platform.as_str(),
        base_url,
        remote_id
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    Ok(id.map(ConnectorId::from_uuid))
}

struct Row {
    id: sqlx::types::Uuid,
    platform: String,
    base_url: String,
    handle: String,
    remote_id: String,
    software: Option<String>,
    max_characters: Option<i32>,
    token_expires_at: Option<DateTime<Utc>>,
    scopes: Vec<String>,
    state: String,
    state_reason: Option<String>,
    budget: Option<Value>,
    checked_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl Row {
    fn read(self) -> ActivityResult<Connector> {
        Ok(Connector {
            id: ConnectorId::from_uuid(self.id),
            platform: self.platform.parse().map_err(|e| ActivityError::rejected(format_args!("a stored connector cannot be read: {e}")))?,
            base_url: self.base_url,
            handle: self.handle,
            remote_id: self.remote_id,
            software: self.software,
            max_characters: self.max_characters,
            token_expires_at: self.token_expires_at,
            scopes: self.scopes,
            state: self.state,
            state_reason: self.state_reason,
            budget: self.budget,
            checked_at: self.checked_at,
            created_at: self.created_at,
        })
    }
}
