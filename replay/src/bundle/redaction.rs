//! What is taken out of a bundle before it is written.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message;
use serde_json::Value;

use super::{Bundle, Run};
use crate::{
    journal::{Command, Entry},
    protocol::{
        EntryKind,
        messages::{self as m, About, Brings, EagerResult, OutputResult, PromiseResult, SignalResult},
    },
};

/// What stands where something was taken out.
const MASK: &str = "[redacted]";

/// Rules of redaction. They are applied to a bundle in memory, before it is written: what a rule takes out is in no file.
///
/// A value that is JSON keeps its form: strings become `[redacted]`, numbers 0, truth values `false`, so that a handler can still read it. A
/// redacted run replays as far as what is left allows, and its report says where it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redaction {
    rules: Vec<Rule>,
}

/// One rule of [`Redaction`]. In names, `*` stands for any number of characters.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// In every value that is JSON: members of this name, in capitals or not, however deep.
    Member(String),
    /// What a step of this name was asked with and what it gave: `vault.*`, `Billing/charge`.
    Step(String),
    /// State under this key.
    StateKey(String),
    /// The value of a header of this name, of the input and of calls.
    Header(String),
    /// Everything of a kind.
    Everything(Part),
}

/// A part of a run.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What the runs were called with.
    Inputs,
    /// What the runs returned.
    Outputs,
    /// What they called others with, and sent them.
    Arguments,
    /// What came of side effects, calls and awakeables.
    Results,
    /// State of objects.
    State,
    /// The words of failures, and the attempts that failed.
    Failures,
    /// The values of all headers.
    Headers,
}

impl Redaction {
    /// No rules: nothing is taken out.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And this rule.
    #[must_use]
    pub fn with(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Whether there is any rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn takes(&self, part: Part) -> bool {
        self.rules.contains(&Rule::Everything(part))
    }

    fn any(&self, matches: impl Fn(&Rule) -> bool) -> bool {
        self.rules.iter().any(matches)
    }
}

impl Bundle {
    /// Applies rules; returns how many entries and values they changed.
    pub fn redact(&mut self, redaction: &Redaction) -> usize {
        if redaction.is_empty() {
            return 0;
        }
        let changed = self.runs.iter_mut().map(|run| redact_run(run, redaction)).sum();
        self.redactions.extend(redaction.rules.iter().map(|rule| format!("{rule:?}")));
        changed
    }
}

fn redact_run(run: &mut Run, redaction: &Redaction) -> usize {
    let mut changed = 0;
    // Which step a completion belongs to.
    let mut steps: HashMap<u32, String> = HashMap::new();
    for entry in &mut run.journal {
        let mut masks = Masks { redaction, step: None, changed: false };
        if entry.kind.is_command() {
            let Ok(command) = Command::decode(entry.kind, &entry.raw) else { continue };
            let label = command.label();
            steps.extend(command.completions().into_iter().map(|id| (id, label.clone())));
            masks.step = Some(label);
            masks.command(entry, command);
        } else {
            masks.notification(entry, &steps);
        }
        entry.redacted |= masks.changed;
        changed += usize::from(masks.changed);
    }
    for state in &mut run.state {
        let mut masks = Masks { redaction, step: Some(state.key.clone()), changed: false };
        masks.state(&state.key, &mut state.value);
        state.redacted |= masks.changed;
        changed += usize::from(masks.changed);
    }
    let mut masks = Masks { redaction, step: None, changed: false };
    if let Some(failure) = &mut run.failure {
        masks.words(failure);
    }
    for attempt in &mut run.attempts {
        masks.words(&mut attempt.detail);
        let mut detail = Bytes::from(std::mem::take(&mut attempt.detail));
        masks.members(&mut detail);
        attempt.detail = String::from_utf8_lossy(&detail).into_owned();
    }
    changed + usize::from(masks.changed)
}

struct Masks<'a> {
    redaction: &'a Redaction,
    /// The step that is looked at.
    step: Option<String>,
    changed: bool,
}

