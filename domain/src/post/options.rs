//! What a post has beside its text.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{ids::AssetId, platform::Disclosure};

/// What a post has beside its text. The default is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostOptions {
    /// The files that hang on its first part, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<AssetId>,
    /// A comment of our own, sent right after the post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_comment: Option<String>,
    /// What the platform is told of the post's origin.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub disclosures: BTreeSet<Disclosure>,
    /// How its text becomes a thread.
    #[serde(skip_serializing_if = "Threading::is_default")]
    pub thread: Threading,
}

/// How a text becomes a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threading {
    /// Where a line that holds only `---` says so. A text that is too long stays too long.
    #[default]
    Marked,
    /// As well where the text is too long for one post.
    Split,
}

impl Threading {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl PostOptions {
    /// Whether there is nothing but text.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_stored_as_nothing_and_everything_reads_back() {
        assert_eq!(serde_json::to_value(PostOptions::default()).unwrap(), serde_json::json!({}));
        let all = PostOptions {
            assets: vec![AssetId::from_uuid(uuid::Uuid::from_u128(7))],
            first_comment: Some("More below.".to_owned()),
            disclosures: [Disclosure::AiGenerated, Disclosure::PaidPartnership].into(),
            thread: Threading::Split,
        };
        let stored = serde_json::to_value(&all).unwrap();
        assert_eq!(stored["disclosures"], serde_json::json!(["paid_partnership", "ai_generated"]));
        assert_eq!(serde_json::from_value::<PostOptions>(stored).unwrap(), all);
        assert!(serde_json::from_value::<PostOptions>(serde_json::json!({"asset": []})).is_err());
    }
}
