//! What would have happened.

mod answer;
mod engine;
mod outcomes;
mod record;
mod waking;

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use serde::Serialize;

pub use answer::{Answer, Asked};
pub use engine::Source;
pub(crate) use engine::{Came, Engine, Taken};

use answer::StandIn;

use crate::{
    bundle::Run,
    diff::Diff,
    journal::{Outcome, Payload, Step, Unreadable},
    protocol::{
        EntryKind, InvocationId,
        messages::{self as m, About, EagerResult},
    },
    replay::Driver,
};

/// A question: how would a run have gone on, were something else than it was?
///
/// The handler runs in this process, in virtual time: a sleep of a week passes at once. Side effects, calls and reads get their outcomes from
/// the record where they are asked the same there, else from stand-ins; no closure is ever called, and nothing leaves the process. Where
/// neither has an answer, the run stops and says at which step.
#[must_use]
pub struct WhatIf<'a> {
    driver: &'a Driver,
    run: &'a Run,
    input: Option<Payload>,
    changes: BTreeMap<usize, Outcome>,
    from: Option<usize>,
    stand_in: Box<StandIn<'a>>,
    reach: Option<u32>,
    most: usize,
}

/// How a run would have gone on.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WouldHave {
    /// The run.
    pub run: InvocationId,
    /// The number of the first step that was not kept.
    pub from: usize,
    /// What happened: all recorded steps.
    pub happened: Vec<Step>,
    /// What would have happened: the steps that were kept, then those that the code would take.
    pub would: Vec<WouldStep>,
    /// How that ends.
    pub end: End,
    /// How much virtual time passed behind the point, in milliseconds.
    pub passed_ms: u64,
    /// Both beside each other.
    pub diff: Diff,
}

/// A step that would have been taken.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WouldStep {
    /// The step. Its times are virtual.
    pub step: Step,
    /// Where its outcome came from; nothing for one that has none.
    pub source: Option<Source>,
    /// The recorded step that it is, by number.
    pub recorded: Option<usize>,
    /// Of a timer and of a message: how long it waits, in milliseconds.
    pub delay_ms: Option<u64>,
}

/// How a run that went on came to its end.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum End {
    /// It returned.
    Returned {
        /// What.
        outcome: Outcome,
    },
    /// It fails in a way that the server would retry.
    Failed {
        /// Its words.
        message: String,
    },
    /// A step has no answer: neither the record nor a stand-in knows what comes of it.
    Incomplete {
        /// The step's number.
        step: usize,
        /// Which step that is, or what is waited for.
        name: String,
        /// Why it cannot go on.
        why: String,
    },
}

