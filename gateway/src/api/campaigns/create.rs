//! How a campaign is started: one look at everything that it names, one insert, one send.

use std::collections::BTreeSet;

use activities::store::{
    OrgTx, briefs,
    campaigns::{self, Approval, Materials, NewCampaign},
};
use axum::{extract::State, response::Response};
use chrono::Utc;
use domain::{
    brief::Brief,
    ids::{AssetId, BrandId, BriefId, CampaignId, ConnectorId, OrgId, RunId},
    platform::Disclosure,
    post::{PostOptions, Threading},
    schedule::ScheduleSpec,
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::campaign::CreateCampaign;

use crate::{
    access::{Role, may},
    api::{briefs::BriefText, posts::options, started::Started},
    app::App,
    auth::Caller,
    engine::{self, NotedBy, Start},
    extract::Json,
    fields::Fields,
    idempotency::IdSource,
    problem::{ApiResult, Problem},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(may(Role::Editor, routes!(create)))
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
pub(in crate::api) struct CampaignInput {
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
    pub(in crate::api) schedule: Option<ScheduleSpec>,
    /// The files that hang on each post, in order; at most 35. One post's can be changed later: `PATCH /v1/posts/{id}`, as can all that follows.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    assets: Vec<AssetId>,
    /// A comment of our own that follows each post, up to 10,000 characters.
    #[serde(default)]
    first_comment: Option<String>,
    /// What platforms are told of the posts' origin: `paid_partnership`, `own_brand`, `ai_generated`.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    disclosures: BTreeSet<Disclosure>,
    /// How a text becomes a thread. `marked`: where a line holds only `---`. `split`: as well where it is too long for one post.
    #[serde(default)]
    #[schema(value_type = String, default = "marked")]
    thread: Threading,
}

const fn three() -> i32 {
    3
}

const fn required() -> Approval {
    Approval::Required
}

/// Start a campaign
#[utoipa::path(post, path = "/v1/campaigns", tag = "campaigns", operation_id = "create_campaign", request_body = CampaignInput,
    responses((status = 202, body = Started, description = "Started")))]
async fn create(State(app): State<App>, caller: Caller, ids: IdSource, Json(input): Json<CampaignInput>) -> ApiResult<Response> {
    let org = caller.org;
    let mut tx = app.store.in_org(org).await?;
    let (campaign, connectors) = accept(&mut tx, input, ids).await?;
    // The campaign can be read as soon as this request is answered; the workflow's own insert then finds it there.
    campaigns::insert(&mut tx, &campaign).await?;
    tx.commit().await?;
    begin(&app, org, campaign, connectors).await
}

/// Checks a campaign against what it names, and stores its brief if that was written beside it.
pub(in crate::api) async fn accept(tx: &mut OrgTx, input: CampaignInput, ids: IdSource) -> ApiResult<(NewCampaign, Vec<ConnectorId>)> {
    let found = campaigns::materials(tx, input.brand_id, input.brief_id, &input.connectors).await?;
    let connectors = input.connectors.clone();
    let written_here = input.brief.is_some();
    let mut fields = Fields::default();
    options::check_files(tx, &input.assets, &mut fields).await?;
    let (campaign, brief) = check(input, &found, ids, fields)?;
    if written_here {
        briefs::insert(tx, campaign.brief_id, campaign.brand_id, &brief).await?;
    }
    Ok((campaign, connectors))
}

/// Starts a campaign that is stored.
pub(in crate::api) async fn begin(app: &App, org: OrgId, campaign: NewCampaign, connectors: Vec<ConnectorId>) -> ApiResult<Response> {
    let (id, run_id) = (campaign.id.to_string(), campaign.run_id);
    let start = Start { service: "Campaign", key: Some(&id), handler: "create", run_id, subject: &id, noted_by: NotedBy::Workflow };
    engine::start(app, org, &start, &CreateCampaign { org, campaign, connectors }).await?;
    let location = format!("/v1/campaigns/{id}");
    Ok(Started { id, run_id }.at(location))
}

/// Names everything that is wrong with a campaign; otherwise the campaign, and the brief that it carries out.
fn check(input: CampaignInput, found: &Materials, ids: IdSource, mut fields: Fields) -> ApiResult<(NewCampaign, Brief)> {
    if !(1..=5).contains(&input.variants_per_post) {
        fields.bad("/variants_per_post", "must be 1 to 5");
    }
    if let Some(schedule) = &input.schedule
        && let Err(error) = schedule.due(Utc::now())
    {
        fields.bad(format!("/schedule/{}", error.field()), error.to_string());
    }
    if !found.brand {
        fields.bad("/brand_id", "names no brand of yours");
    }
    let inline = input.brief.map(|text| text.check("/brief", &mut fields));
    let (brief_id, brief) = match (inline, input.brief_id) {
        (Some(brief), None) => (BriefId::derived(ids.0, "brief"), Some(brief)),
        (None, Some(id)) => {
            match &found.brief {
                None => fields.bad("/brief_id", "names no brief of yours"),
                Some((brand, _)) if *brand != input.brand_id => fields.bad("/brief_id", "is a brief of another brand"),
                Some(_) => {}
            }
            (id, found.brief.as_ref().map(|(_, brief)| brief.clone()))
        }
        (Some(_), Some(id)) => {
            fields.bad("/brief_id", "is given beside `brief`; give one of them");
            (id, None)
        }
        (None, None) => {
            fields.bad("/brief", "is missing; give it, or `brief_id`");
            (BriefId::derived(ids.0, "brief"), None)
        }
    };
    accounts(&input.connectors, found, brief.as_ref(), &mut fields);
    let options =
        PostOptions { assets: input.assets, first_comment: input.first_comment, disclosures: input.disclosures, thread: input.thread };
    options::check(&options, &mut fields);
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
        options,
        run_id: RunId::derived(ids.0, "campaign"),
    };
    Ok((campaign, brief))
}

fn accounts(named: &[ConnectorId], found: &Materials, brief: Option<&Brief>, fields: &mut Fields) {
    if named.is_empty() || named.len() > 50 {
        fields.bad("/connectors", "must name 1 to 50 accounts");
        return;
    }
    // A brief that names no platform is told so; that no account fits it says nothing more.
    let platforms = brief.map(|brief| &brief.platforms).filter(|platforms| !platforms.is_empty());
    for (index, id) in named.iter().enumerate() {
        let at = format!("/connectors/{index}");
        match found.accounts.iter().find(|account| account.id == *id) {
            None => fields.bad(at, "names no account of yours"),
            Some(account) if account.disconnected => fields.bad(at, "is disconnected"),
            Some(account) if platforms.is_some_and(|platforms| !platforms.contains(&account.platform)) => {
                fields.bad(at, format!("is on {}, which is not among the brief's platforms", account.platform));
            }
            Some(_) if named[..index].contains(id) => fields.bad(at, "is named twice"),
            Some(_) => {}
        }
    }
}
