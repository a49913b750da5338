//! The rules of a zone: which wall time is which instant.
//!
//! A trait, because governments change them: the same wall time is asked under the rules of the database that this binary was built with
//! ([`database`]), and in tests under those of an older one, or of a country that has just abolished its summer time.

pub mod database;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

/// The widest jump of a clock that any zone made: a whole day, when a place changed sides of the date line (Samoa, 30 December 2011). A wall
/// time can resolve to an instant whose wall time is at most this much later.
pub(crate) const WIDEST_JUMP: TimeDelta = TimeDelta::hours(25);

/// What a wall time names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// One instant.
    Once(DateTime<Utc>),
    /// Two: the clock was put back over it.
    Twice {
        /// The earlier one.
        first: DateTime<Utc>,
        /// The later one.
        second: DateTime<Utc>,
    },
    /// None: the clock was put forward over it.
    Never {
        /// The instant at which it was.
        jump: DateTime<Utc>,
        /// As long after the jump as the wall time lies after its beginning: read with the offset that held before.
        shifted: DateTime<Utc>,
    },
}

impl Reading {
    /// No wall time that is later than this one names an earlier instant.
    #[must_use]
    pub const fn earliest(self) -> DateTime<Utc> {
        match self {
            Self::Once(instant) => instant,
            Self::Twice { first, .. } => first,
            Self::Never { jump, .. } => jump,
        }
    }
}

/// The rules of one zone.
pub trait ZoneRules {
    /// How many seconds its clocks are ahead of UTC at `instant`.
    fn offset_at(&self, instant: DateTime<Utc>) -> i32;

    /// What `wall` names; `None` only at the ends of the calendar.
    fn read(&self, wall: NaiveDateTime) -> Option<Reading>;

    /// What the clocks show at `instant`.
    fn wall_at(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        (instant + TimeDelta::seconds(i64::from(self.offset_at(instant)))).naive_utc()
    }

    /// The instants in `(after, until]` at which the offset changes. A change that is taken back within the hour is not seen; no zone has made
    /// one since 1970.
    fn changes(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let mut found = Vec::new();
        let mut from = after;
        while from < until {
            let to = (from + TimeDelta::hours(1)).min(until);
            if self.offset_at(from) != self.offset_at(to) {
                let old = self.offset_at(from);
                let (mut low, mut high) = (from.timestamp(), to.timestamp());
                while high - low > 1 {
                    let middle = low.midpoint(high);
                    let same = DateTime::from_timestamp(middle, 0).is_some_and(|at| self.offset_at(at) == old);
                    if same { low = middle } else { high = middle }
                }
                found.extend(DateTime::from_timestamp(high, 0));
            }
            from = to;
        }
        found
    }
}

/// Rules as a table of changes, for zones that are in no database (yet): a law that was passed, or a test of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRules {
    first: i32,
    changes: Vec<(DateTime<Utc>, i32)>,
}

impl TableRules {
    /// `first` is the offset before any change; `changes` are instants in ascending order, each with the offset that holds from then on.
    #[must_use]
    pub const fn new(first: i32, changes: Vec<(DateTime<Utc>, i32)>) -> Self {
        Self { first, changes }
    }
}

impl ZoneRules for TableRules {
    fn offset_at(&self, instant: DateTime<Utc>) -> i32 {
        self.changes.iter().rev().find(|(at, _)| *at <= instant).map_or(self.first, |(_, offset)| *offset)
    }

    fn read(&self, wall: NaiveDateTime) -> Option<Reading> {
        let with = |offset: i32| wall.and_utc() - TimeDelta::seconds(i64::from(offset));
        let offsets = || std::iter::once(self.first).chain(self.changes.iter().map(|(_, offset)| *offset));
        let mut named: Vec<_> =
            offsets().map(|offset| (with(offset), offset)).filter(|(at, offset)| self.offset_at(*at) == *offset).collect();
        named.sort_unstable();
        named.dedup();
        match named[..] {
            [] => {
                let mut before = self.first;
                for &(jump, after) in &self.changes {
                    if with(before) >= jump && with(after) < jump {
                        return Some(Reading::Never { jump, shifted: with(before) });
                    }
                    before = after;
                }
                None
            }
            [(one, _)] => Some(Reading::Once(one)),
            [(first, _), .., (second, _)] => Some(Reading::Twice { first, second }),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use proptest::prelude::*;

    use super::*;

    /// The rules of a zone from 2000 to 2020, copied out of the database into a table.
    fn copied(zone: Tz) -> TableRules {
        let from = DateTime::from_timestamp(946_684_800, 0).unwrap();
        let until = DateTime::from_timestamp(1_577_836_800, 0).unwrap();
        let changes = zone.changes(from, until).into_iter().map(|at| (at, zone.offset_at(at))).collect();
        TableRules::new(zone.offset_at(from), changes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_table_and_the_database_it_was_copied_from_agree(index in 0..6_usize, seconds in 950_000_000_i64..1_290_000_000) {
            let zones = [Tz::Europe__Berlin, Tz::Australia__Lord_Howe, Tz::America__Sao_Paulo, Tz::Asia__Tehran, Tz::America__St_Johns, Tz::Africa__Cairo];
            let (zone, instant) = (zones[index], DateTime::from_timestamp(seconds, 0).unwrap());
            let table = copied(zone);
            prop_assert_eq!(table.offset_at(instant), zone.offset_at(instant));
            prop_assert_eq!(table.read(instant.naive_utc()), zone.read(instant.naive_utc()));
            // Beside a change, where it matters.
            if let Some(change) = zone.changes(instant, instant + TimeDelta::days(200)).first() {
                for offset in [table.offset_at(*change), table.offset_at(*change - TimeDelta::seconds(1))] {
                    for beside in [-3601, -1800, -1, 0, 1, 1800, 3600] {
                        let wall = (*change + TimeDelta::seconds(i64::from(offset) + beside)).naive_utc();
                        prop_assert_eq!(table.read(wall), zone.read(wall), "{} {}", zone, wall);
                    }
                }
            }
        }
    }

    #[test]
    fn changes_are_found_to_the_second() {
        let utc = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let found = Tz::Europe__Berlin.changes(utc("2026-01-01T00:00:00Z"), utc("2027-01-01T00:00:00Z"));
        assert_eq!(found, ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"].map(utc));
        assert!(Tz::UTC.changes(utc("2026-01-01T00:00:00Z"), utc("2027-01-01T00:00:00Z")).is_empty());
    }
}
