//! What a platform was given before a publication: uploads, containers, upload sessions. Nobody can see it.

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Attachment;
use crate::fault::gate::Process;

/// Something that was given ahead of a publication.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The id that the client got.
    pub id: String,
    /// Handle of the account that made it.
    pub account: String,
    /// What it is, in the platform's word: `file`, `container`, `session`.
    pub kind: String,
    /// What the client said about it: caption, title, file name, children.
    pub data: Value,
    /// The file, once it is there.
    pub file: Option<Attachment>,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// How its processing goes.
    pub processing: Processing,
    /// The entry that was published from it.
    pub published: Option<String>,
}

impl Draft {
    /// A draft without a file. Its id and time are given when it is kept.
    pub fn new(account: &str, kind: &str, data: Value) -> Self {
        Self {
            id: String::new(),
            account: account.to_owned(),
            kind: kind.to_owned(),
            data,
            file: None,
            at: DateTime::UNIX_EPOCH,
            processing: Processing::default(),
            published: None,
        }
    }

    /// With its file.
    #[must_use]
    pub fn with_file(mut self, content_type: &str, bytes: &[u8], alt: Option<&str>) -> Self {
        self.file = Some(attachment(&self.id, content_type, bytes, alt));
        self
    }
}

/// A file as the books keep it.
pub(crate) fn attachment(id: &str, content_type: &str, bytes: &[u8], alt: Option<&str>) -> Attachment {
    Attachment {
        id: id.to_owned(),
        content_type: content_type.to_owned(),
        bytes: bytes.len(),
        sha256: HEXLOWER.encode(&Sha256::digest(bytes)),
        alt: alt.filter(|alt| !alt.is_empty()).map(str::to_owned),
    }
}

/// How processing goes: done at once unless it was ordered otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Processing {
    /// Not done before this.
    until: Option<DateTime<Utc>>,
    /// That many questions are answered "still at it".
    polls: u32,
    /// It fails.
    failed: bool,
}

/// What is to be said about a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It can be published.
    Ready,
    /// The platform is still at it.
    Working,
    /// It never will be ready.
    Failed,
}

impl Processing {
    /// As it was ordered of the gate.
    pub(crate) fn ordered(order: Option<Process>, now: DateTime<Utc>) -> Self {
        match order {
            None => Self::default(),
            Some(Process::Fail) => Self { failed: true, ..Self::default() },
            Some(Process::Slowly { ms, polls }) => {
                let wait = || TimeDelta::milliseconds(i64::try_from(ms).unwrap_or(i64::MAX / 1_000_000));
                Self { until: (ms > 0).then(|| now + wait()), polls, failed: false }
            }
        }
    }

    /// How far it is, without asking.
    pub fn progress(&self, now: DateTime<Utc>) -> Progress {
        match self {
            Self { failed: true, .. } => Progress::Failed,
            Self { until, polls, .. } if *polls > 0 || until.is_some_and(|until| now < until) => Progress::Working,
            _ => Progress::Ready,
        }
    }

    /// How far it is. A question uses up one of those that are answered "still at it".
    pub(crate) fn ask(&mut self, now: DateTime<Utc>) -> Progress {
        let progress = self.progress(now);
        self.polls = self.polls.saturating_sub(1);
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processing_lasts_as_long_and_as_many_questions_as_ordered() {
        let now = Utc::now();
        assert_eq!(Processing::ordered(None, now).ask(now), Progress::Ready);
        assert_eq!(Processing::ordered(Some(Process::Fail), now).ask(now), Progress::Failed);
        let mut slow = Processing::ordered(Some(Process::Slowly { ms: 1_000, polls: 2 }), now);
        assert_eq!(slow.ask(now + TimeDelta::seconds(2)), Progress::Working, "first question");
        assert_eq!(slow.ask(now), Progress::Working, "second question");
        assert_eq!(slow.ask(now), Progress::Working, "too early");
        assert_eq!(slow.ask(now + TimeDelta::seconds(2)), Progress::Ready);
    }
}
