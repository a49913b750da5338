//! One attempt at one part, and looking for what became of it.

use std::{collections::BTreeMap, time::Duration};

use activities::{
    ActivityError,
    publishing::{self, Attempt, LookedUp, Progress},
};
use domain::publication::{
    Resolution, Sent, Submission,
    settling::{Seen, Verdict, pause_ms, verdict},
};
use restate_sdk::prelude::*;

use super::{Connector, Delivery};
use crate::step::{Failure, Retry, step};

/// What a whole settling window says.
pub(super) enum LookUp {
    Found(Sent),
    /// Known not to be there, or harmless to repeat.
    Absent,
    /// Nothing can be said now; later.
    Unreachable,
    Expired,
    Unknown(String),
}

impl Connector {
    /// Fits the post's files to its platform: work for the processor, and done once.
    pub(super) async fn fit(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>) -> Result<(), Failure> {
        let (org, id, platform) = (d.org, d.id, d.begun.platform);
        step(ctx, &self.world, "media.fit", Retry::Attempts(6), move |w| async move {
            publishing::fit(&w.publishing(), org, id, platform).await
        })
        .await
    }

    /// Gives the platform what the part needs ahead. Repeatable, because nobody can see any of it.
    pub(super) async fn stage(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>, attempt: Attempt) -> Result<Progress, Failure> {
        step(ctx, &self.world, d.begun.steps().stage, Retry::Attempts(6), move |w| async move {
            publishing::stage(&w.publishing(), attempt).await
        })
        .await
    }

    /// The ids of the accounts that the post mentions, found before it is frozen: the first attempt at a part settles them. While the platform does
    /// not answer, a mention is not worth a late post, and stays text.
    pub(super) async fn mentions(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>) -> Result<BTreeMap<String, String>, TerminalError> {
        let Some(name) = d.begun.steps().resolve_mentions else { return Ok(BTreeMap::new()) };
        let (org, id, connector, revision) = (d.org, d.id, d.connector, d.revision);
        let found = step(ctx, &self.world, name, Retry::Attempts(3), move |w| async move {
            publishing::mentions(&w.publishing(), org, id, connector, revision).await
        })
        .await;
        match found {
            Ok(found) => Ok(found),
            Err(cancelled) if cancelled.is_cancelled() => Err(cancelled.into()),
            Err(_) => Ok(BTreeMap::new()),
        }
    }

    /// One attempt: the intent is stored, then sent, once.
    pub(super) async fn submit(
        &self,
        ctx: &ObjectContext<'_>,
        d: &Delivery<'_>,
        attempt: Attempt,
        mentions: &BTreeMap<String, String>,
    ) -> Result<Submission, Failure> {
        let mentions = mentions.clone();
        step(
            ctx,
            &self.world,
            "store.arm",
            Retry::Always,
            move |w| async move { publishing::arm(&w.publishing(), attempt, mentions).await },
        )
        .await?;
        // What is transient here is so before the first byte: the database or the key ring. From the claim on, the outcome is a value.
        step(
            ctx,
            &self.world,
            d.begun.steps().submit,
            Retry::Always,
            move |w| async move { publishing::submit(&w.publishing(), attempt).await },
        )
        .await
    }

    /// Looks for a part whose sending had no definite outcome, several times across a window in which the platform may settle.
    pub(super) async fn look_up(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>, attempt: Attempt) -> Result<LookUp, Failure> {
        let pauses = &self.world.settings.settle_ms;
        let (mut unknown, mut seen, mut pause) = (None, Seen::default(), pause_ms(pauses, 0));
        loop {
            ctx.sleep(Duration::from_millis(pause)).await?;
            let looked = step(ctx, &self.world, d.begun.steps().look_up, Retry::Attempts(6), move |w| async move {
                publishing::look_up(&w.publishing(), attempt).await
            })
            .await;
            match looked {
                Ok(LookedUp { resolution: Resolution::Found { sent, .. }, .. }) => return Ok(LookUp::Found(sent)),
                Ok(LookedUp { may_resend: true, .. }) => return Ok(LookUp::Absent),
                Ok(LookedUp { resolution: Resolution::Absent { .. }, alive_ms, .. }) => {
                    seen.absences += 1;
                    seen.alive_ms = alive_ms;
                }
                Ok(LookedUp { resolution: Resolution::Unknown { evidence }, is_final: true, .. }) => return Ok(LookUp::Unknown(evidence)),
                Ok(LookedUp { resolution: Resolution::Unknown { evidence }, .. }) => {
                    (unknown, seen.absences) = (Some(evidence), 0);
                }
                Err(Failure(ActivityError::CredentialsExpired { .. })) => return Ok(LookUp::Expired),
                Err(Failure(ActivityError::Transient { .. } | ActivityError::RateLimited { .. })) => return Ok(LookUp::Unreachable),
                Err(Failure(other)) => (unknown, seen.absences) = (Some(other.what().to_owned()), 0),
            }
            seen.look_ups += 1;
            pause = match verdict(pauses, seen) {
                Verdict::LookAgain(pause) => pause,
                Verdict::Absent => return Ok(LookUp::Absent),
                Verdict::Unknown => return Ok(LookUp::Unknown(unknown.unwrap_or_else(|| "it may still be on its way".to_owned()))),
            };
        }
    }

    pub(super) async fn absent(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>, attempt: Attempt) -> Result<(), Failure> {
        let org = d.org;
        step(ctx, &self.world, "store.record_absent", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            publishing::record_absent(&mut tx, attempt).await?;
            tx.commit().await
        })
        .await
    }

    /// Notes that a part is out.
    pub(super) async fn record(
        &self,
        ctx: &ObjectContext<'_>,
        d: &Delivery<'_>,
        attempt: Attempt,
        sent: Sent,
        how: &'static str,
    ) -> Result<(), Failure> {
        let (org, late_ms, due_at) = (d.org, d.begun.late_ms, d.begun.due_at);
        step(ctx, &self.world, "store.record_published", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            publishing::record_published(&mut tx, attempt, &sent, how, late_ms).await?;
            tx.commit().await?;
            if let Some(due_at) = due_at.filter(|_| attempt.part + 1 == attempt.parts) {
                let late = activities::clock::now_millis() - due_at.timestamp_millis();
                #[expect(clippy::cast_precision_loss, reason = "milliseconds of a lateness")]
                metrics::histogram!("pressroom_publish_lateness_seconds").record(late.max(0) as f64 / 1000.0);
            }
            Ok(())
        })
        .await
    }
}
