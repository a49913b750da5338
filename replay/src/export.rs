//! Runs out of a server, into bundles.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde::Deserialize;

use crate::{
    admin::{Admin, AdminError},
    bundle::{Bundle, Deployment, FailedAttempt, Run, StateValue},
    journal::{Entry, Timestamp},
    protocol::{EntryKind, InvocationId},
};

/// How many ids are asked for in one query.
const BATCH: usize = 100;
/// The version of `sys_journal` that holds protocol messages.
const JOURNAL_VERSION: u32 = 2;

/// Takes runs out of a server.
///
/// A tree of runs is read from its root downwards, a level at a time: an id names its partition, anything else would be a scan of everything.
#[derive(Debug, Clone)]
pub struct Export {
    admin: Admin,
    most: usize,
    children: bool,
}

/// Why a run was not exported.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The server could not be asked.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The server knows no such run, or does not know it any more.
    #[error("the server knows no run {0}: it never did, or its retention has passed")]
    NotFound(InvocationId),
    /// A row is not what was expected.
    #[error("the journal of {id} cannot be read at entry {index}: {why}")]
    Journal {
        /// The run.
        id: InvocationId,
        /// The entry.
        index: u32,
        /// What is wrong.
        why: String,
    },
}

impl Export {
    /// From this server, with all children, up to 10,000 runs a bundle.
    #[must_use]
    pub fn new(admin: Admin) -> Self {
        Self { admin, most: 10_000, children: true }
    }

    /// At most so many runs a bundle; one that has more says so in [`Bundle::truncated`].
    #[must_use]
    pub fn most(mut self, runs: usize) -> Self {
        self.most = runs.max(1);
        self
    }

    /// The run alone, without those that it caused.
    #[must_use]
    pub fn without_children(mut self) -> Self {
        self.children = false;
        self
    }

    /// A run, with every run that it caused.
    ///
    /// # Errors
    /// When the server is away or does not know the run.
    pub async fn run(&self, id: &InvocationId) -> Result<Bundle, ExportError> {
        let mut bundle = Bundle::new(Vec::new());
        bundle.server_version = Some(self.admin.version().await?);
        let mut seen = HashSet::from([id.clone()]);
        let mut level = vec![(id.clone(), None)];
        while !level.is_empty() {
            let parents: HashMap<_, _> = level.iter().cloned().collect();
            let ids: Vec<_> = level.drain(..).map(|(id, _)| id).collect();
            for mut run in self.runs(&ids).await? {
                run.parent = parents.get(&run.id).cloned().flatten();
                if self.children {
                    for child in children(&run) {
                        if seen.contains(&child) {
                            continue;
                        }
                        if seen.len() >= self.most {
                            bundle.truncated = true;
                            continue;
                        }
                        seen.insert(child.clone());
                        level.push((child, Some(run.id.clone())));
                    }
                }
                bundle.runs.push(run);
            }
        }
        if bundle.root().is_none_or(|root| root.id != *id) {
            return Err(ExportError::NotFound(id.clone()));
        }
        bundle.as_of = bundle.runs.iter().flat_map(latest).max();
        self.name_deployments(&mut bundle.runs).await?;
        Ok(bundle)
    }

    /// These runs as they are, without those that they caused, in the order of `ids`; those that the server does not know are left out.
    ///
    /// # Errors
    /// When the server is away, or a journal cannot be read.
    pub async fn runs(&self, ids: &[InvocationId]) -> Result<Vec<Run>, ExportError> {
        let mut runs = Vec::with_capacity(ids.len());
        for ids in ids.chunks(BATCH) {
            runs.extend(self.batch(ids).await?);
        }
        self.add_state(&mut runs).await?;
        Ok(runs)
    }

