//! What arrives next, in virtual time.

use super::{
    answer::Asked,
    engine::{Engine, Source, millis},
    record::{Arrival, Arrived},
};
use crate::{
    journal::{Outcome, Step, Timestamp, complete},
    protocol::{
        CANCEL_SIGNAL, EntryKind,
        messages::{About, Awaited},
    },
};

impl Engine<'_> {
    /// Lets one of the things arrive that the handler waits for: first what arrived in the record, in its order; then what comes first in
    /// virtual time.
    pub(super) fn wake(&mut self, awaited: &Awaited) -> Result<(), String> {
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

    /// A stand-in's answer for a signal that is awaited; the cancellation is always, and comes from nobody.
    pub(super) fn ask_signals(&self, awaited: &Awaited) -> Option<(u64, About, Outcome)> {
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
    pub(super) fn next_arrival(&mut self, awaited: &Awaited) -> Option<Arrival> {
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

    pub(super) fn pending_of(&self, recorded: usize) -> Option<u32> {
        self.pending.iter().rev().find(|(_, pending)| pending.recorded == Some(recorded)).map(|(id, _)| *id)
    }

    pub(super) fn waits_for(&self, awaited: &Awaited) -> String {
        let steps = awaited.completions.iter().filter_map(|id| self.pending.get(id)).map(|pending| pending.step.title());
        let signals = awaited.signals.iter().filter(|number| **number != CANCEL_SIGNAL).map(|number| format!("awakeable {number}"));
        let named = awaited.named_signals.iter().map(|name| format!("signal \"{name}\""));
        let all: Vec<_> = steps.chain(signals).chain(named).collect();
        if all.is_empty() { "something that it did not ask for here".to_owned() } else { all.join(" or ") }
    }
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

/// The delay whose end is `until`, counted from some instant between `began` and `ended`: the roundest that fits, which is what was written in
/// the code, so that it is the same in every replay.
pub(super) fn length(until: u64, began: u64, ended: u64) -> u64 {
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
