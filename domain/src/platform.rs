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

/// What one platform can carry. Platform limits come from the platform; the limits named "sensible" are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How text is counted against `max_units`.
    pub counting: Counting,
    /// The longest text, in the units of `counting`.
    pub max_units: u32,
    /// The longest text in UTF-8 bytes, where the platform has such a limit besides.
    pub max_bytes: Option<u32>,
    /// How many units a link weighs whatever its length; `None` where it counts as written.
    pub url_units: Option<u32>,
    /// The most images of one post.
    pub max_media: u32,
    /// The longest hashtag in graphemes, without the `#`.
    pub max_tag_units: u32,
    /// Sensible, not imposed: more hashtags than this read as spam.
    pub max_hashtags: u32,
    /// Sensible, not imposed: more mentions than this read as spam.
    pub max_mentions: u32,
}

/// How a platform counts the length of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// User-perceived characters (UAX #29 extended grapheme clusters) of the text as written.
    Graphemes,
    /// Graphemes, but a link weighs a fixed number and of `@name@server` only `@name` counts.
    GraphemesWithConcessions,
}

// 500, 23 and the counting: `StatusLengthValidator` in mastodon/mastodon (`MAX_CHARS`, `URL_PLACEHOLDER_CHARS`, `each_grapheme_cluster`,
// entities extracted with `extract_url_without_protocol: false`). 4 media: `configuration.statuses.max_media_attachments` of
// `/api/v2/instance`. A server may answer other numbers there: see `TextLimits`. Mastodon itself limits neither hashtags nor mentions.
static MASTODON: Capabilities = Capabilities {
    counting: Counting::GraphemesWithConcessions,
    max_units: 500,
    max_bytes: None,
    url_units: Some(23),
    max_media: 4,
    max_tag_units: 100,
    max_hashtags: 5,
    max_mentions: 5,
};

// 300 graphemes and 3000 bytes: lexicon `app.bsky.feed.post` (`maxGraphemes`, `maxLength`). 4 images: `app.bsky.embed.images`. 64 graphemes
// a tag: `app.bsky.richtext.facet#tag`. The lexicon limits neither the number of tags nor of mentions within a text.
static BLUESKY: Capabilities = Capabilities {
    counting: Counting::Graphemes,
    max_units: 300,
    max_bytes: Some(3000),
    url_units: None,
    max_media: 4,
    max_tag_units: 64,
    max_hashtags: 3,
    max_mentions: 5,
};

impl Platform {
    /// What the platform can carry by its own documentation.
    #[must_use]
    pub fn capabilities(self) -> &'static Capabilities {
        match self {
            Self::Mastodon => &MASTODON,
            Self::Bluesky => &BLUESKY,
        }
    }
}

/// The limits one text is measured against: those of the platform, or of the one server that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextLimits {
    /// Whose syntax of links, mentions and hashtags applies.
    pub platform: Platform,
    /// How length counts.
    pub counting: Counting,
    /// The longest text in units.
    pub units: u32,
    /// The longest text in UTF-8 bytes, if limited.
    pub bytes: Option<u32>,
    /// What a link weighs, if not its own length.
    pub url_units: Option<u32>,
}

impl From<Platform> for TextLimits {
    fn from(platform: Platform) -> Self {
        let Capabilities { counting, max_units, max_bytes, url_units, .. } = *platform.capabilities();
        Self { platform, counting, units: max_units, bytes: max_bytes, url_units }
    }
}

impl TextLimits {
    /// With what a Mastodon server says of itself in `/api/v1/instance` or `/api/v2/instance`: `configuration.statuses.max_characters` and
    /// `.characters_reserved_per_url`. What it does not say (`None`, or a nonsensical 0) stays as it was.
    #[must_use]
    pub fn with_instance(mut self, max_characters: Option<u32>, characters_reserved_per_url: Option<u32>) -> Self {
        if let Some(units) = max_characters.filter(|n| *n > 0) {
            self.units = units;
        }
        if let (Some(_), Some(weight)) = (self.url_units, characters_reserved_per_url.filter(|n| *n > 0)) {
            self.url_units = Some(weight);
        }
        self
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_overrides_the_platform_and_silence_does_not() {
        let limits = TextLimits::from(Platform::Mastodon);
        assert_eq!((limits.units, limits.url_units), (500, Some(23)));
        let own = limits.with_instance(Some(5000), Some(30));
        assert_eq!((own.units, own.url_units), (5000, Some(30)));
        assert_eq!(limits.with_instance(None, Some(0)), limits);
    }

    #[test]
    fn a_platform_that_counts_links_as_written_keeps_doing_so() {
        let limits = TextLimits::from(Platform::Bluesky).with_instance(None, Some(23));
        assert_eq!(limits.url_units, None);
        assert_eq!(limits.bytes, Some(3000));
    }
}
