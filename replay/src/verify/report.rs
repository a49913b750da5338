use std::fmt;

use serde::Serialize;

use crate::replay::{Report, Verdict};

/// What came of verifying many runs.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VerifyReport {
    /// How many of each verdict.
    pub counts: Counts,
    /// The runs that are not faithful, or all if that was asked for; in the order of their ids.
    pub runs: Vec<Verified>,
    /// Files that could not be read.
    pub unread: Vec<Unread>,
}

/// How many runs of each verdict.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Runs altogether.
    pub runs: usize,
    /// Entries of their journals.
    pub entries: usize,
    /// Runs whose recorded steps the build takes.
    pub faithful: usize,
    /// Runs that the build would break.
    pub diverged: usize,
    /// Runs of which it cannot be told.
    pub incomplete: usize,
    /// Files that could not be read.
    pub unread: usize,
}

/// A run that was verified.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The file that it came from.
    pub file: Option<String>,
    /// What came of it.
    #[serde(flatten)]
    pub report: Report,
}

/// A file that could not be read.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Which.
    pub file: String,
    /// Why.
    pub why: String,
}

impl VerifyReport {
    /// Whether the build may run what was verified: everything was read, and everything is faithful.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        let Counts { diverged, incomplete, unread, .. } = self.counts;
        diverged + incomplete + unread == 0
    }

    /// The code that a command exits with: 0 if all is faithful, 1 if a run diverges, 2 if something could not be told or read and nothing
    /// diverges.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.is_safe() {
            0
        } else if self.counts.diverged > 0 {
            1
        } else {
            2
        }
    }

    /// The report as JSON: `counts`, `runs`, `unread`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Everything in it is a string, a number or a list.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The report as JUnit XML, which CI systems show: a test case a run, those that are faithful as a number alone unless they were kept.
    #[must_use]
    pub fn to_junit(&self) -> String {
        super::junit::write(self)
    }

    pub(super) fn count(&mut self, file: Option<&str>, report: Report, keep_faithful: bool) {
        self.counts.runs += 1;
        self.counts.entries += report.entries;
        let counted = match &report.verdict {
            Verdict::Faithful => &mut self.counts.faithful,
            Verdict::Diverged(_) => &mut self.counts.diverged,
            Verdict::Incomplete { .. } => &mut self.counts.incomplete,
        };
        *counted += 1;
        if keep_faithful || !report.is_faithful() {
            self.runs.push(Verified { file: file.map(ToOwned::to_owned), report });
        }
    }

    pub(super) fn unread(file: String, why: &str) -> Self {
        let counts = Counts { unread: 1, ..Counts::default() };
        Self { counts, runs: Vec::new(), unread: vec![Unread { file, why: why.to_owned() }] }
    }

    pub(super) fn broken(why: &str) -> Self {
        Self::unread("a task of the verification".to_owned(), why)
    }

    pub(super) fn add(&mut self, other: Self) {
        let Counts { runs, entries, faithful, diverged, incomplete, unread } = other.counts;
        self.counts.runs += runs;
        self.counts.entries += entries;
        self.counts.faithful += faithful;
        self.counts.diverged += diverged;
        self.counts.incomplete += incomplete;
        self.counts.unread += unread;
        self.runs.extend(other.runs);
        self.unread.extend(other.unread);
    }

    /// The same whatever came first.
    pub(super) fn sort(&mut self) {
        self.runs.sort_by(|one, other| (&one.report.run, &one.file).cmp(&(&other.report.run, &other.file)));
        self.unread.sort_by(|one, other| one.file.cmp(&other.file));
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { runs, entries, faithful, diverged, incomplete, unread } = self.counts;
        for run in &self.runs {
            writeln!(f, "{}", run.report)?;
        }
        for file in &self.unread {
            writeln!(f, "unread: {}: {}", file.file, file.why)?;
        }
        write!(
            f,
            "{runs} runs ({entries} entries): {faithful} faithful, {diverged} diverged, {incomplete} incomplete, {unread} unread files"
        )
    }
}
