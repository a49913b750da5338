//! Live progress: all who watch a run share one task that asks the engine.
//!
//! The task keeps a board: the latest of each step, with the number of the change that made it so. A watcher remembers the last number that it
//! was given and gets whatever changed since. So a slow watcher skips what is over, holds up nobody and costs no memory, and one that comes back
//! with the number of its last event has missed nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::sync::watch;
use ulid::Ulid;

use super::{
    step::{Step, StepKind},
    tables::{InvocationId, Rows, Tables},
    tree::{self, Tree},
};

/// How often the engine is asked while something happens.
const QUICK: Duration = Duration::from_millis(150);
/// How often at least, when nothing does or the engine is away.
const SLOW: Duration = Duration::from_secs(1);
/// For how long a board is kept that nobody watches.
const KEEP: Duration = Duration::from_secs(300);
/// How many of those are kept at most.
const MAX_KEPT: usize = 200;

/// What stands in one place of a board.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Step(String, u32),
    Status,
    Done,
}

#[derive(Debug, Clone)]
struct Card {
    number: u64,
    event: &'static str,
    data: Arc<str>,
}

/// The latest of a run.
#[derive(Debug, Default)]
struct Board {
    cards: HashMap<Place, Card>,
    /// Of the last change.
    number: u64,
    done: bool,
    /// How many invocations were joined to the run when it was last read.
    parts: usize,
}

impl Board {
    /// Puts up what is new. Returns whether anything was.
    fn show(&mut self, tree: &Tree) -> bool {
        let before = self.number;
        self.parts = tree.parts;
        self.steps(&tree.root.invocation_id, &tree.steps, false);
        for background in &tree.background {
            self.steps(&background.invocation_id, std::slice::from_ref(&background.step), true);
        }
        let root = &tree.root;
        let status = json!({
            "status": tree.status, "workflow_status": root.status, "started_at": root.started_at, "finished_at": tree.finished_at,
            "failure": root.failure, "next_retry_at": root.next_retry_at, "waiting_for": root.waiting_for, "journal": root.journal,
            "truncated": tree.truncated,
        });
        self.put(Place::Status, "status", &status);
        if tree.is_final() {
            self.put(Place::Done, "done", &json!({"status": tree.status}));
            self.done = true;
        }
        self.number != before
    }

    fn steps(&mut self, invocation: &str, steps: &[Step], background: bool) {
        for step in steps {
            // A request stands in nobody's journal; it goes by the beginning of its own.
            let own = step.invoked.as_ref().filter(|_| step.kind == StepKind::Request);
            let invocation = own.map_or(invocation, |own| own.invocation_id.as_str());
            let mut data = serde_json::to_value(step).unwrap_or_default();
            if let Value::Object(fields) = &mut data {
                // They come as steps of their own, in the journal of `invoked`.
                fields.remove("children");
                fields.insert("invocation_id".to_owned(), invocation.into());
                if background {
                    fields.insert("background".to_owned(), true.into());
                }
            }
            self.put(Place::Step(invocation.to_owned(), step.index), "step", &data);
            if let Some(invoked) = &step.invoked {
                self.steps(&invoked.invocation_id, &step.children, background);
            }
        }
    }

    fn put(&mut self, place: Place, event: &'static str, data: &Value) {
        let data = data.to_string();
        if self.cards.get(&place).is_some_and(|card| *card.data == *data) {
            return;
        }
        self.number += 1;
        self.cards.insert(place, Card { number: self.number, event, data: data.into() });
    }

    /// A run that was over goes on.
    fn reopen(&mut self) {
        self.done = false;
        self.cards.remove(&Place::Done);
    }

    fn since(&self, number: u64) -> Vec<Card> {
        let mut cards: Vec<Card> = self.cards.values().filter(|card| card.number > number).cloned().collect();
        cards.sort_by_key(|card| card.number);
        cards
    }
}

/// One run that is, or was until lately, watched.
#[derive(Debug)]
struct Watched {
    /// Tells the numbers of this board from those of an earlier one, or of another gateway.
    epoch: String,
    board: watch::Sender<Board>,
}

#[derive(Debug)]
struct Kept {
    watched: Arc<Watched>,
    /// Since when nobody asks the engine for it.
    idle_since: Option<Instant>,
}

/// The runs that are being watched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchers(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    runs: Mutex<HashMap<InvocationId, Kept>>,
    polls: AtomicU64,
}

/// An event as a watcher gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    /// For `Last-Event-ID`.
    pub(crate) id: String,
    /// `step`, `status`, `done`.
    pub(crate) event: &'static str,
    /// JSON.
    pub(crate) data: Arc<str>,
}

/// Somebody who watches a run.
#[derive(Debug)]
pub(crate) struct Watcher {
    watched: Arc<Watched>,
    board: watch::Receiver<Board>,
    seen: u64,
}

