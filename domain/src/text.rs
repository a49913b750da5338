//! Text as the platforms see it: how long it is, what in it is a link, a mention or a hashtag, and the exact body that is sent.

mod compose;
mod entities;
mod length;
mod shorten;
mod split;
mod weighted;
mod written;

use serde::{Deserialize, Serialize};

pub(crate) use self::compose::has_word;
pub use self::{
    compose::compose,
    entities::{Entity, EntityKind, entities},
    length::{TextLength, length},
    shorten::shorten,
    split::{DoesNotFit, split},
    written::{Added, as_written, replace_link},
};

/// A piece of a text in UTF-8 bytes: `start` inclusive, `end` exclusive, both on character boundaries (so a Bluesky facet can take them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The piece of `text`; empty if the span does not lie within it.
    #[must_use]
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether the two share a byte.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}
