//! The account behind a lane: its credentials, its health, its counters.

use domain::{
    ids::{ConnectorId, OrgId},
    platform::TextLimits,
};
use url::Url;

use super::Publishing;
use crate::{
    ActivityError, ActivityResult,
    platform::{self, Account, Credentials, Limits},
    store::{OrgTx, connectors},
    vault::{Sealed, Vault},
};

/// Looks whether the account works.
///
/// # Errors
/// [`ActivityError::CredentialsExpired`] when a person has to reconnect.
pub async fn check(p: &Publishing<'_>, org: OrgId, id: ConnectorId) -> ActivityResult<()> {
    let mut tx = p.store.in_org(org).await?;
    let account = account(&connectors::require(&mut tx, id).await?)?;
    let credentials = open_credentials(p, &mut tx, id).await?;
    tx.commit().await?;
    platform::check(p.outgoing, &account, &credentials).await.map(|_| ())
}

/// The platform's counters of a post.
///
/// # Errors
/// [`ActivityError::NotFound`] when the post is gone from the platform.
pub async fn read_counters(
    p: &Publishing<'_>,
    org: OrgId,
    id: ConnectorId,
    external_id: &str,
) -> ActivityResult<domain::metrics::Counters> {
    let mut tx = p.store.in_org(org).await?;
    let account = account(&connectors::require(&mut tx, id).await?)?;
    let credentials = open_credentials(p, &mut tx, id).await?;
    tx.commit().await?;
    Ok(platform::metrics(p.outgoing, &account, &credentials, external_id).await?.value)
}

/// Seals an account's credentials for its row.
///
/// # Errors
/// When the cipher fails.
pub fn seal_credentials(vault: &Vault, tx: &OrgTx, id: ConnectorId, credentials: &Credentials) -> ActivityResult<Sealed> {
    use secrecy::ExposeSecret as _;
    Ok(vault.seal(&connectors::seal_context(tx, id), credentials.to_plaintext()?.expose_secret().as_bytes())?)
}

pub(super) async fn open_credentials(p: &Publishing<'_>, tx: &mut OrgTx, id: ConnectorId) -> ActivityResult<Credentials> {
    use secrecy::ExposeSecret as _;
    let sealed = Sealed::from_bytes(connectors::sealed_credentials(tx, id).await?);
    let text = p.vault.open_text(&connectors::seal_context(tx, id), &sealed)?;
    Credentials::from_plaintext(text.expose_secret())
}

/// An account as the platforms' code takes it.
///
/// # Errors
/// When its stored address is not one.
pub fn account(row: &connectors::Connector) -> ActivityResult<Account> {
    Ok(Account {
        platform: row.platform,
        base_url: Url::parse(&row.base_url)
            .map_err(|e| ActivityError::rejected(format_args!("the account's server address is not one: {e}")))?,
        handle: row.handle.clone(),
        remote_id: row.remote_id.clone(),
        software: row.software.clone(),
        limits: Limits { max_characters: row.max_characters.and_then(|n| u32::try_from(n).ok()), ..Limits::default() },
    })
}

/// What a text for the account may hold: its platform's limits, or what its own server says.
#[must_use]
pub fn limits(row: &connectors::Connector) -> TextLimits {
    TextLimits::from(row.platform).with_instance(row.max_characters.and_then(|n| u32::try_from(n).ok()), None)
}
