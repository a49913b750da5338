//! The engine's own tables: the rows of a run and of everything that it caused.
//!
//! A tree is read from its root downwards, a level at a time: an id names its partition, anything else would be a scan of everything
//! (`sys_journal` has the callee's id in the caller's row). What a run left behind to go on by itself has bounds of its own, so that a post which
//! was measured a hundred times does not hide the rest of its tree.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    str::FromStr,
};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    parts::{Part, ReadError},
    subject::Subject,
};
use crate::engine::{Engine, EngineError};

/// How many levels of calls and sends are followed.
pub(crate) const MAX_DEPTH: usize = 24;
/// How many invocations a tree may have.
pub(crate) const MAX_INVOCATIONS: usize = 500;
/// How many invocations of a run's background are read besides. A chain of them is one level each, so levels do not bound them.
const MAX_BACKGROUND: usize = 500;
/// How many ids are asked for in one query.
const BATCH: usize = 100;

/// The engine's id of an invocation, checked: `inv_1` and letters and digits. The engine takes queries as text without bound parameters, so
/// nothing else may stand where an id does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct InvocationId(String);

/// The text is no id of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an invocation")]
pub(crate) struct NoInvocationId;

impl FromStr for InvocationId {
    type Err = NoInvocationId;

    fn from_str(text: &str) -> Result<Self, NoInvocationId> {
        let body = text.strip_prefix("inv_1").ok_or(NoInvocationId)?;
        let fits = (1..=64).contains(&body.len()) && body.bytes().all(|b| b.is_ascii_alphanumeric());
        if fits { Ok(Self(text.to_owned())) } else { Err(NoInvocationId) }
    }
}

impl TryFrom<String> for InvocationId {
    type Error = NoInvocationId;

    fn try_from(text: String) -> Result<Self, NoInvocationId> {
        text.parse()
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A row of `sys_invocation`. The engine leaves out what is null.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Invocation {
    pub(crate) id: InvocationId,
    pub(crate) target_service_name: String,
    pub(crate) target_service_key: Option<String>,
    pub(crate) target_handler_name: String,
    /// `scheduled`, `inboxed`, `pending`, `ready`, `running`, `backing-off`, `suspended`, `paused`, `completed`.
    pub(crate) status: String,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) running_at: Option<DateTime<Utc>>,
    pub(crate) scheduled_start_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    /// `success` or `failure`.
    pub(crate) completion_result: Option<String>,
    pub(crate) completion_failure: Option<String>,
    /// How often it was tried since it last got on; only while it is not completed.
    pub(crate) retry_count: Option<u64>,
    pub(crate) next_retry_at: Option<DateTime<Utc>>,
    pub(crate) last_failure: Option<String>,
    /// Counts commands only, as they stand in the journal.
    pub(crate) last_failure_related_command_index: Option<u64>,
    pub(crate) pinned_deployment_id: Option<String>,
}

const INVOCATION: &str = "id, target_service_name, target_service_key, target_handler_name, status, created_at, running_at, scheduled_start_at, \
     completed_at, completion_result, completion_failure, retry_count, next_retry_at, last_failure, last_failure_related_command_index, \
     pinned_deployment_id";

/// A row of `sys_journal`, without the payload.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: InvocationId,
    /// Counts commands and notifications.
    pub(crate) index: u32,
    /// `Command: X` or `Notification: X`.
    pub(crate) entry_type: String,
    pub(crate) name: Option<String>,
    pub(crate) appended_at: Option<DateTime<Utc>>,
    /// The entry without its payload, as JSON.
    pub(crate) entry_lite_json: Option<String>,
    /// Of a failed step: what it failed with. Not a column; asked for where it is needed.
    #[serde(skip)]
    pub(crate) failure: Option<String>,
}

/// A row of `sys_journal_events`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct JournalEvent {
    pub(crate) id: InvocationId,
    /// `TransientError`, `Paused`. The engine writes a failure that is the same as the one before only once.
    pub(crate) event_type: String,
    pub(crate) event_json: Option<String>,
}

