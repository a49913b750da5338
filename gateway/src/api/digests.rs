//! Digests; who gets them when stands in [`subscriptions`].

mod subscriptions;

use activities::store::digests::{self, Digest};
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::ids::{BrandId, DigestId, SubscriptionId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    extract::{Id, Params},
    page::{BrandPageParams, Page, Slice},
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(subscriptions::routes()).routes(may(Role::Viewer, routes!(list))).routes(may(Role::Viewer, routes!(get)))
}

/// A digest.
#[derive(Debug, Serialize, ToSchema)]
struct DigestView {
    /// Its id.
    #[schema(value_type = String, example = "dig_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: DigestId,
    /// The subscription that asked for it.
    #[schema(value_type = String)]
    subscription_id: SubscriptionId,
    /// Whose posts it sums up.
    #[schema(value_type = String)]
    brand_id: BrandId,
    /// The numbers.
    #[schema(value_type = Object)]
    data: serde_json::Value,
    /// In words.
    summary: String,
    /// As a page.
    html: String,
    /// As text.
    text: String,
    /// The Message-ID of its mail.
    message_id: String,
    /// When it was mailed.
    mailed_at: Option<DateTime<Utc>>,
    /// What is to be known about its mail.
    mail_note: Option<String>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

fn view(digest: Digest) -> DigestView {
    DigestView {
        id: digest.id,
        subscription_id: digest.subscription_id,
        brand_id: digest.brand_id,
        data: serde_json::to_value(digest.data).unwrap_or_default(),
        summary: digest.summary,
        html: digest.html,
        text: digest.text,
        message_id: digest.message_id,
        mailed_at: digest.mailed_at,
        mail_note: digest.mail_note,
        created_at: digest.created_at,
    }
}

/// List digests, newest first
#[utoipa::path(get, path = "/v1/digests", tag = "digests", operation_id = "list_digests", params(BrandPageParams),
    responses((status = 200, body = Page<DigestView>, description = "A page")))]
async fn list(State(app): State<App>, caller: Caller, Params(params): Params<BrandPageParams>) -> ApiResult<axum::Json<Page<DigestView>>> {
    let slice = Slice::new(params.limit, params.cursor.as_deref())?;
    let rows = digests::list(&mut app.store.in_org(caller.org).await?, params.brand_id, slice.after, slice.rows()).await?;
    Ok(axum::Json(slice.page(rows, |d| d.id, view)))
}

/// One digest, as data, HTML and text
#[utoipa::path(get, path = "/v1/digests/{id}", tag = "digests", operation_id = "get_digest", params(("id" = String, Path)),
    responses((status = 200, body = DigestView, description = "The digest"), (status = 404, description = "There is none")))]
async fn get(State(app): State<App>, caller: Caller, Id(id): Id<DigestId>) -> ApiResult<axum::Json<DigestView>> {
    let digest = digests::get(&mut app.store.in_org(caller.org).await?, id).await?.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(view(digest)))
}
