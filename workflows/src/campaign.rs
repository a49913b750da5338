//! `Campaign`, one object for each campaign: from the request over the drafts and the decisions to the last post.

mod waiting;

use activities::{
    ActivityResult, approval,
    store::{
        OrgTx,
        campaigns::{self, NewCampaign},
        posts, runs,
        schedules::occurrences,
    },
};
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{
    ids::{CampaignId, ConnectorId, OrgId, PostId, VariantId},
    post::PostStatus,
    schedule::ScheduleSpec,
};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    clock,
    generation::{Generate, GenerationClient},
    publication::{PublicationClient, Schedule, StandDown},
    refuse, schedule as recurring,
    step::{Failure, Retry, step},
    world::World,
};

/// Input of `create`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateCampaign {
    /// The tenant.
    pub org: OrgId,
    /// What was asked for.
    pub campaign: NewCampaign,
    /// The accounts to write for.
    pub connectors: Vec<ConnectorId>,
}

/// Input of the handlers that need nothing more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ForCampaign {
    /// The tenant.
    pub org: OrgId,
}

/// Input of `generated`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Generated {
    /// The tenant.
    pub org: OrgId,
    /// Why nothing could be written, if so.
    pub failure: Option<String>,
}

/// Input of `decide`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decide {
    /// The tenant.
    pub org: OrgId,
    /// The post that is decided on.
    pub post_id: PostId,
    /// Who decides, as people know them.
    pub by: String,
    /// The decision.
    pub decision: Decision,
}

/// A person's decision on a post.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// This text goes out.
    Approve {
        /// The variant.
        variant_id: VariantId,
        /// The text, if it was edited.
        content: Option<String>,
    },
    /// None of them goes out.
    Reject {
        /// Why.
        reason: String,
    },
}

/// Output of `cancel`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cancelled {
    /// Posts that will not go out any more.
    pub stopped: Vec<PostId>,
    /// Posts that were on their platform, or on the way, already.
    pub sent: Vec<PostId>,
}

/// The handler that stops a campaign, as `Service/handler`.
pub const STOP: &str = "Campaign/cancel";

/// See the module.
pub struct Campaign {
    /// The outside world.
    pub world: World,
}

