//! Tests across the whole. One binary: its dependencies are linked once.
#![expect(clippy::unwrap_used, reason = "tests")]

mod digests;
mod house;
mod tenancy;
