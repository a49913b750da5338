//! What a clock on a wall shows: a date and a time without a zone.

use std::{borrow::Cow, fmt, str::FromStr};

use chrono::{DateTime, NaiveDateTime, NaiveTime, Timelike, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::rules::ZoneRules as _;

/// A date and a time to the second, written `2026-12-01T09:00` (or `2026-12-01T09:00:30`), that means nothing without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(NaiveDateTime);

impl WallTime {
    /// What the wall shows in `timezone` at `instant`; fractions of a second are dropped.
    #[must_use]
    pub fn of(instant: DateTime<Utc>, timezone: Tz) -> Self {
        Self::from_naive(timezone.wall_at(instant))
    }

    /// A date and time of the calendar; fractions of a second are dropped.
    #[must_use]
    pub fn from_naive(wall: NaiveDateTime) -> Self {
        Self(wall.with_nanosecond(0).unwrap_or(wall))
    }

    /// The date and time without zone.
    #[must_use]
    pub const fn naive(self) -> NaiveDateTime {
        self.0
    }
}

/// The text is not a wall time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a wall time such as `2026-12-01T09:00` (without `Z` or offset; the zone stands beside it)")]
pub struct NotAWallTime(pub String);

impl FromStr for WallTime {
    type Err = NotAWallTime;

    fn from_str(text: &str) -> Result<Self, NotAWallTime> {
        let format = if text.len() == 16 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
        match NaiveDateTime::parse_from_str(text, format) {
            // chrono also takes `2026-12-1T9:00`, blanks and a 60th second; one spelling is enough for everybody.
            Ok(wall) if wall.format(format).to_string() == text && wall.nanosecond() < 1_000_000_000 => Ok(Self(wall)),
            _ => Err(NotAWallTime(text.to_owned())),
        }
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = if self.0.second() == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
        write!(f, "{}", self.0.format(format))
    }
}

/// A time of day to the minute, written `09:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay {
    hour: u32,
    minute: u32,
}

impl TimeOfDay {
    /// Hour and minute, if there is such a time (`0..=23`, `0..=59`).
    #[must_use]
    pub const fn new(hour: u32, minute: u32) -> Option<Self> {
        if hour < 24 && minute < 60 { Some(Self { hour, minute }) } else { None }
    }

    /// The hour, 0 to 23.
    #[must_use]
    pub const fn hour(self) -> u32 {
        self.hour
    }

    /// The minute, 0 to 59.
    #[must_use]
    pub const fn minute(self) -> u32 {
        self.minute
    }
}

/// The text is not a time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time of day such as `09:00`")]
pub struct NotATimeOfDay(pub String);

impl FromStr for TimeOfDay {
    type Err = NotATimeOfDay;

    fn from_str(text: &str) -> Result<Self, NotATimeOfDay> {
        let time = NaiveTime::parse_from_str(text, "%H:%M").ok().and_then(|time| Self::new(time.hour(), time.minute()));
        time.filter(|time| time.to_string() == text).ok_or_else(|| NotATimeOfDay(text.to_owned()))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

macro_rules! serde_as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

serde_as_text!(WallTime, TimeOfDay);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_time_is_written_as_the_contract_says() {
        for text in ["2026-12-01T09:00", "2026-12-01T09:00:30"] {
            assert_eq!(text.parse::<WallTime>().unwrap().to_string(), text);
        }
        assert_eq!("2026-12-01T09:00:00".parse::<WallTime>().unwrap().to_string(), "2026-12-01T09:00");
    }

    #[test]
    fn what_is_not_one_spelling_of_a_wall_time_is_refused() {
        for text in [
            "",
            "2026-12-01",
            "2026-12-01 09:00",
            "2026-12-01T09:00Z",
            "2026-12-01T09:00+01:00",
            "2026-02-30T09:00",
            "2026-12-01T24:00",
            "2026-12-01T09:00:60",
            "2026-12-1T009:00",
            " 026-12-01T09:00",
        ] {
            assert_eq!(text.parse::<WallTime>(), Err(NotAWallTime(text.into())), "{text}");
        }
    }

    #[test]
    fn a_time_of_day_is_two_digits_and_two_digits() {
        assert_eq!("09:05".parse::<TimeOfDay>().unwrap().to_string(), "09:05");
        for text in ["9:05", "24:00", "09:60", "09:05:00", "0905", "+9:05"] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
    }
}
