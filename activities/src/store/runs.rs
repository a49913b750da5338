//! Which invocation stands behind a run id. No status is kept: that is the engine's.

use chrono::{DateTime, Utc};
use domain::ids::{CampaignId, PostId, RunId};

use super::{OrgTx, classify};
use crate::ActivityResult;

/// A run that was started.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The workflow, by its service's name (`Campaign`).
    pub workflow: String,
    /// The id of what it is about (`cmp_...`).
    pub subject: String,
    /// The engine's id of the invocation.
    pub invocation_id: String,
    /// When it was started.
    pub created_at: DateTime<Utc>,
}

/// Remembers a run; the same run a second time changes nothing.
///
/// # Errors
/// When the database cannot answer.
pub async fn insert(tx: &mut OrgTx, id: RunId, workflow: &str, subject: &str, invocation_id: &str) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO runs (id, org_id, workflow, subject, invocation_id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
        id.uuid(),
        org,
        workflow,
        subject,
        invocation_id
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The run `id` of this org.
///
/// # Errors
/// When the database cannot answer.
pub async fn get(tx: &mut OrgTx, id: RunId) -> ActivityResult<Option<Run>> {
    let row = sqlx::query!("SELECT id, workflow, subject, invocation_id, created_at FROM runs WHERE id = $1", id.uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?;
    Ok(row.map(|r| Run {
        id: RunId::from_uuid(r.id),
        workflow: r.workflow,
        subject: r.subject,
        invocation_id: r.invocation_id,
        created_at: r.created_at,
    }))
}

/// A page of runs, newest first, that come after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(
    tx: &mut OrgTx,
    workflow: Option<&str>,
    subject: Option<&str>,
    after: Option<RunId>,
    limit: i64,
) -> ActivityResult<Vec<Run>> {
    let rows = sqlx::query!(
        "SELECT id, workflow, subject, invocation_id, created_at FROM runs
         WHERE ($1::text IS NULL OR workflow = $1) AND ($2::text IS NULL OR subject = $2) AND ($3::uuid IS NULL OR id < $3)
         ORDER BY id DESC LIMIT $4",
        workflow,
        subject,
        after.map(RunId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(rows
        .into_iter()
        .map(|r| Run {
            id: RunId::from_uuid(r.id),
            workflow: r.workflow,
            subject: r.subject,
            invocation_id: r.invocation_id,
            created_at: r.created_at,
        })
        .collect())
}

/// An invocation that was joined to a run: what a person asked for while it went on, or a lane that sends what is the run's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The run.
    pub run_id: RunId,
    /// The engine's id of the invocation.
    pub invocation_id: String,
    /// When it was joined.
    pub joined_at: DateTime<Utc>,
}

/// Joins an invocation to the run of a campaign; one that was joined before stays.
///
/// # Errors
/// When the database cannot answer.
pub async fn join(tx: &mut OrgTx, campaign: CampaignId, invocation_id: &str) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO run_parts (run_id, invocation_id, org_id) SELECT run_id, $2, $3 FROM campaigns WHERE id = $1
         ON CONFLICT (run_id, invocation_id) DO NOTHING",
        campaign.uuid(),
        invocation_id,
        org
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The same for the run of the campaign that a post belongs to.
///
/// # Errors
/// When the database cannot answer.
pub async fn join_of_post(tx: &mut OrgTx, post: PostId, invocation_id: &str) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO run_parts (run_id, invocation_id, org_id)
         SELECT c.run_id, $2, $3 FROM posts p JOIN campaigns c ON c.id = p.campaign_id WHERE p.id = $1
         ON CONFLICT (run_id, invocation_id) DO NOTHING",
        post.uuid(),
        invocation_id,
        org
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// What was joined to these runs, each run's in the order in which it was joined; the newest `limit` of them all.
///
/// # Errors
/// When the database cannot answer.
pub async fn parts(tx: &mut OrgTx, runs: &[RunId], limit: i64) -> ActivityResult<Vec<Part>> {
    let runs: Vec<_> = runs.iter().map(|run| run.uuid()).collect();
    let rows = sqlx::query!(
        "SELECT run_id, invocation_id, joined_at FROM run_parts WHERE run_id = ANY ($1) ORDER BY joined_at DESC, invocation_id DESC LIMIT $2",
        &runs,
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(rows
        .into_iter()
        .rev()
        .map(|r| Part { run_id: RunId::from_uuid(r.run_id), invocation_id: r.invocation_id, joined_at: r.joined_at })
        .collect())
}
