//! What each platform offers against publishing twice.

use serde::{Deserialize, Serialize};

use crate::platform::Platform;

/// How sending once is kept on a platform, from the strongest means to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SendClass {
    /// We choose the key of the record: a repetition writes the same record.
    A,
    /// The platform recognises an idempotency key, for a limited time.
    B,
    /// Publishing is a second call on something staged first, whose state can be asked.
    C,
    /// The platform refuses identical posts and, at best, names the original.
    D,
    /// The account's posts can be listed and the post recognised among them.
    E,
    /// Nothing: at most one send, then a person is asked.
    F,
}

impl SendClass {
    /// The class's letter.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
            Self::C => 'C',
            Self::D => 'D',
            Self::E => 'E',
            Self::F => 'F',
        }
    }

    /// Why a post of this class goes out once, for receipts and pages.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::A => {
                "The record's key is chosen before sending; a repetition writes the same record, and a look-up by the key tells whether it is there."
            }
            Self::B => "The server recognises the post's key for a while; after that the post is looked for among the account's posts.",
            Self::C => "The post is staged first and its state asked for before it is published.",
            Self::D => "The platform refuses an identical post; the post is looked for before anything is sent again.",
            Self::E => {
                "The server is not known to recognise repetitions; the post is looked for among the account's posts before anything is sent again."
            }
            Self::F => {
                "The platform can neither recognise a repetition nor list posts: it is sent at most once, and a person is asked when the outcome is unknown."
            }
        }
    }
}

/// The class of an account, given the software that its server runs (NodeInfo's `software.name`; on Discord `bot` or `webhook`), where it is
/// known: as the platform's capabilities state it.
#[must_use]
pub fn send_class(platform: Platform, software: Option<&str>) -> SendClass {
    let capabilities = platform.capabilities();
    let is = |name: &&str| software.is_some_and(|software| software.trim().eq_ignore_ascii_case(name));
    match capabilities.class_only_on {
        Some(only) if !only.software.iter().any(is) => only.others,
        _ => capabilities.class,
    }
}
