//! The lane beside a plain queue, over every kind of act, each by an invocation of its own that may be killed between two writes.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use domain::ids::{OrgId, PostId};
use futures::FutureExt as _;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn post(n: u32, revision: i32) -> PublishPost {
    PublishPost { org: OrgId::derived(Default::default(), "o"), post_id: PostId::derived(Default::default(), &n.to_string()), revision }
}

/// An object's state.
#[derive(Default)]
struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    entries: BTreeMap<String, Value>,
    used: Used,
    /// Writes until the invocation is killed.
    left: Option<usize>,
}

/// What was done to a state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Used {
    reads: usize,
    writes: usize,
    bytes: usize,
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn read<T: serde::de::DeserializeOwned>(&self, key: &str) -> Option<T> {
        let mut state = self.state();
        state.used.reads += 1;
        state.entries.get(key).map(|value| serde_json::from_value(value.clone()).unwrap())
    }

    fn write(&self, key: String, value: Option<Value>) {
        let mut state = self.state();
        if let Some(left) = &mut state.left {
            let Some(fewer) = left.checked_sub(1) else { return };
            *left = fewer;
        }
        state.used.writes += 1;
        state.used.bytes += value.as_ref().map_or(0, |value| value.to_string().len());
        match value {
            Some(value) => state.entries.insert(key, value),
            None => state.entries.remove(&key),
        };
    }

    fn keys(&self) -> Vec<String> {
        self.state().entries.keys().cloned().collect()
    }

    fn lane(&self) -> Lane {
        at_once(Lane::load(self))
    }

    /// All that stands in the lane, in order.
    fn waiting(&self) -> Vec<PublishPost> {
        let lane = self.lane();
        let behind = (lane.first..lane.next).map(|number| self.read(&entry(number)).unwrap());
        lane.queue.iter().cloned().chain(behind).collect()
    }

    fn enqueue(&self, post: PublishPost) {
        self.lane().enqueue(self, post);
    }

    fn pop(&self) -> Option<PublishPost> {
        let mut lane = self.lane();
        let next = lane.next()?;
        at_once(lane.pop(self));
        Some(next)
    }
}

impl Shelf for Memory {
    async fn head(&self) -> Result<Option<Lane>, TerminalError> {
        Ok(self.read(HEAD))
    }

    async fn post(&self, number: u64) -> Result<Option<PublishPost>, TerminalError> {
        Ok(self.read(&entry(number)))
    }

    fn keep_head(&self, lane: &Lane) {
        self.write(HEAD.to_owned(), Some(json!(lane)));
    }

    fn keep_post(&self, number: u64, post: &PublishPost) {
        self.write(entry(number), Some(json!(post)));
    }

    fn drop_post(&self, number: u64) {
        self.write(entry(number), None);
    }
}

fn at_once<T>(future: impl Future<Output = Result<T, TerminalError>>) -> T {
    future.now_or_never().unwrap().unwrap()
}

#[derive(Debug, Clone)]
enum Act {
    Enqueue,
    Pop,
    HoldForTimer,
    HoldForReconnect,
    /// The timer in force goes off, or the one before it.
    Timer {
        late: bool,
    },
    Reconnected,
    Disconnect,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::Enqueue),
        6 => Just(Act::Pop),
        1 => Just(Act::HoldForTimer),
        1 => Just(Act::HoldForReconnect),
        2 => any::<bool>().prop_map(|late| Act::Timer { late }),
        2 => Just(Act::Reconnected),
        1 => Just(Act::Disconnect),
    ]
}

/// What the lane is to behave like.
#[derive(Default)]
struct Model {
    queue: VecDeque<PublishPost>,
    hold: Option<Hold>,
    epoch: u64,
}

