//! How a campaign is shown: what was asked for, and how far it came.

use activities::store::{
    OrgTx,
    campaigns::{Approval, Campaign},
    posts::{self, Post},
};
use chrono::{DateTime, Utc};
use domain::{
    ids::{BrandId, BriefId, CampaignId, PostId, RunId},
    platform::Platform,
    post::PostStatus,
    schedule::ScheduleSpec,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::ApiResult;

/// How far a campaign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// Work on it goes on, or a person is waited for.
    Running,
    /// All its posts have ended.
    Finished,
    /// Nothing could be written.
    Failed,
    /// It was stopped.
    Cancelled,
}

/// What a campaign is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// Variants are being written.
    Generation,
    /// A person has to decide.
    Approval,
    /// Posts wait for their time, or are being sent.
    Publishing,
    /// Nothing more is to be done.
    Done,
}

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CampaignView {
    /// Its id.
    #[schema(value_type = String, example = "cmp_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    pub(super) id: CampaignId,
    /// A name for people.
    name: String,
    /// The brand that speaks.
    #[schema(value_type = String)]
    brand_id: BrandId,
    /// The brief that it carries out.
    #[schema(value_type = String)]
    brief_id: BriefId,
    /// How far it is.
    status: Status,
    /// What it is at.
    stage: Stage,
    /// Why nothing could be written, if so.
    failure: Option<String>,
    /// The run that writes it.
    #[schema(value_type = String)]
    run_id: RunId,
    /// Who decides.
    #[schema(value_type = String)]
    approval: Approval,
    /// Until when people should have decided.
    decide_by: Option<DateTime<Utc>>,
    /// When its posts go out once they are approved.
    #[schema(value_type = Option<Object>)]
    schedule: Option<ScheduleSpec>,
    /// Its posts.
    posts: Vec<PostBrief>,
    /// When it was asked for.
    created_at: DateTime<Utc>,
}

/// A post, briefly.
#[derive(Debug, Serialize, ToSchema)]
struct PostBrief {
    /// Its id.
    #[schema(value_type = String, example = "post_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: PostId,
    /// Its platform.
    #[schema(value_type = String)]
    platform: Platform,
    /// Its language.
    language: String,
    /// Its status.
    #[schema(value_type = String)]
    status: PostStatus,
}

/// Pure: what the facts say about how far a campaign is.
fn progress(campaign: &Campaign, posts: &[PostStatus]) -> (Status, Stage) {
    if campaign.cancelled_at.is_some() {
        (Status::Cancelled, Stage::Done)
    } else if campaign.failure.is_some() {
        (Status::Failed, Stage::Done)
    } else if campaign.generated_at.is_none() {
        (Status::Running, Stage::Generation)
    } else if posts.iter().any(|p| matches!(p, PostStatus::NeedsApproval | PostStatus::Draft)) {
        (Status::Running, Stage::Approval)
    } else if posts.iter().all(|p| p.is_final()) {
        (Status::Finished, Stage::Done)
    } else {
        (Status::Running, Stage::Publishing)
    }
}

pub(super) async fn view(tx: &mut OrgTx, campaign: Campaign) -> ApiResult<CampaignView> {
    let posts = posts::list(tx, Some(campaign.asked.id), None, None, None, i64::MAX).await?;
    let statuses: Vec<_> = posts.iter().map(|p| p.status).collect();
    let (status, stage) = progress(&campaign, &statuses);
    let brief = |p: Post| PostBrief { id: p.id, platform: p.platform, language: p.language.to_string(), status: p.status };
    Ok(CampaignView {
        id: campaign.asked.id,
        name: campaign.asked.name,
        brand_id: campaign.asked.brand_id,
        brief_id: campaign.asked.brief_id,
        status,
        stage,
        failure: campaign.failure,
        run_id: campaign.asked.run_id,
        approval: campaign.asked.approval,
        decide_by: campaign.decide_by,
        schedule: campaign.asked.schedule,
        posts: posts.into_iter().map(brief).collect(),
        created_at: campaign.created_at,
    })
}
