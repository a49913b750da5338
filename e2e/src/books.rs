//! What the platforms have, compared with what Pressroom says that they have.

use activities::store::{
    parts,
    posts::{self, Post},
    receipts::{self, Receipt},
    variants,
};
use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
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
    /// The platform's id of what it answers.
    pub answers: Option<String>,
    /// When the platform took it.
    pub at: DateTime<Utc>,
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
        let stand_in = self.stand_in(platform);
        let entries = stand_in.logins().into_iter().flat_map(|login| stand_in.entries(&login.handle));
        entries.map(|entry| Entry { external_id: entry.id, text: entry.text, answers: entry.parent, at: entry.at }).collect()
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
            // Without a usable token, or to an address that our settings refuse, nothing is sent at all.
            let unsent = matches!(receipt.outcome.as_deref(), Some("credentials_expired" | "refused_by_settings"));
            let sent = receipt.sent_at.is_some() || unsent;
            ensure!(sent, "{id}: an attempt came to something and was never sent: {}", say());
            ensure!(receipt.outcome.as_deref() != Some("unknown"), "{id}: an attempt was followed by another unresolved: {}", say());
            // Other words may have been approved since.
            ensure!(!receipt.in_force || receipt.body_hash == last.body_hash, "{id}: attempts sent different bytes: {}", say());
        }
        Ok(told)
    }

    /// Every part of the post is on its platform exactly once, in order, hanging where it should, and rows and receipts name these very entries.
    /// `texts` are those of the parts; a part whose text begins with `comment:` hangs on the first.
    ///
    /// # Errors
    /// The first thing that is not so.
    pub async fn parts_are_there_once(&self, id: PostId, texts: &[&str]) -> anyhow::Result<Told> {
        let told = self.told(id).await?;
        let books = self.books(told.post.platform);
        let say = || format!("{told:#?}\nin the books: {books:#?}");
        let mut tx = self.in_org().await?;
        let rows = parts::of_post(&mut tx, id).await.map_err(|e| anyhow::anyhow!("{e}"))?;
        drop(tx);
        ensure!(rows.len() == texts.len(), "{id}: {} rows for {} parts: {}", rows.len(), texts.len(), say());
        let mut places = Vec::new();
        for (row, text) in rows.iter().zip(texts) {
            let found: Vec<_> = books.iter().enumerate().filter(|(_, entry)| entry.text == *text).collect();
            ensure!(found.len() == 1, "{id}: part {} is there {} times: {}", row.part, found.len(), say());
            let (place, entry) = found.first().context("one entry")?;
            let sent = row.sent.as_ref().with_context(|| format!("{id}: part {} is there, and its row does not say so", row.part))?;
            ensure!(sent.external_id == entry.external_id, "{id}: the row of part {} names another entry: {}", row.part, say());
            let parent = if text.starts_with("comment:") { 0 } else { places.len().saturating_sub(1) };
            let expected = places.get(parent).and_then(|(_, id): &(usize, String)| (row.part > 0).then(|| id.clone()));
            ensure!(entry.answers == expected, "{id}: part {} hangs elsewhere: {}", row.part, say());
            places.push((*place, entry.external_id.clone()));
            let of_part: Vec<_> = told.receipts.iter().filter(|r| r.part == row.part).collect();
            let published = of_part.iter().filter(|r| r.outcome.as_deref() == Some("published")).count();
            ensure!(published == 1, "{id}: {published} receipts of part {} say published: {}", row.part, say());
            let last = of_part.last().context("a receipt")?;
            ensure!(last.external_id.as_ref() == Some(&entry.external_id), "{id}: the receipt names another entry: {}", say());
            ensure!(last.parts == i32::try_from(texts.len())?, "{id}: the receipt tells another number of parts: {}", say());
            for (i, receipt) in of_part.iter().enumerate() {
                ensure!(usize::try_from(receipt.attempt)? == i + 1, "{id}: attempts are not counted one by one: {}", say());
                ensure!(receipt.body_hash == last.body_hash, "{id}: attempts sent different bytes: {}", say());
            }
        }
        ensure!(places.is_sorted(), "{id}: the parts are out of order: {}", say());
        ensure!(told.post.status == PostStatus::Published, "{id}: all parts are there, and the row says {}: {}", told.post.status, say());
        let first = places.first().map(|(_, id)| id);
        ensure!(told.post.external_id.as_ref() == first, "{id}: the post is not where its first part is: {}", say());
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
