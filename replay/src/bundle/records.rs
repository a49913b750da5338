//! What stands in the records.

use std::io::Write;

use bytes::Bytes;
use prost::Message;

use super::{
    Bundle, BundleError, Deployment, FailedAttempt, Run, StateValue,
    chain::{END, Link, Record, Writer},
};
use crate::{
    journal::{Entry, Timestamp},
    protocol::EntryKind,
};

const HEAD: u8 = 1;
const RUN: u8 = 2;
const ENTRY: u8 = 3;
const ATTEMPT: u8 = 4;
const STATE: u8 = 5;

#[derive(Clone, PartialEq, Message)]
struct HeadRecord {
    #[prost(uint64, optional, tag = "1")]
    as_of: Option<u64>,
    #[prost(string, optional, tag = "2")]
    server_version: Option<String>,
    #[prost(string, repeated, tag = "3")]
    redactions: Vec<String>,
    #[prost(bool, tag = "4")]
    truncated: bool,
}

#[derive(Clone, PartialEq, Message)]
struct RunRecord {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    service: String,
    #[prost(string, tag = "3")]
    handler: String,
    #[prost(string, optional, tag = "4")]
    key: Option<String>,
    #[prost(string, tag = "5")]
    service_kind: String,
    #[prost(string, optional, tag = "6")]
    parent: Option<String>,
    #[prost(string, tag = "7")]
    status: String,
    #[prost(string, optional, tag = "8")]
    completion: Option<String>,
    #[prost(string, optional, tag = "9")]
    failure: Option<String>,
    #[prost(string, optional, tag = "10")]
    deployment: Option<String>,
    #[prost(string, optional, tag = "11")]
    deployment_endpoint: Option<String>,
    #[prost(uint64, optional, tag = "12")]
    deployment_created_at: Option<u64>,
    #[prost(uint32, optional, tag = "13")]
    protocol_version: Option<u32>,
    #[prost(string, optional, tag = "14")]
    idempotency_key: Option<String>,
    #[prost(string, optional, tag = "15")]
    scope: Option<String>,
    #[prost(string, optional, tag = "16")]
    limit_key: Option<String>,
    #[prost(uint64, optional, tag = "17")]
    random_seed: Option<u64>,
    #[prost(uint64, optional, tag = "18")]
    retry_count: Option<u64>,
    #[prost(uint64, optional, tag = "19")]
    created_at: Option<u64>,
    #[prost(uint64, optional, tag = "20")]
    started_at: Option<u64>,
    #[prost(uint64, optional, tag = "21")]
    completed_at: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct EntryRecord {
    #[prost(uint32, tag = "1")]
    index: u32,
    #[prost(uint32, tag = "2")]
    kind: u32,
    #[prost(uint64, optional, tag = "3")]
    appended_at: Option<u64>,
    #[prost(bool, tag = "4")]
    redacted: bool,
    #[prost(bytes = "bytes", tag = "5")]
    raw: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct AttemptRecord {
    #[prost(uint32, tag = "1")]
    after_entry: u32,
    #[prost(uint64, optional, tag = "2")]
    at: Option<u64>,
    #[prost(string, tag = "3")]
    kind: String,
    #[prost(string, tag = "4")]
    detail: String,
}

#[derive(Clone, PartialEq, Message)]
struct StateRecord {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
    #[prost(bool, tag = "3")]
    redacted: bool,
}

#[derive(Clone, PartialEq, Message)]
struct EndRecord {
    #[prost(uint32, tag = "1")]
    runs: u32,
    #[prost(uint32, tag = "2")]
    entries: u32,
}

/// Writes all records and returns the last link.
pub(super) fn write<W: Write>(bundle: &Bundle, to: &mut Writer<W>) -> Result<Link, BundleError> {
    let millis = |at: Option<Timestamp>| at.map(|at| at.0);
    let head = HeadRecord {
        as_of: millis(bundle.as_of),
        server_version: bundle.server_version.clone(),
        redactions: bundle.redactions.clone(),
        truncated: bundle.truncated,
    };
    to.put(HEAD, &head.encode_to_vec())?;
    for run in &bundle.runs {
        to.put(RUN, &run_record(run).encode_to_vec())?;
        for entry in &run.journal {
            let record = EntryRecord {
                index: entry.index,
                kind: u32::from(entry.kind.0),
                appended_at: millis(entry.appended_at),
                redacted: entry.redacted,
                raw: entry.raw.clone(),
            };
            to.put(ENTRY, &record.encode_to_vec())?;
        }
        for attempt in &run.attempts {
            let FailedAttempt { after_entry, at, kind, detail } = attempt.clone();
            to.put(ATTEMPT, &AttemptRecord { after_entry, at: millis(at), kind, detail }.encode_to_vec())?;
        }
        for state in &run.state {
            let StateValue { key, value, redacted } = state.clone();
            to.put(STATE, &StateRecord { key, value, redacted }.encode_to_vec())?;
        }
    }
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    to.put(END, &EndRecord { runs: count(bundle.runs.len()), entries: count(bundle.entries()) }.encode_to_vec())?;
    Ok(to.link())
}

fn run_record(run: &Run) -> RunRecord {
    let deployment = run.deployment.as_ref();
    RunRecord {
        id: run.id.to_string(),
        service: run.service.clone(),
        handler: run.handler.clone(),
        key: run.key.clone(),
        service_kind: run.service_kind.clone(),
        parent: run.parent.as_ref().map(ToString::to_string),
        status: run.status.clone(),
        completion: run.completion.clone(),
        failure: run.failure.clone(),
        deployment: deployment.map(|deployment| deployment.id.clone()),
        deployment_endpoint: deployment.and_then(|deployment| deployment.endpoint.clone()),
        deployment_created_at: deployment.and_then(|deployment| deployment.created_at).map(|at| at.0),
        protocol_version: run.protocol_version,
        idempotency_key: run.idempotency_key.clone(),
        scope: run.scope.clone(),
        limit_key: run.limit_key.clone(),
        random_seed: run.random_seed,
        retry_count: run.retry_count,
        created_at: run.created_at.map(|at| at.0),
        started_at: run.started_at.map(|at| at.0),
        completed_at: run.completed_at.map(|at| at.0),
    }
}

/// The bundle that the records hold.
pub(super) fn read(records: Vec<Record>) -> Result<Bundle, BundleError> {
    let mut bundle = Bundle::default();
    for (place, record) in records.iter().enumerate() {
        take(record, &mut bundle, place).map_err(|why| BundleError::Nonsense { what: describe(&records, place), why })?;
    }
    Ok(bundle)
}

/// Decodes a record, which has to be the bytes that it would be written as: there is one form of everything.
fn canonical<M: Message + Default>(record: &Record) -> Result<M, String> {
    let message = M::decode(record.body.as_slice()).map_err(|error| error.to_string())?;
    if message.encode_to_vec() == record.body { Ok(message) } else { Err("it is not in the canonical form".to_owned()) }
}

fn take(record: &Record, bundle: &mut Bundle, place: usize) -> Result<(), String> {
    if (place == 0) != (record.kind == HEAD) {
        return Err("a bundle begins with one head".to_owned());
    }
    let run = bundle.runs.last_mut().ok_or("it belongs to no run");
    match record.kind {
        HEAD => {
            let head: HeadRecord = canonical(record)?;
            bundle.as_of = head.as_of.map(Timestamp);
            bundle.server_version = head.server_version;
            bundle.redactions = head.redactions;
            bundle.truncated = head.truncated;
        }
        RUN => bundle.runs.push(read_run(canonical(record)?)?),
        ENTRY => {
            let EntryRecord { index, kind, appended_at, redacted, raw } = canonical(record)?;
            let run = run?;
            if index as usize != run.journal.len() {
                return Err(format!("it is entry {index} where {} should be", run.journal.len()));
            }
            let kind = EntryKind(u16::try_from(kind).map_err(|_| format!("{kind} is no type of an entry"))?);
            run.journal.push(Entry { index, kind, raw, appended_at: appended_at.map(Timestamp), redacted });
        }
        ATTEMPT => {
            let AttemptRecord { after_entry, at, kind, detail } = canonical(record)?;
            run?.attempts.push(FailedAttempt { after_entry, at: at.map(Timestamp), kind, detail });
        }
        STATE => {
            let StateRecord { key, value, redacted } = canonical(record)?;
            run?.state.push(StateValue { key, value, redacted });
        }
        END => {
            let end: EndRecord = canonical(record)?;
            if end.runs as usize != bundle.runs.len() || end.entries as usize != bundle.entries() {
                return Err("it counts other runs and entries than there are".to_owned());
            }
        }
        kind => return Err(format!("records of kind {kind} are not known")),
    }
    Ok(())
}

fn read_run(record: RunRecord) -> Result<Run, String> {
    let id = record.id.parse().map_err(|error| format!("{error}"))?;
    let parent = record.parent.map(|parent| parent.parse().map_err(|error| format!("{error}"))).transpose()?;
    let deployment = record.deployment.map(|id| Deployment {
        id,
        endpoint: record.deployment_endpoint,
        created_at: record.deployment_created_at.map(Timestamp),
    });
    Ok(Run {
        key: record.key,
        service_kind: record.service_kind,
        parent,
        status: record.status,
        completion: record.completion,
        failure: record.failure,
        deployment,
        protocol_version: record.protocol_version,
        idempotency_key: record.idempotency_key,
        scope: record.scope,
        limit_key: record.limit_key,
        random_seed: record.random_seed,
        retry_count: record.retry_count,
        created_at: record.created_at.map(Timestamp),
        started_at: record.started_at.map(Timestamp),
        completed_at: record.completed_at.map(Timestamp),
        ..Run::new(id, record.service, record.handler)
    })
}

/// What the record at `place` is, in words.
pub(super) fn describe(records: &[Record], place: usize) -> String {
    let Some(record) = records.get(place) else { return format!("record {place}") };
    let body = record.body.as_slice();
    match record.kind {
        HEAD => "the head".to_owned(),
        RUN => RunRecord::decode(body).map_or_else(|_| format!("record {place} (a run)"), |run| format!("run {}", run.id)),
        ENTRY => match EntryRecord::decode(body) {
            Ok(entry) => {
                let entry = Entry::new(entry.index, EntryKind(u16::try_from(entry.kind).unwrap_or(0)), entry.raw, None);
                format!("{} of run {}", entry.title(), run_at(records, place))
            }
            Err(_) => format!("record {place} (an entry of run {})", run_at(records, place)),
        },
        ATTEMPT => format!("record {place} (a failed attempt of run {})", run_at(records, place)),
        STATE => format!("record {place} (state of run {})", run_at(records, place)),
        END => "the end".to_owned(),
        kind => format!("record {place} (of unknown kind {kind})"),
    }
}

/// What is missing before the record at `place`, as far as its neighbours tell.
pub(super) fn describe_missing(records: &[Record], place: usize) -> String {
    let entry = |place: usize| records.get(place).filter(|record| record.kind == ENTRY);
    let index = |record: &Record| EntryRecord::decode(record.body.as_slice()).ok().map(|entry| entry.index);
    let before = place.checked_sub(1).and_then(entry).and_then(index);
    match (before, entry(place).and_then(index)) {
        (_, Some(after)) if after > 0 => format!("entry {} of run {}", after - 1, run_at(records, place)),
        (Some(before), _) => format!("entry {} of run {}, or what followed it", before + 1, run_at(records, place - 1)),
        _ => format!("record {place}, before {}", describe(records, place)),
    }
}

/// The run that the record at `place` belongs to.
fn run_at(records: &[Record], place: usize) -> String {
    records
        .get(..=place)
        .and_then(|records| records.iter().rev().find(|record| record.kind == RUN))
        .and_then(|record| RunRecord::decode(record.body.as_slice()).ok())
        .map_or_else(|| "unknown".to_owned(), |run| run.id)
}