    /// The ids of runs that are not over, in the order of ids, from behind `after` on; at most `most`. This scans what the server has.
    ///
    /// # Errors
    /// When the server is away.
    pub async fn in_flight(&self, after: Option<&InvocationId>, most: usize) -> Result<Vec<InvocationId>, ExportError> {
        #[derive(Deserialize)]
        struct Row {
            id: InvocationId,
        }
        let behind = after.map(|id| format!(" AND id > '{id}'")).unwrap_or_default();
        let sql = format!("SELECT id FROM sys_invocation WHERE status <> 'completed'{behind} ORDER BY id LIMIT {most}");
        let rows: Vec<Row> = self.admin.query("runs in flight", &sql).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// The invocations come before their journals: one that is completed in the first answer is complete in the second.
    async fn batch(&self, ids: &[InvocationId]) -> Result<Vec<Run>, ExportError> {
        let list = ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT {INVOCATION} FROM sys_invocation WHERE id IN ({list})");
        let rows: Vec<InvocationRow> = self.admin.query("runs", &sql).await?;
        let mut runs: HashMap<InvocationId, Run> = rows.into_iter().map(|row| (row.id.clone(), row.into_run())).collect();
        let sql =
            format!("SELECT id, index, entry_type, raw, version, appended_at FROM sys_journal WHERE id IN ({list}) ORDER BY id, index");
        for row in self.admin.query::<EntryRow>("a journal", &sql).await? {
            if let Some(run) = runs.get_mut(&row.id) {
                let entry = row.into_entry(run.journal.len())?;
                run.journal.push(entry);
            }
        }
        let sql = format!(
            "SELECT id, after_journal_entry_index, appended_at, event_type, event_json FROM sys_journal_events WHERE id IN ({list}) \
             ORDER BY id, appended_at, after_journal_entry_index"
        );
        for row in self.admin.query::<EventRow>("failed attempts", &sql).await? {
            if let Some(run) = runs.get_mut(&row.id) {
                let mut attempt = FailedAttempt::new(row.after_journal_entry_index, row.event_type, row.event_json.unwrap_or_default());
                attempt.at = time(row.appended_at.as_deref());
                run.attempts.push(attempt);
            }
        }
        Ok(ids.iter().filter_map(|id| runs.remove(id)).collect())
    }

    async fn add_state(&self, runs: &mut [Run]) -> Result<(), ExportError> {
        #[derive(Deserialize)]
        struct Row {
            service_name: String,
            service_key: String,
            key: String,
            value: Option<String>,
        }
        let mut objects: Vec<(&str, &str)> = runs.iter().filter_map(|run| Some((run.service.as_str(), run.key.as_deref()?))).collect();
        objects.sort_unstable();
        objects.dedup();
        let mut states: HashMap<(String, String), Vec<StateValue>> = HashMap::new();
        for some in objects.chunks(BATCH) {
            let which: Vec<_> = some
                .iter()
                .map(|(service, key)| format!("(service_name = {} AND service_key = {})", quoted(service), quoted(key)))
                .collect();
            let sql = format!(
                "SELECT service_name, service_key, key, value FROM state WHERE {} ORDER BY service_name, service_key, key",
                which.join(" OR ")
            );
            for row in self.admin.query::<Row>("state", &sql).await? {
                let value = StateValue::new(row.key, bytes(row.value.as_deref()).unwrap_or_default());
                states.entry((row.service_name, row.service_key)).or_default().push(value);
            }
        }
        for run in runs {
            if let Some(key) = &run.key
                && let Some(state) = states.get(&(run.service.clone(), key.clone()))
            {
                run.state.clone_from(state);
            }
        }
        Ok(())
    }

    /// Adds to the deployments' ids where they are. There are few of them.
    async fn name_deployments(&self, runs: &mut [Run]) -> Result<(), ExportError> {
        #[derive(Deserialize)]
        struct Row {
            id: String,
            endpoint: Option<String>,
            created_at: Option<String>,
        }
        let mut rows: Vec<Row> = self.admin.query("deployments", "SELECT id, endpoint, created_at FROM sys_deployment").await?;
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        for deployment in runs.iter_mut().filter_map(|run| run.deployment.as_mut()) {
            if let Ok(place) = rows.binary_search_by(|row| row.id.cmp(&deployment.id)) {
                deployment.endpoint.clone_from(&rows[place].endpoint);
                deployment.created_at = time(rows[place].created_at.as_deref());
            }
        }
        Ok(())
    }
}

/// Whom a run called and sent to, in the order of its journal.
fn children(run: &Run) -> Vec<InvocationId> {
    let steps = run.steps().unwrap_or_default();
    let started = steps.iter().filter(|step| matches!(step.kind, EntryKind::CALL | EntryKind::ONE_WAY_CALL));
    started.filter_map(|step| step.invocation.as_ref()?.parse().ok()).collect()
}

/// The last thing that is known to have happened to a run.
fn latest(run: &Run) -> Option<Timestamp> {
    let entry = run.journal.iter().filter_map(|entry| entry.appended_at).max();
    run.completed_at.max(run.created_at).max(entry)
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(Timestamp::parse)
}

/// A text as a literal of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Bytes from hexadecimal digits.
fn bytes(hex: Option<&str>) -> Option<Bytes> {
    let hex = hex?.as_bytes();
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(*pair.get(1)?)?));
    pairs.collect::<Option<Vec<u8>>>().map(Bytes::from)
}

