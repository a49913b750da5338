//! The platforms a post can go to, and what each can do, as data.
//!
//! One file per platform holds its [`Capabilities`], with the source beside each number; policy, editor, API and connector read them there, so
//! that nothing about a platform is written twice. A new platform is a variant of [`Platform`], its name, and its file.

mod bluesky;
mod buffer;
mod capabilities;
mod discord;
mod facebook;
mod hootsuite;
mod instagram;
mod linkedin;
mod mastodon;
mod slack;
mod telegram;
mod threads;
mod tiktok;
mod x;
mod youtube;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::capabilities::{
    Capabilities, Connect, Counting, Credential, Disclosure, ImageRules, MediaRules, MentionSyntax, OnlyOn, Rate, Requirement, StepNames,
    TagSyntax, VideoRules,
};

/// A social platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Mastodon and the servers that speak its API.
    Mastodon,
    /// Bluesky (AT Protocol).
    Bluesky,
    /// Telegram, through a bot.
    Telegram,
    /// Discord, through a bot or a webhook.
    Discord,
    /// Slack, through a bot.
    Slack,
    /// TikTok.
    TikTok,
    /// YouTube.
    YouTube,
    /// Threads.
    Threads,
    /// Instagram.
    Instagram,
    /// A page on Facebook.
    Facebook,
    /// X, formerly Twitter.
    X,
    /// LinkedIn, as a member or an organisation.
    LinkedIn,
    /// A channel in Buffer.
    Buffer,
    /// A social profile in Hootsuite.
    Hootsuite,
}

impl Platform {
    /// Every platform, in the order in which pages list them.
    pub const ALL: &[Self] = &[
        Self::Mastodon,
        Self::Bluesky,
        Self::Telegram,
        Self::Discord,
        Self::Slack,
        Self::TikTok,
        Self::YouTube,
        Self::Threads,
        Self::Instagram,
        Self::Facebook,
        Self::X,
        Self::LinkedIn,
        Self::Buffer,
        Self::Hootsuite,
    ];

    /// What the platform can carry by its own documentation.
    #[must_use]
    pub const fn capabilities(self) -> &'static Capabilities {
        match self {
            Self::Mastodon => &mastodon::CAPABILITIES,
            Self::Bluesky => &bluesky::CAPABILITIES,
            Self::Telegram => &telegram::CAPABILITIES,
            Self::Discord => &discord::CAPABILITIES,
            Self::Slack => &slack::CAPABILITIES,
            Self::TikTok => &tiktok::CAPABILITIES,
            Self::YouTube => &youtube::CAPABILITIES,
            Self::Threads => &threads::CAPABILITIES,
            Self::Instagram => &instagram::CAPABILITIES,
            Self::Facebook => &facebook::CAPABILITIES,
            Self::X => &x::CAPABILITIES,
            Self::LinkedIn => &linkedin::CAPABILITIES,
            Self::Buffer => &buffer::CAPABILITIES,
            Self::Hootsuite => &hootsuite::CAPABILITIES,
        }
    }

    /// The name that the API, the database and the journal use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.capabilities().name
    }

    /// The name that people use.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.capabilities().title
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    /// The limits of a text that media hang on.
    #[must_use]
    pub fn with_media(mut self) -> Self {
        if let Some(most) = self.platform.capabilities().max_units_with_media {
            self.units = self.units.min(most);
        }
        self
    }

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
#[error("unknown platform `{0}`; known are: {known}", known = Platform::ALL.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", "))]
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
    fn a_name_is_the_one_that_is_stored_and_every_platform_states_its_limits() {
        for platform in Platform::ALL {
            assert_eq!(serde_json::to_value(platform).unwrap(), platform.as_str());
            assert_eq!(platform.as_str().parse::<Platform>().as_ref(), Ok(platform));
            let c = platform.capabilities();
            assert!(c.max_units > 0 && !c.rates.is_empty() && !c.send_once.is_empty(), "{platform}");
            assert_eq!(c.max_thread_parts == 0, !c.threads(), "{platform}");
            assert_eq!(
                c.key_minutes > 0,
                c.class == crate::publication::SendClass::B,
                "{platform}: a window without a key, or a key without one"
            );
            assert!(c.max_units_with_media.is_none_or(|with| with < c.max_units), "{platform}");
            assert!(
                c.media.required.is_none() || c.media.images.is_some() || c.media.video.is_some(),
                "{platform} needs media it cannot take"
            );
        }
    }

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