/// Everything that was read of one tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) invocations: HashMap<InvocationId, Invocation>,
    /// Each journal in its order.
    pub(crate) entries: HashMap<InvocationId, Vec<Entry>>,
    pub(crate) events: HashMap<InvocationId, Vec<JournalEvent>>,
    /// What posts they are about, as far as that was asked for.
    pub(crate) subjects: HashMap<InvocationId, Subject>,
    /// What was joined to the run that an invocation is, in the order in which it was.
    pub(crate) parts: HashMap<InvocationId, Vec<Part>>,
    /// Whether the tree is larger than what was read.
    pub(crate) truncated: bool,
    /// When it was read: what the engine does not know (yet) is judged by it.
    pub(crate) read_at: DateTime<Utc>,
}

impl Rows {
    /// Files rows under their invocations.
    pub(crate) fn add(&mut self, invocations: Vec<Invocation>, entries: Vec<Entry>, events: Vec<JournalEvent>) {
        for row in invocations {
            self.invocations.insert(row.id.clone(), row);
        }
        for row in entries {
            self.entries.entry(row.id.clone()).or_default().push(row);
        }
        for row in events {
            self.events.entry(row.id.clone()).or_default().push(row);
        }
    }

    /// Whether nothing about this invocation will change any more.
    fn is_over(&self, id: &InvocationId) -> bool {
        self.invocations.get(id).is_some_and(|row| row.status == "completed")
    }

    /// Whom `id` called or sent to, in its journal's order; and whether that goes on by itself.
    fn callees(&self, id: &InvocationId) -> impl Iterator<Item = (InvocationId, bool)> {
        self.entries
            .get(id)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some((super::entry::callee(entry)?, super::entry::is_background(entry))))
    }
}

/// Where the rows of a tree come from: the engine and the database, or a test.
pub(crate) trait Tables: Send + Sync + 'static {
    /// Reads the tree under `root`. `known` is what was read before: what was over then is not asked for again.
    fn read<'a>(&'a self, root: &'a InvocationId, known: &'a Rows) -> BoxFuture<'a, Result<Rows, ReadError>>;
}

/// How much of each invocation is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Everything that a tree shows.
    Steps,
    /// What it started, so that its status can be told with theirs; its background says nothing about that and is left out.
    Outline,
}

/// A way down from some invocations to everything that they caused.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    engine: &'a Engine,
    known: &'a Rows,
    detail: Detail,
    most: usize,
    seen: Seen,
    /// What was read so far.
    pub(super) rows: Rows,
}

impl<'a> Walk<'a> {
    /// Reads nothing yet. What is over in `known` is taken from there; of anything but background at most `most` invocations are read.
    pub(super) fn new(engine: &'a Engine, known: &'a Rows, detail: Detail, most: usize) -> Self {
        let rows = Rows { read_at: Utc::now(), ..Rows::default() };
        Self { engine, known, detail, most, seen: Seen::default(), rows }
    }

    /// Reads `roots`, as far as they were not met yet, and everything under them. However many they are, each level takes three queries a hundred
    /// invocations.
    ///
    /// # Errors
    /// When the engine is away.
    pub(super) async fn down(&mut self, roots: impl IntoIterator<Item = InvocationId> + Send) -> Result<(), EngineError> {
        let mut level: Vec<InvocationId> = roots.into_iter().filter(|root| self.seen.root(root)).collect();
        for depth in 1.. {
            if level.is_empty() {
                break;
            }
            let (over, open): (Vec<_>, Vec<_>) = level.into_iter().partition(|id| self.known.is_over(id));
            for id in &over {
                let known = self.known;
                let journal = known.entries.get(id).cloned().unwrap_or_default();
                let events = known.events.get(id).cloned().unwrap_or_default();
                self.rows.add(known.invocations.get(id).cloned().into_iter().collect(), journal, events);
            }
            for ids in open.chunks(BATCH) {
                read_some(self.engine, ids, self.detail, &mut self.rows).await?;
            }
            let wanted = self.detail == Detail::Steps;
            let (next, left_out) = self.seen.next(&self.rows, over.iter().chain(&open), self.most, depth < MAX_DEPTH, wanted);
            self.rows.truncated |= left_out;
            level = next;
        }
        Ok(())
    }
}

