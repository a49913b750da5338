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

/// How long from `now` until `at`: nothing if it is over. A fact to decide on, where `now` is one.
#[must_use]
pub fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> std::time::Duration {
    (at - now).to_std().unwrap_or_default()
}

/// The delay of a send that is to arrive at `at`. For `send_after` and nothing else.
///
/// By the clock of this very moment, and on purpose no journalled fact: the engine's client adds the delay to the time at which it sends, so that a delay
/// from an instant that was read before would make the timer late by all that came in between, were it a database that was away for an hour. A replay
/// does not compare delays, and a send that stands in the journal is not sent again; but whatever is decided on a delay would be decided anew.
#[must_use]
pub fn timer(at: DateTime<Utc>) -> std::time::Duration {
    until(at, DateTime::from_timestamp_millis(activities::clock::now_millis()).unwrap_or_default())
}
