//! Sending one post: the send-once protocol, as steps.
//!
//! Each turn of the loop is one attempt, with a receipt of its own: armed in the database, claimed and sent once, classified. Where the answer
//! does not tell whether the post is on the platform, it is looked for; it is sent again only when it is known not to be there.

use std::{collections::BTreeMap, time::Duration};

use activities::{
    ActivityError,
    publishing::{self, Begun, LookedUp},
    store::posts,
};
use domain::{
    ids::{ConnectorId, OrgId, PostId},
    post::PostStatus,
    publication::{Resolution, Sent, Submission},
};
use restate_sdk::prelude::*;

use super::{Connector, PublishPost, key};
use crate::{
    campaign::{CampaignClient, ForCampaign},
    metrics::{MetricsClient, StartMetrics},
    step::{Failure, Retry, step},
};

/// How often one invocation tries before it gives the lane a longer rest.
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
                self.hold_back(ctx, org, id, PostStatus::NeedsApproval, what).await?;
                return Ok(Done::Ended);
            }
            Err(other) => return Err(other.into()),
        };
        self.attempts(ctx, Delivery { org, id, connector, revision, begun: &begun }).await
    }

    async fn attempts(&self, ctx: &ObjectContext<'_>, d: Delivery<'_>) -> Result<Done, TerminalError> {
        let mut attempt = d.begun.attempts;
        let mut open = d.begun.open;
        let mut refreshed = false;
        if d.begun.token_stale
            && let Err(hold) = self.fresh_token(ctx, &d, &mut refreshed).await?
        {
            return Ok(hold);
        }
        let mentions = if d.begun.mentions { self.mentions(ctx, &d).await? } else { BTreeMap::new() };
        for turn in 0..ATTEMPTS {
            let submission = if open {
                Submission::Unknown { what: "an earlier attempt ended before its outcome was known".to_owned() }
            } else {
                attempt += 1;
                match self.submit(ctx, &d, attempt, &mentions).await {
                    Ok(submission) => submission,
                    // Nothing was sent, and nothing would be another time: the post must not stay at the head of the lane.
                    Err(Failure(ActivityError::Rejected { what } | ActivityError::NotFound { what })) => {
                        let note = format!("it could not be sent: {what}");
                        self.hold_back(ctx, d.org, d.id, PostStatus::NeedsAttention, note).await?;
                        return Ok(Done::Ended);
                    }
                    Err(other) => return Err(other.into()),
                }
            };
            match submission {
                Submission::Published(sent) => return self.published(ctx, &d, attempt, sent, "answer").await,
                Submission::Rejected { what } => {
                    self.hold_back(ctx, d.org, d.id, PostStatus::Failed, what).await?;
                    ctx.object_client::<CampaignClient>(d.begun.campaign_id.to_string()).published(Json(ForCampaign { org: d.org })).send();
                    return Ok(Done::Ended);
                }
                Submission::RateLimited { retry_after_ms } => {
                    self.wait(ctx, &d, "the platform asks to wait").await?;
                    return Ok(Done::WaitFor(Duration::from_millis(retry_after_ms)));
                }
                Submission::CredentialsExpired { .. } => {
                    if let Err(hold) = self.fresh_token(ctx, &d, &mut refreshed).await? {
                        return Ok(hold);
                    }
                }
                Submission::NotSent { .. } => ctx.sleep(self.world.settings.settle(turn)).await?,
                Submission::Unknown { what } => match self.look_up(ctx, &d, attempt).await? {
                    LookUp::Found(sent) => return self.published(ctx, &d, attempt, sent, "lookup").await,
                    LookUp::Absent => {
                        self.absent(ctx, &d, attempt).await?;
                        open = false;
                    }
                    LookUp::Unreachable => return Ok(Done::WaitFor(self.world.settings.rest())),
                    LookUp::Expired => {
                        open = true;
                        if let Err(hold) = self.fresh_token(ctx, &d, &mut refreshed).await? {
                            return Ok(hold);
                        }
                    }
                    LookUp::Unknown(evidence) => {
                        let note = format!("it may have been published: {what}; {evidence}. Look at the account and answer.");
                        self.hold_back(ctx, d.org, d.id, PostStatus::NeedsAttention, note).await?;
                        return Ok(Done::Ended);
                    }
                },
            }
        }
        self.wait(ctx, &d, "the platform cannot be reached").await?;
        Ok(Done::WaitFor(self.world.settings.rest()))
    }

    /// The ids of the accounts that the post mentions, found before it is frozen: its first attempt settles them. While the platform does not
    /// answer, a mention is not worth a late post, and stays text.
    async fn mentions(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>) -> Result<BTreeMap<String, String>, TerminalError> {
        let (org, id, connector) = (d.org, d.id, d.connector);
        let found = step(ctx, &self.world, "bluesky.resolve_handles", Retry::Attempts(3), move |w| async move {
            publishing::mentions(&w.publishing(), org, id, connector).await
        })
        .await;
        match found {
            Ok(found) => Ok(found),
            Err(cancelled) if cancelled.is_cancelled() => Err(cancelled.into()),
            Err(_) => Ok(BTreeMap::new()),
        }
    }

    /// One attempt: the intent is stored, then sent, once.
    async fn submit(
        &self,
        ctx: &ObjectContext<'_>,
        d: &Delivery<'_>,
        attempt: i32,
        mentions: &BTreeMap<String, String>,
    ) -> Result<Submission, Failure> {
        let (org, id, connector) = (d.org, d.id, d.connector);
        let mentions = mentions.clone();
        step(ctx, &self.world, "store.arm", Retry::Always, move |w| async move {
            publishing::arm(&w.publishing(), org, id, connector, attempt, mentions).await
        })
        .await?;
        // What is transient here is so before the first byte: the database or the key ring. From the claim on, the outcome is a value.
        step(ctx, &self.world, d.begun.steps().submit, Retry::Always, move |w| async move {
            publishing::submit(&w.publishing(), org, id, connector, attempt).await
        })
        .await
    }

    /// Looks for a post whose sending had no definite outcome, several times across a window in which the platform may settle.
    async fn look_up(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>, attempt: i32) -> Result<LookUp, Failure> {
        let (org, id, connector) = (d.org, d.id, d.connector);
        let mut unknown = None;
        for turn in 0..self.world.settings.look_ups() {
            ctx.sleep(self.world.settings.settle(turn)).await?;
            let looked = step(ctx, &self.world, d.begun.steps().look_up, Retry::Attempts(6), move |w| async move {
                publishing::look_up(&w.publishing(), org, id, connector, attempt).await
            })
            .await;
            match looked {
                Ok(LookedUp { resolution: Resolution::Found { sent, .. }, .. }) => return Ok(LookUp::Found(sent)),
                Ok(LookedUp { resolution: Resolution::Absent { .. }, may_resend: true }) => return Ok(LookUp::Absent),
                Ok(LookedUp { resolution: Resolution::Absent { .. }, may_resend: false }) => unknown = None,
                Ok(LookedUp { resolution: Resolution::Unknown { evidence }, .. }) => unknown = Some(evidence),
                Err(Failure(ActivityError::CredentialsExpired { .. })) => return Ok(LookUp::Expired),
                Err(Failure(ActivityError::Transient { .. } | ActivityError::RateLimited { .. })) => return Ok(LookUp::Unreachable),
                Err(Failure(other)) => unknown = Some(other.what().to_owned()),
            }
        }
        Ok(unknown.map_or(LookUp::Absent, LookUp::Unknown))
    }

    async fn absent(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>, attempt: i32) -> Result<(), Failure> {
        let (org, id) = (d.org, d.id);
        step(ctx, &self.world, "store.record_absent", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            publishing::record_absent(&mut tx, id, attempt).await?;
            tx.commit().await
        })
        .await
    }

    async fn published(
        &self,
        ctx: &ObjectContext<'_>,
        d: &Delivery<'_>,
        attempt: i32,
        sent: Sent,
        how: &'static str,
    ) -> Result<Done, TerminalError> {
        let (org, id, late_ms) = (d.org, d.id, d.begun.late_ms);
        step(ctx, &self.world, "store.record_published", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            publishing::record_published(&mut tx, id, attempt, &sent, how, late_ms).await?;
            tx.commit().await
        })
        .await?;
        ctx.object_client::<MetricsClient>(d.id.to_string()).start(Json(StartMetrics { org })).send();
        ctx.object_client::<CampaignClient>(d.begun.campaign_id.to_string()).published(Json(ForCampaign { org })).send();
        Ok(Done::Ended)
    }

    /// Gets a fresh token once in a delivery; the hold that the lane needs if there is none to be had.
    async fn fresh_token(
        &self,
        ctx: &ObjectContext<'_>,
        d: &Delivery<'_>,
        refreshed: &mut bool,
    ) -> Result<Result<(), Done>, TerminalError> {
        let tried = if *refreshed {
            Err(Failure(ActivityError::credentials_expired("the platform refuses a token that was just refreshed")))
        } else {
            *refreshed = true;
            self.refresh_token(ctx, d.org, d.connector).await
        };
        match tried {
            Ok(()) => Ok(Ok(())),
            Err(Failure(ActivityError::CredentialsExpired { what })) => {
                let (org, connector) = (d.org, d.connector);
                step(ctx, &self.world, "store.set_account_state", Retry::Always, move |w| async move {
                    let mut tx = w.store.in_org(org).await?;
                    activities::store::connectors::set_state(&mut tx, connector, "needs_reconnect", Some(&what)).await?;
                    tx.commit().await
                })
                .await?;
                self.wait(ctx, d, "waits until the account is reconnected").await?;
                Ok(Err(Done::WaitForReconnect))
            }
            Err(_) => {
                self.wait(ctx, d, "the platform cannot be reached to refresh the account's token").await?;
                Ok(Err(Done::WaitFor(self.world.settings.rest())))
            }
        }
    }

    /// The post waits in the lane and can still be cancelled; only one that may have been sent stays as it is.
    async fn wait(&self, ctx: &ObjectContext<'_>, d: &Delivery<'_>, note: &'static str) -> Result<(), TerminalError> {
        let (org, id, revision) = (d.org, d.id, d.revision);
        step(ctx, &self.world, "store.wait_in_lane", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            publishing::wait_in_lane(&mut tx, id, revision, note).await?;
            tx.commit().await
        })
        .await?;
        Ok(())
    }

    async fn hold_back(&self, ctx: &ObjectContext<'_>, org: OrgId, id: PostId, to: PostStatus, note: String) -> Result<(), TerminalError> {
        step(ctx, &self.world, "store.hold_back", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            posts::advance(&mut tx, id, &[PostStatus::Publishing, PostStatus::Scheduled], to, Some(&note)).await?;
            tx.commit().await
        })
        .await?;
        Ok(())
    }
}

/// What a whole settling window says.
enum LookUp {
    Found(Sent),
    /// Known not to be there, or harmless to repeat.
    Absent,
    /// Nothing can be said now; later.
    Unreachable,
    Expired,
    Unknown(String),
}
