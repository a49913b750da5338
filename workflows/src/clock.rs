//! The time, as a journalled fact: a replay sees the time that the first run saw.

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use crate::{
    step::{Failure, Journal, Retry, step},
    world::World,
};

/// The present instant, in whole milliseconds, so that it reads back from the journal as it was written.
///
/// # Errors
/// When the invocation was cancelled.
pub fn now<'c, C: Journal<'c>>(ctx: &C, world: &World) -> BoxFuture<'c, Result<DateTime<Utc>, Failure>> {
    let millis = step(ctx, world, "clock.read", Retry::Always, |_| async { Ok(activities::clock::now_millis()) });
    Box::pin(async move { Ok(DateTime::from_timestamp_millis(millis.await?).unwrap_or_default()) })
}

/// How long until `at`, as a delay for a timer: nothing if it is over.
#[must_use]
pub fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> std::time::Duration {
    (at - now).to_std().unwrap_or_default()
}
