use std::fmt;

use serde::{Deserialize, Serialize};

/// An instant, in milliseconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

const DAY: u64 = 86_400_000;

impl Timestamp {
    /// Reads the server's form: `2026-11-28T06:46:27.123Z`, with any number of digits behind the point, or none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?;
        let (date, clock) = text.split_once(['T', ' '])?;
        let mut date = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
        let (year, month, day) = (date.next()??, date.next()??, date.next()??);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let mut clock = clock.splitn(3, ':').map(|part| part.parse::<u64>().ok());
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        let fits = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        if !fits || hour > 23 || minute > 59 || second > 60 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut millis = 0;
        for place in 0..3 {
            millis = millis * 10 + u64::from(fraction.as_bytes().get(place).map_or(0, |byte| byte - b'0'));
        }
        Some(Self(days(year, month, day) * DAY + ((hour * 60 + minute) * 60 + second) * 1000 + millis))
    }
}

/// Days since 1970 of a date in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl fmt::Display for Timestamp {
    /// The server's form, with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shifted = self.0 / DAY + 719_468;
        let era = shifted / 146_097;
        let of_era = shifted % 146_097;
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year + era * 400 + u64::from(month <= 2);
        let millis = self.0 % DAY;
        let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", millis % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for text in ["1970-01-01T00:00:00.000Z", "2026-11-28T06:46:27.123Z", "2024-02-29T23:59:59.999Z", "2100-03-01T00:00:00.001Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Timestamp::parse("2001-09-09T01:46:40Z"), Some(Timestamp(1_000_000_000_000)));
        assert_eq!(Timestamp::parse("2001-09-09T01:46:40.1234567Z"), Some(Timestamp(1_000_000_000_123)));
        for text in ["", "Z", "2026-11-28", "2026-13-28T06:46:27Z", "2026-11-28T06:46:27.1x3Z", "2026-11-28T06:46:27.123+01:00"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
