//! What people see of a run: its steps, and the invocations that they started.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{status::RunStatus, subject::Subject};

/// What kind of step it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepKind {
    /// An effect on the outside world.
    Step,
    /// Another workflow that is waited for.
    Call,
    /// Another workflow that is not waited for, now or later.
    Send,
    /// A wait for a time.
    Sleep,
    /// What a person asked for while the run went on, or an account's lane that took up what is the run's: joined to it, and started by no step of it.
    Request,
}

/// Whether the engine still has the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Journal {
    /// It has.
    Kept,
    /// The time is over for which the engine keeps them; that they ran is all that is known, and `status` is null unless somebody waited for the answer.
    Expired,
}

/// What something waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct WaitingFor {
    /// `start`: the time that it was sent for; `time`: the end of a sleep; `answer`: of the workflow that it called; `turn`: its object is busy.
    #[schema(example = "start")]
    pub(crate) what: &'static str,
    /// Until when, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<DateTime<Utc>>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Step {
    /// Its place in the journal of its invocation; of a request 0.
    pub(crate) index: u32,
    /// `model.complete`; of a call, send or request `Service/handler`.
    #[schema(example = "model.complete")]
    pub(crate) name: String,
    /// What kind of step it is.
    pub(crate) kind: StepKind,
    /// How it is; null if the engine does not know any more.
    pub(crate) status: Option<RunStatus>,
    /// How often it was tried. While it is being tried this is exact; afterwards it counts the first attempt and every failure that differed from
    /// the one before, because the engine writes the same failure down only once.
    pub(crate) attempts: u64,
    /// When it began; null while it waits for its time.
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// How long it took, in milliseconds; null while it goes on.
    pub(crate) took_ms: Option<i64>,
    /// What it failed with, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_retry_at: Option<DateTime<Utc>>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiting_for: Option<WaitingFor>,
    /// Of a call, send or request: the invocation that it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invoked: Option<Invoked>,
    /// Of a call, send or request: the steps of that invocation.
    #[schema(no_recursion)]
    pub(crate) children: Vec<Self>,
}

/// One invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Invoked {
    /// The engine's id of it.
    #[schema(example = "inv_16BzLjQI2Pyf0mCouSj4ZcCHMao731PHix")]
    pub(crate) invocation_id: String,
    /// `Service/handler`.
    #[schema(example = "Drafting/write")]
    pub(crate) workflow: String,
    /// The key of the object that it works on.
    pub(crate) key: Option<String>,
    /// The post that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Subject>,
    /// How it is, without what it sent off; null if the engine does not know any more.
    pub(crate) status: Option<RunStatus>,
    /// When it began; null while it waits for its time.
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// The build that works on it.
    pub(crate) deployment: Option<String>,
    /// Whether the engine still has its steps.
    pub(crate) journal: Journal,
    /// What it failed with, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_retry_at: Option<DateTime<Utc>>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiting_for: Option<WaitingFor>,
}

/// Work that a run started and does not wait for: it comes again and again by itself, for as long as what it serves is there (a published post is
/// measured for weeks, a digest is made every day). A step, with the place at which it was sent off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Background {
    /// The invocation that sent it off: the one before it in this list, or one of the run's own.
    #[schema(example = "inv_16BzLjQI2Pyf0mCouSj4ZcCHMao731PHix")]
    pub(crate) invocation_id: String,
    /// The send, and the steps of what it started.
    #[serde(flatten)]
    pub(crate) step: Step,
}
