//! A small runtime: it plays the server to a handler that goes on from some point of its journal, in virtual time and without effects.
//!
//! A handler is driven in rounds, each from its beginning. A round ends where the handler waits for something that it just asked for, or where
//! it can only suspend; what it issued until then joins the known journal, gets its answer from the record or from a stand-in, and the next
//! round goes on behind it. Why no closure runs in a round is told in `replay/known.rs`.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::{
    answer::StandIn,
    record::{Arrived, Record},
    waking::length,
};
use crate::{
    bundle::Run,
    journal::{Command, Outcome, Step, Timestamp, Unreadable, complete},
    protocol::{EntryKind, Frame, messages::About},
    replay::{Driven, Driver, Ended, Known, WouldAct},
};

/// How often a round is repeated at most.
const ROUNDS: usize = 20;

/// Where an outcome came from.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The record, where the same was asked.
    Record,
    /// The record, where a step of the same name was asked otherwise.
    RecordOfAnotherQuestion,
    /// The change that was asked for.
    Change,
    /// A stand-in.
    StandIn,
    /// Virtual time: a timer that fired.
    Clock,
    /// The object's state at the time of the export, as its state at that time is not known.
    StateAtExport,
    /// The protocol: what the server answers by itself.
    Server,
}

/// Why a run that goes on came to its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Came {
    /// The handler returned.
    Returned,
    /// It waits, and nobody has an answer.
    NoAnswer { title: String },
    /// It failed in a way that the server would retry.
    Failed { message: String },
    /// It goes on and on.
    TooLong,
    /// It does not take the same way twice.
    Unsteady { message: String },
    /// As many steps as were asked for.
    Enough,
    /// It could not be driven.
    Broke(Ended),
}

/// A step behind the point.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) step: Step,
    pub(crate) source: Option<Source>,
    /// The recorded step that it is.
    pub(crate) recorded: Option<usize>,
    pub(crate) delay_ms: Option<u64>,
    /// The command as the code issued it.
    pub(crate) kind: EntryKind,
    pub(crate) raw: Bytes,
}

/// How a run goes on.
pub(crate) struct Engine<'a> {
    pub(super) driver: &'a Driver,
    pub(super) run: &'a Run,
    pub(super) known: Known,
    pub(super) record: Record,
    pub(super) stand_in: &'a StandIn<'a>,
    /// Outcomes that are changed, by the number of the recorded step.
    pub(super) changes: BTreeMap<usize, Outcome>,
    /// Whether a step of an unknown name may take the outcome of the next recorded one of its kind. For explaining a divergence only.
    pub(crate) guess: bool,
    /// How many commands with completions may be issued at once.
    pub(crate) reach: u32,
    /// How many steps are taken at most, and what it means.
    pub(crate) most: usize,
    pub(crate) enough: bool,
    pub(crate) now: u64,
    pub(crate) taken: Vec<Taken>,
    /// What is waited for, by the ids of completions: the place in `taken`, or the number of a kept step.
    pub(super) pending: BTreeMap<u32, Pending>,
    pub(super) first_step: usize,
    pub(super) state: HashMap<String, Option<Bytes>>,
}

#[derive(Debug, Clone)]
pub(super) struct Pending {
    /// The step in `taken`; nothing for one of the part that is kept.
    pub(super) place: Option<usize>,
    pub(super) kind: EntryKind,
    pub(super) recorded: Option<usize>,
    /// When a timer fires.
    pub(super) fires_at: Option<u64>,
    pub(super) step: Step,
}

impl<'a> Engine<'a> {
    /// Goes on from before the entry at `cut`, which leaves no side effect without its outcome.
    pub(crate) fn behind(
        driver: &'a Driver,
        run: &'a Run,
        cut: usize,
        changes: BTreeMap<usize, Outcome>,
        stand_in: &'a StandIn<'a>,
    ) -> Result<Self, Unreadable> {
        let record = Record::behind(run, cut)?;
        let kept = &run.journal[..cut.min(run.journal.len())];
        let now = kept.iter().filter_map(|entry| entry.appended_at).max().or(run.started_at).or(run.created_at);
        let mut engine = Self {
            driver,
            run,
            known: Known::of(kept),
            stand_in,
            changes,
            guess: false,
            // A run that issued many commands will again.
            reach: 1024 + 2 * u32::try_from(record.steps.len()).unwrap_or(u32::MAX / 4),
            most: 10_000,
            enough: false,
            now: now.map_or(0, |at| at.0),
            taken: Vec::new(),
            pending: BTreeMap::new(),
            first_step: kept.iter().filter(|entry| entry.kind.is_command()).count(),
            state: record.initial.clone(),
            record,
        };
        for (id, number) in engine.record.open.clone() {
            let Some(step) = engine.record.steps.get(number).cloned() else { continue };
            let wakes = kept.iter().filter(|entry| entry.kind.is_command()).nth(number);
            let fires_at = wakes.and_then(|entry| match Command::decode(entry.kind, &entry.raw) {
                Ok(Command::Sleep(sleep)) => Some(sleep.wake_up_time),
                _ => None,
            });
            engine.pending.insert(id, Pending { place: None, kind: step.kind, recorded: Some(number), fires_at, step });
        }
        Ok(engine)
    }