impl Watcher {
    /// What has changed, as soon as anything has; `None` once everything is over and told.
    pub(crate) async fn next(&mut self) -> Option<Vec<Update>> {
        loop {
            let (cards, done) = {
                let board = self.board.borrow_and_update();
                (board.since(self.seen), board.done)
            };
            if let Some(last) = cards.last() {
                self.seen = last.number;
                let name =
                    |card: Card| Update { id: format!("{}.{}", self.watched.epoch, card.number), event: card.event, data: card.data };
                return Some(cards.into_iter().map(name).collect());
            }
            if done || self.board.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Whether there is nothing to tell and never will be.
    pub(crate) fn is_over(&self) -> bool {
        let board = self.board.borrow();
        board.done && board.number == self.seen
    }
}

impl Watchers {
    /// Watches the run that `invocation` is, which was begun at `begun_at`, and to which so many `parts` are joined. `last` is the id of the last event that the watcher saw; if its board
    /// is gone, everything that is known comes anew.
    pub(crate) fn watch(
        &self,
        tables: &Arc<dyn Tables>,
        invocation: &InvocationId,
        begun_at: DateTime<Utc>,
        parts: usize,
        last: Option<&str>,
    ) -> Watcher {
        let mut runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
        sweep(&mut runs);
        let kept = runs.entry(invocation.clone()).or_insert_with(|| {
            let watched = Watched { epoch: Ulid::generate().to_string(), board: watch::Sender::new(Board::default()) };
            Kept { watched: Arc::new(watched), idle_since: Some(Instant::now()) }
        });
        let watched = Arc::clone(&kept.watched);
        // Counted before the task starts and while nobody can end it, so that it does not find itself unwatched.
        let board = watched.board.subscribe();
        watched.board.send_if_modified(|board| {
            let goes_on = board.done && parts > board.parts;
            if goes_on {
                board.reopen();
            }
            goes_on
        });
        let (done, newest) = (board.borrow().done, board.borrow().number);
        if !done && kept.idle_since.take().is_some() {
            tokio::spawn(follow(self.clone(), Arc::clone(tables), invocation.clone(), begun_at, Arc::clone(&watched)));
        }
        let seen = last
            .and_then(|id| id.strip_prefix(watched.epoch.as_str())?.strip_prefix('.')?.parse::<u64>().ok())
            .filter(|number| *number <= newest)
            .unwrap_or(0);
        Watcher { watched, board, seen }
    }

    /// How often the engine has been asked for a tree.
    pub(crate) fn polls(&self) -> u64 {
        self.0.polls.load(Ordering::Relaxed)
    }

    /// Ends the asking for a run that is over or that nobody watches; `false` if somebody came meanwhile.
    fn rest(&self, invocation: &InvocationId, watched: &Watched) -> bool {
        let mut runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.board.receiver_count() > 0 && !watched.board.borrow().done {
            return false;
        }
        if let Some(kept) = runs.get_mut(invocation) {
            kept.idle_since = Some(Instant::now());
        }
        true
    }
}

/// Forgets boards that nobody came back to.
fn sweep(runs: &mut HashMap<InvocationId, Kept>) {
    let forgettable = |kept: &Kept| kept.idle_since.filter(|_| kept.watched.board.receiver_count() == 0);
    runs.retain(|_, kept| forgettable(kept).is_none_or(|since| since.elapsed() < KEEP));
    let mut idle: Vec<(Instant, InvocationId)> = runs.iter().filter_map(|(id, kept)| Some((forgettable(kept)?, id.clone()))).collect();
    idle.sort();
    for (_, id) in idle.iter().take(idle.len().saturating_sub(MAX_KEPT)) {
        runs.remove(id);
    }
}

/// The one task that asks the engine about a run, for as long as anybody watches.
async fn follow(watchers: Watchers, tables: Arc<dyn Tables>, invocation: InvocationId, begun_at: DateTime<Utc>, watched: Arc<Watched>) {
    let mut known = Rows::default();
    let mut pause = QUICK;
    loop {
        watchers.0.polls.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("pressroom_run_polls_total").increment(1);
        match tables.read(&invocation, &known).await {
            Ok(rows) => {
                let tree = tree::build(&invocation, begun_at, &rows);
                let news = watched.board.send_if_modified(|board| board.show(&tree));
                pause = if news { QUICK } else { (pause * 2).min(SLOW) };
                known = rows;
            }
            Err(error) => {
                tracing::warn!(%invocation, %error, "progress cannot be read for the moment");
                pause = SLOW;
            }
        }
        if !watched.board.borrow().done {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = watched.board.closed() => {}
            }
        }
        if (watched.board.borrow().done || watched.board.receiver_count() == 0) && watchers.rest(&invocation, &watched) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
