//! `Generation`: from a campaign to its posts, each with its variants.

use domain::ids::{CampaignId, ConnectorId, OrgId};
use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::world::World;

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
    /// Plans the posts, has their variants written side by side, and hands the campaign its drafts.
    #[handler]
    async fn run(&self, _ctx: Context<'_>, _input: Json<Generate>) -> Result<(), TerminalError> {
        Ok(())
    }
}
