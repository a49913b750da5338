//! What was recorded behind the point from which a run goes on: the answers that it has.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use crate::{
    bundle::Run,
    journal::{Entry, Notice, Outcome, Step, Timestamp, Unreadable},
    protocol::{EntryKind, messages::About},
};

/// Something that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) about: Arrived,
    pub(super) outcome: Outcome,
    pub(super) at: Option<Timestamp>,
}

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arrived {
    /// The outcome of the step with this number.
    Step(usize),
    /// A signal: an awakeable, a named one, or the cancellation.
    Signal(About),
}

/// What a run has recorded, and how much of it has been used.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) steps: Vec<Step>,
    used: Vec<bool>,
    /// What arrived behind the point, in order.
    pub(super) arrivals: VecDeque<Arrival>,
    /// The steps of the part that is kept that have no outcome yet, by the ids of their completions.
    pub(super) open: BTreeMap<u32, usize>,
    /// What the run found under keys of its state, before it wrote there.
    pub(super) initial: HashMap<String, Option<Bytes>>,
}

/// What a recorded step is to a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) step: usize,
    /// Whether it was asked the same.
    pub(super) same: bool,
}

impl Record {
    /// Of a run that goes on from before the entry at `cut`.
    pub(super) fn behind(run: &Run, cut: usize) -> Result<Self, Unreadable> {
        let steps = run.steps()?;
        let mut owners: HashMap<u32, usize> = HashMap::new();
        let mut record = Self {
            used: vec![false; steps.len()],
            arrivals: VecDeque::new(),
            open: BTreeMap::new(),
            initial: initial_state(&steps),
            steps,
        };
        let mut number = 0;
        for (place, entry) in run.journal.iter().enumerate() {
            if entry.kind.is_command() {
                record.command(entry, number, place < cut, &mut owners)?;
                number += 1;
                continue;
            }
            let notice = Notice::decode(&entry.raw).map_err(|why| unreadable(entry, why))?;
            let owner = match &notice.about {
                About::Completion(id) => owners.get(id).copied(),
                _ => None,
            };
            if place < cut {
                if let About::Completion(id) = &notice.about {
                    record.open.remove(id);
                }
                continue;
            }
            // The id of an invocation is given as soon as its call is issued.
            if matches!(notice.outcome, Outcome::InvocationId(_)) {
                continue;
            }
            let about = match (owner, notice.about) {
                (Some(step), _) => Arrived::Step(step),
                (None, about @ (About::Signal(_) | About::NamedSignal(_))) => Arrived::Signal(about),
                (None, About::Completion(_)) => continue,
            };
            record.arrivals.push_back(Arrival { about, outcome: notice.outcome, at: entry.appended_at });
        }
        Ok(record)
    }

    fn command(&mut self, entry: &Entry, number: usize, kept: bool, owners: &mut HashMap<u32, usize>) -> Result<(), Unreadable> {
        let command = crate::journal::Command::decode(entry.kind, &entry.raw).map_err(|why| unreadable(entry, why))?;
        for id in command.completions() {
            owners.insert(id, number);
            if kept {
                self.open.insert(id, number);
            }
        }
        if kept && let Some(used) = self.used.get_mut(number) {
            *used = true;
        }
        Ok(())
    }

    /// The recorded step that a new one is: the first of its name that was asked the same, else the first of its name.
    pub(super) fn find(&mut self, step: &Step) -> Option<Match> {
        let mut free = self.steps.iter().enumerate().filter(|(place, recorded)| !self.used[*place] && recorded.is_like(step));
        let first = free.clone().next().map(|(place, _)| place)?;
        let same = free.find(|(_, recorded)| recorded.fields == step.fields).map(|(place, _)| place);
        let found = same.unwrap_or(first);
        self.used[found] = true;
        Some(Match { step: found, same: same.is_some() })
    }

    /// The next recorded step of the same kind that nothing was found for: what a step may have been called before.
    pub(super) fn find_by_kind(&mut self, kind: EntryKind) -> Option<Match> {
        let found = self.steps.iter().enumerate().position(|(place, recorded)| !self.used[place] && recorded.kind == kind)?;
        self.used[found] = true;
        Some(Match { step: found, same: false })
    }
}

fn unreadable(entry: &Entry, why: String) -> Unreadable {
    Unreadable { index: entry.index, kind: entry.kind.to_string(), why }
}

fn initial_state(steps: &[Step]) -> HashMap<String, Option<Bytes>> {
    let (mut initial, mut written) = (HashMap::new(), Vec::new());
    let mut cleared = false;
    for step in steps {
        match step.kind {
            EntryKind::GET_LAZY_STATE if !cleared && !written.contains(&step.name) => {
                let value = match &step.outcome {
                    Some(Outcome::Value(value)) => Some(value.0.clone()),
                    Some(Outcome::Nothing) => None,
                    _ => continue,
                };
                initial.entry(step.name.clone()).or_insert(value);
            }
            EntryKind::SET_STATE | EntryKind::CLEAR_STATE => written.push(step.name.clone()),
            EntryKind::CLEAR_ALL_STATE => cleared = true,
            _ => {}
        }
    }
    initial
}
