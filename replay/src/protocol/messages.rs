//! The bodies of messages, as far as they are read or written here. Field numbers are the protocol's
//! (`dev/restate/service/protocol.proto` of restatedev/service-protocol); fields that are not needed are left out.

use bytes::Bytes;
use prost::{Message, Oneof};

/// Control messages, which are no entries of a journal.
pub(crate) mod control {
    pub(crate) const START: u16 = 0;
    pub(crate) const SUSPENSION: u16 = 1;
    pub(crate) const ERROR: u16 = 2;
    pub(crate) const END: u16 = 3;
    pub(crate) const PROPOSE_RUN_COMPLETION: u16 = 5;
}

/// What the SDK reports when a journal and the code take different ways.
pub(crate) const JOURNAL_MISMATCH: u32 = 570;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StateEntry {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Start {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) id: Bytes,
    #[prost(string, tag = "2")]
    pub(crate) debug_id: String,
    #[prost(uint32, tag = "3")]
    pub(crate) known_entries: u32,
    #[prost(message, repeated, tag = "4")]
    pub(crate) state_map: Vec<StateEntry>,
    #[prost(bool, tag = "5")]
    pub(crate) partial_state: bool,
    #[prost(string, tag = "6")]
    pub(crate) key: String,
    #[prost(uint64, tag = "9")]
    pub(crate) random_seed: u64,
    #[prost(string, optional, tag = "10")]
    pub(crate) scope: Option<String>,
    #[prost(string, optional, tag = "11")]
    pub(crate) limit_key: Option<String>,
    #[prost(string, optional, tag = "12")]
    pub(crate) idempotency_key: Option<String>,
}

/// What is awaited: since version 7 a tree, before that three lists.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Awaited {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) completions: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    pub(crate) signals: Vec<u32>,
    #[prost(string, repeated, tag = "3")]
    pub(crate) named_signals: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) nested: Vec<Awaited>,
}

impl Awaited {
    /// All of it in three lists.
    pub(crate) fn flat(mut self) -> Self {
        for nested in std::mem::take(&mut self.nested) {
            let nested = nested.flat();
            self.completions.extend(nested.completions);
            self.signals.extend(nested.signals);
            self.named_signals.extend(nested.named_signals);
        }
        self
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Failed {
    #[prost(uint32, tag = "1")]
    pub(crate) code: u32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(uint32, optional, tag = "4")]
    pub(crate) related_command_index: Option<u32>,
    #[prost(string, optional, tag = "5")]
    pub(crate) related_command_name: Option<String>,
    #[prost(uint32, optional, tag = "6")]
    pub(crate) related_command_type: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Void {}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Value {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) content: Bytes,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Pair {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Failure {
    #[prost(uint32, tag = "1")]
    pub(crate) code: u32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) metadata: Vec<Pair>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct StateKeys {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) keys: Vec<Bytes>,
}

/// What a notification is about.
#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub(crate) enum About {
    #[prost(uint32, tag = "1")]
    Completion(u32),
    #[prost(uint32, tag = "2")]
    Signal(u32),
    #[prost(string, tag = "3")]
    NamedSignal(String),
}

/// What a notification brings.
#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub(crate) enum Brings {
    #[prost(message, tag = "4")]
    Void(Void),
    #[prost(message, tag = "5")]
    Value(Value),
    #[prost(message, tag = "6")]
    Failure(Failure),
    #[prost(string, tag = "16")]
    InvocationId(String),
    #[prost(message, tag = "17")]
    StateKeys(StateKeys),
}

