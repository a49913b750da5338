//! Times that come back: a cron expression, or every day or week, at a wall time in a zone.
//!
//! The `cron` crate does the calendar (which dates and times match an expression) and nothing else: it is asked in a calendar without gaps and
//! overlaps, and each wall time it answers is then resolved like any other, by the rules of [`super`]. Asked in the zone itself it would skip a
//! time in the spring gap and fire twice in the autumn overlap.

use std::{collections::BTreeMap, iter::Peekable};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

pub use super::calendar::NotCron;
use super::{
    TimeOfDay, WallTime,
    calendar::Calendar,
    rules::{Reading, WIDEST_JUMP, ZoneRules},
};

/// What a recurring time does when the zone skips it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapRule {
    /// Later by the length of the gap: 02:30 in a gap of an hour becomes 03:30.
    #[default]
    Shift,
    /// It does not come that day.
    Skip,
    /// It does not come that day, and people are told: it is noted as refused, and a schedule that would meet a gap soon is not accepted.
    Reject,
}

/// What a recurring time does when the zone repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapRule {
    /// It comes at the earlier instant.
    #[default]
    First,
    /// It comes at the later instant.
    Second,
    /// It comes twice.
    Both,
}

/// One time of a recurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// What the expression names.
    pub wall: WallTime,
    /// 1 for the second of two instants that the wall time names, else 0.
    pub fold: u8,
    /// The instant.
    pub due_at: DateTime<Utc>,
    /// How many seconds the zone's clocks are ahead of UTC then.
    pub offset_seconds: i32,
    /// What the zone did to the wall time.
    pub bent: Bent,
}

/// What a zone does to a wall time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bent {
    /// Nothing: it names one instant.
    No,
    /// The clock jumps over it, and it comes later.
    Shifted,
    /// The clock jumps over it, and it does not come.
    Refused,
    /// The clock shows it twice.
    Repeated,
}

/// A cron expression in a zone.
#[derive(Debug, Clone)]
pub struct Recurrence {
    calendar: Calendar,
    timezone: Tz,
    on_gap: GapRule,
    on_overlap: OverlapRule,
}

impl Recurrence {
    /// Parses a cron expression of five fields (minute, hour, day of the month, month, day of the week) or six (seconds first).
    ///
    /// # Errors
    /// [`NotCron`] with what is wrong.
    pub fn parse(expression: &str, timezone: Tz, on_gap: GapRule, on_overlap: OverlapRule) -> Result<Self, NotCron> {
        Ok(Self { calendar: Calendar::parse(expression)?, timezone, on_gap, on_overlap })
    }

    /// The first time after `now`, or `None` if the calendar ends before one comes (in the year 2100). One that is refused is left out.
    #[must_use]
    pub fn next_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.after(now).find(|occurrence| occurrence.bent != Bent::Refused).map(|occurrence| occurrence.due_at)
    }

    /// The times after `now`, in the order of their instants.
    pub fn after(&self, now: DateTime<Utc>) -> impl Iterator<Item = Occurrence> + '_ {
        self.after_under(&self.timezone, now)
    }

    /// The same under other rules than those of the zone's database.
    pub fn after_under<'a>(&'a self, rules: &'a impl ZoneRules, now: DateTime<Utc>) -> impl Iterator<Item = Occurrence> + 'a {
        Occurrences {
            walls: self.calendar.from(first_wall(rules, now)).peekable(),
            rules,
            on_gap: self.on_gap,
            on_overlap: self.on_overlap,
            now,
            waiting: BTreeMap::new(),
        }
    }

    /// The first time in `(now, until]` that falls into a gap of the zone, whatever the rule for it.
    #[must_use]
    pub fn first_in_gap(&self, now: DateTime<Utc>, until: DateTime<Utc>) -> Option<WallTime> {
        self.timezone.changes(now, until).into_iter().find_map(|jump| {
            let before = self.timezone.wall_at(jump - TimeDelta::seconds(1)) + TimeDelta::seconds(1);
            let after = self.timezone.wall_at(jump);
            self.calendar.from(before).next().filter(|wall| *wall < after).map(WallTime::from_naive)
        })
    }
}

/// The first wall time that can name an instant after `now`. One before what the wall shows now still can, if it was shifted out of a gap that
/// has just been, or is to be shown a second time.
fn first_wall(rules: &impl ZoneRules, now: DateTime<Utc>) -> NaiveDateTime {
    let shown = rules.wall_at(now);
    let earlier = rules.changes(now - WIDEST_JUMP, now + WIDEST_JUMP).into_iter().filter_map(|change| {
        let before = rules.offset_at(change - TimeDelta::seconds(1));
        let after = rules.offset_at(change);
        let jump = TimeDelta::seconds(i64::from(after - before));
        let matters = if jump > TimeDelta::zero() { change <= now && now < change + jump } else { now < change && change <= now - jump };
        matters.then(|| (change + TimeDelta::seconds(i64::from(before.min(after)))).naive_utc())
    });
    earlier.fold(shown, NaiveDateTime::min)
}

struct Occurrences<'a, W: Iterator<Item = NaiveDateTime>, Z> {
    walls: Peekable<W>,
    rules: &'a Z,
    on_gap: GapRule,
    on_overlap: OverlapRule,
    now: DateTime<Utc>,
    /// Times that were read and may still be overtaken. Two wall times that come to one instant (one shifted onto the other) are one time, and
    /// it is the later wall time's, which was not shifted. A refused one stands beside it.
    waiting: BTreeMap<(DateTime<Utc>, bool), Occurrence>,
}

impl<W: Iterator<Item = NaiveDateTime>, Z: ZoneRules> Iterator for Occurrences<'_, W, Z> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        loop {
            let next = self.walls.peek().and_then(|wall| Some((*wall, self.rules.read(*wall)?)));
            let Some((wall, reading)) = next else { return self.waiting.pop_first().map(|(_, occurrence)| occurrence) };
            if self.waiting.first_key_value().is_some_and(|((due_at, _), _)| *due_at < reading.earliest()) {
                return self.waiting.pop_first().map(|(_, occurrence)| occurrence);
            }
            self.walls.next();
            self.take(wall, reading);
        }
    }
}

impl<W: Iterator<Item = NaiveDateTime>, Z: ZoneRules> Occurrences<'_, W, Z> {
    fn take(&mut self, wall: NaiveDateTime, reading: Reading) {
        let mut add = |due_at: DateTime<Utc>, fold: u8, bent: Bent| {
            if due_at > self.now {
                let offset_seconds = self.rules.offset_at(due_at);
                let occurrence = Occurrence { wall: WallTime::from_naive(wall), fold, due_at, offset_seconds, bent };
                self.waiting.insert((due_at, bent == Bent::Refused), occurrence);
            }
        };
        match reading {
            Reading::Once(instant) => add(instant, 0, Bent::No),
            Reading::Twice { first, second } => {
                if self.on_overlap != OverlapRule::Second {
                    add(first, 0, Bent::Repeated);
                }
                if self.on_overlap != OverlapRule::First {
                    add(second, 1, Bent::Repeated);
                }
            }
            Reading::Never { shifted, .. } => match self.on_gap {
                GapRule::Shift => add(shifted, 0, Bent::Shifted),
                GapRule::Reject => add(shifted, 0, Bent::Refused),
                GapRule::Skip => {}
            },
        }
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
        Recurrence::parse(&expression, self.timezone, GapRule::Shift, OverlapRule::First).expect("a well-formed expression")
    }
}
