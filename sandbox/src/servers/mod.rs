//! The two real servers of a laptop: PostgreSQL with pgvector and restate-server, from getting the binaries to ending the processes.
//!
//! [`pds::Pds`] and [`snac::Snac`] are platforms' own servers, which tests publish to.
//!
//! [`Stack`] is the whole of it: it claims the folder, gets the binaries, starts both on loopback with their data in that folder, and ends
//! them in order. [`TestStack`] is the same in a folder that disappears.

pub mod claim;
pub mod error;
pub mod packages;
pub mod pds;
pub mod postgres;
pub mod restate;
pub mod snac;
pub mod stack;
pub mod test_stack;

mod account;
mod binaries;
mod cache;
mod debian;
mod external;
mod fetch;
mod identity;
mod log;
mod ports;
mod process;
mod unpack;

pub use binaries::{Fitness, ServerSettings};
pub use cache::Cache;
pub use error::SandboxError;
pub use external::RestateUrls;
pub use postgres::Postgres;
pub use restate::Restate;
pub use stack::{Stack, StackOptions};
pub use test_stack::TestStack;
