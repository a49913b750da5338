//! Campaigns: from a brief to posts.
#![expect(unused_qualifications, reason = "the parameters of utoipa::path are named in full by its own code")]

use activities::store::{
    brands, briefs,
    campaigns::{self, Approval, Campaign, NewCampaign},
    connectors, posts, runs,
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use domain::{
    ids::{BrandId, BriefId, CampaignId, ConnectorId, PostId, RunId},
    platform::Platform,
    post::PostStatus,
    schedule::ScheduleSpec,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::campaign::{Cancelled, CreateCampaign, ForCampaign};

use super::briefs::BriefText;
use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::{Id, Json, Params},
    fields::Fields,
    idempotency::IdSource,
    page::{Page, Slice},
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Viewer, routes!(list)))
        .routes(may(Role::Editor, routes!(create)))
        .routes(may(Role::Viewer, routes!(get)))
        .routes(may(Role::Editor, routes!(cancel)))
}

/// A campaign to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "brand_id": "brd_06bv3s1k1xtkf0q9b4g2m8y7nc",
    "brief_id": "brf_06bv3s1k1xtkf0q9b4g2m8y7nc",
    "connectors": ["con_06bv3s1k1xtkf0q9b4g2m8y7nc"],
    "variants_per_post": 3,
    "approval": "required",
    "schedule": {"mode": "at", "at": "2027-01-15T09:00", "timezone": "Europe/Berlin"}
}))]
struct CampaignInput {
    /// The brand that speaks.
    #[schema(value_type = String)]
    brand_id: BrandId,
    /// The brief, written here; or `brief_id`.
    #[serde(default)]
    brief: Option<BriefText>,
    /// A brief that was written before; or `brief`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    brief_id: Option<BriefId>,
    /// The accounts to write for, 1 to 50; their platforms are among the brief's.
    #[schema(value_type = Vec<String>)]
    connectors: Vec<ConnectorId>,
    /// How many variants are written for each post, 1 to 5.
    #[serde(default = "three")]
    #[schema(minimum = 1, maximum = 5, default = 3)]
    variants_per_post: i32,
    /// `required`: a person decides over each post. `auto`: the best variant goes out where the lints have no error.
    #[serde(default = "required")]
    #[schema(value_type = String, default = "required")]
    approval: Approval,
    /// When posts go out once they are approved; without it they wait to be scheduled one by one.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    schedule: Option<ScheduleSpec>,
}

const fn three() -> i32 {
    3
}

const fn required() -> Approval {
    Approval::Required
}

/// What was started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Started {
    /// What it is about.
    #[schema(example = "cmp_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    pub(crate) id: String,
    /// The run to watch: `GET /v1/runs/{run_id}`.
    #[schema(value_type = String, example = "run_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    pub(crate) run_id: RunId,
}

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
struct CampaignView {
    /// Its id.
    #[schema(value_type = String, example = "cmp_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: CampaignId,
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

async fn view(tx: &mut activities::store::OrgTx, campaign: Campaign) -> ApiResult<CampaignView> {
    let posts = posts::list(tx, Some(campaign.asked.id), None, None, None, i64::MAX).await?;
    let statuses: Vec<_> = posts.iter().map(|p| p.status).collect();
    let (status, stage) = progress(&campaign, &statuses);
    let brief = |p: posts::Post| PostBrief { id: p.id, platform: p.platform, language: p.language.to_string(), status: p.status };
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

/// Start a campaign
#[utoipa::path(post, path = "/v1/campaigns", tag = "campaigns", operation_id = "create_campaign", request_body = CampaignInput,
    responses((status = 202, body = Started, description = "Started")))]
