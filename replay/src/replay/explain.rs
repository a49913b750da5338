//! What most likely happened to the code, from what it was recorded to do and what it does now.

use super::verdict::Cause;
use crate::{
    journal::{Outcome, Step},
    protocol::EntryKind,
};

/// How many steps may have been put in or taken out at once to be told as such.
const FAR: usize = 4;

/// The cause and its words. Both sequences begin at the step that differs; `now` is what the code has there.
pub(super) fn explain(expected: &[Step], found: &[Step], now: &str) -> (Cause, String) {
    let Some(recorded) = expected.first() else { return (Cause::ChangedBranch, format!("the code has {now} where the record ends")) };
    let was = recorded.title();
    let Some(first) = found.first() else {
        return (Cause::ChangedBranch, format!("changed branch: the record has {was}, the code now has {now}"));
    };
    if let Some(Outcome::Failure { code: 400, message }) = first.outcome.as_ref().filter(|_| recorded.index == 1)
        && message.contains("input")
    {
        return (Cause::UnreadableInput, format!("the handler cannot read its recorded input: {message}"));
    }
    if is_reordered(expected, found) {
        return (Cause::ChangedFanOutOrder, format!("calls that are made together are made in another order: first {now}"));
    }
    if recorded.is_like(first) {
        return match recorded.kind {
            EntryKind::OUTPUT => (Cause::ChangedOutput, "the handler returns something else".to_owned()),
            EntryKind::SET_STATE => (Cause::ChangedStateValue, format!("{was} is given another value")),
            _ => (Cause::ChangedArgument, format!("{was} is asked with something else")),
        };
    }
    let (cause, count) = likeliest(expected, found);
    let many = |count: usize| if count == 1 { "a step was".to_owned() } else { format!("{count} steps were") };
    let words = match cause {
        Cause::Swapped => format!("swapped: {was} and {now} have changed places"),
        Cause::Removed => format!("removed: {} taken out; the record has {was}, the code goes on with {now}", many(count)),
        Cause::Inserted => format!("inserted: {} put in before {was}: {now}", many(count)),
        Cause::Renamed => format!("renamed: the record has {was}, the code now has {now}"),
        Cause::ChangedStateKey => format!("the record has {was}, the code now uses another key: {now}"),
        Cause::ChangedArgument => format!("the record has {was}, the code now has {now}"),
        _ => format!("changed branch: the record goes on with {was}, the code with {now}"),
    };
    (cause, words)
}

/// Whether the same calls and messages, issued one after the other, stand in another order.
fn is_reordered(expected: &[Step], found: &[Step]) -> bool {
    let is_call = |step: &&Step| matches!(step.kind, EntryKind::CALL | EntryKind::ONE_WAY_CALL);
    let group: Vec<&Step> = expected.iter().take_while(is_call).collect();
    // In a journal, calls that are made together stand side by side; between two that are awaited one by one there is at least a result.
    let together = group.windows(2).take_while(|pair| pair[1].entry.saturating_sub(pair[0].entry) <= 2).count() + 1;
    let same = |one: &Step, other: &Step| one.is_like(other) && one.fields == other.fields;
    (2..=together.min(group.len()).min(found.len())).any(|length| {
        let mut left: Vec<&Step> = found[..length].iter().collect();
        let all = group[..length].iter().all(|step| match left.iter().position(|other| same(step, other)) {
            Some(place) => {
                left.swap_remove(place);
                true
            }
            None => false,
        });
        all && !same(group[0], &found[0])
    })
}

/// The change after which most of what follows fits again, and how many steps it is about.
fn likeliest(expected: &[Step], found: &[Step]) -> (Cause, usize) {
    let (recorded, first) = (&expected[0], &found[0]);
    let mut best = (0, Cause::ChangedBranch, 0);
    let mut offer = |fits: usize, cause: Cause, count: usize| {
        if fits > best.0 {
            best = (fits, cause, count);
        }
    };
    if let ([_, next, rest @ ..], [_, second, after @ ..]) = (expected, found)
        && next.is_like(first)
        && recorded.is_like(second)
    {
        offer(2 + fits(rest, after), Cause::Swapped, 2);
    }
    if recorded.kind == first.kind {
        offer(fits(&expected[1..], &found[1..]), replaced(recorded.kind), 1);
    }
    for count in 1..=FAR.min(expected.len().saturating_sub(1)) {
        offer(fits(&expected[count..], found), Cause::Removed, count);
    }
    for count in 1..=FAR.min(found.len().saturating_sub(1)) {
        offer(fits(expected, &found[count..]), Cause::Inserted, count);
    }
    let is_state = matches!(recorded.kind, EntryKind::SET_STATE | EntryKind::GET_LAZY_STATE | EntryKind::CLEAR_STATE);
    if best.0 == 0 && is_state && recorded.kind == first.kind {
        return (Cause::ChangedStateKey, 1);
    }
    // Where the record ends there is nothing behind the step to compare.
    if best.0 == 0 && expected.len() == 1 && recorded.kind == first.kind {
        return (replaced(recorded.kind), 1);
    }
    (best.1, best.2)
}

/// What another name means, by the kind of the step.
fn replaced(kind: EntryKind) -> Cause {
    match kind {
        EntryKind::RUN | EntryKind::SLEEP => Cause::Renamed,
        EntryKind::SET_STATE | EntryKind::GET_LAZY_STATE | EntryKind::CLEAR_STATE => Cause::ChangedStateKey,
        _ => Cause::ChangedArgument,
    }
}