#[restate_sdk::object(client_visibility = "pub(crate)")]
impl Campaign {
    /// Stores the campaign and starts writing.
    #[handler]
    async fn create(&self, ctx: ObjectContext<'_>, input: Json<CreateCampaign>) -> Result<(), TerminalError> {
        let CreateCampaign { org, campaign, connectors } = input.into_inner();
        let campaign_id = campaign.id;
        let invocation = ctx.invocation_id().to_owned();
        let stored = (campaign.clone(), invocation.clone());
        let created: Result<(), Failure> = step(&ctx, &self.world, "store.create_campaign", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            store(&mut tx, &campaign, &invocation).await?;
            tx.commit().await
        })
        .await;
        if let Err(failure) = created {
            if failure.is_cancelled() {
                // Stopped before it began to write. It has its id already, so it is there, and says that it was cancelled.
                step(&ctx, &self.world, "store.cancel_campaign", Retry::Always, move |w| async move {
                    let mut tx = w.store.in_org(org).await?;
                    store(&mut tx, &stored.0, &stored.1).await?;
                    campaigns::cancel(&mut tx, campaign_id).await?;
                    tx.commit().await
                })
                .await?;
            }
            return Err(failure.into());
        }
        ctx.service_client::<GenerationClient>().run(Json(Generate { org, campaign_id, connectors })).send();
        Ok(())
    }

    /// The drafts are there: they are approved by rule where that was asked for and nothing speaks against it; the others wait for a person.
    #[handler]
    async fn generated(&self, ctx: ObjectContext<'_>, input: Json<Generated>) -> Result<(), TerminalError> {
        let Generated { org, failure } = input.into_inner();
        let id = key(&ctx)?;
        let now = clock::now(&ctx, &self.world).await?;
        let decide_by = self.decide_by(now);
        let settled = step(&ctx, &self.world, "store.settle_drafts", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let settled = approval::settle_drafts(&mut tx, id, decide_by, failure.as_deref()).await?;
            tx.commit().await?;
            Ok(settled)
        })
        .await?;
        let settled_none = settled.approved.is_empty();
        for post in settled.approved {
            schedule(&ctx, org, post, settled.schedule.clone());
        }
        if settled.waiting == 0 && settled_none {
            // Nothing of it will go out: it has ended before it began.
            ctx.object_client::<CampaignClient>(ctx.key()).published(Json(ForCampaign { org })).send();
        }
        if settled.waiting > 0 {
            waiting::begin(&ctx, org, self.world.settings.reminder_seconds, now, decide_by).await?;
        }
        Ok(())
    }

    /// A post waits for a decision again, because what had been approved was changed: people get time for it, and no plan of it comes due.
    #[handler]
    async fn reopened(&self, ctx: ObjectContext<'_>, input: Json<ForCampaign>) -> Result<(), TerminalError> {
        let org = input.into_inner().org;
        let id = key(&ctx)?;
        let now = clock::now(&ctx, &self.world).await?;
        let decide_by = self.decide_by(now);
        let is_on = waiting::is_on(&ctx).await?;
        let invocation = ctx.invocation_id().to_owned();
        let (posts, decide_by) = step(&ctx, &self.world, "store.reopen_decision", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let posts = posts::list(&mut tx, Some(id), Some(PostStatus::NeedsApproval), None, None, i64::MAX).await?;
            let posts: Vec<_> = posts.into_iter().map(|post| (post.id, post.revision)).collect();
            if is_on || posts.is_empty() {
                return Ok((posts, None));
            }
            let decide_by = campaigns::decide_by(&mut tx, id, now, decide_by).await?;
            runs::join(&mut tx, id, &invocation).await?;
            tx.commit().await?;
            Ok((posts, Some(decide_by)))
        })
        .await?;
        for (post, revision) in posts {
            ctx.object_client::<PublicationClient>(post.to_string()).stand_down(Json(StandDown { org, revision })).send();
        }
        if let Some(decide_by) = decide_by {
            waiting::begin(&ctx, org, self.world.settings.reminder_seconds, now, decide_by).await?;
        }
        Ok(())
    }

    /// A person's decision. Of two at once one wins; the other is told who did.
    #[handler]
    async fn decide(&self, ctx: ObjectContext<'_>, input: Json<Decide>) -> Result<(), TerminalError> {
        let Decide { org, post_id, by, decision } = input.into_inner();
        let approves = matches!(decision, Decision::Approve { .. });
        let me = by.clone();
        let id = key(&ctx)?;
        let invocation = ctx.invocation_id().to_owned();
        let decided = step(&ctx, &self.world, "store.decide", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let decided = match &decision {
                Decision::Approve { variant_id, content } => {
                    approval::approve(&mut tx, post_id, *variant_id, content.as_deref(), &by).await?
                }
                Decision::Reject { reason } => approval::reject(&mut tx, post_id, reason, &by).await?,
            };
            if matches!(decided, approval::Decided::Done { .. }) {
                runs::join(&mut tx, id, &invocation).await?;
            }
            tx.commit().await?;
            Ok(decided)
        })
        .await?;
        match decided {
            approval::Decided::Done { schedule: plan, last } => {
                if last {
                    waiting::end(&ctx).await?;
                }
                if approves {
                    schedule(&ctx, org, post_id, plan);
                } else {
                    // It may have been the last of its campaign's.
                    ctx.object_client::<CampaignClient>(ctx.key()).published(Json(ForCampaign { org })).send();
                }
                Ok(())
            }
            approval::Decided::Before { status, by, at } => {
                Err(refuse::conflict("already-decided", before(status, by.as_deref(), at, &me)))
            }
        }
    }

    /// People have not decided for a while: they are reminded by mail. Shared: a mail server that takes its time holds up no decision.
    #[handler]
    async fn remind(&self, ctx: SharedObjectContext<'_>, input: Json<ForCampaign>) -> Result<(), TerminalError> {
        let org = input.into_inner().org;
        let id: CampaignId = ctx.key().parse().map_err(|e| refuse::unprocessable("bad-id", e))?;
        let reminder = step(&ctx, &self.world, "store.waiting_decisions", Retry::Always, move |w| async move {
            approval::reminder(&mut w.store.in_org(org).await?, id).await
        })
        .await;
        let reminder = match reminder {
            // Called off as it began: the last decision was faster.
            Err(failure) if failure.is_cancelled() => return Ok(()),
            reminder => reminder?,
        };
        let Some(reminder) = reminder else { return Ok(()) };
        let date = clock::now(&ctx, &self.world).await?;
        for to in reminder.to.clone() {
            let (reminder, invocation) = (reminder.clone(), ctx.invocation_id().to_owned());
            let sent: Result<(), Failure> = step(&ctx, &self.world, "mail.remind", Retry::Attempts(8), move |w| async move {
                approval::mail_reminder(&w.mailer, id, &invocation, &to, &reminder, date).await
            })
            .await;
            match sent {
                // Called off by the last decision, which need not wait for it.
                Err(cancelled) if cancelled.is_cancelled() => return Ok(()),
                // A reminder that does not arrive, or may have arrived already, stops nothing; the tree of steps shows it.
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Stops what has not been sent, and says what had.
    #[handler]
    async fn cancel(&self, ctx: ObjectContext<'_>, input: Json<ForCampaign>) -> Result<Json<Cancelled>, TerminalError> {
        let org = input.into_inner().org;
        let id = key(&ctx)?;
        let invocation = ctx.invocation_id().to_owned();
        let (stopped, sent, waits) = step(&ctx, &self.world, "store.cancel_campaign", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            campaigns::require(&mut tx, id).await?;
            campaigns::cancel(&mut tx, id).await?;
            runs::join(&mut tx, id, &invocation).await?;
            let (mut stopped, mut sent) = (Vec::new(), Vec::new());
            for post in posts::list(&mut tx, Some(id), None, None, None, i64::MAX).await? {
                let was = post.status == PostStatus::Cancelled;
                let revision = post.revision + i32::from(!was);
                if was || posts::cancel(&mut tx, post.id, revision, Some("the campaign was cancelled")).await? {
                    stopped.push((post.id, revision));
                    continue;
                }
                // As it is now: it may have begun to be sent since it was listed.
                let status = posts::require(&mut tx, post.id).await?.status;
                if matches!(status, PostStatus::Published | PostStatus::Publishing) {
                    sent.push(post.id);
                }
            }
            let waits = occurrences::waits_for_end_of(&mut tx, id).await?;
            tx.commit().await?;
            Ok((stopped, sent, waits))
        })
        .await?;
        recurring::tell_ended(&ctx, org, waits);
        waiting::end(&ctx).await?;
        for (post, revision) in &stopped {
            ctx.object_client::<PublicationClient>(post.to_string()).stand_down(Json(StandDown { org, revision: *revision })).send();
        }
        Ok(Json(Cancelled { stopped: stopped.into_iter().map(|(post, _)| post).collect(), sent }))
    }

    /// One of its posts has ended, whichever way: the campaign may be over.
    #[handler]
    async fn published(&self, ctx: ObjectContext<'_>, input: Json<ForCampaign>) -> Result<(), TerminalError> {
        let org = input.into_inner().org;
        let id = key(&ctx)?;
        let (waits, decided) = step(&ctx, &self.world, "store.finish_campaign", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            campaigns::finish_if_done(&mut tx, id).await?;
            let waits = occurrences::waits_for_end_of(&mut tx, id).await?;
            let decided = campaigns::is_decided(&mut tx, id).await?;
            tx.commit().await?;
            Ok((waits, decided))
        })
        .await?;
        if decided {
            // The one that ended may have been the last that people were asked for.
            waiting::end(&ctx).await?;
        }
        recurring::tell_ended(&ctx, org, waits);
        Ok(())
    }

    /// The time to decide is over: what nobody decided on does not go out.
    #[handler]
    async fn finish(&self, ctx: ObjectContext<'_>, input: Json<ForCampaign>) -> Result<(), TerminalError> {
        let org = input.into_inner().org;
        let id = key(&ctx)?;
        let waits = step(&ctx, &self.world, "store.end_waiting", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            for post in posts::list(&mut tx, Some(id), Some(PostStatus::NeedsApproval), None, None, i64::MAX).await? {
                posts::reject(&mut tx, post.id, "nobody decided in time", "deadline").await?;
            }
            campaigns::finish_if_done(&mut tx, id).await?;
            let waits = occurrences::waits_for_end_of(&mut tx, id).await?;
            tx.commit().await?;
            Ok(waits)
        })
        .await;
        let waits = match waits {
            // Called off as it began: the last decision was faster.
            Err(failure) if failure.is_cancelled() => return Ok(()),
            waits => waits?,
        };
        waiting::over(&ctx);
        recurring::tell_ended(&ctx, org, waits);
        Ok(())
    }
}

