//! What a failure of the store means.

use std::time::Duration;

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use crate::ActivityError;

/// How long to wait if the store asks to slow down and does not say how long.
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// Classifies a failed request. Everything asked of the store is safe to repeat, so that a lost answer is only worth another try.
pub(super) fn classify<E: ProvideErrorMetadata>(what: &str, error: SdkError<E, HttpResponse>) -> ActivityError {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let retry_after =
        error.raw_response().and_then(|response| response.headers().get("retry-after")?.parse().ok()).map(Duration::from_secs);
    let said = || match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => status.map_or_else(|| "no answer".to_owned(), |status| format!("status {status}")),
    };
    let told = format!("media: {what}: {}", said());
    match (&error, status) {
        (SdkError::ConstructionFailure(_), _) => ActivityError::rejected(told),
        (_, None) => ActivityError::transient(told),
        (_, Some(404)) => ActivityError::not_found(told),
        (_, Some(401 | 403)) => ActivityError::credentials_expired(format!("{told}; check the access key and the bucket's policy")),
        (_, Some(429)) => ActivityError::rate_limited(retry_after.unwrap_or(SLOW_DOWN), told),
        (_, Some(503)) if error.code() == Some("SlowDown") => ActivityError::rate_limited(retry_after.unwrap_or(SLOW_DOWN), told),
        (_, Some(408 | 500..)) => ActivityError::transient(told),
        // A 2xx that makes no sense is a broken answer, not an objection.
        (SdkError::ResponseError(_), _) => ActivityError::transient(told),
        _ => ActivityError::rejected(told),
    }
}
