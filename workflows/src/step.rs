//! The one door to the outside world.
//!
//! Every effect of every handler goes through [`step`]. It gives the effect a name that people read in the progress tree, states how it is
//! retried, sorts its errors, opens its span, counts it, refuses to act while a journal is being replayed, and holds the crash points that
//! chaos tests use. `ctx.run` is banned elsewhere by lint.

use std::{
    fmt,
    future::Future,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use activities::{ActivityError, ActivityResult};
use futures::future::BoxFuture;
use restate_sdk::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use tracing::Instrument as _;

use crate::world::World;

/// How a step is retried while it fails transiently. Everything else ends the step at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Until it works, at most 5 s apart: the database and other things without which nothing goes on anyway.
    Always,
    /// Until it works, at most 5 min apart: other people's servers, when waiting is better than giving up.
    Patiently,
    /// At most so many attempts, at most 5 s apart; then the step fails with [`ActivityError::Transient`] and the handler decides.
    Attempts(u32),
}

impl Retry {
    fn policy(self) -> RunRetryPolicy {
        let base = RunRetryPolicy::new().initial_delay(Duration::from_millis(50)).exponentiation_factor(2.0);
        match self {
            Self::Always => base.max_delay(Duration::from_secs(5)),
            Self::Patiently => base.max_delay(Duration::from_secs(300)),
            Self::Attempts(n) => base.max_delay(Duration::from_secs(5)).max_attempts(n),
        }
    }
}

/// A step that ended without its result: what the activity reported, as it stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(pub ActivityError);

impl Failure {
    /// Whether the invocation was cancelled. A handler that goes on without a step's result passes this on instead: what was stopped stays
    /// stopped.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.what() == CANCELLED
    }
}

impl Deref for Failure {
    type Target = ActivityError;

