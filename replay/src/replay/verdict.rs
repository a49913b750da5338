use std::fmt;

use serde::Serialize;

use crate::{difference::Difference, journal::Step, protocol::InvocationId};

/// What came of replaying one run.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The run.
    pub run: InvocationId,
    /// What was called: `Checkout/order`.
    pub target: String,
    /// As it was recorded: `completed`, `suspended`, `backing-off` and so on.
    pub status: String,
    /// How many steps were recorded, the input among them.
    pub steps: usize,
    /// How many entries its journal has.
    pub entries: usize,
    /// Whether the code takes the recorded steps.
    pub verdict: Verdict,
    /// Of a run that was not over: what the code does behind the record.
    pub next: Option<Next>,
    /// Steps whose values were not compared, because the bundle holds them redacted.
    pub not_compared: Vec<String>,
}

/// Whether the code takes the steps that were recorded.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Verdict {
    /// It takes every recorded step.
    Faithful,
    /// It does something else at some step. On a server this would be RT0016, or a failure.
    Diverged(Box<Divergence>),
    /// It cannot be told.
    Incomplete {
        /// The step at which the replay could not go on.
        step: usize,
        /// What that step is.
        name: String,
        /// Why it could not.
        why: Reason,
    },
}

/// How and where the code does something else.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// The number of the recorded step, which counts commands; the input is 0.
    pub step: usize,
    /// What the recorded step is: `run "price.ask"`.
    pub name: String,
    /// What was recorded there; nothing where the record ends.
    pub expected: Option<Step>,
    /// What the code does there; nothing where it could not be found out.
    pub found: Option<Step>,
    /// Where the two differ, field by field.
    pub differences: Vec<Difference>,
    /// What most likely happened to the code.
    pub cause: Cause,
    /// The same in words.
    pub because: String,
}

/// What most likely happened to the code since the run was recorded.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A step has another name.
    Renamed,
    /// There is a step that was not there.
    Inserted,
    /// A step is not there any more.
    Removed,
    /// Two steps have changed places.
    Swapped,
    /// A call, a message or another command is asked otherwise.
    ChangedArgument,
    /// Another key of state is used.
    ChangedStateKey,
    /// Another value is written to the state.
    ChangedStateValue,
    /// The handler returns something else.
    ChangedOutput,
    /// Calls that are made together are made in another order.
    ChangedFanOutOrder,
    /// The handler waits where it did not.
    AddedAwait,
    /// The handler goes another way.
    ChangedBranch,
    /// The handler cannot read its recorded input.
    UnreadableInput,
    /// The handler cannot read the recorded result of a step.
    UnreadableResult,
    /// The handler fails where it did not.
    Fails,
}

/// Why a replay could not be carried through.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// The journal is empty: it was not begun, or is not kept any more.
    NoJournal,
    /// An entry is not what its type says, or of a type that this version does not know.
    Unreadable {
        /// What is wrong.
        what: String,
    },
    /// Something that the code needs was taken out of the bundle.
    Redacted {
        /// What was taken out.
        what: String,
    },
    /// The endpoint has no such handler.
    NoSuchHandler,
    /// The endpoint does not take the request.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The handler panicked.
    Panicked {
        /// Its words.
        message: String,
    },
    /// The handler waits for something that is no part of its journal.
    Stalled,
    /// The SDK broke off without a word.
    Silent,
    /// A side effect ran. This is a defect of this crate: please report it.
    Acted,
}

/// What the code does behind the end of a record.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "next")]
pub enum Next {
    /// It waits, as a suspended run does; or it stands at a side effect that has no result yet.
    Waits {
        /// What for: the SDK's description.
        on: String,
    },
    /// It goes on with a step.
    Step {
        /// The step: `run "price.ask"`.
        name: String,
    },
    /// It returns.
    Returns,
    /// It fails, and would be retried.
    Fails {
        /// Its words.
        message: String,
    },
}

impl Report {
    /// Whether the code takes every recorded step.
    #[must_use]
    pub fn is_faithful(&self) -> bool {
        self.verdict == Verdict::Faithful
    }

    /// How it diverged, if it did.
    #[must_use]
    pub fn divergence(&self) -> Option<&Divergence> {
        match &self.verdict {
            Verdict::Diverged(divergence) => Some(divergence),
            _ => None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, target, steps, .. } = self;
        match &self.verdict {
            Verdict::Faithful => write!(f, "faithful: {target} ({run}), {steps} steps")?,
            Verdict::Incomplete { step, name, why } => write!(f, "incomplete: {target} ({run}) at step {step}, {name}: {why}")?,
            Verdict::Diverged(divergence) => write!(f, "diverged: {target} ({run}) {divergence}")?,
        }
        match &self.next {
            Some(next) => write!(f, "; then it {next}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at step {}, {}: {}", self.step, self.name, self.because)?;
        for difference in &self.differences {
            write!(f, "\n    {difference}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJournal => f.write_str("it has no journal: it was not begun, or its journal is not kept any more"),
            Self::Unreadable { what } => f.write_str(what),
            Self::Redacted { what } => write!(f, "the bundle is redacted: {what}"),
            Self::NoSuchHandler => f.write_str("this build has no such handler"),
            Self::Refused { status, message } => write!(f, "the endpoint refused with {status}: {message}"),
            Self::Panicked { message } => write!(f, "the handler panicked: {message}"),
            Self::Stalled => f.write_str("the handler waits for something that is no part of its journal"),
            Self::Silent => f.write_str("the handler broke off without a word"),
            Self::Acted => f.write_str("a side effect ran, which must not happen: a defect of this crate"),
        }
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waits { on } => write!(f, "waits for {on}"),
            Self::Step { name } => write!(f, "goes on with {name}"),
            Self::Returns => f.write_str("returns"),
            Self::Fails { message } => write!(f, "fails: {message}"),
        }
    }
}
