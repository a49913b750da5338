//! What Pressroom knows without asking anybody: text length, policy, voice, scoring, schedule arithmetic, metrics, digests.
//!
//! Everything here is pure: no IO, no clock, no randomness. A handler, a page and a test get the same answer from the same arguments, and a
//! replay of a journal can call any of it.

pub mod brand;
pub mod brief;
pub mod digest;
pub mod hashtags;
pub mod ids;
pub mod links;
pub mod metrics;
pub mod platform;
pub mod policy;
pub mod post;
pub mod prompt;
pub mod publication;
pub mod readability;
pub mod schedule;
pub mod score;
pub mod text;
pub mod translation;
pub mod voice;
