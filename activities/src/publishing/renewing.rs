//! Renewing an account's token, alone in its lane.
//!
//! On many platforms a renewal token works once. The platform's answer is then the only copy of the next one, and a process that ends between the
//! answer and its note loses it. So the intent is noted first, with the hash of the token that is used. After a crash, or a time-out, the old token
//! is tried again: platforms with a grace period give the same answer once more. Where the old one is refused, it is known why, and a person is told.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{ConnectorId, OrgId};
use serde::{Deserialize, Serialize};

use super::{
    Publishing,
    accounts::{account, open_credentials, seal_credentials},
};
use crate::{
    ActivityError, ActivityResult,
    platform::{self, Account, Credentials},
    store::connectors::{self, Renewed},
};

/// The pauses between attempts to keep what a renewal brought: it exists nowhere else.
const KEEPING: [Duration; 7] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// When a token is to be renewed without anybody asking, because it could not be once it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextRenewal {
    /// When the token ends; another one is in force if it differs.
    pub expires_at: DateTime<Utc>,
    /// How long until it is to be renewed, in milliseconds.
    pub wait_ms: u64,
}

impl NextRenewal {
    /// Of a token that ends at `expires_at`, to be renewed `before` that.
    fn of(expires_at: DateTime<Utc>, before: TimeDelta, now: DateTime<Utc>) -> Self {
        let wait = (expires_at - before - now).max(TimeDelta::zero());
        Self { expires_at, wait_ms: u64::try_from(wait.num_milliseconds()).unwrap_or_default() }
    }
}

/// Renews the account's token and stores it, sealed. Answers when to renew it next, on platforms where that cannot wait until it is needed.
///
/// # Errors
/// [`ActivityError::CredentialsExpired`] when a person has to reconnect.
pub async fn refresh(p: &Publishing<'_>, org: OrgId, id: ConnectorId) -> ActivityResult<Option<NextRenewal>> {
    let (outgoing, apps) = (p.outgoing, p.apps);
    let fresh =
        renew(p, org, id, async move |account, credentials| platform::refresh(outgoing, apps, &account, &credentials).await).await?;
    let before = platform::renews_ahead(fresh.platform());
    Ok(fresh.expires_at().zip(before).map(|(end, before)| NextRenewal::of(end, before, Utc::now())))
}

/// When the token that ends at `expires_at` is to be renewed; `None` if the account has another one by now, or its platform can wait.
///
/// # Errors
/// When the database cannot answer.
pub async fn next_renewal(
    p: &Publishing<'_>,
    org: OrgId,
    id: ConnectorId,
    expires_at: DateTime<Utc>,
) -> ActivityResult<Option<NextRenewal>> {
    let row = connectors::get(&mut p.store.in_org(org).await?, id).await?;
    // The database keeps microseconds.
    let same = |end: DateTime<Utc>| end.timestamp_micros() == expires_at.timestamp_micros();
    let Some(row) = row.filter(|row| row.state == "connected" && row.token_expires_at.is_some_and(same)) else { return Ok(None) };
    Ok(platform::renews_ahead(row.platform).map(|before| NextRenewal::of(expires_at, before, Utc::now())))
}

/// Notes the intent, asks `platform` once for new credentials, and keeps what it brought.
///
/// # Errors
/// As `platform`; a refusal after an interruption says so.
pub async fn renew<F, R>(p: &Publishing<'_>, org: OrgId, id: ConnectorId, platform: F) -> ActivityResult<Credentials>
where
    F: FnOnce(Account, Credentials) -> R,
    R: Future<Output = ActivityResult<Credentials>>,
{
    let mut tx = p.store.in_org(org).await?;
    let account = account(&connectors::require(&mut tx, id).await?)?;
    let credentials = open_credentials(p, &mut tx, id).await?;
    let hash = credentials.renewal_hash();
    let interrupted = connectors::begin_renewal(&mut tx, id, &hash).await?;
    tx.commit().await?;
    match platform(account, credentials).await {
        Ok(fresh) => {
            keep(p, org, id, &hash, &fresh).await?;
            Ok(fresh)
        }
        // The platform may have answered: the intent stays, and the next attempt knows of this one.
        Err(passing @ (ActivityError::Transient { .. } | ActivityError::RateLimited { .. } | ActivityError::OutcomeUnknown { .. })) => {
            Err(passing)
        }
        Err(definite) => {
            let mut tx = p.store.in_org(org).await?;
            connectors::end_renewal(&mut tx, id, &hash, None).await?;
            tx.commit().await?;
            Err(match (definite, interrupted) {
                (ActivityError::CredentialsExpired { what }, Some(at)) => ActivityError::credentials_expired(format_args!(
                    "the renewal of its token was interrupted at {}, before the next one was kept, and the platform does not take the old one \
                     again: connect the account again ({what})",
                    at.format("%F %T UTC")
                )),
                (other, _) => other,
            })
        }
    }
}

async fn keep(p: &Publishing<'_>, org: OrgId, id: ConnectorId, hash: &[u8; 32], fresh: &Credentials) -> ActivityResult<()> {
    let once = async || {
        let mut tx = p.store.in_org(org).await?;
        let sealed = seal_credentials(p.vault, &tx, id, fresh)?;
        let renewed = Renewed { sealed: sealed.as_bytes(), token_expires_at: fresh.expires_at(), scopes: fresh.scopes() };
        connectors::end_renewal(&mut tx, id, hash, Some(renewed)).await?;
        tx.commit().await
    };
    for pause in KEEPING {
        match once().await {
            Err(ActivityError::Transient { .. }) => tokio::time::sleep(pause).await,
            other => return other,
        }
    }
    once().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_planned_before_the_end_and_at_once_when_that_is_over() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let end = now + TimeDelta::days(60);
        let next = NextRenewal::of(end, TimeDelta::days(10), now);
        assert_eq!((next.expires_at, next.wait_ms), (end, 50 * 24 * 3600 * 1000));
        assert_eq!(NextRenewal::of(end, TimeDelta::days(10), end - TimeDelta::days(1)).wait_ms, 0);
    }
}
