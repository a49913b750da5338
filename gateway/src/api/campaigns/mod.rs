//! Campaigns: from a brief to posts.
mod create;
mod progress;

use activities::store::campaigns;
use axum::extract::State;
use domain::ids::{CampaignId, PostId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::campaign::{Cancelled, ForCampaign};

pub(super) use self::create::{CampaignInput, accept, begin};
use self::progress::{CampaignView, view};
use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::{Id, Params},
    idempotency::IdSource,
    page::{BrandPageParams, Page, Slice},
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Viewer, routes!(list)))
        .merge(create::routes())
        .routes(may(Role::Viewer, routes!(get)))
        .routes(may(Role::Editor, routes!(cancel)))
}

/// List campaigns, newest first
#[utoipa::path(get, path = "/v1/campaigns", tag = "campaigns", operation_id = "list_campaigns", params(BrandPageParams),
    responses((status = 200, body = Page<CampaignView>, description = "A page")))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<BrandPageParams>,
) -> ApiResult<axum::Json<Page<CampaignView>>> {
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
