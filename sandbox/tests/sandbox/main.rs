//! The stand-ins and servers of `sandbox`, each over its real protocol.
#![expect(clippy::unwrap_used, reason = "a panic here is a failed test with a line number")]

mod mastodon;
mod mastodon_faults;
//! The real servers, for real: started, killed, started again.

#![expect(clippy::unwrap_used, reason = "a panic here is a failed test with a line number")]

mod stack;
