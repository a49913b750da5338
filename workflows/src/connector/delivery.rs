//! Sending one post: the send-once protocol, as steps, part by part.
//!
//! Each turn of the inner loop is one attempt, with a receipt of its own: armed in the database, claimed and sent once, classified. Where the answer
//! does not tell whether the part is on the platform, it is looked for; it is sent again only when it is known not to be there. A part that is out
//! is never sent again: whatever stops the post, it goes on with the first part that is not.

mod attempt;
mod holding;

use std::{collections::BTreeMap, time::Duration};

use activities::{
    ActivityError,
    publishing::{self, Attempt, Begun, Progress},
};
use domain::{
    ids::{ConnectorId, OrgId, PostId},
    post::PostStatus,
    publication::{Sent, Submission},
    schedule::lateness::Held,
};
use restate_sdk::prelude::*;

use self::attempt::LookUp;
use super::{Connector, PublishPost, key};
use crate::{
    campaign::{CampaignClient, ForCampaign},
    metrics::{MetricsClient, StartMetrics},
    step::{Failure, Retry, step},
};

/// How often one invocation tries a part before it gives the lane a longer rest.
const ATTEMPTS: u32 = 5;

/// How the lane goes on after a post.
pub(super) enum Done {
    /// The post is through: published, refused, overtaken, or waiting for a person. The next one's turn.
    Ended,
    /// The post, and the lane with it, waits.
    WaitFor(Duration),
    /// The account has to be reconnected first.
    WaitForReconnect,
}

/// One post on its way out.
struct Delivery<'a> {
    org: OrgId,
    id: PostId,
    connector: ConnectorId,
    revision: i32,
    begun: &'a Begun,
}

impl Delivery<'_> {
    const fn attempt(&self, part: u32, number: i32) -> Attempt {
        self.begun.attempt(self.org, self.id, self.connector, self.revision, part, number)
    }
}

impl Connector {
    pub(super) async fn deliver(&self, ctx: &ObjectContext<'_>, post: PublishPost) -> Result<Done, TerminalError> {
        let PublishPost { org, post_id: id, revision } = post;
        let connector = key(ctx)?;
        let begun = step(ctx, &self.world, "store.begin_sending", Retry::Always, move |w| async move {
            publishing::begin(&w.publishing(), &w.settings.lateness, org, id, connector, revision).await
        })
        .await;
        let begun = match begun {
            Ok(Some(begun)) => begun,
            Ok(None) => return Ok(Done::Ended),
            Err(Failure(ActivityError::Rejected { what } | ActivityError::NotFound { what })) => {
                if let Some(campaign) = self.hold_back(ctx, org, id, PostStatus::NeedsApproval, what).await? {
                    ctx.object_client::<CampaignClient>(campaign.to_string()).reopened(Json(ForCampaign { org })).send();
                }
                return Ok(Done::Ended);
            }
            Err(other) => return Err(other.into()),
        };
        self.parts(ctx, Delivery { org, id, connector, revision, begun: &begun }).await
    }

    /// Sends what is not out yet, in order.
    async fn parts(&self, ctx: &ObjectContext<'_>, d: Delivery<'_>) -> Result<Done, TerminalError> {
        let mut refreshed = false;
        if d.begun.token_stale
            && let Err(hold) = self.fresh_token(ctx, &d, &mut refreshed).await?
        {
            return Ok(hold);
        }
        let mentions = if d.begun.mentions { self.mentions(ctx, &d).await? } else { BTreeMap::new() };
        for part in d.begun.next..d.begun.parts {
            if let Err(hold) = self.part(ctx, &d, part, &mentions, &mut refreshed).await? {
                return Ok(hold);
            }
        }
        let org = d.org;
        ctx.object_client::<MetricsClient>(d.id.to_string()).start(Json(StartMetrics { org })).send();
        ctx.object_client::<CampaignClient>(d.begun.campaign_id.to_string()).published(Json(ForCampaign { org })).send();
        Ok(Done::Ended)
    }