    /// Gives a kept step that waits its changed outcome at once, as if it had arrived first.
    pub(crate) fn deliver_change(&mut self, number: usize) {
        let id = self.pending.iter().rev().find(|(_, pending)| pending.recorded == Some(number)).map(|(id, _)| *id);
        if let (Some(id), Some(outcome)) = (id, self.changes.get(&number).cloned()) {
            self.record.arrivals.retain(|arrival| arrival.about != Arrived::Step(number));
            self.settle(id, outcome, Source::Change);
        }
    }

    /// Replaces a kept command.
    pub(crate) fn keep(&mut self, frames: impl IntoIterator<Item = (EntryKind, Bytes)>) {
        self.known = Known::new();
        for (kind, raw) in frames {
            self.known.push(kind, &raw);
        }
    }

    /// Drives the handler until it comes to an end.
    pub(crate) async fn go(&mut self) -> Came {
        if let Err(title) = self.answer_kept_effects() {
            return Came::NoAnswer { title };
        }
        loop {
            let Ok(driven) = self.round().await else {
                return Came::NoAnswer { title: self.last_title() };
            };
            if driven.ended == Ended::Acted {
                return Came::Broke(Ended::Acted);
            }
            let (new, mut alone) = (!driven.commands.is_empty(), false);
            for frame in driven.commands {
                if self.taken.len() >= self.most {
                    return if self.enough { Came::Enough } else { Came::TooLong };
                }
                match self.issue(&frame, driven.window) {
                    Issued::Answered => {}
                    // What follows in this round may build on an answer that was none.
                    Issued::AnsweredAlone => {
                        alone = true;
                        break;
                    }
                    Issued::NoAnswer(title) => return Came::NoAnswer { title },
                    Issued::Unreadable(message) => return Came::Broke(Ended::Refused { status: 500, message }),
                }
            }
            if driven.ended == Ended::End && !alone {
                self.let_the_rest_arrive();
                return Came::Returned;
            }
            if new {
                continue;
            }
            match driven.ended {
                Ended::Suspended(awaited) => {
                    if let Err(title) = self.wake(&awaited) {
                        return Came::NoAnswer { title };
                    }
                }
                Ended::Failed(failed) if failed.code >= 570 && failed.code <= 572 => return Came::Unsteady { message: failed.message },
                Ended::Failed(failed) => return Came::Failed { message: failed.message },
                other => return Came::Broke(other),
            }
        }
    }

    /// What the handler did not wait for arrives all the same: the result of a call that was cancelled with it.
    fn let_the_rest_arrive(&mut self) {
        for pending in std::mem::take(&mut self.pending).into_values() {
            if let (Some(Source::Record), Some(place)) = (self.asked_before(&pending), pending.place) {
                let recorded = pending.recorded.and_then(|recorded| self.record.steps.get(recorded)?.outcome.clone());
                if let (Some(outcome), Some(taken)) = (recorded, self.taken.get_mut(place)) {
                    taken.step.outcome = Some(outcome);
                    taken.source = Some(Source::Record);
                }
            }
        }
    }

    /// One round. One that was held up and tells of a delay is repeated: the time in which the handler was is too long then to say how long that
    /// delay is.
    async fn round(&self) -> Result<Driven, WouldAct> {
        let mut best: Option<Driven> = None;
        for _ in 0..ROUNDS {
            let sealed = self.known.clone().open(self.reach)?;
            let driven = self.driver.drive(self.run, sealed, &[]).await;
            let width = |driven: &Driven| driven.window.1.saturating_sub(driven.window.0);
            let enough = width(&driven) <= 2 || !driven.commands.iter().any(delays);
            if best.as_ref().is_none_or(|best| width(&driven) < width(best)) {
                best = Some(driven);
            }
            if enough {
                break;
            }
        }
        best.ok_or(WouldAct)
    }

