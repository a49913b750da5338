//! `Publication`, one object for each post: its plan, and the moment at which the plan comes due.
//!
//! A plan is a revision number and an instant. The wait for the instant is a delayed send of `fire(revision)` to this very object, so that no
//! invocation waits for weeks; a timer whose revision is no longer in force does nothing. Whether a post may still be planned, moved or stopped
//! is decided by its row in the database, in one conditional update, so that a plan and the lane cannot both win.
use activities::{
    ActivityError, best_time,
    store::{
        posts::{self, Post},
        runs,
    },
};
use chrono::{DateTime, Utc};
use domain::{
    ids::{ConnectorId, OrgId, PostId},
    post::PostStatus,
    publication::Sent,
    schedule::{Adjustment, At, ScheduleSpec, lateness::Held},
};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    campaign::{CampaignClient, ForCampaign},
    clock,
    connector::{ConnectorClient, PublishPost},
    metrics::{MetricsClient, StartMetrics},
    refuse,
    step::{Failure, Retry, step},
    world::World,
};

/// Input of `schedule` and `reschedule`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Schedule {
    /// The tenant.
    pub org: OrgId,
    /// When it is to go out.
    pub spec: ScheduleSpec,
    /// Whether a time that is over is accepted, and left to the lateness rule. A person's request for such a time is refused.
    #[serde(default)]
    pub late_is_fine: bool,
    /// Whether this is a campaign's plan, which follows an approval by a message of its own: what a person did with the post meanwhile stands.
    #[serde(default)]
    pub first_only: bool,
}

/// Output of `schedule` and `reschedule`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scheduled {
    /// The instant at which it goes out.
    pub due_at: DateTime<Utc>,
    /// How the zone bent the wall time, if it did.
    pub adjusted: Option<Adjustment>,
    /// The revision of the plan.
    pub revision: i32,
}

/// Input of `cancel`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cancel {
    /// The tenant.
    pub org: OrgId,
    /// Why, for the post's note.
    pub reason: Option<String>,
}

/// Input of `fire`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fire {
    /// The tenant.
    pub org: OrgId,
    /// The plan that the timer belongs to.
    pub revision: i32,
    /// The account that the post goes out by.
    pub connector_id: ConnectorId,
    /// When it is due; without it the post goes out at once.
    #[serde(default)]
    pub due_at: Option<DateTime<Utc>>,
    /// The wall time that this came from: the rules of its zone may have changed since the timer was set.
    #[serde(default)]
    pub at: Option<At>,
}

/// Input of `stand_down`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StandDown {
    /// The tenant.
    pub org: OrgId,
    /// The plans before this revision are not in force any more.
    pub revision: i32,
}

/// The timer of a plan, in the object's state while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Timer {
    /// The plan.
    revision: i32,
    /// The invocation of `fire` that waits.
    invocation: String,
}

/// Input of `resolve`: a person's word on a post whose outcome nothing else could tell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resolve {
    /// The tenant.
    pub org: OrgId,
    /// Who says so.
    pub by: String,
    /// What is the case.
    pub verdict: PersonsVerdict,
}

/// What a person found on the platform.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum PersonsVerdict {
    /// It is there.
    Published {
        /// The platform's id of it, where the person knows it.
        external_id: Option<String>,
    },
    /// It is not there: it is sent (again) now.
    NotPublished,
}

/// How often a plan is tried anew because the post was changed while it was made.
const TURNS: u32 = 5;

/// See the module.
pub struct Publication {
    /// The outside world.
    pub world: World,
}

#[restate_sdk::object(client_visibility = "pub(crate)")]
impl Publication {
    /// Puts a plan in force; an approved post is scheduled by it, a scheduled one is moved.
    #[handler]
    async fn schedule(&self, ctx: ObjectContext<'_>, input: Json<Schedule>) -> Result<Json<Scheduled>, TerminalError> {
        self.plan(&ctx, input.into_inner()).await.map(Json)
    }

    /// The same as `schedule`, under the name by which people look for it in the journal.
    #[handler]
    async fn reschedule(&self, ctx: ObjectContext<'_>, input: Json<Schedule>) -> Result<Json<Scheduled>, TerminalError> {
        self.plan(&ctx, input.into_inner()).await.map(Json)
    }

