//! Pure: makes the tree of steps that people see out of the engine's rows.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::rows::{Entry, Invocation, Rows};

/// How a run, or a step, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunStatus {
    /// It will start.
    Queued,
    /// It is being worked on.
    Running,
    /// It waits: for a time, an answer, a person.
    Waiting,
    /// An attempt failed; the next one has its time.
    BackingOff,
    /// It stopped until somebody resumes it.
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

    /// What a run is while its parts are different things: the one that a person should know of first.
    const fn urgency(self) -> u8 {
        match self {
            Self::Completed | Self::Cancelled | Self::Failed => 0,
            Self::Queued => 1,
            Self::Waiting => 2,
            Self::Running => 3,
            Self::BackingOff => 4,
            Self::Paused => 5,
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StepView {
    /// Its place in the journal of its invocation.
    pub(crate) index: u32,
    /// What it is called: `model.complete`, or `Service/handler` of a call.
    #[schema(example = "store.create_campaign")]
    pub(crate) name: String,
    /// `run`: an effect; `call`: waits for its answer; `send`: goes on without; `sleep`; `wait`: for somebody else.
    #[schema(example = "run")]
    pub(crate) kind: &'static str,
    /// How it is.
    pub(crate) status: RunStatus,
    /// How often it was tried.
    pub(crate) attempts: u64,
    /// When it began.
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// How long it took, in milliseconds; null while it goes on.
    pub(crate) took_ms: Option<i64>,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// When it is tried again, or begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_at: Option<DateTime<Utc>>,
    /// The invocation that it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invocation_id: Option<String>,
    /// The steps of that invocation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub(crate) children: Vec<StepView>,
}

/// A run as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunTree {
    pub(crate) status: RunStatus,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) deployment: Option<String>,
    pub(crate) failure: Option<String>,
    pub(crate) steps: Vec<StepView>,
    /// Whether parts were left out because there were too many.
    pub(crate) truncated: bool,
}

/// Services whose later work does not keep a run open: counters are read for weeks after all else is done.
const BACKGROUND: &[&str] = &["Metrics"];

/// The invocation that an entry started, if it is a call.
pub(super) fn callee(entry: &Entry) -> Option<String> {
    if !matches!(entry.entry_type.as_str(), "Command: Call" | "Command: OneWayCall") {
        return None;
    }
    Some(body(entry)?.get("invocation_id")?.as_str()?.to_owned())
}

/// What stands inside `{"Command": {"Run": ...}}`.
fn body(entry: &Entry) -> Option<Value> {
    let Value::Object(outer) = serde_json::from_str(entry.entry_lite_json.as_deref()?).ok()? else { return None };
    let (_, Value::Object(inner)) = outer.into_iter().next()? else { return None };
    inner.into_iter().next().map(|(_, value)| value)
}

struct Book<'a> {
    invocations: HashMap<&'a str, &'a Invocation>,
    entries: HashMap<&'a str, Vec<&'a Entry>>,
    /// Failed attempts by invocation and by name of the step: how many, and what the last one said.
    failures: HashMap<(&'a str, String), (u64, String)>,
}

/// Makes the tree of `root`.
pub(super) fn build(root: &str, rows: &Rows) -> RunTree {
    let mut entries: HashMap<&str, Vec<&Entry>> = HashMap::new();
    for entry in &rows.entries {
        entries.entry(&entry.id).or_default().push(entry);
    }
    for list in entries.values_mut() {
        list.sort_by_key(|e| e.index);
    }
    let mut failures: HashMap<(&str, String), (u64, String)> = HashMap::new();
    for event in &rows.events {
        let Some(Value::Object(json)) = event.event_json.as_deref().and_then(|t| serde_json::from_str(t).ok()) else { continue };
        let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let failed = failures.entry((&event.id, text("related_command_name"))).or_default();
        failed.0 += 1;
        failed.1 = text("error_message");
    }
    let invocations = rows.invocations.iter().map(|i| (i.id.as_str(), i)).collect();
    let book = Book { invocations, entries, failures };

    let steps = book.steps(root);
    let invocation = book.invocations.get(root);
    let own = invocation.map_or(RunStatus::Queued, |i| status(i));
    let sum = if matches!(own, RunStatus::Failed | RunStatus::Cancelled) { own } else { overall(own, &steps) };
    let finished_at = if sum.is_final() { book.invocations.values().filter_map(|i| i.completed_at).max() } else { None };
    RunTree {
        status: sum,
        started_at: invocation.and_then(|i| i.created_at),
        finished_at,
        deployment: invocation.and_then(|i| i.pinned_deployment_id.clone()),
        failure: invocation.and_then(|i| failure(i)).or_else(|| if sum == RunStatus::Failed { sent_failure(&steps) } else { None }),
        steps,
        truncated: rows.truncated,
    }
}

