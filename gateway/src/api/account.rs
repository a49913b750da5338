//! Who asks.

use activities::store::{orgs, usage};
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::ids::OrgId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Role, may},
    app::App,
    auth::{Actor, Caller},
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(may(Role::Viewer, routes!(me))).routes(may(Role::Viewer, routes!(used)))
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    /// The org.
    org: OrgView,
    /// The role in it.
    role: Role,
    /// The key or the person.
    actor: ActorView,
}

/// An org, briefly.
#[derive(Debug, Serialize, ToSchema)]
struct OrgView {
    /// Its id.
    #[schema(value_type = String, example = "org_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: OrgId,
    /// Its name.
    name: String,
}

/// A key or a person.
#[derive(Debug, Serialize, ToSchema)]
struct ActorView {
    /// `key` or `user`.
    kind: &'static str,
    /// Its id.
    id: String,
    /// Its name.
    name: String,
}

/// Who am I, in which org, in which role
#[utoipa::path(get, path = "/v1/me", tag = "account", responses((status = 200, body = Me, description = "You")))]
async fn me(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<Me>> {
    let mut tx = app.store.in_org(caller.org).await?;
    let org = orgs::get(&mut tx).await?.ok_or_else(|| Problem::internal("the caller's org is gone"))?;
    let (kind, id, name) = match caller.actor {
        Actor::Key { id, name } => ("key", id.to_string(), name),
        Actor::User { id, name } => ("user", id.to_string(), name),
    };
    Ok(axum::Json(Me { org: OrgView { id: caller.org, name: org.name }, role: caller.role, actor: ActorView { kind, id, name } }))
}

/// What the org used since the month began (UTC).
#[derive(Debug, Serialize, ToSchema)]
struct UsageView {
    /// When the month began.
    since: DateTime<Utc>,
    /// Tokens of language models.
    tokens: TokensView,
    /// Posts.
    posts: PostsUsed,
}

/// Tokens of language models.
#[derive(Debug, Serialize, ToSchema)]
struct TokensView {
    /// All that were read and written.
    total: i64,
    /// How many may be used in a month; null: no limit.
    quota: Option<i64>,
    /// By model.
    models: Vec<ModelTokensView>,
}

/// Tokens of one model.
#[derive(Debug, Serialize, ToSchema)]
struct ModelTokensView {
    /// The model.
    model: String,
    /// Tokens read.
    input: i64,
    /// Tokens written.
    output: i64,
}

/// Posts that were made and that went out.
#[derive(Debug, Serialize, ToSchema)]
struct PostsUsed {
    /// Made.
    created: i64,
    /// Gone out.
    published: i64,
}

/// What the org has used in this month, and its quotas
#[utoipa::path(get, path = "/v1/usage", tag = "account", operation_id = "usage", responses((status = 200, body = UsageView, description = "Usage")))]
async fn used(State(app): State<App>, caller: Caller) -> ApiResult<axum::Json<UsageView>> {
    let mut tx = app.store.in_org(caller.org).await?;
    let org = orgs::get(&mut tx).await?.ok_or_else(|| Problem::internal("the caller's org is gone"))?;
    let usage = usage::this_month(&mut tx).await?;
    let total = usage.tokens.iter().map(|t| t.input + t.output).sum();
    let models = usage.tokens.into_iter().map(|t| ModelTokensView { model: t.model, input: t.input, output: t.output }).collect();
    Ok(axum::Json(UsageView {
        since: usage.since,
        tokens: TokensView { total, quota: org.token_budget, models },
        posts: PostsUsed { created: usage.posts_created, published: usage.posts_published },
    }))
}
