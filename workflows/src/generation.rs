//! `Generation`: from a campaign to its posts, each with its variants.

use activities::generation::{self, Plan};
use domain::ids::{CampaignId, ConnectorId, OrgId};
use restate_sdk::{context::DurableFuture, prelude::*};
use serde::{Deserialize, Serialize};

use crate::{
    campaign::{CampaignClient, ForCampaign, Generated},
    drafting::{Draft, DraftingClient},
    enrichment::{Enrich, EnrichmentClient},
    step::{Failure, Retry, step},
    world::World,
};

/// Input of `run`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Generate {
    /// The tenant.
    pub org: OrgId,
    /// The campaign.
    pub campaign_id: CampaignId,
    /// The accounts to write for.
    pub connectors: Vec<ConnectorId>,
}

/// See the module.
pub struct Generation {
    /// The outside world.
    pub world: World,
}

#[restate_sdk::service(client_visibility = "pub(crate)")]
impl Generation {
    /// Plans the posts, has their variants written side by side, and hands the campaign its drafts. A draft that fails is one draft less. Where it is
    /// cancelled, so is the campaign: nobody writes its posts any more, and none of them goes out.
    #[handler]
    async fn run(&self, ctx: Context<'_>, input: Json<Generate>) -> Result<(), TerminalError> {
        let Generate { org, campaign_id, connectors } = input.into_inner();
        let written = self.write(&ctx, org, campaign_id, connectors).await;
        let campaign = ctx.object_client::<CampaignClient>(campaign_id.to_string());
        match written {
            Ok(failure) => {
                campaign.generated(Json(Generated { org, failure })).send();
                Ok(())
            }
            Err(error) => {
                if Failure::from(error.clone()).is_cancelled() {
                    campaign.cancel(Json(ForCampaign { org })).send();
                }
                Err(error)
            }
        }
    }
}

impl Generation {
    /// Plans and writes. Returns why something could not be written, if so.
    async fn write(
        &self,
        ctx: &Context<'_>,
        org: OrgId,
        campaign_id: CampaignId,
        connectors: Vec<ConnectorId>,
    ) -> Result<Option<String>, TerminalError> {
        let planned: Result<Plan, Failure> = step(ctx, &self.world, "store.plan_posts", Retry::Always, move |w| async move {
            let mut tx = w.store.in_org(org).await?;
            let plan = generation::plan(&mut tx, campaign_id, &connectors).await?;
            tx.commit().await?;
            Ok(plan)
        })
        .await;
        match planned {
            Ok(plan) => write_all(ctx, org, &plan).await,
            Err(cancelled) if cancelled.is_cancelled() => Err(cancelled.into()),
            Err(failure) => Ok(Some(failure.to_string())),
        }
    }
}

/// Has every variant of every post written. Returns why one failed, if any did.
async fn write_all(ctx: &Context<'_>, org: OrgId, plan: &Plan) -> Result<Option<String>, TerminalError> {
    let mut drafts = DurableFuturesUnordered::new();
    for &post_id in &plan.posts {
        for position in 0..plan.variants {
            let draft = Draft { org, post_id, position, of: plan.variants };
            drafts.push(ctx.service_client::<DraftingClient>().write(Json(draft)).call());
        }
    }
    let failure = gather(drafts).await?;
    let mut enriched = DurableFuturesUnordered::new();
    for &post_id in &plan.posts {
        enriched.push(ctx.service_client::<EnrichmentClient>().run(Json(Enrich { org, post_id })).call());
    }
    // A post whose enrichment failed keeps its drafts as they were written.
    gather(enriched).await?;
    Ok(failure)
}

/// Waits for all. Returns why one failed, if any did; which of several is told, follows the order in which they ended, as the journal has it.
async fn gather<F>(mut calls: DurableFuturesUnordered<F>) -> Result<Option<String>, TerminalError>
where
    F: DurableFuture<Output = Result<(), TerminalError>>,
{
    let mut failure = None;
    while let Some((_, result)) = calls.next().await? {
        if let Err(error) = result {
            failure.get_or_insert(error.message().to_owned());
        }
    }
    Ok(failure)
}
