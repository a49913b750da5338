//! Rate budgets as the platforms keep them: so many points in a window of fixed length, per key.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A limit: `points` in each window of `seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Points that one window holds.
    pub points: u32,
    /// Length of the window.
    pub seconds: u64,
}

impl Limit {
    /// `points` in `seconds`.
    pub const fn new(points: u32, seconds: u64) -> Self {
        Self { points, seconds }
    }
}

/// When a window begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// At whole multiples of its length since the epoch, as Mastodon's `rack-attack` does.
    OnTheClock,
    /// With the first request, as the PDS's `rate-limiter-flexible` does.
    OnFirstUse,
}

/// What is left after a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) limit: Limit,
    pub(crate) remaining: u32,
    pub(crate) resets: SystemTime,
    pub(crate) exceeded: bool,
}

/// All windows of one stand-in.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    windows: HashMap<String, (SystemTime, u32)>,
}

impl Budgets {
    /// Takes `points` from the window of `key`. A request beyond the limit is counted too, as both platforms do, and comes back as `exceeded`.
    pub(crate) fn spend(&mut self, key: String, points: u32, limit: Limit, begins: Begins, now: SystemTime) -> Spent {
        let length = Duration::from_secs(limit.seconds.max(1));
        let start = match begins {
            Begins::OnFirstUse => now,
            Begins::OnTheClock => {
                let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                UNIX_EPOCH + Duration::from_secs(since - since % length.as_secs())
            }
        };
        let window = self.windows.entry(key).or_insert((start, 0));
        if window.0 + length <= now {
            *window = (start, 0);
        }
        window.1 = window.1.saturating_add(points);
        Spent { limit, remaining: limit.points.saturating_sub(window.1), resets: window.0 + length, exceeded: window.1 > limit.points }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_window_closes_when_spent_and_opens_again() {
        let mut budgets = Budgets::default();
        let limit = Limit::new(3, 60);
        let mut spend = |points, second| budgets.spend("a".into(), points, limit, Begins::OnFirstUse, at(second));
        assert_eq!(spend(2, 100).remaining, 1);
        assert!(!spend(1, 101).exceeded);
        let over = spend(1, 102);
        assert!(over.exceeded);
        assert_eq!(over.resets, at(160));
        assert!(spend(1, 159).exceeded);
        assert_eq!(spend(1, 160).remaining, 2);
    }

    #[test]
    fn windows_on_the_clock_begin_at_multiples_of_their_length() {
        let mut budgets = Budgets::default();
        let spent = budgets.spend("a".into(), 1, Limit::new(3, 300), Begins::OnTheClock, at(1_000));
        assert_eq!(spent.resets, at(1_200));
    }

    #[test]
    fn keys_do_not_share() {
        let mut budgets = Budgets::default();
        let limit = Limit::new(1, 60);
        assert!(!budgets.spend("a".into(), 1, limit, Begins::OnFirstUse, at(1)).exceeded);
        assert!(!budgets.spend("b".into(), 1, limit, Begins::OnFirstUse, at(1)).exceeded);
    }
}