impl Book<'_> {
    fn steps(&self, invocation: &str) -> Vec<StepView> {
        let none = Vec::new();
        let entries = self.entries.get(invocation).unwrap_or(&none);
        let done = completions(entries);
        // The engine stores a step together with its result, so that a step begins when what stands before it was stored.
        let mut before = self.invocations.get(invocation).and_then(|i| i.running_at.or(i.created_at));
        let mut steps = Vec::new();
        for entry in entries {
            if let Some(step) = self.step(entry, &done, before) {
                steps.push(step);
            }
            before = entry.appended_at.or(before);
        }
        steps.extend(self.invocations.get(invocation).and_then(|i| under_way(i, &steps, before)));
        steps
    }

    fn step(&self, entry: &Entry, done: &HashMap<u64, (DateTime<Utc>, bool)>, before: Option<DateTime<Utc>>) -> Option<StepView> {
        let command = entry.entry_type.strip_prefix("Command: ")?;
        let body = body(entry).unwrap_or_default();
        let name = entry.name.clone().filter(|n| !n.is_empty());
        let number = |field: &str| body.get(field).and_then(Value::as_u64);
        let completed = |field: &str| number(field).and_then(|id| done.get(&id)).copied();
        let (kind, name, completed) = match command {
            "Run" => ("run", name?, completed("completion_id")),
            "Sleep" => ("sleep", name.unwrap_or_else(|| "sleep".to_owned()), completed("completion_id")),
            "GetPromise" => ("wait", name.unwrap_or_else(|| "wait".to_owned()), completed("completion_id")),
            "Call" | "OneWayCall" => return self.call(entry, command == "Call", before),
            _ => return None,
        };
        let (failed, words) = self.failures.get(&(entry.id.as_str(), name.clone())).cloned().unwrap_or_default();
        let (status, ended) = match completed {
            Some((at, true)) => (RunStatus::Completed, Some(at)),
            Some((at, false)) => (RunStatus::Failed, Some(at)),
            None if kind == "run" => (RunStatus::Running, None),
            None => (RunStatus::Waiting, None),
        };
        let started_at = if kind == "run" { before.or(entry.appended_at) } else { entry.appended_at };
        Some(StepView {
            index: entry.index,
            name,
            kind,
            status,
            attempts: failed + 1,
            started_at,
            took_ms: took(started_at, ended),
            failure: (!words.is_empty() && status != RunStatus::Completed).then_some(words),
            next_at: None,
            invocation_id: None,
            children: Vec::new(),
        })
    }

    fn call(&self, entry: &Entry, waits: bool, before: Option<DateTime<Utc>>) -> Option<StepView> {
        let id = callee(entry)?;
        let kind = if waits { "call" } else { "send" };
        let Some(invocation) = self.invocations.get(id.as_str()) else {
            // Older than the engine keeps it, or left out: it is known that it was called.
            return Some(StepView {
                index: entry.index,
                name: target_name(entry),
                kind,
                status: RunStatus::Completed,
                attempts: 1,
                started_at: entry.appended_at,
                took_ms: None,
                failure: None,
                next_at: None,
                invocation_id: Some(id),
                children: Vec::new(),
            });
        };
        let started_at = invocation.running_at.or(invocation.created_at).or(before);
        Some(StepView {
            index: entry.index,
            name: format!("{}/{}", invocation.target_service_name, invocation.target_handler_name),
            kind,
            status: status(invocation),
            attempts: invocation.retry_count.unwrap_or(1).max(1),
            started_at,
            took_ms: took(started_at, invocation.completed_at),
            failure: failure(invocation),
            next_at: next_at(invocation),
            children: self.steps(&id),
            invocation_id: Some(id),
        })
    }
}