const INVOCATION: &str = "id, target_service_name, target_service_key, target_handler_name, target_service_ty, scope, limit_key, \
     idempotency_key, pinned_deployment_id, pinned_service_protocol_version, created_at, running_at, completed_at, retry_count, \
     last_failure, status, completion_result, completion_failure";

#[derive(Deserialize)]
struct InvocationRow {
    id: InvocationId,
    target_service_name: String,
    target_service_key: Option<String>,
    target_handler_name: String,
    target_service_ty: Option<String>,
    scope: Option<String>,
    limit_key: Option<String>,
    idempotency_key: Option<String>,
    pinned_deployment_id: Option<String>,
    pinned_service_protocol_version: Option<u32>,
    created_at: Option<String>,
    running_at: Option<String>,
    completed_at: Option<String>,
    retry_count: Option<u64>,
    last_failure: Option<String>,
    status: String,
    completion_result: Option<String>,
    completion_failure: Option<String>,
}

impl InvocationRow {
    fn into_run(self) -> Run {
        Run {
            key: self.target_service_key,
            service_kind: self.target_service_ty.unwrap_or_else(|| "service".to_owned()),
            status: self.status,
            completion: self.completion_result,
            failure: self.completion_failure.or(self.last_failure),
            deployment: self.pinned_deployment_id.map(Deployment::new),
            protocol_version: self.pinned_service_protocol_version,
            idempotency_key: self.idempotency_key,
            scope: self.scope,
            limit_key: self.limit_key,
            retry_count: self.retry_count,
            created_at: time(self.created_at.as_deref()),
            started_at: time(self.running_at.as_deref()),
            completed_at: time(self.completed_at.as_deref()),
            ..Run::new(self.id, self.target_service_name, self.target_handler_name)
        }
    }
}

#[derive(Deserialize)]
struct EntryRow {
    id: InvocationId,
    index: u32,
    entry_type: String,
    raw: Option<String>,
    version: u32,
    appended_at: Option<String>,
}

impl EntryRow {
    fn into_entry(self, expected: usize) -> Result<Entry, ExportError> {
        let wrong = |why: &str| ExportError::Journal { id: self.id.clone(), index: self.index, why: why.to_owned() };
        if self.index as usize != expected {
            return Err(wrong("entries before it are missing"));
        }
        if self.version != JOURNAL_VERSION {
            return Err(wrong("it is of an old server, which kept journals in another form"));
        }
        let kind = EntryKind::from_row(&self.entry_type).ok_or_else(|| wrong(&format!("`{}` is not known", self.entry_type)))?;
        let raw = bytes(Some(self.raw.as_deref().unwrap_or_default())).ok_or_else(|| wrong("its bytes are not hexadecimal"))?;
        Ok(Entry::new(self.index, kind, raw, time(self.appended_at.as_deref())))
    }
}

#[derive(Deserialize)]
struct EventRow {
    id: InvocationId,
    after_journal_entry_index: u32,
    appended_at: Option<String>,
    event_type: String,
    event_json: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_run_cannot_leave_its_literal() {
        assert_eq!(quoted("it's"), "'it''s'");
        assert_eq!(quoted("' OR 1=1 --"), "''' OR 1=1 --'");
    }

    #[test]
    fn bytes_are_read_from_digits() {
        assert_eq!(bytes(Some("00ff1A")), Some(Bytes::from_static(&[0, 0xff, 0x1a])));
        assert_eq!(bytes(Some("")), Some(Bytes::new()));
        assert_eq!(bytes(Some("0")), None);
        assert_eq!(bytes(Some("zz")), None);
    }
}
