//! Text as a model streams it, on its way from the workers to whoever watches the run.
//!
//! It is shown and forgotten: what counts is the variant that the workflow stores. One connection to the database serves all watchers of this
//! process, and a watcher that is too slow misses pieces (`seq` shows it), never holds up others.

use std::time::Duration;

use activities::store::{
    Store,
    drafts::{self, DraftDelta},
};
use domain::ids::{OrgId, VariantId};
use futures::StreamExt;
use serde::Serialize;
use tokio::sync::broadcast;

/// How many pieces wait for a slow watcher before it misses some.
const CAPACITY: usize = 1024;

/// A piece of a text, as a `variant` event shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Piece<'a> {
    post_id: String,
    variant_id: VariantId,
    seq: u32,
    text: &'a str,
}

/// Where pieces come in, and are watched.
#[derive(Debug, Clone)]
pub(crate) struct DraftStream(broadcast::Sender<DraftDelta>);

impl Default for DraftStream {
    fn default() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }
}

impl DraftStream {
    /// Takes in what the workers tell, for as long as the process runs.
    pub(crate) async fn relay(self, store: Store) {
        loop {
            match drafts::listen(&store).await {
                Ok(pieces) => {
                    let mut pieces = Box::pin(pieces);
                    while let Some(piece) = pieces.next().await {
                        // Nobody watching is not an error.
                        let _ = self.0.send(piece);
                    }
                }
                Err(error) => tracing::debug!(%error, "texts cannot be shown while they are written, for the moment"),
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<DraftDelta> {
        self.0.subscribe()
    }
}

/// Whether a piece belongs to the run that is about `subject` in `org`. Pieces of all orgs come in, so this is a fence.
pub(crate) fn belongs(piece: &DraftDelta, org: OrgId, subject: &str) -> bool {
    piece.org == org
        && (piece.campaign_id.to_string() == subject || piece.variant_id.to_string() == subject || piece.post_id.to_string() == subject)
}

/// The piece as people see it: without its tenant.
pub(crate) fn show(piece: &DraftDelta) -> String {
    let shown = Piece { post_id: piece.post_id.to_string(), variant_id: piece.variant_id, seq: piece.seq, text: &piece.text };
    serde_json::to_string(&shown).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use domain::ids::{CampaignId, PostId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_piece_goes_to_its_own_orgs_run_only() {
        let (org, campaign) = (OrgId::from_uuid(Uuid::now_v7()), CampaignId::from_uuid(Uuid::now_v7()));
        let piece = DraftDelta {
            org,
            campaign_id: campaign,
            post_id: PostId::from_uuid(Uuid::now_v7()),
            variant_id: VariantId::from_uuid(Uuid::now_v7()),
            seq: 3,
            text: "roast".into(),
        };
        assert!(belongs(&piece, org, &campaign.to_string()));
        assert!(!belongs(&piece, OrgId::from_uuid(Uuid::now_v7()), &campaign.to_string()));
        assert!(!belongs(&piece, org, "cmp_other"));
        assert!(!show(&piece).contains("org_"));
    }
}
