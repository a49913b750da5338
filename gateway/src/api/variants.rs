//! Variants: rewritten as a person asks, and scored on demand.

use activities::{
    drafting,
    store::{posts, variants},
};
use axum::{extract::State, response::Response};
use domain::ids::{RunId, VariantId};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use workflows::drafting::Rewrite;

use super::{posts::VariantView, started::Started};
use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
    engine::{self, NotedBy, Start},
    extract::{Id, Json},
    fields::Fields,
    idempotency::IdSource,
    problem::{ApiResult, Code, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(may(Role::Editor, routes!(rewrite))).routes(may(Role::Reviewer, routes!(score)))
}

/// What is to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"instruction": "Shorter, and name the farm."}))]
struct Instruction {
    /// In a person's words, 1 to 1,000 characters.
    instruction: String,
}

/// Have a variant rewritten
///
/// The text is linted and scored anew. If it was approved, the approval is void. Once the post is being sent, or is not to be sent, it is refused.
#[utoipa::path(post, path = "/v1/variants/{id}/rewrite", tag = "posts", operation_id = "rewrite_variant", params(("id" = String, Path)),
    request_body = Instruction, responses((status = 202, body = Started, description = "Started"), (status = 404, description = "There is none")))]
async fn rewrite(
    State(app): State<App>,
    caller: Caller,
    ids: IdSource,
    Id(id): Id<VariantId>,
    Json(input): Json<Instruction>,
) -> ApiResult<Response> {
    let mut fields = Fields::default();
    fields.text("/instruction", &input.instruction, 1000);
    fields.done()?;
    let org = caller.org;
    let mut tx = app.store.in_org(org).await?;
    let variant = variants::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let status = posts::require(&mut tx, variant.post_id).await?.status;
    drop(tx);
    // The workflow asks again: the post may go out meanwhile.
    if !status.can_be_rewritten() {
        return Err(Problem::new(Code::PostNotRewritable).detail(format!("The post is {status}, so its texts cannot be changed any more.")));
    }
    let run_id = RunId::derived(ids.0, "rewrite");
    let start = Rewrite { org, variant_id: id, instruction: input.instruction };
    let subject = id.to_string();
    let rewrite = Start { service: "Drafting", key: None, handler: "rewrite", run_id, subject: &subject, noted_by: NotedBy::Gateway };
    engine::start(&app, org, &rewrite, &start).await?;
    Ok(Started { id: subject, run_id }.at(format!("/v1/posts/{}", variant.post_id)))
}

/// Score a variant as it stands
///
/// Its text is linted, and held against the brand's voice in force.
#[utoipa::path(post, path = "/v1/variants/{id}/score", tag = "posts", operation_id = "score_variant", params(("id" = String, Path)),
    responses((status = 200, body = VariantView, description = "Scored"), (status = 404, description = "There is none")))]
async fn score(State(app): State<App>, caller: Caller, Id(id): Id<VariantId>) -> ApiResult<axum::Json<VariantView>> {
    let mut tx = app.store.in_org(caller.org).await?;
    let post = variants::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?.post_id;
    // Its marks are stored with its words: nobody changes those until this is done.
    posts::lock(&mut tx, post).await?;
    let variant = variants::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let scored = drafting::score_variant(&mut tx, variant).await?;
    let shown = VariantView::read(&mut tx, scored).await?;
    tx.commit().await?;
    Ok(axum::Json(shown))
}
