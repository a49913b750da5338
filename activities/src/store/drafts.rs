//! Texts while a model writes them: passed on to whoever watches, kept nowhere.
//!
//! They go by PostgreSQL's own notifications, so that a worker and a gateway on different machines need nothing else between them. What is lost
//! here is not lost: the finished text is stored with its variant.

use std::time::Duration;

use domain::ids::{CampaignId, OrgId, PostId, VariantId};
use futures::{Stream, stream};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgListener;

use super::{Store, classify};
use crate::ActivityResult;

const CHANNEL: &str = "drafts";

/// The most bytes of text in one delta: a notification takes 8000 bytes, and JSON may need six for a byte.
/// <https://www.postgresql.org/docs/16/sql-notify.html>
pub const MOST_BYTES: usize = 1_200;

/// A piece of a text that is being written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftDelta {
    /// The tenant; whoever passes deltas on to people sends them only to this org's.
    pub org: OrgId,
    /// The campaign.
    pub campaign_id: CampaignId,
    /// The post.
    pub post_id: PostId,
    /// The variant.
    pub variant_id: VariantId,
    /// Counts the pieces. 0: the text begins here, and what was shown of the variant before is void.
    pub seq: u32,
    /// What is new.
    pub text: String,
}

/// Tells watchers of a piece of text, outside of any transaction.
///
/// # Errors
/// When the database cannot answer; nothing depends on it.
pub async fn notify(store: &Store, delta: &DraftDelta) -> ActivityResult<()> {
    let payload = serde_json::to_string(delta).unwrap_or_default();
    sqlx::query!("SELECT pg_notify($1, $2)", CHANNEL, payload).execute(store.pool()).await.map_err(classify)?;
    Ok(())
}

/// Every piece of text that any worker tells of from now on, all orgs'. Takes one connection of the pool for itself; after a lost connection it
/// connects again, and what was told meanwhile is missing.
///
/// # Errors
/// When the database cannot be reached now.
pub async fn listen(store: &Store) -> ActivityResult<impl Stream<Item = DraftDelta> + Send + 'static> {
    let mut listener = PgListener::connect_with(store.pool()).await.map_err(classify)?;
    listener.listen(CHANNEL).await.map_err(classify)?;
    Ok(stream::unfold(listener, |mut listener| async move {
        loop {
            match listener.recv().await {
                Ok(notification) => {
                    if let Ok(delta) = serde_json::from_str(notification.payload()) {
                        return Some((delta, listener));
                    }
                }
                Err(sqlx::Error::PoolClosed) => return None,
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }))
}
