//! Reads the rows of an invocation and of those that it caused, a level at a time: an id names its partition, anything else would scan.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::Deserialize;

use super::tree::{self, RunTree};
use crate::engine::{Engine, EngineError};

/// How many levels of calls are followed.
const MAX_DEPTH: usize = 16;
/// How many invocations are shown.
const MAX_INVOCATIONS: usize = 400;
/// How many ids are asked for at once.
const BATCH: usize = 100;

/// A row of `sys_invocation`. Columns that are NULL are left out by the engine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) target_service_name: String,
    pub(crate) target_handler_name: String,
    pub(crate) target_service_key: Option<String>,
    pub(crate) status: String,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) running_at: Option<DateTime<Utc>>,
    pub(crate) scheduled_start_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) completion_result: Option<String>,
    pub(crate) completion_failure: Option<String>,
    pub(crate) retry_count: Option<u64>,
    pub(crate) next_retry_at: Option<DateTime<Utc>>,
    pub(crate) last_failure: Option<String>,
    pub(crate) last_failure_related_command_name: Option<String>,
    pub(crate) pinned_deployment_id: Option<String>,
}

/// A row of `sys_journal`, without its payload.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) index: u32,
    pub(crate) entry_type: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) appended_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(crate) entry_lite_json: Option<String>,
}

/// A row of `sys_journal_events`: an attempt that failed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct JournalEvent {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) event_json: Option<String>,
}

/// Everything that is known of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) invocations: Vec<Invocation>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) events: Vec<JournalEvent>,
    /// Whether something was left out.
    pub(crate) truncated: bool,
}

/// Where the state of a run comes from. The engine; in tests, what the test says.
pub(crate) trait RunSource: Send + Sync + 'static {
    /// The run of this invocation as it stands.
    fn read<'a>(&'a self, invocation: &'a str) -> BoxFuture<'a, Result<RunTree, EngineError>>;
}

impl RunSource for Engine {
    fn read<'a>(&'a self, invocation: &'a str) -> BoxFuture<'a, Result<RunTree, EngineError>> {
        Box::pin(read_run(self, invocation))
    }
}

/// Reads a run.
///
/// # Errors
/// When the engine is away.
pub(crate) async fn read_run(engine: &Engine, invocation: &str) -> Result<RunTree, EngineError> {
    let mut rows = Rows::default();
    let mut seen = HashSet::from([invocation.to_owned()]);
    let mut level = vec![invocation.to_owned()];
    for _ in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for ids in level.chunks(BATCH) {
            let found = read_level(engine, ids).await?;
            for entry in &found.1 {
                if let Some(child) = tree::callee(entry)
                    && seen.insert(child.clone())
                {
                    next.push(child);
                }
            }
            rows.invocations.extend(found.0);
            rows.entries.extend(found.1);
            rows.events.extend(found.2);
        }
        if next.is_empty() {
            return Ok(tree::build(invocation, &rows));
        }
        let room = MAX_INVOCATIONS.saturating_sub(seen.len() - next.len());
        rows.truncated |= next.len() > room;
        next.truncate(room);
        level = next;
    }
    rows.truncated |= !level.is_empty();
    Ok(tree::build(invocation, &rows))
}

async fn read_level(engine: &Engine, ids: &[String]) -> Result<(Vec<Invocation>, Vec<Entry>, Vec<JournalEvent>), EngineError> {
    let list = ids.iter().filter(|id| is_invocation_id(id)).map(|id| format!("'{id}'")).collect::<Vec<_>>().join(",");
    if list.is_empty() {
        return Ok(Default::default());
    }
    let invocations = format!("SELECT * FROM sys_invocation WHERE id IN ({list})");
    let entries = format!(
        "SELECT id, \"index\", entry_type, name, appended_at, entry_lite_json FROM sys_journal WHERE id IN ({list}) ORDER BY id, \"index\""
    );
    let events = format!("SELECT id, event_json FROM sys_journal_events WHERE id IN ({list}) ORDER BY id, appended_at");
    tokio::try_join!(engine.query(&invocations), engine.query(&entries), engine.query(&events))
}

/// The engine's queries take no parameters, so nothing that is not plainly an id may go into one.
fn is_invocation_id(text: &str) -> bool {
    text.starts_with("inv_") && text.len() < 100 && text[4..].bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_go_into_a_query() {
        assert!(is_invocation_id("inv_1gG9nEfP60Ej07iNWOCSvURk26gpfQOsal"));
        for bad in ["", "inv_1'; --", "cmp_1", "inv_1 OR 1=1"] {
            assert!(!is_invocation_id(bad), "{bad}");
        }
    }
}
