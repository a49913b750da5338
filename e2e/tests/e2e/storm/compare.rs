//! The platforms' books against the receipts, one by one.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context as _, bail, ensure};
use domain::{
    ids::PostId,
    post::PostStatus,
    publication::{SendClass, normalise},
};
use e2e::{Newsroom, books::Told};
use sandbox::social::Entry;
use workflows::publication::PersonsVerdict;

use super::fleet::Fleet;

/// What became of the posts.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// How it is known that a post is out.
    known_by: BTreeMap<String, usize>,
    /// The posts that ask, and where the platform has them.
    pub asks: Vec<(PostId, Option<String>)>,
    attempts: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "out {:?}, asked {}, {} attempts; 0 lost, 0 doubled", self.known_by, self.asks.len(), self.attempts)
    }
}

/// Every post is on its platform once and its receipt names that very entry, or it asks where that cannot be known; and the platforms have nothing
/// else.
pub(super) async fn books_with_receipts(newsroom: &Newsroom, fleet: &Fleet, posts: &[PostId]) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let mut expected: BTreeMap<(usize, String), PostId> = BTreeMap::new();
    for id in posts {
        let told = newsroom.told(*id).await?;
        let place = fleet.accounts.iter().position(|a| a.connector == told.post.connector_id).context("an account of the fleet")?;
        let entries = fleet.entries(&fleet.accounts[place]);
        let there: Vec<&Entry> = entries.iter().filter(|entry| normalise(&entry.text) == normalise(&told.text)).collect();
        report.attempts += told.receipts.len();
        let say = || format!("{told:#?}\nin the books: {there:#?}");
        ensure!(there.len() < 2, "{id} was doubled: {}", say());
        for entry in &there {
            expected.insert((place, entry.id.clone()), *id);
        }
        match told.post.status {
            PostStatus::Published => {
                let entry = there.first().with_context(|| format!("{id} was lost: {}", say()))?;
                agrees(&told, entry).with_context(say)?;
                let how = told.post.resolved_by.as_deref().unwrap_or_default();
                *report.known_by.entry(how.split(':').next().unwrap_or_default().to_owned()).or_default() += 1;
            }
            PostStatus::NeedsAttention => {
                let last = told.receipts.last().with_context(|| format!("{id} asks without an attempt: {}", say()))?;
                ensure!(last.class == Some(SendClass::F), "{id} asks where it can be known: {}", say());
                ensure!(last.is_open(), "{id} asks, and its outcome is known: {}", say());
                report.asks.push((*id, there.first().map(|entry| entry.id.clone())));
            }
            other => bail!("{id} is {other}: {}", say()),
        }
    }
    for (place, account) in fleet.accounts.iter().enumerate() {
        for entry in fleet.entries(account) {
            ensure!(expected.contains_key(&(place, entry.id.clone())), "{} has what nobody sent: {entry:#?}", account.platform);
        }
    }
    Ok(report)
}

/// Row, receipts and entry tell the same.
fn agrees(told: &Told, entry: &Entry) -> anyhow::Result<()> {
    // A person who says that it is there need not know its id; ours does.
    ensure!(told.post.external_id.as_deref() == Some(&entry.id), "the row names another entry");
    let published: Vec<_> = told.receipts.iter().filter(|r| r.outcome.as_deref() == Some("published")).collect();
    ensure!(published.len() == 1, "{} receipts say published", published.len());
    ensure!(published[0].external_id.as_deref() == Some(&entry.id), "the receipt names another entry");
    ensure!(published[0].sent_at.is_some(), "it was published and never sent");
    for (i, receipt) in told.receipts.iter().enumerate() {
        ensure!(usize::try_from(receipt.attempt)? == i + 1, "attempts are not counted one by one");
        ensure!(receipt.body_hash == published[0].body_hash, "attempts sent different bytes");
        ensure!(receipt.outcome.as_deref().is_some_and(|outcome| outcome != "unknown"), "an attempt was left unresolved");
    }
    Ok(())
}

/// A person looks, and answers for each post that asks.
pub(super) async fn answered(newsroom: &Newsroom, fleet: &Fleet, asks: &[(PostId, Option<String>)]) -> anyhow::Result<()> {
    fleet.reconnect(newsroom).await;
    for (id, found) in asks {
        let verdict = match found {
            Some(external_id) => PersonsVerdict::Published { external_id: Some(external_id.clone()) },
            None => PersonsVerdict::NotPublished,
        };
        newsroom.resolve(*id, verdict).await?.map_err(|refusal| anyhow::anyhow!("{id}: {refusal:?}"))?;
    }
    Ok(())
}