    fn deref(&self) -> &ActivityError {
        &self.0
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Failure> for TerminalError {
    fn from(failure: Failure) -> Self {
        encode(&failure.0)
    }
}

impl From<TerminalError> for Failure {
    fn from(error: TerminalError) -> Self {
        Self(decode(&error))
    }
}

/// How the engine words a cancellation (code 409).
const CANCELLED: &str = "cancelled";
const RETRY_AFTER: &str = " [retry after ms: ";

/// The engine keeps a failure as a code and a text, so the kind becomes the code. People read the text in the engine's own UI as well.
fn encode(error: &ActivityError) -> TerminalError {
    match error {
        ActivityError::Transient { what } if what == CANCELLED => TerminalError::new_with_code(409, what),
        ActivityError::Transient { what } => TerminalError::new_with_code(503, what),
        ActivityError::RateLimited { retry_after_ms, what } => {
            TerminalError::new_with_code(429, format!("{what}{RETRY_AFTER}{retry_after_ms}]"))
        }
        ActivityError::Rejected { what } => TerminalError::new_with_code(422, what),
        ActivityError::NotFound { what } => TerminalError::new_with_code(404, what),
        ActivityError::CredentialsExpired { what } => TerminalError::new_with_code(401, what),
        ActivityError::OutcomeUnknown { what } => TerminalError::new_with_code(502, what),
    }
}

fn decode(error: &TerminalError) -> ActivityError {
    let text = error.message();
    match error.code() {
        429 => match text.rsplit_once(RETRY_AFTER).and_then(|(what, ms)| Some((what, ms.strip_suffix(']')?.parse().ok()?))) {
            Some((what, retry_after_ms)) => ActivityError::RateLimited { retry_after_ms, what: what.to_owned() },
            None => ActivityError::transient(text),
        },
        409 => ActivityError::transient(CANCELLED),
        422 => ActivityError::rejected(text),
        404 => ActivityError::not_found(text),
        401 => ActivityError::credentials_expired(text),
        502 => ActivityError::outcome_unknown(text),
        _ => ActivityError::transient(text),
    }
}

/// A transient failure on its way to the engine, which retries every standard error.
#[derive(Debug)]
struct Again(String);

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Again {}

tokio::task_local! {
    static EFFECTS_OFF: ();
}

/// Runs `future` with every effect refused: a step whose result is not in the journal fails instead of acting. For replaying journals.
pub async fn without_effects<F: Future>(future: F) -> F::Output {
    EFFECTS_OFF.scope((), future).await
}

fn effects_are_off() -> bool {
    EFFECTS_OFF.try_with(|()| ()).is_ok()
}

/// Performs one effect, once its turn has come in the journal, and returns its journalled result.
///
/// `name` is `noun.verb`; it is part of the product, because people read it. `activity` gets the world and returns a classified result;
/// [`ActivityError::Transient`] is retried as `retry` says, every other error ends the step and is returned as it is.
///
/// # Errors
/// What the activity reported, or the cancellation of the invocation (as code 409, which reads as transient and ends the handler when it is
/// passed on with `?`).
pub fn step<'c, C, T, F, Fut>(ctx: &C, world: &World, name: &'static str, retry: Retry, activity: F) -> BoxFuture<'c, Result<T, Failure>>
where
    C: Journal<'c>,
    F: FnOnce(World) -> Fut + Send + 'c,
    Fut: Future<Output = ActivityResult<T>> + Send + 'c,
    T: Serialize + DeserializeOwned + Send + 'static,
{
    let world = world.clone();
    ctx.run_named(name, retry.policy(), move || {
        let span = tracing::info_span!("step", otel.name = name, step = name);
        attempt(world, name, activity).instrument(span)
    })
}

/// A context that steps can be written to. (Boxed on purpose: a handler's future with dozens of steps stays small, and the compiler can still
/// prove it `Send`.)
pub trait Journal<'c> {
    /// Runs `closure` as the journal's next side effect, unless its result is there already.
    fn run_named<T, F, Fut>(&self, name: &'static str, policy: RunRetryPolicy, closure: F) -> BoxFuture<'c, Result<T, Failure>>
    where
        F: FnOnce() -> Fut + Send + 'c,
        Fut: Future<Output = HandlerResult<Json<T>>> + Send + 'c,
        T: Serialize + DeserializeOwned + Send + 'static;
}

macro_rules! journals {
    ($($context:ident),*) => {$(
        impl<'c> Journal<'c> for $context<'c> {
            fn run_named<T, F, Fut>(&self, name: &'static str, policy: RunRetryPolicy, closure: F) -> BoxFuture<'c, Result<T, Failure>>
            where
                F: FnOnce() -> Fut + Send + 'c,
                Fut: Future<Output = HandlerResult<Json<T>>> + Send + 'c,
                T: Serialize + DeserializeOwned + Send + 'static,
            {
                #[expect(clippy::disallowed_methods, reason = "the one door")]
                let run = self.run(closure).name(name).retry_policy(policy);
                Box::pin(async move { Ok(run.await?.into_inner()) })
            }
        }
    )*};
}

journals!(Context, ObjectContext, SharedObjectContext);

/// One attempt at a step.
async fn attempt<T, F, Fut>(world: World, name: &'static str, activity: F) -> HandlerResult<Json<T>>
where
    F: FnOnce(World) -> Fut,
    Fut: Future<Output = ActivityResult<T>>,
{
    if effects_are_off() {
        return Err(TerminalError::new_with_code(599, format!("`{name}` is not in the journal, and effects are off")).into());
    }
    world.crash_plan.reach(name, CrashPoint::Before);
    #[expect(clippy::disallowed_methods, reason = "how long an attempt took is reported, never decided on")]
    let started = std::time::Instant::now();
    let result = activity(world.clone()).await;
    let outcome = match &result {
        Ok(_) => "ok",
        Err(ActivityError::Transient { .. }) => "transient",
        Err(ActivityError::RateLimited { .. }) => "rate_limited",
        Err(ActivityError::Rejected { .. }) => "rejected",
        Err(ActivityError::NotFound { .. }) => "not_found",
        Err(ActivityError::CredentialsExpired { .. }) => "credentials_expired",
        Err(ActivityError::OutcomeUnknown { .. }) => "outcome_unknown",
    };
    metrics::counter!("pressroom_step_attempts_total", "step" => name, "outcome" => outcome).increment(1);
    metrics::histogram!("pressroom_step_seconds", "step" => name).record(started.elapsed().as_secs_f64());
    world.crash_plan.reach(name, CrashPoint::After);
    match result {
        Ok(value) => Ok(Json(value)),
        Err(ActivityError::Transient { what }) => {
            tracing::warn!(step = name, what, "step failed and will be retried");
            Err(Again(what).into())
        }
        Err(other) => {
            tracing::info!(step = name, outcome, what = other.what(), "step ended without a result");
            Err(encode(&other).into())
        }
    }
}

/// Where inside a step a chaos test may end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Before the effect.
    Before,
    /// After the effect, before the engine has heard of its result: the point at which naive code acts twice.
    After,
}

/// At which step a chaos test ends this process with SIGKILL; none outside tests.
#[derive(Debug, Clone, Default)]
pub struct CrashPlan(Option<Crash>);

#[derive(Debug, Clone)]
struct Crash {
    step: String,
    point: CrashPoint,
    /// How often it is still to be passed.
    left: Arc<AtomicU32>,
}

impl CrashPlan {
    /// Reads `step.name:before` or `step.name:after`, which mean the first time, or `step.name:after:3` for the third; anything else is no plan.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(':');
        let (step, point, times) = (words.next()?, words.next()?, words.next());
        let point = match point {
            "before" => CrashPoint::Before,
            "after" => CrashPoint::After,
            _ => return None,
        };
        let times = times.map_or(Some(1), |times| times.parse::<u32>().ok().filter(|n| *n > 0))?;
        let whole = !step.is_empty() && words.next().is_none();
        whole.then(|| Self(Some(Crash { step: step.to_owned(), point, left: Arc::new(AtomicU32::new(times)) })))
    }

