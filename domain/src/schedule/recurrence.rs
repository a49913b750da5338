//! Times that come back: every day or week at a wall time in a zone.
//!
//! The `cron` crate does the calendar (which dates and times match an expression) and nothing else: it is asked in a calendar without gaps and
//! overlaps, and each wall time it answers is then resolved like any other, by the rules of [`super`]. Asked in the zone itself it would skip a
//! time in the spring gap and fire twice in the autumn overlap.

use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{At, OnGap, OnOverlap, TimeOfDay, WallTime};

/// The widest jump of a clock that any zone made: a whole day, when a place changed sides of the date line (Samoa, 30 December 2011). A wall
/// time can resolve to an instant whose wall time is at most this much later.
const WIDEST_JUMP: TimeDelta = TimeDelta::hours(25);

/// A cron expression in a zone.
#[derive(Debug, Clone)]
pub struct Recurrence {
    calendar: cron::Schedule,
    timezone: Tz,
    on_gap: OnGap,
    on_overlap: OnOverlap,
}

/// The text is not a cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` is not a cron expression: {why}")]
pub struct NotCron {
    expression: String,
    why: String,
}

impl Recurrence {
    /// Parses a cron expression of five fields (minute, hour, day of the month, month, day of the week) or six (seconds first).
    ///
    /// # Errors
    /// [`NotCron`] with what is wrong.
    pub fn parse(expression: &str, timezone: Tz, on_gap: OnGap, on_overlap: OnOverlap) -> Result<Self, NotCron> {
        let fields = expression.split_whitespace().count();
        let with_seconds = if fields == 5 { format!("0 {expression}") } else { expression.to_owned() };
        let calendar = cron::Schedule::from_str(&with_seconds)
            .map_err(|error| NotCron { expression: expression.to_owned(), why: error.to_string() })?;
        Ok(Self { calendar, timezone, on_gap, on_overlap })
    }

    /// The first time after `now`, or `None` if the calendar ends before one comes.
    ///
    /// With [`OnGap::Reject`] a time in the gap is left out; with [`OnGap::Shift`] it comes later. Two wall times that resolve to one instant
    /// (one shifted onto the other) are one time.
    #[must_use]
    pub fn next_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let wall_now = WallTime::of(now, self.timezone).naive();
        // A wall time before the one on the wall now can still lie ahead: shifted out of a gap, or the second of an overlap.
        let mut best: Option<(DateTime<Utc>, NaiveDateTime)> = None;
        for wall in self.calendar.after(&(wall_now - WIDEST_JUMP).and_utc()).map(|time| time.naive_utc()) {
            // Resolving moves a wall time forward or not at all, so that nothing from here on can come before the best one.
            if best.is_some_and(|(_, shown)| wall > shown) {
                break;
            }
            let at = At { at: WallTime::from_naive(wall), timezone: self.timezone, on_gap: self.on_gap, on_overlap: self.on_overlap };
            let Ok(due) = at.resolve() else { continue };
            if due.due_at > now && best.is_none_or(|(instant, _)| due.due_at < instant) {
                best = Some((due.due_at, WallTime::of(due.due_at, self.timezone).naive()));
            }
        }
        best.map(|(instant, _)| instant)
    }
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cadence {
    /// Every day.
    Daily,
    /// Once a week.
    Weekly,
}

/// A day of the week, as the API writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday, the default for a week's digest: it sums up the week that just ended.
    #[default]
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// As the API and the database write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }

    const fn cron(self) -> &'static str {
        match self {
            Self::Monday => "MON",
            Self::Tuesday => "TUE",
            Self::Wednesday => "WED",
            Self::Thursday => "THU",
            Self::Friday => "FRI",
            Self::Saturday => "SAT",
            Self::Sunday => "SUN",
        }
    }
}

/// Daily or weekly at a wall time in a zone: `{"cadence": "weekly", "at": "09:00", "timezone": "Europe/Berlin", "weekday": "monday"}`.
///
/// It comes once per local day (or per such weekday): later that day where the clock jumps over it, at the first of two where the clock repeats
/// it. On a day that a place leaves out altogether (Samoa, 30 December 2011) it coincides with the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rhythm {
    /// How often.
    pub cadence: Cadence,
    /// At what time of the day.
    pub at: TimeOfDay,
    /// In which zone.
    pub timezone: Tz,
    /// On which day, for [`Cadence::Weekly`]; a daily one ignores it.
    #[serde(default)]
    pub weekday: Weekday,
}

impl Rhythm {
    /// The next time after `now`; `None` only at the end of the calendar (the year 2100).
    #[must_use]
    pub fn next_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.recurrence().next_after(now)
    }

    /// The start of the period that ends at `fire`: the time before it. Periods join without a hole or an overlap, whatever the clocks do.
    #[must_use]
    pub fn period_start(&self, fire: DateTime<Utc>) -> DateTime<Utc> {
        let days = match self.cadence {
            Cadence::Daily => TimeDelta::days(1),
            Cadence::Weekly => TimeDelta::weeks(1),
        };
        let recurrence = self.recurrence();
        // Two periods and two jumps back is before the time sought, even if one was left out.
        let from = fire - days * 2 - WIDEST_JUMP * 2;
        let times = std::iter::successors(recurrence.next_after(from), |last| recurrence.next_after(*last));
        times.take_while(|time| *time < fire).last().unwrap_or(fire - days)
    }

    #[expect(clippy::expect_used, reason = "hour, minute and weekday are in range by their types, so that the expression is well-formed")]
    fn recurrence(&self) -> Recurrence {
        let day = match self.cadence {
            Cadence::Daily => "*",
            Cadence::Weekly => self.weekday.cron(),
        };
        let expression = format!("{} {} * * {day}", self.at.minute(), self.at.hour());
        Recurrence::parse(&expression, self.timezone, OnGap::Shift, OnOverlap::First).expect("a well-formed expression")
    }
}
