//! What may be concluded from an attempt to send, and from looking afterwards.

use serde::{Deserialize, Serialize};

/// A post that is on its platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The platform's id of it: a Mastodon status id, a Bluesky `at://` URI.
    pub external_id: String,
    /// Where people read it.
    pub url: String,
    /// The hash of the stored record, where the platform has one (Bluesky's CID); replies need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
}

/// What came of one send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Submission {
    /// It is on the platform. Definite.
    Published(Sent),
    /// The platform refused it as a repetition of one that it has, and named that one: it is on the platform. Definite.
    Duplicate(Sent),
    /// The platform refused it, and would again. Definite.
    Rejected {
        /// What it objects to.
        what: String,
    },
    /// The platform asks to wait; nothing was posted. Definite.
    RateLimited {
        /// How long it asks to wait, in milliseconds.
        retry_after_ms: u64,
    },
    /// The account's credentials are not accepted; nothing was posted. Definite.
    CredentialsExpired {
        /// What the platform said.
        what: String,
    },
    /// No byte of the request left the house: no address, no connection, no TLS session. Definite.
    NotSent {
        /// What stood in the way.
        what: String,
    },
    /// Our own settings refuse the address: nothing left the house, and nothing would another time. Definite.
    RefusedBySettings {
        /// What they object to, with the setting's name.
        what: String,
    },
    /// The platform refused it as a repetition of one that it does not name: of ours, if that is found, else of an older one. Sent again, it would be
    /// refused again.
    Repeated {
        /// What the platform said.
        what: String,
    },
    /// It may or may not be on the platform: it has to be looked for.
    Unknown {
        /// Why nothing can be said.
        what: String,
    },
}

/// The outcome of [`Submission::RefusedBySettings`], as receipts store it.
pub const REFUSED_BY_SETTINGS: &str = "refused_by_settings";

impl Submission {
    /// The outcome's name, as receipts store it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Published(_) | Self::Duplicate(_) => "published",
            Self::Rejected { .. } => "rejected",
            Self::RateLimited { .. } => "rate_limited",
            Self::CredentialsExpired { .. } => "credentials_expired",
            Self::NotSent { .. } => "not_sent",
            Self::RefusedBySettings { .. } => REFUSED_BY_SETTINGS,
            Self::Repeated { .. } | Self::Unknown { .. } => "unknown",
        }
    }

    /// Whether it is certain that the post is, or is not, on the platform.
    #[must_use]
    pub const fn is_definite(&self) -> bool {
        !matches!(self, Self::Repeated { .. } | Self::Unknown { .. })
    }
}

/// What one look-up says about a post whose sending had no definite outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "resolution")]
pub enum Resolution {
    /// It is on the platform.
    Found {
        /// Where.
        sent: Sent,
        /// What it was recognised by.
        evidence: String,
    },
    /// It is not there now. It may still arrive: only a look-up repeated across a settling window proves that it never will.
    Absent {
        /// What was looked at.
        evidence: String,
    },
    /// Looking does not tell: more than one candidate, or something else in its place.
    Unknown {
        /// What was seen.
        evidence: String,
    },
}

impl Resolution {
    /// The resolution's name, as receipts store it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Found { .. } => "found",
            Self::Absent { .. } => "absent",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// What it rests on.
    #[must_use]
    pub fn evidence(&self) -> &str {
        match self {
            Self::Found { evidence, .. } | Self::Absent { evidence } | Self::Unknown { evidence } => evidence,
        }
    }
}
