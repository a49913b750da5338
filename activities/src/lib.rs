//! The outside world: language models, social platforms, PostgreSQL, object storage, mail, secrets.
//!
//! One function here is one attempt at one effect. Nothing here retries on its own, keeps a queue or knows of the durable engine: retries, waits
//! and order belong to `workflows`, which calls these functions only inside its `step(...)`. Errors are [`ActivityError`], classified by what is
//! to be done about them.

pub mod approval;
pub mod asking;
pub mod best_time;
pub mod clock;
pub mod digests;
pub mod drafting;
pub mod enrichment;
pub mod error;
pub mod generation;
pub mod http;
pub mod mail;
pub mod media;
pub mod model;
pub mod platform;
pub mod publishing;
pub mod secret;
pub mod store;
pub mod vault;
pub mod voice;

pub use error::{ActivityError, ActivityResult};
