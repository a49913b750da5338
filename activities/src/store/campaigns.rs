//! Campaigns: what was asked for, and the facts of how far it came.

use chrono::{DateTime, Utc};
use domain::{
    brief::Brief,
    ids::{BrandId, BriefId, CampaignId, ConnectorId, RunId},
    platform::Platform,
    post::PostOptions,
    schedule::ScheduleSpec,
};
use serde::{Deserialize, Serialize};

use super::{OrgTx, classify, read_json, write_json};
use crate::{ActivityError, ActivityResult};

/// Whether a person decides over each post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// A person decides.
    Required,
    /// The best variant goes out if its lints have no error; else a person decides.
    Auto,
}

impl Approval {
    /// The name that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Auto => "auto",
        }
    }
}

/// A campaign as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCampaign {
    /// Its id, derived from the request so that a repeated request names the same campaign.
    pub id: CampaignId,
    /// The brand that speaks.
    pub brand_id: BrandId,
    /// The brief that it carries out.
    pub brief_id: BriefId,
    /// A name for people, made of the brief's topic.
    pub name: String,
    /// How many variants are written for each post, 1 to 5.
    pub variants_per_post: i32,
    /// Who decides.
    pub approval: Approval,
    /// When posts go out; `None`: they wait to be scheduled one by one.
    pub schedule: Option<ScheduleSpec>,
    /// What its posts have beside their text, unless one is changed.
    #[serde(default)]
    pub options: PostOptions,
    /// The run that the API handed out for it.
    pub run_id: RunId,
}

/// A campaign as it stands.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// What was asked for.
    pub asked: NewCampaign,
    /// The brief's content.
    pub brief: Brief,
    /// When its variants were all written.
    pub generated_at: Option<DateTime<Utc>>,
    /// When it was stopped.
    pub cancelled_at: Option<DateTime<Utc>>,
    /// Why nothing could be written.
    pub failure: Option<String>,
    /// Until when people should have decided.
    pub decide_by: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// What a campaign is made from, as far as the org has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Materials {
    /// Whether the brand is there.
    pub brand: bool,
    /// The brief that was named, and whose it is.
    pub brief: Option<(BrandId, Brief)>,
    /// Those of the accounts that are there.
    pub accounts: Vec<Account>,
}

/// An account that a campaign names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: ConnectorId,
    /// Where it is.
    pub platform: Platform,
    /// Whether it was disconnected.
    pub disconnected: bool,
}

/// Everything that a new campaign names, in one question.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn materials(tx: &mut OrgTx, brand: BrandId, brief: Option<BriefId>, accounts: &[ConnectorId]) -> ActivityResult<Materials> {
    let accounts: Vec<_> = accounts.iter().map(|id| id.uuid()).collect();
    let row = sqlx::query!(
        r#"SELECT EXISTS (SELECT 1 FROM brands WHERE id = $1) AS "brand!", b.brand_id AS "brief_of?", b.brief AS "brief?",
               ARRAY(SELECT id FROM connectors WHERE id = ANY ($3) ORDER BY id) AS "ids!",
               ARRAY(SELECT platform FROM connectors WHERE id = ANY ($3) ORDER BY id) AS "platforms!",
               ARRAY(SELECT state = 'disconnected' FROM connectors WHERE id = ANY ($3) ORDER BY id) AS "disconnected!"
           FROM (VALUES (1)) AS one LEFT JOIN briefs b ON b.id = $2"#,
        brand.uuid(),
        brief.map(BriefId::uuid),
        &accounts
    )
    .fetch_one(tx.conn())
    .await
    .map_err(classify)?;
    let mut found = Vec::with_capacity(row.ids.len());
    for ((id, platform), disconnected) in row.ids.into_iter().zip(row.platforms).zip(row.disconnected) {
        let platform = platform.parse().map_err(|_| ActivityError::rejected("a stored platform is unknown"))?;
        found.push(Account { id: ConnectorId::from_uuid(id), platform, disconnected });
    }
    let brief = match (row.brief_of, row.brief) {
        (Some(brand), Some(brief)) => Some((BrandId::from_uuid(brand), read_json(brief)?)),
        _ => None,
    };
    Ok(Materials { brand: row.brand, brief, accounts: found })
}

