//! `Schedule`, one object for each recurring schedule: makes a campaign each time that it comes.
//!
//! A plan is a revision number and the instant of the next time. The wait for it is a delayed send of `fire` to this very object; a timer that is
//! not the plan in force does nothing. When it fires, the clock is read and everything that came since the last reckoning is reckoned with, so that
//! a timer that is late, doubled or lost in a clock that jumps forward loses nothing, and one that is early (a clock that was put back) waits on.
//! The moment up to which was reckoned never goes back, and each time has an id of its own in the database: no campaign is made twice.
//!
//! Whether a time begins, waits or is left out is decided in `run`, one time after the other, from the facts: which campaigns of earlier times
//! have not ended.

use activities::{
    ActivityError,
    store::schedules::{
        self, NewSchedule, Template,
        occurrences::{self, ToMeet},
    },
};
use chrono::{DateTime, Utc};
use domain::{
    ids::{OrgId, ScheduleId},
    schedule::{Occurrence, OverlapPolicy, Recurring, recurrence::Bent},
};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    campaign::{CampaignClient, CreateCampaign, ForCampaign},
    clock, refuse,
    step::{Retry, step},
    world::World,
};

/// Input of `create` and `update`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PutSchedule {
    /// The tenant.
    pub org: OrgId,
    /// What is asked for.
    pub schedule: NewSchedule,
}

/// Input of `pause`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PauseSchedule {
    /// The tenant.
    pub org: OrgId,
    /// Why, for people.
    pub note: String,
}

/// Input of the handlers that need nothing more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ForSchedule {
    /// The tenant.
    pub org: OrgId,
}

/// Input of `fire`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FireSchedule {
    /// The tenant.
    pub org: OrgId,
    /// The plan that the timer belongs to.
    pub revision: u32,
    /// The time that it waits for.
    pub due_at: DateTime<Utc>,
}

/// Input of `run`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunOccurrence {
    /// The tenant.
    pub org: OrgId,
    /// The time that has come.
    pub occurrence: Occurrence,
    /// Whether a person asked for it after it was over.
    pub backfill: bool,
    /// What to do if an earlier campaign still goes, if not as the schedule says.
    pub overlap: Option<OverlapPolicy>,
}

/// Input of `backfill`: the times in `(from, to]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backfill {
    /// The tenant.
    pub org: OrgId,
    /// After this instant.
    pub from: DateTime<Utc>,
    /// Up to this one, which is over.
    pub to: DateTime<Utc>,
    /// What to do if an earlier campaign still goes.
    pub overlap: OverlapPolicy,
}

/// How many times one `backfill` runs at most.
pub const BACKFILL_AT_MOST: usize = 100;

/// The plan in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Plan {
    /// Counts the changes.
    revision: u32,
    /// Up to which moment was reckoned.
    reckoned: Option<DateTime<Utc>>,
    /// The next time; `None` when none comes any more, or it is paused.
    due_at: Option<DateTime<Utc>>,
}

impl Plan {
    /// Whether a timer is the one that this plan waits for.
    fn awaits(self, revision: u32, due_at: DateTime<Utc>) -> bool {
        self.revision == revision && self.due_at == Some(due_at)
    }

    /// The plan that follows a change at `now`.
    fn changed(self, now: DateTime<Utc>) -> Self {
        Self { revision: self.revision + 1, reckoned: Some(self.reckoned.map_or(now, |reckoned| reckoned.max(now))), due_at: None }
    }
}

const PLAN: &str = "plan";

/// A time to begin with, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Begin {
    occurrence: Occurrence,
    at: DateTime<Utc>,
}

/// What a reckoning comes to.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reckoned {
    begin: Vec<Begin>,
    next_at: Option<DateTime<Utc>>,
}

/// See the module.
pub struct Schedule {
    /// The outside world.
    pub world: World,
}

