//! When a post is due: wall time and IANA zone are the truth, the instant follows from them.
//!
//! A person says "1 December, 09:00 in Berlin". That is what is stored and shown; the instant is computed from it with the zone database, by
//! two stated rules for the two times of the year when a wall clock does not name exactly one instant:
//!
//! | The wall time | happens when | default | otherwise |
//! |---|---|---|---|
//! | does not exist | clocks go forward | [`OnGap::Shift`]: as much later as the gap is long (02:30 becomes 03:30) | [`OnGap::Reject`] |
//! | exists twice | clocks go back | [`OnOverlap::First`]: the earlier instant | [`OnOverlap::Second`] |
//!
//! What was adjusted is told ([`Adjustment`]), so that a page can show it. What happens to a post that is late is in [`lateness`]; times that
//! come back every day or week are in [`recurrence`].

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub mod best_time;
pub mod calendar;
pub mod lateness;
pub mod recurrence;
pub mod recurring;
pub mod rules;
pub mod wall_time;
mod written;

pub use lateness::{Lateness, LatenessRule};
pub use recurrence::{Cadence, GapRule, Occurrence, OverlapRule, Recurrence, Rhythm, Weekday};
pub use recurring::{CatchUp, OverlapPolicy, Recurring};
pub use rules::{Reading, TableRules, ZoneRules};
pub use wall_time::{TimeOfDay, WallTime};

/// What to do with a wall time that the zone skips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnGap {
    /// Later by the length of the gap: 02:30 in a gap of an hour becomes 03:30.
    #[default]
    Shift,
    /// Refuse it.
    Reject,
}

/// Which of two instants is meant by a wall time that the zone repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOverlap {
    /// The earlier one.
    #[default]
    First,
    /// The later one.
    Second,
}

/// When to publish, as the API takes it: `{"mode": "now"}` or `{"mode": "at", "at": "2026-12-01T09:00", "timezone": "Europe/Berlin"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", try_from = "written::Spec")]
pub enum ScheduleSpec {
    /// As soon as possible.
    Now {},
    /// At a wall time.
    At(At),
    /// At the hour at which the brand's posts do best.
    BestTime(best_time::BestTime),
}

impl ScheduleSpec {
    /// The instant at which it is due, seen from `now`.
    ///
    /// # Errors
    /// As [`At::resolve_after`].
    pub fn due(&self, now: DateTime<Utc>) -> Result<Due, ScheduleError> {
        match self {
            Self::Now {} => Ok(Due { due_at: now, adjusted: None }),
            Self::At(at) => at.check_window().and_then(|()| at.resolve_after(now)),
            // Its hour is chosen when it is planned, from what is known by then.
            Self::BestTime(asked) => asked.check().map(|()| Due { due_at: now, adjusted: None }),
        }
    }

    /// The same, for a plan that was made in time: an instant that passed meanwhile is late, not refused.
    ///
    /// # Errors
    /// As [`At::resolve`].
    pub fn due_even_if_past(&self, now: DateTime<Utc>) -> Result<Due, ScheduleError> {
        match self {
            Self::Now {} | Self::BestTime(_) => Ok(Due { due_at: now, adjusted: None }),
            Self::At(at) => at.resolve(),
        }
    }

    /// How many seconds after its time a post is still sent, if that was said for it.
    #[must_use]
    pub const fn window_seconds(&self) -> Option<u32> {
        match self {
            Self::Now {} => None,
            Self::At(at) => at.window_seconds,
            Self::BestTime(asked) => asked.window_seconds,
        }
    }
}

/// A wall time in a zone, and what to do where it names no instant or two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// What the clock on the wall shows.
    pub at: WallTime,
    /// Where the wall is, as IANA names it (`Europe/Berlin`).
    pub timezone: Tz,
    /// What to do in the spring gap.
    #[serde(default)]
    pub on_gap: OnGap,
    /// What to do in the autumn overlap.
    #[serde(default)]
    pub on_overlap: OnOverlap,
    /// How many seconds after its time it is still sent, 0 to 604800, if not as the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<u32>,
}

/// The instant that a wall time names, and how the zone bent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The instant.
    pub due_at: DateTime<Utc>,
    /// What was done if the wall time named no instant or two.
    pub adjusted: Option<Adjustment>,
}

