//! Recurring schedules: what was asked for. What became of each of their times is in [`occurrences`].

pub mod occurrences;

use chrono::{DateTime, Utc};
use domain::{
    ids::{BrandId, CampaignId, ConnectorId, OccurrenceId, RunId, ScheduleId},
    schedule::Recurring,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{OrgTx, campaigns::NewCampaign, classify, read_json, write_json};
use crate::{ActivityError, ActivityResult};

/// The campaign that is made each time. (Its ids stand for those that each time gives it.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// What is asked for.
    pub campaign: NewCampaign,
    /// The accounts to write for.
    pub connectors: Vec<ConnectorId>,
}

impl Template {
    /// The campaign of a time, with ids that follow from the time's, so that it cannot be made twice.
    #[must_use]
    pub fn campaign_of(&self, occurrence: OccurrenceId) -> NewCampaign {
        NewCampaign {
            id: CampaignId::derived(occurrence.uuid(), "campaign"),
            run_id: RunId::derived(occurrence.uuid(), "campaign"),
            ..self.campaign.clone()
        }
    }
}

/// A schedule as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSchedule {
    /// Its id, derived from the request.
    pub id: ScheduleId,
    /// When.
    pub recurring: Recurring,
    /// What.
    pub template: Template,
}

/// A schedule as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// What was asked for.
    pub asked: NewSchedule,
    /// Since when it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why.
    pub pause_note: Option<String>,
    /// How many times passed unused beyond those that are told one by one.
    pub missed: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

struct Row {
    id: Uuid,
    recurring: serde_json::Value,
    template: serde_json::Value,
    paused_at: Option<DateTime<Utc>>,
    pause_note: Option<String>,
    missed: i64,
    created_at: DateTime<Utc>,
}

impl Row {
    fn read(self) -> ActivityResult<Schedule> {
        let asked =
            NewSchedule { id: ScheduleId::from_uuid(self.id), recurring: read_json(self.recurring)?, template: read_json(self.template)? };
        Ok(Schedule { asked, paused_at: self.paused_at, pause_note: self.pause_note, missed: self.missed, created_at: self.created_at })
    }
}

/// Stores a schedule; the same id a second time changes nothing.
///
/// # Errors
/// [`ActivityError::Rejected`] when the brand is not this org's; otherwise when the database cannot answer.
pub async fn insert(tx: &mut OrgTx, new: &NewSchedule) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO schedules (id, org_id, brand_id, recurring, template) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
        new.id.uuid(),
        org,
        new.template.campaign.brand_id.uuid(),
        write_json(&new.recurring)?,
        write_json(&new.template)?
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The schedule `id`, unless it was deleted.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn get(tx: &mut OrgTx, id: ScheduleId) -> ActivityResult<Option<Schedule>> {
    sqlx::query_as!(
        Row,
        "SELECT id, recurring, template, paused_at, pause_note, missed, created_at FROM schedules WHERE id = $1 AND deleted_at IS NULL",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?
    .map(Row::read)
    .transpose()
}

/// The schedule `id`, which must exist.
///
/// # Errors
/// [`ActivityError::NotFound`] when it does not.
pub async fn require(tx: &mut OrgTx, id: ScheduleId) -> ActivityResult<Schedule> {
    get(tx, id).await?.ok_or_else(|| ActivityError::not_found(format_args!("the schedule {id} does not exist")))
}

/// A page of schedules, newest first, that come after `after`; those of one brand if it is named.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn list(tx: &mut OrgTx, brand: Option<BrandId>, after: Option<ScheduleId>, limit: i64) -> ActivityResult<Vec<Schedule>> {
    sqlx::query_as!(
        Row,
        "SELECT id, recurring, template, paused_at, pause_note, missed, created_at FROM schedules
         WHERE deleted_at IS NULL AND ($1::uuid IS NULL OR brand_id = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        brand.map(BrandId::uuid),
        after.map(ScheduleId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?
    .into_iter()
    .map(Row::read)
    .collect()
}

/// Puts another request in the place of a schedule's.
///
/// # Errors
/// [`ActivityError::NotFound`] when this org has no such schedule.
pub async fn update(tx: &mut OrgTx, new: &NewSchedule) -> ActivityResult<()> {
    let done = sqlx::query!(
        "UPDATE schedules SET recurring = $2, template = $3, brand_id = $4 WHERE id = $1 AND deleted_at IS NULL",
        new.id.uuid(),
        write_json(&new.recurring)?,
        write_json(&new.template)?,
        new.template.campaign.brand_id.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    found(done.rows_affected(), new.id)
}

/// Pauses a schedule; one that is paused gets the newer note.
///
/// # Errors
/// [`ActivityError::NotFound`] when this org has no such schedule.
pub async fn pause(tx: &mut OrgTx, id: ScheduleId, note: &str) -> ActivityResult<()> {
    let done = sqlx::query!(
        "UPDATE schedules SET paused_at = coalesce(paused_at, now()), pause_note = $2 WHERE id = $1 AND deleted_at IS NULL",
        id.uuid(),
        note
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    found(done.rows_affected(), id)
}

/// Ends a pause, if there is one.
///
/// # Errors
/// [`ActivityError::NotFound`] when this org has no such schedule.
pub async fn resume(tx: &mut OrgTx, id: ScheduleId) -> ActivityResult<()> {
    let done = sqlx::query!("UPDATE schedules SET paused_at = NULL, pause_note = NULL WHERE id = $1 AND deleted_at IS NULL", id.uuid())
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    found(done.rows_affected(), id)
}

/// Deletes a schedule, and leaves out what waits. What it made stays, and so does the record of its times.
///
/// # Errors
/// When the database cannot answer.
pub async fn delete(tx: &mut OrgTx, id: ScheduleId) -> ActivityResult<()> {
    sqlx::query!("UPDATE schedules SET deleted_at = coalesce(deleted_at, now()) WHERE id = $1", id.uuid())
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    sqlx::query!(
        "UPDATE occurrences SET outcome = 'skipped', why = 'the schedule was deleted' WHERE schedule_id = $1 AND outcome = 'waiting'",
        id.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

fn found(rows: u64, id: ScheduleId) -> ActivityResult<()> {
    if rows == 0 { Err(ActivityError::not_found(format_args!("the schedule {id} does not exist"))) } else { Ok(()) }
}
