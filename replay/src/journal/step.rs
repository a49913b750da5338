use std::{borrow::Cow, collections::HashMap, fmt};

use serde::{Serialize, Serializer};

use super::{Command, Entry, Notice, Payload, Timestamp, Unreadable};
use crate::protocol::{EntryKind, messages::About};

/// A step of a run: a command of the handler, with what came of it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number, which counts commands; the input is 0.
    pub index: usize,
    /// The place of its command in the journal, which counts notifications as well.
    pub entry: u32,
    /// What kind of command it is. Reads that the SDK answered itself are of the same kind as those that the server answered.
    #[serde(serialize_with = "words")]
    pub kind: EntryKind,
    /// A side effect's name, whom a call goes to, a state's key.
    pub name: String,
    /// What it was asked with.
    pub fields: Vec<Field>,
    /// What it gave; nothing while it is waited for.
    pub outcome: Option<Outcome>,
    /// Of a call or a send: the invocation that it started.
    pub invocation: Option<String>,
    /// When the server took the command in.
    pub started_at: Option<Timestamp>,
    /// When the server took the outcome in.
    pub ended_at: Option<Timestamp>,
    /// Whether the bundle holds it, or its outcome, redacted.
    pub redacted: bool,
    /// The ids of its completions.
    #[serde(skip)]
    pub(crate) completions: Vec<u32>,
}

fn words<S: Serializer>(kind: &EntryKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.words())
}

impl Step {
    /// What kind of step it is and what it is called: `run "price.ask"`.
    #[must_use]
    pub fn title(&self) -> String {
        if matches!(self.kind, EntryKind::INPUT | EntryKind::OUTPUT) || self.kind.words() == self.name {
            return self.kind.words().to_owned();
        }
        format!("{} \"{}\"", self.kind.words(), self.name)
    }

    /// How long it took, in milliseconds.
    #[must_use]
    pub fn took_ms(&self) -> Option<u64> {
        Some(self.ended_at?.0.saturating_sub(self.started_at?.0))
    }

    /// Whether both are the same step, whatever they were asked with.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name == other.name
    }

    /// A step that a command begins.
    pub(crate) fn begin(index: usize, entry: u32, kind: EntryKind, command: &Command) -> Self {
        Self {
            index,
            entry,
            kind: kind.as_issued(),
            name: command.label(),
            fields: command.fields(),
            outcome: command.own_outcome(),
            invocation: None,
            started_at: None,
            ended_at: None,
            redacted: false,
            completions: command.completions(),
        }
    }
}

/// Something that a step was asked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// What it is: `parameter`, `key`, `value`.
    pub name: Cow<'static, str>,
    /// What was given for it.
    pub value: Payload,
}

/// What came of a step.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done and has no value: a timer fired, a key holds no state.
    Nothing,
    /// A value.
    Value(Payload),
    /// A terminal failure.
    Failure {
        /// Its code, which is like an HTTP status.
        code: u32,
        /// Its words.
        message: String,
    },
    /// The id of an invocation.
    InvocationId(String),
    /// Keys of state.
    Keys(Vec<String>),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Value(value) => value.fmt(f),
            Self::Failure { code, message } => write!(f, "failure [{code}] {message}"),
            Self::InvocationId(id) => f.write_str(id),
            Self::Keys(keys) => write!(f, "keys {}", keys.join(", ")),
        }
    }
}

/// A journal as steps.
///
/// # Errors
/// When an entry is not what its type says.
pub(crate) fn steps(entries: &[Entry]) -> Result<Vec<Step>, Unreadable> {
    let wrong = |entry: &Entry, why| Unreadable { index: entry.index, kind: entry.kind.to_string(), why };
    let mut steps: Vec<Step> = Vec::new();
    // Which step waits for which completion.
    let mut waiting: HashMap<u32, usize> = HashMap::new();
    for entry in entries {
        if entry.kind.is_command() {
            let command = Command::decode(entry.kind, &entry.raw).map_err(|why| wrong(entry, why))?;
            let mut step = Step::begin(steps.len(), entry.index, entry.kind, &command);
            step.started_at = entry.appended_at;
            step.redacted = entry.redacted;
            if step.outcome.is_some() || entry.kind.completion().is_none() {
                step.ended_at = entry.appended_at;
            }
            for id in command.completions() {
                waiting.insert(id, steps.len());
            }
            steps.push(step);
        } else if entry.kind.is_notification() {
            let notice = Notice::decode(&entry.raw).map_err(|why| wrong(entry, why))?;
            let About::Completion(id) = notice.about else { continue };
            let Some(step) = waiting.get(&id).and_then(|place| steps.get_mut(*place)) else { continue };
            step.redacted |= entry.redacted;
            match notice.outcome {
                Outcome::InvocationId(id) => {
                    step.invocation = Some(id);
                    // A message is done once it is accepted.
                    if step.kind == EntryKind::ONE_WAY_CALL {
                        step.ended_at = entry.appended_at;
                    }
                }
                outcome => {
                    step.outcome = Some(outcome);
                    step.ended_at = entry.appended_at;
                }
            }
        } else {
            return Err(wrong(entry, "its type is neither a command nor a notification".to_owned()));
        }
    }
    Ok(steps)
}
