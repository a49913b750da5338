//! What the stand-in was told to do wrong, how fast it is, and what it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Options;

/// How many requests are kept.
const KEPT: usize = 1000;

/// A way to fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// 429 with this `Retry-After`: seconds, an HTTP date, or anything.
    RateLimited {
        /// The header's value; `None` leaves the header out.
        retry_after: Option<String>,
    },
    /// An error document with this status.
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// 200 with a web page.
    WebPage,
    /// 200 as the right kind of answer, with bytes that are none.
    Nonsense,
    /// 200 as the right kind of answer, with bytes that are not UTF-8.
    NotUtf8,
    /// A whole answer without any text.
    EmptyText,
    /// Half an answer, then the connection is closed in order.
    HalfStream,
    /// Half an answer, then the connection breaks.
    BrokenStream,
    /// Half an answer, then an error event.
    ErrorInStream,
    /// Half an answer, then nothing more, with the connection open.
    Stall,
    /// No answer at all, with the connection open.
    Hang,
    /// A text that is longer than the prompt allows. Posts only.
    TooLong,
    /// A text without the disclosures that the prompt asks for. Posts only.
    ForgetDisclosure,
    /// Vectors with one number too few. Embeddings only.
    WrongDimensions,
}

/// What a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// OpenAI's chat completions.
    Chat,
    /// Anthropic's messages.
    Messages,
    /// Embeddings.
    Embeddings,
}

/// How fast answers come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Before the first piece of text, in milliseconds.
    pub first_token_ms: u64,
    /// Before each further piece of text, in milliseconds.
    pub token_delay_ms: u64,
}

/// How many requests came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Chat completions.
    pub chat: u64,
    /// Messages.
    pub messages: u64,
    /// Embeddings.
    pub embeddings: u64,
    /// Those of all that were answered with a fault.
    pub faults: u64,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Received {
    /// Through which door.
    pub door: Door,
    /// Whether it carried a key (which is not kept).
    pub keyed: bool,
    /// The fault it was answered with.
    pub fault: Option<Fault>,
    /// Its body.
    pub body: Value,
}

#[derive(Debug)]
struct Queued {
    fault: Fault,
    times: u32,
    on: Option<Door>,
}

#[derive(Debug, Default)]
struct Inner {
    faults: VecDeque<Queued>,
    pace: Pace,
    counts: Counts,
    received: VecDeque<Received>,
}

/// Shared between the handle and the doors.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) options: Options,
    inner: Mutex<Inner>,
}

impl Control {
    pub(super) fn new(options: Options) -> Self {
        Self { options, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fail(&self, fault: Fault, times: u32, on: Option<Door>) {
        self.inner().faults.push_back(Queued { fault, times, on });
    }

    pub(super) fn heal(&self) {
        self.inner().faults.clear();
    }

    pub(super) fn set_pace(&self, pace: Pace) {
        self.inner().pace = pace;
    }

    pub(super) fn pace(&self) -> Pace {
        self.inner().pace
    }

    pub(super) fn counts(&self) -> Counts {
        self.inner().counts
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.inner().received.iter().cloned().collect()
    }

    /// Writes a request down and takes the fault that is its turn. `is_post` tells whether the request asks for a post, which the faults of
    /// text wait for.
    pub(super) fn receive(&self, door: Door, keyed: bool, body: Value, is_post: bool) -> Option<Fault> {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let fits = |queued: &Queued| {
            queued.on.is_none_or(|on| on == door)
                && match queued.fault {
                    Fault::TooLong | Fault::ForgetDisclosure => is_post,
                    Fault::WrongDimensions => door == Door::Embeddings,
                    Fault::EmptyText | Fault::ErrorInStream => door != Door::Embeddings,
                    _ => true,
                }
        };
        let fault = inner.faults.iter_mut().find(|queued| queued.times > 0 && fits(queued)).map(|queued| {
            queued.times -= 1;
            queued.fault.clone()
        });
        inner.faults.retain(|queued| queued.times > 0);
        match door {
            Door::Chat => inner.counts.chat += 1,
            Door::Messages => inner.counts.messages += 1,
            Door::Embeddings => inner.counts.embeddings += 1,
        }
        inner.counts.faults += u64::from(fault.is_some());
        if inner.received.len() == KEPT {
            inner.received.pop_front();
        }
        inner.received.push_back(Received { door, keyed, fault: fault.clone(), body });
        fault
    }
}

/// What `POST /_sandbox/faults` takes: a fault, how often, and at which door.
#[derive(Debug, Deserialize)]
pub(super) struct NewFault {
    fault: Fault,
    #[serde(default = "once")]
    times: u32,
    #[serde(default)]
    on: Option<Door>,
}

const fn once() -> u32 {
    1
}

pub(super) async fn add_fault(State(control): State<Arc<Control>>, Json(new): Json<NewFault>) -> StatusCode {
    control.fail(new.fault, new.times, new.on);
    StatusCode::NO_CONTENT
}

pub(super) async fn clear_faults(State(control): State<Arc<Control>>) -> StatusCode {
    control.heal();
    StatusCode::NO_CONTENT
}

pub(super) async fn set_pace(State(control): State<Arc<Control>>, Json(pace): Json<Pace>) -> StatusCode {
    control.set_pace(pace);
    StatusCode::NO_CONTENT
}

pub(super) async fn requests(State(control): State<Arc<Control>>) -> Json<Value> {
    Json(json!({"counts": control.counts(), "received": control.received()}))
}
