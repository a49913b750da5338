//! Looking for a part whose sending had no definite outcome.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::publication::{Resolution, SendClass};
use serde::{Deserialize, Serialize};

use super::{
    Attempt, Publishing,
    accounts::{account, open_credentials},
    finding::locate,
    material::company,
    sending::{note_budget, receipt},
};
use crate::{
    ActivityResult,
    platform::{self, Sending, Window},
    store::{OrgTx, connectors, receipts},
};

/// What one look-up says, and whether the bytes may be sent again on its word alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookedUp {
    /// What it says.
    pub resolution: Resolution,
    /// Whether a repetition is harmless now: by the platform's own key where the part is not there, or because the platform refuses a repetition and
    /// names the original.
    pub may_resend: bool,
    /// Whether looking again would say nothing more.
    #[serde(default)]
    pub is_final: bool,
    /// For how many milliseconds more the platform may be at work on the request, as far as anybody would have waited for its answer. What is not there
    /// until then may still come.
    #[serde(default)]
    pub alive_ms: u64,
}

/// Looks once whether the part of an attempt is on its platform, and notes what was seen.
///
/// # Errors
/// When the look-up itself fails; that says nothing about the part.
pub async fn look_up(p: &Publishing<'_>, a: Attempt) -> ActivityResult<LookedUp> {
    let id = receipt(a.post, a.part, a.number);
    let mut tx = p.store.in_org(a.org).await?;
    let account = account(&connectors::require(&mut tx, a.connector).await?)?;
    let credentials = open_credentials(p, &mut tx, a.connector).await?;
    let frozen = receipts::frozen(&mut tx, id).await?;
    let now = Utc::now();
    let (first_sent_at, last_sent_at) = receipts::sent_between(&mut tx, a.post, a.part).await?.unwrap_or((now, now));
    let since = first_sent_at - chrono::TimeDelta::hours(1);
    let known_external_ids = receipts::published_ids(&mut tx, a.connector, a.post, a.part, since).await?;
    let (staged, files) = company(p, &mut tx, &a, &account).await?;
    tx.commit().await?;

    let window = Window { first_sent_at, known_external_ids };
    let sending = Sending { frozen: &frozen, staged: &staged, files: &files };
    let answered = platform::resolve(p.outgoing, &account, &credentials, sending, &window).await?;
    let mut resolution = answered.value;
    if let Resolution::Found { sent, .. } = &mut resolution {
        locate(p, &account, &credentials, sent).await;
    }
    let may_resend = match &resolution {
        Resolution::Found { .. } => false,
        Resolution::Absent { .. } => frozen.can_resend(first_sent_at, now),
        Resolution::Unknown { .. } => frozen.class == SendClass::D && frozen.is_refused_as_duplicate(first_sent_at, now),
    };

    let mut tx = p.store.in_org(a.org).await?;
    let outcome = match &resolution {
        Resolution::Found { sent, .. } => receipts::Outcome::published(sent, "lookup"),
        Resolution::Absent { .. } if may_resend => receipts::Outcome::named("absent"),
        Resolution::Absent { .. } | Resolution::Unknown { .. } => receipts::Outcome::named("unknown"),
    };
    let evidence = serde_json::json!({ "looked_at": now, "saw": resolution.name(), "evidence": resolution.evidence() });
    receipts::settle(&mut tx, id, &receipts::Outcome { evidence: Some(evidence), ..outcome }).await?;
    note_budget(&mut tx, a.connector, answered.budget.as_ref()).await?;
    tx.commit().await?;
    // What is staged is published by its own id: twice is once.
    let alive_ms = if frozen.class == SendClass::C { 0 } else { alive_ms(last_sent_at, now, p.outgoing.timeout()) };
    Ok(LookedUp { resolution, may_resend, is_final: frozen.class == SendClass::F, alive_ms })
}

/// How long a request that was sent at `sent_at` may go on after `now`, in milliseconds. Where its process died, or its line was cut, nobody waits for it
/// any more, and it is none the less under way.
fn alive_ms(sent_at: DateTime<Utc>, now: DateTime<Utc>, timeout: Duration) -> u64 {
    let gone = (now - sent_at).num_milliseconds();
    // A clock that was put back does not make it wait for longer than a request takes.
    u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).saturating_sub(u64::try_from(gone).unwrap_or(0))
}

/// Notes that a whole settling window found nothing, or that a repetition is harmless: another attempt may be made.
///
/// # Errors
/// When the database cannot answer.
pub async fn record_absent(tx: &mut OrgTx, a: Attempt) -> ActivityResult<()> {
    receipts::settle(tx, receipt(a.post, a.part, a.number), &receipts::Outcome::named("absent")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_be_alive_until_nobody_would_have_waited_for_it() {
        let sent: DateTime<Utc> = "2027-01-15T08:00:00Z".parse().unwrap();
        let after = |ms: i64| alive_ms(sent, sent + chrono::TimeDelta::milliseconds(ms), Duration::from_secs(30));
        assert_eq!((after(0), after(12_000), after(30_000), after(900_000)), (30_000, 18_000, 0, 0));
        assert_eq!(after(-3_600_000), 30_000, "the clock was put back");
    }
}
