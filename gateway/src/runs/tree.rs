//! Pure: makes the tree that people see out of the engine's rows.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::tables::{Entry, Invocation, InvocationId, Rows};

/// For how long an invocation that the engine does not know may still be on its way from one partition to another. Longer than that, and the
/// engine has dropped it.
const ON_ITS_WAY: TimeDelta = TimeDelta::seconds(10);

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
    const fn urgency(self) -> u8 {
        match self {
            Self::Completed | Self::Cancelled => 0,
            Self::Failed => 1,
            Self::Waiting => 2,
            Self::Queued => 3,
            Self::Running => 4,
            Self::BackingOff => 5,
            Self::Paused => 6,
        }
    }
}

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
    /// Its place in the journal of its invocation.
    pub(crate) index: u32,
    /// `model.complete`; of a call or send `Service/handler`.
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
    /// Of a call or send: the invocation that it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invoked: Option<Invoked>,
    /// Of a call or send: the steps of that invocation.
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

/// A run as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    /// The invocation that everything began with.
    pub(crate) root: Invoked,
    /// Its steps, in the order in which they began.
    pub(crate) steps: Vec<Step>,
    /// How the whole tree is; null if the engine does not know the run any more.
    pub(crate) status: Option<RunStatus>,
    /// When the last of it ended; null while anything goes on.
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// Whether there is more than is shown.
    pub(crate) truncated: bool,
}

impl Tree {
    /// The invocations that somebody may change through this run, with how they are: its own, and what those called or sent that is no object. An
    /// object serves other runs as well; it is left alone unless `objects`.
    pub(crate) fn changeable(&self, objects: bool) -> Vec<(&str, RunStatus)> {
        let mut found: Vec<(&str, RunStatus)> =
            self.root.status.map(|status| (self.root.invocation_id.as_str(), status)).into_iter().collect();
        collect(&self.steps, objects, &mut found);
        found
    }

    /// Whether nothing in the whole tree will change any more.
    pub(crate) fn is_final(&self) -> bool {
        self.status.is_none_or(RunStatus::is_final)
    }
}

/// Makes the tree under `root`, which was begun at `begun_at`.
pub(crate) fn build(root: &InvocationId, begun_at: DateTime<Utc>, rows: &Rows) -> Tree {
    let mut builder = Builder { rows, shown: HashSet::new() };
    let (root, steps) = builder.invocation(root, None, Some(begun_at));
    let status = root.status.map(|own| {
        let mut most = own;
        urgent(&steps, &mut most);
        if own != RunStatus::Completed && most.is_final() { own } else { most }
    });
    let finished_at = if status.is_some_and(RunStatus::is_final) { root.finished_at.max(last_end(&steps)) } else { None };
    Tree { root, steps, status, finished_at, truncated: rows.truncated }
}

/// Only what is under way, and what nobody waited for and failed, says more than its parent.
fn urgent(steps: &[Step], most: &mut RunStatus) {
    for step in steps {
        if let Some(status) = step.invoked.as_ref().and_then(|invoked| invoked.status)
            && status.urgency() > most.urgency()
            && (step.kind == StepKind::Send || !status.is_final())
        {
            *most = status;
        }
        urgent(&step.children, most);
    }
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

struct Builder<'a> {
    rows: &'a Rows,
    /// An invocation that was called twice under one idempotency key is shown once.
    shown: HashSet<InvocationId>,
}

