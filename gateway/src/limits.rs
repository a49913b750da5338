//! How often one key or user may ask.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::{StateInformationMiddleware, StateSnapshot},
    state::keyed::DashMapStateStore,
};
use uuid::Uuid;

use crate::{
    auth::Caller,
    problem::{Code, Problem},
};

static LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
static REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
static RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// After how many requests the memory of callers that have been quiet is given back.
const SWEEP_EVERY: u32 = 4096;

/// What a caller has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    limit: u32,
    remaining: u32,
    /// Seconds until all of `limit` is there again.
    reset: u64,
}

/// The limiter of requests, by caller.
pub(crate) struct RequestLimits {
    limiter: RateLimiter<Uuid, DashMapStateStore<Uuid>, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
    taken: AtomicU32,
}

impl std::fmt::Debug for RequestLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestLimits").field("callers", &self.limiter.len()).finish_non_exhaustive()
    }
}

impl RequestLimits {
    /// `per_minute` in the long run, `burst` at once; 0 counts as 1.
    pub(crate) fn new(per_minute: u32, burst: u32) -> Self {
        let one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_minute(one(per_minute)).allow_burst(one(burst));
        Self {
            limiter: RateLimiter::dashmap(quota).with_middleware::<StateInformationMiddleware>(),
            clock: DefaultClock::default(),
            taken: AtomicU32::new(0),
        }
    }

    /// Counts one request of `caller`.
    ///
    /// # Errors
    /// 429 when there have been too many, with the headers that say until when.
    pub(crate) fn take(&self, caller: &Caller) -> Result<Budget, Problem> {
        if self.taken.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(&caller.id()) {
            Ok(state) => Ok(budget(&state)),
            Err(not_until) => {
                let wait = not_until.wait_time_from(self.clock.now()).as_secs() + 1;
                let limit = not_until.quota().burst_size().get();
                let headers = [(&LIMIT, u64::from(limit)), (&REMAINING, 0), (&RESET, wait), (&header::RETRY_AFTER, wait)];
                let problem = Problem::new(Code::RateLimited).detail(format!("Wait {wait} s."));
                Err(headers.into_iter().fold(problem, |problem, (name, value)| problem.header(name.clone(), HeaderValue::from(value))))
            }
        }
    }
}

fn budget(state: &StateSnapshot) -> Budget {
    let quota = state.quota();
    let limit = quota.burst_size().get();
    let remaining = state.remaining_burst_capacity();
    let reset = quota.replenish_interval().saturating_mul(limit.saturating_sub(remaining)).as_secs_f64().ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a non-negative number of seconds below 2^53")]
    Budget { limit, remaining, reset: reset as u64 }
}

/// Tells the client what it has left.
pub(crate) fn show(budget: &Budget, headers: &mut HeaderMap) {
    headers.insert(&LIMIT, budget.limit.into());
    headers.insert(&REMAINING, budget.remaining.into());
    headers.insert(&RESET, budget.reset.into());
}

#[cfg(test)]
mod tests {
    use domain::ids::{ApiKeyId, OrgId};

    use super::*;
    use crate::{access::Role, auth::Actor};

    fn caller() -> Caller {
        Caller {
            org: OrgId::from_uuid(Uuid::now_v7()),
            role: Role::Viewer,
            actor: Actor::Key { id: ApiKeyId::from_uuid(Uuid::now_v7()), name: "test".into() },
        }
    }

    #[test]
    fn one_caller_runs_dry_and_another_does_not() {
        // One a minute: no second can pass between the calls of this test and refill it.
        let limits = RequestLimits::new(1, 2);
        let (busy, quiet) = (caller(), caller());
        assert_eq!(limits.take(&busy).unwrap().remaining, 1);
        assert_eq!(limits.take(&busy).unwrap().remaining, 0);
        let response = axum::response::IntoResponse::into_response(limits.take(&busy).unwrap_err());
        assert_eq!(response.status(), 429);
        for name in ["retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
            assert!(response.headers().contains_key(name), "{name}");
        }
        assert!(limits.take(&quiet).is_ok());
    }
}
