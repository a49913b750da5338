//! `Digest`, one object for each subscription: sums up a brand's posts at a wall time that comes back, and mails the sum.
//!
//! A plan is a revision number and an instant. The wait for it is a delayed send of `fire` to this very object; a timer that is not the plan in
//! force does nothing. Each digest plans the next one before it begins, so that one that fails does not end the subscription. After a time in
//! which nothing ran every period that was missed still gets its digest, so that their numbers add up, but only the newest is mailed.
//!
//! # Mails
//! There is one mail to each address, and one journalled outcome for each mail. A mail that certainly was not taken is tried again, first at once, then by delayed
//! sends of `mail` for some hours. One that may have been taken is noted as such and left. When the process dies after the server took a mail
//! and before the journal has heard of it, the mail goes out a second time under the same Message-ID, by which a mailbox shows it once: SMTP
//! offers nothing better.
//!
//! # Cancelling
//! A run that is cancelled mails nobody any more, and the digest says whom not. The plan of the next one is older than that and stays.

use std::time::Duration;

use activities::{
    ActivityError,
    digests::{self as making, Place},
    store::digests::{self, Subscription},
};
use chrono::{DateTime, Utc};
use domain::{
    digest::plain_summary,
    ids::{DigestId, OrgId, SubscriptionId, UsageId},
};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    clock, refuse,
    step::{Failure, Retry, step},
    world::World,
};

/// Input of `enable`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enable {
    /// The tenant.
    pub org: OrgId,
}

/// Output of `enable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enabled {
    /// When the next digest is made; `None` only at the end of the calendar.
    pub next_at: Option<DateTime<Utc>>,
}

/// Input of the handlers that need nothing more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ForOrg {
    /// The tenant.
    pub org: OrgId,
}

/// Input of `fire`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fire {
    /// The tenant.
    pub org: OrgId,
    /// The plan that the timer belongs to.
    pub revision: u32,
    /// The end of the period.
    pub fire_at: DateTime<Utc>,
}

/// Output of `now`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The digest.
    pub digest_id: DigestId,
}

/// Input of `mail`: the mails that were not taken so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailAgain {
    /// The tenant.
    pub org: OrgId,
    /// What is mailed.
    pub digest_id: DigestId,
    /// To whom.
    pub to: Vec<String>,
    /// What is to be told of the others.
    pub notes: Vec<String>,
    /// Counts the rounds, from 0.
    pub round: u32,
}

/// The plan in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Plan {
    /// Counts the changes.
    revision: u32,
    /// When the next digest is due; `None` while the subscription is not in force.
    fire_at: Option<DateTime<Utc>>,
}

impl Plan {
    /// Whether a timer is the one that this plan waits for.
    fn awaits(self, revision: u32, fire_at: DateTime<Utc>) -> bool {
        self.revision == revision && self.fire_at == Some(fire_at)
    }
}

const PLAN: &str = "plan";

/// How often the model is asked for words before the digest goes out with plain ones.
const ASK_MODEL: u32 = 3;

/// How often a mail is tried in one round.
const TRIES: u32 = 3;

/// Why a mail was not sent, or may have been, when somebody cancelled the run.
const STOPPED: &str = "the run was cancelled";

/// Why a mail was not tried again after its subscription had ended.
const ENDED: &str = "the subscription was ended";

/// How many rounds of mails there are: with pauses of 5, 10, 20, 40, 80 and 160 minutes, over five hours, which outlasts greylisting and most outages.
const ROUNDS: u32 = 7;

/// See the module.
pub struct Digest {
    /// The outside world.
    pub world: World,
}

