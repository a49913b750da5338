//! Posts, read; what people do to them is in [`super::decisions`].
#![expect(unused_qualifications, reason = "the parameters of utoipa::path are named in full by its own code")]

use activities::store::{
    OrgTx, posts,
    posts::Post,
    receipts::{self, Receipt},
    variants::{self, Variant},
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::{
    ids::{CampaignId, ConnectorId, PostId, ReceiptId, VariantId},
    platform::Platform,
    post::PostStatus,
    schedule::ScheduleSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

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
        .routes(may(Role::Viewer, routes!(sent)))
}

/// A post.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PostView {
    /// Its id.
    #[schema(value_type = String, example = "post_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: PostId,
    /// The campaign that it belongs to.
    #[schema(value_type = String)]
    campaign_id: CampaignId,
    /// The account that it goes to.
    #[schema(value_type = String)]
    connector_id: ConnectorId,
    /// That account's platform.
    #[schema(value_type = String)]
    platform: Platform,
    /// The language it is written in.
    language: String,
    /// Its status.
    #[schema(value_type = String, example = "needs_approval")]
    status: PostStatus,
    /// What a person should know about the status.
    note: Option<String>,
    /// Its candidate texts.
    variants: Vec<VariantView>,
    /// The variant that was decided for.
    #[schema(value_type = Option<String>)]
    approved_variant_id: Option<VariantId>,
    /// Who decided, and when.
    decision: Option<DecisionView>,
    /// When it goes out.
    schedule: Option<ScheduleView>,
    /// How it went out.
    published: Option<PublishedView>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// Who decided over a post.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionView {
    /// Who.
    by: String,
    /// When.
    at: Option<DateTime<Utc>>,
}

/// When a post goes out.
#[derive(Debug, Serialize, ToSchema)]
struct ScheduleView {
    /// What was asked for: the mode, and the wall time and zone where there is one.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    asked: ScheduleSpec,
    /// The instant that it comes to.
    due_at: Option<DateTime<Utc>>,
}

/// How a post went out.
#[derive(Debug, Serialize, ToSchema)]
struct PublishedView {
    /// The platform's id of it.
    external_id: Option<String>,
    /// Where people see it.
    url: Option<String>,
    /// When.
    at: Option<DateTime<Utc>>,
    /// How many attempts it took.
    attempts: usize,
    /// How it is known: `answer`, `lookup`, `resend`, `person:<who>`.
    resolved_by: Option<String>,
    /// By how many milliseconds it went out late, where that is worth telling.
    late_ms: Option<i64>,
}

/// A candidate text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VariantView {
    /// Its id.
    #[schema(value_type = String, example = "var_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: VariantId,
    /// Exactly what would be sent.
    content: String,
    /// The parts it is sent in; one, unless it is a thread.
    parts: Vec<String>,
    /// The tags in it.
    hashtags: Vec<String>,
    /// The links in it: `url`, `short_url`.
    #[schema(value_type = Vec<Object>)]
    links: Value,
    /// What a picture for it could show.
    image_prompt: Option<String>,
    /// The language it is written in.
    language: String,
    /// `brand_fit`, `readability`, `risk`, `total`, each 0 to 1; null until it was scored.
    #[schema(value_type = Option<Object>)]
    score: Option<Value>,
    /// Why the voice finds it fitting or not.
    #[schema(value_type = Vec<Object>)]
    reasons: Value,
    /// `rule`, `severity`, `message`.
    #[schema(value_type = Vec<Object>)]
    lints: Value,
    /// The model that wrote it.
    model: String,
    /// How often it was rewritten because of its lints.
    rewrites: i32,
}

impl From<Variant> for VariantView {
    fn from(v: Variant) -> Self {
        Self {
            id: v.id,
            parts: vec![v.content.clone()],
            content: v.content,
            hashtags: v.hashtags,
            links: v.links,
            image_prompt: v.image_prompt,
            language: v.language.to_string(),
            score: v.score,
            reasons: v.reasons,
            lints: v.lints,
            model: v.model,
            rewrites: v.rewrites,
        }
    }
}

/// A post with everything that belongs to it.
pub(crate) async fn view(tx: &mut OrgTx, post: Post) -> ApiResult<PostView> {
    let variants = variants::of_post(tx, post.id).await?;
    let published = match post.status {
        PostStatus::Published => Some(PublishedView {
            attempts: receipts::of_post(tx, post.id).await?.len(),
            external_id: post.external_id,
            url: post.url,
            at: post.published_at,
            resolved_by: post.resolved_by,
            late_ms: post.late_ms,
        }),
        _ => None,
    };
    Ok(PostView {
        id: post.id,
        campaign_id: post.campaign_id,
        connector_id: post.connector_id,
        platform: post.platform,
        language: post.language.to_string(),
        status: post.status,
        note: post.note,
        variants: variants.into_iter().map(Into::into).collect(),
        approved_variant_id: post.approved_variant_id,
        decision: post.decided_by.map(|by| DecisionView { by, at: post.decided_at }),
        schedule: post.schedule.map(|asked| ScheduleView { asked, due_at: post.due_at }),
        published,
        created_at: post.created_at,
    })
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

/// One attempt to send a post.
#[derive(Debug, Serialize, ToSchema)]
struct ReceiptView {
    /// Its id.
    #[schema(value_type = String, example = "rcp_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: ReceiptId,
    /// Counts the attempts, from 1.
    attempt: i32,
    /// When the exact bytes were put down.
    armed_at: DateTime<Utc>,
    /// When sending began; null: no byte left.
    sent_at: Option<DateTime<Utc>>,
    /// When it was known what came of it.
    answered_at: Option<DateTime<Utc>>,
    /// SHA-256 of the bytes, in hexadecimal.
    body_hash: String,
    /// How many parts the post has.
    parts: i32,
    /// `published`, `rejected`, `rate_limited`, `credentials_expired`, `not_sent`, `unknown`, `absent`; null: not known yet.
    outcome: Option<String>,
    /// The platform's id of the post.
    external_id: Option<String>,
    /// Where people see it.
    url: Option<String>,
    /// What came back, for a person.
    what: Option<String>,
    /// How it is known.
    resolved_by: Option<String>,
    /// What a look-up saw.
    #[schema(value_type = Option<Object>)]
    evidence: Option<Value>,
}

impl From<Receipt> for ReceiptView {
    fn from(r: Receipt) -> Self {
        Self {
            id: r.id,
            attempt: r.attempt,
            armed_at: r.armed_at,
            sent_at: r.sent_at,
            answered_at: r.answered_at,
            body_hash: r.body_hash,
            parts: r.parts,
            outcome: r.outcome,
            external_id: r.external_id,
            url: r.url,
            what: r.what,
            resolved_by: r.resolved_by,
            evidence: r.evidence,
        }
    }
}

/// All attempts to send a post.
#[derive(Debug, Serialize, ToSchema)]
struct Receipts {
    /// The attempts, in order.
    items: Vec<ReceiptView>,
}

/// Every attempt to send a post
#[utoipa::path(get, path = "/v1/posts/{id}/receipts", tag = "posts", operation_id = "list_receipts", params(("id" = String, Path)),
    responses((status = 200, body = Receipts, description = "The attempts"), (status = 404, description = "There is no such post")))]
async fn sent(State(app): State<App>, caller: Caller, Id(id): Id<PostId>) -> ApiResult<axum::Json<Receipts>> {
    let mut tx = app.store.in_org(caller.org).await?;
    posts::get(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let items = receipts::of_post(&mut tx, id).await?.into_iter().map(Into::into).collect();
    Ok(axum::Json(Receipts { items }))
}
