//! The durable workflows: one file for each Restate service.
//!
//! A handler here is short. It has no clock, no chance and no network of its own: every effect is a [`step::step`], every long wait a delayed send.
//! What a step does is a function of `activities`; what it computes between steps is `domain`.

pub mod campaign;
pub mod clock;
pub mod connector;
pub mod digest;
pub mod drafting;
pub mod endpoint;
pub mod enrichment;
pub mod generation;
pub mod metrics;
pub mod model;
pub mod publication;
pub mod recurring;
pub mod refuse;
pub mod schedule;
pub mod serve;
pub mod step;
pub mod voice_training;
pub mod world;

pub use endpoint::endpoint;
pub use serve::serve;
