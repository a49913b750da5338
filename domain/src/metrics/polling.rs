//! When to ask a platform how a post does: often at first, ever more rarely, and one day no more.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One stretch of a post's life and how often it is asked about meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollStep {
    /// The age of the post, in milliseconds, at which this stretch ends.
    pub until_ms: u64,
    /// The wait between two polls in it, in milliseconds.
    pub every_ms: u64,
}

/// A decaying cadence: stretches in the order of age; after the last, polling ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<PollStep>", into = "Vec<PollStep>")]
pub struct PollCadence(Vec<PollStep>);

/// The stretches of a cadence make no sense together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACadence {
    /// There is none.
    #[error("a polling cadence needs at least one step")]
    Empty,
    /// A wait of nothing would poll for ever.
    #[error("step {0} of the polling cadence waits for nothing")]
    NoWait(usize),
    /// A stretch ends before it begins.
    #[error("step {0} of the polling cadence ends no later than the one before it")]
    Backwards(usize),
}

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Default for PollCadence {
    /// Every 5 minutes for an hour, then every 30 minutes to six hours, every 2 hours to a day, twice a day to a week, once a day to 30 days:
    /// 66 polls. 30 days because the platforms that limit their figures by age (X: 30 days for non-public ones) stop there.
    fn default() -> Self {
        let step = |until_ms, every_ms| PollStep { until_ms, every_ms };
        Self(vec![step(HOUR, 5 * MINUTE), step(6 * HOUR, 30 * MINUTE), step(DAY, 2 * HOUR), step(7 * DAY, DAY / 2), step(30 * DAY, DAY)])
    }
}

impl TryFrom<Vec<PollStep>> for PollCadence {
    type Error = NotACadence;

    fn try_from(steps: Vec<PollStep>) -> Result<Self, NotACadence> {
        if steps.is_empty() {
            return Err(NotACadence::Empty);
        }
        let mut end = 0;
        for (index, step) in steps.iter().enumerate() {
            if step.every_ms == 0 {
                return Err(NotACadence::NoWait(index));
            }
            if step.until_ms <= end {
                return Err(NotACadence::Backwards(index));
            }
            end = step.until_ms;
        }
        Ok(Self(steps))
    }
}

impl From<PollCadence> for Vec<PollStep> {
    fn from(cadence: PollCadence) -> Self {
        cadence.0
    }
}

impl PollCadence {
    /// The same cadence `times` as fast, for a demonstration that has seconds instead of weeks. 0 counts as 1.
    #[must_use]
    pub fn faster(&self, times: u64) -> Self {
        let times = times.max(1);
        let mut end = 0;
        let faster = |step: &PollStep| {
            end = (step.until_ms / times).max(end + 1);
            PollStep { until_ms: end, every_ms: (step.every_ms / times).max(1) }
        };
        Self(self.0.iter().map(faster).collect())
    }

    /// How long to wait from `now` until the next poll, or `None` when polling is over. The last poll falls on the very end, so that the final
    /// figures are as old as was promised. A clock that stands before the publication counts as its moment.
    #[must_use]
    pub fn next_poll(&self, published_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Duration> {
        let age = u64::try_from((now - published_at).num_milliseconds()).unwrap_or(0);
        let end = self.0.last()?.until_ms;
        let step = self.0.iter().find(|step| age < step.until_ms)?;
        Some(Duration::from_millis(step.every_ms.min(end - age)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn published() -> DateTime<Utc> {
        "2026-12-01T08:00:00Z".parse().unwrap()
    }

    fn waits(cadence: &PollCadence) -> Vec<Duration> {
        let mut now = published();
        std::iter::from_fn(|| {
            let wait = cadence.next_poll(published(), now)?;
            now += wait;
            Some(wait)
        })
        .take(10_000)
        .collect()
    }

    #[test]
    fn from_minutes_to_days_and_an_end() {
        let waits = waits(&PollCadence::default());
        assert_eq!(waits.len(), 66);
        assert_eq!(waits[0], Duration::from_mins(5));
        assert_eq!(*waits.last().unwrap(), Duration::from_hours(24));
        assert!(waits.is_sorted());
        assert_eq!(waits.iter().sum::<Duration>(), Duration::from_hours(30 * 24));
    }

    #[test]
    fn a_demonstration_goes_through_the_same_steps_in_seconds() {
        let waits = waits(&PollCadence::default().faster(86_400));
        assert!(waits.iter().sum::<Duration>() <= Duration::from_secs(31));
        assert!((60..=80).contains(&waits.len()), "{}", waits.len());
    }

    #[test]
    fn before_the_publication_and_after_the_end() {
        let cadence = PollCadence::default();
        assert_eq!(cadence.next_poll(published(), published() - TimeDelta::hours(1)), Some(Duration::from_mins(5)));
        assert_eq!(cadence.next_poll(published(), published() + TimeDelta::days(30)), None);
        let nearly = published() + TimeDelta::days(30) - TimeDelta::milliseconds(1);
        assert_eq!(cadence.next_poll(published(), nearly), Some(Duration::from_millis(1)));
    }

    #[test]
    fn a_cadence_that_never_ends_or_goes_backwards_is_refused() {
        let read = serde_json::from_str::<PollCadence>;
        assert!(read(r#"[{"until_ms": 10, "every_ms": 2}, {"until_ms": 20, "every_ms": 5}]"#).is_ok());
        for (text, why) in [
            ("[]", "at least one step"),
            (r#"[{"until_ms": 10, "every_ms": 0}]"#, "waits for nothing"),
            (r#"[{"until_ms": 10, "every_ms": 2}, {"until_ms": 10, "every_ms": 5}]"#, "no later"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_compression_ends(times in 0_u64..10_000_000_000) {
            let cadence = PollCadence::default().faster(times);
            prop_assert!(waits(&cadence).len() < 10_000);
            prop_assert!(PollCadence::try_from(Vec::from(cadence)).is_ok());
        }
    }
}
