//! What happens to a post whose time came while nobody could send it.
//!
//! The rule, in words: a post is *on time* if sending starts within the grace after its due time. A post that is later than that is still
//! published, and flagged as late, as long as it is not later than the limit: a morning greeting at ten is better than none. Beyond the limit it
//! is not sent; it needs attention, and a person publishes it, gives it a new time or cancels it: a morning greeting the next evening is worse
//! than none.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How late something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lateness {
    /// Within the grace, or early.
    OnTime,
    /// After the grace.
    Late {
        /// How long after the due time (the grace counts too).
        by: Duration,
    },
}

impl Lateness {
    /// Compares a due time with the clock.
    #[must_use]
    pub fn assess(due_at: DateTime<Utc>, now: DateTime<Utc>, grace: Duration) -> Self {
        match (now - due_at).to_std() {
            Ok(by) if by > grace => Self::Late { by },
            _ => Self::OnTime,
        }
    }
}

/// The lateness rule of this module with its two numbers. Seconds in settings and journals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LatenessRule {
    /// How many seconds after its due time a post still counts as on time.
    pub grace_seconds: u64,
    /// How many seconds after its due time a post is still published at all.
    pub limit_seconds: u64,
}

impl Default for LatenessRule {
    /// A minute of grace, an hour until a person is asked.
    fn default() -> Self {
        Self { grace_seconds: 60, limit_seconds: 3600 }
    }
}

/// What the lateness rule says is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Publish; nothing to note.
    Publish,
    /// Publish, and flag it as late.
    PublishLate {
        /// How late, in whole seconds.
        late_seconds: u64,
    },
    /// Do not publish; a person decides.
    NeedsAttention {
        /// How late, in whole seconds.
        late_seconds: u64,
    },
}

/// What kept a post from going out at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Nothing of ours ran, or the engine was away, when it was due.
    Down,
    /// Other posts of the account were before it.
    Queue,
    /// The platform asked to wait.
    RateWindow,
    /// A person had to connect the account again.
    Reconnect,
    /// The platform could not be reached.
    Platform,
    /// The platform was at work on its files, or they could not be read.
    Media,
}

impl Held {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Down, Self::Queue, Self::RateWindow, Self::Reconnect, Self::Platform, Self::Media];

    /// The name that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Queue => "queue",
            Self::RateWindow => "rate_window",
            Self::Reconnect => "reconnect",
            Self::Platform => "platform",
            Self::Media => "media",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|held| held.as_str() == name)
    }

    /// What people are told.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Down => "nothing ran when it was due",
            Self::Queue => "other posts of the account were before it",
            Self::RateWindow => "the platform asked to wait",
            Self::Reconnect => "the account had to be connected again",
            Self::Platform => "the platform could not be reached",
            Self::Media => "its files were not ready",
        }
    }
}

impl LatenessRule {
    /// The same with another limit, if there is one.
    #[must_use]
    pub fn within(self, window_seconds: Option<u32>) -> Self {
        Self { limit_seconds: window_seconds.map_or(self.limit_seconds, u64::from), ..self }
    }

    /// What to do at `now` with a post that is due at `due_at`.
    #[must_use]
    pub fn verdict(&self, due_at: DateTime<Utc>, now: DateTime<Utc>) -> Verdict {
        match Lateness::assess(due_at, now, Duration::from_secs(self.grace_seconds)) {
            Lateness::OnTime => Verdict::Publish,
            Lateness::Late { by } if by <= Duration::from_secs(self.limit_seconds) => Verdict::PublishLate { late_seconds: by.as_secs() },
            Lateness::Late { by } => Verdict::NeedsAttention { late_seconds: by.as_secs() },
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_rule_turns_at_the_grace_and_at_the_limit() {
        let due: DateTime<Utc> = "2026-12-01T08:00:00Z".parse().unwrap();
        let rule = LatenessRule { grace_seconds: 60, limit_seconds: 3600 };
        let at = |seconds| rule.verdict(due, due + TimeDelta::seconds(seconds));
        assert_eq!(at(-5), Verdict::Publish);
        assert_eq!(at(60), Verdict::Publish);
        assert_eq!(at(61), Verdict::PublishLate { late_seconds: 61 });
        assert_eq!(at(3600), Verdict::PublishLate { late_seconds: 3600 });
        assert_eq!(at(3601), Verdict::NeedsAttention { late_seconds: 3601 });
    }

    #[test]
    fn a_window_of_its_own_takes_the_place_of_the_limit() {
        let due: DateTime<Utc> = "2026-12-01T08:00:00Z".parse().unwrap();
        let rule = LatenessRule::default();
        let late = due + TimeDelta::seconds(601);
        assert_eq!(rule.within(None).verdict(due, late), Verdict::PublishLate { late_seconds: 601 });
        assert_eq!(rule.within(Some(600)).verdict(due, late), Verdict::NeedsAttention { late_seconds: 601 });
        assert_eq!(rule.within(Some(86_400)).verdict(due, due + TimeDelta::hours(20)), Verdict::PublishLate { late_seconds: 72_000 });
    }

    #[test]
    fn what_held_a_post_reads_back_from_its_name() {
        for held in Held::ALL {
            assert_eq!(Held::named(held.as_str()), Some(held));
            assert_eq!(serde_json::to_value(held).unwrap(), held.as_str());
        }
        assert_eq!(Held::named("weather"), None);
    }

    #[test]
    fn fractions_of_a_second_count() {
        let due: DateTime<Utc> = "2026-12-01T08:00:00Z".parse().unwrap();
        let now = due + TimeDelta::milliseconds(60_001);
        assert_eq!(Lateness::assess(due, now, Duration::from_mins(1)), Lateness::Late { by: Duration::from_millis(60_001) });
    }

    #[test]
    fn a_limit_below_the_grace_does_not_hold_back_what_is_on_time() {
        let due: DateTime<Utc> = "2026-12-01T08:00:00Z".parse().unwrap();
        let rule = LatenessRule { grace_seconds: 60, limit_seconds: 0 };
        assert_eq!(rule.verdict(due, due + TimeDelta::seconds(30)), Verdict::Publish);
    }
}
