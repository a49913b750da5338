//! A small runtime: it plays the server to a handler that goes on from some point of its journal, in virtual time and without effects.
//!
//! A handler is driven in rounds, each from its beginning. A round ends where the handler waits for something that it just asked for, or where
//! it can only suspend; what it issued until then joins the known journal, gets its answer from the record or from a stand-in, and the next
//! round goes on behind it. Why no closure runs in a round is told in `replay/known.rs`.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::{
    answer::{Answer, Asked, StandIn},
    record::{Arrival, Arrived, Record},
};
use crate::{
    bundle::Run,
    journal::{Command, Outcome, Step, Timestamp, Unreadable, complete},
    protocol::{
        CANCEL_SIGNAL, EntryKind, Frame,
        messages::{About, Awaited},
    },
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
    driver: &'a Driver,
    run: &'a Run,
    known: Known,
    record: Record,
    stand_in: &'a StandIn<'a>,
    /// Outcomes that are changed, by the number of the recorded step.
    changes: BTreeMap<usize, Outcome>,
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
    pending: BTreeMap<u32, Pending>,
    first_step: usize,
    state: HashMap<String, Option<Bytes>>,
}

#[derive(Debug, Clone)]
struct Pending {
    /// The step in `taken`; nothing for one of the part that is kept.
    place: Option<usize>,
    kind: EntryKind,
    recorded: Option<usize>,
    /// When a timer fires.
    fires_at: Option<u64>,
    step: Step,
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
            reach: 1024,
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
            let delays = driven.commands.iter().any(|frame| matches!(EntryKind(frame.ty), EntryKind::SLEEP | EntryKind::ONE_WAY_CALL));
            let enough = !delays || width(&driven) <= 2;
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

    /// The outcome of a step: the change, or the record if it was asked the same, or a stand-in's, or the record if it was asked otherwise.
    fn ask(&self, step: &Step, recorded: Option<usize>, source: Option<Source>) -> Option<(Answer, Source)> {
        if let Some(outcome) = recorded.and_then(|recorded| self.changes.get(&recorded)) {
            return Some((outcome.clone().into(), Source::Change));
        }
        let outcome = recorded.and_then(|recorded| self.record.steps.get(recorded)?.outcome.clone());
        if let (Some(outcome), Some(Source::Record)) = (&outcome, source) {
            return Some((outcome.clone().into(), Source::Record));
        }
        let asked = Asked { step, now: Timestamp(self.now) };
        if let Some(answer) = (self.stand_in)(&asked) {
            return Some((answer, Source::StandIn));
        }
        Some((outcome?.into(), source?))
    }

    fn read_state(&self, step: &Step, recorded: Option<usize>, source: Option<Source>) -> (Answer, Source) {
        if let Some(found) = self.ask(step, recorded, source) {
            return found;
        }
        let outcome = |value: Option<Bytes>| value.map_or(Outcome::Nothing, |value| Outcome::Value(value.into()));
        if let Some(value) = self.state.get(&step.name) {
            return (outcome(value.clone()).into(), Source::Record);
        }
        let at_export = self.run.state.iter().find(|state| state.key == step.name).map(|state| state.value.clone());
        (outcome(at_export).into(), Source::StateAtExport)
    }