proptest! {
    // Each looks at the whole lane after every act.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_lane_is_a_queue_with_a_hold(acts in prop::collection::vec(act(), 1..100)) {
        let (memory, mut model) = (Memory::default(), Model::default());
        for (n, act) in (0..).zip(acts) {
            let mut lane = memory.lane();
            match act {
                Act::Enqueue => {
                    lane.enqueue(&memory, post(n, 1));
                    model.queue.push_back(post(n, 1));
                }
                Act::Pop => {
                    if lane.next().is_some() {
                        at_once(lane.pop(&memory));
                        model.queue.pop_front();
                    }
                }
                Act::HoldForTimer => {
                    model.epoch += 1;
                    prop_assert_eq!(lane.hold_until_timer(), model.epoch);
                    model.hold = Some(Hold::Timer { epoch: model.epoch, invocation: None });
                    lane.save(&memory);
                }
                Act::HoldForReconnect => {
                    lane.hold_until_reconnect();
                    model.hold = Some(Hold::Reconnect);
                    lane.save(&memory);
                }
                Act::Timer { late } => {
                    let epoch = model.epoch.saturating_sub(u64::from(late));
                    let in_force = model.hold == Some(Hold::Timer { epoch, invocation: None });
                    prop_assert_eq!(lane.release(epoch), in_force);
                    if in_force {
                        model.hold = None;
                        lane.save(&memory);
                    }
                }
                Act::Reconnected => {
                    lane.release_now();
                    model.hold.take_if(|hold| *hold == Hold::Reconnect);
                    lane.save(&memory);
                }
                Act::Disconnect => {
                    let asked = lane.front();
                    prop_assert_eq!(asked.is_empty(), model.queue.is_empty());
                    for post in asked {
                        prop_assert_eq!(model.queue.pop_front(), Some(post));
                    }
                    model.hold = None;
                    at_once(lane.clear_front(&memory));
                }
            }
            let expected = model.queue.front().filter(|_| model.hold.is_none()).cloned();
            prop_assert_eq!(memory.lane().next(), expected);
            prop_assert_eq!(memory.waiting(), Vec::from(model.queue.clone()));
            // Nothing is left over, and the head is small.
            let lane = memory.lane();
            let mut keys: Vec<_> = (lane.first..lane.next).map(entry).collect();
            keys.splice(..0, memory.state().entries.contains_key(HEAD).then(|| HEAD.to_owned()));
            prop_assert_eq!(memory.keys(), keys);
            prop_assert!(lane.queue.len() <= FRONT);
        }
    }

    #[test]
    fn a_killed_invocation_takes_nothing_along(acts in prop::collection::vec((any::<bool>(), 0usize..5), 1..100)) {
        let (memory, mut expected) = (Memory::default(), Vec::new());
        for (n, (enqueues, writes)) in (0..).zip(acts) {
            memory.state().left = (writes < 4).then_some(writes);
            if enqueues {
                memory.enqueue(post(n, 1));
            } else {
                memory.pop();
            }
            memory.state().left = None;
            let now = memory.waiting();
            // All of it was done, or nothing.
            let mut done = expected.clone();
            if enqueues {
                done.push(post(n, 1));
            } else if !done.is_empty() {
                done.remove(0);
            }
            prop_assert!(now == expected || now == done, "{now:?} after {expected:?}");
            prop_assert!(writes < 4 || now == done);
            expected = now;
        }
    }
}

#[test]
fn an_account_without_a_queue_has_only_the_head() {
    let memory = Memory::default();
    for n in 0..3 {
        memory.enqueue(post(n, 1));
        let mut lane = memory.lane();
        at_once(lane.pop(&memory));
        assert_eq!(memory.keys(), [HEAD]);
    }
    assert_eq!(memory.state().used.writes, 3 * 2, "one write when a post comes, one when it is through");
}

#[test]
fn the_thousandth_that_waits_costs_what_the_tenth_did() {
    let memory = Memory::default();
    let cost = |act: &dyn Fn()| {
        memory.state().used = Used::default();
        act();
        memory.state().used
    };
    let came: Vec<_> = (0..1_000).map(|n| cost(&|| memory.enqueue(post(n, 1)))).collect();
    let went: Vec<_> = (0..1_000).map(|n| cost(&|| assert_eq!(memory.pop(), Some(post(n, 1))))).collect();
    for (tenth, late) in [(came[10], came[999]), (went[10], went[990])] {
        assert_eq!((late.reads, late.writes), (tenth.reads, tenth.writes));
        // Numbers get longer.
        assert!(late.bytes <= tenth.bytes + 8, "{tenth:?} and {late:?}");
    }
}

#[test]
fn the_engine_sends_the_head_first_and_then_the_posts_in_order() {
    let numbers = [0, 9, 10, 99, 12_345, u64::MAX];
    let keys: Vec<_> = std::iter::once(HEAD.to_owned()).chain(numbers.map(entry)).collect();
    assert!(keys.is_sorted(), "{keys:?}");
}

#[test]
fn a_lane_of_an_older_build_goes_on_in_its_order() {
    let memory = Memory::default();
    let older: Vec<_> = (0..7).map(|n| json!(post(n, 1))).collect();
    let state = json!({ "queue": older, "hold": { "for": "timer", "epoch": 3 }, "epoch": 3 });
    memory.state().entries.insert("lane".to_owned(), state);
    memory.enqueue(post(7, 1));
    assert_eq!(memory.pop(), None, "it is held");
    let mut lane = memory.lane();
    assert!(lane.release(3));
    lane.save(&memory);
    memory.enqueue(post(8, 1));
    for n in 0..9 {
        assert_eq!(memory.pop(), Some(post(n, 1)));
    }
    assert_eq!(memory.waiting(), []);
}

#[test]
fn a_lane_knows_the_timer_that_holds_it() {
    let mut lane = Lane::default();
    let epoch = lane.hold_until_timer();
    assert_eq!(lane.timer(), None);
    lane.timer_is("inv_1timer");
    assert_eq!(lane.timer(), Some("inv_1timer"));
    // A head that an older build wrote names none.
    let old: Lane = serde_json::from_str(r#"{"queue": [], "hold": {"for": "timer", "epoch": 3}, "epoch": 3}"#).unwrap();
    assert_eq!(old.timer(), None);
    assert!(!lane.release(epoch + 1) && lane.release(epoch));
    assert_eq!(lane.timer(), None);
}
