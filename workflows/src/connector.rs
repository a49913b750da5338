//! `Connector`, one object for each connected account: the single lane to it.
//!
//! The object's inbox is the queue, and its exclusive handlers are the lock: nothing is sent to an account, and no token of it is refreshed,
//! while something else is. A post that cannot be sent now (a rate window, a token that needs a person) stays at the head of the lane and holds
//! the ones behind it, so that their order is kept; the lane goes on by a delayed send, or when the account is reconnected.

mod delivery;
mod lane;

use std::time::Duration;

use activities::{publishing::NextRenewal, store::runs};
use chrono::{DateTime, Utc};
use domain::ids::{ConnectorId, OrgId, PostId};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    refuse,
    step::{Failure, Retry, step},
    world::World,
};
pub use lane::{Hold, Lane};

/// Input of `publish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishPost {
    /// The tenant.
    pub org: OrgId,
    /// The post.
    pub post_id: PostId,
    /// The plan under which it goes out; if another is in force, it does not.
    pub revision: i32,
}

/// Input of the handlers that concern the account itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ForOrg {
    /// The tenant.
    pub org: OrgId,
}

/// Input of `keep_token`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeepToken {
    /// The tenant.
    pub org: OrgId,
    /// When the token ends; another one is in force if it differs.
    pub expires_at: DateTime<Utc>,
}

/// How long a renewal ahead of time waits while its platform cannot be reached: there are days left.
const RENEW_AGAIN: Duration = Duration::from_secs(3600);

/// Input of `go_on`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GoOn {
    /// The hold that the timer belongs to; another one is in force if it differs.
    pub epoch: u64,
}

/// See the module.
pub struct Connector {
    /// The outside world.
    pub world: World,
}

#[restate_sdk::object(client_visibility = "pub(crate)")]
impl Connector {
    /// Sends a post, or queues it behind what the lane waits for.
    #[handler]
    async fn publish(&self, ctx: ObjectContext<'_>, input: Json<PublishPost>) -> Result<(), TerminalError> {
        let mut lane = Lane::load(&ctx).await?;
        let post = input.into_inner();
        let own = post.post_id;
        lane.enqueue(&ctx, post.clone());
        if let Some(timer) = lane.timer() {
            // It is sent from there, so that its run waits for that.
            self.join(&ctx, &post, timer.to_owned()).await?;
        }
        self.work_off(&ctx, lane, Some(own)).await
    }

    /// A rate window is over.
    #[handler]
    async fn go_on(&self, ctx: ObjectContext<'_>, input: Json<GoOn>) -> Result<(), TerminalError> {
        let mut lane = Lane::load(&ctx).await?;
        if !lane.release(input.into_inner().epoch) {
            return Ok(());
        }
        lane.save(&ctx);
        self.work_off(&ctx, lane, None).await
    }

    /// Checks that the account works; called after it was connected (again). Posts that waited for that go out.
    #[handler]
    async fn check(&self, ctx: ObjectContext<'_>, input: Json<ForOrg>) -> Result<(), TerminalError> {
        let org = input.into_inner().org;
        let id = key(&ctx)?;
        let checked: Result<(), Failure> = step(&ctx, &self.world, "account.check", Retry::Attempts(5), move |w| async move {
            activities::publishing::check(&w.publishing(), org, id).await
        })
        .await;
        self.after_check(&ctx, org, id, checked).await
    }

    /// Refreshes the account's token, where it has one that ends.
    #[handler]
    async fn refresh(&self, ctx: ObjectContext<'_>, input: Json<ForOrg>) -> Result<(), TerminalError> {
        let org = input.into_inner().org;
        let id = key(&ctx)?;
        let refreshed = self.refresh_token(&ctx, org, id).await;
        self.after_check(&ctx, org, id, refreshed).await
    }

    /// Renews a token that could not be renewed once it has ended, when its time has come; called by a timer, and after an account was connected.
    #[handler]
    async fn keep_token(&self, ctx: ObjectContext<'_>, input: Json<KeepToken>) -> Result<(), TerminalError> {
        let KeepToken { org, expires_at } = input.into_inner();
        let id = key(&ctx)?;
        let next = step(&ctx, &self.world, "store.next_renewal", Retry::Always, move |w| async move {
            activities::publishing::next_renewal(&w.publishing(), org, id, expires_at).await
        })
        .await?;
        match next {
            None => return Ok(()),
            Some(next) if next.wait_ms > 0 => {
                renew_later(&ctx, org, next);
                return Ok(());
            }
            Some(_) => {}
        }
        let refreshed = self.refresh_token(&ctx, org, id).await;
        if matches!(&refreshed, Err(Failure(activities::ActivityError::Transient { .. } | activities::ActivityError::RateLimited { .. }))) {
            ctx.object_client::<ConnectorClient>(ctx.key()).keep_token(Json(KeepToken { org, expires_at })).send_after(RENEW_AGAIN);
        }
        self.after_check(&ctx, org, id, refreshed).await
    }