#[restate_sdk::object(client_visibility = "pub(crate)")]
impl Schedule {
    /// Stores the schedule and waits for its first time.
    #[handler]
    async fn create(&self, ctx: ObjectContext<'_>, input: Json<PutSchedule>) -> Result<(), TerminalError> {
        let PutSchedule { org, schedule } = input.into_inner();
        let plan = load(&ctx).await?.changed(clock::now(&ctx, &self.world).await?);
        let since = plan.reckoned;
        let next = step(&ctx, &self.world, "store.create_schedule", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            schedules::insert(&mut tx, &schedule).await?;
            tx.commit().await?;
            next_after(&schedule.recurring, since)
        });
        let next = next.await?;
        arm(&ctx, org, Plan { due_at: next, ..plan });
        Ok(())
    }

    /// Puts another request in its place. Times that came before stay as they are.
    #[handler]
    async fn update(&self, ctx: ObjectContext<'_>, input: Json<PutSchedule>) -> Result<(), TerminalError> {
        let PutSchedule { org, schedule } = input.into_inner();
        let plan = load(&ctx).await?.changed(clock::now(&ctx, &self.world).await?);
        let since = plan.reckoned;
        let next = step(&ctx, &self.world, "store.update_schedule", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            schedules::update(&mut tx, &schedule).await?;
            let paused = schedules::require(&mut tx, schedule.id).await?.paused_at.is_some();
            tx.commit().await?;
            if paused { Ok(None) } else { next_after(&schedule.recurring, since) }
        });
        let next = next.await?;
        arm(&ctx, org, Plan { due_at: next, ..plan });
        Ok(())
    }

    /// Stops making campaigns until `resume`.
    #[handler]
    async fn pause(&self, ctx: ObjectContext<'_>, input: Json<PauseSchedule>) -> Result<(), TerminalError> {
        let PauseSchedule { org, note } = input.into_inner();
        let id = key(&ctx)?;
        step(&ctx, &self.world, "store.pause_schedule", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            schedules::pause(&mut tx, id, &note).await?;
            tx.commit().await
        })
        .await?;
        let plan = load(&ctx).await?.changed(clock::now(&ctx, &self.world).await?);
        ctx.set(PLAN, Json(plan));
        Ok(())
    }

    /// Goes on with the next time. What passed during the pause is not made up for; `backfill` is there for that.
    #[handler]
    async fn resume(&self, ctx: ObjectContext<'_>, input: Json<ForSchedule>) -> Result<(), TerminalError> {
        let org = input.into_inner().org;
        let id = key(&ctx)?;
        let plan = load(&ctx).await?.changed(clock::now(&ctx, &self.world).await?);
        let since = plan.reckoned;
        let next = step(&ctx, &self.world, "store.resume_schedule", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            schedules::resume(&mut tx, id).await?;
            let recurring = schedules::require(&mut tx, id).await?.asked.recurring;
            tx.commit().await?;
            next_after(&recurring, since)
        });
        let next = next.await?;
        arm(&ctx, org, Plan { due_at: next, ..plan });
        // What waited for a campaign that ended during the pause.
        ctx.object_client::<ScheduleClient>(ctx.key()).ended(Json(ForSchedule { org })).send();
        Ok(())
    }

    /// Ends it. What it made stays.
    #[handler]
    async fn delete(&self, ctx: ObjectContext<'_>, input: Json<ForSchedule>) -> Result<(), TerminalError> {
        let org = input.into_inner().org;
        let id = key(&ctx)?;
        step(&ctx, &self.world, "store.delete_schedule", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            schedules::delete(&mut tx, id).await?;
            tx.commit().await
        })
        .await?;
        let revision = load(&ctx).await?.revision + 1;
        ctx.set(PLAN, Json(Plan { revision, reckoned: None, due_at: None }));
        Ok(())
    }

    /// A time has come, by the clock of whoever set the timer. By ours, everything up to now is reckoned with.
    #[handler]
    async fn fire(&self, ctx: ObjectContext<'_>, input: Json<FireSchedule>) -> Result<(), TerminalError> {
        let fired = input.into_inner();
        let FireSchedule { org, revision, due_at } = fired;
        let plan = load(&ctx).await?;
        if !plan.awaits(revision, due_at) {
            return Ok(());
        }
        let now = clock::now(&ctx, &self.world).await?;
        if now < due_at {
            // The clock was put back, or the engine's is ahead of ours: nothing begins early.
            ctx.object_client::<ScheduleClient>(ctx.key()).fire(Json(fired)).send_after(clock::timer(due_at));
            return Ok(());
        }
        let id = key(&ctx)?;
        let since = plan.reckoned.unwrap_or(due_at - chrono::TimeDelta::seconds(1));
        let me = ctx.invocation_id().to_owned();
        let reckoned = step(&ctx, &self.world, "store.reckon_schedule", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let recurring = schedules::require(&mut tx, id).await?.asked.recurring;
            let reckoning = recurring.reckon(since, now).map_err(ActivityError::rejected)?;
            occurrences::leave_out(&mut tx, id, &reckoning.left_out, reckoning.more, &me).await?;
            tx.commit().await?;
            let begin = |occurrence| Begin { occurrence, at: recurring.begins_at(id, &occurrence) };
            Ok(Reckoned { begin: reckoning.due.into_iter().map(begin).collect(), next_at: next_after(&recurring, Some(now))? })
        })
        .await?;
        for Begin { occurrence, at } in reckoned.begin {
            let run = RunOccurrence { org, occurrence, backfill: false, overlap: None };
            ctx.object_client::<ScheduleClient>(ctx.key()).run(Json(run)).send_after(clock::timer(at));
        }
        arm(&ctx, org, Plan { revision, reckoned: Some(now), due_at: reckoned.next_at });
        Ok(())
    }

    /// One time: its campaign begins, waits, or is left out.
    #[handler]
    async fn run(&self, ctx: ObjectContext<'_>, input: Json<RunOccurrence>) -> Result<(), TerminalError> {
        let RunOccurrence { org, occurrence, backfill, overlap } = input.into_inner();
        let id = key(&ctx)?;
        let me = ctx.invocation_id().to_owned();
        let met = step(&ctx, &self.world, "store.meet_occurrence", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let to_meet = ToMeet { schedule: id, occurrence: &occurrence, backfill, overlap, decided_by: &me };
            // A schedule that was deleted meanwhile has nothing to begin.
            let met = match occurrences::meet(&mut tx, &to_meet).await {
                Err(ActivityError::NotFound { .. }) => occurrences::Met::default(),
                met => met?,
            };
            tx.commit().await?;
            Ok(met)
        })
        .await?;
        for campaign in met.stop {
            ctx.object_client::<CampaignClient>(campaign.to_string()).cancel(Json(ForCampaign { org })).send();
        }
        if let Some(template) = met.begin {
            begin(&ctx, org, template);
        }
        if met.waits {
            // What it waits for may have ended before there was anything that waited for it.
            ctx.object_client::<ScheduleClient>(ctx.key()).ended(Json(ForSchedule { org })).send();
        }
        Ok(())
    }

    /// A campaign of it has ended: the time that waited longest may begin.
    #[handler]
    async fn ended(&self, ctx: ObjectContext<'_>, input: Json<ForSchedule>) -> Result<(), TerminalError> {
        let org = input.into_inner().org;
        let id = key(&ctx)?;
        let me = ctx.invocation_id().to_owned();
        let next = step(&ctx, &self.world, "store.next_waiting", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let next = occurrences::next_waiting(&mut tx, id, &me).await?;
            tx.commit().await?;
            Ok(next)
        })
        .await?;
        if let Some(template) = next {
            begin(&ctx, org, template);
        }
        Ok(())
    }

    /// Runs times that are over; those that had their campaign get no second one. Answers which times it found.
    #[handler]
    async fn backfill(&self, ctx: ObjectContext<'_>, input: Json<Backfill>) -> Result<Json<Vec<Occurrence>>, TerminalError> {
        let Backfill { org, from, to, overlap } = input.into_inner();
        let id = key(&ctx)?;
        let now = clock::now(&ctx, &self.world).await?;
        let times = step(&ctx, &self.world, "store.plan_backfill", Retry::Always, move |w| async move {
            let schedule = schedules::require(&mut w.store.in_org(org).await?, id).await?;
            let plan = schedule.asked.recurring.plan().map_err(ActivityError::rejected)?;
            let over = plan.after(from).take_while(|o| o.due_at <= to.min(now)).filter(|o| o.bent != Bent::Refused);
            Ok(over.take(BACKFILL_AT_MOST).collect::<Vec<_>>())
        })
        .await?;
        for occurrence in &times {
            let run = RunOccurrence { org, occurrence: *occurrence, backfill: true, overlap: Some(overlap) };
            ctx.object_client::<ScheduleClient>(ctx.key()).run(Json(run)).send();
        }
        Ok(Json(times))
    }
}

