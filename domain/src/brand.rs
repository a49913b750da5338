//! A brand: who speaks, and the rules it speaks by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A brand as prompts, policy and pages need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brand {
    /// The name that readers know.
    pub name: String,
    /// Free text for writers: what the brand stands for, how it talks.
    #[serde(default)]
    pub guidelines: String,
    /// Phrases that must not appear, however they are cased, spaced or disguised.
    #[serde(default)]
    pub banned_phrases: Vec<String>,
    /// Texts of which each must appear in every post (`#ad`, `Anzeige`).
    #[serde(default)]
    pub required_disclosures: Vec<String>,
    /// Colours as `#rrggbb`.
    #[serde(default)]
    pub colors: Vec<String>,
    /// Named links (`website`, `shop`).
    #[serde(default)]
    pub links: BTreeMap<String, String>,
}
