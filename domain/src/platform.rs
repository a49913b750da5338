//! The platforms a post can go to, and what each can do, as data.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A social platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Mastodon and the servers that speak its API.
    Mastodon,
    /// Bluesky (AT Protocol).
    Bluesky,
}

impl Platform {
    /// Every platform, in the order in which pages list them.
    pub const ALL: &[Self] = &[Self::Mastodon, Self::Bluesky];

    /// The name that the API, the database and the journal use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mastodon => "mastodon",
            Self::Bluesky => "bluesky",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no platform that Pressroom publishes to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown platform `{0}`; known are: mastodon, bluesky")]
pub struct UnknownPlatform(pub String);

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, UnknownPlatform> {
        Self::ALL.iter().copied().find(|p| p.as_str() == text).ok_or_else(|| UnknownPlatform(text.to_owned()))
    }
}
