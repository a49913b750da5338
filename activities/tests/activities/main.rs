//! Activities against stand-ins that speak the real protocols and misbehave on order.

#![expect(clippy::unwrap_used, reason = "a panic here is a failed test with a line number")]

mod bluesky;
mod mail;
mod mastodon;
mod model;
mod model_faults;
mod media;
