//! Texts while a model writes them, for whoever watches the run.
//!
//! Workers tell of each piece through PostgreSQL; one listener of this process gathers the pieces of each variant, and every watcher gets what it
//! has not seen yet. Nothing depends on any of this: the finished text is stored with its variant. A watcher sees its own org's only.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use activities::store::{
    Store,
    drafts::{DraftDelta, listen},
};
use domain::ids::{CampaignId, OrgId, PostId, VariantId};
use futures::StreamExt;
use serde::Serialize;
use tokio::sync::watch;

/// For how long the texts of a campaign are kept after the last piece came.
const KEEP: Duration = Duration::from_secs(300);
/// How long to wait before listening again when the database is away.
const AGAIN: Duration = Duration::from_secs(2);

/// A text so far.
#[derive(Debug)]
struct Text {
    post: PostId,
    /// Counts how often the variant was begun.
    version: u32,
    /// The number that the next piece must have; `None` after a gap: what is here is not the whole beginning.
    next: Option<u32>,
    text: String,
}

#[derive(Debug)]
struct Written {
    variants: BTreeMap<VariantId, Text>,
    touched: Instant,
}

/// What is being written.
#[derive(Debug, Clone)]
pub(crate) struct Drafts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    campaigns: Mutex<HashMap<(OrgId, CampaignId), Written>>,
    /// Counts the pieces.
    pieces: watch::Sender<u64>,
}

/// What is new in a text: data of the event `variant`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Piece {
    pub(crate) post_id: PostId,
    pub(crate) variant_id: VariantId,
    /// How many characters come before it; 0: the text begins (anew).
    pub(crate) offset: usize,
    pub(crate) text: String,
}

impl Default for Drafts {
    fn default() -> Self {
        Self(Arc::new(Inner { campaigns: Mutex::default(), pieces: watch::Sender::new(0) }))
    }
}

impl Drafts {
    /// Takes in a piece.
    pub(crate) fn put(&self, delta: DraftDelta) {
        {
            let mut campaigns = self.0.campaigns.lock().unwrap_or_else(PoisonError::into_inner);
            campaigns.retain(|_, written| written.touched.elapsed() < KEEP);
            let written = campaigns
                .entry((delta.org, delta.campaign_id))
                .or_insert_with(|| Written { variants: BTreeMap::new(), touched: Instant::now() });
            written.touched = Instant::now();
            let text = written.variants.entry(delta.variant_id).or_insert_with(|| Text {
                post: delta.post_id,
                version: 0,
                next: None,
                text: String::new(),
            });
            if delta.seq == 0 {
                text.version += 1;
                text.text.clear();
            } else if text.next != Some(delta.seq) {
                text.next = None;
                return;
            }
            text.text.push_str(&delta.text);
            text.next = Some(delta.seq + 1);
        }
        self.0.pieces.send_modify(|count| *count += 1);
    }

    /// Watches the texts of `org` that belong to `subject`: a campaign, a post or a variant.
    pub(crate) fn watch(&self, org: OrgId, subject: String) -> DraftWatcher {
        let mut pieces = self.0.pieces.subscribe();
        pieces.mark_changed();
        DraftWatcher { drafts: self.clone(), org, subject, pieces, seen: HashMap::new() }
    }