    /// Deletes the account's credentials. What still waits in its lane asks for attention.
    #[handler]
    async fn disconnect(&self, ctx: ObjectContext<'_>, input: Json<ForOrg>) -> Result<(), TerminalError> {
        let org = input.into_inner().org;
        let id = key(&ctx)?;
        let mut lane = Lane::load(&ctx).await?;
        let waiting = lane.front();
        step(&ctx, &self.world, "store.disconnect", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            activities::store::connectors::disconnect(&mut tx, id).await?;
            for post in &waiting {
                activities::publishing::strand(&mut tx, post.post_id, post.revision).await?;
            }
            tx.commit().await
        })
        .await?;
        lane.clear_front(&ctx).await?;
        // Those behind ask for attention as their turn comes, because the account is disconnected.
        self.work_off(&ctx, lane, None).await
    }
}

impl Connector {
    /// Shows `invocation` in the run that a post belongs to.
    async fn join(&self, ctx: &ObjectContext<'_>, post: &PublishPost, invocation: String) -> Result<(), TerminalError> {
        let (org, id) = (post.org, post.post_id);
        step(ctx, &self.world, "store.join_run", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            runs::join_of_post(&mut tx, id, &invocation).await?;
            tx.commit().await
        })
        .await?;
        Ok(())
    }

    /// Sends what waits in the lane, in order, until it is empty or something holds it. `own` is the post whose run this invocation hangs in already.
    async fn work_off(&self, ctx: &ObjectContext<'_>, mut lane: Lane, own: Option<PostId>) -> Result<(), TerminalError> {
        // One invocation works off a bounded number, so that no journal grows without end after a long hold.
        for _ in 0..lane::BATCH {
            let Some(next) = lane.next() else { return Ok(()) };
            if own != Some(next.post_id) {
                self.join(ctx, &next, ctx.invocation_id().to_owned()).await?;
            }
            match self.deliver(ctx, next).await? {
                delivery::Done::Ended => lane.pop(ctx).await?,
                delivery::Done::WaitFor(delay) => {
                    let epoch = lane.hold_until_timer();
                    let timer = ctx.object_client::<ConnectorClient>(ctx.key()).go_on(Json(GoOn { epoch })).send_after(delay);
                    lane.timer_is(timer.await?.invocation_id());
                    lane.save(ctx);
                }
                delivery::Done::WaitForReconnect => {
                    lane.hold_until_reconnect();
                    lane.save(ctx);
                }
            }
        }
        if lane.next().is_some() {
            let epoch = lane.hold_until_timer();
            let rest = ctx.object_client::<ConnectorClient>(ctx.key()).go_on(Json(GoOn { epoch })).send();
            lane.timer_is(rest.await?.invocation_id());
            lane.save(ctx);
        }
        Ok(())
    }

    async fn refresh_token(&self, ctx: &ObjectContext<'_>, org: OrgId, id: ConnectorId) -> Result<(), Failure> {
        let next = step(ctx, &self.world, "account.refresh_token", Retry::Attempts(8), move |w| async move {
            activities::publishing::refresh(&w.publishing(), org, id).await
        })
        .await?;
        if let Some(next) = next {
            renew_later(ctx, org, next);
        }
        Ok(())
    }

    async fn after_check(
        &self,
        ctx: &ObjectContext<'_>,
        org: OrgId,
        id: ConnectorId,
        checked: Result<(), Failure>,
    ) -> Result<(), TerminalError> {
        let (state, reason) = match &checked {
            Ok(()) => ("connected", None),
            Err(Failure(activities::ActivityError::CredentialsExpired { what })) => ("needs_reconnect", Some(what.clone())),
            // A server that is away, or asks to wait, says nothing about the credentials: only a definite refusal disconnects. Nobody asks it again
            // here, so the posts that wait for a person try for themselves; the first one waits anew where they are refused.
            Err(failure) if failure.is_cancelled() => return Ok(()),
            Err(_) => return self.go_on_from_reconnect(ctx).await,
        };
        step(ctx, &self.world, "store.set_account_state", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            activities::store::connectors::set_state(&mut tx, id, state, reason.as_deref()).await?;
            tx.commit().await
        })
        .await?;
        if checked.is_err() {
            return Ok(());
        }
        self.go_on_from_reconnect(ctx).await
    }

    /// Sends what waited for a person.
    async fn go_on_from_reconnect(&self, ctx: &ObjectContext<'_>) -> Result<(), TerminalError> {
        let mut lane = Lane::load(ctx).await?;
        lane.release_now();
        lane.save(ctx);
        self.work_off(ctx, lane, None).await
    }
}

fn renew_later(ctx: &ObjectContext<'_>, org: OrgId, NextRenewal { expires_at, wait_ms }: NextRenewal) {
    let later = Json(KeepToken { org, expires_at });
    ctx.object_client::<ConnectorClient>(ctx.key()).keep_token(later).send_after(Duration::from_millis(wait_ms));
}

fn key(ctx: &ObjectContext<'_>) -> Result<ConnectorId, TerminalError> {
    ctx.key().parse().map_err(|e| refuse::unprocessable("bad-id", e))
}
