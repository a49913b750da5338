//! What is published in one request: a post, a further part of its thread, or a comment under it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Sent;
use crate::{brief::Language, ids::AssetId, platform::Disclosure};

/// What a part of a publication is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// The post itself, or the first of its thread.
    Post,
    /// A further part of a thread: hangs on the part before it.
    Continuation,
    /// A comment of our own: hangs on the first part.
    Comment,
}

impl PartKind {
    /// The name that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Continuation => "continuation",
            Self::Comment => "comment",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Post, Self::Continuation, Self::Comment].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One part, before a platform's own form is made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// The text as approved, disclosures, hashtags and links included.
    pub text: String,
    /// The language it is written in.
    pub language: Language,
    /// What it hangs on; there for all but [`PartKind::Post`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyTo>,
    /// When it is due. Bluesky's record key is made of it.
    pub planned_at: DateTime<Utc>,
    /// The time that the post will bear where we choose it (Bluesky); normally the time of freezing.
    pub created_at: DateTime<Utc>,
    /// A link in the text that no other post of this account has (a short link made for this post): a look-up finds the post by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_link: Option<String>,
    /// Handles in the text (without `@`) whose account id on the platform is known. Bluesky needs the id to make a mention; others stay text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mentions: BTreeMap<String, String>,
    /// What hangs on it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<PartMedia>,
    /// What the platform is told of its origin, beside the text.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub disclosures: BTreeSet<Disclosure>,
}

impl Part {
    /// A post of nothing but text.
    #[must_use]
    pub const fn new(text: String, language: Language, planned_at: DateTime<Utc>, created_at: DateTime<Utc>) -> Self {
        Self {
            kind: PartKind::Post,
            text,
            language,
            reply_to: None,
            planned_at,
            created_at,
            unique_link: None,
            mentions: BTreeMap::new(),
            media: Vec::new(),
            disclosures: BTreeSet::new(),
        }
    }
}

/// An image or a video on a part, as it was fitted to the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartMedia {
    /// The asset.
    pub asset: AssetId,
    /// Its media type after fitting.
    pub content_type: String,
    /// Its length in bytes after fitting.
    pub bytes: u64,
    /// SHA-256 of those bytes, in hexadecimal.
    pub sha256: String,
    /// Its width and height in pixels, where known.
    pub size: Option<(u32, u32)>,
    /// What it shows, in words.
    pub alt: String,
}

impl PartMedia {
    /// Whether it is a video.
    #[must_use]
    pub fn is_video(&self) -> bool {
        self.content_type.starts_with("video/")
    }
}

/// Where a part of a thread hangs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The first post of the thread.
    pub root: Sent,
    /// The post right before this one.
    pub parent: Sent,
}

/// The intent to publish part `index` (from 0) of the post `post`: the same through every attempt, and another for every part.
#[must_use]
pub fn intent(post: Uuid, index: u32) -> Uuid {
    if index == 0 { post } else { crate::ids::derive(post, &format!("part {index}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_stored_under_one_name() {
        for kind in [PartKind::Post, PartKind::Continuation, PartKind::Comment] {
            assert_eq!(PartKind::named(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(PartKind::named("reply"), None);
    }

    #[test]
    fn every_part_has_an_intent_of_its_own_that_stays() {
        let post = Uuid::from_u128(7);
        assert_eq!(intent(post, 0), post);
        assert_eq!(intent(post, 1), intent(post, 1));
        assert_ne!(intent(post, 1), intent(post, 2));
        assert_ne!(intent(post, 1), intent(Uuid::from_u128(8), 1));
    }
}