    /// Takes in what the workers tell, for as long as the process runs; takes one connection to the database for itself.
    pub(crate) async fn relay(self, store: Store) {
        loop {
            match listen(&store).await {
                Ok(deltas) => deltas.for_each(async |delta| self.put(delta)).await,
                Err(error) => tracing::warn!(%error, "texts cannot be followed while they are written"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Somebody who reads along.
#[derive(Debug)]
pub(crate) struct DraftWatcher {
    drafts: Drafts,
    org: OrgId,
    subject: String,
    pieces: watch::Receiver<u64>,
    /// Of each variant: which beginning, and how many bytes of it.
    seen: HashMap<VariantId, (u32, usize)>,
}

impl DraftWatcher {
    /// What is new, as soon as anything is; all that came meanwhile in one piece a variant.
    pub(crate) async fn next(&mut self) -> Vec<Piece> {
        loop {
            if self.pieces.changed().await.is_err() {
                // The sender lives in `self.drafts`.
                std::future::pending::<()>().await;
            }
            let pieces = self.take();
            if !pieces.is_empty() {
                return pieces;
            }
        }
    }

    fn take(&mut self) -> Vec<Piece> {
        let campaigns = self.drafts.0.campaigns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pieces = Vec::new();
        // Pieces of all orgs come in, so this is a fence.
        let of_org = campaigns.iter().filter(|((org, _), _)| *org == self.org);
        let texts =
            of_org.flat_map(|((_, campaign), written)| written.variants.iter().map(move |(variant, text)| (campaign, variant, text)));
        for (campaign, variant, text) in texts {
            if ![campaign.to_string(), text.post.to_string(), variant.to_string()].contains(&self.subject) {
                continue;
            }
            let seen = self.seen.entry(*variant).or_insert((0, 0));
            if seen.0 != text.version {
                *seen = (text.version, 0);
            }
            // A text only grows while its version stays, so this is a boundary of characters.
            if let Some((before, new)) = text.text.split_at_checked(seen.1)
                && !new.is_empty()
            {
                pieces.push(Piece { post_id: text.post, variant_id: *variant, offset: before.chars().count(), text: new.to_owned() });
                seen.1 = text.text.len();
            }
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;

    fn delta(org: OrgId, seq: u32, text: &str) -> DraftDelta {
        let id = Uuid::from_u128(7);
        let (campaign_id, post_id, variant_id) = (CampaignId::from_uuid(id), PostId::from_uuid(id), VariantId::from_uuid(id));
        DraftDelta { org, campaign_id, post_id, variant_id, seq, text: text.to_owned() }
    }

    fn told(watcher: &mut DraftWatcher) -> Option<(usize, String)> {
        watcher.next().now_or_never().map(|mut pieces| pieces.remove(0)).map(|piece| (piece.offset, piece.text))
    }

    #[tokio::test]
    async fn a_text_comes_in_pieces_and_whole_to_whoever_comes_later() {
        let (drafts, org) = (Drafts::default(), OrgId::from_uuid(Uuid::from_u128(1)));
        let campaign = CampaignId::from_uuid(Uuid::from_u128(7)).to_string();
        let mut early = drafts.watch(org, campaign.clone());
        assert_eq!(told(&mut early), None);
        drafts.put(delta(org, 0, "Schö"));
        assert_eq!(told(&mut early), Some((0, "Schö".to_owned())));
        drafts.put(delta(org, 1, "ner "));
        drafts.put(delta(org, 2, "Tag"));
        assert_eq!(told(&mut early), Some((4, "ner Tag".to_owned())), "what came meanwhile comes at once, counted in characters");
        assert_eq!(told(&mut drafts.watch(org, campaign.clone())), Some((0, "Schöner Tag".to_owned())));
        drafts.put(delta(org, 0, "Neu"));
        assert_eq!(told(&mut early), Some((0, "Neu".to_owned())), "a text that is begun anew replaces the old one");
    }

    #[tokio::test]
    async fn another_org_never_sees_it() {
        let (drafts, org, other) = (Drafts::default(), OrgId::from_uuid(Uuid::from_u128(1)), OrgId::from_uuid(Uuid::from_u128(2)));
        let campaign = CampaignId::from_uuid(Uuid::from_u128(7)).to_string();
        let mut watcher = drafts.watch(other, campaign);
        drafts.put(delta(org, 0, "secret"));
        assert_eq!(told(&mut watcher), None);
    }

    #[tokio::test]
    async fn after_a_gap_nothing_comes_until_the_text_begins_anew() {
        let (drafts, org) = (Drafts::default(), OrgId::from_uuid(Uuid::from_u128(1)));
        let mut watcher = drafts.watch(org, VariantId::from_uuid(Uuid::from_u128(7)).to_string());
        drafts.put(delta(org, 4, "middle"));
        assert_eq!(told(&mut watcher), None);
        drafts.put(delta(org, 0, "a"));
        drafts.put(delta(org, 2, "c"));
        drafts.put(delta(org, 3, "d"));
        assert_eq!(told(&mut watcher), Some((0, "a".to_owned())));
        drafts.put(delta(org, 0, "b"));
        assert_eq!(told(&mut watcher), Some((0, "b".to_owned())));
    }
}
