//! Publishing: what exactly is sent, under which keys, and what may be concluded from what comes back.
//!
//! A post is frozen into the very bytes that will leave the house ([`Frozen`]) before anything is sent. From then on every attempt sends the same
//! bytes under the same keys, so that a platform, or a look-up, can tell a repetition from a second post.

mod class;
mod outcome;
mod part;
pub mod settling;
mod tid;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use class::{SendClass, send_class};
pub use outcome::{REFUSED_BY_SETTINGS, Resolution, Sent, Submission};
pub use part::{Part, PartKind, PartMedia, ReplyTo, intent};
pub use tid::{is_tid, tid};

use crate::platform::Platform;

/// A post as it will be sent: made once, stored, and sent byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// The platform it was made for.
    pub platform: Platform,
    /// What that platform offers against sending twice.
    pub class: SendClass,
    /// Names the intent to publish this post (or part): the same through every attempt.
    pub intent: Uuid,
    /// The exact bytes of the request body.
    pub body: String,
    /// Their media type.
    pub content_type: String,
    /// The value of `Idempotency-Key`, where the platform has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The key under which the platform knows the post before it is published: the one that we choose for the record (Bluesky's rkey), or the id
    /// of what was staged (a container, a draft, an upload).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_key: Option<String>,
    /// For how many minutes after the first send the platform refuses the same bytes and names the original (class D).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_oracle: Option<u32>,
    /// SHA-256 of `body`, as lower-case hexadecimal.
    pub body_hash: String,
    /// What a look-up can recognise the post by.
    pub correlation: Correlation,
    /// When it was frozen.
    pub frozen_at: DateTime<Utc>,
}

/// What a post can be recognised by among the account's others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlation {
    /// The text as [`normalise`] leaves it.
    pub text_normalised: String,
    /// A link that only this post has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl Frozen {
    /// Freezes `body`. Keys are added by [`Self::with_idempotency_key`] and [`Self::with_record_key`].
    #[must_use]
    pub fn new(platform: Platform, class: SendClass, intent: Uuid, body: String, part: &Part) -> Self {
        Self {
            platform,
            class,
            intent,
            body_hash: body_hash(&body),
            body,
            content_type: "application/json".to_owned(),
            idempotency_key: None,
            record_key: None,
            duplicate_oracle: None,
            correlation: Correlation { text_normalised: normalise(&part.text), link: part.unique_link.clone() },
            frozen_at: part.created_at,
        }
    }

    /// Adds the key under which the platform recognises a repetition.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: String) -> Self {
        self.idempotency_key = Some(key);
        self
    }

    /// Adds the key of the record that will be written.
    #[must_use]
    pub fn with_record_key(mut self, key: String) -> Self {
        self.record_key = Some(key);
        self
    }

    /// Adds for how long, in minutes, the platform refuses these bytes a second time and names the original.
    #[must_use]
    pub fn with_duplicate_oracle(mut self, minutes: u32) -> Self {
        self.duplicate_oracle = Some(minutes);
        self
    }

    /// Whether the body is still the one that was frozen.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        body_hash(&self.body) == self.body_hash
    }

    /// Whether the platform's own key makes sending these bytes again harmless at `now`, given when they may first have left the house.
    ///
    /// True means: send again after **one** look-up that found nothing. False means: only after a look-up found nothing across a whole settling
    /// window. The look-up is asked for in both cases, because a Mastodon server that dies between storing a status and storing its key has the
    /// post but not the key.
    #[must_use]
    pub fn can_resend(&self, first_sent_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        match self.class {
            SendClass::A => self.record_key.is_some(),
            SendClass::B => {
                let age = now - first_sent_at;
                self.idempotency_key.is_some()
                    && age >= TimeDelta::zero()
                    && age < TimeDelta::minutes(self.platform.capabilities().key_minutes.into())
            }
            SendClass::D => self.is_refused_as_duplicate(first_sent_at, now),
            SendClass::C | SendClass::E | SendClass::F => false,
        }
    }

    /// Whether the platform itself tells a repetition at `now` and names the original. Then these bytes may be sent again even after a look-up that
    /// could not decide.
    #[must_use]
    pub fn is_refused_as_duplicate(&self, first_sent_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let age = now - first_sent_at;
        self.duplicate_oracle.is_some_and(|minutes| age >= TimeDelta::zero() && age < TimeDelta::minutes(i64::from(minutes)))
    }
}

/// SHA-256 of a body, as lower-case hexadecimal.
#[must_use]
pub fn body_hash(body: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(body.as_bytes()))
}

/// A text reduced to what survives every platform's rendering: letters, digits and symbols beyond ASCII, in compatibility form and lower case.
///
/// Servers turn line ends into paragraphs, markdown into tags, and drop the domain of a mention (`@ann@example.org` shows as `@ann`), so spaces,
/// ASCII punctuation and mention domains cannot be compared.
#[must_use]
pub fn normalise(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;

    static MENTION: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "a constant pattern, compiled by the tests of this file")]
        regex::Regex::new(r"@([\p{L}\p{N}_.-]+)@[\p{L}\p{N}.-]+[\p{L}\p{N}]").expect("a valid pattern")
    });
    MENTION
        .replace_all(text, "@$1 ")
        .nfkc()
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric() || !(c.is_ascii() || c.is_whitespace() || c.is_control() || is_invisible(*c)))
        .collect()
}

/// Format characters that servers add or drop: joiners, marks of direction, variation selectors, the soft hyphen.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