/// Why there is no answer to a question.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhatIfError {
    /// The run has fewer steps.
    #[error("the run has {steps} steps, numbered from 0; there is no step {step}")]
    NoSuchStep {
        /// What was asked for.
        step: usize,
        /// How many there are.
        steps: usize,
    },
    /// The step has no outcome that could be another.
    #[error("step {step}, {name}, has no outcome that could be changed")]
    NoOutcome {
        /// The step's number.
        step: usize,
        /// Which step that is.
        name: String,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl<'a> WhatIf<'a> {
    pub(crate) fn new(driver: &'a Driver, run: &'a Run) -> Self {
        Self { driver, run, input: None, changes: BTreeMap::new(), from: None, stand_in: Box::new(|_| None), reach: None, most: 10_000 }
    }

    /// What if it had been called with this?
    pub fn input(mut self, input: impl Into<Payload>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// What if the step with this number, which counts commands from the input at 0, had this outcome? More than one may be changed.
    pub fn outcome(mut self, step: usize, outcome: Outcome) -> Self {
        self.changes.insert(step, outcome);
        self
    }

    /// What if everything before the step with this number stood, and the code went on from there? For code that has changed.
    pub fn from(mut self, step: usize) -> Self {
        self.from = Some(step);
        self
    }

    /// Answers for what the record does not have. Called for side effects, calls, reads of state, promises, awakeables and signals.
    pub fn stand_in(mut self, stand_in: impl Fn(&Asked<'_>) -> Option<Answer> + Send + Sync + 'a) -> Self {
        self.stand_in = Box::new(stand_in);
        self
    }

    /// How many commands with an outcome the handler may issue before it waits for one of them: 1,024 and twice the recorded steps if nothing else
    /// is said. A handler that sends more at once and then has a side effect needs a higher number, or that side effect's closure would be called;
    /// the end says so then.
    pub fn reach(mut self, commands: u32) -> Self {
        self.reach = Some(commands.max(2));
        self
    }

    /// How many steps are taken at most: 10,000 if nothing else is said.
    pub fn most(mut self, steps: usize) -> Self {
        self.most = steps;
        self
    }

    /// Lets the run go on.
    ///
    /// # Errors
    /// When a step is named that the run does not have, or that has no outcome, or when the journal cannot be read.
    pub async fn go(self) -> Result<WouldHave, WhatIfError> {
        let happened = self.run.steps()?;
        let cut = self.cut(&happened)?;
        let mut engine = Engine::behind(self.driver, self.run, cut.entry, self.changes.clone(), &*self.stand_in)?;
        engine.reach = self.reach.unwrap_or(engine.reach);
        engine.most = self.most;
        if let Some(frames) = cut.kept {
            engine.keep(frames);
        }
        if let Some(step) = cut.deliver {
            engine.deliver_change(step);
        }
        let began = engine.now;
        let came = engine.go().await;
        let passed_ms = engine.now.saturating_sub(began);
        let kept = happened.iter().filter(|step| (step.entry as usize) < cut.entry).cloned();
        let mut would: Vec<WouldStep> = kept.map(|step| self.kept(step)).collect();
        let from = would.len();
        would.extend(engine.taken.into_iter().map(WouldStep::from));
        let end = end(came, &would);
        let steps: Vec<Step> = would.iter().map(|would| would.step.clone()).collect();
        let diff = Diff::of_steps(&happened, &steps);
        Ok(WouldHave { run: self.run.id.clone(), from, happened, would, end, passed_ms, diff })
    }

    fn kept(&self, mut step: Step) -> WouldStep {
        let mut source = Some(Source::Record);
        if let Some(change) = self.changes.get(&step.index) {
            step.outcome = Some(change.clone());
            source = Some(Source::Change);
        }
        if let (0, Some(input)) = (step.index, &self.input) {
            step.fields.iter_mut().for_each(|field| field.value = input.clone());
            source = Some(Source::Change);
        }
        let recorded = Some(step.index);
        WouldStep { step, source, recorded, delay_ms: None }
    }

    /// Where the record is left: before anything that the change could have had an influence on.
    fn cut(&self, happened: &[Step]) -> Result<Cut, WhatIfError> {
        let no_such = |step: usize| WhatIfError::NoSuchStep { step, steps: happened.len() };
        let mut cut = Cut { entry: self.run.journal.len(), kept: None, deliver: None };
        if let Some(from) = self.from {
            cut.entry = match happened.get(from) {
                Some(step) => step.entry as usize,
                None if from == happened.len() => self.run.journal.len(),
                None => return Err(no_such(from)),
            };
        }
        for number in self.changes.keys() {
            let step = happened.get(*number).ok_or_else(|| no_such(*number))?;
            let no_outcome = || WhatIfError::NoOutcome { step: *number, name: step.title() };
            let own = self.run.journal.get(step.entry as usize).is_some_and(|entry| entry.kind == EntryKind::GET_EAGER_STATE);
            let result = step.completions.last().copied().filter(|_| step.kind != EntryKind::ONE_WAY_CALL);
            let entry = match result {
                Some(id) => self.arrival_of(id).unwrap_or(self.run.journal.len()),
                None if own => step.entry as usize + 1,
                None => return Err(no_outcome()),
            };
            if entry <= cut.entry {
                cut = Cut { entry, kept: own.then(|| self.keep(entry, Some(*number), happened)), deliver: (!own).then_some(*number) };
            }
        }
        if self.input.is_some() {
            // Everything follows from the input.
            cut = Cut { entry: 1, kept: Some(self.keep(1, None, happened)), deliver: None };
        }
        Ok(cut)
    }

    /// The place of the notification that brings the result of a completion.
    fn arrival_of(&self, id: u32) -> Option<usize> {
        self.run.journal.iter().position(|entry| {
            entry.kind.is_notification()
                && matches!(m::Notification::decode(entry.raw.clone()), Ok(m::Notification { about: Some(About::Completion(about)), .. }) if about == id)
        })
    }

    /// The first entries, with what is changed in a command itself: the input, or a read that the SDK answered.
    fn keep(&self, entries: usize, read: Option<usize>, happened: &[Step]) -> Vec<(EntryKind, Bytes)> {
        let place = read.and_then(|read| happened.get(read)).map(|step| step.entry as usize);
        let change = read.and_then(|read| self.changes.get(&read));
        let kept = self.run.journal.iter().take(entries).enumerate();
        kept.map(|(at, entry)| {
            let mut raw = entry.raw.clone();
            if let (EntryKind::INPUT, Some(input)) = (entry.kind, &self.input)
                && let Ok(mut message) = m::Input::decode(raw.clone())
            {
                message.value = Some(m::Value { content: input.0.clone() });
                raw = message.encode_to_vec().into();
            }
            if let (true, Some(change)) = (Some(at) == place, change)
                && let Ok(mut message) = m::EagerState::decode(raw.clone())
            {
                message.result = Some(match change {
                    Outcome::Value(value) => EagerResult::Value(m::Value { content: value.0.clone() }),
                    _ => EagerResult::Void(m::Void {}),
                });
                raw = message.encode_to_vec().into();
            }
            (entry.kind, raw)
        })
        .collect()
    }
}

struct Cut {
    /// The first entry that is not kept.
    entry: usize,
    /// What is kept instead of the entries themselves.
    kept: Option<Vec<(EntryKind, Bytes)>>,
    /// The kept step whose changed outcome arrives first.
    deliver: Option<usize>,
}

impl From<Taken> for WouldStep {
    fn from(taken: Taken) -> Self {
        let Taken { step, source, recorded, delay_ms, .. } = taken;
        Self { step, source, recorded, delay_ms }
    }
}

fn end(came: Came, would: &[WouldStep]) -> End {
    let last = would.len().saturating_sub(1);
    let incomplete = |name: String, why: &str| End::Incomplete { step: last, name, why: why.to_owned() };
    let here = || would.last().map_or_else(|| "input".to_owned(), |would| would.step.title());
    match came {
        Came::Returned => match would.iter().rev().find(|would| would.step.kind == EntryKind::OUTPUT) {
            Some(WouldStep { step: Step { outcome: Some(outcome), .. }, .. }) => End::Returned { outcome: outcome.clone() },
            _ => End::Returned { outcome: Outcome::Nothing },
        },
        Came::Failed { message } => End::Failed { message },
        Came::NoAnswer { title } => incomplete(title, "neither the record nor a stand-in has an answer"),
        Came::TooLong | Came::Enough => incomplete(here(), "it takes more steps than were allowed"),
        Came::Unsteady { message } => incomplete(here(), &format!("the code does not go the same way twice: {message}")),
        Came::Broke(ended) => incomplete(here(), &format!("it broke off: {ended:?}")),
    }
}
