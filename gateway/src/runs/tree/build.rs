//! Reads the rows of one invocation after the other.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{
    super::{
        entry::{Ends, called_off, callee, completions, is_background, number, target, took},
        parts::Part,
        status::{self, RunStatus},
        step::{Background, Invoked, Journal, Step, StepKind, WaitingFor},
        tables::{Entry, Invocation, InvocationId, Rows},
    },
    leaf,
};

/// For how long an invocation that the engine does not know may still be on its way from one partition to another. Longer than that, and the
/// engine has dropped it.
const ON_ITS_WAY: TimeDelta = TimeDelta::seconds(10);

pub(super) struct Builder<'a> {
    rows: &'a Rows,
    /// An invocation that was called twice under one idempotency key is shown once.
    shown: HashSet<InvocationId>,
    /// What was sent off to go on by itself and is not shown yet: each entry under the invocation in whose journal it stands, the last one first.
    later: Vec<Entry>,
    /// What was asked to end by something in the tree.
    called_off: HashSet<InvocationId>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(rows: &'a Rows) -> Self {
        let called_off = rows.entries.values().flatten().filter_map(called_off).collect();
        Self { rows, shown: HashSet::new(), later: Vec::new(), called_off }
    }

    /// What was left aside while the tree was built: one after the other, each followed by what it sent off itself.
    pub(super) fn background(mut self) -> Vec<Background> {
        let mut background = Vec::new();
        // No recursion: a chain of these may have hundreds of links.
        while let Some(entry) = self.later.pop() {
            background.extend(self.send(&entry).map(|step| Background { invocation_id: entry.id.to_string(), step }));
        }
        background
    }

    /// Something that was joined to the run; `None` if it stands in the tree already.
    pub(super) fn part(&mut self, part: &Part) -> Option<Step> {
        if self.shown.contains(&part.invocation) {
            return None;
        }
        let (invoked, children) = self.invocation(&part.invocation, None, Some(part.joined_at));
        let (started_at, finished_at) = (invoked.started_at, invoked.finished_at);
        let took_ms = took(started_at, finished_at);
        Some(Step { started_at, took_ms, ..step_of(0, StepKind::Request, invoked, children) })
    }

    /// An invocation and its steps.
    pub(super) fn invocation(
        &mut self,
        id: &InvocationId,
        workflow: Option<String>,
        begun_at: Option<DateTime<Utc>>,
    ) -> (Invoked, Vec<Step>) {
        let Some(row) = self.rows.invocations.get(id) else { return (self.unknown(id, workflow, begun_at), Vec::new()) };
        let steps = if self.shown.insert(id.clone()) { self.steps(row) } else { Vec::new() };
        let status = status::of(row);
        let journal = if status.is_final() && !self.rows.entries.contains_key(id) { Journal::Expired } else { Journal::Kept };
        let invoked = Invoked {
            invocation_id: id.to_string(),
            workflow: format!("{}/{}", row.target_service_name, row.target_handler_name),
            key: row.target_service_key.clone(),
            subject: self.rows.subjects.get(id).cloned(),
            status: Some(status),
            started_at: match (row.status.as_str(), status) {
                ("scheduled", _) => None,
                // It was stopped while it waited for its turn.
                (_, RunStatus::Cancelled) => row.running_at,
                _ => row.running_at.or(row.created_at),
            },
            finished_at: row.completed_at,
            deployment: row.pinned_deployment_id.clone(),
            journal,
            failure: failure(row),
            next_retry_at: if status == RunStatus::BackingOff { row.next_retry_at } else { None },
            waiting_for: waiting_for(row),
        };
        (invoked, steps)
    }

    /// An invocation that the engine does not know: not yet, or not any more.
    fn unknown(&self, id: &InvocationId, workflow: Option<String>, begun_at: Option<DateTime<Utc>>) -> Invoked {
        // The engine forgets at once what is called off before it began.
        let called_off = self.called_off.contains(id);
        let fresh = !called_off && begun_at.is_some_and(|at| self.rows.read_at - at < ON_ITS_WAY);
        Invoked {
            invocation_id: id.to_string(),
            workflow: workflow.unwrap_or_default(),
            key: None,
            subject: None,
            status: if called_off { Some(RunStatus::Cancelled) } else { fresh.then_some(RunStatus::Queued) },
            started_at: if fresh || called_off { None } else { begun_at },
            finished_at: None,
            deployment: None,
            // Beyond the bounds of the tree nothing was asked for, so nothing can be said.
            journal: if fresh || called_off || self.rows.truncated { Journal::Kept } else { Journal::Expired },
            failure: None,
            next_retry_at: None,
            waiting_for: None,
        }
    }

    fn steps(&mut self, row: &Invocation) -> Vec<Step> {
        let rows = self.rows;
        let Some(entries) = rows.entries.get(&row.id) else { return Vec::new() };
        let ends = completions(entries);
        let failures = self.failures(&row.id);
        let mut steps = Vec::new();
        let mut later = Vec::new();
        let mut command_index = 0;
        for entry in entries {
            let Some(command) = entry.entry_type.strip_prefix("Command: ") else { continue };
            let failed = failures.get(&command_index).cloned().unwrap_or_default();
            let step = match command {
                "Run" => Some(leaf::effect(row, entry, &ends, command_index, failed)),
                "Sleep" => Some(leaf::sleep(row, entry, &ends)),
                "Call" => self.call(entry, &ends),
                "OneWayCall" if is_background(entry) => {
                    later.push(entry.clone());
                    None
                }
                "OneWayCall" => self.send(entry),
                _ => None,
            };
            steps.extend(step);
            command_index += 1;
        }
        self.later.extend(later.into_iter().rev());
        steps
    }

    fn call(&mut self, entry: &Entry, ends: &Ends) -> Option<Step> {
        let mut step = self.invoke(entry, StepKind::Call)?;
        step.started_at = entry.appended_at;
        if let Some(end) = number(entry, "result_completion_id").and_then(|id| ends.get(&id)) {
            let cancelled = step.status == Some(RunStatus::Cancelled);
            step.status = Some(match (end.failed, cancelled) {
                (false, _) => RunStatus::Completed,
                (true, true) => RunStatus::Cancelled,
                (true, false) => RunStatus::Failed,
            });
            step.took_ms = took(entry.appended_at, end.at);
            step.waiting_for = None;
        }
        Some(step)
    }

    fn send(&mut self, entry: &Entry) -> Option<Step> {
        let mut step = self.invoke(entry, StepKind::Send)?;
        let invoked = step.invoked.as_ref()?;
        step.started_at = invoked.started_at;
        step.took_ms = took(invoked.started_at, invoked.finished_at);
        Some(step)
    }

    fn invoke(&mut self, entry: &Entry, kind: StepKind) -> Option<Step> {
        let id = callee(entry)?;
        let (mut invoked, children) = self.invocation(&id, target(entry), entry.appended_at);
        // Not for every kind of service does the engine's row say when; the sender's journal does.
        if let Some(waiting) = invoked.waiting_for.as_mut().filter(|waiting| waiting.what == "start") {
            waiting.until = waiting.until.or_else(|| DateTime::from_timestamp_millis(i64::try_from(number(entry, "invoke_time")?).ok()?));
        }
        // The engine forgets at once what is cancelled before its time; nothing else could have ended it by now.
        let not_yet = |ms: u64| i64::try_from(ms).is_ok_and(|ms| ms > self.rows.read_at.timestamp_millis());
        if invoked.journal == Journal::Expired && invoked.status.is_none() && number(entry, "invoke_time").is_some_and(not_yet) {
            invoked.status = Some(RunStatus::Cancelled);
            invoked.started_at = None;
        }
        Some(step_of(entry.index, kind, invoked, children))
    }

    /// The failed attempts of each command: how many, and what the last one said.
    fn failures(&self, id: &InvocationId) -> HashMap<u64, (u64, String)> {
        let mut failures: HashMap<u64, (u64, String)> = HashMap::new();
        for event in self.rows.events.get(id).into_iter().flatten().filter(|e| e.event_type == "TransientError") {
            let Some(json) = event.event_json.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()) else { continue };
            let Some(command) = json.get("related_command_index").and_then(Value::as_u64) else { continue };
            let failed = failures.entry(command).or_default();
            failed.0 += 1;
            failed.1 = json.get("error_message").and_then(Value::as_str).unwrap_or_default().to_owned();
        }
        failures
    }
}

/// A step that is an invocation, without its times.
fn step_of(index: u32, kind: StepKind, invoked: Invoked, children: Vec<Step>) -> Step {
    Step {
        index,
        name: invoked.workflow.clone(),
        kind,
        status: invoked.status,
        attempts: 1,
        started_at: None,
        took_ms: None,
        failure: invoked.failure.clone(),
        next_retry_at: invoked.next_retry_at,
        waiting_for: invoked.waiting_for.clone(),
        invoked: Some(invoked),
        children,
    }
}

fn failure(row: &Invocation) -> Option<String> {
    row.completion_failure.clone().or_else(|| if row.status == "completed" { None } else { row.last_failure.clone() })
}

fn waiting_for(row: &Invocation) -> Option<WaitingFor> {
    match row.status.as_str() {
        "scheduled" => Some(WaitingFor { what: "start", until: row.scheduled_start_at }),
        "inboxed" => Some(WaitingFor { what: "turn", until: None }),
        "suspended" => Some(WaitingFor { what: "answer", until: None }),
        _ => None,
    }
}