impl Masks<'_> {
    fn command(&mut self, entry: &mut Entry, command: Command) {
        let raw = match command {
            Command::Input(mut input) => {
                self.headers(&mut input.headers);
                self.value(Part::Inputs, input.value.as_mut());
                input.encode_to_vec()
            }
            Command::Output(mut output) => {
                match &mut output.result {
                    Some(OutputResult::Value(value)) => self.value(Part::Outputs, Some(value)),
                    Some(OutputResult::Failure(failure)) => self.failure(failure),
                    None => {}
                }
                output.encode_to_vec()
            }
            Command::SetState(mut state) => {
                let key = String::from_utf8_lossy(&state.key).into_owned();
                if let Some(value) = &mut state.value {
                    self.state(&key, &mut value.content);
                }
                state.encode_to_vec()
            }
            Command::GetEagerState(mut state) => {
                let key = String::from_utf8_lossy(&state.key).into_owned();
                if let Some(EagerResult::Value(value)) = &mut state.result {
                    self.state(&key, &mut value.content);
                }
                state.encode_to_vec()
            }
            Command::Call(mut call) => {
                self.headers(&mut call.headers);
                self.bytes(Part::Arguments, &mut call.parameter);
                call.encode_to_vec()
            }
            Command::Send(mut send) => {
                self.headers(&mut send.headers);
                self.bytes(Part::Arguments, &mut send.parameter);
                send.encode_to_vec()
            }
            Command::SendSignal(mut signal) => {
                match &mut signal.result {
                    Some(SignalResult::Value(value)) => self.value(Part::Arguments, Some(value)),
                    Some(SignalResult::Failure(failure)) => self.failure(failure),
                    Some(SignalResult::Void(_)) | None => {}
                }
                signal.encode_to_vec()
            }
            Command::CompletePromise(mut promise) => {
                self.promise(promise.result.as_mut());
                promise.encode_to_vec()
            }
            Command::CompleteAwakeable(mut awakeable) => {
                self.promise(awakeable.result.as_mut());
                awakeable.encode_to_vec()
            }
            _ => return,
        };
        if self.changed {
            entry.raw = raw.into();
        }
    }

    fn notification(&mut self, entry: &mut Entry, steps: &HashMap<u32, String>) {
        let Ok(mut message) = m::Notification::decode(entry.raw.clone()) else { return };
        self.step = match &message.about {
            Some(About::Completion(id)) => steps.get(id).cloned(),
            Some(About::NamedSignal(name)) => Some(name.clone()),
            _ => None,
        };
        match &mut message.brings {
            Some(Brings::Value(value)) if entry.kind == EntryKind::GET_LAZY_STATE_DONE => {
                let key = self.step.clone().unwrap_or_default();
                self.state(&key, &mut value.content);
            }
            Some(Brings::Value(value)) => self.value(Part::Results, Some(value)),
            Some(Brings::Failure(failure)) => self.failure(failure),
            _ => {}
        }
        if self.changed {
            entry.raw = message.encode_to_vec().into();
        }
    }

    fn promise(&mut self, result: Option<&mut PromiseResult>) {
        match result {
            Some(PromiseResult::Value(value)) => self.value(Part::Arguments, Some(value)),
            Some(PromiseResult::Failure(failure)) => self.failure(failure),
            None => {}
        }
    }

    fn value(&mut self, part: Part, value: Option<&mut m::Value>) {
        if let Some(value) = value {
            self.bytes(part, &mut value.content);
        }
    }

    fn bytes(&mut self, part: Part, bytes: &mut Bytes) {
        let step = self.step.as_deref();
        let of_step = |rule: &Rule| matches!((rule, step), (Rule::Step(pattern), Some(step)) if is_like(step, pattern));
        if self.redaction.takes(part) || self.redaction.any(of_step) {
            self.whole(bytes);
        } else {
            self.members(bytes);
        }
    }

    fn state(&mut self, key: &str, bytes: &mut Bytes) {
        let of_key = |rule: &Rule| matches!(rule, Rule::StateKey(pattern) if is_like(key, pattern));
        if self.redaction.takes(Part::State) || self.redaction.any(of_key) {
            self.whole(bytes);
        } else {
            self.members(bytes);
        }
    }

    fn whole(&mut self, bytes: &mut Bytes) {
        let masked = match serde_json::from_slice::<Value>(bytes) {
            Ok(mut value) => {
                mask(&mut value);
                value.to_string()
            }
            Err(_) => MASK.to_owned(),
        };
        *bytes = masked.into();
        self.changed = true;
    }

    /// Members that a rule names, in a value that is JSON.
    fn members(&mut self, bytes: &mut Bytes) {
        if !self.redaction.any(|rule| matches!(rule, Rule::Member(_))) {
            return;
        }
        let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else { return };
        let named = |name: &str| {
            let name = name.to_lowercase();
            self.redaction.any(|rule| matches!(rule, Rule::Member(pattern) if is_like(&name, &pattern.to_lowercase())))
        };
        if mask_members(&mut value, &named) {
            *bytes = value.to_string().into();
            self.changed = true;
        }
    }

    fn headers(&mut self, headers: &mut [m::Pair]) {
        for header in headers {
            let name = header.key.to_lowercase();
            let named = |rule: &Rule| matches!(rule, Rule::Header(pattern) if is_like(&name, &pattern.to_lowercase()));
            if self.redaction.takes(Part::Headers) || self.redaction.any(named) {
                MASK.clone_into(&mut header.value);
                self.changed = true;
            }
        }
    }

    fn failure(&mut self, failure: &mut m::Failure) {
        self.words(&mut failure.message);
        for pair in &mut failure.metadata {
            self.words(&mut pair.value);
        }
    }

    fn words(&mut self, words: &mut String) {
        if self.redaction.takes(Part::Failures) && !words.is_empty() {
            MASK.clone_into(words);
            self.changed = true;
        }
    }
}

fn mask(value: &mut Value) {
    match value {
        Value::Null => {}
        Value::Bool(truth) => *truth = false,
        Value::Number(number) => *number = 0.into(),
        Value::String(text) => MASK.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(members) => members.values_mut().for_each(mask),
    }
}

fn mask_members(value: &mut Value, named: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |any, item| mask_members(item, named) | any),
        Value::Object(members) => members.iter_mut().fold(false, |any, (name, member)| {
            if named(name) {
                mask(member);
                return true;
            }
            mask_members(member, named) | any
        }),
        _ => false,
    }
}

/// Whether `text` is what the pattern says, in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (text, pattern, fits) in [
            ("vault.read", "vault.*", true),
            ("vault.read", "vault.read", true),
            ("vault.read", "*", true),
            ("vault.read", "*.read", true),
            ("vault.read", "v*t*d", true),
            ("vault.read", "vault", false),
            ("vault.read", "v*x*d", false),
            ("aa", "a*aa", false),
            ("", "*", true),
            ("", "", true),
        ] {
            assert_eq!(is_like(text, pattern), fits, "{text} {pattern}");
        }
    }

    #[test]
    fn members_are_masked_in_their_own_form() {
        let mut value = serde_json::json!({"a": {"Token": "x", "n": 1}, "list": [{"token": {"deep": [7, true, null]}}]});
        assert!(mask_members(&mut value, &|name| name.eq_ignore_ascii_case("token")));
        assert_eq!(value, serde_json::json!({"a": {"Token": MASK, "n": 1}, "list": [{"token": {"deep": [0, false, null]}}]}));
        assert!(!mask_members(&mut value, &|name| name == "nothing"));
    }
}
