//! What tests across the whole stand on: a newsroom with real servers, stand-ins for everybody else's, and workers that can be killed.
//!
//! Nothing here decides anything: it starts, seeds, asks, waits and compares. The tests are in `tests/e2e/`, one binary.

pub mod books;
pub mod desk;
pub mod engine;
pub mod mirror;
pub mod newsroom;
pub mod planted;
pub mod process;
pub mod rest;
pub mod seed;
pub mod settings;
pub mod up;
pub mod wait;
pub mod worker;

pub use newsroom::{Newsroom, PLATFORMS, Plan};