    fn reach(&self, step: &str, point: CrashPoint) {
        if self.is_met(step, point) {
            // SIGKILL to ourselves: no destructor runs, no buffer is flushed, as in a real crash.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
        }
    }

    /// Counts a point that was reached; true when it is the one.
    fn is_met(&self, step: &str, point: CrashPoint) -> bool {
        self.0.as_ref().is_some_and(|crash| crash.step == step && crash.point == point && crash.left.fetch_sub(1, Ordering::Relaxed) == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_kind_through_the_journal() {
        for error in [
            ActivityError::transient("t"),
            ActivityError::rate_limited(Duration::from_millis(1500), "slow down [retry after ms: 7]"),
            ActivityError::rejected("r"),
            ActivityError::not_found("n"),
            ActivityError::credentials_expired("c"),
            ActivityError::outcome_unknown("o"),
        ] {
            assert_eq!(decode(&encode(&error)), error);
        }
    }

    #[test]
    fn a_cancellation_is_told_from_a_failure_and_passed_on_as_one() {
        let failure = Failure::from(TerminalError::new_with_code(409, "cancelled"));
        assert!(failure.is_cancelled());
        assert_eq!(TerminalError::from(failure).code(), 409);
        assert!(!Failure::from(TerminalError::new_with_code(503, "no model answered")).is_cancelled());
    }

    #[test]
    fn a_crash_plan_names_a_step_and_a_point() {
        let first = CrashPlan::parse("bluesky.submit:after").unwrap();
        assert!(!first.is_met("bluesky.submit", CrashPoint::Before) && !first.is_met("store.arm", CrashPoint::After));
        assert!(first.is_met("bluesky.submit", CrashPoint::After));
        let third = CrashPlan::parse("bluesky.submit:before:3").unwrap();
        let met: Vec<_> = (0..5).map(|_| third.is_met("bluesky.submit", CrashPoint::Before)).collect();
        assert_eq!(met, [false, false, true, false, false]);
        for none in ["bluesky.submit", "bluesky.submit:inside", "bluesky.submit:after:0", "bluesky.submit:after:x", "a:after:1:2", ":after"]
        {
            assert!(CrashPlan::parse(none).is_none(), "{none}");
        }
    }

    #[tokio::test]
    async fn effects_are_refused_only_where_they_were_switched_off() {
        assert!(!effects_are_off());
        without_effects(async { assert!(effects_are_off()) }).await;
        assert!(!effects_are_off());
    }
}
