//! Whether the process lives, whether it can work, and its figures.

use axum::{extract::State, http::header, response::IntoResponse};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::anyone,
    app::App,
    problem::{ApiResult, Code, Problem},
    telemetry,
};

/// A service that every deployment of ours holds.
const PROBE_SERVICE: &str = "Campaign";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(anyone(routes!(healthz))).routes(anyone(routes!(readyz))).routes(anyone(routes!(figures)))
}

/// How the process is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
}

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", tag = "system", responses((status = 200, body = Health, description = "It does")))]
async fn healthz() -> axum::Json<Health> {
    axum::Json(Health { status: "ok" })
}

/// Whether it can work: the database and the engine answer, and the workflows are deployed
#[utoipa::path(get, path = "/readyz", tag = "system", responses(
    (status = 200, body = Health, description = "It can"),
    (status = 503, description = "It cannot; the detail says what is away", body = crate::problem::ProblemDocument, content_type = "application/problem+json"),
))]
async fn readyz(State(app): State<App>) -> ApiResult<axum::Json<Health>> {
    let (database, engine, deployed) = tokio::join!(app.store.ping(), app.engine.ready(), app.engine.has_service(PROBE_SERVICE));
    let mut away = Vec::new();
    if let Err(error) = database {
        tracing::warn!(%error, "the database does not answer");
        away.push("the database does not answer");
    }
    match (engine, deployed) {
        (Err(error), _) | (Ok(()), Err(error)) => {
            tracing::warn!(%error, "the engine does not answer");
            away.push("the engine does not answer");
        }
        (Ok(()), Ok(false)) => away.push("the workflows are not deployed"),
        (Ok(()), Ok(true)) => {}
    }
    if away.is_empty() {
        Ok(axum::Json(Health { status: "ok" }))
    } else {
        Err(Problem::new(Code::Unavailable).detail(away.join("; ")).header(header::RETRY_AFTER, 2))
    }
}

/// The figures, as Prometheus reads them
#[utoipa::path(get, path = "/metrics", tag = "system", responses((status = 200, body = String, content_type = "text/plain", description = "Prometheus text")))]
async fn figures() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], telemetry::render())
}
