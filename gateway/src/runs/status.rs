//! How things are: the engine's words for an invocation, and ours.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tables::Invocation;

/// How a run, or one of its steps, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunStatus {
    /// It will start as soon as there is room, or as its object is free.
    Queued,
    /// It is being worked on.
    Running,
    /// It waits: for a time, or for an answer.
    Waiting,
    /// An attempt failed; the next one has its time.
    BackingOff,
    /// It rests until somebody resumes it.
    Paused,
    /// It is done.
    Completed,
    /// It ended without its result.
    Failed,
    /// It was stopped.
    Cancelled,
}

impl RunStatus {
    /// Whether nothing more happens.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Of the parts of a tree, which one a person should know of first.
    pub(super) const fn urgency(self) -> u8 {
        match self {
            Self::Completed => 0,
            Self::Cancelled => 1,
            Self::Failed => 2,
            Self::Waiting => 3,
            Self::Queued => 4,
            Self::Running => 5,
            Self::BackingOff => 6,
            Self::Paused => 7,
        }
    }
}

/// How an invocation is.
pub(crate) fn of(row: &Invocation) -> RunStatus {
    match row.status.as_str() {
        "running" => RunStatus::Running,
        "suspended" | "scheduled" => RunStatus::Waiting,
        "backing-off" => RunStatus::BackingOff,
        "paused" => RunStatus::Paused,
        "completed" if row.completion_result.as_deref() == Some("success") => RunStatus::Completed,
        // What the engine itself writes; a handler that wants to say 409 says more than this word.
        "completed" if row.completion_failure.as_deref() == Some("[409] cancelled") => RunStatus::Cancelled,
        "completed" => RunStatus::Failed,
        _ => RunStatus::Queued,
    }
}
