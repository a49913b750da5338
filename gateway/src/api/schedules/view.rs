//! How a recurring schedule is shown: what was asked for, its next times with their offsets, and what became of the last ones.

use activities::store::{
    OrgTx,
    schedules::{
        NewSchedule, Schedule,
        occurrences::{self, Came},
    },
};
use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use domain::{
    ids::{BrandId, CampaignId, OccurrenceId, ScheduleId},
    schedule::{Occurrence, WallTime, recurrence::Bent},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::{ApiResult, Problem};

/// How many next times are shown.
const NEXT: usize = 5;

/// How many times that have come are shown.
const LAST: i64 = 20;

/// A recurring schedule.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduleView {
    /// Its id.
    #[schema(value_type = String, example = "sch_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    pub(super) id: ScheduleId,
    /// Whose campaigns it makes.
    #[schema(value_type = String)]
    brand_id: BrandId,
    /// When it comes: `cron`, `timezone`, and the rules beside them.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    recurring: Value,
    /// The campaign that is made each time.
    #[schema(value_type = Object)]
    campaign: Value,
    /// Whether it is paused, since when, and why.
    paused: Option<PausedView>,
    /// The next times; none while it is paused.
    next: Vec<TimeView>,
    /// What became of the last times, the newest first. Only where one schedule is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Vec<CameView>>,
    /// How many more times passed unused than are told in `last`, because nothing ran.
    missed: i64,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// A pause.
#[derive(Debug, Serialize, ToSchema)]
struct PausedView {
    /// Since when.
    at: DateTime<Utc>,
    /// Why.
    note: String,
}

/// A time that is still to come, or was asked for again.
#[derive(Debug, Serialize, ToSchema)]
struct TimeView {
    /// Its id: what its campaign's id is made of.
    #[schema(value_type = String, example = "occ_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: OccurrenceId,
    /// What the expression names on the wall.
    #[schema(value_type = String, example = "2027-01-15T09:00")]
    wall: WallTime,
    /// The instant, with the zone's offset.
    #[schema(example = "2027-01-15T09:00:00+01:00")]
    at: String,
    /// When the campaign begins: `at`, or later by the jitter.
    begins_at: DateTime<Utc>,
    /// What the zone did to the wall time: `no`, `shifted`, `refused` (the zone skips it), `repeated`.
    #[schema(value_type = String, example = "no")]
    bent: Bent,
}

/// A time that has come.
#[derive(Debug, Serialize, ToSchema)]
struct CameView {
    /// Its id.
    #[schema(value_type = String, example = "occ_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: OccurrenceId,
    /// What the clock on the wall showed.
    #[schema(value_type = String, example = "2027-01-15T09:00")]
    wall: WallTime,
    /// 1 if it was the second time that it did.
    fold: i16,
    /// The instant.
    due_at: DateTime<Utc>,
    /// `begun`, `waiting`, `skipped`, `missed` or `refused`.
    #[schema(example = "begun")]
    outcome: String,
    /// Why it did not begin.
    why: Option<String>,
    /// The campaign that was made.
    #[schema(value_type = Option<String>)]
    campaign_id: Option<CampaignId>,
}

/// What a backfill found to run.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackfilledView {
    /// The times, in order. One that had its campaign gets no second one.
    times: Vec<TimeView>,
}

impl BackfilledView {
    pub(super) fn of(schedule: &NewSchedule, times: &[Occurrence]) -> Self {
        Self { times: times.iter().map(|time| time_view(schedule, time)).collect() }
    }
}

fn time_view(schedule: &NewSchedule, time: &Occurrence) -> TimeView {
    let at = FixedOffset::east_opt(time.offset_seconds).map_or_else(
        || time.due_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        |offset| time.due_at.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::Secs, false),
    );
    TimeView { id: time.id(schedule.id), wall: time.wall, at, begins_at: schedule.recurring.begins_at(schedule.id, time), bent: time.bent }
}

impl ScheduleView {
    /// Without the times that have come.
    pub(super) fn of(schedule: Schedule) -> ApiResult<Self> {
        let Schedule { asked, paused_at, pause_note, missed, created_at } = schedule;
        let unreadable = |error: &dyn std::fmt::Display| Problem::internal(format!("a stored schedule cannot be shown: {error}"));
        let paused = paused_at.map(|at| PausedView { at, note: pause_note.unwrap_or_default() });
        let plan = asked.recurring.plan().map_err(|error| unreadable(&error))?;
        let times = plan.after(Utc::now()).take(if paused.is_some() { 0 } else { NEXT });
        let next = times.map(|time| time_view(&asked, &time)).collect();
        let mut campaign = serde_json::to_value(&asked.template.campaign).map_err(|error| unreadable(&error))?;
        if let Some(fields) = campaign.as_object_mut() {
            // Each time has its own.
            fields.remove("id");
            fields.remove("run_id");
            fields.insert("connectors".to_owned(), serde_json::to_value(&asked.template.connectors).map_err(|error| unreadable(&error))?);
        }
        let recurring = serde_json::to_value(&asked.recurring).map_err(|error| unreadable(&error))?;
        let brand_id = asked.template.campaign.brand_id;
        Ok(Self { id: asked.id, brand_id, recurring, campaign, paused, next, last: None, missed, created_at })
    }

    /// With the times that have come.
    pub(super) async fn with_times(tx: &mut OrgTx, schedule: Schedule) -> ApiResult<Self> {
        let came = occurrences::newest(tx, schedule.asked.id, LAST).await?;
        let view = |came: Came| {
            let Came { id, wall, fold, due_at, outcome, why, campaign_id } = came;
            CameView { id, wall, fold, due_at, outcome, why, campaign_id }
        };
        Ok(Self { last: Some(came.into_iter().map(view).collect()), ..Self::of(schedule)? })
    }
}
