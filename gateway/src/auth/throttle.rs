//! Slows down guessing of passwords, by account and by where it comes from.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, header},
};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::problem::{Code, Problem};

/// The three limiters. The one of account and address together is the strict one: a stranger who guesses at an account then slows down
/// themselves before they slow down its owner, who comes from elsewhere.
pub(crate) struct LoginThrottle {
    pair: DefaultKeyedRateLimiter<(String, IpAddr)>,
    account: DefaultKeyedRateLimiter<String>,
    address: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

impl std::fmt::Debug for LoginThrottle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginThrottle").finish_non_exhaustive()
    }
}

/// `burst` attempts at once, and one more every `seconds`.
fn quota(burst: u32, seconds: u64) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(Duration::from_secs(seconds)).unwrap_or(Quota::per_minute(burst)).allow_burst(burst)
}

impl Default for LoginThrottle {
    fn default() -> Self {
        Self {
            pair: RateLimiter::keyed(quota(5, 30)),
            account: RateLimiter::keyed(quota(50, 10)),
            address: RateLimiter::keyed(quota(30, 5)),
            clock: DefaultClock::default(),
        }
    }
}

impl LoginThrottle {
    /// Counts an attempt to sign in to `account` from `address`.
    ///
    /// # Errors
    /// 429 when there have been too many.
    pub(crate) fn attempt(&self, account: &str, address: IpAddr) -> Result<(), Problem> {
        let account = account.to_lowercase();
        self.address.retain_recent();
        self.account.retain_recent();
        self.pair.retain_recent();
        let outcomes =
            [self.address.check_key(&address), self.pair.check_key(&(account.clone(), address)), self.account.check_key(&account)];
        let now = self.clock.now();
        let wait = outcomes.into_iter().filter_map(|o| o.err().map(|until| until.wait_time_from(now).as_secs() + 1)).max();
        match wait {
            None => Ok(()),
            Some(seconds) => {
                Err(Problem::new(Code::TooManyAttempts).detail(format!("Wait {seconds} s.")).header(header::RETRY_AFTER, seconds))
            }
        }
    }
}

/// Where a request comes from: the connection, or, behind a proxy that is trusted, the last entry of `X-Forwarded-For`, which that proxy wrote.
pub(crate) fn client_address(request: &Request, trust_forwarded_for: bool) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip());
    if trust_forwarded_for { forwarded(request.headers()).unwrap_or(peer) } else { peer }
}

fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn guessing_is_slowed_and_the_owner_elsewhere_is_not() {
        let throttle = LoginThrottle::default();
        let (thief, owner) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for _ in 0..5 {
            assert!(throttle.attempt("ada@example.com", thief).is_ok());
        }
        assert_eq!(throttle.attempt("ADA@example.com", thief).unwrap_err().code(), Code::TooManyAttempts);
        assert!(throttle.attempt("ada@example.com", owner).is_ok());
    }

    #[test]
    fn one_address_cannot_try_many_accounts() {
        let throttle = LoginThrottle::default();
        let address = IpAddr::from([10, 0, 0, 1]);
        let refused = (0..40).filter(|n| throttle.attempt(&format!("user{n}"), address).is_err()).count();
        assert!(refused >= 9, "{refused}");
    }

    #[test]
    fn a_forwarded_address_counts_only_behind_a_proxy() {
        let request = Request::builder().header("x-forwarded-for", "1.1.1.1, 2.2.2.2").body(Body::empty()).unwrap();
        assert_eq!(client_address(&request, true), IpAddr::from([2, 2, 2, 2]));
        assert_eq!(client_address(&request, false), IpAddr::from([0, 0, 0, 0]));
    }
}