    fn read_keys(&self, step: &Step, recorded: Option<usize>, source: Option<Source>) -> (Answer, Source) {
        if let Some(found) = self.ask(step, recorded, source) {
            return found;
        }
        let mut keys: Vec<String> = self.run.state.iter().map(|state| state.key.clone()).collect();
        keys.retain(|key| self.state.get(key).is_none_or(Option::is_some));
        keys.extend(self.state.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key.clone()));
        keys.sort_unstable();
        keys.dedup();
        (Outcome::Keys(keys).into(), Source::StateAtExport)
    }

    fn remember_state(&mut self, command: &Command) {
        match command {
            Command::SetState(state) => {
                let key = String::from_utf8_lossy(&state.key).into_owned();
                self.state.insert(key, Some(state.value.as_ref().map(|value| value.content.clone()).unwrap_or_default()));
            }
            Command::ClearState(state) => {
                self.state.insert(String::from_utf8_lossy(&state.key).into_owned(), None);
            }
            Command::ClearAllState => {
                let keys = self.run.state.iter().map(|state| state.key.clone()).chain(self.state.keys().cloned());
                self.state = keys.map(|key| (key, None)).collect();
            }
            _ => {}
        }
    }

    /// The server gives the id of an invocation as soon as it takes a call in.
    fn name_invocation(&mut self, id: u32, place: usize, recorded: Option<usize>) {
        let known = recorded.and_then(|recorded| self.record.steps.get(recorded)?.invocation.clone());
        let name = known.unwrap_or_else(|| {
            // Of no invocation, and the same each time.
            let mut bytes = self.run.id.to_bytes();
            bytes[16..20].copy_from_slice(&id.to_le_bytes());
            bytes[20..].copy_from_slice(b"what");
            crate::InvocationId::from_bytes(bytes).to_string()
        });
        self.known.push_frame(&complete(EntryKind::CALL_INVOCATION_ID, About::Completion(id), &Outcome::InvocationId(name.clone())));
        if let Some(taken) = self.taken.get_mut(place) {
            taken.step.invocation = Some(name);
        }
    }

    /// Lets one of the things arrive that the handler waits for: first what arrived in the record, in its order; then what comes first in
    /// virtual time.
    fn wake(&mut self, awaited: &Awaited) -> Result<(), String> {
        if let Some(arrival) = self.next_arrival(awaited) {
            if let Some(at) = arrival.at {
                self.now = self.now.max(at.0);
            }
            match arrival.about {
                Arrived::Signal(about) => self.known.push_frame(&complete(EntryKind::SIGNAL, about, &arrival.outcome)),
                Arrived::Step(step) => {
                    let change = self.changes.get(&step).cloned();
                    let source = if change.is_some() { Source::Change } else { Source::Record };
                    if let Some(id) = self.pending_of(step) {
                        self.settle(id, change.unwrap_or(arrival.outcome), source);
                    }
                }
            }
            return Ok(());
        }
        let mut first: Option<(u64, u32, Outcome, Source)> = None;
        let mut offer = |at: u64, id: u32, outcome: Outcome, source: Source| {
            if first.as_ref().is_none_or(|(earliest, ..)| at < *earliest) {
                first = Some((at, id, outcome, source));
            }
        };
        for id in &awaited.completions {
            let Some(pending) = self.pending.get(id) else { continue };
            if let Some(fires_at) = pending.fires_at {
                offer(fires_at.max(self.now), *id, Outcome::Nothing, Source::Clock);
            } else if let Some((answer, source)) = self.ask_pending(pending) {
                offer(self.now.saturating_add(millis(answer.after)), *id, answer.outcome, source);
            }
        }
        let signal = self.ask_signals(awaited);
        if let Some((at, about, outcome)) = signal
            && first.as_ref().is_none_or(|(earliest, ..)| at < *earliest)
        {
            self.now = at;
            self.known.push_frame(&complete(EntryKind::SIGNAL, about, &outcome));
            return Ok(());
        }
        let Some((at, id, outcome, source)) = first else { return Err(self.waits_for(awaited)) };
        self.now = at;
        self.settle(id, outcome, source);
        Ok(())
    }

    fn ask_pending(&self, pending: &Pending) -> Option<(Answer, Source)> {
        self.ask(&pending.step, pending.recorded, self.asked_before(pending))
    }

    /// Whether the record has a step of this name, and whether that was asked the same.
    fn asked_before(&self, pending: &Pending) -> Option<Source> {
        let recorded = self.record.steps.get(pending.recorded?)?;
        let same = recorded.fields == pending.step.fields;
        Some(if same { Source::Record } else { Source::RecordOfAnotherQuestion })
    }

    /// A stand-in's answer for a signal that is awaited; the cancellation is always, and comes from nobody.
    fn ask_signals(&self, awaited: &Awaited) -> Option<(u64, About, Outcome)> {
        let numbered = awaited.signals.iter().filter(|number| **number != CANCEL_SIGNAL);
        let numbered = numbered.map(|number| (format!("awakeable {number}"), About::Signal(*number)));
        let named = awaited.named_signals.iter().map(|name| (name.clone(), About::NamedSignal(name.clone())));
        numbered.chain(named).find_map(|(name, about)| {
            let step = signal_step(self.first_step + self.taken.len(), name);
            let answer = (self.stand_in)(&Asked { step: &step, now: Timestamp(self.now) })?;
            Some((self.now.saturating_add(millis(answer.after)), about, answer.outcome))
        })
    }

    /// The first recorded arrival that is waited for, or that waits for nobody.
    fn next_arrival(&mut self, awaited: &Awaited) -> Option<Arrival> {
        let place = self.record.arrivals.iter().position(|arrival| match &arrival.about {
            Arrived::Signal(About::Signal(CANCEL_SIGNAL)) => true,
            Arrived::Signal(About::Signal(number)) => awaited.signals.contains(number),
            Arrived::Signal(About::NamedSignal(name)) => awaited.named_signals.contains(name),
            Arrived::Signal(About::Completion(_)) => false,
            Arrived::Step(step) => self.pending_of(*step).is_some_and(|id| {
                // One that was asked otherwise is a stand-in's to answer, if there is one.
                let pending = &self.pending[&id];
                let same = pending.place.is_none() || matches!(self.ask_pending(pending), Some((_, Source::Record | Source::Change)));
                awaited.completions.contains(&id) && (same || pending.kind == EntryKind::SLEEP)
            }),
        })?;
        self.record.arrivals.remove(place)
    }

    fn pending_of(&self, recorded: usize) -> Option<u32> {
        self.pending.iter().rev().find(|(_, pending)| pending.recorded == Some(recorded)).map(|(id, _)| *id)
    }

    fn settle(&mut self, id: u32, outcome: Outcome, source: Source) {
        let Some(pending) = self.pending.remove(&id) else { return };
        let Some(kind) = pending.kind.completion() else { return };
        self.known.push_frame(&complete(kind, About::Completion(id), &outcome));
        if let Some(taken) = pending.place.and_then(|place| self.taken.get_mut(place)) {
            taken.step.outcome = Some(outcome);
            taken.step.ended_at = Some(Timestamp(self.now));
            taken.source = Some(source);
        }
    }

    fn waits_for(&self, awaited: &Awaited) -> String {
        let steps = awaited.completions.iter().filter_map(|id| self.pending.get(id)).map(|pending| pending.step.title());
        let signals = awaited.signals.iter().filter(|number| **number != CANCEL_SIGNAL).map(|number| format!("awakeable {number}"));
        let named = awaited.named_signals.iter().map(|name| format!("signal \"{name}\""));
        let all: Vec<_> = steps.chain(signals).chain(named).collect();
        if all.is_empty() { "something that it did not ask for here".to_owned() } else { all.join(" or ") }
    }
}

