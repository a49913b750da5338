use bytes::Bytes;

use crate::{
    journal::{Entry, Step, Timestamp, Unreadable, steps},
    protocol::{EntryKind, InvocationId},
};

/// One run: an invocation, its journal and what the server knew of it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The server's id of it.
    pub id: InvocationId,
    /// The service.
    pub service: String,
    /// The handler.
    pub handler: String,
    /// Of an object or a workflow: its key.
    pub key: Option<String>,
    /// `service`, `virtual_object` or `workflow`.
    pub service_kind: String,
    /// Who called it or sent to it, of those in the bundle.
    pub parent: Option<InvocationId>,
    /// As in `sys_invocation`: `scheduled`, `ready`, `running`, `backing-off`, `suspended`, `paused`, `completed` and others.
    pub status: String,
    /// Of a completed one: `success` or `failure`.
    pub completion: Option<String>,
    /// What it failed with, or, while it is retried, what it failed with last.
    pub failure: Option<String>,
    /// The deployment that it is pinned to.
    pub deployment: Option<Deployment>,
    /// The version of the service protocol that it is pinned to.
    pub protocol_version: Option<u32>,
    /// The key by which the caller made it idempotent.
    pub idempotency_key: Option<String>,
    /// The scope that it was called within.
    pub scope: Option<String>,
    /// The limit key that it was called with.
    pub limit_key: Option<String>,
    /// The seed of its random numbers, where the server does not derive it from the id.
    pub random_seed: Option<u64>,
    /// How often it was tried since it last got on.
    pub retry_count: Option<u64>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was begun.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// Its journal, complete from its input on.
    pub journal: Vec<Entry>,
    /// Attempts that failed. The server writes a failure that is like the one before only once.
    pub attempts: Vec<FailedAttempt>,
    /// Of an object: what state it had at the time of the export, which may be later than the run. The state at the run's beginning is not known
    /// to the server; what the run read of it is in its journal.
    pub state: Vec<StateValue>,
}

/// The deployment that ran it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// Where it was.
    pub endpoint: Option<String>,
    /// When it was registered.
    pub created_at: Option<Timestamp>,
}

/// An attempt that failed.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// How many entries the journal had by then.
    pub after_entry: u32,
    /// When.
    pub at: Option<Timestamp>,
    /// `TransientError`, `Paused`.
    pub kind: String,
    /// The server's description, which is JSON.
    pub detail: String,
}

/// State of an object under one key.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateValue {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// Whether a rule of redaction changed it.
    pub redacted: bool,
}

impl Deployment {
    /// A deployment of which no more than the id is known.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
}

impl FailedAttempt {
    /// An attempt that failed when the journal had `after_entry` entries.
    #[must_use]
    pub fn new(after_entry: u32, kind: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { after_entry, at: None, kind: kind.into(), detail: detail.into() }
    }
}

impl StateValue {
    /// What stands under a key.
    #[must_use]
    pub fn new(key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self { key: key.into(), value: value.into(), redacted: false }
    }
}

impl Run {
    /// A run of which no more is known than what was called; its journal is to be filled in.
    #[must_use]
    pub fn new(id: InvocationId, service: impl Into<String>, handler: impl Into<String>) -> Self {
        Self {
            id,
            service: service.into(),
            handler: handler.into(),
            key: None,
            service_kind: "service".to_owned(),
            parent: None,
            status: "completed".to_owned(),
            completion: None,
            failure: None,
            deployment: None,
            protocol_version: None,
            idempotency_key: None,
            scope: None,
            limit_key: None,
            random_seed: None,
            retry_count: None,
            created_at: None,
            started_at: None,
            completed_at: None,
            journal: Vec::new(),
            attempts: Vec::new(),
            state: Vec::new(),
        }
    }

    /// What was called: `Checkout/order`, or `Cart/7/add` for an object.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.key {
            Some(key) => format!("{}/{key}/{}", self.service, self.handler),
            None => format!("{}/{}", self.service, self.handler),
        }
    }

    /// The journal as steps, in the order in which the handler took them; the first is its input.
    ///
    /// # Errors
    /// When an entry is not what its type says.
    pub fn steps(&self) -> Result<Vec<Step>, Unreadable> {
        steps(&self.journal)
    }

    /// Whether the handler came to its end: its output is in the journal.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.journal.iter().any(|entry| entry.kind == EntryKind::OUTPUT)
    }

    /// Whether anything of it was redacted.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.journal.iter().any(|entry| entry.redacted)
    }
}
