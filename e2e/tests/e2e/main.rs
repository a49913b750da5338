//! Tests across the whole. One binary: its dependencies are linked once.
#![expect(clippy::unwrap_used, reason = "tests")]

mod digests;
mod house;
mod tenancy;
//! Tests across the whole, against real servers.

mod api_contract;
mod api_harness;
mod api_runs;
mod house;
