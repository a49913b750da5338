//! `Metrics`, one object for each published post: reads its counters on a decaying cadence, and takes in what webhooks tell.

use activities::{
    ActivityError, publishing,
    store::{metrics, posts},
};
use domain::{
    ids::{OrgId, PostId},
    metrics::{Counters, Reading},
};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    clock, refuse,
    step::{Failure, Retry, step},
    world::World,
};

/// Input of `start`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartMetrics {
    /// The tenant.
    pub org: OrgId,
}

/// Input of `poll`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Poll {
    /// The tenant.
    pub org: OrgId,
    /// Counts the polls, from 1.
    pub number: u32,
}

/// Input of `ingest`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ingest {
    /// The tenant.
    pub org: OrgId,
    /// What was read.
    pub reading: Reading,
}

/// See the module.
pub struct Metrics {
    /// The outside world.
    pub world: World,
}

/// The number of the poll that is planned next; an older timer does nothing.
const NEXT: &str = "next_poll";

#[restate_sdk::object(client_visibility = "pub(crate)")]
impl Metrics {
    /// The post is on its platform: its counters are read from now on. A second start changes nothing.
    #[handler]
    async fn start(&self, ctx: ObjectContext<'_>, input: Json<StartMetrics>) -> Result<(), TerminalError> {
        if ctx.get::<u32>(NEXT).await?.is_some() {
            return Ok(());
        }
        self.plan(&ctx, input.into_inner().org, 1).await
    }

    /// Reads the counters, and plans the next reading.
    #[handler]
    async fn poll(&self, ctx: ObjectContext<'_>, input: Json<Poll>) -> Result<(), TerminalError> {
        let Poll { org, number } = input.into_inner();
        if ctx.get::<u32>(NEXT).await? != Some(number) {
            return Ok(());
        }
        let id = key(&ctx)?;
        let read: Result<(), Failure> = step(&ctx, &self.world, "platform.read_counters", Retry::Attempts(4), move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let post = posts::require(&mut tx, id).await?;
            let clicks = metrics::clicks(&mut tx, id).await?;
            drop(tx);
            let external_id = post.external_id.ok_or_else(|| ActivityError::not_found("the post has no id on its platform"))?;
            let told = publishing::read_counters(&w.publishing(), org, post.connector_id, &external_id).await?;
            let counters = Counters { clicks, ..told };
            let observed_at = chrono::DateTime::from_timestamp_millis(activities::clock::now_millis()).unwrap_or_default();
            let mut tx = w.store.in_org(org).await?;
            metrics::save(&mut tx, id, &Reading { source_id: format!("poll:{number}"), observed_at, counters }).await?;
            tx.commit().await
        })
        .await;
        // A reading that failed is one reading less; the next one has the same totals and more. That holds for a post that the platform does not
        // know as well: right after publication its readers may not have heard of it yet, and the cadence ends by itself.
        if let Err(failure) = read {
            if failure.is_cancelled() {
                return Err(failure.into());
            }
            tracing::info!(post = %id, number, %failure, "the counters could not be read");
        }
        self.plan(&ctx, org, number + 1).await
    }

    /// Takes in a reading that a webhook brought.
    #[handler]
    async fn ingest(&self, ctx: ObjectContext<'_>, input: Json<Ingest>) -> Result<(), TerminalError> {
        let Ingest { org, reading } = input.into_inner();
        let id = key(&ctx)?;
        step(&ctx, &self.world, "store.save_reading", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            metrics::save(&mut tx, id, &reading).await?;
            tx.commit().await
        })
        .await?;
        Ok(())
    }
}

impl Metrics {
    async fn plan(&self, ctx: &ObjectContext<'_>, org: OrgId, number: u32) -> Result<(), TerminalError> {
        let id = key(ctx)?;
        let published_at = step(ctx, &self.world, "store.published_at", Retry::Always, move |w| async move {
            Ok(posts::require(&mut w.store.in_org(org).await?, id).await?.published_at)
        })
        .await?;
        let now = clock::now(ctx, &self.world).await?;
        if let Some(pause) = published_at.and_then(|at| self.world.settings.metrics.next_poll(at, now)) {
            ctx.set(NEXT, number);
            ctx.object_client::<MetricsClient>(ctx.key()).poll(Json(Poll { org, number })).send_after(pause);
        }
        Ok(())
    }
}

fn key(ctx: &ObjectContext<'_>) -> Result<PostId, TerminalError> {
    ctx.key().parse().map_err(|e| refuse::unprocessable("bad-id", e))
}
