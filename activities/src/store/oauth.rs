//! OAuth authorisations that were begun: each is bound to the org and to whoever began it, works once, and for ten minutes.

use domain::{ids::OrgId, platform::Platform};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{OrgTx, Store, classify};
use crate::{ActivityError, ActivityResult};

/// How long a person has to answer the platform's question, in minutes.
pub const LIFETIME_MINUTES: i32 = 10;

/// An authorisation under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Where the account is.
    pub platform: Platform,
    /// The server it lives on.
    pub base_url: String,
    /// The application's secrets and the PKCE verifier, sealed for [`seal_context`].
    pub sealed: Vec<u8>,
    /// The API key, or the person, that began it.
    pub begun_by: Uuid,
    /// Whether that is a person.
    pub begun_by_person: bool,
}

/// The hash under which what a person has to choose from is stored: never that of a state parameter, whatever the token.
#[must_use]
pub fn choice_hash(token: &str) -> [u8; 32] {
    Sha256::new().chain_update(b"choice:").chain_update(token).finalize().into()
}

/// The row identity that the sealed secrets are bound to.
#[must_use]
pub fn seal_context(org: OrgId, state_hash: &[u8; 32]) -> String {
    format!("oauth_states/{org}/{}", state_hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Stores an authorisation under the hash of its state parameter. Those of the org that are long over are removed.
///
/// # Errors
/// When the database cannot answer.
pub async fn begin(tx: &mut OrgTx, state_hash: &[u8; 32], authorization: &Authorization) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!("DELETE FROM oauth_states WHERE created_at < now() - interval '1 day'").execute(tx.conn()).await.map_err(classify)?;
    sqlx::query!(
        "INSERT INTO oauth_states (state_hash, org_id, platform, base_url, sealed, begun_by, begun_by_person)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        state_hash.as_slice(),
        org,
        authorization.platform.as_str(),
        authorization.base_url,
        authorization.sealed,
        authorization.begun_by,
        authorization.begun_by_person
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The org in which an authorisation with this state was begun.
///
/// # Errors
/// When the database cannot answer.
pub async fn org_of(store: &Store, state_hash: &[u8; 32]) -> ActivityResult<Option<OrgId>> {
    let org = sqlx::query_scalar!(r#"SELECT org_id AS "org_id!" FROM find_oauth_state($1)"#, state_hash.as_slice())
        .fetch_optional(store.pool())
        .await
        .map_err(classify)?;
    Ok(org.map(OrgId::from_uuid))
}

/// What came of using up an authorisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is the caller's, and nobody else's.
    Valid(Authorization),
    /// Its time is over.
    Expired,
    /// There is none, or somebody was faster.
    Unknown,
}

/// Uses up the authorisation with this state: of two that come at once one gets it. To be committed before anything is done with it.
///
/// # Errors
/// When the database cannot answer.
pub async fn take(tx: &mut OrgTx, state_hash: &[u8; 32]) -> ActivityResult<Taken> {
    let row = sqlx::query!(
        r#"DELETE FROM oauth_states WHERE state_hash = $1
           RETURNING platform, base_url, sealed, begun_by, begun_by_person, created_at < now() - make_interval(mins => $2) AS "expired!""#,
        state_hash.as_slice(),
        LIFETIME_MINUTES
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    let Some(row) = row else { return Ok(Taken::Unknown) };
    if row.expired {
        return Ok(Taken::Expired);
    }
    Ok(Taken::Valid(Authorization {
        platform: row.platform.parse().map_err(|e| ActivityError::rejected(format_args!("a stored authorisation cannot be read: {e}")))?,
        base_url: row.base_url,
        sealed: row.sealed,
        begun_by: row.begun_by,
        begun_by_person: row.begun_by_person,
    }))
}
