//! One attempt of a handler, in this process.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use restate_sdk::prelude::Endpoint;

use super::known::Sealed;
use crate::{
    bundle::Run,
    protocol::parse,
    protocol::{
        EntryKind, Frame, USUAL_VERSION, VERSIONS, encode,
        messages::{self as m, control},
    },
};

/// What an endpoint answered to one attempt. Opaque: it only passes through a [`guard`](crate::Replayer::guard).
#[derive(Debug)]
pub struct Attempt {
    status: u16,
    body: Bytes,
    panic: Option<String>,
    window: (u64, u64),
}

/// Wraps the future that polls a handler.
pub(crate) type Guard = Arc<dyn for<'a> Fn(BoxFuture<'a, Attempt>) -> BoxFuture<'a, Attempt> + Send + Sync>;

/// An endpoint and how its handlers are driven.
#[derive(Clone)]
pub(crate) struct Driver {
    pub(crate) endpoint: Endpoint,
    pub(crate) guard: Option<Guard>,
    /// How long a handler may wait for something that is no part of its journal.
    pub(crate) patience: Option<Duration>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ended {
    /// The handler returned, and its output is in the journal or among the commands.
    End,
    /// It waits.
    Suspended(m::Awaited),
    /// It failed, or the SDK found that journal and code differ.
    Failed(m::Failed),
    /// The endpoint does not take such requests.
    Refused { status: u16, message: String },
    /// The handler panicked.
    Panicked(String),
    /// It waits for something that is no part of its journal.
    Stalled,
    /// It broke off without saying why.
    Silent,
    /// A closure ran. This cannot happen; were it to, it would be told.
    Acted,
}

/// What an attempt issued, and how it ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Driven {
    pub(crate) commands: Vec<Frame>,
    pub(crate) ended: Ended,
    /// Between which instants the handler issued them, in milliseconds since 1970, in real time.
    pub(crate) window: (u64, u64),
}

impl Driver {
    /// Hands a run's known entries to its handler. `state` is what the SDK knows of an object's state from the beginning.
    pub(crate) async fn drive(&self, run: &Run, known: Sealed, state: &[(String, Bytes)]) -> Driven {
        let version = run.protocol_version.filter(|version| VERSIONS.contains(version)).unwrap_or(USUAL_VERSION);
        let start = m::Start {
            id: Bytes::copy_from_slice(&run.id.to_bytes()),
            debug_id: run.id.to_string(),
            known_entries: known.entries,
            state_map: state.iter().map(|(key, value)| m::StateEntry { key: key.clone().into(), value: value.clone() }).collect(),
            partial_state: true,
            key: run.key.clone().unwrap_or_default(),
            random_seed: run.random_seed.unwrap_or_else(|| run.id.random_seed()),
            scope: run.scope.clone(),
            limit_key: run.limit_key.clone(),
            idempotency_key: run.idempotency_key.clone(),
        };
        let mut body = BytesMut::with_capacity(known.bytes.len() + 256);
        encode(control::START, &start.encode_to_vec(), &mut body);
        body.extend_from_slice(&known.bytes);
        let last = known.bytes.len().saturating_sub(known.last);
        let tail = body.split_off(body.len().saturating_sub(last)).freeze();
        let entered = Arc::new(AtomicU64::new(0));
        let enters = Arc::clone(&entered);
        // The handler is entered once the last entry has been read.
        let tail = stream::once(async move {
            enters.store(unix_millis(), Ordering::Relaxed);
            tail
        });
        let frames = stream::iter([body.freeze()]).chain(tail).map(|bytes| Ok::<_, Infallible>(http_body::Frame::data(bytes)));
        let request = http::Request::post(format!("/invoke/{}/{}", run.service, run.handler))
            .header(http::header::CONTENT_TYPE, format!("application/vnd.restate.invocation.v{version}"))
            // The end of the body makes the SDK suspend where it would wait for more.
            .body(StreamBody::new(frames.boxed()));
        let request = match request {
            Ok(request) => request,
            Err(error) => return Driven::ended(Ended::Refused { status: 400, message: error.to_string() }),
        };
        let attempt = self.attempt(request, entered).boxed();
        let attempt = match &self.guard {
            Some(guard) => guard(attempt),
            None => attempt,
        };
        let attempt = match self.patience {
            Some(patience) => match tokio::time::timeout(patience, attempt).await {
                Ok(attempt) => attempt,
                Err(_) => return Driven::ended(Ended::Stalled),
            },
            None => attempt.await,
        };
        attempt.read()
    }

    /// The handler runs in this task, while the body of the answer is polled; a panic of it goes no further.
    async fn attempt<B>(&self, request: http::Request<B>, entered: Arc<AtomicU64>) -> Attempt
    where
        B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let response = self.endpoint.handle(request);
        let status = response.status().as_u16();
        let mut body = std::pin::pin!(response.into_body());
        let (mut bytes, mut panic, mut left) = (BytesMut::new(), None, 0);
        loop {
            match AssertUnwindSafe(body.frame()).catch_unwind().await {
                Ok(Some(Ok(frame))) => {
                    left = unix_millis();
                    if let Ok(data) = frame.into_data() {
                        bytes.extend_from_slice(&data);
                    }
                }
                Ok(None | Some(Err(_))) => break,
                // What was issued before is still to be read.
                Err(payload) if panic.is_none() => panic = Some(words(payload.as_ref())),
                Err(_) => break,
            }
        }
        Attempt { status, body: bytes.freeze(), panic, window: (entered.load(Ordering::Relaxed), left) }
    }
}

fn words(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_owned())
}

impl Attempt {
    fn read(self) -> Driven {
        if self.status != 200 {
            let message = String::from_utf8_lossy(&self.body).into_owned();
            return Driven::ended(Ended::Refused { status: self.status, message });
        }
        let mut driven = Driven::ended(Ended::Silent);
        driven.window = self.window;
        let mut acted = false;
        for frame in parse(self.body) {
            match frame.ty {
                control::END => driven.ended = Ended::End,
                control::SUSPENSION => driven.ended = Ended::Suspended(suspension(&frame.body)),
                control::ERROR => driven.ended = Ended::Failed(m::Failed::decode(frame.body).unwrap_or_default()),
                control::PROPOSE_RUN_COMPLETION => acted = true,
                ty if EntryKind(ty).is_command() => driven.commands.push(frame),
                _ => {}
            }
        }
        if let Some(panic) = self.panic {
            driven.ended = Ended::Panicked(panic);
        }
        if acted {
            driven.ended = Ended::Acted;
        }
        driven
    }
}

/// Real time, which virtual time has nothing to do with: what the SDK adds a delay to.
fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Since version 7 of the protocol, what is awaited stands in a message of its own.
fn suspension(body: &Bytes) -> m::Awaited {
    let awaited = m::Awaited::decode(body.clone()).unwrap_or_default();
    awaited.flat()
}

impl Driven {
    fn ended(ended: Ended) -> Self {
        Self { commands: Vec::new(), ended, window: (0, 0) }
    }
}
