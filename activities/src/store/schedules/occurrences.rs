//! What became of each time of a schedule. The row is the decision: a time that has one is not decided on again, whoever meets it.

use chrono::{DateTime, Utc};
use domain::{
    ids::{CampaignId, OccurrenceId, ScheduleId},
    schedule::{Occurrence, OverlapPolicy, WallTime, recurrence::Bent, recurring::Meeting},
};
use serde::{Deserialize, Serialize};

use super::{Template, require};
use crate::{
    ActivityError, ActivityResult,
    store::{
        OrgTx,
        campaigns::{self, NewCampaign},
        classify,
    },
};

/// A time of a schedule that has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Came {
    /// Its id.
    pub id: OccurrenceId,
    /// What the clock on the wall showed.
    pub wall: WallTime,
    /// 1 if it was the second time that it did.
    pub fold: i16,
    /// The instant.
    pub due_at: DateTime<Utc>,
    /// `begun`, `waiting`, `skipped`, `missed`, `refused`.
    pub outcome: String,
    /// Why it was left out.
    pub why: Option<String>,
    /// The campaign that was made.
    pub campaign_id: Option<CampaignId>,
}

/// A time that is to be decided on.
#[derive(Debug, Clone, Copy)]
pub struct ToMeet<'a> {
    /// The schedule.
    pub schedule: ScheduleId,
    /// The time.
    pub occurrence: &'a Occurrence,
    /// Whether a person asked for it after it was over; then it may have been left out before, and a pause does not stop it.
    pub backfill: bool,
    /// What to do if a campaign of an earlier time still goes; as the schedule says if `None`.
    pub overlap: Option<OverlapPolicy>,
    /// The invocation that decides.
    pub decided_by: &'a str,
}

/// What follows from meeting a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// Campaigns to stop first.
    pub stop: Vec<CampaignId>,
    /// The campaign to begin, which is stored by now.
    pub begin: Option<Template>,
    /// Whether the time waits.
    pub waits: bool,
}

