//! The imaginary audience of the stand-in platforms: counters that move, so that polled metrics have something to tell.
//!
//! A counter depends only on the post's id, its age and how often it was looked at, and never falls. That makes it repeatable, and lets a test that looks twice
//! see growth without waiting.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// How often `reaction` ("like", "reply", ...) has happened to the post `id` of this age after its metrics were read `looks` times.
pub(crate) fn count(id: &str, reaction: &str, age: Duration, looks: u64) -> u64 {
    let digest = Sha256::digest(format!("{reaction}:{id}"));
    let per_look = 1 + u64::from(digest[0] % 3);
    let seconds_each = 7 + u64::from(digest[1] % 23);
    looks * per_look + age.as_secs() / seconds_each
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_repeat_grow_and_differ() {
        let at = |id, seconds, looks| count(id, "like", Duration::from_secs(seconds), looks);
        assert_eq!(at("1", 0, 0), 0);
        assert_eq!(at("1", 100, 3), at("1", 100, 3));
        assert!(at("1", 100, 4) > at("1", 100, 3));
        assert!(at("1", 1000, 3) > at("1", 100, 3));
        let ids = ["1", "2", "3", "4", "5"].map(|id| at(id, 1000, 3));
        assert!(ids.iter().any(|n| *n != ids[0]), "{ids:?}");
    }
}
