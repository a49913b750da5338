//! A laptop's production: the real servers that Pressroom runs on, supervised, stand-ins for the platforms that it posts to, and the means to make them all misbehave.
//!
//! May import none of our crates but `migrations`: the stand-ins speak the platforms' public protocols, so that a connector cannot tell them from the real thing.

mod audience;
pub mod bluesky;
mod budget;
pub mod buffer;
pub mod discord;
pub mod facebook;
pub mod fault;
mod graph;
pub mod hootsuite;
pub mod instagram;
mod ledger;
pub mod linkedin;
pub mod mail;
pub mod mastodon;
pub mod model;
mod multipart;
pub mod proxy;
pub mod s3;
pub mod servers;
pub mod slack;
pub mod social;
pub mod telegram;
pub mod threads;
pub mod tiktok;
pub mod x;
pub mod youtube;

pub use budget::Limit;
