//! What a stand-in remembers over its own restart: events, one JSON line each, appended and never changed.
//!
//! There is no fsync: the books must survive the death of the stand-in's process, not that of the machine.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

/// The open end of a file of events; without a file it keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    file: Option<File>,
}

impl Ledger {
    /// Opens `folder/name`, making both if needed, and returns the events that it already holds. A last line that was cut off by a kill is dropped.
    pub(crate) fn open<E: DeserializeOwned>(folder: Option<&Path>, name: &str) -> io::Result<(Self, Vec<E>)> {
        let Some(folder) = folder else { return Ok((Self::default(), Vec::new())) };
        std::fs::create_dir_all(folder)?;
        let path = folder.join(name);
        let text = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let events = text[..whole]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice(line)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display())))
            })
            .collect::<io::Result<Vec<E>>>()?;
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len(whole as u64)?;
        Ok((Self { file: Some(file) }, events))
    }

    /// Adds one event. A failure is told in the log and not to the caller: the stand-in goes on from memory.
    pub(crate) fn append<E: Serialize>(&mut self, event: &E) {
        let Some(file) = &mut self.file else { return };
        let written = serde_json::to_vec(event).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            // One write, so that a kill cannot leave two lines mixed.
            file.write_all(&line)
        });
        if let Err(error) = written {
            tracing::error!(%error, "a stand-in could not write its books");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_in_order_and_a_torn_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, before) = Ledger::open::<u32>(Some(folder.path()), "books.jsonl").unwrap();
        assert!(before.is_empty());
        ledger.append(&1u32);
        ledger.append(&2u32);
        drop(ledger);
        let path = folder.path().join("books.jsonl");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"12").unwrap();
        let (mut ledger, events) = Ledger::open::<u32>(Some(folder.path()), "books.jsonl").unwrap();
        assert_eq!(events, [1, 2]);
        ledger.append(&3u32);
        assert_eq!(Ledger::open::<u32>(Some(folder.path()), "books.jsonl").unwrap().1, [1, 2, 3]);
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_an_error_with_the_files_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("books.jsonl"), "1\nx\n2\n").unwrap();
        let error = Ledger::open::<u32>(Some(folder.path()), "books.jsonl").unwrap_err();
        assert!(error.to_string().contains("books.jsonl"), "{error}");
    }
}