/// Puts a plan in force.
fn arm(ctx: &ObjectContext<'_>, org: OrgId, plan: Plan) {
    ctx.set(PLAN, Json(plan));
    if let Some(due_at) = plan.due_at {
        ctx.object_client::<ScheduleClient>(ctx.key())
            .fire(Json(FireSchedule { org, revision: plan.revision, due_at }))
            .send_after(clock::timer(due_at));
    }
}

/// The next time after what was reckoned with. (Computed inside of a step: it depends on the database of zones that the build carries.)
fn next_after(recurring: &Recurring, since: Option<DateTime<Utc>>) -> activities::ActivityResult<Option<DateTime<Utc>>> {
    let plan = recurring.plan().map_err(ActivityError::rejected)?;
    Ok(since.and_then(|since| plan.next_after(since)).map(|next| next.due_at))
}

fn begin(ctx: &ObjectContext<'_>, org: OrgId, template: Template) {
    let Template { campaign, connectors } = template;
    ctx.object_client::<CampaignClient>(campaign.id.to_string()).create(Json(CreateCampaign { org, campaign, connectors })).send();
}

/// Tells the schedule that made a campaign that it has ended, if times wait for that.
pub(crate) fn tell_ended(ctx: &ObjectContext<'_>, org: OrgId, schedule: Option<ScheduleId>) {
    if let Some(schedule) = schedule {
        ctx.object_client::<ScheduleClient>(schedule.to_string()).ended(Json(ForSchedule { org })).send();
    }
}

