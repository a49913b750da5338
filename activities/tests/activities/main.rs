//! Activities against stand-ins that speak the real protocols and misbehave on order.

#![expect(clippy::unwrap_used, reason = "a panic here is a failed test with a line number")]

mod bluesky;
mod buffer;
mod contract;
mod desk;
mod films;
mod hootsuite;
mod linkedin;
mod mail;
mod manner;
mod mastodon;
mod media;
mod meta;
mod model;
mod model_faults;
mod renewing;
mod writing;
mod x;
