//! What of Restate's service protocol a replay needs: entry types, message bodies, frames, and what an invocation's id says.
//!
//! A row of `sys_journal` holds the body of a protocol message as it was sent; a frame is that body behind a header of eight bytes: type,
//! flags and length, big-endian.

mod frame;
mod invocation_id;
mod kind;
pub(crate) mod messages;

pub(crate) use frame::{Frame, encode, parse};
pub use invocation_id::{InvocationId, NotAnInvocationId};
pub use kind::EntryKind;

/// The oldest and the newest version of the protocol that the SDK's endpoint offers.
pub(crate) const VERSIONS: std::ops::RangeInclusive<u32> = 5..=7;
/// The version in which a journal without a pinned one is replayed.
pub(crate) const USUAL_VERSION: u32 = 6;
/// The first id of a completion; ids count up by one, in the order in which commands ask for them.
pub(crate) const FIRST_COMPLETION: u32 = 1;
/// The signal that cancels an invocation.
pub(crate) const CANCEL_SIGNAL: u32 = 1;