#[restate_sdk::object(client_visibility = "pub(crate)")]
impl Digest {
    /// Puts the subscription in force, and plans its next digest. A second time the plan is made anew from the subscription as it then stands.
    #[handler]
    async fn enable(&self, ctx: ObjectContext<'_>, input: Json<Enable>) -> Result<Json<Enabled>, TerminalError> {
        let org = input.into_inner().org;
        let subscription = self.set_enabled(&ctx, org, true).await?;
        let now = clock::now(&ctx, &self.world).await?;
        let next_at = subscription.asked.rhythm.next_after(now);
        let revision = load(&ctx).await?.revision + 1;
        plan(&ctx, org, Plan { revision, fire_at: next_at });
        Ok(Json(Enabled { next_at }))
    }

    /// Ends the plan; digests that were made stay.
    #[handler]
    async fn disable(&self, ctx: ObjectContext<'_>, input: Json<ForOrg>) -> Result<(), TerminalError> {
        let org = input.into_inner().org;
        self.set_enabled(&ctx, org, false).await?;
        let revision = load(&ctx).await?.revision + 1;
        ctx.set(PLAN, Json(Plan { revision, fire_at: None }));
        Ok(())
    }

    /// A period is over: plans the next digest, and makes and mails this one.
    #[handler]
    async fn fire(&self, ctx: ObjectContext<'_>, input: Json<Fire>) -> Result<(), TerminalError> {
        let Fire { org, revision, fire_at } = input.into_inner();
        if !load(&ctx).await?.awaits(revision, fire_at) {
            return Ok(());
        }
        let subscription = self.subscription(&ctx, org).await?;
        let now = clock::now(&ctx, &self.world).await?;
        let next_at = subscription.asked.rhythm.next_after(fire_at);
        plan(&ctx, org, Plan { revision, fire_at: next_at });
        let (digest_id, mailed_before) = self.make(&ctx, org, &subscription, fire_at, false).await?;
        if mailed_before {
            return Ok(());
        }
        let overdue = next_at.is_some_and(|next| next <= now);
        let (to, notes) = if overdue {
            (Vec::new(), vec!["not mailed: the next digest was due already".to_owned()])
        } else {
            (subscription.asked.email, Vec::new())
        };
        self.send(&ctx, MailAgain { org, digest_id, to, notes, round: 0 }).await
    }

    /// Makes and mails a digest of the period that is running, from the last planned time until now. The plan stays as it is.
    #[handler]
    async fn now(&self, ctx: ObjectContext<'_>, input: Json<ForOrg>) -> Result<Json<Made>, TerminalError> {
        let org = input.into_inner().org;
        let subscription = self.subscription(&ctx, org).await?;
        let now = clock::now(&ctx, &self.world).await?;
        let (digest_id, mailed_before) = self.make(&ctx, org, &subscription, now, true).await?;
        if !mailed_before {
            self.send(&ctx, MailAgain { org, digest_id, to: subscription.asked.email, notes: Vec::new(), round: 0 }).await?;
        }
        Ok(Json(Made { digest_id }))
    }

    /// Another round for the mails that were not taken.
    #[handler]
    async fn mail(&self, ctx: ObjectContext<'_>, input: Json<MailAgain>) -> Result<(), TerminalError> {
        let mut round = input.into_inner();
        // Ended meanwhile: whoever ended it wants no more mail.
        if !self.subscription(&ctx, round.org).await?.enabled {
            let ended = ActivityError::rejected(ENDED);
            round.notes.extend(round.to.drain(..).map(|address| told(&address, &ended)));
        }
        self.send(&ctx, round).await
    }
}

