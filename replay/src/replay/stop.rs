use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::Serialize;

use super::{Driver, Known, Report, judge};
use crate::{
    bundle::Run,
    journal::{Entry, Outcome, Payload, Step, Unreadable},
    protocol::EntryKind,
};

/// Where a replay is about to stop. Handed to what waits for a debugger.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// The step that the handler is about to take when it stops.
    pub step: Step,
    /// This process, which a debugger attaches to.
    pub process: u32,
}

/// A run, stopped before one of its steps.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The step that the handler was about to take.
    pub step: Step,
    /// The steps before it, with what had come of them by then. A call that was not over has no outcome.
    pub before: Vec<Step>,
    /// The journal until then.
    pub journal: Vec<Entry>,
    /// The object's state at that point, as far as the run had read or written it; nothing under a key that is known to be empty.
    pub state: BTreeMap<String, Option<Payload>>,
}

/// Why a replay did not stop where it should.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// The run has fewer steps.
    #[error("the run has {steps} steps, numbered from 0; there is no step {step}")]
    NoSuchStep {
        /// What was asked for.
        step: usize,
        /// How many there are.
        steps: usize,
    },
    /// The handler does not come there.
    #[error("the handler does not come to that step: {0}")]
    NotReached(Box<Report>),
    /// The journal cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

pub(super) async fn stop<H>(driver: &Driver, run: &Run, step: usize, hold: H) -> Result<Stopped, StopError>
where
    H: for<'a> FnOnce(&'a Pause) -> BoxFuture<'a, ()> + Send,
{
    let steps = run.steps()?;
    let Some(at) = steps.get(step).cloned() else {
        return Err(StopError::NoSuchStep { step, steps: steps.len() });
    };
    let journal = run.journal[..(at.entry as usize).min(run.journal.len())].to_vec();
    if step > 0 {
        let pause = Pause { step: at.clone(), process: std::process::id() };
        hold(&pause).await;
        let driven = driver.drive(run, Known::of(&journal).closed(), &[]).await;
        // Behind the known commands the handler finds what it cannot issue: that it comes there is the proof that it took them all.
        if !judge::came_to(&driven.ended, step) {
            return Err(StopError::NotReached(Box::new(judge::judge(driver, run).await)));
        }
    }
    let before = crate::journal::steps(&journal)?;
    let state = state_after(&before);
    Ok(Stopped { step: at, before, journal, state })
}

/// The state as far as steps read or wrote it.
fn state_after(steps: &[Step]) -> BTreeMap<String, Option<Payload>> {
    let mut state = BTreeMap::new();
    for step in steps {
        match step.kind {
            EntryKind::GET_LAZY_STATE => match &step.outcome {
                Some(Outcome::Value(value)) => {
                    state.insert(step.name.clone(), Some(value.clone()));
                }
                Some(Outcome::Nothing) => {
                    state.insert(step.name.clone(), None);
                }
                _ => {}
            },
            EntryKind::SET_STATE => {
                let value = step.fields.iter().find(|field| field.name == "value").map(|field| field.value.clone());
                state.insert(step.name.clone(), value);
            }
            EntryKind::CLEAR_STATE => {
                state.insert(step.name.clone(), None);
            }
            EntryKind::CLEAR_ALL_STATE => state.values_mut().for_each(|value| *value = None),
            _ => {}
        }
    }
    state
}