async fn load(ctx: &ObjectContext<'_>) -> Result<Plan, TerminalError> {
    Ok(ctx.get::<Json<Plan>>(PLAN).await?.map(Json::into_inner).unwrap_or_default())
}

fn key(ctx: &ObjectContext<'_>) -> Result<ScheduleId, TerminalError> {
    ctx.key().parse().map_err(|e| refuse::unprocessable("bad-id", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_timer_of_the_plan_in_force_fires() {
        let due = utc("2026-12-01T08:00:00Z");
        let plan = Plan { revision: 2, reckoned: None, due_at: Some(due) };
        assert!(plan.awaits(2, due));
        assert!(!plan.awaits(1, due), "an older plan");
        assert!(!plan.awaits(2, due + chrono::TimeDelta::days(1)), "a timer that came twice");
        assert!(!Plan { due_at: None, ..plan }.awaits(2, due), "paused");
    }

    #[test]
    fn what_was_reckoned_with_is_not_forgotten_when_the_clock_goes_back() {
        let before = Plan { revision: 1, reckoned: Some(utc("2026-12-01T08:00:00Z")), due_at: None };
        assert_eq!(before.changed(utc("2026-12-01T07:00:00Z")).reckoned, before.reckoned);
        assert_eq!(before.changed(utc("2026-12-01T09:00:00Z")).reckoned, Some(utc("2026-12-01T09:00:00Z")));
    }
}