    /// Stops a post that has not begun to be sent.
    #[handler]
    async fn cancel(&self, ctx: ObjectContext<'_>, input: Json<Cancel>) -> Result<(), TerminalError> {
        let Cancel { org, reason } = input.into_inner();
        let id = key(&ctx)?;
        let post = step(&ctx, &self.world, "store.load_post", Retry::Always, move |w| async move {
            posts::require(&mut w.store.in_org(org).await?, id).await
        })
        .await?;
        let revision = post.revision + 1;
        let invocation = ctx.invocation_id().to_owned();
        let cancelled = step(&ctx, &self.world, "store.cancel_post", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let done = posts::cancel(&mut tx, id, revision, reason.as_deref()).await?;
            if done {
                runs::join_of_post(&mut tx, id, &invocation).await?;
            }
            tx.commit().await?;
            Ok(done)
        })
        .await?;
        if cancelled {
            call_off(&ctx, revision).await?;
            ctx.object_client::<CampaignClient>(post.campaign_id.to_string()).published(Json(ForCampaign { org })).send();
            Ok(())
        } else {
            let status = self.status(&ctx, org, id).await?;
            Err(refuse::conflict("post-not-cancellable", format_args!("the post is {status}")))
        }
    }

    /// The post was taken out of its plan from elsewhere: the timer of that plan is called off.
    #[handler]
    async fn stand_down(&self, ctx: ObjectContext<'_>, input: Json<StandDown>) -> Result<(), TerminalError> {
        call_off(&ctx, input.into_inner().revision).await
    }

    /// The due time has come, by the clock of whoever set the timer: hands the post to its account's lane, which sends it unless the plan was
    /// changed since. Where it is too early by our clock, or by the rules that the zone has now, the timer is set again: the wall time holds.
    #[handler]
    async fn fire(&self, ctx: ObjectContext<'_>, input: Json<Fire>) -> Result<(), TerminalError> {
        let fired = input.into_inner();
        let (org, revision, connector_id) = (fired.org, fired.revision, fired.connector_id);
        let post_id = key(&ctx)?;
        if let Some(planned) = fired.due_at {
            let at = fired.at.clone();
            // In one step with the clock, because the rules of zones are the build's, and a replay may run on another.
            let compared = step(&ctx, &self.world, "clock.compare", Retry::Always, move |_| async move {
                let due = at.and_then(|at| at.resolve().ok()).map_or(planned, |due| due.due_at);
                Ok((activities::clock::now_millis(), due))
            });
            let (now, due) = match compared.await {
                // Called off as it began: another plan is in force.
                Err(failure) if failure.is_cancelled() => return Ok(()),
                compared => compared?,
            };
            let now = DateTime::from_timestamp_millis(now).unwrap_or_default();
            if now < due {
                if due != planned {
                    step(&ctx, &self.world, "store.move_due", Retry::Always, move |w| async move {
                        let mut tx = w.store.in_org(org).await?;
                        posts::move_due(&mut tx, post_id, revision, due).await?;
                        tx.commit().await
                    })
                    .await?;
                }
                let newest = ctx.get::<Json<Timer>>(TIMER).await?;
                if newest.is_some_and(|Json(timer)| timer.revision > revision) {
                    return Ok(());
                }
                return fire_at(&ctx, Fire { due_at: Some(due), ..fired }, due, now).await;
            }
            let grace = i64::try_from(self.world.settings.lateness.grace_seconds).unwrap_or(i64::MAX / 1000);
            if now - due > chrono::TimeDelta::seconds(grace) {
                step(&ctx, &self.world, "store.note_held", Retry::Always, move |w| async move {
                    let mut tx = w.store.in_org(org).await?;
                    posts::held(&mut tx, post_id, revision, Held::Down).await?;
                    tx.commit().await
                })
                .await?;
            }
        }
        ctx.object_client::<ConnectorClient>(connector_id.to_string()).publish(Json(PublishPost { org, post_id, revision })).send();
        // A timer that is called off as it begins has nothing to clear up.
        if let Ok(Some(Json(timer))) = ctx.get::<Json<Timer>>(TIMER).await
            && timer.revision == revision
        {
            ctx.clear(TIMER);
        }
        Ok(())
    }

    /// A person's answer for a post that needs attention.
    #[handler]
    async fn resolve(&self, ctx: ObjectContext<'_>, input: Json<Resolve>) -> Result<(), TerminalError> {
        let Resolve { org, by, verdict } = input.into_inner();
        let id = key(&ctx)?;
        let found = match verdict {
            PersonsVerdict::Published { external_id } => Some(self.find(&ctx, org, id, external_id.unwrap_or_default()).await?),
            PersonsVerdict::NotPublished => None,
        };
        let answered_by = format!("person:{by}");
        let now = clock::now(&ctx, &self.world).await?;
        let invocation = ctx.invocation_id().to_owned();
        use activities::publishing::Resolved;
        let next = step(&ctx, &self.world, "store.resolve_post", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let next = activities::publishing::resolve_by_person(&mut tx, id, found.as_ref(), &answered_by, now).await?;
            if !matches!(next, Resolved::NotAsked { .. }) {
                runs::join_of_post(&mut tx, id, &invocation).await?;
            }
            tx.commit().await?;
            Ok(next)
        })
        .await?;
        match next {
            Resolved::Published { campaign_id, measurable } => {
                if measurable {
                    ctx.object_client::<MetricsClient>(id.to_string()).start(Json(StartMetrics { org })).send();
                }
                ctx.object_client::<CampaignClient>(campaign_id.to_string()).published(Json(ForCampaign { org })).send();
            }
            Resolved::SendAgain { connector_id, revision } => {
                let lane = ctx.object_client::<ConnectorClient>(connector_id.to_string());
                lane.publish(Json(PublishPost { org, post_id: id, revision })).send();
            }
            Resolved::NotAsked { status } => {
                return Err(refuse::conflict("post-not-resolvable", format_args!("the post is {status} and asks nothing")));
            }
        }
        Ok(())
    }
}

