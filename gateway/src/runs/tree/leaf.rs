//! Steps without anything under them: effects and sleeps.

use chrono::DateTime;

use super::super::{
    entry::{Ends, number, took},
    status::{self, RunStatus},
    step::{Step, StepKind, WaitingFor},
    tables::{Entry, Invocation},
};

/// An effect, tried as often as `failed` says, which the last time failed with `said`.
pub(super) fn effect(row: &Invocation, entry: &Entry, ends: &Ends, command_index: u64, (failed, said): (u64, String)) -> Step {
    let end = number(entry, "completion_id").and_then(|id| ends.get(&id));
    let invocation = status::of(row);
    let tried_now = row.last_failure_related_command_index == Some(command_index);
    let status = match end {
        Some(end) if end.failed => RunStatus::Failed,
        Some(_) => RunStatus::Completed,
        // It ended while this was under way.
        None if invocation.is_final() => {
            if invocation == RunStatus::Failed {
                RunStatus::Failed
            } else {
                RunStatus::Cancelled
            }
        }
        None if matches!(invocation, RunStatus::BackingOff | RunStatus::Paused) => invocation,
        None => RunStatus::Running,
    };
    let floor = if status == RunStatus::BackingOff { failed.max(1) } else { failed + 1 };
    let failure = match end {
        Some(end) => end.failure.clone(),
        None => row.last_failure.clone().filter(|_| tried_now).or_else(|| (!said.is_empty()).then_some(said)),
    };
    Step {
        index: entry.index,
        name: entry.name.clone().unwrap_or_default(),
        kind: StepKind::Step,
        status: Some(status),
        attempts: if end.is_none() && tried_now { floor.max(row.retry_count.unwrap_or_default()) } else { floor },
        started_at: entry.appended_at,
        took_ms: end.and_then(|end| took(entry.appended_at, end.at)),
        failure,
        next_retry_at: if status == RunStatus::BackingOff { row.next_retry_at } else { None },
        waiting_for: None,
        invoked: None,
        children: Vec::new(),
    }
}

/// A wait for a time.
pub(super) fn sleep(row: &Invocation, entry: &Entry, ends: &Ends) -> Step {
    let end = number(entry, "completion_id").and_then(|id| ends.get(&id));
    let until = number(entry, "wake_up_time").and_then(|ms| DateTime::from_timestamp_millis(i64::try_from(ms).ok()?));
    let status = match end {
        Some(_) => RunStatus::Completed,
        None if status::of(row).is_final() => RunStatus::Cancelled,
        None => RunStatus::Waiting,
    };
    Step {
        index: entry.index,
        name: entry.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| "sleep".to_owned()),
        kind: StepKind::Sleep,
        status: Some(status),
        attempts: 1,
        started_at: entry.appended_at,
        took_ms: end.and_then(|end| took(entry.appended_at, end.at)),
        failure: None,
        next_retry_at: None,
        waiting_for: (status == RunStatus::Waiting).then_some(WaitingFor { what: "time", until }),
        invoked: None,
        children: Vec::new(),
    }
}
