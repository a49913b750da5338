//! Records, each chained to the one before it.

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read, Write},
};

use sha2::{Digest, Sha256};

use super::{BundleError, FORMAT, Limits, records};

/// Not text (the first byte), not mended by anything that mends line ends, not shown by `type`: as PNG does it.
const MAGIC: [u8; 8] = *b"\x89RSJ\r\n\x1a\n";

/// A link of the chain.
pub(super) type Link = [u8; 32];

/// A record as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: u8,
    pub(super) number: u32,
    pub(super) body: Vec<u8>,
    link: Link,
}

/// The kind of the last record.
pub(super) const END: u8 = 6;

pub(super) fn write_preamble(to: &mut impl Write) -> Result<(), BundleError> {
    to.write_all(&MAGIC)?;
    to.write_all(&FORMAT.to_be_bytes())?;
    Ok(())
}

pub(super) fn read_preamble(from: &mut impl Read) -> Result<(), BundleError> {
    let not = |why: &str| BundleError::NotABundle { why: why.to_owned() };
    let mut preamble = Vec::new();
    from.by_ref().take(10).read_to_end(&mut preamble)?;
    if preamble.is_empty() {
        return Err(not("it is empty"));
    }
    if preamble.len() < 10 && MAGIC.starts_with(&preamble[..preamble.len().min(8)]) {
        return Err(BundleError::CutOff { after: "its first bytes".to_owned() });
    }
    let Some((magic, format)) = preamble.split_at_checked(8).filter(|(magic, _)| *magic == MAGIC) else {
        let text = preamble.strip_prefix(b"\x89RSJ").is_some();
        return Err(not(if text { "it was changed on its way, as text is; send it as binary" } else { "it begins otherwise" }));
    };
    debug_assert_eq!(magic.len(), 8, "the magic number is as long as what it is compared with");
    let found = u16::from_be_bytes([format[0], format[1]]);
    match found {
        1..=FORMAT => Ok(()),
        0 => Err(not("its format is 0")),
        found => Err(BundleError::Newer { found, known: FORMAT }),
    }
}

fn first_link() -> Link {
    Sha256::new().chain_update(MAGIC).chain_update(FORMAT.to_be_bytes()).finalize().into()
}

fn next_link(before: &Link, kind: u8, number: u32, body: &[u8]) -> Link {
    Sha256::new().chain_update(before).chain_update([kind]).chain_update(number.to_be_bytes()).chain_update(body).finalize().into()
}

/// Writes records, and links them.
#[derive(Debug)]
pub(super) struct Writer<W> {
    to: W,
    number: u32,
    link: Link,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, number: 0, link: first_link() }
    }

    pub(super) fn put(&mut self, kind: u8, body: &[u8]) -> Result<(), BundleError> {
        let length = u32::try_from(body.len())
            .map_err(|_| BundleError::TooLarge { limit: "4 GiB in one record".to_owned(), after: format!("record {}", self.number) })?;
        self.link = next_link(&self.link, kind, self.number, body);
        self.to.write_all(&length.to_be_bytes())?;
        self.to.write_all(&[kind])?;
        self.to.write_all(&self.number.to_be_bytes())?;
        self.to.write_all(body)?;
        self.to.write_all(&self.link)?;
        self.number += 1;
        Ok(())
    }

    pub(super) fn link(&self) -> Link {
        self.link
    }
}

/// Reads all records and proves their chain.
pub(super) fn read(mut from: impl Read, limits: Limits) -> Result<Vec<Record>, BundleError> {
    let mut records: Vec<Record> = Vec::new();
    let mut total = 0u64;
    loop {
        let mut head = [0u8; 9];
        let got = fill(&mut from, &mut head, &records)?;
        if got == 0 && records.last().is_some_and(|record| record.kind == END) {
            break;
        }
        if got < head.len() {
            return Err(cut_off(&records));
        }
        if records.last().is_some_and(|record| record.kind == END) {
            return Err(BundleError::Damaged { after: "its end".to_owned(), why: "something follows".to_owned() });
        }
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        total += u64::from(length) + 41;
        let too_large = |limit: String| BundleError::TooLarge { limit, after: after(&records) };
        if length > limits.record {
            return Err(too_large(format!("{} bytes in one record", limits.record)));
        }
        if total > limits.bytes {
            return Err(too_large(format!("{} bytes", limits.bytes)));
        }
        if records.len() as u64 >= u64::from(limits.records) {
            return Err(too_large(format!("{} records", limits.records)));
        }
        let mut body = Vec::new();
        // Grows with what is really there: a length alone takes no memory.
        let read = from.by_ref().take(u64::from(length)).read_to_end(&mut body).map_err(|error| damaged(error, &records))?;
        let mut link = [0u8; 32];
        if read < length as usize || fill(&mut from, &mut link, &records)? < link.len() {
            return Err(cut_off(&records));
        }
        records.push(Record { kind: head[4], number: u32::from_be_bytes([head[5], head[6], head[7], head[8]]), body, link });
    }
    prove(&records)?;
    Ok(records)
}

fn fill(from: &mut impl Read, to: &mut [u8], records: &[Record]) -> Result<usize, BundleError> {
    let mut got = 0;
    while got < to.len() {
        match from.read(&mut to[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(damaged(error, records)),
        }
    }
    Ok(got)
}

fn damaged(error: std::io::Error, records: &[Record]) -> BundleError {
    match error.kind() {
        ErrorKind::UnexpectedEof => cut_off(records),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            BundleError::Damaged { after: after(records), why: "it cannot be inflated from there on".to_owned() }
        }
        _ => BundleError::Io(error),
    }
}

fn cut_off(records: &[Record]) -> BundleError {
    BundleError::CutOff { after: after(records) }
}

fn after(records: &[Record]) -> String {
    match records.len().checked_sub(1) {
        Some(last) => records::describe(records, last),
        None => "its first bytes".to_owned(),
    }
}

/// Every record is there, in its place, and as it was written.
fn prove(records: &[Record]) -> Result<(), BundleError> {
    let numbers: BTreeSet<u32> = records.iter().map(|record| record.number).collect();
    let mut link = first_link();
    for (place, record) in records.iter().enumerate() {
        let expected = u32::try_from(place).unwrap_or(u32::MAX);
        if record.number != expected {
            // A number nobody could have written was altered; one that is there twice, or in another place, was moved.
            let written = (record.number as usize) < records.len().saturating_add(numbers.len());
            return Err(match (numbers.contains(&expected), written) {
                (_, false) => BundleError::Altered { what: records::describe(records, place) },
                (true, true) => BundleError::Moved { what: records::describe(records, place), was: record.number, is: expected },
                (false, true) => BundleError::Missing { what: records::describe_missing(records, place) },
            });
        }
        link = next_link(&link, record.kind, record.number, &record.body);
        if link != record.link {
            return Err(BundleError::Altered { what: records::describe(records, place) });
        }
    }
    Ok(())
}
