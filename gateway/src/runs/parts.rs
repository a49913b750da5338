//! The rows of a run together with what was joined to it.
//!
//! What a person asks for while a run goes on (a decision, another time, a stop) comes to the engine through its ingress, so that no journal of the
//! run knows of it. The workflow that does it notes itself as a part of the run, in the transaction of what it does. What was joined is asked for
//! after the engine: whatever has become of the run because of a decision, the decision is then known too, and nothing looks over that is not.

use std::collections::HashMap;

use activities::{
    ActivityError,
    store::{Store, runs},
};
use chrono::{DateTime, Utc};
use domain::ids::{OrgId, RunId};
use futures::{FutureExt, future::BoxFuture};

use super::tables::{Detail, InvocationId, MAX_INVOCATIONS, Rows, Tables, Walk};
use crate::{
    engine::{Engine, EngineError},
    problem::Problem,
};

/// An invocation that was joined to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) invocation: InvocationId,
    pub(crate) joined_at: DateTime<Utc>,
}

/// Why a run cannot be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The engine does not answer.
    Engine(EngineError),
    /// The database does not.
    Store(ActivityError),
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Engine(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl From<EngineError> for ReadError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<ActivityError> for ReadError {
    fn from(error: ActivityError) -> Self {
        Self::Store(error)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Engine(error) => error.into(),
            ReadError::Store(error) => error.into(),
        }
    }
}

/// The rows of one run of an org.
#[derive(Debug, Clone)]
pub(crate) struct RunTables {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) org: OrgId,
    pub(crate) run: RunId,
}

impl Tables for RunTables {
    fn read<'a>(&'a self, root: &'a InvocationId, known: &'a Rows) -> BoxFuture<'a, Result<Rows, ReadError>> {
        async move {
            let roots = HashMap::from([(self.run, root.clone())]);
            read(Walk::new(&self.engine, known, Detail::Steps, MAX_INVOCATIONS), &self.store, self.org, &roots, known).await
        }
        .boxed()
    }
}

/// The trees of all these runs without their steps: enough for the status of each.
///
/// # Errors
/// When the engine or the database is away.
pub(crate) async fn outlines(engine: &Engine, store: &Store, org: OrgId, roots: &HashMap<RunId, InvocationId>) -> Result<Rows, ReadError> {
    let nothing = Rows::default();
    read(Walk::new(engine, &nothing, Detail::Outline, 4 * MAX_INVOCATIONS), store, org, roots, &nothing).await
}

/// How many invocations are shown of what was joined to a run.
const MAX_PARTS: usize = MAX_INVOCATIONS;
/// How many of each run in a list, if all of them have so many.
const PARTS_EACH: usize = 50;

/// What was joined to these runs, as far as it is shown.
///
/// # Errors
/// When the database is away.
pub(crate) async fn of(store: &Store, org: OrgId, runs: &[RunId]) -> Result<Vec<runs::Part>, ActivityError> {
    let most = MAX_PARTS.max(runs.len() * PARTS_EACH);
    runs::parts(&mut store.in_org(org).await?, runs, i64::try_from(most).unwrap_or(i64::MAX)).await
}

async fn read(
    mut walk: Walk<'_>,
    store: &Store,
    org: OrgId,
    roots: &HashMap<RunId, InvocationId>,
    known: &Rows,
) -> Result<Rows, ReadError> {
    let of_runs: Vec<RunId> = roots.keys().copied().collect();
    let mut parts = known.parts.clone();
    walk.down(roots.values().cloned().chain(parts.values().flatten().map(|part| part.invocation.clone()))).await?;
    while !of_runs.is_empty() {
        let mut joined: HashMap<InvocationId, Vec<Part>> = HashMap::new();
        let told = of(store, org, &of_runs).await?;
        walk.rows.truncated |= told.len() >= MAX_PARTS && of_runs.len() == 1;
        for part in told {
            if let (Some(root), Ok(invocation)) = (roots.get(&part.run_id), part.invocation_id.parse()) {
                joined.entry(root.clone()).or_default().push(Part { invocation, joined_at: part.joined_at });
            }
        }
        if joined == parts {
            break;
        }
        parts = joined;
        walk.down(parts.values().flatten().map(|part| part.invocation.clone())).await?;
    }
    walk.rows.parts = parts;
    Ok(walk.rows)
}
