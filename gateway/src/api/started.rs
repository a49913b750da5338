//! What every route answers that starts a workflow.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::ids::RunId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::idempotency;

/// What was started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Started {
    /// What it is about.
    #[schema(example = "cmp_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    pub(crate) id: String,
    /// The run to watch: `GET /v1/runs/{run_id}`.
    #[schema(value_type = String, example = "run_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    pub(crate) run_id: RunId,
}

impl Started {
    /// 202, with where to read what was started.
    pub(crate) fn at(self, location: String) -> Response {
        let mut response = (StatusCode::ACCEPTED, [(header::LOCATION, location)], axum::Json(self)).into_response();
        idempotency::keep_later(&mut response);
        response
    }
}
