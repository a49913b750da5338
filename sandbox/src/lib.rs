//! A laptop's production: stand-ins for the platforms that Pressroom posts to, and the means to make them misbehave.
//!
//! May import none of our crates but `migrations`: the stand-ins speak the platforms' public protocols, so that a connector cannot tell them from the real thing.

mod audience;
mod budget;
pub mod fault;
mod ledger;
pub mod mastodon;

pub use budget::Limit;
