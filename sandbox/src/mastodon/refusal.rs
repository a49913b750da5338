//! Mastodon's error answers: JSON with one `error`, in its own English texts, which connectors must not rely on but people will read.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    /// 422 for what a model's validation refuses.
    pub(crate) fn invalid(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("Validation failed: {what}"))
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Record not found")
    }

    /// 401 of Doorkeeper; `why` is "is invalid", "was revoked" or "expired".
    pub(crate) fn token(why: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, format!("The access token {why}"))
    }

    pub(crate) fn too_many() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests")
    }

    /// snac's way: a status and no body.
    pub(crate) fn wordless(status: StatusCode) -> Self {
        Self::new(status, "")
    }

    /// The answer for a status that comes from an order to misbehave.
    pub(crate) fn of(status: StatusCode) -> Self {
        let error = match status.as_u16() {
            429 => "Too many requests",
            500 => "We're sorry, but something went wrong on our end.",
            503 => "There was a temporary problem serving your request, please try again",
            _ => status.canonical_reason().unwrap_or("Error"),
        };
        Self::new(status, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if self.error.is_empty() {
            return self.status.into_response();
        }
        let unauthorized = self.status == StatusCode::UNAUTHORIZED;
        let mut response = (self.status, Json(json!({ "error": self.error }))).into_response();
        if unauthorized {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="Doorkeeper", error="invalid_token""#));
        }
        response
    }
}
