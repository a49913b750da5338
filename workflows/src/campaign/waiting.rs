//! The timers that run while people decide: a reminder and a deadline, as delayed sends to the campaign itself.
//!
//! They are called off with the last decision. Fired for nothing they would do no harm, but the campaign's run would wait for them long after
//! everything has been decided.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::ids::OrgId;
use restate_sdk::prelude::*;

use super::{CampaignClient, ForCampaign};
use crate::clock;

/// The timers' invocations, in the campaign's state.
const STATE: &str = "timers";

/// Sets both timers; the ones before are called off. There is no reminder where it would not come before the deadline, or `reminder_seconds` is 0.
pub(super) async fn begin(
    ctx: &ObjectContext<'_>,
    org: OrgId,
    reminder_seconds: u64,
    now: DateTime<Utc>,
    decide_by: DateTime<Utc>,
) -> Result<(), TerminalError> {
    end(ctx).await?;
    let me = || ctx.object_client::<CampaignClient>(ctx.key());
    let (reminder, deadline) = (Duration::from_secs(reminder_seconds), clock::until(decide_by, now));
    let mut sent = Vec::new();
    if !reminder.is_zero() && reminder < deadline {
        sent.push(me().remind(Json(ForCampaign { org })).send_after(reminder));
    }
    sent.push(me().finish(Json(ForCampaign { org })).send_after(clock::timer(decide_by)));
    let mut timers = Vec::with_capacity(sent.len());
    for timer in sent {
        timers.push(timer.await?.invocation_id().to_owned());
    }
    ctx.set(STATE, Json(timers));
    Ok(())
}

/// Whether they are set.
pub(super) async fn is_on(ctx: &ObjectContext<'_>) -> Result<bool, TerminalError> {
    Ok(ctx.get::<Json<Vec<String>>>(STATE).await?.is_some())
}

/// Calls off what has not fired. One that has is left alone: the engine takes no notice of a cancellation that comes too late.
pub(super) async fn end(ctx: &ObjectContext<'_>) -> Result<(), TerminalError> {
    if let Some(timers) = ctx.get::<Json<Vec<String>>>(STATE).await? {
        for timer in timers.into_inner() {
            ctx.invocation_handle(timer).cancel();
        }
        ctx.clear(STATE);
    }
    Ok(())
}

/// The deadline has fired, and is the last of them.
pub(super) fn over(ctx: &ObjectContext<'_>) {
    ctx.clear(STATE);
}
