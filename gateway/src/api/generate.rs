//! Posts out of a brief, without a campaign's plan: they are written for every account that the brief is for, and wait for a person.

use activities::store::{
    briefs,
    campaigns::{self, Approval, NewCampaign},
    connectors,
};
use axum::{extract::State, response::Response};
use domain::ids::{BriefId, CampaignId, RunId};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{campaigns::begin, started::Started};
use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::Json,
    fields::Fields,
    idempotency::IdSource,
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(may(Role::Editor, routes!(generate)))
}

/// What is written from.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "brief_id": "brf_06bv3s1k1xtkf0q9b4g2m8y7nc", "variants": 3 }))]
struct GenerateInput {
    /// The brief.
    #[schema(value_type = String)]
    brief_id: BriefId,
    /// How many variants a post gets, 1 to 5; 3 unless said.
    #[schema(minimum = 1, maximum = 5)]
    variants: Option<i32>,
}

/// Write posts from a brief
///
/// For every connected account on the brief's platforms, in every language of the brief. The posts wait for a person, and are then scheduled one by
/// one. The answer names the campaign that holds them.
#[utoipa::path(post, path = "/v1/posts/generate", tag = "posts", operation_id = "generate_posts", request_body = GenerateInput,
    responses((status = 202, body = Started, description = "Started")))]
async fn generate(State(app): State<App>, caller: Caller, ids: IdSource, Json(input): Json<GenerateInput>) -> ApiResult<Response> {
    let org = caller.org;
    let mut fields = Fields::default();
    let variants_per_post = input.variants.unwrap_or(3);
    if !(1..=5).contains(&variants_per_post) {
        fields.bad("/variants", "must be 1 to 5");
    }
    let mut tx = app.store.in_org(org).await?;
    let Some(stored) = briefs::get(&mut tx, input.brief_id).await? else {
        fields.bad("/brief_id", "names no brief of yours");
        return Err(fields.done().err().unwrap_or_else(Problem::not_found));
    };
    let accounts: Vec<_> = connectors::list(&mut tx, None, 200)
        .await?
        .into_iter()
        .filter(|c| c.state != "disconnected" && stored.brief.platforms.contains(&c.platform))
        .map(|c| c.id)
        .collect();
    if accounts.is_empty() {
        fields.bad("/brief_id", "is for platforms on which no account is connected");
    }
    fields.done()?;

    let campaign = NewCampaign {
        id: CampaignId::derived(ids.0, "campaign"),
        brand_id: stored.brand,
        brief_id: input.brief_id,
        name: stored.brief.topic.chars().take(200).collect(),
        variants_per_post,
        approval: Approval::Required,
        schedule: None,
        options: domain::post::PostOptions::default(),
        run_id: RunId::derived(ids.0, "campaign"),
    };
    campaigns::insert(&mut tx, &campaign).await?;
    tx.commit().await?;
    begin(&app, org, campaign, accounts).await
}
