use bytes::Bytes;
use prost::Message;

use super::step::{Field, Outcome};
use crate::protocol::{
    EntryKind,
    messages::{self as m, EagerResult, OutputResult, PromiseResult, SignalId, SignalResult, Target},
};

/// A decoded command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Input(m::Input),
    Output(m::Output),
    GetState(m::State),
    SetState(m::State),
    ClearState(m::State),
    ClearAllState,
    GetStateKeys(m::State),
    GetEagerState(m::EagerState),
    GetEagerStateKeys(m::EagerStateKeys),
    GetPromise(m::Promise),
    PeekPromise(m::Promise),
    CompletePromise(m::Promise),
    Sleep(m::Sleep),
    Call(m::Call),
    Send(m::OneWayCall),
    SendSignal(m::SendSignal),
    Run(m::Run),
    Attach(m::Attach),
    GetOutput(m::Attach),
    CompleteAwakeable(m::CompleteAwakeable),
}

impl Command {
    pub(crate) fn decode(kind: EntryKind, raw: &Bytes) -> Result<Self, String> {
        fn of<M: Message + Default>(raw: &Bytes) -> Result<M, String> {
            M::decode(raw.clone()).map_err(|error| error.to_string())
        }
        Ok(match kind {
            EntryKind::INPUT => Self::Input(of(raw)?),
            EntryKind::OUTPUT => Self::Output(of(raw)?),
            EntryKind::GET_LAZY_STATE => Self::GetState(of(raw)?),
            EntryKind::SET_STATE => Self::SetState(of(raw)?),
            EntryKind::CLEAR_STATE => Self::ClearState(of(raw)?),
            EntryKind::CLEAR_ALL_STATE => {
                of::<m::State>(raw)?;
                Self::ClearAllState
            }
            EntryKind::GET_LAZY_STATE_KEYS => Self::GetStateKeys(of(raw)?),
            EntryKind::GET_EAGER_STATE => Self::GetEagerState(of(raw)?),
            EntryKind::GET_EAGER_STATE_KEYS => Self::GetEagerStateKeys(of(raw)?),
            EntryKind::GET_PROMISE => Self::GetPromise(of(raw)?),
            EntryKind::PEEK_PROMISE => Self::PeekPromise(of(raw)?),
            EntryKind::COMPLETE_PROMISE => Self::CompletePromise(of(raw)?),
            EntryKind::SLEEP => Self::Sleep(of(raw)?),
            EntryKind::CALL => Self::Call(of(raw)?),
            EntryKind::ONE_WAY_CALL => Self::Send(of(raw)?),
            EntryKind::SEND_SIGNAL => Self::SendSignal(of(raw)?),
            EntryKind::RUN => Self::Run(of(raw)?),
            EntryKind::ATTACH_INVOCATION => Self::Attach(of(raw)?),
            EntryKind::GET_INVOCATION_OUTPUT => Self::GetOutput(of(raw)?),
            EntryKind::COMPLETE_AWAKEABLE => Self::CompleteAwakeable(of(raw)?),
            _ => return Err("its type is not known to this version".to_owned()),
        })
    }

    /// What the step is called: a side effect's name, whom a call goes to, a state's key.
    pub(crate) fn label(&self) -> String {
        let named = |what: &str, name: &str| if name.is_empty() { what.to_owned() } else { name.to_owned() };
        match self {
            Self::Input(_) => "input".to_owned(),
            Self::Output(_) => "output".to_owned(),
            Self::GetState(state) | Self::SetState(state) | Self::ClearState(state) => text(&state.key),
            Self::GetEagerState(state) => text(&state.key),
            Self::ClearAllState | Self::GetStateKeys(_) | Self::GetEagerStateKeys(_) => "all keys".to_owned(),
            Self::GetPromise(promise) | Self::PeekPromise(promise) | Self::CompletePromise(promise) => promise.key.clone(),
            Self::Sleep(sleep) => named("sleep", &sleep.name),
            Self::Call(call) => format!("{}/{}", call.service, call.handler),
            Self::Send(send) => format!("{}/{}", send.service, send.handler),
            Self::SendSignal(signal) => match &signal.signal {
                Some(SignalId::Name(name)) => name.clone(),
                Some(SignalId::Index(crate::protocol::CANCEL_SIGNAL)) => "cancel".to_owned(),
                Some(SignalId::Index(number)) => format!("signal {number}"),
                None => "signal".to_owned(),
            },
            Self::Run(run) => named("unnamed", &run.name),
            Self::Attach(attach) | Self::GetOutput(attach) => target(attach.target.as_ref()),
            Self::CompleteAwakeable(awakeable) => awakeable.id.clone(),
        }
    }

    /// The ids of its completions; of a call, that of its invocation's id comes first.
    pub(crate) fn completions(&self) -> Vec<u32> {
        match self {
            Self::GetState(state) | Self::GetStateKeys(state) => vec![state.completion],
            Self::GetPromise(promise) | Self::PeekPromise(promise) | Self::CompletePromise(promise) => vec![promise.completion],
            Self::Sleep(sleep) => vec![sleep.completion],
            Self::Call(call) => vec![call.id_completion, call.completion],
            Self::Send(send) => vec![send.id_completion],
            Self::Run(run) => vec![run.completion],
            Self::Attach(attach) | Self::GetOutput(attach) => vec![attach.completion],
            _ => Vec::new(),
        }
    }