/// Stores a campaign; the same campaign a second time changes nothing.
///
/// # Errors
/// [`ActivityError::Rejected`] when the brand or brief is not this org's.
pub async fn insert(tx: &mut OrgTx, campaign: &NewCampaign) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO campaigns (id, org_id, brand_id, brief_id, name, variants_per_post, approval, schedule, options, run_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING",
        campaign.id.uuid(),
        org,
        campaign.brand_id.uuid(),
        campaign.brief_id.uuid(),
        campaign.name,
        campaign.variants_per_post,
        campaign.approval.as_str(),
        write_json(&campaign.schedule)?,
        write_json(&campaign.options)?,
        campaign.run_id.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The campaign `id`.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn get(tx: &mut OrgTx, id: CampaignId) -> ActivityResult<Option<Campaign>> {
    let row = sqlx::query!(
        r#"SELECT c.id, c.brand_id, c.brief_id, c.name, c.variants_per_post, c.approval, c.schedule, c.options, c.run_id, c.generated_at, c.cancelled_at,
                  c.failure, c.decide_by, c.created_at, b.brief
           FROM campaigns c JOIN briefs b ON b.id = c.brief_id WHERE c.id = $1"#,
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    row.map(|r| {
        Ok(Campaign {
            asked: NewCampaign {
                id: CampaignId::from_uuid(r.id),
                brand_id: BrandId::from_uuid(r.brand_id),
                brief_id: BriefId::from_uuid(r.brief_id),
                name: r.name,
                variants_per_post: r.variants_per_post,
                approval: if r.approval == "auto" { Approval::Auto } else { Approval::Required },
                schedule: read_json(r.schedule)?,
                options: read_json(r.options)?,
                run_id: RunId::from_uuid(r.run_id),
            },
            brief: read_json(r.brief)?,
            generated_at: r.generated_at,
            cancelled_at: r.cancelled_at,
            failure: r.failure,
            decide_by: r.decide_by,
            created_at: r.created_at,
        })
    })
    .transpose()
}

/// The campaign `id`, which must exist.
///
/// # Errors
/// [`ActivityError::NotFound`] when it does not.
pub async fn require(tx: &mut OrgTx, id: CampaignId) -> ActivityResult<Campaign> {
    get(tx, id).await?.ok_or_else(|| ActivityError::not_found(format_args!("the campaign {id} does not exist")))
}

/// Notes that all variants were written, or why none could be, and until when people should decide.
///
/// # Errors
/// When the database cannot answer.
pub async fn generated(tx: &mut OrgTx, id: CampaignId, decide_by: Option<DateTime<Utc>>, failure: Option<&str>) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE campaigns SET generated_at = coalesce(generated_at, now()), decide_by = $2, failure = $3 WHERE id = $1",
        id.uuid(),
        decide_by,
        failure
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Whether people were asked to decide over posts of this campaign, and none waits for them any more.
///
/// # Errors
/// [`ActivityError::NotFound`] when there is no such campaign.
pub async fn is_decided(tx: &mut OrgTx, id: CampaignId) -> ActivityResult<bool> {
    sqlx::query_scalar!(
        r#"SELECT decide_by IS NOT NULL AND NOT EXISTS (SELECT 1 FROM posts WHERE campaign_id = $1 AND status IN ('draft', 'needs_approval')) AS "decided!"
           FROM campaigns WHERE id = $1"#,
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?
    .ok_or_else(|| ActivityError::not_found(format_args!("the campaign {id} does not exist")))
}

/// Gives people until `decide_by` to decide, unless they have time already at `now`. Returns the time in force.
///
/// # Errors
/// [`ActivityError::NotFound`] when there is no such campaign, or it was stopped.
pub async fn decide_by(tx: &mut OrgTx, id: CampaignId, now: DateTime<Utc>, decide_by: DateTime<Utc>) -> ActivityResult<DateTime<Utc>> {
    sqlx::query_scalar!(
        r#"UPDATE campaigns SET decide_by = CASE WHEN decide_by > $2 THEN decide_by ELSE $3 END WHERE id = $1 AND cancelled_at IS NULL
           RETURNING decide_by AS "decide_by!""#,
        id.uuid(),
        now,
        decide_by
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?
    .ok_or_else(|| ActivityError::not_found(format_args!("the campaign {id} does not exist, or was stopped")))
}

/// Notes that the campaign was stopped.
///
/// # Errors
/// When the database cannot answer.
pub async fn cancel(tx: &mut OrgTx, id: CampaignId) -> ActivityResult<()> {
    sqlx::query!("UPDATE campaigns SET cancelled_at = coalesce(cancelled_at, now()) WHERE id = $1", id.uuid())
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    Ok(())
}

/// Notes that the last of the campaign's posts has ended, if that is so.
///
/// # Errors
/// When the database cannot answer.
pub async fn finish_if_done(tx: &mut OrgTx, id: CampaignId) -> ActivityResult<bool> {
    let row = sqlx::query_scalar!(
        "UPDATE campaigns SET finished_at = coalesce(finished_at, now())
         WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM posts WHERE campaign_id = $1 AND status NOT IN ('published', 'failed', 'rejected', 'cancelled'))
         RETURNING id",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    Ok(row.is_some())
}

/// A page of campaigns, newest first, that come after `after`.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn list(tx: &mut OrgTx, brand: Option<BrandId>, after: Option<CampaignId>, limit: i64) -> ActivityResult<Vec<Campaign>> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM campaigns WHERE ($1::uuid IS NULL OR brand_id = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        brand.map(BrandId::uuid),
        after.map(CampaignId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    let mut page = Vec::with_capacity(ids.len());
    for id in ids {
        page.extend(get(tx, CampaignId::from_uuid(id)).await?);
    }
    Ok(page)
}
