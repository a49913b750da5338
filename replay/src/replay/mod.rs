//! A run against the code of today.

mod drive;
mod explain;
mod judge;
mod known;
mod stop;
mod verdict;

use std::{fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use restate_sdk::prelude::Endpoint;

pub use drive::Attempt;
pub(crate) use drive::{Driven, Driver, Ended};
pub(crate) use known::{Known, WouldAct};
pub use stop::{Pause, StopError, Stopped};
pub use verdict::{Cause, Divergence, Next, Reason, Report, Verdict};

use crate::{
    bundle::{Bundle, Run},
    what_if::WhatIf,
};

/// Replays runs against the handlers of an endpoint, in this process, without a server and without side effects.
///
/// Cheap to clone. It needs to be used within a tokio runtime, as the SDK does.
#[derive(Clone)]
pub struct Replayer {
    pub(crate) driver: Driver,
}

impl fmt::Debug for Replayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replayer").field("patience", &self.driver.patience).finish_non_exhaustive()
    }
}

impl Replayer {
    /// Against these handlers. The endpoint must not ask for an identity key: there is no server that could sign.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { driver: Driver { endpoint, guard: None, patience: Some(Duration::from_secs(30)) } }
    }

    /// Wraps the future that polls a handler, for instance in the scope of a task-local by which your code refuses side effects. No closure is
    /// called without it either; a guard can also watch over what a handler does outside of closures.
    #[must_use]
    pub fn guard<G>(mut self, guard: G) -> Self
    where
        G: for<'a> Fn(BoxFuture<'a, Attempt>) -> BoxFuture<'a, Attempt> + Send + Sync + 'static,
    {
        self.driver.guard = Some(Arc::new(guard));
        self
    }

    /// How long a handler may wait for something that is no part of its journal: 30 s if nothing else is said, without end for `None`. A handler
    /// never waits for its journal in a replay, so time that a debugger takes does not count unless such a wait follows.
    #[must_use]
    pub fn patience(mut self, patience: impl Into<Option<Duration>>) -> Self {
        self.driver.patience = patience.into();
        self
    }

    /// Whether the handler takes the recorded steps.
    ///
    /// The same run against the same code gives the same report.
    pub async fn replay(&self, run: &Run) -> Report {
        judge::judge(&self.driver, run).await
    }

    /// Replays every run of a bundle, in its order.
    pub async fn replay_all(&self, bundle: &Bundle) -> Vec<Report> {
        let mut reports = Vec::with_capacity(bundle.runs.len());
        for run in &bundle.runs {
            reports.push(self.replay(run).await);
        }
        reports
    }

    /// Replays up to the step with this number, which counts commands from the input at 0, and stops before it.
    ///
    /// # Errors
    /// When the run has no such step, or the handler does not come there.
    pub async fn stop_before(&self, run: &Run, step: usize) -> Result<Stopped, StopError> {
        stop::stop(&self.driver, run, step, |_| Box::pin(std::future::ready(()))).await
    }

    /// The same, and waits for `hold` before the handler is entered: the time for a debugger to attach, with a breakpoint where the handler takes
    /// the step. However long that takes, nothing times out.
    ///
    /// # Errors
    /// As [`Self::stop_before`].
    pub async fn hold_before<H>(&self, run: &Run, step: usize, hold: H) -> Result<Stopped, StopError>
    where
        H: for<'a> FnOnce(&'a Pause) -> BoxFuture<'a, ()> + Send,
    {
        let driver = Driver { patience: None, ..self.driver.clone() };
        stop::stop(&driver, run, step, hold).await
    }

    /// What would happen, were something else than it was.
    pub fn what_if<'a>(&'a self, run: &'a Run) -> WhatIf<'a> {
        WhatIf::new(&self.driver, run)
    }
}
