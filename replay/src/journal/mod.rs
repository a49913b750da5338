//! A journal as steps: what a handler asked for, in order, and what it was given.

mod command;
mod notification;
mod payload;
mod step;
mod time;

pub(crate) use command::Command;
pub(crate) use notification::{Notice, complete};
pub use payload::Payload;
pub(crate) use step::steps;
pub use step::{Field, Outcome, Step};
pub use time::Timestamp;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::protocol::EntryKind;

/// An entry of a journal, as it stands in `sys_journal`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the journal, which counts commands and notifications.
    pub index: u32,
    /// Its type.
    pub kind: EntryKind,
    /// The body of the protocol message.
    pub raw: Bytes,
    /// When the server took it in.
    pub appended_at: Option<Timestamp>,
    /// Whether a rule of [`Redaction`](crate::Redaction) changed it.
    pub redacted: bool,
}

impl Entry {
    /// An entry that nothing was redacted of.
    #[must_use]
    pub fn new(index: u32, kind: EntryKind, raw: impl Into<Bytes>, appended_at: Option<Timestamp>) -> Self {
        Self { index, kind, raw: raw.into(), appended_at, redacted: false }
    }

    /// What it is called in messages: its place, its type and its name.
    pub(crate) fn title(&self) -> String {
        let name = match Command::decode(self.kind, &self.raw) {
            Ok(command) => command.label(),
            Err(_) => String::new(),
        };
        let space = if name.is_empty() { "" } else { " " };
        format!("entry {} ({}{space}{name})", self.index, self.kind)
    }
}

/// An entry whose body is not what its type says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("entry {index} ({kind}) cannot be read: {why}")]
pub struct Unreadable {
    /// Its place in the journal.
    pub index: u32,
    /// Its type, in the words of `sys_journal`.
    pub kind: String,
    /// What is wrong with it.
    pub why: String,
}
