//! The part of a journal that a handler is handed, and what keeps its side effects from running.
//!
//! The SDK runs the closure of a side effect in one case only: the handler has come past the last known command, and no completion with the
//! id of this side effect is known. [`Known`] is turned into a request in two ways, and neither lets that case happen.
//!
//! - [`Known::closed`]: the last known command is one that no handler can issue, an output with a failure that nobody can guess. The handler
//!   never comes past it: whatever it does there is reported as a mismatch, with the type and the name of what it was about to do. A journal
//!   that ends with the handler's own output needs none: there is nothing behind it.
//! - [`Known::open`]: for going on. Every side effect that is known has its completion, and every id that is still to be given out is already
//!   taken by a completion that no closure gives and no handler can read. A new side effect finds its id completed, so that its closure is
//!   not called, and the SDK ends the attempt before the handler sees anything of it. What the handler issued until then is on the wire.

use std::{
    collections::HashSet,
    hash::{BuildHasher, Hasher, RandomState},
    sync::OnceLock,
};

use bytes::{Bytes, BytesMut};
use prost::Message;

use crate::{
    journal::{Entry, Outcome, complete},
    protocol::{
        EntryKind, FIRST_COMPLETION, Frame, encode,
        messages::{self as m, About, OutputResult},
    },
};

/// Known entries, in the order of the journal.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    bytes: BytesMut,
    entries: u32,
    commands: u32,
    next_completion: u32,
    /// Side effects without a completion.
    running: HashSet<u32>,
    has_output: bool,
}

/// What is handed to the SDK.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub(crate) bytes: Bytes,
    pub(crate) entries: u32,
    /// Where the last entry begins. The handler is entered when it has been read.
    pub(crate) last: usize,
}

/// A side effect that has no completion: going on from here would run its closure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WouldAct;

impl Known {
    pub(crate) fn new() -> Self {
        Self {
            bytes: BytesMut::new(),
            entries: 0,
            commands: 0,
            next_completion: FIRST_COMPLETION,
            running: HashSet::new(),
            has_output: false,
        }
    }

    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut known = Self::new();
        known.bytes.reserve(entries.iter().map(|entry| entry.raw.len() + 8).sum::<usize>() + 128);
        for entry in entries {
            known.push(entry.kind, &entry.raw);
        }
        known
    }

    /// A whole journal, closed: as [`Self::of`] and [`Self::closed`], without what only going on needs.
    pub(crate) fn seal(entries: &[Entry]) -> Sealed {
        let mut known = Self::new();
        known.bytes.reserve(entries.iter().map(|entry| entry.raw.len() + 8).sum::<usize>() + 128);
        for entry in entries {
            known.has_output |= entry.kind == EntryKind::OUTPUT;
            known.entries += 1;
            encode(entry.kind.0, &entry.raw, &mut known.bytes);
        }
        known.closed()
    }

    pub(crate) fn push(&mut self, kind: EntryKind, raw: &Bytes) {
        if kind.is_command() {
            self.commands += 1;
            self.next_completion += kind.completions();
            self.has_output |= kind == EntryKind::OUTPUT;
            if kind == EntryKind::RUN
                && let Ok(run) = m::Run::decode(raw.clone())
            {
                self.running.insert(run.completion);
            }
        } else if kind == EntryKind::RUN_DONE
            && let Ok(m::Notification { about: Some(About::Completion(id)), .. }) = m::Notification::decode(raw.clone())
        {
            self.running.remove(&id);
        }
        self.entries += 1;
        encode(kind.0, raw, &mut self.bytes);
    }

    pub(crate) fn push_frame(&mut self, frame: &Frame) {
        self.push(EntryKind(frame.ty), &frame.body);
    }

    pub(crate) fn commands(&self) -> u32 {
        self.commands
    }

    /// Nothing behind the known commands can be reached.
    pub(crate) fn closed(mut self) -> Sealed {
        if !self.has_output {
            let (kind, body) = sentinel();
            encode(kind.0, body, &mut self.bytes);
            self.entries += 1;
        }
        Sealed { last: self.bytes.len(), bytes: self.bytes.freeze(), entries: self.entries }
    }

    /// The handler may go on, and no closure is called while it issues commands with fewer than `reach` completions before it waits.
    ///
    /// # Errors
    /// When a known side effect has no completion.
    pub(crate) fn open(mut self, reach: u32) -> Result<Sealed, WouldAct> {
        if !self.running.is_empty() {
            return Err(WouldAct);
        }
        let mut last = 0;
        if !self.has_output {
            // No closure gives a list of keys, and only a read of keys takes one: whoever goes on stops behind such a read.
            let taken = Outcome::Keys(vec![nonce().to_owned()]);
            for id in self.next_completion..self.next_completion.saturating_add(reach) {
                let frame = complete(EntryKind::RUN_DONE, About::Completion(id), &taken);
                last = self.bytes.len();
                encode(frame.ty, &frame.body, &mut self.bytes);
                self.entries += 1;
            }
        }
        Ok(Sealed { bytes: self.bytes.freeze(), entries: self.entries, last })
    }
}

/// A text that no handler knows.
fn nonce() -> &'static str {
    static NONCE: OnceLock<String> = OnceLock::new();
    NONCE.get_or_init(|| {
        let part = || RandomState::new().build_hasher().finish();
        format!("the replay ends here {:016x}{:016x}", part(), part())
    })
}

/// An output that no handler returns.
fn sentinel() -> &'static (EntryKind, Bytes) {
    static SENTINEL: OnceLock<(EntryKind, Bytes)> = OnceLock::new();
    SENTINEL.get_or_init(|| {
        let failure = m::Failure { code: 570, message: nonce().to_owned(), metadata: Vec::new() };
        let output = m::Output { result: Some(OutputResult::Failure(failure)), name: String::new() };
        (EntryKind::OUTPUT, output.encode_to_vec().into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: u32) -> Frame {
        Frame::new(EntryKind::RUN.0, &m::Run { completion: id, name: "step".to_owned() })
    }

    #[test]
    fn a_side_effect_without_its_completion_is_never_open() {
        let mut known = Known::new();
        known.push(EntryKind::INPUT, &Bytes::new());
        assert!(known.clone().open(4).is_ok());
        known.push_frame(&run(1));
        assert_eq!(known.clone().open(4).unwrap_err(), WouldAct);
        assert_eq!(known.clone().closed().entries, 3, "the sentinel counts");
        known.push_frame(&complete(EntryKind::RUN_DONE, About::Completion(1), &Outcome::Nothing));
        assert_eq!((known.commands(), known.next_completion), (2, 2));
        assert_eq!(known.open(4).unwrap().entries, 3 + 4);
    }

    #[test]
    fn a_whole_journal_is_closed_the_same_way() {
        let input = Entry::new(0, EntryKind::INPUT, Bytes::new(), None);
        let entries = [input, Entry::new(1, EntryKind::RUN, run(1).body, None)];
        let (sealed, closed) = (Known::seal(&entries), Known::of(&entries).closed());
        assert_eq!((sealed.bytes, sealed.entries), (closed.bytes, closed.entries));
    }

    #[test]
    fn a_journal_that_ended_needs_no_sentinel() {
        let mut known = Known::new();
        known.push(EntryKind::INPUT, &Bytes::new());
        known.push(EntryKind::OUTPUT, &Bytes::new());
        assert_eq!(known.clone().closed().entries, 2);
        assert_eq!(known.open(4).unwrap().entries, 2);
    }
}
