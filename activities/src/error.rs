//! What can go wrong in the outside world, classified once.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A failed activity, by what is to be done about it.
///
/// It deliberately does not implement [`std::error::Error`]: the durable engine treats every standard error as retryable, so a stray `?` in a
/// handler would turn "rejected for good" into "try for ever".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ActivityError {
    /// It may work if it is tried again: a refused connection, a 5xx on something safe to repeat, a lost database connection.
    Transient {
        /// What happened, fit for a person to read, without secrets.
        what: String,
    },
    /// The other side asks to wait.
    RateLimited {
        /// How long it asks to wait, in milliseconds.
        retry_after_ms: u64,
        /// What happened.
        what: String,
    },
    /// The request is wrong and stays wrong.
    Rejected {
        /// What the other side objects to.
        what: String,
    },
    /// What the request names does not exist (any more).
    NotFound {
        /// What is missing.
        what: String,
    },
    /// The account's credentials no longer work: a person has to reconnect.
    CredentialsExpired {
        /// What the platform said.
        what: String,
    },
    /// The request may or may not have taken effect; it must not be repeated blindly.
    OutcomeUnknown {
        /// Why it is not known.
        what: String,
    },
}

impl ActivityError {
    /// A failure that is worth another try.
    pub fn transient(what: impl fmt::Display) -> Self {
        Self::Transient { what: what.to_string() }
    }

    /// A failure that stays one.
    pub fn rejected(what: impl fmt::Display) -> Self {
        Self::Rejected { what: what.to_string() }
    }

    /// Something named does not exist.
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::NotFound { what: what.to_string() }
    }

    /// The other side asks to wait for `retry_after`.
    pub fn rate_limited(retry_after: Duration, what: impl fmt::Display) -> Self {
        Self::RateLimited { retry_after_ms: u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX), what: what.to_string() }
    }

    /// A person has to reconnect the account.
    pub fn credentials_expired(what: impl fmt::Display) -> Self {
        Self::CredentialsExpired { what: what.to_string() }
    }

    /// It may have happened.
    pub fn outcome_unknown(what: impl fmt::Display) -> Self {
        Self::OutcomeUnknown { what: what.to_string() }
    }

    /// What happened, for a person.
    #[must_use]
    pub fn what(&self) -> &str {
        match self {
            Self::Transient { what }
            | Self::RateLimited { what, .. }
            | Self::Rejected { what }
            | Self::NotFound { what }
            | Self::CredentialsExpired { what }
            | Self::OutcomeUnknown { what } => what,
        }
    }
}

impl fmt::Display for ActivityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

/// What an activity returns.
pub type ActivityResult<T> = Result<T, ActivityError>;
