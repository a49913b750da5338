//! XRPC's error answers: JSON with a name that clients branch on (`error`) and a text (`message`).

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
    pub(crate) message: String,
}

impl Refusal {
    fn new(status: StatusCode, error: &str, message: impl Into<String>) -> Self {
        Self { status, error: error.to_owned(), message: message.into() }
    }

    /// 400 of this name; the PDS says 400 for expired tokens and missing records too.
    pub(crate) fn bad(error: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, message)
    }

    /// 400 `InvalidRequest`.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::bad("InvalidRequest", message)
    }

    /// 401 for somebody else's repository or a wrong password.
    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "AuthenticationRequired", message)
    }

    /// 403 for a repository that there is not.
    pub(crate) fn no_account() -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccountNotFound", "Account not found")
    }

    /// 401 for no token at all.
    pub(crate) fn no_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "AuthMissing", "Authentication Required")
    }

    /// 404 of a method that the stand-in does not have.
    pub(crate) fn no_method() -> Self {
        Self::new(StatusCode::NOT_FOUND, "XRPCNotSupported", "XRPCNotSupported")
    }

    /// The answer for a status that comes from an order to misbehave, a full budget, or a conflict that the PDS does not name.
    pub(crate) fn of(status: StatusCode) -> Self {
        let (error, message) = match status.as_u16() {
            413 => ("PayloadTooLarge", "request entity too large"),
            429 => ("RateLimitExceeded", "Rate Limit Exceeded"),
            500 => ("InternalServerError", "Internal Server Error"),
            502 => ("UpstreamFailure", "Upstream Failure"),
            503 => ("NotEnoughResources", "Not Enough Resources"),
            504 => ("UpstreamTimeout", "Upstream Timeout"),
            _ => ("InvalidRequest", status.canonical_reason().unwrap_or("Error")),
        };
        Self::new(status, error, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.error, "message": self.message }))).into_response()
    }
}
