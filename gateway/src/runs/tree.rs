//! Pure: makes the tree that people see out of the engine's rows.
//!
//! A run is over when the work that it was started for is over. What it leaves behind to come again and again (the polling of a published post's
//! counters, the next digest) is its background: it is shown beside the tree, and says nothing about the run's status.

mod build;
mod leaf;

use chrono::{DateTime, Utc};

use self::build::Builder;
use super::{
    status::RunStatus,
    step::{Background, Invoked, Step, StepKind},
    tables::{InvocationId, Rows},
};

/// A run as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    /// The invocation that everything began with.
    pub(crate) root: Invoked,
    /// Its steps, in the order in which they began.
    pub(crate) steps: Vec<Step>,
    /// What it left behind to go on by itself, in order; no part of the statuses and times here.
    pub(crate) background: Vec<Background>,
    /// How the whole tree is, its background left out; null if the engine does not know the run any more.
    pub(crate) status: Option<RunStatus>,
    /// When the last of it ended; null while anything goes on.
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// Whether there is more than is shown.
    pub(crate) truncated: bool,
    /// How many invocations were joined to the run when it was read.
    pub(crate) parts: usize,
}

impl Tree {
    /// The invocations that somebody may change through this run, with how they are: its own, and what those called or sent that is no object. An
    /// object serves other runs as well; it is left alone unless `objects`.
    pub(crate) fn changeable(&self, objects: bool) -> Vec<(&str, RunStatus)> {
        let mut found: Vec<(&str, RunStatus)> =
            self.root.status.map(|status| (self.root.invocation_id.as_str(), status)).into_iter().collect();
        collect(&self.steps, objects, &mut found);
        for background in &self.background {
            collect(std::slice::from_ref(&background.step), objects, &mut found);
        }
        found
    }

    /// Whether the work is over: nothing in the tree will change any more. Its background may.
    pub(crate) fn is_final(&self) -> bool {
        self.status.is_none_or(RunStatus::is_final)
    }
}

/// Makes the tree under `root`, which was begun at `begun_at`.
pub(crate) fn build(root: &InvocationId, begun_at: DateTime<Utc>, rows: &Rows) -> Tree {
    let mut builder = Builder::new(rows);
    let (invoked, mut steps) = builder.invocation(root, None, Some(begun_at));
    let parts = rows.parts.get(root).map_or(&[][..], Vec::as_slice);
    steps.extend(parts.iter().filter_map(|part| builder.part(part)));
    let root = invoked;
    let mut most = root.status.unwrap_or(RunStatus::Completed);
    urgent(&steps, &mut most);
    let status = match root.status {
        Some(own) if own != RunStatus::Completed && most.is_final() => Some(own),
        Some(_) => Some(most),
        // The engine has dropped how the run began; what people asked for later may go on all the same.
        None => (!most.is_final()).then_some(most),
    };
    let finished_at = if status.is_some_and(RunStatus::is_final) { root.finished_at.max(last_end(&steps)) } else { None };
    let parts = parts.len();
    Tree { root, steps, background: builder.background(), status, finished_at, truncated: rows.truncated, parts }
}

/// Only what is under way, and what nobody waited for and did not end well, says more than its parent. A timer that was taken back before its time
/// is no work that was stopped; a campaign that was is.
fn urgent(steps: &[Step], most: &mut RunStatus) {
    for step in steps {
        if let Some(invoked) = &step.invoked
            && let Some(status) = invoked.status.map(|status| if stops(step, status) { RunStatus::Cancelled } else { status })
            && status.urgency() > most.urgency()
            && (step.kind != StepKind::Call || !status.is_final())
            && (status != RunStatus::Cancelled || invoked.started_at.is_some())
        {
            *most = status;
        }
        urgent(&step.children, most);
    }
}

/// Whether this is what stopped the run's campaign.
fn stops(step: &Step, status: RunStatus) -> bool {
    step.kind == StepKind::Request && status == RunStatus::Completed && step.name == workflows::campaign::STOP
}

fn last_end(steps: &[Step]) -> Option<DateTime<Utc>> {
    steps.iter().filter_map(|step| step.invoked.as_ref().and_then(|invoked| invoked.finished_at).max(last_end(&step.children))).max()
}

fn collect<'a>(steps: &'a [Step], objects: bool, found: &mut Vec<(&'a str, RunStatus)>) {
    for step in steps {
        if let Some(invoked) = step.invoked.as_ref().filter(|invoked| objects || invoked.key.is_none()) {
            found.extend(invoked.status.map(|status| (invoked.invocation_id.as_str(), status)));
            collect(&step.children, objects, found);
        }
    }
}

#[cfg(test)]
mod tests;