    /// What it was asked with, field by field: all that the SDK compares, and no more. (It compares no sleep's length and no send's delay.)
    pub(crate) fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        let mut put = |name: &'static str, value: Bytes| fields.push(Field { name: name.into(), value: value.into() });
        match self {
            Self::Input(input) => put("value", content(input.value.as_ref())),
            Self::Output(output) => match &output.result {
                Some(OutputResult::Value(value)) => put("result", value.content.clone()),
                Some(OutputResult::Failure(failure)) => put("failure", failed(failure)),
                None => {}
            },
            Self::GetState(state) | Self::ClearState(state) => put("key", state.key.clone()),
            Self::GetEagerState(state) => put("key", state.key.clone()),
            Self::SetState(state) => {
                put("key", state.key.clone());
                put("value", content(state.value.as_ref()));
            }
            Self::ClearAllState | Self::GetStateKeys(_) | Self::GetEagerStateKeys(_) => {}
            Self::GetPromise(promise) | Self::PeekPromise(promise) => put("key", promise.key.clone().into()),
            Self::CompletePromise(promise) => {
                put("key", promise.key.clone().into());
                put_result(&mut put, promise.result.as_ref());
            }
            Self::Sleep(sleep) => put("name", sleep.name.clone().into()),
            Self::Call(call) => {
                put("service", call.service.clone().into());
                put("handler", call.handler.clone().into());
                put("key", call.key.clone().into());
                put("parameter", call.parameter.clone());
                put_rest(&mut put, &call.headers, &call.idempotency_key, &call.scope, &call.limit_key);
            }
            Self::Send(send) => {
                put("service", send.service.clone().into());
                put("handler", send.handler.clone().into());
                put("key", send.key.clone().into());
                put("parameter", send.parameter.clone());
                put_rest(&mut put, &send.headers, &send.idempotency_key, &send.scope, &send.limit_key);
            }
            Self::SendSignal(signal) => {
                put("target", signal.target.clone().into());
                put("signal", self.label().into());
                match &signal.result {
                    Some(SignalResult::Value(value)) => put("value", value.content.clone()),
                    Some(SignalResult::Failure(failure)) => put("failure", failed(failure)),
                    Some(SignalResult::Void(_)) | None => {}
                }
            }
            Self::Run(run) => put("name", run.name.clone().into()),
            Self::Attach(_) | Self::GetOutput(_) => put("target", self.label().into()),
            Self::CompleteAwakeable(awakeable) => {
                put("id", awakeable.id.clone().into());
                put_result(&mut put, awakeable.result.as_ref());
            }
        }
        fields
    }

    /// The outcome that stands in the command itself: of reads that the SDK answered, and of the output.
    pub(crate) fn own_outcome(&self) -> Option<Outcome> {
        match self {
            Self::GetEagerState(state) => Some(match &state.result {
                Some(EagerResult::Value(value)) => Outcome::Value(value.content.clone().into()),
                Some(EagerResult::Void(_)) | None => Outcome::Nothing,
            }),
            Self::GetEagerStateKeys(keys) => {
                let keys = keys.value.as_ref().map(|keys| keys.keys.iter().map(text).collect());
                Some(Outcome::Keys(keys.unwrap_or_default()))
            }
            Self::Output(output) => Some(match &output.result {
                Some(OutputResult::Value(value)) => Outcome::Value(value.content.clone().into()),
                Some(OutputResult::Failure(failure)) => Outcome::Failure { code: failure.code, message: failure.message.clone() },
                None => Outcome::Nothing,
            }),
            _ => None,
        }
    }
}

fn put_result(put: &mut impl FnMut(&'static str, Bytes), result: Option<&PromiseResult>) {
    match result {
        Some(PromiseResult::Value(value)) => put("value", value.content.clone()),
        Some(PromiseResult::Failure(failure)) => put("failure", failed(failure)),
        None => {}
    }
}

fn put_rest(
    put: &mut impl FnMut(&'static str, Bytes),
    headers: &[m::Pair],
    idempotency_key: &Option<String>,
    scope: &Option<String>,
    limit_key: &Option<String>,
) {
    if !headers.is_empty() {
        let lines: Vec<_> = headers.iter().map(|header| format!("{}: {}", header.key, header.value)).collect();
        put("headers", lines.join("\n").into());
    }
    for (name, value) in [("idempotency_key", idempotency_key), ("scope", scope), ("limit_key", limit_key)] {
        if let Some(value) = value {
            put(name, value.clone().into());
        }
    }
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}

fn content(value: Option<&m::Value>) -> Bytes {
    value.map(|value| value.content.clone()).unwrap_or_default()
}

fn failed(failure: &m::Failure) -> Bytes {
    format!("[{}] {}", failure.code, failure.message).into()
}

fn target(target: Option<&Target>) -> String {
    match target {
        Some(Target::Invocation(id)) => id.clone(),
        Some(Target::Workflow(workflow)) => format!("{}/{}", workflow.name, workflow.key),
        Some(Target::Idempotent(request)) => format!("{}/{} {}", request.service, request.handler, request.idempotency_key),
        None => "nothing".to_owned(),
    }
}