impl Publication {
    /// The post that a person names, as its platform knows it.
    async fn find(&self, ctx: &ObjectContext<'_>, org: OrgId, id: PostId, named: String) -> Result<Sent, TerminalError> {
        let word = Sent { external_id: named.trim().to_owned(), url: String::new(), cid: None };
        if word.external_id.is_empty() {
            return Ok(word);
        }
        let post = step(ctx, &self.world, "store.load_post", Retry::Always, move |w| async move {
            posts::require(&mut w.store.in_org(org).await?, id).await
        })
        .await?;
        if post.status != PostStatus::NeedsAttention {
            return Ok(word);
        }
        let look_up = post.platform.capabilities().steps.look_up;
        let found = step(ctx, &self.world, look_up, Retry::Attempts(3), move |w| async move {
            activities::publishing::find(&w.publishing(), org, id, &named).await
        })
        .await;
        match found {
            Ok(sent) => Ok(sent),
            Err(cancelled) if cancelled.is_cancelled() => Err(cancelled.into()),
            // Without a session nobody can look: the person's word is all there is.
            Err(Failure(ActivityError::CredentialsExpired { .. })) => Ok(word),
            Err(Failure(ActivityError::Transient { .. } | ActivityError::RateLimited { .. })) => Err(refuse::unavailable(
                "unavailable",
                "the platform does not answer now, so that the post could be looked at: answer again soon",
            )),
            Err(Failure(ActivityError::Rejected { what } | ActivityError::NotFound { what })) => {
                Err(refuse::unprocessable("platform-refused", format_args!("the post that was named is not there: {what}")))
            }
            Err(other) => Err(other.into()),
        }
    }

    /// What a post is now, for those who are refused: it may have changed since the request was looked at.
    async fn status(&self, ctx: &ObjectContext<'_>, org: OrgId, id: PostId) -> Result<PostStatus, TerminalError> {
        let post = step(ctx, &self.world, "store.load_post", Retry::Always, move |w| async move {
            posts::require(&mut w.store.in_org(org).await?, id).await
        });
        Ok(post.await?.status)
    }

    async fn plan(&self, ctx: &ObjectContext<'_>, asked: Schedule) -> Result<Scheduled, TerminalError> {
        for _ in 0..TURNS {
            if let Some(scheduled) = self.plan_as_it_is(ctx, asked.clone()).await? {
                return Ok(scheduled);
            }
        }
        Err(refuse::conflict("post-not-schedulable", "the post is being changed by others: ask again"))
    }