impl Digest {
    async fn set_enabled(&self, ctx: &ObjectContext<'_>, org: OrgId, enabled: bool) -> Result<Subscription, TerminalError> {
        let id = key(ctx)?;
        let name = if enabled { "store.enable_subscription" } else { "store.disable_subscription" };
        let set = step(ctx, &self.world, name, Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let subscription = digests::set_enabled(&mut tx, id, enabled).await?;
            tx.commit().await?;
            Ok(subscription)
        });
        Ok(set.await?)
    }

    async fn subscription(&self, ctx: &ObjectContext<'_>, org: OrgId) -> Result<Subscription, TerminalError> {
        let id = key(ctx)?;
        let load = step(ctx, &self.world, "store.load_subscription", Retry::Always, move |w| async move {
            digests::subscription(&mut w.store.in_org(org).await?, id)
                .await?
                .ok_or_else(|| ActivityError::not_found(format_args!("the subscription {id} does not exist")))
        });
        Ok(load.await?)
    }

    /// Makes the digest of the period that ends at `to`. Returns its id, and whether its mails went out before.
    async fn make(
        &self,
        ctx: &ObjectContext<'_>,
        org: OrgId,
        subscription: &Subscription,
        to: DateTime<Utc>,
        running: bool,
    ) -> Result<(DigestId, bool), TerminalError> {
        let id = subscription.asked.id;
        let asked = subscription.clone();
        let figures = step(ctx, &self.world, "store.digest_figures", Retry::Always, move |w| async move {
            making::read_figures(&mut w.store.in_org(org).await?, &asked, to, running).await
        })
        .await?;
        let data = figures.data.clone();
        // Counted once for each invocation, however often the step runs.
        let usage = UsageId::derived(making::digest_id(id, to).uuid(), ctx.invocation_id());
        let words: Result<String, Failure> = step(ctx, &self.world, "model.summarise", Retry::Attempts(ASK_MODEL), move |w| async move {
            making::summarise(&w.store, &w.models, org, usage, &data).await
        })
        .await;
        let summary = match words {
            Ok(words) => words,
            // Nothing was mailed yet, and nothing will be.
            Err(cancelled) if cancelled.is_cancelled() => return Err(cancelled.into()),
            Err(failure) => {
                tracing::info!(subscription = %id, why = failure.what(), "the digest goes out with a plain summary");
                plain_summary(&figures.data, figures.data.language())
            }
        };
        let invocation = ctx.invocation_id().to_owned();
        let mailed_before = step(ctx, &self.world, "store.save_digest", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let place = Place { subscription: id, invocation: &invocation, mail_domain: w.mailer.domain() };
            let mailed_before = making::save(&mut tx, place, &figures, &summary).await?;
            tx.commit().await?;
            Ok(mailed_before)
        })
        .await?;
        Ok((making::digest_id(id, to), mailed_before))
    }

    /// One round of mails, and the plan of another one for those that were not taken.
    async fn send(&self, ctx: &ObjectContext<'_>, round: MailAgain) -> Result<(), TerminalError> {
        let MailAgain { org, digest_id, to, mut notes, round } = round;
        let (mut sent, mut left, mut left_notes, mut stopped) = (false, Vec::new(), Vec::new(), None);
        let mut addresses = to.into_iter();
        for address in addresses.by_ref() {
            let recipient = address.clone();
            let outcome: Result<(), Failure> = step(ctx, &self.world, "mail.digest", Retry::Attempts(TRIES), move |w| async move {
                making::mail(&w.store, &w.mailer, org, digest_id, &recipient).await
            })
            .await;
            match outcome {
                Ok(()) => sent = true,
                Err(cancelled) if cancelled.is_cancelled() => {
                    // It was stopped while this one was on its way: what the server said is lost.
                    notes.push(told(&address, &ActivityError::outcome_unknown(STOPPED)));
                    stopped = Some(cancelled);
                    break;
                }
                Err(Failure(error)) => {
                    let note = told(&address, &error);
                    if comes_again(&error) && round + 1 < ROUNDS {
                        left_notes.push(note);
                        left.push(address);
                    } else {
                        notes.push(note);
                    }
                }
            }
        }
        if stopped.is_some() {
            // Nobody is mailed any more: neither those that come after it, nor those whose mail was to be tried again.
            notes.extend(addresses.map(|address| told(&address, &ActivityError::rejected(STOPPED))));
            left.clear();
        }
        let note = joined(notes.iter().chain(&left_notes));
        let mailed_at = if sent { Some(clock::now(ctx, &self.world).await?) } else { None };
        step(ctx, &self.world, "store.digest_mailed", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            digests::mailed(&mut tx, digest_id, mailed_at, note.as_deref()).await?;
            tx.commit().await
        })
        .await?;
        if let Some(cancelled) = stopped {
            return Err(cancelled.into());
        }
        if !left.is_empty() {
            ctx.object_client::<DigestClient>(ctx.key())
                .mail(Json(MailAgain { org, digest_id, to: left, notes, round: round + 1 }))
                .send_after(pause(round));
        }
        Ok(())
    }
}