impl Campaign {
    fn decide_by(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + chrono::TimeDelta::seconds(i64::try_from(self.world.settings.approval_seconds).unwrap_or(i64::MAX / 1000))
    }
}

async fn store(tx: &mut OrgTx, campaign: &NewCampaign, invocation: &str) -> ActivityResult<()> {
    campaigns::insert(tx, campaign).await?;
    runs::insert(tx, campaign.run_id, "Campaign", &campaign.id.to_string(), invocation).await
}

/// Who decided before, in words for `me`, who comes too late.
fn before(status: PostStatus, by: Option<&str>, at: Option<DateTime<Utc>>, me: &str) -> String {
    let Some(by) = by else { return format!("the post is {status}: it waits for no decision") };
    let verb = if status == PostStatus::Rejected { "rejected" } else { "approved" };
    let who = if by == me { "you" } else { by };
    let when = at.map(|at| format!(" at {}", at.to_rfc3339_opts(SecondsFormat::Secs, true))).unwrap_or_default();
    let now = if matches!(status, PostStatus::Approved | PostStatus::Rejected) { String::new() } else { format!("; it is {status} now") };
    format!("{who} already {verb} the post{when}{now}")
}

/// Starts the plan of an approved post. A wall time that passed while people wrote and decided is late, not refused: the lateness rule has it.
fn schedule(ctx: &ObjectContext<'_>, org: OrgId, post: PostId, plan: Option<ScheduleSpec>) {
    if let Some(spec) = plan {
        ctx.object_client::<PublicationClient>(post.to_string())
            .schedule(Json(Schedule { org, spec, late_is_fine: true, first_only: true }))
            .send();
    }
}

fn key(ctx: &ObjectContext<'_>) -> Result<CampaignId, TerminalError> {
    ctx.key().parse().map_err(|e| refuse::unprocessable("bad-id", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_too_late_is_told_who_decided_and_when() {
        let at = DateTime::from_timestamp(1_795_000_000, 5).unwrap();
        let told = |status, by| before(status, by, Some(at), "Ada");
        assert_eq!(told(PostStatus::Approved, Some("Ada")), "you already approved the post at 2026-11-18T11:06:40Z");
        assert_eq!(told(PostStatus::Scheduled, Some("Bo")), "Bo already approved the post at 2026-11-18T11:06:40Z; it is scheduled now");
        assert_eq!(told(PostStatus::Rejected, Some("Bo")), "Bo already rejected the post at 2026-11-18T11:06:40Z");
        assert_eq!(told(PostStatus::Drafting, None), "the post is drafting: it waits for no decision");
    }
}