impl Builder<'_> {
    fn invocation(&mut self, id: &InvocationId, workflow: Option<String>, begun_at: Option<DateTime<Utc>>) -> (Invoked, Vec<Step>) {
        let Some(row) = self.rows.invocations.get(id) else { return (self.unknown(id, workflow, begun_at), Vec::new()) };
        let steps = if self.shown.insert(id.clone()) { self.steps(row) } else { Vec::new() };
        let status = status(row);
        let journal = if status.is_final() && !self.rows.entries.contains_key(id) { Journal::Expired } else { Journal::Kept };
        let invoked = Invoked {
            invocation_id: id.to_string(),
            workflow: format!("{}/{}", row.target_service_name, row.target_handler_name),
            key: row.target_service_key.clone(),
            status: Some(status),
            started_at: if row.status == "scheduled" { None } else { row.running_at.or(row.created_at) },
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
        let fresh = begun_at.is_some_and(|at| self.rows.read_at - at < ON_ITS_WAY);
        Invoked {
            invocation_id: id.to_string(),
            workflow: workflow.unwrap_or_default(),
            key: None,
            status: fresh.then_some(RunStatus::Queued),
            started_at: if fresh { None } else { begun_at },
            finished_at: None,
            deployment: None,
            // Beyond the bounds of the tree nothing was asked for, so nothing can be said.
            journal: if fresh || self.rows.truncated { Journal::Kept } else { Journal::Expired },
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
        let mut command_index = 0;
        for entry in entries {
            let Some(command) = entry.entry_type.strip_prefix("Command: ") else { continue };
            let failed = failures.get(&command_index).cloned().unwrap_or_default();
            let step = match command {
                "Run" => Some(effect(row, entry, &ends, command_index, failed)),
                "Sleep" => Some(sleep(row, entry, &ends)),
                "Call" => self.call(entry, &ends),
                "OneWayCall" => self.send(entry),
                _ => None,
            };
            steps.extend(step);
            command_index += 1;
        }
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
        Some(Step {
            index: entry.index,
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
        })
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

struct End {
    at: Option<DateTime<Utc>>,
    failed: bool,
    failure: Option<String>,
}

type Ends = HashMap<u64, End>;

fn effect(row: &Invocation, entry: &Entry, ends: &Ends, command_index: u64, (failed, said): (u64, String)) -> Step {
    let end = number(entry, "completion_id").and_then(|id| ends.get(&id));
    let invocation = status(row);
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

fn sleep(row: &Invocation, entry: &Entry, ends: &Ends) -> Step {
    let end = number(entry, "completion_id").and_then(|id| ends.get(&id));
    let until = number(entry, "wake_up_time").and_then(|ms| DateTime::from_timestamp_millis(i64::try_from(ms).ok()?));
    let status = match end {
        Some(_) => RunStatus::Completed,
        None if status(row).is_final() => RunStatus::Cancelled,
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

/// How an invocation is.
pub(crate) fn status(row: &Invocation) -> RunStatus {
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

/// What stands inside `{"Command": {"Run": ...}}`.
fn body(entry: &Entry) -> Option<Value> {
    let Value::Object(outer) = serde_json::from_str(entry.entry_lite_json.as_deref()?).ok()? else { return None };
    let Value::Object(inner) = outer.into_iter().next()?.1 else { return None };
    inner.into_iter().next().map(|(_, value)| value)
}

fn number(entry: &Entry, field: &str) -> Option<u64> {
    body(entry)?.get(field)?.as_u64()
}

/// The invocation that an entry started, if it is a call or a send.
pub(super) fn callee(entry: &Entry) -> Option<InvocationId> {
    if !matches!(entry.entry_type.as_str(), "Command: Call" | "Command: OneWayCall") {
        return None;
    }
    body(entry)?.get("invocation_id")?.as_str()?.parse().ok()
}

/// `Service/handler` as the caller's journal has it.
fn target(entry: &Entry) -> Option<String> {
    let body = body(entry)?;
    let target = body.get("invocation_target")?.as_object()?.values().next()?;
    Some(format!("{}/{}", target.get("name")?.as_str()?, target.get("handler")?.as_str()?))
}

/// Whether an entry says that a step failed for good.
pub(super) fn is_failed_step(entry: &Entry) -> bool {
    entry.entry_type == "Notification: Run" && entry.entry_lite_json.as_deref().is_some_and(|json| json.contains(r#""result":"Failure""#))
}

/// What the payload of a failed step says.
pub(super) fn failure_message(payload: &str) -> Option<String> {
    fn find(value: &Value) -> Option<&str> {
        match value {
            Value::Object(map) => map.get("message").and_then(Value::as_str).or_else(|| map.values().find_map(find)),
            _ => None,
        }
    }
    find(&serde_json::from_str(payload).ok()?).map(str::to_owned)
}

/// When each completion came, by its number.
fn completions(entries: &[Entry]) -> Ends {
    let mut ends = Ends::new();
    for entry in entries.iter().filter(|e| e.entry_type.starts_with("Notification: ")) {
        let Some(json) = entry.entry_lite_json.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()) else { continue };
        if let Some(id) = json.pointer("/Notification/id/CompletionId").and_then(Value::as_u64) {
            let failed = json.pointer("/Notification/result").and_then(Value::as_str) == Some("Failure");
            ends.insert(id, End { at: entry.appended_at, failed, failure: entry.failure.clone() });
        }
    }
    ends
}

fn took(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Option<i64> {
    Some((to? - from?).num_milliseconds().max(0))
}

#[cfg(test)]
mod tests;
