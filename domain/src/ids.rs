//! Typed identifiers: a prefix that says what it names, over a UUIDv7 in Crockford base32.
//!
//! `cmp_01jd3w0fqhf1...` sorts by creation time, survives a double click and cannot be passed where another kind of id is meant.

use std::{fmt, str::FromStr, sync::LazyLock};

use data_encoding::{Encoding, Specification};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Lower-case Crockford base32 without padding: 16 bytes become 26 characters.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    #[expect(clippy::expect_used, reason = "a constant alphabet of 32 distinct symbols is a valid specification")]
    spec.encoding().expect("32 distinct symbols")
});

/// Why a string is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The prefix names another kind of thing, or nothing.
    #[error("expected an id that starts with `{expected}_`")]
    Prefix {
        /// The prefix that was expected, without the underscore.
        expected: &'static str,
    },
    /// What follows the prefix is not 26 characters of Crockford base32.
    #[error("the part after `{expected}_` is not 26 characters of base32")]
    Body {
        /// The prefix of the id, without the underscore.
        expected: &'static str,
    },
}

fn encode(prefix: &str, id: Uuid) -> String {
    format!("{prefix}_{}", BASE32.encode(id.as_bytes()))
}

fn decode(expected: &'static str, text: &str) -> Result<Uuid, IdError> {
    let body = text.strip_prefix(expected).and_then(|rest| rest.strip_prefix('_')).ok_or(IdError::Prefix { expected })?;
    let bytes = BASE32.decode(body.as_bytes()).map_err(|_| IdError::Body { expected })?;
    let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| IdError::Body { expected })?;
    Ok(Uuid::from_bytes(bytes))
}

/// A UUIDv7 that is a pure function of a parent and a label: it keeps the parent's timestamp, so that it sorts with it, and takes the rest
/// from a hash. A step that is run twice therefore writes the same row twice, not two rows.
pub(crate) fn derive(parent: Uuid, label: &str) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(parent.as_bytes());
    hash.update(label.as_bytes());
    let digest = hash.finalize();
    let mut bytes = *parent.as_bytes();
    bytes[6..].copy_from_slice(&digest[..10]);
    bytes[6] = (bytes[6] & 0x0f) | 0x70;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of this kind of id, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID that is already known to name this kind of thing (a database column, a journalled value).
            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID without its kind, for the database.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The id that `label` has under `parent`: always the same for the same two, so that a repeated step repeats its writes.
            #[must_use]
            pub fn derived(parent: Uuid, label: &str) -> Self {
                Self(derive(parent, label))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode($prefix, self.0))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                decode($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A tenant.
    OrgId = "org";
    /// A person.
    UserId = "usr";
    /// An API key (its id, which is public; the secret part is stored hashed).
    ApiKeyId = "key";
    /// A family of rotating refresh tokens.
    SessionId = "ses";
    /// A brand of an org.
    BrandId = "brd";
    /// One trained version of a brand's voice.
    VoiceId = "voi";
    /// One example text that a voice is trained on.
    ExampleId = "exm";
    /// A brief.
    BriefId = "brf";
    /// A campaign.
    CampaignId = "cmp";
    /// A post on one account in one language.
    PostId = "post";
    /// One candidate text of a post.
    VariantId = "var";
    /// A connected social account.
    ConnectorId = "con";
    /// One attempt to send a post.
    ReceiptId = "rcp";
    /// A media file.
    AssetId = "ast";
    /// A short link.
    LinkId = "lnk";
    /// One reading of a post's counters.
    ReadingId = "mtr";
    /// A digest.
    DigestId = "dig";
    /// A subscription to digests.
    SubscriptionId = "sub";
    /// A recurring schedule.
    ScheduleId = "sch";
    /// One time of a recurring schedule.
    OccurrenceId = "occ";
    /// A run of a workflow, as the API names it.
    RunId = "run";
    /// One answer of a language model, as its tokens are counted.
    UsageId = "use";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_reads_back_from_its_own_text(bytes in any::<[u8; 16]>()) {
            let id = PostId::from_uuid(Uuid::from_bytes(bytes));
            let text = id.to_string();
            prop_assert_eq!(text.len(), "post_".len() + 26);
            prop_assert_eq!(text.parse::<PostId>().unwrap(), id);
            prop_assert!(text.parse::<BrandId>().is_err());
        }

        #[test]
        fn derived_ids_are_stable_distinct_and_valid(bytes in any::<[u8; 16]>(), a in ".{0,12}", b in ".{0,12}") {
            let parent = Uuid::from_bytes(bytes);
            let first = VariantId::derived(parent, &a);
            prop_assert_eq!(first, VariantId::derived(parent, &a));
            prop_assert_eq!(first.uuid().get_version_num(), 7);
            prop_assert_eq!(first.uuid().as_bytes()[..6].to_vec(), bytes[..6].to_vec());
            if a != b {
                prop_assert_ne!(first, VariantId::derived(parent, &b));
            }
        }
    }

    #[test]
    fn a_wrong_id_says_what_was_expected() {
        assert_eq!("cmp_zzz".parse::<PostId>(), Err(IdError::Prefix { expected: "post" }));
        assert_eq!("post_zzz".parse::<PostId>(), Err(IdError::Body { expected: "post" }));
    }
}
