//! Readings of a post's counters, put in order: totals, changes, and nothing counted twice.
//!
//! A reading says what the counters of a post *are*, not what was added to them. Readings come from polls, from signed webhooks and from our own
//! short links; they come late, twice and in any order, and each tells only some of the counters. For every counter the reading that was
//! observed last and tells it is the truth. The result depends on the set of readings, not on the order in which they came in.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Counters, Metric};

/// What one source said about a post's counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The source's own name for this reading (`poll:3`, the delivery id of a webhook): the same name again is the same reading again.
    pub source_id: String,
    /// When the counters had these values, by the source.
    pub observed_at: DateTime<Utc>,
    /// Totals since publication; `None` where this source does not tell.
    pub counters: Counters,
}

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intake {
    /// It is the latest.
    New,
    /// It was observed before one that is already here: it fills the past and changes the present only where the later ones tell nothing.
    Late,
    /// It was here already and is ignored.
    Repeated,
}

/// The counters at one moment of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The moment.
    pub at: DateTime<Utc>,
    /// Totals since publication, each as last told.
    pub totals: Counters,
    /// What came on top of the point before; `None` for a counter that nobody told anew.
    pub delta: Counters,
}

/// All readings of one post.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Series {
    readings: BTreeMap<(DateTime<Utc>, String), Counters>,
    seen: BTreeSet<String>,
}

impl FromIterator<Reading> for Series {
    fn from_iter<I: IntoIterator<Item = Reading>>(readings: I) -> Self {
        let mut series = Self::default();
        for reading in readings {
            series.take_in(reading);
        }
        series
    }
}

impl Series {
    /// Takes in a reading. Of two readings with one `source_id` the first that comes in counts.
    pub fn take_in(&mut self, reading: Reading) -> Intake {
        if !self.seen.insert(reading.source_id.clone()) {
            return Intake::Repeated;
        }
        let key = (reading.observed_at, reading.source_id);
        let late = self.readings.last_key_value().is_some_and(|(latest, _)| *latest > key);
        self.readings.insert(key, reading.counters);
        if late { Intake::Late } else { Intake::New }
    }

    /// Every counter as it was last told.
    #[must_use]
    pub fn current(&self) -> Counters {
        self.readings.values().fold(Counters::default(), |so_far, told| overlay(&so_far, told))
    }

    /// Every counter as it had last been told at `at` (inclusive).
    #[must_use]
    pub fn as_of(&self, at: DateTime<Utc>) -> Counters {
        let told = self.readings.iter().take_while(|((observed_at, _), _)| *observed_at <= at);
        told.fold(Counters::default(), |so_far, (_, told)| overlay(&so_far, told))
    }

    /// What came after `from` (exclusive) until `to` (inclusive). Neighbouring periods add up: nothing falls between them or into both.
    #[must_use]
    pub fn between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Counters {
        self.as_of(to).since(&self.as_of(from))
    }

    /// The series as a page draws it: one point per moment, in the order of time.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        let mut points: Vec<Point> = Vec::new();
        let mut totals = Counters::default();
        let mut before = Counters::default();
        let mut told_now = Counters::default();
        for ((at, _), told) in &self.readings {
            if points.last().is_some_and(|last| last.at == *at) {
                points.pop();
            } else {
                before = totals;
                told_now = Counters::default();
            }
            told_now = overlay(&told_now, told);
            totals = overlay(&totals, told);
            points.push(Point { at: *at, totals, delta: told_now.since(&before) });
        }
        points
    }
}