/// For how many steps both go the same way. An output is only the same with the same value: every way ends with one.
fn fits(expected: &[Step], found: &[Step]) -> usize {
    let same = |one: &Step, other: &Step| one.is_like(other) && (one.kind != EntryKind::OUTPUT || one.fields == other.fields);
    expected.iter().zip(found).take_while(|(one, other)| same(one, other)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{Command, Step},
        protocol::{Frame, messages as m},
    };

    /// `run:a`, `set:key=value`, `call:service/handler(argument)`, `out:value`, each an entry behind the other.
    fn steps(words: &[&str]) -> Vec<Step> {
        let value = |text: &str| Some(m::Value { content: text.to_owned().into() });
        let step = |(place, word): (usize, &&str)| {
            let (kind, rest) = word.split_once(':').unwrap();
            let (kind, frame) = match kind {
                "run" => (EntryKind::RUN, Frame::new(0, &m::Run { completion: 1, name: rest.to_owned() })),
                "set" => {
                    let (key, to) = rest.split_once('=').unwrap();
                    let state = m::State { key: key.to_owned().into(), value: value(to), ..m::State::default() };
                    (EntryKind::SET_STATE, Frame::new(0, &state))
                }
                "call" => {
                    let (service, argument) = rest.split_once('(').unwrap();
                    let call = m::Call { service: service.to_owned(), parameter: argument.to_owned().into(), ..m::Call::default() };
                    (EntryKind::CALL, Frame::new(0, &call))
                }
                _ => {
                    let output = m::Output { result: value(rest).map(m::OutputResult::Value), name: String::new() };
                    (EntryKind::OUTPUT, Frame::new(0, &output))
                }
            };
            let entry = u32::try_from(place).unwrap() + 1;
            Step::begin(place + 1, entry, kind, &Command::decode(kind, &frame.body).unwrap())
        };
        words.iter().enumerate().map(step).collect()
    }

    fn cause(expected: &[&str], found: &[&str]) -> Cause {
        let (expected, found) = (steps(expected), steps(found));
        explain(&expected, &found, &found.first().map_or_else(String::new, Step::title)).0
    }

    #[test]
    fn what_follows_tells_what_happened() {
        assert_eq!(cause(&["run:a", "run:b", "out:1"], &["run:x", "run:b", "out:1"]), Cause::Renamed);
        assert_eq!(cause(&["run:a", "run:b", "out:1"], &["run:b", "out:1"]), Cause::Removed);
        assert_eq!(cause(&["run:a", "run:b", "run:c", "out:1"], &["run:c", "out:1"]), Cause::Removed);
        assert_eq!(cause(&["run:a", "run:b", "out:1"], &["run:x", "run:a", "run:b", "out:1"]), Cause::Inserted);
        assert_eq!(cause(&["run:a", "run:b", "out:1"], &["run:b", "run:a", "out:1"]), Cause::Swapped);
        assert_eq!(cause(&["run:a", "run:b", "out:1"], &["run:x", "run:y", "out:2"]), Cause::ChangedBranch);
        assert_eq!(cause(&["run:a", "out:1"], &["out:2"]), Cause::ChangedBranch);
        assert_eq!(cause(&["run:a", "out:1"], &["out:1"]), Cause::Removed);
        assert_eq!(cause(&["out:1"], &["run:x", "out:1"]), Cause::Inserted);
        assert_eq!(cause(&["out:1"], &["out:2"]), Cause::ChangedOutput);
        assert_eq!(cause(&["run:a"], &["run:x"]), Cause::Renamed);
        assert_eq!(cause(&["run:a"], &[]), Cause::ChangedBranch);
    }

    #[test]
    fn state_and_calls_have_causes_of_their_own() {
        assert_eq!(cause(&["set:k=1", "out:1"], &["set:k=2", "out:1"]), Cause::ChangedStateValue);
        assert_eq!(cause(&["set:k=1", "out:1"], &["set:l=1", "out:1"]), Cause::ChangedStateKey);
        assert_eq!(cause(&["set:k=1", "set:l=1"], &["set:l=1", "set:k=1"]), Cause::Swapped);
        assert_eq!(cause(&["call:s(1", "out:1"], &["call:s(2", "out:1"]), Cause::ChangedArgument);
        assert_eq!(cause(&["call:s(1", "out:1"], &["call:t(1", "out:1"]), Cause::ChangedArgument);
        assert_eq!(cause(&["call:s(1", "call:s(2", "call:s(3"], &["call:s(3", "call:s(1", "call:s(2"]), Cause::ChangedFanOutOrder);
        // Something else is asked, in the same order.
        assert_eq!(cause(&["call:s(1", "call:s(2"], &["call:s(9", "call:s(2"]), Cause::ChangedArgument);
    }

    #[test]
    fn calls_that_are_awaited_one_by_one_are_swapped_and_no_fan_out() {
        let mut expected = steps(&["call:s(1", "call:t(2", "out:1"]);
        // Between them stand the first one's id and result.
        expected[1].entry += 2;
        let found = steps(&["call:t(2", "call:s(1", "out:1"]);
        assert_eq!(explain(&expected, &found, "").0, Cause::Swapped);
    }
}
