//! A run, with every run that it caused, in one portable file.
//!
//! The file is a magic number and a version, then a deflated sequence of records: a head, then each run with its entries, its failed attempts
//! and its state, then an end. Every record carries its number and a SHA-256 over the record before it and itself, so that what was altered,
//! dropped or put elsewhere is found and named. The same bundle is always the same bytes. Whoever can recompute the whole chain can forge a
//! bundle: to rule that out, keep its [digest](Bundle::digest) elsewhere.

mod chain;
mod error;
mod limits;
mod records;
mod redaction;
mod run;

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    path::Path,
};

pub use error::BundleError;
pub use limits::Limits;
pub use redaction::{Part, Redaction, Rule};
pub use run::{Deployment, FailedAttempt, Run, StateValue};

use crate::{journal::Timestamp, protocol::InvocationId};

/// The version of the format that is written. Older ones are read as long as a release says so; newer ones are refused.
pub const FORMAT: u16 = 1;

/// A run and every run that it caused.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bundle {
    /// The latest thing that is known to have happened to one of the runs; the same runs give the same bundle, whenever they are exported.
    pub as_of: Option<Timestamp>,
    /// The version of the server that it was exported from.
    pub server_version: Option<String>,
    /// The rules of redaction that were applied, in words.
    pub redactions: Vec<String>,
    /// Whether there were more runs than the export was allowed to take.
    pub truncated: bool,
    /// The runs; the one that was asked for comes first, callers come before whom they called.
    pub runs: Vec<Run>,
}

impl Bundle {
    /// A bundle of these runs; the first is the one that it is about.
    #[must_use]
    pub fn new(runs: Vec<Run>) -> Self {
        Self { runs, ..Self::default() }
    }

    /// The run that the bundle is about.
    #[must_use]
    pub fn root(&self) -> Option<&Run> {
        self.runs.first()
    }

    /// The run with this id.
    #[must_use]
    pub fn run(&self, id: &InvocationId) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == *id)
    }

    /// How many entries the journals have together.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.runs.iter().map(|run| run.journal.len()).sum()
    }

    /// The last link of the chain, as 64 hexadecimal digits: two bundles with the same digest hold the same.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut sink = chain::Writer::new(std::io::sink());
        // Nothing can fail: a sink takes everything.
        let link = records::write(self, &mut sink).unwrap_or_default();
        link.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When `to` does not take it.
    pub fn write(&self, mut to: impl Write) -> Result<(), BundleError> {
        chain::write_preamble(&mut to)?;
        let mut deflated = flate2::write::DeflateEncoder::new(to, flate2::Compression::default());
        records::write(self, &mut chain::Writer::new(&mut deflated))?;
        deflated.finish()?.flush()?;
        Ok(())
    }

    /// The file as bytes.
    ///
    /// # Errors
    /// None in practice: memory takes everything.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        let mut bytes = Vec::new();
        self.write(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes the file at `path`, under another name first, so that there is never half of one.
    ///
    /// # Errors
    /// When the file system does not take it.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), BundleError> {
        let path = path.as_ref();
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(".part");
        let part = path.with_file_name(name);
        let mut file = BufWriter::new(File::create(&part)?);
        self.write(&mut file)?;
        file.flush()?;
        drop(file);
        std::fs::rename(&part, path)?;
        Ok(())
    }

    /// Reads a file, within the usual [`Limits`].
    ///
    /// # Errors
    /// When it is no bundle, a newer one, cut off, damaged, larger than the limits allow, or not what was written: says what is wrong, and at
    /// which entry.
    pub fn read(from: impl Read) -> Result<Self, BundleError> {
        Self::read_within(from, Limits::default())
    }

    /// Reads a file, within limits: however well it is compressed, no more memory is taken than they say.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_within(mut from: impl Read, limits: Limits) -> Result<Self, BundleError> {
        chain::read_preamble(&mut from)?;
        let inflated = flate2::read::DeflateDecoder::new(from);
        records::read(chain::read(inflated, limits)?)
    }

    /// Reads the file at `path`, within the usual [`Limits`].
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BundleError> {
        Self::read(BufReader::new(File::open(path)?))
    }
}