enum Issued {
    Answered,
    AnsweredAlone,
    NoAnswer(String),
    Unreadable(String),
}

fn signal_step(index: usize, name: String) -> Step {
    Step {
        index,
        entry: 0,
        kind: EntryKind::SIGNAL,
        name,
        fields: Vec::new(),
        outcome: None,
        invocation: None,
        started_at: None,
        ended_at: None,
        redacted: false,
        completions: Vec::new(),
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The delay whose end is `until`, counted from some instant between `began` and `ended`: the roundest that fits, which is what was written in
/// the code, so that it is the same in every replay.
fn length(until: u64, began: u64, ended: u64) -> u64 {
    let (least, most) = (until.saturating_sub(ended), until.saturating_sub(began));
    let units = [86_400_000, 3_600_000, 60_000, 30_000, 10_000, 5000, 1000, 500, 100, 50, 10, 5];
    units.iter().map(|unit| most / unit * unit).find(|length| *length >= least && *length > 0).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_what_was_written() {
        let week = 7 * 86_400_000;
        assert_eq!(length(1_000_003 + week, 1_000_000, 1_000_007), week);
        assert_eq!(length(1_000_003 + 1500, 1_000_000, 1_000_007), 1500);
        assert_eq!(length(1_000_003 + 20, 1_000_000, 1_000_007), 20);
        assert_eq!(length(1_000_000, 1_000_000, 1_000_000), 0);
        assert_eq!(length(500, 1_000_000, 1_000_000), 0, "in the past");
    }
}