/// Any notification: they are all of one form.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Notification {
    #[prost(oneof = "About", tags = "1, 2, 3")]
    pub(crate) about: Option<About>,
    #[prost(oneof = "Brings", tags = "4, 5, 6, 16, 17")]
    pub(crate) brings: Option<Brings>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Input {
    #[prost(message, repeated, tag = "1")]
    pub(crate) headers: Vec<Pair>,
    #[prost(message, optional, tag = "14")]
    pub(crate) value: Option<Value>,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub(crate) enum OutputResult {
    #[prost(message, tag = "14")]
    Value(Value),
    #[prost(message, tag = "15")]
    Failure(Failure),
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Output {
    #[prost(oneof = "OutputResult", tags = "14, 15")]
    pub(crate) result: Option<OutputResult>,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

/// A read, write or clearing of one key's state, asked of the server.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct State {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(message, optional, tag = "3")]
    pub(crate) value: Option<Value>,
    #[prost(uint32, tag = "11")]
    pub(crate) completion: u32,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub(crate) enum EagerResult {
    #[prost(message, tag = "13")]
    Void(Void),
    #[prost(message, tag = "14")]
    Value(Value),
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct EagerState {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(oneof = "EagerResult", tags = "13, 14")]
    pub(crate) result: Option<EagerResult>,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct EagerStateKeys {
    #[prost(message, optional, tag = "14")]
    pub(crate) value: Option<StateKeys>,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub(crate) enum PromiseResult {
    #[prost(message, tag = "2")]
    Value(Value),
    #[prost(message, tag = "3")]
    Failure(Failure),
}

/// Any command about a promise; only completing one has a result.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Promise {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(oneof = "PromiseResult", tags = "2, 3")]
    pub(crate) result: Option<PromiseResult>,
    #[prost(uint32, tag = "11")]
    pub(crate) completion: u32,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Sleep {
    #[prost(uint64, tag = "1")]
    pub(crate) wake_up_time: u64,
    #[prost(uint32, tag = "11")]
    pub(crate) completion: u32,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Call {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
    #[prost(string, tag = "2")]
    pub(crate) handler: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) parameter: Bytes,
    #[prost(message, repeated, tag = "4")]
    pub(crate) headers: Vec<Pair>,
    #[prost(string, tag = "5")]
    pub(crate) key: String,
    #[prost(string, optional, tag = "6")]
    pub(crate) idempotency_key: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub(crate) scope: Option<String>,
    #[prost(string, optional, tag = "8")]
    pub(crate) limit_key: Option<String>,
    #[prost(uint32, tag = "10")]
    pub(crate) id_completion: u32,
    #[prost(uint32, tag = "11")]
    pub(crate) completion: u32,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct OneWayCall {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
    #[prost(string, tag = "2")]
    pub(crate) handler: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) parameter: Bytes,
    #[prost(uint64, tag = "4")]
    pub(crate) invoke_time: u64,
    #[prost(message, repeated, tag = "5")]
    pub(crate) headers: Vec<Pair>,
    #[prost(string, tag = "6")]
    pub(crate) key: String,
    #[prost(string, optional, tag = "7")]
    pub(crate) idempotency_key: Option<String>,
    #[prost(string, optional, tag = "8")]
    pub(crate) scope: Option<String>,
    #[prost(string, optional, tag = "9")]
    pub(crate) limit_key: Option<String>,
    #[prost(uint32, tag = "10")]
    pub(crate) id_completion: u32,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub(crate) enum SignalId {
    #[prost(uint32, tag = "2")]
    Index(u32),
    #[prost(string, tag = "3")]
    Name(String),
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub(crate) enum SignalResult {
    #[prost(message, tag = "4")]
    Void(Void),
    #[prost(message, tag = "5")]
    Value(Value),
    #[prost(message, tag = "6")]
    Failure(Failure),
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct SendSignal {
    #[prost(string, tag = "1")]
    pub(crate) target: String,
    #[prost(oneof = "SignalId", tags = "2, 3")]
    pub(crate) signal: Option<SignalId>,
    #[prost(oneof = "SignalResult", tags = "4, 5, 6")]
    pub(crate) result: Option<SignalResult>,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Run {
    #[prost(uint32, tag = "11")]
    pub(crate) completion: u32,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct WorkflowTarget {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) key: String,
    #[prost(string, optional, tag = "3")]
    pub(crate) scope: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct IdempotentTarget {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
    #[prost(string, optional, tag = "2")]
    pub(crate) key: Option<String>,
    #[prost(string, tag = "3")]
    pub(crate) handler: String,
    #[prost(string, tag = "4")]
    pub(crate) idempotency_key: String,
    #[prost(string, optional, tag = "5")]
    pub(crate) scope: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub(crate) enum Target {
    #[prost(string, tag = "1")]
    Invocation(String),
    #[prost(message, tag = "3")]
    Idempotent(IdempotentTarget),
    #[prost(message, tag = "4")]
    Workflow(WorkflowTarget),
}

/// Attaching to an invocation and looking at its output.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Attach {
    #[prost(oneof = "Target", tags = "1, 3, 4")]
    pub(crate) target: Option<Target>,
    #[prost(uint32, tag = "11")]
    pub(crate) completion: u32,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct CompleteAwakeable {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(oneof = "PromiseResult", tags = "2, 3")]
    pub(crate) result: Option<PromiseResult>,
    #[prost(string, tag = "12")]
    pub(crate) name: String,
}
