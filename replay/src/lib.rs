//! Journals of [Restate](https://restate.dev) services: export, replay, any step, what if, verify, compare.
//!
//! A Restate service writes down what it does as a journal. This crate takes journals out of a server ([`Export`]) into portable files
//! ([`Bundle`]), and hands them to the handlers of a [`restate_sdk::endpoint::Endpoint`] in this process, as a server would, without one and
//! without a side effect ([`Replayer`]): does the code of today still take the steps that were recorded; how was it at step N; how would it
//! have gone on, were that result another; is a new build safe for everything that is in flight ([`Verify`]); and where do two runs part
//! ([`Diff`]).
//!
//! It knows no service and imports none: what it replays against is what its caller hands it. It may not act: why no closure of
//! [`ctx.run`](restate_sdk::context::ContextSideEffects::run) is ever called is told in `src/replay/known.rs`, and tests count that it is so.
//! What a handler does outside of such closures is not journalled; like the server's own retries, a replay does it again.

mod admin;
mod bundle;
mod diff;
mod difference;
mod export;
mod journal;
mod protocol;
mod replay;
mod verify;
mod what_if;

pub use admin::{Admin, AdminError};
pub use bundle::{Bundle, BundleError, Deployment, FORMAT, FailedAttempt, Limits, Part, Redaction, Rule, Run, StateValue};
pub use diff::{Diff, DiffRow};
pub use difference::Difference;
pub use export::{Export, ExportError};
pub use journal::{Entry, Field, Outcome, Payload, Step, Timestamp, Unreadable};
pub use protocol::{EntryKind, InvocationId, NotAnInvocationId};
pub use replay::{Attempt, Cause, Divergence, Next, Pause, Reason, Replayer, Report, StopError, Stopped, Verdict};
pub use verify::{Counts, Unread, Verified, Verify, VerifyReport};
pub use what_if::{Answer, Asked, End, Source, WhatIf, WhatIfError, WouldHave, WouldStep};
