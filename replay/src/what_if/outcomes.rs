//! Where a step that is taken anew gets its outcome from.

use bytes::Bytes;

use super::{
    answer::{Answer, Asked},
    engine::{Engine, Pending, Source},
};
use crate::{
    journal::{Command, Outcome, Step, Timestamp, complete},
    protocol::{EntryKind, messages::About},
};

impl Engine<'_> {
    /// The outcome of a step: the change, or the record if it was asked the same, or a stand-in's, or the record if it was asked otherwise.
    pub(super) fn ask(&self, step: &Step, recorded: Option<usize>, source: Option<Source>) -> Option<(Answer, Source)> {
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

    pub(super) fn read_state(&self, step: &Step, recorded: Option<usize>, source: Option<Source>) -> (Answer, Source) {
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

    pub(super) fn read_keys(&self, step: &Step, recorded: Option<usize>, source: Option<Source>) -> (Answer, Source) {
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

    pub(super) fn remember_state(&mut self, command: &Command) {
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
    pub(super) fn name_invocation(&mut self, id: u32, place: usize, recorded: Option<usize>) {
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

    pub(super) fn ask_pending(&self, pending: &Pending) -> Option<(Answer, Source)> {
        self.ask(&pending.step, pending.recorded, self.asked_before(pending))
    }

    /// Whether the record has a step of this name, and whether that was asked the same.
    pub(super) fn asked_before(&self, pending: &Pending) -> Option<Source> {
        let recorded = self.record.steps.get(pending.recorded?)?;
        let same = recorded.fields == pending.step.fields;
        Some(if same { Source::Record } else { Source::RecordOfAnotherQuestion })
    }
}
