//! A brief: what a campaign is to say, to whom, where and in which languages.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::platform::Platform;

/// A language as ISO 639-1 names it (`en`, `de`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language([u8; 2]);

impl Language {
    /// English.
    pub const EN: Self = Self(*b"en");
    /// German.
    pub const DE: Self = Self(*b"de");

    /// The two-letter code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("en")
    }
}

/// The text is not a two-letter language code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a two-letter language code such as `en` or `de`")]
pub struct NotALanguage(pub String);

impl FromStr for Language {
    type Err = NotALanguage;

    fn from_str(text: &str) -> Result<Self, NotALanguage> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_lowercase() && b.is_ascii_lowercase() => Ok(Self([*a, *b])),
            _ => Err(NotALanguage(text.to_owned())),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A brief as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// What it is about.
    pub topic: String,
    /// Who is to read it.
    pub audience: String,
    /// How it is to sound (`warm`, `matter-of-fact`).
    pub tone: String,
    /// What readers are to do afterwards.
    #[serde(default)]
    pub goal: Option<String>,
    /// The languages to write in; the first is the source that the others are checked against.
    pub languages: Vec<Language>,
    /// The platforms to write for.
    pub platforms: Vec<Platform>,
    /// Regions it is meant for, as people name them.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Names that must not be mentioned.
    #[serde(default)]
    pub competitors: Vec<String>,
    /// Further instructions.
    #[serde(default)]
    pub constraints: Vec<String>,
    /// The page that the posts lead to.
    #[serde(default)]
    pub link: Option<String>,
    /// What every post should get across.
    #[serde(default)]
    pub key_points: Vec<String>,
}