/// The invocations that were met on the way down.
#[derive(Debug, Default)]
struct Seen {
    tree: HashSet<InvocationId>,
    background: HashSet<InvocationId>,
}

impl Seen {
    /// Whether `id` is met for the first time, as something to go down from.
    fn root(&mut self, id: &InvocationId) -> bool {
        !self.background.contains(id) && self.tree.insert(id.clone())
    }

    /// What is read next: whom `callers` started and nobody before them, of the tree at most `most` altogether and none unless `deeper`, of the
    /// background none unless it is `wanted`. Also whether anything had to be left out.
    fn next<'a>(
        &mut self,
        rows: &Rows,
        callers: impl Iterator<Item = &'a InvocationId>,
        most: usize,
        deeper: bool,
        wanted: bool,
    ) -> (Vec<InvocationId>, bool) {
        let (mut next, mut left_out) = (Vec::new(), false);
        for caller in callers {
            // What the background starts belongs to it.
            let behind = self.background.contains(caller);
            for (callee, goes_on_by_itself) in rows.callees(caller) {
                let of_background = behind || goes_on_by_itself;
                if self.tree.contains(&callee) || self.background.contains(&callee) || (of_background && !wanted) {
                    continue;
                }
                let (set, room) =
                    if of_background { (&mut self.background, MAX_BACKGROUND) } else { (&mut self.tree, if deeper { most } else { 0 }) };
                if set.len() >= room {
                    left_out = true;
                } else {
                    set.insert(callee.clone());
                    next.push(callee);
                }
            }
        }
        (next, left_out)
    }
}

/// The invocations come before their journals: one that is completed in the first answer is complete in the second.
async fn read_some(engine: &Engine, ids: &[InvocationId], detail: Detail, rows: &mut Rows) -> Result<(), EngineError> {
    let list = ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
    let invocations = format!("SELECT {INVOCATION} FROM sys_invocation WHERE id IN ({list})");
    let invocations = ask(engine, "sys_invocation", &invocations).await?;
    let only =
        if detail == Detail::Outline { "AND entry_type IN ('Command: Call', 'Command: OneWayCall', 'Command: SendSignal')" } else { "" };
    let journal = format!(
        "SELECT id, index, entry_type, name, appended_at, entry_lite_json FROM sys_journal WHERE id IN ({list}) {only} ORDER BY id, index"
    );
    if detail == Detail::Outline {
        let entries = ask(engine, "sys_journal", &journal).await?;
        rows.add(invocations, entries, Vec::new());
        return Ok(());
    }
    let events = format!("SELECT id, event_type, event_json FROM sys_journal_events WHERE id IN ({list}) ORDER BY id, appended_at");
    let (mut entries, events) =
        tokio::try_join!(ask::<Entry>(engine, "sys_journal", &journal), ask(engine, "sys_journal_events", &events))?;
    explain(engine, &mut entries).await?;
    rows.add(invocations, entries, events);
    Ok(())
}

/// Adds to the failed steps what they failed with, which only the payload says.
async fn explain(engine: &Engine, entries: &mut [Entry]) -> Result<(), EngineError> {
    #[derive(Deserialize)]
    struct Payload {
        id: InvocationId,
        index: u32,
        entry_json: Option<String>,
    }
    let wanted: Vec<String> = entries
        .iter()
        .filter(|e| super::entry::is_failed_step(e))
        .take(BATCH)
        .map(|e| format!("(id = '{}' AND index = {})", e.id, e.index))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let sql = format!("SELECT id, index, entry_json FROM sys_journal WHERE {}", wanted.join(" OR "));
    for Payload { id, index, entry_json } in ask::<Payload>(engine, "sys_journal", &sql).await? {
        if let Some(entry) = entries.iter_mut().find(|e| e.id == id && e.index == index) {
            entry.failure = entry_json.as_deref().and_then(super::entry::failure_message);
        }
    }
    Ok(())
}