/// `told` on top of `so_far`.
fn overlay(so_far: &Counters, told: &Counters) -> Counters {
    let mut merged = *so_far;
    for metric in Metric::ALL {
        if let Some(value) = told.get(metric) {
            *merged.get_mut(metric) = Some(value);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::{collection, option, prelude::*};

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        "2026-12-01T08:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
    }

    fn reading(source_id: &str, minutes: i64, likes: Option<i64>, clicks: Option<i64>) -> Reading {
        Reading { source_id: source_id.into(), observed_at: at(minutes), counters: Counters { likes, clicks, ..Counters::default() } }
    }

    #[test]
    fn a_late_or_repeated_reading_never_counts_twice() {
        let mut series = Series::default();
        assert_eq!(series.take_in(reading("poll:1", 10, Some(4), None)), Intake::New);
        assert_eq!(series.take_in(reading("hook:a", 30, Some(9), None)), Intake::New);
        assert_eq!(series.take_in(reading("hook:a", 30, Some(9), None)), Intake::Repeated);
        assert_eq!(series.take_in(reading("hook:a", 50, Some(90), None)), Intake::Repeated);
        assert_eq!(series.take_in(reading("poll:2", 20, Some(6), None)), Intake::Late);
        assert_eq!(series.current().likes, Some(9));
        let deltas: Vec<_> = series.points().iter().map(|point| point.delta.likes).collect();
        assert_eq!(deltas, [Some(4), Some(2), Some(3)]);
    }

    #[test]
    fn sources_that_tell_different_counters_complete_each_other() {
        let series: Series =
            [reading("links:1", 5, None, Some(2)), reading("poll:1", 10, Some(4), None), reading("links:2", 15, None, Some(3))]
                .into_iter()
                .collect();
        assert_eq!(series.current(), Counters { likes: Some(4), clicks: Some(3), ..Counters::default() });
        assert_eq!(series.points()[1].delta, Counters { likes: Some(4), ..Counters::default() });
        assert_eq!(series.points()[1].totals.clicks, Some(2));
    }

    #[test]
    fn a_like_that_is_taken_back_is_a_negative_change() {
        let series: Series = [reading("a", 1, Some(5), None), reading("b", 2, Some(3), None)].into_iter().collect();
        assert_eq!(series.between(at(1), at(2)).likes, Some(-2));
        assert_eq!(series.between(at(-1), at(2)).likes, Some(3));
        assert_eq!(series.as_of(at(0)), Counters::default());
    }

    #[test]
    fn two_sources_at_one_moment_make_one_point() {
        let series: Series =
            [reading("a", 1, Some(5), None), reading("b", 1, None, Some(2)), reading("c", 1, Some(6), None)].into_iter().collect();
        let counters = Counters { likes: Some(6), clicks: Some(2), ..Counters::default() };
        assert_eq!(series.points(), [Point { at: at(1), totals: counters, delta: counters }]);
    }

    fn readings() -> impl Strategy<Value = Vec<Reading>> {
        let one = (0_i64..20, option::of(0_i64..100), option::of(0_i64..100));
        collection::vec(one, 0..12).prop_map(|all| {
            all.into_iter().enumerate().map(|(n, (minutes, likes, clicks))| reading(&format!("r{n}"), minutes, likes, clicks)).collect()
        })
    }

    proptest! {
        #[test]
        fn order_and_repetition_change_nothing(readings in readings(), again in readings(), seed in any::<u64>()) {
            let straight: Series = readings.iter().cloned().collect();
            let mut shuffled = readings.clone();
            shuffled.sort_by_key(|reading| (reading.source_id.len() as u64 ^ seed).wrapping_mul(reading.observed_at.timestamp() as u64 ^ seed));
            shuffled.extend(readings.iter().take(again.len()).cloned());
            let other: Series = shuffled.into_iter().collect();
            prop_assert_eq!(&straight, &other);
            prop_assert_eq!(straight.current(), other.current());
        }

        #[test]
        fn changes_add_up_to_the_totals(readings in readings(), cut in 0_i64..20) {
            let series: Series = readings.into_iter().collect();
            let sum = series.points().iter().fold(Counters::default(), |sum, point| sum.plus(&point.delta));
            prop_assert_eq!(sum, series.current());
            // Two neighbouring periods make one long one, up to counters that stay unknown.
            let halves = series.between(at(-1), at(cut)).plus(&series.between(at(cut), at(30)));
            prop_assert_eq!(halves, series.between(at(-1), at(30)));
            prop_assert_eq!(series.as_of(at(30)), series.current());
        }
    }
}
