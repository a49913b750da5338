//! Everything that this crate does, to a service that has nothing to do with it, recorded live on a real server.
#![expect(clippy::unwrap_used, reason = "a panic here is a failed test with a line number")]

mod bundles;
mod foreign;
mod going_on;
mod recorded;
mod replaying;