    /// A side effect that is kept without its outcome, as one that is being retried, needs one before anything can go on.
    fn answer_kept_effects(&mut self) -> Result<(), String> {
        let effects = self.pending.iter().filter(|(_, pending)| pending.kind == EntryKind::RUN);
        for (id, pending) in effects.map(|(id, pending)| (*id, pending.clone())).collect::<Vec<_>>() {
            let (answer, source) = self.ask_pending(&pending).ok_or_else(|| pending.step.title())?;
            if let Some(number) = pending.recorded {
                self.record.arrivals.retain(|arrival| arrival.about != Arrived::Step(number));
            }
            self.settle(id, answer.outcome, source);
        }
        Ok(())
    }

    fn last_title(&self) -> String {
        self.taken.last().map_or_else(|| "a side effect".to_owned(), |taken| taken.step.title())
    }

    /// Takes a new command in, and answers it where the server would at once.
    fn issue(&mut self, frame: &Frame, (began, ended): (u64, u64)) -> Issued {
        let kind = EntryKind(frame.ty);
        let command = match Command::decode(kind, &frame.body) {
            Ok(command) => command,
            Err(why) => return Issued::Unreadable(why),
        };
        self.known.push_frame(frame);
        let place = self.taken.len();
        let step = Step::begin(self.first_step + place, 0, kind, &command);
        let delay_ms = match &command {
            Command::Sleep(sleep) => Some(length(sleep.wake_up_time, began, ended)),
            Command::Send(send) if send.invoke_time > 0 => Some(length(send.invoke_time, began, ended)),
            _ => None,
        };
        let found = match self.record.find(&step) {
            None if self.guess => self.record.find_by_kind(step.kind),
            found => found,
        };
        let source = found.map(|found| if found.same { Source::Record } else { Source::RecordOfAnotherQuestion });
        let recorded = found.map(|found| found.step);
        let mut taken = Taken { step: step.clone(), source: None, recorded, delay_ms, kind, raw: frame.body.clone() };
        taken.step.started_at = Some(Timestamp(self.now));
        if taken.step.outcome.is_some() {
            taken.source = Some(Source::Record);
        }
        self.taken.push(taken);
        self.remember_state(&command);
        let ids = command.completions();
        let result = ids.last().copied();
        if let (EntryKind::CALL | EntryKind::ONE_WAY_CALL, Some(id)) = (kind, ids.first()) {
            self.name_invocation(*id, place, recorded);
        }
        let (Some(id), false) = (result, kind == EntryKind::ONE_WAY_CALL) else {
            return Issued::Answered;
        };
        let fires_at = (kind == EntryKind::SLEEP).then(|| self.now.saturating_add(delay_ms.unwrap_or(0)));
        self.pending.insert(id, Pending { place: Some(place), kind, recorded, fires_at, step: step.clone() });
        let now = match kind {
            EntryKind::RUN => self.ask(&step, recorded, source),
            EntryKind::GET_LAZY_STATE => Some(self.read_state(&step, recorded, source)),
            EntryKind::GET_LAZY_STATE_KEYS => Some(self.read_keys(&step, recorded, source)),
            EntryKind::COMPLETE_PROMISE => Some(self.ask(&step, recorded, source).unwrap_or((Outcome::Nothing.into(), Source::Server))),
            EntryKind::PEEK_PROMISE | EntryKind::GET_INVOCATION_OUTPUT => self.ask(&step, recorded, source),
            _ => return Issued::Answered,
        };
        let Some((answer, source)) = now else { return Issued::NoAnswer(step.title()) };
        self.now = self.now.saturating_add(millis(answer.after));
        self.settle(id, answer.outcome, source);
        if kind == EntryKind::GET_LAZY_STATE_KEYS { Issued::AnsweredAlone } else { Issued::Answered }
    }

    pub(super) fn settle(&mut self, id: u32, outcome: Outcome, source: Source) {
        let Some(pending) = self.pending.remove(&id) else { return };
        let Some(kind) = pending.kind.completion() else { return };
        self.known.push_frame(&complete(kind, About::Completion(id), &outcome));
        if let Some(taken) = pending.place.and_then(|place| self.taken.get_mut(place)) {
            taken.step.outcome = Some(outcome);
            taken.step.ended_at = Some(Timestamp(self.now));
            taken.source = Some(source);
        }
    }
}

enum Issued {
    Answered,
    AnsweredAlone,
    NoAnswer(String),
    Unreadable(String),
}

/// Whether a command tells of a delay.
fn delays(frame: &Frame) -> bool {
    match Command::decode(EntryKind(frame.ty), &frame.body) {
        Ok(Command::Sleep(_)) => true,
        Ok(Command::Send(send)) => send.invoke_time > 0,
        _ => false,
    }
}

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
