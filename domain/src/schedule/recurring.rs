//! A recurring schedule as the API takes it: when it comes, and what is done when it could not, or when the one before still goes.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    GapRule, Occurrence, OverlapRule, Recurrence, WallTime, ZoneRules as _,
    recurrence::{Bent, NotCron},
    rules::WIDEST_JUMP,
};
use crate::ids::{OccurrenceId, ScheduleId};

/// `{"cron": "0 9 * * MON", "timezone": "Europe/Berlin", ...}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recurring {
    /// Five fields (minute, hour, day of the month, month, day of the week), or six with seconds first.
    pub cron: String,
    /// Where the wall is on which it comes.
    pub timezone: Tz,
    /// What it does when the zone skips its time.
    #[serde(default)]
    pub on_gap: GapRule,
    /// What it does when the zone repeats its time.
    #[serde(default)]
    pub on_overlap: OverlapRule,
    /// What is done while a campaign of an earlier time still goes.
    #[serde(default)]
    pub overlap: OverlapPolicy,
    /// What is done with times that passed while nothing ran.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// A campaign begins up to so many seconds after its time, by an amount that its time alone decides.
    #[serde(default)]
    pub jitter_seconds: u32,
    /// The first wall time that counts.
    #[serde(default)]
    pub start: Option<WallTime>,
    /// The first wall time that does not count any more.
    #[serde(default)]
    pub end: Option<WallTime>,
}

/// What is done when a time comes while a campaign of an earlier one still goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapPolicy {
    /// It is left out.
    #[default]
    Skip,
    /// It waits for the end of the campaign that goes; if one waits already, it is left out.
    BufferOne,
    /// It waits its turn, however many wait before it.
    BufferAll,
    /// What has not been sent of the earlier campaign is stopped, and it begins.
    CancelPrevious,
    /// It begins beside it.
    Allow,
}

/// What to do with a time that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// Begin.
    Begin,
    /// Stop what goes, then begin.
    CancelAndBegin,
    /// Begin when what goes has ended.
    Wait,
    /// Leave it out.
    Skip,
}

impl OverlapPolicy {
    /// What to do with a time that has come while `going` campaigns of earlier ones go and `waiting` times wait.
    #[must_use]
    pub const fn meet(self, going: usize, waiting: usize) -> Meeting {
        match self {
            Self::Allow => Meeting::Begin,
            Self::CancelPrevious if going > 0 => Meeting::CancelAndBegin,
            _ if going == 0 && waiting == 0 => Meeting::Begin,
            Self::CancelPrevious => Meeting::Begin,
            Self::BufferAll => Meeting::Wait,
            Self::BufferOne if waiting == 0 => Meeting::Wait,
            Self::BufferOne | Self::Skip => Meeting::Skip,
        }
    }
}

/// Which of the times that passed while nothing ran are made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatchUp {
    /// How many seconds ago they may have been.
    pub window_seconds: u32,
    /// How many of them at most, the newest first.
    pub max: u32,
}

impl Default for CatchUp {
    /// The newest one of the last hour.
    fn default() -> Self {
        Self { window_seconds: 3600, max: 1 }
    }
}

/// How many seconds after its time one still counts as on time, and needs no catching up: a timer of a busy machine.
const GRACE_SECONDS: i64 = 60;

/// How many missed times are told one by one; there can be a great many.
const TOLD: usize = 100;

/// The longest catch-up window: a month.
const LONGEST_WINDOW: u32 = 31 * 24 * 3600;

/// How far ahead a schedule that rejects gaps is looked at when it is made.
const LOOK_AHEAD: TimeDelta = TimeDelta::days(2 * 366);

/// What has come up to a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reckoning {
    /// Times to begin with, in order.
    pub due: Vec<Occurrence>,
    /// Times that are not made up for, or that the zone skips and the schedule refuses to move; the newest ones, in order.
    pub left_out: Vec<Occurrence>,
    /// How many more there were.
    pub more: u64,
}

