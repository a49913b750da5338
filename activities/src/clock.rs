//! The clock on the wall. Handlers have none; they read this one in a step.

/// Milliseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn now_millis() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