/// The step that is being tried and has no result yet: the engine knows its name once an attempt has failed.
fn under_way(invocation: &Invocation, steps: &[StepView], before: Option<DateTime<Utc>>) -> Option<StepView> {
    let name = invocation.last_failure_related_command_name.clone().filter(|n| !n.is_empty())?;
    if status(invocation).is_final() || steps.iter().any(|s| s.kind == "run" && s.name == name) {
        return None;
    }
    Some(StepView {
        index: steps.last().map_or(0, |s| s.index + 1),
        name,
        kind: "run",
        status: status(invocation),
        attempts: invocation.retry_count.unwrap_or(1),
        started_at: before,
        took_ms: None,
        failure: invocation.last_failure.clone(),
        next_at: next_at(invocation),
        invocation_id: None,
        children: Vec::new(),
    })
}

/// When each completion came, and whether it was a success.
fn completions(entries: &[&Entry]) -> HashMap<u64, (DateTime<Utc>, bool)> {
    let mut done = HashMap::new();
    for entry in entries {
        if !entry.entry_type.starts_with("Notification: ") {
            continue;
        }
        let Some(json) = entry.entry_lite_json.as_deref().and_then(|t| serde_json::from_str::<Value>(t).ok()) else { continue };
        let Some(notification) = json.get("Notification") else { continue };
        if let (Some(id), Some(at)) = (notification.pointer("/id/CompletionId").and_then(Value::as_u64), entry.appended_at) {
            done.insert(id, (at, notification.get("result").and_then(Value::as_str) != Some("Failure")));
        }
    }
    done
}

fn target_name(entry: &Entry) -> String {
    let body = body(entry).unwrap_or_default();
    let target = body.get("invocation_target").and_then(Value::as_object).and_then(|t| t.values().next());
    let part = |name: &str| target.and_then(|t| t.get(name)).and_then(Value::as_str).unwrap_or("?").to_owned();
    format!("{}/{}", part("name"), part("handler"))
}

fn took(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Option<i64> {
    Some((to? - from?).num_milliseconds().max(0))
}

fn status(invocation: &Invocation) -> RunStatus {
    match invocation.status.as_str() {
        "running" => RunStatus::Running,
        "suspended" | "scheduled" => RunStatus::Waiting,
        "backing-off" => RunStatus::BackingOff,
        "paused" => RunStatus::Paused,
        "completed" if invocation.completion_result.as_deref() == Some("success") => RunStatus::Completed,
        "completed" if invocation.completion_failure.as_deref().is_some_and(|f| f.to_lowercase().contains("cancelled")) => {
            RunStatus::Cancelled
        }
        "completed" => RunStatus::Failed,
        _ => RunStatus::Queued,
    }
}

fn failure(invocation: &Invocation) -> Option<String> {
    invocation.completion_failure.clone().or_else(|| if status(invocation).is_final() { None } else { invocation.last_failure.clone() })
}

fn next_at(invocation: &Invocation) -> Option<DateTime<Utc>> {
    match status(invocation) {
        RunStatus::BackingOff => invocation.next_retry_at,
        RunStatus::Waiting => invocation.scheduled_start_at,
        _ => None,
    }
}

/// A run is what its most urgent part is; done when all that it started is done, and failed or cancelled if something that it sent off is.
fn overall(own: RunStatus, steps: &[StepView]) -> RunStatus {
    let mut most = own;
    visit(steps, &mut |step| {
        if step.status.urgency() > most.urgency() {
            most = step.status;
        }
    });
    if !most.is_final() {
        most
    } else if sent_failure(steps).is_some() {
        RunStatus::Failed
    } else if was_cancelled(steps) {
        RunStatus::Cancelled
    } else {
        most
    }
}

/// Whether something that was sent off was stopped.
fn was_cancelled(steps: &[StepView]) -> bool {
    let mut found = false;
    visit(steps, &mut |step| found |= step.kind == "send" && step.status == RunStatus::Cancelled);
    found
}

/// What a step that was sent off failed with: nobody waits for it, so nobody else tells.
fn sent_failure(steps: &[StepView]) -> Option<String> {
    let mut found = None;
    visit(steps, &mut |step| {
        if step.kind == "send" && step.status == RunStatus::Failed && found.is_none() {
            found = Some(step.failure.clone().unwrap_or_default());
        }
    });
    found
}

/// Every step that keeps a run open.
fn visit(steps: &[StepView], see: &mut impl FnMut(&StepView)) {
    for step in steps {
        let service = step.name.split('/').next().unwrap_or_default();
        if step.kind == "send" && BACKGROUND.contains(&service) {
            continue;
        }
        see(step);
        visit(&step.children, see);
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
