//! A post: its business status, what it has beside its text, and the parts it is sent in.

mod options;
mod parts;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use parts::spans;
pub use {
    options::{PostOptions, Threading},
    parts::{PlannedPart, parts},
};

/// The state of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostStatus {
    /// Its variants are being written.
    Drafting,
    /// Written, and nobody was asked to decide yet.
    Draft,
    /// Waits for a person's decision.
    NeedsApproval,
    /// Decided for, and not scheduled.
    Approved,
    /// Goes out at its due time.
    Scheduled,
    /// Is being sent.
    Publishing,
    /// Is on the platform.
    Published,
    /// A person has to answer a question about it.
    NeedsAttention,
    /// Will not go out; the note says why.
    Failed,
    /// Decided against.
    Rejected,
    /// Stopped before it was sent.
    Cancelled,
}

impl PostStatus {
    /// Every status, in the order of a post's life.
    pub const ALL: &[Self] = &[
        Self::Drafting,
        Self::Draft,
        Self::NeedsApproval,
        Self::Approved,
        Self::Scheduled,
        Self::Publishing,
        Self::Published,
        Self::NeedsAttention,
        Self::Failed,
        Self::Rejected,
        Self::Cancelled,
    ];

    /// The name that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drafting => "drafting",
            Self::Draft => "draft",
            Self::NeedsApproval => "needs_approval",
            Self::Approved => "approved",
            Self::Scheduled => "scheduled",
            Self::Publishing => "publishing",
            Self::Published => "published",
            Self::NeedsAttention => "needs_attention",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens to the post by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Published | Self::Failed | Self::Rejected | Self::Cancelled)
    }

    /// Whether the post's texts can still be rewritten: until it is being sent, or it was decided that it is not. An approval is voided by it.
    #[must_use]
    pub const fn can_be_rewritten(self) -> bool {
        matches!(self, Self::Drafting | Self::Draft | Self::NeedsApproval | Self::Approved | Self::Scheduled)
    }
}

impl fmt::Display for PostStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no status of a post.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status of a post")]
pub struct UnknownStatus(pub String);

impl FromStr for PostStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.iter().copied().find(|s| s.as_str() == text).ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// What an approval is bound to: SHA-256 of exactly the text that will be sent, and of what the post has beside it. Any edit of either changes it
/// and so voids the approval.
#[must_use]
pub fn content_hash(content: &str, options: &PostOptions) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(content.as_bytes());
    if !options.is_default() {
        let stored = serde_json::to_vec(options).unwrap_or_default();
        // No text holds this byte, so that no text can look like another text with options.
        hash.update([0]);
        hash.update(stored);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_reads_back_from_its_name() {
        for status in PostStatus::ALL {
            assert_eq!(status.as_str().parse::<PostStatus>().as_ref(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert!("posted".parse::<PostStatus>().is_err());
    }

    #[test]
    fn an_edit_changes_the_hash() {
        let none = PostOptions::default();
        assert_ne!(content_hash("a", &none), content_hash("a ", &none));
        let comment = PostOptions { first_comment: Some("b".to_owned()), ..PostOptions::default() };
        let split = PostOptions { thread: Threading::Split, ..PostOptions::default() };
        assert_ne!(content_hash("a", &none), content_hash("a", &comment));
        assert_ne!(content_hash("a", &split), content_hash("a", &comment));
        // Approvals that were given before posts had options stay good.
        assert_eq!(content_hash("a", &none), <[u8; 32]>::from(Sha256::digest(b"a")));
    }
}