/// Decides on a time that has come, and stores the decision together with the campaign that it makes. The same invocation again gets the same
/// answer; another one, for a time that was decided on, gets nothing to do.
///
/// # Errors
/// [`ActivityError::NotFound`] when there is no such schedule.
pub async fn meet(tx: &mut OrgTx, to_meet: &ToMeet<'_>) -> ActivityResult<Met> {
    let ToMeet { schedule: schedule_id, occurrence, backfill, overlap, decided_by } = *to_meet;
    let schedule = require(tx, schedule_id).await?;
    let id = occurrence.id(schedule_id);
    let before = sqlx::query!("SELECT outcome, decided_by, campaign_id FROM occurrences WHERE id = $1 FOR UPDATE", id.uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?;
    let policy = overlap.unwrap_or(schedule.asked.recurring.overlap);
    let going = going(tx, schedule_id, id).await?;
    if let Some(before) = &before {
        if before.decided_by == decided_by {
            let stop = if policy == OverlapPolicy::CancelPrevious { going } else { Vec::new() };
            let begin = before.campaign_id.is_some().then(|| made(&schedule.asked.template, id));
            return Ok(if begin.is_some() {
                Met { stop, begin, waits: false }
            } else {
                Met { waits: before.outcome == "waiting", ..Met::default() }
            });
        }
        if !backfill || matches!(before.outcome.as_str(), "begun" | "waiting") {
            return Ok(Met::default());
        }
    }
    let waiting = count_waiting(tx, schedule_id).await?;
    let (outcome, why) = if schedule.paused_at.is_some() && !backfill {
        ("skipped", Some("the schedule is paused"))
    } else {
        match policy.meet(going.len(), waiting) {
            Meeting::Begin | Meeting::CancelAndBegin => ("begun", None),
            Meeting::Wait => ("waiting", Some("waits until the campaign of an earlier time has ended")),
            Meeting::Skip if waiting > 0 => ("skipped", Some("another time waits already for the campaign of an earlier one to end")),
            Meeting::Skip => ("skipped", Some("the campaign of an earlier time still goes")),
        }
    };
    let begin = (outcome == "begun").then(|| made(&schedule.asked.template, id));
    if let Some(begin) = &begin {
        campaigns::insert(tx, &begin.campaign).await?;
    }
    store(tx, schedule_id, occurrence, outcome, why, begin.as_ref().map(|b| b.campaign.id), decided_by).await?;
    let stop = if begin.is_some() && policy == OverlapPolicy::CancelPrevious { going } else { Vec::new() };
    Ok(Met { stop, begin, waits: outcome == "waiting" })
}

/// Takes the time that has waited longest, if no campaign of an earlier one goes any more and the schedule is not paused. The same invocation
/// again gets the same answer.
///
/// # Errors
/// When the database cannot answer.
pub async fn next_waiting(tx: &mut OrgTx, schedule_id: ScheduleId, decided_by: &str) -> ActivityResult<Option<Template>> {
    let Some(schedule) = super::get(tx, schedule_id).await? else { return Ok(None) };
    let template = &schedule.asked.template;
    let mine = sqlx::query_scalar!(
        "SELECT id FROM occurrences WHERE schedule_id = $1 AND decided_by = $2 AND outcome = 'begun'",
        schedule_id.uuid(),
        decided_by
    );
    if let Some(mine) = mine.fetch_optional(tx.conn()).await.map_err(classify)? {
        return Ok(Some(made(template, OccurrenceId::from_uuid(mine))));
    }
    let next = sqlx::query_scalar!(
        "SELECT id FROM occurrences WHERE schedule_id = $1 AND outcome = 'waiting' ORDER BY due_at, id LIMIT 1 FOR UPDATE",
        schedule_id.uuid()
    );
    let Some(next) = next.fetch_optional(tx.conn()).await.map_err(classify)?.map(OccurrenceId::from_uuid) else { return Ok(None) };
    if schedule.paused_at.is_some() || !going(tx, schedule_id, next).await?.is_empty() {
        return Ok(None);
    }
    let begin = made(template, next);
    campaigns::insert(tx, &begin.campaign).await?;
    sqlx::query!(
        "UPDATE occurrences SET outcome = 'begun', why = NULL, campaign_id = $2, decided_by = $3, decided_at = now() WHERE id = $1",
        next.uuid(),
        begin.campaign.id.uuid(),
        decided_by
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(Some(begin))
}

fn made(template: &Template, occurrence: OccurrenceId) -> Template {
    let campaign: NewCampaign = template.campaign_of(occurrence);
    Template { campaign, connectors: template.connectors.clone() }
}

/// Notes times that passed without being made up for, and `more` that are only counted. What is known of one stays.
///
/// # Errors
/// When the database cannot answer.
pub async fn leave_out(tx: &mut OrgTx, schedule: ScheduleId, left_out: &[Occurrence], more: u64, decided_by: &str) -> ActivityResult<()> {
    for occurrence in left_out {
        let (outcome, why) = if occurrence.bent == Bent::Refused {
            ("refused", "the clock is put forward over this time, and the schedule says to reject that")
        } else {
            ("missed", "nothing ran at this time, and it was not to be made up for any more")
        };
        let known = sqlx::query_scalar!("SELECT id FROM occurrences WHERE id = $1", occurrence.id(schedule).uuid());
        if known.fetch_optional(tx.conn()).await.map_err(classify)?.is_none() {
            store(tx, schedule, occurrence, outcome, Some(why), None, decided_by).await?;
        }
    }
    if more > 0 {
        sqlx::query!("UPDATE schedules SET missed = missed + $2 WHERE id = $1", schedule.uuid(), i64::try_from(more).unwrap_or(i64::MAX))
            .execute(tx.conn())
            .await
            .map_err(classify)?;
    }
    Ok(())
}

async fn store(
    tx: &mut OrgTx,
    schedule: ScheduleId,
    occurrence: &Occurrence,
    outcome: &str,
    why: Option<&str>,
    campaign: Option<CampaignId>,
    decided_by: &str,
) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO occurrences (id, org_id, schedule_id, wall, fold, due_at, outcome, why, campaign_id, decided_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, why = excluded.why, campaign_id = excluded.campaign_id,
             decided_by = excluded.decided_by, decided_at = now()",
        occurrence.id(schedule).uuid(),
        org,
        schedule.uuid(),
        occurrence.wall.to_string(),
        i16::from(occurrence.fold),
        occurrence.due_at,
        outcome,
        why,
        campaign.map(CampaignId::uuid),
        decided_by
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The campaigns of other times of a schedule that have not ended.
async fn going(tx: &mut OrgTx, schedule: ScheduleId, but: OccurrenceId) -> ActivityResult<Vec<CampaignId>> {
    let ids = sqlx::query_scalar!(
        "SELECT c.id FROM occurrences o JOIN campaigns c ON c.id = o.campaign_id
         WHERE o.schedule_id = $1 AND o.id <> $2 AND c.finished_at IS NULL AND c.cancelled_at IS NULL AND c.failure IS NULL
           AND (c.generated_at IS NULL OR EXISTS (SELECT 1 FROM posts p WHERE p.campaign_id = c.id
                                                  AND p.status NOT IN ('published', 'failed', 'rejected', 'cancelled')))
         ORDER BY o.due_at",
        schedule.uuid(),
        but.uuid()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(ids.into_iter().map(CampaignId::from_uuid).collect())
}

async fn count_waiting(tx: &mut OrgTx, schedule: ScheduleId) -> ActivityResult<usize> {
    let waiting = sqlx::query_scalar!(
        r#"SELECT count(*) AS "waiting!" FROM occurrences WHERE schedule_id = $1 AND outcome = 'waiting'"#,
        schedule.uuid()
    )
    .fetch_one(tx.conn())
    .await
    .map_err(classify)?;
    Ok(usize::try_from(waiting).unwrap_or_default())
}

/// The schedule that made a campaign, if the campaign has ended and times wait for that.
///
/// # Errors
/// When the database cannot answer.
pub async fn waits_for_end_of(tx: &mut OrgTx, campaign: CampaignId) -> ActivityResult<Option<ScheduleId>> {
    let schedule = sqlx::query_scalar!(
        "SELECT o.schedule_id FROM occurrences o JOIN campaigns c ON c.id = o.campaign_id
         WHERE o.campaign_id = $1
           AND EXISTS (SELECT 1 FROM occurrences w WHERE w.schedule_id = o.schedule_id AND w.outcome = 'waiting')
           AND (c.finished_at IS NOT NULL OR c.cancelled_at IS NOT NULL OR c.failure IS NOT NULL
                OR (c.generated_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM posts p WHERE p.campaign_id = c.id
                                                               AND p.status NOT IN ('published', 'failed', 'rejected', 'cancelled'))))",
        campaign.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    Ok(schedule.map(ScheduleId::from_uuid))
}

/// The newest times of a schedule that have come, the newest first.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn newest(tx: &mut OrgTx, schedule: ScheduleId, limit: i64) -> ActivityResult<Vec<Came>> {
    sqlx::query!(
        "SELECT id, wall, fold, due_at, outcome, why, campaign_id FROM occurrences WHERE schedule_id = $1 ORDER BY due_at DESC, id DESC LIMIT $2",
        schedule.uuid(),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?
    .into_iter()
    .map(|row| {
        Ok(Came {
            id: OccurrenceId::from_uuid(row.id),
            wall: row.wall.parse().map_err(|e| ActivityError::rejected(format_args!("a stored occurrence cannot be read: {e}")))?,
            fold: row.fold,
            due_at: row.due_at,
            outcome: row.outcome,
            why: row.why,
            campaign_id: row.campaign_id.map(CampaignId::from_uuid),
        })
    })
    .collect()
}