/// Something about a schedule that is not accepted: the JSON pointer of the field, and why.
pub type Objection = (&'static str, String);

impl Recurring {
    /// What is wrong with it at `now`; nothing if it can be put in force.
    #[must_use]
    pub fn objections(&self, now: DateTime<Utc>) -> Vec<Objection> {
        let mut found = Vec::new();
        if self.jitter_seconds > 24 * 3600 {
            found.push(("/jitter_seconds", "must be at most 86400".to_owned()));
        }
        if self.catch_up.window_seconds > LONGEST_WINDOW {
            found.push(("/catch_up/window_seconds", format!("must be at most {LONGEST_WINDOW}")));
        }
        if self.catch_up.max > 1000 {
            found.push(("/catch_up/max", "must be at most 1000".to_owned()));
        }
        if let (Some(start), Some(end)) = (self.start, self.end)
            && end <= start
        {
            found.push(("/end", "must be after `start`".to_owned()));
        }
        match self.plan() {
            Err(error) => found.push(("/cron", error.to_string())),
            Ok(plan) => {
                if plan.after(now).next().is_none() {
                    found.push(("/cron", "names no time that is still to come, from `start` to `end`".to_owned()));
                }
                if self.on_gap == GapRule::Reject
                    && let Some(wall) = plan.recurrence.first_in_gap(now, now + LOOK_AHEAD).filter(|wall| plan.counts(*wall))
                {
                    let zone = self.timezone;
                    found.push((
                        "/on_gap",
                        format!(
                            "{wall} does not exist in {zone}: the clock is put forward then; choose another time, or `shift` or `skip`"
                        ),
                    ));
                }
            }
        }
        found
    }

    /// The times that it names.
    ///
    /// # Errors
    /// [`NotCron`] when the expression is not one.
    pub fn plan(&self) -> Result<Plan, NotCron> {
        let recurrence = Recurrence::parse(&self.cron, self.timezone, self.on_gap, self.on_overlap)?;
        Ok(Plan { recurrence, timezone: self.timezone, start: self.start, end: self.end })
    }

    /// What has come in `(since, now]`, and which of it is to be begun with now.
    ///
    /// # Errors
    /// [`NotCron`] when the expression is not one.
    pub fn reckon(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Result<Reckoning, NotCron> {
        let window = now - TimeDelta::seconds(i64::from(self.catch_up.window_seconds).max(GRACE_SECONDS));
        let mut reckoning = Reckoning::default();
        let (mut late, mut left_out): (VecDeque<Occurrence>, VecDeque<Occurrence>) = Default::default();
        let leave_out = |occurrence: Occurrence, left_out: &mut VecDeque<Occurrence>, more: &mut u64| {
            left_out.push_back(occurrence);
            if left_out.len() > TOLD {
                left_out.pop_front();
                *more += 1;
            }
        };
        // What lies further back than the longest window is not even counted.
        let from = since.max(now - TimeDelta::seconds(i64::from(LONGEST_WINDOW)));
        for occurrence in self.plan()?.after(from).take_while(|o| o.due_at <= now) {
            if occurrence.bent == Bent::Refused || occurrence.due_at < window {
                leave_out(occurrence, &mut left_out, &mut reckoning.more);
            } else if now - occurrence.due_at <= TimeDelta::seconds(GRACE_SECONDS) {
                reckoning.due.push(occurrence);
            } else {
                late.push_back(occurrence);
                if late.len() > self.catch_up.max as usize
                    && let Some(oldest) = late.pop_front()
                {
                    leave_out(oldest, &mut left_out, &mut reckoning.more);
                }
            }
        }
        late.extend(reckoning.due);
        reckoning.due = late.into();
        reckoning.left_out = left_out.into();
        Ok(reckoning)
    }

    /// When the campaign of a time begins: at its instant, or later by its jitter.
    #[must_use]
    pub fn begins_at(&self, schedule: ScheduleId, occurrence: &Occurrence) -> DateTime<Utc> {
        let digest = Sha256::digest(occurrence.id(schedule).uuid().as_bytes());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        let range = u64::from(self.jitter_seconds) * 1000 + 1;
        occurrence.due_at + TimeDelta::milliseconds(i64::try_from(u64::from_be_bytes(bytes) % range).unwrap_or_default())
    }
}

impl Occurrence {
    /// Its id under a schedule: made of the wall time and of which of two it is, and so the same whoever computes it, when, and under whatever
    /// rules of the zone. It sorts by the wall time.
    #[must_use]
    pub fn id(&self, schedule: ScheduleId) -> OccurrenceId {
        let digest = Sha256::new().chain_update(schedule.uuid()).chain_update(format!("{}/{}", self.wall, self.fold)).finalize();
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        let millis = u64::try_from(self.wall.naive().and_utc().timestamp_millis()).unwrap_or_default();
        OccurrenceId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

/// The times of a [`Recurring`], from its start to its end.
#[derive(Debug, Clone)]
pub struct Plan {
    recurrence: Recurrence,
    timezone: Tz,
    start: Option<WallTime>,
    end: Option<WallTime>,
}

impl Plan {
    fn counts(&self, wall: WallTime) -> bool {
        self.start.is_none_or(|start| start <= wall) && self.end.is_none_or(|end| wall < end)
    }

    /// The times after `now`, in the order of their instants.
    pub fn after(&self, now: DateTime<Utc>) -> impl Iterator<Item = Occurrence> + '_ {
        let earliest = |wall: WallTime| self.timezone.read(wall.naive()).map(super::Reading::earliest);
        // Before the start there is nothing to walk through; after the end, whatever is still to come was shifted or is shown a second time.
        let from = self.start.and_then(earliest).map_or(now, |start| now.max(start - WIDEST_JUMP));
        let until = self.end.and_then(earliest).map(|end| end + WIDEST_JUMP);
        self.recurrence
            .after(from)
            .take_while(move |occurrence| until.is_none_or(|until| occurrence.due_at <= until))
            .filter(|occurrence| self.counts(occurrence.wall))
    }

    /// The first time after `now` that comes.
    #[must_use]
    pub fn next_after(&self, now: DateTime<Utc>) -> Option<Occurrence> {
        self.after(now).next()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{from_value, json};
    use uuid::Uuid;

    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn recurring(value: serde_json::Value) -> Recurring {
        let mut all = json!({"cron": "0 9 * * *", "timezone": "Europe/Berlin"});
        all.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        from_value(all).unwrap()
    }

    fn walls(occurrences: &[Occurrence]) -> Vec<String> {
        occurrences.iter().map(|o| o.wall.to_string()).collect()
    }

    #[test]
    fn it_comes_from_its_start_to_its_end() {
        let two = recurring(json!({"start": "2026-12-01T09:00", "end": "2026-12-03T09:00"}));
        let times: Vec<_> = two.plan().unwrap().after(utc("2026-11-01T00:00:00Z")).collect();
        assert_eq!(walls(&times), ["2026-12-01T09:00", "2026-12-02T09:00"]);
        assert_eq!(times[0].offset_seconds, 3600);
        assert!(two.objections(utc("2026-12-02T07:59:59Z")).is_empty());
        assert_eq!(two.objections(utc("2026-12-02T08:00:00Z"))[0].0, "/cron");
    }

    #[test]
    fn a_repeated_hour_is_cut_off_by_the_end_on_the_wall() {
        let both = recurring(json!({"cron": "*/30 2 * * *", "on_overlap": "both", "end": "2026-10-25T02:30"}));
        let times: Vec<_> = both.plan().unwrap().after(utc("2026-10-24T12:00:00Z")).map(|o| (o.wall.to_string(), o.fold)).collect();
        assert_eq!(times, [("2026-10-25T02:00".to_owned(), 0), ("2026-10-25T02:00".to_owned(), 1)]);
    }

    #[test]
    fn what_cannot_be_put_in_force_is_told_field_by_field() {
        let bad = recurring(json!({"cron": "0 9 31 2 *", "jitter_seconds": 90_000, "catch_up": {"max": 2000, "window_seconds": 9_999_999},
            "start": "2026-12-02T00:00", "end": "2026-12-01T00:00"}));
        let pointers: Vec<_> = bad.objections(utc("2026-11-01T00:00:00Z")).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["/jitter_seconds", "/catch_up/window_seconds", "/catch_up/max", "/end", "/cron"]);
        let gap = recurring(json!({"cron": "30 2 * * *", "on_gap": "reject"}));
        let (pointer, why) = gap.objections(utc("2026-11-01T00:00:00Z")).remove(0);
        assert_eq!(pointer, "/on_gap");
        assert!(why.starts_with("2027-03-28T02:30 does not exist in Europe/Berlin"), "{why}");
        let before = recurring(json!({"cron": "30 2 * * *", "on_gap": "reject", "end": "2027-03-01T00:00"}));
        assert!(before.objections(utc("2026-11-01T00:00:00Z")).is_empty());
        assert_eq!(recurring(json!({"cron": "every day"})).objections(utc("2026-11-01T00:00:00Z"))[0].0, "/cron");
    }

    #[test]
    fn an_earlier_campaign_that_goes_is_met_as_the_policy_says() {
        use Meeting::{Begin, CancelAndBegin, Skip, Wait};
        let met = |policy: OverlapPolicy| [policy.meet(0, 0), policy.meet(1, 0), policy.meet(1, 1), policy.meet(0, 1)];
        assert_eq!(met(OverlapPolicy::Skip), [Begin, Skip, Skip, Skip]);
        assert_eq!(met(OverlapPolicy::BufferOne), [Begin, Wait, Skip, Skip]);
        assert_eq!(met(OverlapPolicy::BufferAll), [Begin, Wait, Wait, Wait]);
        assert_eq!(met(OverlapPolicy::CancelPrevious), [Begin, CancelAndBegin, CancelAndBegin, Begin]);
        assert_eq!(met(OverlapPolicy::Allow), [Begin; 4]);
    }

    #[test]
    fn after_a_time_in_which_nothing_ran_the_newest_of_the_window_are_made_up_for() {
        let hourly = recurring(json!({"cron": "0 * * * *", "catch_up": {"window_seconds": 4 * 3600, "max": 2}}));
        let reckoning = hourly.reckon(utc("2026-12-01T00:30:00Z"), utc("2026-12-01T08:00:30Z")).unwrap();
        // 09:00 in Berlin is on time; of the last four hours two are made up for.
        assert_eq!(walls(&reckoning.due), ["2026-12-01T07:00", "2026-12-01T08:00", "2026-12-01T09:00"]);
        assert_eq!(
            walls(&reckoning.left_out),
            ["2026-12-01T02:00", "2026-12-01T03:00", "2026-12-01T04:00", "2026-12-01T05:00", "2026-12-01T06:00"]
        );
        let none = recurring(json!({"cron": "0 * * * *", "catch_up": {"window_seconds": 0, "max": 0}}));
        assert_eq!(walls(&none.reckon(utc("2026-12-01T00:30:00Z"), utc("2026-12-01T08:00:59Z")).unwrap().due), ["2026-12-01T09:00"]);
        assert!(none.reckon(utc("2026-12-01T00:30:00Z"), utc("2026-12-01T08:01:01Z")).unwrap().due.is_empty());
    }

    #[test]
    fn a_great_many_missed_times_are_counted_not_listed() {
        let often = recurring(json!({"cron": "* * * * * *", "catch_up": {"window_seconds": 120, "max": 0}}));
        let reckoning = often.reckon(utc("2026-12-01T00:00:00Z"), utc("2026-12-01T00:10:00Z")).unwrap();
        assert_eq!((reckoning.due.len(), reckoning.left_out.len(), reckoning.more), (61, 100, 439));
    }

    #[test]
    fn a_time_that_is_refused_is_told_as_left_out() {
        let gap = recurring(json!({"cron": "30 2 * * *", "on_gap": "reject"}));
        let reckoning = gap.reckon(utc("2027-03-27T12:00:00Z"), utc("2027-03-28T01:30:10Z")).unwrap();
        assert!(reckoning.due.is_empty());
        assert_eq!(reckoning.left_out[0].bent, Bent::Refused);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// Wherever the timers fire, each time is reckoned with once.
        #[test]
        fn no_time_is_reckoned_with_twice_or_lost(
            start in 1_770_000_000_i64..1_810_000_000, steps in prop::collection::vec(1_i64..4000, 1..12), both in any::<bool>(), lord_howe in any::<bool>(),
        ) {
            let zone = if lord_howe { "Australia/Lord_Howe" } else { "Europe/Berlin" };
            let rule = if both { "both" } else { "second" };
            let often = recurring(json!({"cron": "*/10 * * * *", "timezone": zone, "on_overlap": rule, "catch_up": {"window_seconds": 31 * 24 * 3600, "max": 1000}}));
            let mut cursor = DateTime::from_timestamp(start, 0).unwrap();
            let (begin, mut met) = (cursor, Vec::new());
            for step in steps {
                let now = cursor + TimeDelta::seconds(step);
                met.extend(often.reckon(cursor, now).unwrap().due);
                cursor = now;
            }
            let all: Vec<_> = often.plan().unwrap().after(begin).take_while(|o| o.due_at <= cursor).collect();
            prop_assert_eq!(&met, &all);
            let schedule = ScheduleId::from_uuid(Uuid::from_u128(7));
            let ids: std::collections::BTreeSet<_> = met.iter().map(|o| o.id(schedule)).collect();
            prop_assert_eq!(ids.len(), met.len());
        }

        #[test]
        fn jitter_is_within_its_range_and_always_the_same(seconds in 0_u32..86_400, n in any::<u128>()) {
            let jittered = recurring(json!({"jitter_seconds": seconds}));
            let schedule = ScheduleId::from_uuid(Uuid::from_u128(n));
            let next = jittered.plan().unwrap().next_after(utc("2026-11-01T00:00:00Z")).unwrap();
            let begins = jittered.begins_at(schedule, &next);
            prop_assert!(begins >= next.due_at && begins <= next.due_at + TimeDelta::seconds(i64::from(seconds)));
            prop_assert_eq!(begins, jittered.begins_at(schedule, &next));
        }
    }

    #[test]
    fn an_id_outlives_a_change_of_the_rules() {
        // Under the older rules British Columbia put its clocks back in November 2026.
        let daily = recurring(json!({"timezone": "America/Vancouver"}));
        let plan = daily.plan().unwrap();
        let now = utc("2026-12-01T00:00:00Z");
        let old = plan.recurrence.after_under(&super::super::rules::database::Older(Tz::America__Vancouver), now).next().unwrap();
        let new = plan.next_after(now).unwrap();
        let schedule = ScheduleId::from_uuid(Uuid::from_u128(7));
        assert_eq!((old.wall, old.id(schedule)), (new.wall, new.id(schedule)));
        assert_eq!(old.due_at - new.due_at, TimeDelta::hours(1));
    }
}