    /// Sends one part. An error of the inner kind says how the lane goes on without it.
    async fn part(
        &self,
        ctx: &ObjectContext<'_>,
        d: &Delivery<'_>,
        part: u32,
        mentions: &BTreeMap<String, String>,
        refreshed: &mut bool,
    ) -> Result<Result<(), Done>, TerminalError> {
        let first = part == d.begun.next;
        let mut number = if first { d.begun.attempts } else { 0 };
        let mut open = first && d.begun.open;
        let mut staged = !d.begun.stages(part) || (first && (d.begun.frozen || open));
        if part == 0 && d.begun.media {
            match self.fit(ctx, d).await {
                Ok(()) => {}
                Err(cancelled) if cancelled.is_cancelled() => return Err(cancelled.into()),
                // What may be out already is looked for, whatever became of its files.
                Err(_) if open => {}
                Err(Failure(ActivityError::Rejected { what } | ActivityError::NotFound { what })) => {
                    return self.refused(ctx, d, part, what).await.map(Err);
                }
                Err(_) => {
                    self.wait(ctx, d, "its files cannot be read now".to_owned(), Held::Media).await?;
                    return Ok(Err(Done::WaitFor(self.world.settings.rest())));
                }
            }
        }
        let mut repetitions = 0;
        for turn in 0..ATTEMPTS {
            if !staged {
                match self.stage(ctx, d, d.attempt(part, number)).await {
                    Ok(Progress::Ready) => staged = true,
                    Ok(Progress::Wait { what, after_ms }) => {
                        self.wait(ctx, d, format!("the platform is at work on it: {what}"), Held::Media).await?;
                        return Ok(Err(Done::WaitFor(Duration::from_millis(after_ms))));
                    }
                    Err(Failure(ActivityError::CredentialsExpired { .. })) => {
                        if let Err(hold) = self.fresh_token(ctx, d, refreshed).await? {
                            return Ok(Err(hold));
                        }
                        continue;
                    }
                    Err(Failure(ActivityError::RateLimited { retry_after_ms, .. })) => {
                        return self.rate_limited(ctx, d, retry_after_ms).await.map(Err);
                    }
                    Err(Failure(ActivityError::Rejected { what } | ActivityError::NotFound { what })) => {
                        return self.refused(ctx, d, part, what).await.map(Err);
                    }
                    Err(cancelled) if cancelled.is_cancelled() => return Err(cancelled.into()),
                    Err(_) => break,
                }
            }
            let submission = if open {
                Submission::Unknown { what: "an earlier attempt ended before its outcome was known".to_owned() }
            } else {
                number += 1;
                match self.submit(ctx, d, d.attempt(part, number), mentions).await {
                    Ok(submission) => submission,
                    // Nothing was sent, and nothing would be another time: the post must not stay at the head of the lane.
                    Err(Failure(ActivityError::Rejected { what } | ActivityError::NotFound { what })) => {
                        let note = format!("it could not be sent: {what}");
                        self.ask(ctx, d, note).await?;
                        return Ok(Err(Done::Ended));
                    }
                    Err(other) => return Err(other.into()),
                }
            };
            let attempt = d.attempt(part, number);
            repetitions += u32::from(matches!(submission, Submission::Repeated { .. }));
            match submission {
                Submission::Published(sent) => return self.out(ctx, d, attempt, sent, "answer").await,
                Submission::Duplicate(sent) => return self.out(ctx, d, attempt, sent, "duplicate").await,
                Submission::Rejected { what } => return self.refused(ctx, d, part, what).await.map(Err),
                Submission::RateLimited { retry_after_ms } => return self.rate_limited(ctx, d, retry_after_ms).await.map(Err),
                Submission::CredentialsExpired { .. } => {
                    if let Err(hold) = self.fresh_token(ctx, d, refreshed).await? {
                        return Ok(Err(hold));
                    }
                }
                Submission::RefusedBySettings { what } => {
                    self.ask(ctx, d, publishing::refused_by_settings(&what)).await?;
                    return Ok(Err(Done::Ended));
                }
                Submission::NotSent { .. } => ctx.sleep(self.world.settings.settle(turn)).await?,
                Submission::Repeated { what } | Submission::Unknown { what } => match self.look_up(ctx, d, attempt).await? {
                    LookUp::Found(sent) => return self.out(ctx, d, attempt, sent, "lookup").await,
                    // Once, a platform may be behind itself. What it refuses again as a repetition, no further attempt brings out.
                    LookUp::Absent if repetitions > 1 => {
                        let note = format!(
                            "the platform says that it has this post already, and it is not to be found: {what}. \
                                            Change its text, or look at the account and answer."
                        );
                        self.ask(ctx, d, note).await?;
                        return Ok(Err(Done::Ended));
                    }
                    LookUp::Absent => {
                        self.absent(ctx, d, attempt).await?;
                        open = false;
                    }
                    LookUp::Unreachable => return Ok(Err(Done::WaitFor(self.world.settings.rest()))),
                    LookUp::Expired => {
                        open = true;
                        if let Err(hold) = self.fresh_token(ctx, d, refreshed).await? {
                            return Ok(Err(hold));
                        }
                    }
                    LookUp::Unknown(evidence) => {
                        let which = if d.begun.parts > 1 { format!("part {} of {}", part + 1, d.begun.parts) } else { "it".to_owned() };
                        let note = format!("{which} may have been published: {what}; {evidence}. Look at the account and answer.");
                        self.ask(ctx, d, note).await?;
                        return Ok(Err(Done::Ended));
                    }
                },
            }
        }
        self.wait(ctx, d, "the platform cannot be reached".to_owned(), Held::Platform).await?;
        Ok(Err(Done::WaitFor(self.world.settings.rest())))
    }

    async fn out(
        &self,
        ctx: &ObjectContext<'_>,
        d: &Delivery<'_>,
        attempt: Attempt,
        sent: Sent,
        how: &'static str,
    ) -> Result<Result<(), Done>, TerminalError> {
        self.record(ctx, d, attempt, sent, how).await?;
        Ok(Ok(()))
    }

    /// The platform refuses a part for good. Where nothing is out the post has failed; where something is, a person has to say what becomes of the
    /// rest.
    async fn refused(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>, part: u32, what: String) -> Result<Done, TerminalError> {
        if part > 0 {
            self.ask(ctx, d, format!("part {} of {} was refused: {what}", part + 1, d.begun.parts)).await?;
            return Ok(Done::Ended);
        }
        self.hold_back(ctx, d.org, d.id, PostStatus::Failed, what).await?;
        let campaign = d.begun.campaign_id.to_string();
        ctx.object_client::<CampaignClient>(campaign).published(Json(ForCampaign { org: d.org })).send();
        Ok(Done::Ended)
    }

    async fn rate_limited(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>, retry_after_ms: u64) -> Result<Done, TerminalError> {
        self.wait(ctx, d, "the platform asks to wait".to_owned(), Held::RateWindow).await?;
        Ok(Done::WaitFor(Duration::from_millis(retry_after_ms)))
    }
}
