//! The stand-ins and servers of `sandbox`, each over its real protocol; the real servers are started, killed and started again.
#![expect(clippy::unwrap_used, reason = "a panic here is a failed test with a line number")]

mod bluesky;
mod discord;
mod mastodon;
mod mastodon_faults;
mod mastodon_oauth;
mod orphans;
mod proxy;
mod slack;
mod stack;
mod stand_ins;
mod telegram;
mod x;