async fn create(State(app): State<App>, caller: Caller, ids: IdSource, Json(input): Json<CampaignInput>) -> ApiResult<impl IntoResponse> {
    let org = caller.org;
    let mut fields = Fields::default();
    if !(1..=5).contains(&input.variants_per_post) {
        fields.bad("/variants_per_post", "must be 1 to 5");
    }
    if let Some(schedule) = &input.schedule
        && let Err(error) = schedule.due(Utc::now())
    {
        fields.bad("/schedule/at", error.to_string());
    }
    let mut tx = app.store.in_org(org).await?;
    if brands::get(&mut tx, input.brand_id).await?.is_none() {
        fields.bad("/brand_id", "names no brand of yours");
    }
    let inline = input.brief.map(|text| text.check("/brief", &mut fields));
    let (brief_id, brief) = match (inline, input.brief_id) {
        (Some(brief), None) => (BriefId::derived(ids.0, "brief"), Some(brief)),
        (None, Some(id)) => {
            let stored = briefs::get(&mut tx, id).await?;
            match &stored {
                None => fields.bad("/brief_id", "names no brief of yours"),
                Some(stored) if stored.brand != input.brand_id => fields.bad("/brief_id", "is a brief of another brand"),
                Some(_) => {}
            }
            (id, stored.map(|s| s.brief))
        }
        (Some(_), Some(_)) => {
            fields.bad("/brief_id", "is given beside `brief`; give one of them");
            return Err(fields.done().err().unwrap_or_else(Problem::not_found));
        }
        (None, None) => {
            fields.bad("/brief", "is missing; give it, or `brief_id`");
            return Err(fields.done().err().unwrap_or_else(Problem::not_found));
        }
    };
    if input.connectors.is_empty() || input.connectors.len() > 50 {
        fields.bad("/connectors", "must name 1 to 50 accounts");
    }
    for (index, id) in input.connectors.iter().enumerate().take(50) {
        let at = format!("/connectors/{index}");
        match connectors::get(&mut tx, *id).await? {
            None => fields.bad(at, "names no account of yours"),
            Some(c) if c.state == "disconnected" => fields.bad(at, "is disconnected"),
            Some(c) if brief.as_ref().is_some_and(|b| !b.platforms.is_empty() && !b.platforms.contains(&c.platform)) => {
                fields.bad(at, format!("is on {}, which is not among the brief's platforms", c.platform));
            }
            Some(_) if input.connectors[..index].contains(id) => fields.bad(at, "is named twice"),
            Some(_) => {}
        }
    }
    fields.done()?;
    let Some(brief) = brief else { return Err(Problem::not_found()) };

    let campaign = NewCampaign {
        id: CampaignId::derived(ids.0, "campaign"),
        brand_id: input.brand_id,
        brief_id,
        name: brief.topic.chars().take(200).collect(),
        variants_per_post: input.variants_per_post,
        approval: input.approval,
        schedule: input.schedule,
        run_id: RunId::derived(ids.0, "campaign"),
    };
    if input.brief_id.is_none() {
        briefs::insert(&mut tx, brief_id, campaign.brand_id, &brief).await?;
    }
    // The campaign can be read as soon as this request is answered; the workflow's own insert then finds it there.
    campaigns::insert(&mut tx, &campaign).await?;
    tx.commit().await?;

    let (id, run_id) = (campaign.id, campaign.run_id);
    let start = CreateCampaign { org, campaign, connectors: input.connectors };
    let invocation = app.engine.send_object("Campaign", &id.to_string(), "create", &start, &run_id.to_string()).await?;
    let mut tx = app.store.in_org(org).await?;
    runs::insert(&mut tx, run_id, "Campaign", &id.to_string(), &invocation).await?;
    tx.commit().await?;
    let location = [(header::LOCATION, format!("/v1/campaigns/{id}"))];
    Ok((StatusCode::ACCEPTED, location, axum::Json(Started { id: id.to_string(), run_id })))
}

/// Which campaigns.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Of this brand only.
    #[param(value_type = Option<String>)]
    brand_id: Option<BrandId>,
    /// How many items, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List campaigns, newest first
#[utoipa::path(get, path = "/v1/campaigns", tag = "campaigns", operation_id = "list_campaigns", params(ListParams),
    responses((status = 200, body = Page<CampaignView>, description = "A page")))]
async fn list(State(app): State<App>, caller: Caller, Params(params): Params<ListParams>) -> ApiResult<axum::Json<Page<CampaignView>>> {
    let slice = Slice::new(params.limit, params.cursor.as_deref())?;
    let mut tx = app.store.in_org(caller.org).await?;
    let rows = campaigns::list(&mut tx, params.brand_id, slice.after, slice.rows()).await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        views.push(view(&mut tx, row).await?);
    }
    Ok(axum::Json(slice.page(views, |v| v.id, |v| v)))
}

/// One campaign
#[utoipa::path(get, path = "/v1/campaigns/{id}", tag = "campaigns", operation_id = "get_campaign", params(("id" = String, Path)),
    responses((status = 200, body = CampaignView, description = "The campaign"), (status = 404, description = "There is none")))]
async fn get(State(app): State<App>, caller: Caller, Id(id): Id<CampaignId>) -> ApiResult<axum::Json<CampaignView>> {
    let mut tx = app.store.in_org(caller.org).await?;
    let campaign = campaigns::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(view(&mut tx, campaign).await?))
}

/// What was stopped, and what had been sent.
#[derive(Debug, Serialize, ToSchema)]
struct CancelledView {
    /// Posts that will not go out any more.
    #[schema(value_type = Vec<String>)]
    stopped: Vec<PostId>,
    /// Posts that were on their platform, or on the way, already.
    #[schema(value_type = Vec<String>)]
    sent: Vec<PostId>,
}

/// Stop what has not been sent
#[utoipa::path(post, path = "/v1/campaigns/{id}/cancel", tag = "campaigns", operation_id = "cancel_campaign", params(("id" = String, Path)),
    responses((status = 200, body = CancelledView, description = "Stopped"), (status = 404, description = "There is none")))]
async fn cancel(State(app): State<App>, caller: Caller, ids: IdSource, Id(id): Id<CampaignId>) -> ApiResult<axum::Json<CancelledView>> {
    let org = caller.org;
    campaigns::get(&mut app.store.in_org(org).await?, id).await?.ok_or_else(Problem::not_found)?;
    let key = format!("{}:cancel", ids.0);
    let done: Cancelled = app.engine.call_object("Campaign", &id.to_string(), "cancel", &ForCampaign { org }, &key).await?;
    Ok(axum::Json(CancelledView { stopped: done.stopped, sent: done.sent }))
}