/// Whether a mail that failed so may be tried again: it certainly was not taken, and may be another time.
fn comes_again(error: &ActivityError) -> bool {
    match error {
        ActivityError::Transient { .. } | ActivityError::RateLimited { .. } | ActivityError::CredentialsExpired { .. } => true,
        ActivityError::Rejected { .. } | ActivityError::NotFound { .. } | ActivityError::OutcomeUnknown { .. } => false,
    }
}

/// What a person is told of a mail that failed.
fn told(address: &str, error: &ActivityError) -> String {
    match error {
        ActivityError::OutcomeUnknown { what } => format!("may have been sent to {address}, and is not sent again: {what}"),
        other => format!("not sent to {address}: {}", other.what()),
    }
}

fn joined<'a>(notes: impl Iterator<Item = &'a String>) -> Option<String> {
    let notes: Vec<&str> = notes.map(String::as_str).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// The pause after a round.
fn pause(round: u32) -> Duration {
    Duration::from_secs(300) * 2_u32.saturating_pow(round)
}

async fn load(ctx: &ObjectContext<'_>) -> Result<Plan, TerminalError> {
    Ok(ctx.get::<Json<Plan>>(PLAN).await?.map(Json::into_inner).unwrap_or_default())
}

/// Puts a plan in force, and sets its timer.
fn plan(ctx: &ObjectContext<'_>, org: OrgId, plan: Plan) {
    ctx.set(PLAN, Json(plan));
    if let Some(fire_at) = plan.fire_at {
        ctx.object_client::<DigestClient>(ctx.key())
            .fire(Json(Fire { org, revision: plan.revision, fire_at }))
            .send_after(clock::timer(fire_at));
    }
}

fn key(ctx: &ObjectContext<'_>) -> Result<SubscriptionId, TerminalError> {
    ctx.key().parse().map_err(|e| refuse::unprocessable("bad-id", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_timer_of_the_plan_in_force_fires() {
        let due: DateTime<Utc> = "2026-11-20T08:00:00Z".parse().unwrap();
        let plan = Plan { revision: 2, fire_at: Some(due) };
        assert!(plan.awaits(2, due));
        assert!(!plan.awaits(1, due), "an older plan");
        assert!(!plan.awaits(2, due - chrono::TimeDelta::days(1)), "a digest that was made already");
        assert!(!Plan { revision: 2, fire_at: None }.awaits(2, due), "the subscription is not in force");
        assert!(!Plan::default().awaits(0, due));
    }

    #[test]
    fn what_may_have_been_sent_is_told_and_never_repeated() {
        let unknown = ActivityError::outcome_unknown("no answer in time");
        assert!(!comes_again(&unknown));
        assert_eq!(told("a@b.example", &unknown), "may have been sent to a@b.example, and is not sent again: no answer in time");
        assert!(comes_again(&ActivityError::transient("busy")));
        assert!(!comes_again(&ActivityError::rejected("no such mailbox")));
        assert_eq!(told("a@b.example", &ActivityError::rejected("no such mailbox")), "not sent to a@b.example: no such mailbox");
        assert_eq!(joined([].iter()), None);
    }

    #[test]
    fn pauses_between_rounds_grow() {
        assert_eq!((pause(0), pause(1), pause(5)), (Duration::from_mins(5), Duration::from_mins(10), Duration::from_mins(160)));
    }
}
