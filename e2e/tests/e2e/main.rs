//! Tests across the whole. One binary: its dependencies are linked once.
#![expect(clippy::unwrap_used, reason = "tests")]

mod api_contract;
mod api_harness;
mod api_runs;
mod api_signals;
mod approving;
mod assets;
mod bad_inputs;
mod connect;
mod deciding;
mod digests;
mod house;
mod idempotency;
mod post_options;
mod publishing;
mod races;
mod reading_along;
#[cfg(feature = "real-servers")]
mod real_servers;
mod round_trips;
mod runs;
mod schedules;
mod secrets;
mod slice;
mod steering;
mod storm;
mod survives_sigkill;
mod tenancy;
mod timing;
mod up;
mod walls;
