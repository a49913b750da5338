//! Posts, read, and what they have beside their text; what people decide about them is in [`super::decisions`].
#![expect(unused_qualifications, reason = "the parameters of utoipa::path are named in full by its own code")]

pub(crate) mod options;
mod receipts;
mod view;

use activities::store::posts;
use axum::extract::State;
use domain::{
    ids::{CampaignId, PostId},
    platform::Platform,
    post::PostStatus,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use self::view::{PostView, VariantView, view};
use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::{Id, Params},
    page::{Page, Slice},
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(may(Role::Viewer, routes!(list)))
        .routes(may(Role::Viewer, routes!(get)))
        .routes(may(Role::Editor, routes!(options::update)))
        .routes(may(Role::Viewer, routes!(receipts::sent)))
}

/// Which posts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Of this campaign only.
    #[param(value_type = Option<String>)]
    campaign_id: Option<CampaignId>,
    /// In this status only.
    #[param(value_type = Option<String>)]
    status: Option<PostStatus>,
    /// For this platform only.
    #[param(value_type = Option<String>)]
    platform: Option<Platform>,
    /// How many items, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List posts, oldest first
#[utoipa::path(get, path = "/v1/posts", tag = "posts", operation_id = "list_posts", params(ListParams),
    responses((status = 200, body = Page<PostView>, description = "A page")))]
async fn list(State(app): State<App>, caller: Caller, Params(params): Params<ListParams>) -> ApiResult<axum::Json<Page<PostView>>> {
    let slice = Slice::new(params.limit, params.cursor.as_deref())?;
    let mut tx = app.store.in_org(caller.org).await?;
    let rows = posts::list(&mut tx, params.campaign_id, params.status, params.platform, slice.after, slice.rows()).await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        views.push(view(&mut tx, row).await?);
    }
    Ok(axum::Json(slice.page(views, |v| v.id, |v| v)))
}

/// One post
#[utoipa::path(get, path = "/v1/posts/{id}", tag = "posts", operation_id = "get_post", params(("id" = String, Path)),
    responses((status = 200, body = PostView, description = "The post"), (status = 404, description = "There is none")))]
async fn get(State(app): State<App>, caller: Caller, Id(id): Id<PostId>) -> ApiResult<axum::Json<PostView>> {
    let mut tx = app.store.in_org(caller.org).await?;
    let post = posts::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(view(&mut tx, post).await?))
}
