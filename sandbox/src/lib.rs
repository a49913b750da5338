//! A laptop's production: stand-ins for the platforms that Pressroom posts to, and the means to make them misbehave.
//!
//! May import none of our crates but `migrations`: the stand-ins speak the platforms' public protocols, so that a connector cannot tell them from the real thing.

mod audience;
mod budget;
pub mod fault;
mod ledger;
pub mod mastodon;

pub use budget::Limit;
//! A laptop's production: the real servers that Pressroom runs on, supervised, and stand-ins for every outside service, reached over the
//! protocols that the real ones speak.
//!
//! It knows no other crate of ours but `migrations`, so that a connector cannot tell a stand-in from the real thing.

pub mod servers;
