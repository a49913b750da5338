//! The gateway: REST in front of the durable workflows.
//!
//! It authenticates, checks, stores what a person wrote, starts workflows on the engine and shows their progress. It holds no queue, no timer
//! and no status of its own: what must survive the process lives in PostgreSQL (facts) or in the engine (execution). Handlers here do not talk
//! to models or platforms, except through one function of `activities` where a person waits for the answer (the check of a new account).
//!
//! A request's way through: `request` gives it an id, a span and a last line of defence; `guard` finds out who asks, whether they may, and
//! whether they ask too often; `idempotency` answers repeats; then a handler of `api/` runs.

// The examples in the contract are one JSON macro each.
#![recursion_limit = "256"]

pub mod access;
pub mod admin;
mod api;
pub mod app;
pub mod auth;
mod complaints;
pub mod engine;
mod extract;
mod fields;
mod guard;
mod idempotency;
mod limits;
mod openapi;
mod page;
mod patch;
pub mod problem;
mod request;
mod runs;
mod serve;
pub mod settings;
pub mod telemetry;

pub use app::App;
pub use openapi::document;
pub use serve::{router, serve};
pub use settings::GatewaySettings;