/// How a wall time that named no instant, or two, became one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Adjustment {
    /// The clock jumps over the time asked for; it was moved by the length of the jump.
    GapShifted {
        /// The wall time that it became.
        to: WallTime,
        /// The length of the jump, in seconds.
        by_seconds: i64,
    },
    /// The clock shows the time asked for twice; the first is taken.
    OverlapFirst {
        /// The other instant.
        second: DateTime<Utc>,
    },
    /// The clock shows the time asked for twice; the second is taken.
    OverlapSecond {
        /// The other instant.
        first: DateTime<Utc>,
    },
}

/// Why a wall time cannot be scheduled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The zone skips it, and the rule is to reject that.
    #[error("{at} does not exist in {timezone}: the clock is put forward then; choose another time or `\"on_gap\": \"shift\"`")]
    InGap {
        /// The time asked for.
        at: WallTime,
        /// The zone.
        timezone: Tz,
    },
    /// It is over.
    #[error("{at} in {timezone} is in the past (it was {due_at})")]
    Past {
        /// The time asked for.
        at: WallTime,
        /// The zone.
        timezone: Tz,
        /// The instant that it names.
        due_at: DateTime<Utc>,
    },
    /// A best hour is sought over a time that cannot be.
    #[error("`within_hours` must be 1 to 336")]
    Within,
    /// A window that cannot be.
    #[error("`window_seconds` must be at most 604800")]
    Window,
    /// Outside of what the calendar can compute.
    #[error("{at} in {timezone} is outside of the calendar")]
    OutOfRange {
        /// The time asked for.
        at: WallTime,
        /// The zone.
        timezone: Tz,
    },
}

impl ScheduleError {
    /// The field of the plan that is to be mended.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::InGap { .. } | Self::Past { .. } | Self::OutOfRange { .. } => "at",
            Self::Within => "within_hours",
            Self::Window => "window_seconds",
        }
    }
}

impl At {
    /// A wall time in a zone with the default rules.
    #[must_use]
    pub fn new(at: WallTime, timezone: Tz) -> Self {
        Self { at, timezone, on_gap: OnGap::default(), on_overlap: OnOverlap::default(), window_seconds: None }
    }

    /// Whether its window is one that can be asked for.
    ///
    /// # Errors
    /// [`ScheduleError::Window`] when it is longer than a week.
    pub fn check_window(&self) -> Result<(), ScheduleError> {
        if self.window_seconds.is_some_and(|seconds| seconds > 7 * 24 * 3600) { Err(ScheduleError::Window) } else { Ok(()) }
    }

    /// The instant that this wall time names.
    ///
    /// # Errors
    /// [`ScheduleError::InGap`] where the zone skips it and the rule is to reject; [`ScheduleError::OutOfRange`] at the ends of the calendar.
    pub fn resolve(&self) -> Result<Due, ScheduleError> {
        self.resolve_under(&self.timezone)
    }

    /// The same under other rules than those of the zone's database.
    ///
    /// # Errors
    /// As [`At::resolve`].
    pub fn resolve_under(&self, rules: &impl ZoneRules) -> Result<Due, ScheduleError> {
        let out_of_range = ScheduleError::OutOfRange { at: self.at, timezone: self.timezone };
        let wall = self.at.naive();
        match rules.read(wall).ok_or(out_of_range)? {
            Reading::Once(due_at) => Ok(Due { due_at, adjusted: None }),
            Reading::Twice { first, second } => Ok(match self.on_overlap {
                OnOverlap::First => Due { due_at: first, adjusted: Some(Adjustment::OverlapFirst { second }) },
                OnOverlap::Second => Due { due_at: second, adjusted: Some(Adjustment::OverlapSecond { first }) },
            }),
            Reading::Never { .. } if self.on_gap == OnGap::Reject => Err(ScheduleError::InGap { at: self.at, timezone: self.timezone }),
            Reading::Never { shifted: due_at, .. } => {
                let to = WallTime::from_naive(rules.wall_at(due_at));
                let by_seconds = (to.naive() - wall).num_seconds();
                Ok(Due { due_at, adjusted: Some(Adjustment::GapShifted { to, by_seconds }) })
            }
        }
    }

    /// The instant that this wall time names, if it is not before `now`.
    ///
    /// # Errors
    /// As [`At::resolve`], and [`ScheduleError::Past`].
    pub fn resolve_after(&self, now: DateTime<Utc>) -> Result<Due, ScheduleError> {
        let due = self.resolve()?;
        if due.due_at < now {
            return Err(ScheduleError::Past { at: self.at, timezone: self.timezone, due_at: due.due_at });
        }
        Ok(due)
    }
}

#[cfg(test)]
mod tests;
