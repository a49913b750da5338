//! Known transitions, and properties over many zones.

use chrono::{Datelike, NaiveDate, TimeDelta};
use proptest::{prelude::*, sample};
use serde_json::{from_value, json, to_value};

use super::*;
use crate::schedule::recurrence::Weekday;

fn at(wall: &str, timezone: Tz) -> At {
    At::new(wall.parse().unwrap(), timezone)
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn known_gaps_shift_by_their_length() {
    for (zone, wall, due, to, by_seconds) in [
        (Tz::Europe__Berlin, "2026-03-29T02:00", "2026-03-29T01:00:00Z", "2026-03-29T03:00", 3600),
        (Tz::Europe__Berlin, "2026-03-29T02:30", "2026-03-29T01:30:00Z", "2026-03-29T03:30", 3600),
        (Tz::Europe__Berlin, "2026-03-29T02:59:59", "2026-03-29T01:59:59Z", "2026-03-29T03:59:59", 3600),
        (Tz::America__New_York, "2027-03-14T02:30", "2027-03-14T07:30:00Z", "2027-03-14T03:30", 3600),
        (Tz::Australia__Lord_Howe, "2026-10-04T02:15", "2026-10-03T15:45:00Z", "2026-10-04T02:45", 1800),
        (Tz::Pacific__Apia, "2011-12-30T09:00", "2011-12-30T19:00:00Z", "2011-12-31T09:00", 86400),
        (Tz::America__Sao_Paulo, "2018-11-04T00:00", "2018-11-04T03:00:00Z", "2018-11-04T01:00", 3600),
    ] {
        let expected = Due { due_at: utc(due), adjusted: Some(Adjustment::GapShifted { to: to.parse().unwrap(), by_seconds }) };
        assert_eq!(at(wall, zone).resolve(), Ok(expected), "{zone} {wall}");
        let strict = At { on_gap: OnGap::Reject, ..at(wall, zone) };
        assert_eq!(strict.resolve(), Err(ScheduleError::InGap { at: wall.parse().unwrap(), timezone: zone }));
    }
}

#[test]
fn known_overlaps_take_the_instant_that_is_asked_for() {
    for (zone, wall, first, second) in [
        (Tz::Europe__Berlin, "2026-10-25T02:00", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"),
        (Tz::Europe__Berlin, "2026-10-25T02:59:59", "2026-10-25T00:59:59Z", "2026-10-25T01:59:59Z"),
        (Tz::America__New_York, "2026-11-01T01:30", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
        (Tz::Australia__Lord_Howe, "2027-04-04T01:45", "2027-04-03T14:45:00Z", "2027-04-03T15:15:00Z"),
    ] {
        let (first, second) = (utc(first), utc(second));
        let early = at(wall, zone);
        let late = At { on_overlap: OnOverlap::Second, ..early.clone() };
        assert_eq!(early.resolve(), Ok(Due { due_at: first, adjusted: Some(Adjustment::OverlapFirst { second }) }), "{zone} {wall}");
        assert_eq!(late.resolve(), Ok(Due { due_at: second, adjusted: Some(Adjustment::OverlapSecond { first }) }), "{zone} {wall}");
    }
}

#[test]
fn the_edges_of_a_transition_are_plain_times() {
    for (wall, due) in [
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59Z"),
        ("2026-03-29T03:00", "2026-03-29T01:00:00Z"),
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
        ("2026-10-25T03:00", "2026-10-25T02:00:00Z"),
        ("2026-12-01T09:00", "2026-12-01T08:00:00Z"),
    ] {
        assert_eq!(at(wall, Tz::Europe__Berlin).resolve(), Ok(Due { due_at: utc(due), adjusted: None }), "{wall}");
    }
    assert_eq!(at("2026-12-01T09:00", Tz::Asia__Kathmandu).resolve().unwrap().due_at, utc("2026-12-01T03:15:00Z"));
}

#[test]
fn the_past_is_refused_and_this_very_instant_is_not() {
    let nine = ScheduleSpec::At(at("2026-12-01T09:00", Tz::Europe__Berlin));
    let due = utc("2026-12-01T08:00:00Z");
    assert_eq!(nine.due(due).unwrap().due_at, due);
    assert!(matches!(nine.due(due + TimeDelta::milliseconds(1)), Err(ScheduleError::Past { due_at, .. }) if due_at == due));
    let now = utc("2026-12-01T08:00:01.25Z");
    assert_eq!(ScheduleSpec::Now {}.due(now), Ok(Due { due_at: now, adjusted: None }));
}

#[test]
fn the_json_is_the_contracts() {
    let read = |value| from_value::<ScheduleSpec>(value);
    assert_eq!(read(json!({"mode": "now"})).unwrap(), ScheduleSpec::Now {});
    let full = json!({"mode": "at", "at": "2026-12-01T09:00", "timezone": "Europe/Berlin", "on_gap": "reject", "on_overlap": "second"});
    let spec = read(full.clone()).unwrap();
    assert_eq!(to_value(&spec).unwrap(), full);
    let short = read(json!({"mode": "at", "at": "2026-12-01T09:00", "timezone": "Europe/Berlin"})).unwrap();
    assert_eq!(short, ScheduleSpec::At(at("2026-12-01T09:00", Tz::Europe__Berlin)));
    for wrong in [
        json!({"mode": "now", "at": "2026-12-01T09:00"}),
        json!({"mode": "now", "zone": "x"}),
        json!({"mode": "at", "at": "2026-12-01T09:00"}),
        json!({"mode": "at", "timezone": "Europe/Berlin"}),
        json!({"mode": "at", "at": "2026-12-01T09:00", "timezone": "Europe/Berlin", "zone": "x"}),
        json!({"mode": "at", "at": "2026-12-01T09:00", "timezone": "Mars/Olympus"}),
        json!({"mode": "at", "at": "2026-12-01T09:00Z", "timezone": "Europe/Berlin"}),
        json!({"mode": "at", "at": "2026-12-01T09:00", "timezone": "Europe/Berlin", "on_gap": "skip"}),
        json!({"mode": "later"}),
        json!({}),
    ] {
        assert!(read(wrong.clone()).is_err(), "{wrong}");
    }
    let rhythm = json!({"cadence": "weekly", "at": "09:00", "timezone": "Europe/Berlin", "weekday": "friday"});
    assert_eq!(to_value(from_value::<Rhythm>(rhythm.clone()).unwrap()).unwrap(), rhythm);
    for day in ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] {
        assert_eq!(from_value::<Weekday>(json!(day)).unwrap().as_str(), day);
    }
}

fn daily(at: &str, timezone: Tz) -> Rhythm {
    Rhythm { cadence: Cadence::Daily, at: at.parse().unwrap(), timezone, weekday: Weekday::Monday }
}

fn fires(rhythm: &Rhythm, from: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
    std::iter::successors(rhythm.next_after(from), |last| rhythm.next_after(*last)).take(count).collect()
}

#[test]
fn a_daily_time_is_not_skipped_in_spring_nor_doubled_in_autumn() {
    let spring = fires(&daily("02:30", Tz::Europe__Berlin), utc("2026-03-28T00:00:00Z"), 3);
    assert_eq!(spring, ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"].map(utc));
    let autumn = fires(&daily("01:30", Tz::America__New_York), utc("2026-10-31T00:00:00Z"), 3);
    assert_eq!(autumn, ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"].map(utc));
    let lord_howe = fires(&daily("02:15", Tz::Australia__Lord_Howe), utc("2026-10-02T18:00:00Z"), 2);
    assert_eq!(lord_howe, ["2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"].map(utc));
}

#[test]
fn a_day_that_a_place_leaves_out_has_no_fire_of_its_own() {
    let apia = fires(&daily("09:00", Tz::Pacific__Apia), utc("2011-12-29T00:00:00Z"), 3);
    assert_eq!(apia, ["2011-12-29T19:00:00Z", "2011-12-30T19:00:00Z", "2011-12-31T19:00:00Z"].map(utc));
    let local: Vec<_> = apia.iter().map(|fire| WallTime::of(*fire, Tz::Pacific__Apia).to_string()).collect();
    assert_eq!(local, ["2011-12-29T09:00", "2011-12-31T09:00", "2012-01-01T09:00"]);
}

#[test]
fn a_weekly_time_keeps_its_weekday_and_its_period_reaches_back_to_the_last() {
    let rhythm = Rhythm { cadence: Cadence::Weekly, weekday: Weekday::Sunday, ..daily("09:00", Tz::Europe__Berlin) };
    let sundays = fires(&rhythm, utc("2026-10-12T00:00:00Z"), 3);
    assert_eq!(sundays, ["2026-10-18T07:00:00Z", "2026-10-25T08:00:00Z", "2026-11-01T08:00:00Z"].map(utc));
    assert_eq!(rhythm.period_start(sundays[1]), sundays[0]);
    assert_eq!((sundays[1] - sundays[0]).num_hours(), 7 * 24 + 1);
}

#[test]
fn an_expression_that_fires_often_keeps_the_order_of_instants_across_a_gap() {
    let every_quarter = Recurrence::parse("*/15 * * * *", Tz::Europe__Berlin, GapRule::Shift, OverlapRule::First).unwrap();
    let from = utc("2026-03-29T00:30:00Z");
    let times: Vec<_> = std::iter::successors(every_quarter.next_after(from), |last| every_quarter.next_after(*last)).take(6).collect();
    let expected: Vec<_> = (1..=6).map(|n| from + TimeDelta::minutes(15 * n)).collect();
    assert_eq!(times, expected);
    let rejecting = Recurrence::parse("30 2 * * *", Tz::Europe__Berlin, GapRule::Reject, OverlapRule::First).unwrap();
    assert_eq!(rejecting.next_after(utc("2026-03-28T12:00:00Z")), Some(utc("2026-03-30T00:30:00Z")));
    assert_eq!(rejecting.after(utc("2026-03-28T12:00:00Z")).next().unwrap().bent, recurrence::Bent::Refused);
    let until = utc("2028-03-28T12:00:00Z");
    assert_eq!(rejecting.first_in_gap(utc("2026-03-29T12:00:00Z"), until), Some("2027-03-28T02:30".parse().unwrap()));
    let second = Recurrence::parse("30 2 * * *", Tz::Europe__Berlin, GapRule::Shift, OverlapRule::Second).unwrap();
    assert_eq!(second.next_after(utc("2026-10-25T00:45:00Z")), Some(utc("2026-10-25T01:30:00Z")));
    assert!(Recurrence::parse("61 * * * *", Tz::UTC, GapRule::Shift, OverlapRule::First).is_err());
}

#[test]
fn a_shifted_time_does_not_overtake_one_that_comes_before_it() {
    // The clock goes from 02:00 to 02:30: 02:10 becomes 02:40, after 02:35, which stays.
    let twice = Recurrence::parse("10,35 2 * * *", Tz::Australia__Lord_Howe, GapRule::Shift, OverlapRule::First).unwrap();
    let first = twice.next_after(utc("2026-10-03T15:00:00Z")).unwrap();
    assert_eq!((first, twice.next_after(first)), (utc("2026-10-03T15:35:00Z"), Some(utc("2026-10-03T15:40:00Z"))));
}

/// Zones with every kind of oddity beside any other zone of the database.
fn zone() -> impl Strategy<Value = Tz> {
    let odd = [
        Tz::Australia__Lord_Howe,
        Tz::Pacific__Apia,
        Tz::Asia__Kathmandu,
        Tz::Europe__Berlin,
        Tz::America__New_York,
        Tz::America__Sao_Paulo,
        Tz::Africa__Casablanca,
        Tz::Pacific__Kiritimati,
        Tz::America__St_Johns,
        Tz::Asia__Tehran,
        Tz::Antarctica__Troll,
        Tz::Pacific__Chatham,
    ];
    prop_oneof![sample::select(odd.to_vec()), sample::select(chrono_tz::TZ_VARIANTS.to_vec())]
}

/// Instants from 1995 to 2060, half of them in the days of Samoa's jump over the date line.
fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    prop_oneof![788_918_400_i64..2_840_140_800, 1_325_000_000_i64..1_325_500_000]
        .prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_instant_comes_back_from_its_wall_time(instant in instant(), zone in zone()) {
        let first = At::new(WallTime::of(instant, zone), zone).resolve().unwrap();
        match first.adjusted {
            None => prop_assert_eq!(first.due_at, instant),
            Some(Adjustment::OverlapFirst { second }) => {
                prop_assert!(first.due_at < second);
                prop_assert!(instant == first.due_at || instant == second);
            }
            // What a wall has shown is never in a gap.
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn any_wall_time_resolves_and_a_shift_is_told_truly(instant in instant(), zone in zone()) {
        let wall = WallTime::from_naive(instant.naive_utc());
        let due = At::new(wall, zone).resolve().unwrap();
        let shown = WallTime::of(due.due_at, zone);
        match due.adjusted {
            Some(Adjustment::GapShifted { to, by_seconds }) => {
                prop_assert_eq!(shown, to);
                prop_assert!(by_seconds > 0);
                prop_assert_eq!(to.naive() - wall.naive(), TimeDelta::seconds(by_seconds));
            }
            _ => prop_assert_eq!(shown, wall),
        }
    }

    #[test]
    fn a_daily_time_comes_once_every_local_day(from in instant(), zone in zone(), hour in 0_u32..24, minute in 0_u32..60) {
        let at = TimeOfDay::new(hour, minute).unwrap();
        let rhythm = Rhythm { cadence: Cadence::Daily, at, timezone: zone, weekday: Weekday::Monday };
        let mut last = rhythm.next_after(from).unwrap();
        prop_assert!(last > from);
        for _ in 0..40 {
            // Asking at any moment before a fire answers that fire.
            let next = rhythm.next_after(last).unwrap();
            prop_assert!(next > last);
            prop_assert_eq!(rhythm.next_after(last + (next - last) / 2), Some(next));
            prop_assert_eq!(rhythm.period_start(next), last);
            let day = |instant| WallTime::of(instant, zone).naive().date();
            let skipped = |date: NaiveDate| {
                let noon = date.and_hms_opt(12, 0, 0).unwrap();
                matches!(zone.read(noon), Some(Reading::Never { .. }))
            };
            // The next local day, unless the place has no such day. A time shortly before midnight can be shifted over it.
            let days = (day(last).num_days_from_ce()..day(next).num_days_from_ce()).skip(1);
            let left_out: Vec<_> = days.filter_map(NaiveDate::from_num_days_from_ce_opt).filter(|date| !skipped(*date)).collect();
            let near_midnight = hour >= 22;
            prop_assert!(near_midnight || left_out.is_empty(), "{} {} to {}: {:?}", zone, last, next, left_out);
            prop_assert!(near_midnight || day(next) > day(last), "{} twice on {}", zone, day(last));
            last = next;
        }
    }

    #[test]
    fn a_weekly_time_comes_on_its_weekday(from in instant(), zone in zone(), hour in 3_u32..22) {
        let at = TimeOfDay::new(hour, 0).unwrap();
        let rhythm = Rhythm { cadence: Cadence::Weekly, at, timezone: zone, weekday: Weekday::Thursday };
        let next = rhythm.next_after(from).unwrap();
        prop_assert_eq!(WallTime::of(next, zone).naive().weekday(), chrono::Weekday::Thu);
        prop_assert!(next > from && next - from <= TimeDelta::days(8));
    }
}
