//! Live progress: all watchers of one run share one task that asks the engine.
//!
//! The task writes what changed into a log; each watcher reads the log at its own pace, so that a slow one holds up nobody. An event's id is
//! `<log>.<number>`: a watcher that comes back with one goes on after it, or, if that log is gone, sees the present state anew, which is safe
//! because a `step` event says all there is to say about its step.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::ids::RunId;
use serde_json::{Value, json};
use tokio::sync::watch;
use ulid::Ulid;

use super::{
    rows::RunSource,
    tree::{RunTree, StepView},
};

/// How often the engine is asked while something happens, and at the longest while nothing does.
const QUICK: Duration = Duration::from_millis(250);
const SLOW: Duration = Duration::from_secs(2);

/// Something that changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    /// `step`, `status` or `done`.
    pub(crate) kind: &'static str,
    /// What about.
    pub(crate) data: Value,
}

/// What happened in a run since it is watched.
#[derive(Debug)]
pub(crate) struct Log {
    /// Tells this log from an earlier one of the same run.
    id: String,
    events: Mutex<Vec<Event>>,
    /// How many events there are, and whether no more will come.
    state: watch::Sender<(usize, bool)>,
}

impl Log {
    fn new() -> Self {
        Self { id: Ulid::generate().to_string(), events: Mutex::default(), state: watch::Sender::new((0, false)) }
    }

    fn push(&self, new: Vec<Event>, end: bool) {
        if new.is_empty() && !end {
            return;
        }
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.extend(new);
        self.state.send_replace((events.len(), end));
    }

    fn from(&self, position: usize) -> Vec<Event> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.get(position..).unwrap_or_default().to_vec()
    }
}

/// One watcher's place in a log.
#[derive(Debug)]
pub(crate) struct Watcher {
    log: Arc<Log>,
    state: watch::Receiver<(usize, bool)>,
    position: usize,
}

impl Watcher {
    /// The next events with their ids, as soon as there are any; `None` when no more will come.
    pub(crate) async fn next(&mut self) -> Option<Vec<(String, Event)>> {
        loop {
            let (length, ended) = *self.state.borrow_and_update();
            if length > self.position {
                let events = self.log.from(self.position);
                let first = self.position + 1;
                self.position += events.len();
                let named = |(n, event)| (format!("{}.{}", self.log.id, first + n), event);
                return Some(events.into_iter().enumerate().map(named).collect());
            }
            if ended || self.state.changed().await.is_err() {
                return None;
            }
        }
    }
}

/// The runs that are being watched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchers(Arc<Mutex<HashMap<RunId, Arc<Log>>>>);

impl Watchers {
    /// Watches a run. `last` is the id of the last event that this watcher saw.
    pub(crate) fn watch(&self, source: &Arc<dyn RunSource>, run: RunId, invocation: &str, last: Option<&str>) -> Watcher {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let log = match runs.get(&run) {
            Some(log) if !log.state.borrow().1 => Arc::clone(log),
            _ => {
                let log = Arc::new(Log::new());
                runs.insert(run, Arc::clone(&log));
                let task = follow(self.clone(), Arc::clone(source), run, invocation.to_owned(), Arc::clone(&log));
                // Before this lock is let go, the first watcher counts, so that the task does not find itself unwatched.
                let state = log.state.subscribe();
                tokio::spawn(task);
                return Watcher { position: 0, state, log };
            }
        };
        let state = log.state.subscribe();
        let position = last
            .and_then(|id| id.strip_prefix(log.id.as_str())?.strip_prefix('.')?.parse::<usize>().ok())
            .filter(|n| *n <= state.borrow().0)
            .unwrap_or(0);
        Watcher { position, state, log }
    }

    /// Forgets a log that nobody watches. `false`: somebody came meanwhile.
    fn forget(&self, run: RunId, log: &Arc<Log>) -> bool {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if log.state.receiver_count() > 0 && !log.state.borrow().1 {
            return false;
        }
        if runs.get(&run).is_some_and(|other| Arc::ptr_eq(other, log)) {
            runs.remove(&run);
        }
        true
    }
}

/// The one task that asks the engine about a run, for as long as anybody watches.
async fn follow(watchers: Watchers, source: Arc<dyn RunSource>, run: RunId, invocation: String, log: Arc<Log>) {
    let mut known = Known::default();
    let mut pause = QUICK;
    loop {
        match source.read(&invocation).await {
            Ok(tree) => {
                let events = known.changes(&tree);
                pause = if events.is_empty() { (pause * 2).min(SLOW) } else { QUICK };
                let done = tree.status.is_final();
                log.push(events, done);
                if done {
                    watchers.forget(run, &log);
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%run, %error, "progress cannot be read for the moment");
                pause = SLOW;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = log.state.closed() => {}
        }
        if log.state.receiver_count() == 0 && watchers.forget(run, &log) {
            return;
        }
    }
}

/// What watchers were told last.
#[derive(Debug, Default)]
struct Known {
    status: Option<Value>,
    steps: HashMap<String, Value>,
}

impl Known {
    fn changes(&mut self, tree: &RunTree) -> Vec<Event> {
        let mut events = Vec::new();
        self.steps(&tree.steps, "", &mut events);
        let status =
            json!({"status": tree.status, "started_at": tree.started_at, "finished_at": tree.finished_at, "failure": tree.failure});
        if self.status.as_ref() != Some(&status) {
            events.push(Event { kind: "status", data: status.clone() });
            if tree.status.is_final() {
                events.push(Event { kind: "done", data: status.clone() });
            }
            self.status = Some(status);
        }
        events
    }

    /// A step's path (`3/0/2`) is its place in the tree.
    fn steps(&mut self, steps: &[StepView], above: &str, events: &mut Vec<Event>) {
        for step in steps {
            let path = if above.is_empty() { step.index.to_string() } else { format!("{above}/{}", step.index) };
            let mut data = serde_json::to_value(step).unwrap_or_default();
            if let Some(object) = data.as_object_mut() {
                object.remove("children");
                object.insert("path".to_owned(), json!(path));
            }
            if self.steps.get(&path) != Some(&data) {
                events.push(Event { kind: "step", data: data.clone() });
                self.steps.insert(path.clone(), data);
            }
            self.steps(&step.children, &path, events);
        }
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
