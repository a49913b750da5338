//! What a PDS stand-in knows, folded from its events, so that a restart with the same data folder knows it again.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Options, tid::Tids};
use crate::{
    budget::Budgets,
    fault::{gate::Hide, veil::Veils},
    ledger::Ledger,
};

/// A record as it was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `at://did/collection/rkey`.
    pub uri: String,
    /// The id of what stands there now.
    pub cid: String,
    /// Whose repository.
    pub did: String,
    /// NSID of the collection.
    pub collection: String,
    /// Record key.
    pub rkey: String,
    /// What stands there now.
    pub value: Value,
    /// When it was first accepted.
    pub accepted_at: DateTime<Utc>,
    /// What stood there before, oldest first: one for each put that changed it.
    pub overwritten: Vec<Value>,
    /// Whether it was deleted since. A put after that makes a new entry.
    pub deleted: bool,
}

/// An upload as it was accepted; the bytes live only as long as the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Its content id.
    pub cid: String,
    /// Who uploaded it.
    pub did: String,
    /// Content type as sent.
    pub mime: String,
    /// Length in bytes.
    pub size: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Refresh {
    did: String,
    expires: DateTime<Utc>,
    next: Option<String>,
}

#[derive(Debug, Default, Clone)]
struct Standing {
    generation: u64,
    revoked: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Created { record: Record },
    Changed { uri: String, cid: String, value: Value },
    Deleted { uri: String },
    Uploaded { blob: Blob },
    Refresh { id: String, refresh: Refresh },
    SignedOut { id: String },
    Expired { did: String },
    Revoked { did: String },
    Reinstated { did: String },
    Looked { uri: String },
}

/// The memory behind the routes.
#[derive(Debug)]
pub(crate) struct Memory {
    ledger: Ledger,
    records: Vec<Record>,
    live: HashMap<String, usize>,
    blobs: Vec<Blob>,
    refreshes: HashMap<String, Refresh>,
    standings: HashMap<String, Standing>,
    looks: HashMap<String, u64>,
    pub(crate) veils: Veils,
    pub(crate) tids: Tids,
    pub(crate) budgets: Budgets,
}

impl Memory {
    pub(crate) fn open(options: &Options) -> std::io::Result<Self> {
        let (ledger, events) = Ledger::open::<Event>(options.data.as_deref(), "bluesky.jsonl")?;
        let mut memory = Self {
            ledger,
            records: Vec::new(),
            live: HashMap::new(),
            blobs: Vec::new(),
            refreshes: HashMap::new(),
            standings: HashMap::new(),
            looks: HashMap::new(),
            veils: Veils::default(),
            tids: Tids::default(),
            budgets: Budgets::default(),
        };
        events.into_iter().for_each(|event| memory.fold(event));
        Ok(memory)
    }

    fn keep(&mut self, event: Event) {
        self.ledger.append(&event);
        self.fold(event);
    }

    fn fold(&mut self, event: Event) {
        match event {
            Event::Created { record } => {
                self.live.insert(record.uri.clone(), self.records.len());
                self.records.push(record);
            }
            Event::Changed { uri, cid, value } => {
                if let Some(place) = self.live.get(&uri) {
                    let record = &mut self.records[*place];
                    record.cid = cid;
                    record.overwritten.push(std::mem::replace(&mut record.value, value));
                }
            }
            Event::Deleted { uri } => {
                if let Some(place) = self.live.remove(&uri) {
                    self.records[place].deleted = true;
                }
            }
            Event::Uploaded { blob } => self.blobs.push(blob),
            Event::Refresh { id, refresh } => {
                self.refreshes.insert(id, refresh);
            }
            Event::SignedOut { id } => {
                self.refreshes.remove(&id);
            }
            Event::Expired { did } => self.standings.entry(did).or_default().generation += 1,
            Event::Revoked { did } => {
                self.refreshes.retain(|_, refresh| refresh.did != did);
                let standing = self.standings.entry(did).or_default();
                standing.generation += 1;
                standing.revoked = true;
            }
            Event::Reinstated { did } => self.standings.entry(did).or_default().revoked = false,
            Event::Looked { uri } => *self.looks.entry(uri).or_default() += 1,
        }
    }

    /// Every record ever accepted, oldest first.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// What stands at this URI now.
    pub(crate) fn record(&self, uri: &str) -> Option<&Record> {
        self.live.get(uri).map(|place| &self.records[*place])
    }

    /// What stands at this URI now as far as this look-up sees it.
    pub(crate) fn look_up(&mut self, uri: &str, now: DateTime<Utc>) -> Option<Record> {
        let record = self.record(uri)?.clone();
        (!self.veils.misses(uri, now)).then_some(record)
    }

    pub(crate) fn create(&mut self, record: Record, hide: Option<Hide>) {
        if let Some(hide) = hide {
            self.veils.hide(&record.uri, hide, record.accepted_at);
        }
        self.keep(Event::Created { record });
    }

    pub(crate) fn change(&mut self, uri: &str, cid: String, value: Value) {
        self.keep(Event::Changed { uri: uri.to_owned(), cid, value });
    }

    pub(crate) fn delete(&mut self, uri: &str) {
        self.keep(Event::Deleted { uri: uri.to_owned() });
    }

    pub(crate) fn upload(&mut self, blob: Blob) {
        self.keep(Event::Uploaded { blob });
    }

    /// Counts a reading of a post's counters and says how many there were.
    pub(crate) fn look(&mut self, uri: &str) -> u64 {
        self.keep(Event::Looked { uri: uri.to_owned() });
        self.looks(uri)
    }

    pub(crate) fn looks(&self, uri: &str) -> u64 {
        self.looks.get(uri).copied().unwrap_or_default()
    }

    /// The number that this account's access tokens must carry to be good.
    pub(crate) fn generation(&self, did: &str) -> u64 {
        self.standings.get(did).map_or(0, |standing| standing.generation)
    }

    pub(crate) fn is_revoked(&self, did: &str) -> bool {
        self.standings.get(did).is_some_and(|standing| standing.revoked)
    }

    /// Keeps a new refresh token's id.
    pub(crate) fn start_session(&mut self, id: String, did: &str, expires: DateTime<Utc>) {
        self.keep(Event::Refresh { id, refresh: Refresh { did: did.to_owned(), expires, next: None } });
    }

    /// Uses a refresh token: the id of its successor, or `None` if it is unknown or its grace is over. Within the grace, using it again gives the same successor.
    pub(crate) fn rotate(&mut self, id: &str, now: DateTime<Utc>, grace: Duration, life: Duration) -> Option<String> {
        let used = self.refreshes.get(id).filter(|used| used.expires > now)?.clone();
        let next = used.next.clone().unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
        if !self.refreshes.contains_key(&next) {
            self.start_session(next.clone(), &used.did, now + life);
        }
        let expires = used.expires.min(now + grace);
        self.keep(Event::Refresh { id: id.to_owned(), refresh: Refresh { expires, next: Some(next.clone()), ..used } });
        Some(next)
    }

    pub(crate) fn sign_out(&mut self, id: &str) {
        self.keep(Event::SignedOut { id: id.to_owned() });
    }

    pub(crate) fn expire(&mut self, did: &str) {
        self.keep(Event::Expired { did: did.to_owned() });
    }

    pub(crate) fn revoke(&mut self, did: &str) {
        self.keep(Event::Revoked { did: did.to_owned() });
    }

    pub(crate) fn reinstate(&mut self, did: &str) {
        self.keep(Event::Reinstated { did: did.to_owned() });
    }
}
