//! Which dates and times a cron expression names, in a calendar without zones.
//!
//! The `cron` crate does the search. Around it this module restores what people who write cron expressions mean:
//! - days of the week are numbered as Unix does (0 and 7 are Sunday); the crate counts from Sunday as 1, and would send Monday's post on Sunday;
//! - where both the day of the month and the day of the week are restricted, either will do, as `crontab(5)` says; the crate wants both;
//! - a year field and words such as `@daily` are refused: nobody but the crate knows them, and a schedule has `start` and `end`.

use std::str::FromStr as _;

use chrono::NaiveDateTime;

/// A cron expression.
#[derive(Debug, Clone)]
pub struct Calendar {
    /// One, or two of which either will do.
    either: Vec<cron::Schedule>,
}

/// The text is not a cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` is not a cron expression: {why}")]
pub struct NotCron {
    expression: String,
    why: String,
}

/// The longest expression that is read.
const LONGEST: usize = 200;

impl Calendar {
    /// Parses a cron expression of five fields (minute, hour, day of the month, month, day of the week) or six (seconds first).
    ///
    /// # Errors
    /// [`NotCron`] with what is wrong.
    pub fn parse(expression: &str) -> Result<Self, NotCron> {
        let wrong = |why: String| NotCron { expression: expression.chars().take(LONGEST).collect(), why };
        if expression.len() > LONGEST {
            return Err(wrong(format!("it is longer than {LONGEST} characters")));
        }
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let (second, rest) = match fields[..] {
            [second, ref rest @ ..] if rest.len() == 5 => (second, rest),
            ref rest if rest.len() == 5 => ("0", rest),
            _ => return Err(wrong(format!("it has {} fields; five (minute first) or six (second first) make one", fields.len()))),
        };
        let [minute, hour, day, month, weekday] = rest else { return Err(wrong("it has too few fields".to_owned())) };
        let weekday = weekdays(weekday).map_err(&wrong)?;
        // As in crontab(5): a field that begins with a star restricts nothing.
        let any_day = day.starts_with(['*', '?']);
        let pairs = match (any_day, weekday.is_some()) {
            (false, true) => vec![(*day, None), ("*", weekday)],
            _ => vec![(*day, weekday)],
        };
        let either = pairs
            .into_iter()
            .map(|(day, weekday)| {
                let text = format!("{second} {minute} {hour} {day} {month} {}", weekday.as_deref().unwrap_or("*"));
                cron::Schedule::from_str(&text).map_err(|error| wrong(error.to_string()))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { either })
    }

    /// The times from `wall` on, in order.
    pub fn from(&self, wall: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> + '_ {
        // The crate answers what comes after, to the second.
        let after = (wall - chrono::TimeDelta::seconds(1)).and_utc();
        let mut times: Vec<_> =
            self.either.iter().map(|calendar| calendar.after_owned(after).map(|time| time.naive_utc()).peekable()).collect();
        std::iter::from_fn(move || {
            let next = times.iter_mut().filter_map(|times| times.peek().copied()).min()?;
            for times in &mut times {
                times.next_if_eq(&next);
            }
            Some(next)
        })
    }
}

const NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A field of days of the week as names that the crate understands; `None` where any day will do.
fn weekdays(field: &str) -> Result<Option<String>, String> {
    if matches!(field, "*" | "?") {
        return Ok(None);
    }
    let mut days = [false; 7];
    for item in field.split(',') {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let every =
            step.map_or(Ok(1), |step| step.parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(|| format!("`{step}` is no step")))?;
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (weekday(first)?, weekday(last)?),
            None if range == "*" => (0, 6),
            None if step.is_some() => (weekday(range)?, 6),
            None => (weekday(range)?, weekday(range)?),
        };
        // FRI-MON runs over the end of the week, as people mean it; 5-7 ends on Sunday.
        let last = if last < first { last + 7 } else { last };
        for day in (first..=last).step_by(every) {
            days[day % 7] = true;
        }
    }
    let names: Vec<&str> = NAMES.into_iter().zip(days).filter_map(|(name, named)| named.then_some(name)).collect();
    Ok(Some(names.join(",")))
}

fn weekday(text: &str) -> Result<usize, String> {
    let by_name = NAMES.iter().position(|name| text.len() >= 3 && text.to_ascii_uppercase().starts_with(name));
    let by_number = || text.parse::<usize>().ok().filter(|n| *n <= 7 && text.len() == 1);
    by_name.or_else(by_number).ok_or_else(|| format!("`{text}` is no day of the week (0 to 7, or SUN to SAT)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(expression: &str, from: &str, count: usize) -> Vec<String> {
        let calendar = Calendar::parse(expression).unwrap();
        calendar.from(from.parse().unwrap()).take(count).map(|time| time.format("%a %d %H:%M:%S").to_string()).collect()
    }

    #[test]
    fn days_of_the_week_are_numbered_as_unix_does() {
        for monday in ["0 9 * * 1", "0 9 * * MON", "0 9 * * monday"] {
            assert_eq!(times(monday, "2026-11-20T00:00:00", 1), ["Mon 23 09:00:00"], "{monday}");
        }
        for sunday in ["0 9 * * 0", "0 9 * * 7", "0 9 * * sun"] {
            assert_eq!(times(sunday, "2026-11-20T00:00:00", 1), ["Sun 22 09:00:00"], "{sunday}");
        }
        assert_eq!(times("0 9 * * 5-7", "2026-11-23T00:00:00", 3), ["Fri 27 09:00:00", "Sat 28 09:00:00", "Sun 29 09:00:00"]);
        assert_eq!(times("0 9 * * 1-5/2", "2026-11-23T00:00:00", 3), ["Mon 23 09:00:00", "Wed 25 09:00:00", "Fri 27 09:00:00"]);
    }

    #[test]
    fn of_two_restricted_day_fields_either_will_do() {
        // The 13th, and every Friday.
        assert_eq!(
            times("0 0 13 * 5", "2026-12-01T00:00:00", 4),
            ["Fri 04 00:00:00", "Fri 11 00:00:00", "Sun 13 00:00:00", "Fri 18 00:00:00"]
        );
        assert_eq!(
            times("0 0 */10 * 5", "2026-12-01T00:00:00", 2),
            ["Fri 11 00:00:00", "Fri 01 00:00:00"],
            "a star restricts nothing: both"
        );
    }

    #[test]
    fn seconds_are_optional_and_the_first_time_may_be_the_one_asked_from() {
        assert_eq!(times("*/20 * * * * *", "2026-12-01T00:00:20", 3), ["Tue 01 00:00:20", "Tue 01 00:00:40", "Tue 01 00:01:00"]);
        assert_eq!(times("30 8 1 1 *", "2026-12-01T00:00:00", 1), ["Fri 01 08:30:00"]);
    }

    #[test]
    fn what_is_no_expression_is_refused_and_says_why() {
        let refused = [
            "",
            "* * * *",
            "@daily",
            "0 0 0 1 1 * 2027",
            "61 * * * *",
            "* * * * 8",
            "* * * * MON-",
            "* * * * 1/0",
            "0 24 * * *",
            "0 0 0 * *",
        ];
        for expression in refused {
            let error = Calendar::parse(expression).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{expression}` is not a cron expression: ")), "{error}");
        }
        assert!(Calendar::parse(&"0,".repeat(300)).is_err());
    }
}