    /// Plans the post as it is now. `None`: it was changed, past this object, between looking and planning.
    async fn plan_as_it_is(
        &self,
        ctx: &ObjectContext<'_>,
        Schedule { org, spec, late_is_fine, first_only }: Schedule,
    ) -> Result<Option<Scheduled>, TerminalError> {
        let id = key(ctx)?;
        // What the campaign asks for hangs in its run already.
        let joins = !late_is_fine;
        let post = step(ctx, &self.world, "store.load_post", Retry::Always, move |w| async move {
            posts::require(&mut w.store.in_org(org).await?, id).await
        })
        .await?;
        if first_only && post.status != PostStatus::Approved {
            return Ok(Some(in_force(&post)));
        }
        let now = clock::now(ctx, &self.world).await?;
        let (spec, reason) = match spec {
            ScheduleSpec::BestTime(asked) => {
                asked.check().map_err(|e| refuse::unprocessable("schedule-refused", e))?;
                let chosen = step(ctx, &self.world, "store.choose_time", Retry::Always, move |w| async move {
                    best_time::choose(&mut w.store.in_org(org).await?, id, &asked, now).await
                })
                .await?;
                (ScheduleSpec::At(chosen.at), Some(chosen.reason))
            }
            other => (other, None),
        };
        // An hour that was chosen just now is not refused for the moments since.
        let late_is_fine = late_is_fine || reason.is_some();
        let due = if late_is_fine { spec.due_even_if_past(now) } else { spec.due(now) }
            .map_err(|e| refuse::unprocessable("schedule-refused", e))?;
        let revision = post.revision + 1;
        let at = match &spec {
            ScheduleSpec::At(at) => Some(at.clone()),
            _ => None,
        };
        let invocation = ctx.invocation_id().to_owned();
        let planned = step(ctx, &self.world, "store.plan_post", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let planned = posts::plan(&mut tx, id, revision, &spec, due.due_at, first_only).await?;
            if planned && joins {
                runs::join_of_post(&mut tx, id, &invocation).await?;
            }
            if let Some(reason) = &reason {
                posts::explain(&mut tx, id, revision, reason).await?;
            }
            tx.commit().await?;
            Ok(planned)
        })
        .await?;
        if !planned && first_only {
            return Ok(Some(in_force(&post)));
        }
        if !planned {
            let status = self.status(ctx, org, id).await?;
            if matches!(status, PostStatus::Approved | PostStatus::Scheduled | PostStatus::Cancelled) {
                return Ok(None);
            }
            return Err(refuse::conflict(
                "post-not-schedulable",
                format_args!("the post is {status}, and only an approved post can be scheduled"),
            ));
        }
        call_off(ctx, revision).await?;
        let fire = Fire { org, revision, connector_id: post.connector_id, due_at: Some(due.due_at), at };
        fire_at(ctx, fire, due.due_at, now).await?;
        Ok(Some(Scheduled { due_at: due.due_at, adjusted: due.adjusted, revision }))
    }
}

/// Where the state has the [`Timer`].
const TIMER: &str = "timer";

/// Sets the timer of a plan for an instant.
async fn fire_at(ctx: &ObjectContext<'_>, fire: Fire, at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), TerminalError> {
    let revision = fire.revision;
    let timer = ctx.object_client::<PublicationClient>(ctx.key()).fire(Json(fire)).send_after(clock::timer(at));
    // What is due now cannot be called off any more, so that nobody waits for its id.
    if now < at {
        ctx.set(TIMER, Json(Timer { revision, invocation: timer.await?.invocation_id().to_owned() }));
    }
    Ok(())
}

/// Calls off the timer of a plan before `revision`. A later plan's is left alone: it may have overtaken what asks for this.
async fn call_off(ctx: &ObjectContext<'_>, revision: i32) -> Result<(), TerminalError> {
    if let Some(Json(timer)) = ctx.get::<Json<Timer>>(TIMER).await?
        && timer.revision < revision
    {
        ctx.invocation_handle(timer.invocation).cancel();
        ctx.clear(TIMER);
    }
    Ok(())
}

/// The plan that a post has by a person's word.
fn in_force(post: &Post) -> Scheduled {
    Scheduled { due_at: post.due_at.unwrap_or_default(), adjusted: None, revision: post.revision }
}

fn key(ctx: &ObjectContext<'_>) -> Result<PostId, TerminalError> {
    ctx.key().parse().map_err(|e| refuse::unprocessable("bad-id", e))
}
