//! What the platforms have, compared with what Pressroom says that they have.

use activities::store::{
    posts::{self, Post},
    receipts::{self, Receipt},
    variants,
};
use anyhow::{Context as _, ensure};
use domain::{ids::PostId, platform::Platform, post::PostStatus, publication::normalise};

use crate::Newsroom;

/// A post with its attempts.
#[derive(Debug, Clone)]
pub struct Told {
    /// The post's row.
    pub post: Post,
    /// The text that was approved.
    pub text: String,
    /// Its receipts, in order.
    pub receipts: Vec<Receipt>,
}

/// One post in a platform's books.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The platform's id of it.
    pub external_id: String,
    /// Its text.
    pub text: String,
}

impl Newsroom {
    /// What Pressroom says of a post.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn told(&self, id: PostId) -> anyhow::Result<Told> {
        let mut tx = self.in_org().await?;
        let read = async {
            let post = posts::require(&mut tx, id).await?;
            let text = match post.approved_variant_id {
                Some(variant) => variants::get(&mut tx, variant).await?.map(|v| v.content).unwrap_or_default(),
                None => String::new(),
            };
            let receipts = receipts::of_post(&mut tx, id).await?;
            Ok::<_, activities::ActivityError>(Told { post, text, receipts })
        };
        read.await.map_err(|e| anyhow::anyhow!("{e}"))
    }

    /// Everything that a platform ever accepted for us, in order.
    #[must_use]
    pub fn books(&self, platform: Platform) -> Vec<Entry> {
        match platform {
            Platform::Mastodon => self.mastodon.books().into_iter().map(|s| Entry { external_id: s.id, text: s.text }).collect(),
            Platform::Bluesky => self
                .bluesky
                .books()
                .into_iter()
                .map(|r| Entry {
                    external_id: r.uri,
                    text: r.value.get("text").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned(),
                })
                .collect(),
        }
    }

    /// The entries with the text of a post.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn entries_of(&self, id: PostId) -> anyhow::Result<Vec<Entry>> {
        let told = self.told(id).await?;
        let wanted = normalise(&told.text);
        Ok(self.books(told.post.platform).into_iter().filter(|e| normalise(&e.text) == wanted).collect())
    }

    /// The post is on its platform exactly once, the row and the receipts name that very entry, and the receipts make sense as a history.
    ///
    /// # Errors
    /// The first thing that is not so.
    pub async fn is_there_once(&self, id: PostId) -> anyhow::Result<Told> {
        let told = self.told(id).await?;
        let entries = self.entries_of(id).await?;
        let say = || format!("{told:#?}\nin the books: {entries:#?}");
        ensure!(entries.len() == 1, "{id} is on {} {} times: {}", told.post.platform, entries.len(), say());
        let entry = entries.first().context("one entry")?;
        ensure!(told.post.status == PostStatus::Published, "{id} is there, and the row says {}: {}", told.post.status, say());
        ensure!(told.post.external_id.as_deref() == Some(&entry.external_id), "{id}: the row names another entry: {}", say());
        let published: Vec<_> = told.receipts.iter().filter(|r| r.outcome.as_deref() == Some("published")).collect();
        ensure!(published.len() == 1, "{id}: {} receipts say published: {}", published.len(), say());
        let last = told.receipts.last().context("a receipt")?;
        ensure!(last.outcome.as_deref() == Some("published"), "{id}: the last attempt is not the one that published: {}", say());
        ensure!(last.external_id.as_deref() == Some(&entry.external_id), "{id}: the receipt names another entry: {}", say());
        for (i, receipt) in told.receipts.iter().enumerate() {
            ensure!(usize::try_from(receipt.attempt)? == i + 1, "{id}: attempts are not counted one by one: {}", say());
            ensure!(receipt.outcome.is_some(), "{id}: an attempt without an end: {}", say());
            // Without a usable token nothing is sent at all.
            let sent = receipt.sent_at.is_some() || receipt.outcome.as_deref() == Some("credentials_expired");
            ensure!(sent, "{id}: an attempt came to something and was never sent: {}", say());
            ensure!(receipt.outcome.as_deref() != Some("unknown"), "{id}: an attempt was followed by another unresolved: {}", say());
            ensure!(receipt.body_hash == last.body_hash, "{id}: attempts sent different bytes: {}", say());
        }
        Ok(told)
    }

    /// The post is not on its platform.
    ///
    /// # Errors
    /// When it is.
    pub async fn is_not_there(&self, id: PostId) -> anyhow::Result<Told> {
        let entries = self.entries_of(id).await?;
        ensure!(entries.is_empty(), "{id} is there: {entries:#?}");
        self.told(id).await
    }
}
