//! Who asks.

use activities::store::orgs;
use axum::extract::State;
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
    OpenApiRouter::new().routes(may(Role::Viewer, routes!(me)))
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