/// What these invocations were given, as far as it is JSON.
///
/// # Errors
/// When the engine is away.
pub(crate) async fn inputs(engine: &Engine, ids: &[InvocationId]) -> Result<Vec<(InvocationId, Value)>, EngineError> {
    #[derive(Deserialize)]
    struct Input {
        id: InvocationId,
        entry_json: Option<String>,
    }
    let mut inputs = Vec::new();
    for ids in ids.chunks(BATCH) {
        let list = ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT id, entry_json FROM sys_journal WHERE id IN ({list}) AND index = 0");
        let read = ask::<Input>(engine, "sys_journal", &sql).await?;
        inputs.extend(read.into_iter().filter_map(|Input { id, entry_json }| Some((id, super::entry::input(&entry_json?)?))));
    }
    Ok(inputs)
}

async fn ask<T: DeserializeOwned>(engine: &Engine, table: &'static str, sql: &str) -> Result<Vec<T>, EngineError> {
    let started = std::time::Instant::now();
    let answer = engine.query(sql).await;
    let outcome = if answer.is_ok() { "ok" } else { "error" };
    metrics::counter!("pressroom_engine_queries_total", "table" => table, "outcome" => outcome).increment(1);
    metrics::histogram!("pressroom_engine_query_seconds", "table" => table).record(started.elapsed().as_secs_f64());
    answer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_id_can_stand_in_a_query() {
        let id: InvocationId = "inv_181jcAcAQzx805TjnVxuFslUlqauZxQORy".parse().unwrap();
        assert_eq!(id.to_string(), "inv_181jcAcAQzx805TjnVxuFslUlqauZxQORy");
        for bad in
            ["", "inv_1", "inv_2abc", "inv_1a'b", "inv_1a OR 1=1", "inv_1a\n", "inv_1ä", "xinv_1a", &format!("inv_1{}", "a".repeat(65))]
        {
            assert_eq!(bad.parse::<InvocationId>(), Err(NoInvocationId), "{bad}");
        }
    }

    /// A journal of nothing but sends to these, as (id, `Service`, `handler`).
    fn sends(from: &str, to: &[(&str, &str, &str)]) -> Vec<Entry> {
        let entry = |(index, (id, service, handler)): (usize, &(&str, &str, &str))| -> Entry {
            let target = json!({"Object": {"name": service, "key": "k", "handler": handler}});
            let lite = json!({"Command": {"OneWayCall": {"invocation_id": id, "invocation_target": target}}}).to_string();
            serde_json::from_value(json!({"id": from, "index": index, "entry_type": "Command: OneWayCall", "entry_lite_json": lite}))
                .unwrap()
        };
        to.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn the_background_has_bounds_of_its_own() {
        let mut rows = Rows::default();
        rows.add(Vec::new(), sends("inv_1root", &[("inv_1work", "Publication", "fire"), ("inv_1poll0", "Metrics", "poll")]), Vec::new());
        for number in 0..=MAX_BACKGROUND {
            let next = format!("inv_1poll{}", number + 1);
            rows.add(Vec::new(), sends(&format!("inv_1poll{number}"), &[(&next, "Metrics", "poll")]), Vec::new());
        }
        let root: InvocationId = "inv_1root".parse().unwrap();
        let fresh = || Seen { tree: HashSet::from([root.clone()]), background: HashSet::new() };
        let (mut seen, mut level, mut levels) = (fresh(), vec![root.clone()], 0);
        let left_out = loop {
            let (next, left_out) = seen.next(&rows, level.iter(), 2, true, true);
            if next.is_empty() {
                break left_out;
            }
            (level, levels) = (next, levels + 1);
        };
        assert_eq!((seen.tree.len(), seen.background.len(), levels, left_out), (2, MAX_BACKGROUND, MAX_BACKGROUND, true));

        let ids = |next: &[InvocationId]| next.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (next, left_out) = fresh().next(&rows, [&root].into_iter(), 2, true, false);
        assert_eq!((ids(&next), left_out), (vec!["inv_1work".to_owned()], false), "what is not wanted is not missed");
        let (next, left_out) = fresh().next(&rows, [&root].into_iter(), 2, false, true);
        assert_eq!((ids(&next), left_out), (vec!["inv_1poll0".to_owned()], true), "no deeper, but the background goes on");
    }
}
