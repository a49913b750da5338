//! The fault plan that every stand-in carries: what will go wrong, on which kind of request, and how often.
//!
//! Publishing exactly once is only worth claiming against a platform that accepts a post and then hangs up. A [`FaultPlan`] lets a test, or a person with
//! `curl`, order precisely that. Rules are drawn by the gate in front of a stand-in's routes (`fault/gate.rs`), before the stand-in sees the request.

pub(crate) mod controls;
pub(crate) mod gate;
pub(crate) mod veil;
pub(crate) mod wire;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

/// The kind of request that a rule waits for. One route can be of two kinds: reading one post is a look-up and a reading of its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Requests that make or delete a post.
    Publish,
    /// Requests that ask whether a post exists: one by id, or an account's list.
    Lookup,
    /// Sign-in, token, refresh, and "who am I".
    Auth,
    /// Requests that read a post's counters.
    Metrics,
    /// Uploads.
    Media,
}

/// What goes wrong. "Accept" means that the stand-in did what was asked and keeps it in its books; the caller only does not learn of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Does it, then resets the TCP connection without a byte of an answer.
    AcceptThenReset,
    /// Does it, then answers with this HTTP status and the platform's error body.
    AcceptThenFail {
        /// HTTP status, 500 to 599.
        status: u16,
    },
    /// Does it, then never answers; the connection stays open.
    AcceptThenHang,
    /// Answers with this HTTP status and does nothing.
    Refuse {
        /// HTTP status, 400 to 599.
        status: u16,
    },
    /// Resets the connection after the request's headers and before reading its body; does nothing.
    ResetBeforeReading,
    /// Does nothing and never answers.
    Hang,
    /// Does it, then answers as the platform answers a repetition: it made the post and then took it for its own duplicate.
    AcceptThenDuplicate,
    /// Does nothing and answers as the platform answers a repetition.
    RefuseAsDuplicate,
    /// Does it at once and answers this much later.
    AnswerLate {
        /// Milliseconds between acting and answering.
        ms: u64,
    },
    /// Does it this much later, even if the caller has hung up by then: the post that appears after everybody stopped waiting for it.
    ActLate {
        /// Milliseconds between reading the request and acting.
        ms: u64,
    },
    /// Answers 429 with the platform's own headers, to this request and to every further one of the same kind until the window ends.
    RateLimit {
        /// Length of the window in seconds.
        seconds: u64,
    },
    /// The access token used for this request expires before the request is looked at.
    ExpireAccess,
    /// The account behind this request loses its credentials before the request is looked at.
    RevokeCredentials,
    /// Does it and answers, but look-ups do not see the new post until the time has passed and that many look-ups have missed it.
    HideNew {
        /// Milliseconds during which look-ups miss the post; 0 for no limit by time.
        ms: u64,
        /// Number of look-ups that miss the post; 0 for no limit by number.
        lookups: u32,
    },
    /// Takes the upload and is not done with it until the time has passed and it was asked that often.
    ProcessSlowly {
        /// Milliseconds that processing takes; 0 for no limit by time.
        ms: u64,
        /// Number of questions that are answered "still at it"; 0 for no limit by number.
        polls: u32,
    },
    /// Takes the upload, and tells whoever asks that processing it failed.
    FailProcessing,
}

/// How often a rule fires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// On the next so many requests of its kind.
    Next(u32),
    /// On each request of its kind with a probability, drawn from a seeded generator, so that a run can be repeated.
    Chance {
        /// Between 0 and 1.
        probability: f64,
        /// Two plans with one seed and one order of requests draw alike.
        seed: u64,
    },
}

/// One order to misbehave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Which requests.
    pub on: Endpoint,
    /// What happens to them.
    pub fault: Fault,
    /// How often.
    #[serde(default = "once")]
    pub when: When,
}

fn once() -> When {
    When::Next(1)
}

/// A fault that was drawn, for tests that must know that it did happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fired {
    /// The kind of request that drew it.
    pub on: Endpoint,
    /// What was done.
    pub fault: Fault,
    /// The request's path.
    pub path: String,
}

/// The faults that a stand-in still has to commit. Cheap to clone: all clones are one plan.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Armed>,
    limited: HashMap<Endpoint, SystemTime>,
    fired: Vec<Fired>,
}

#[derive(Debug)]
struct Armed {
    rule: Rule,
    draws: u64,
}

impl Armed {
    /// Whether this rule takes the request; uses up one of its times if so.
    fn draw(&mut self) -> bool {
        match &mut self.rule.when {
            When::Next(left) if *left > 0 => {
                *left -= 1;
                true
            }
            When::Next(_) => false,
            When::Chance { probability, seed } => {
                self.draws += 1;
                // 53 bits are what an f64 between 0 and 1 can hold.
                ((mix(seed.wrapping_add(self.draws)) >> 11) as f64) < *probability * (1u64 << 53) as f64
            }
        }
    }
}

/// SplitMix64: one multiply-and-shift round per draw, the same on every machine and with every version of any crate.
pub(crate) fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl FaultPlan {
    /// Orders `fault` for the next `times` requests of kind `on`.
    pub fn next(&self, on: Endpoint, fault: Fault, times: u32) {
        self.inject(Rule { on, fault, when: When::Next(times) });
    }

    /// Orders `fault` for each request of kind `on` with this probability (0 to 1), repeatably for one seed.
    pub fn chance(&self, on: Endpoint, fault: Fault, probability: f64, seed: u64) {
        self.inject(Rule { on, fault, when: When::Chance { probability, seed } });
    }

    /// Adds a rule behind those that are there. The first rule that fits a request takes it.
    pub fn inject(&self, rule: Rule) {
        self.lock().rules.push(Armed { rule, draws: 0 });
    }

    /// Forgets all rules and ends all rate windows. What has fired stays known.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.rules.clear();
        inner.limited.clear();
    }

    /// The rules still to come; a used-up one is not listed.
    pub fn pending(&self) -> Vec<Rule> {
        self.lock().rules.iter().filter(|armed| armed.rule.when != When::Next(0)).map(|armed| armed.rule.clone()).collect()
    }

    /// Everything that has gone wrong on order so far, oldest first.
    pub fn fired(&self) -> Vec<Fired> {
        self.lock().fired.clone()
    }

    /// Draws the fault for a request of these kinds, if any rule wants it.
    pub(crate) fn draw(&self, kinds: &[Endpoint], path: &str) -> Option<Fault> {
        let mut inner = self.lock();
        let now = SystemTime::now();
        inner.limited.retain(|_, until| *until > now);
        let armed =
            inner.rules.iter_mut().find_map(|armed| (kinds.contains(&armed.rule.on) && armed.draw()).then(|| armed.rule.clone()))?;
        if let Fault::RateLimit { seconds } = armed.fault {
            inner.limited.insert(armed.on, now + Duration::from_secs(seconds));
        }
        inner.fired.push(Fired { on: armed.on, fault: armed.fault.clone(), path: path.to_owned() });
        Some(armed.fault)
    }

    /// Until when requests of these kinds are answered 429, if they are.
    pub(crate) fn limited_until(&self, kinds: &[Endpoint]) -> Option<SystemTime> {
        let now = SystemTime::now();
        let inner = self.lock();
        kinds.iter().filter_map(|kind| inner.limited.get(kind)).filter(|until| **until > now).max().copied()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_rule_is_used_up_and_other_kinds_pass() {
        let plan = FaultPlan::default();
        plan.next(Endpoint::Publish, Fault::Hang, 2);
        assert_eq!(plan.draw(&[Endpoint::Lookup], "/"), None);
        assert_eq!(plan.draw(&[Endpoint::Publish], "/"), Some(Fault::Hang));
        assert_eq!(plan.draw(&[Endpoint::Lookup, Endpoint::Publish], "/"), Some(Fault::Hang));
        assert_eq!(plan.draw(&[Endpoint::Publish], "/"), None);
        assert_eq!(plan.pending(), vec![]);
        assert_eq!(plan.fired().len(), 2);
    }

    #[test]
    fn a_chance_repeats_with_its_seed_and_keeps_its_rate() {
        let draws = |seed| {
            let plan = FaultPlan::default();
            plan.chance(Endpoint::Publish, Fault::Hang, 0.3, seed);
            (0..1000).map(|_| plan.draw(&[Endpoint::Publish], "/").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
        let hits = draws(7).into_iter().filter(|hit| *hit).count();
        assert!((250..350).contains(&hits), "{hits} of 1000 at 0.3");
    }

    #[test]
    fn certain_and_impossible_chances_are_that() {
        let plan = FaultPlan::default();
        plan.chance(Endpoint::Auth, Fault::Hang, 0.0, 1);
        plan.chance(Endpoint::Publish, Fault::Hang, 1.0, 1);
        for _ in 0..100 {
            assert_eq!(plan.draw(&[Endpoint::Auth], "/"), None);
            assert!(plan.draw(&[Endpoint::Publish], "/").is_some());
        }
    }

    #[test]
    fn a_rule_reads_as_json_with_one_time_by_default() {
        let rule: Rule = serde_json::from_str(r#"{"on": "publish", "fault": {"kind": "accept_then_fail", "status": 502}}"#).unwrap();
        assert_eq!(rule, Rule { on: Endpoint::Publish, fault: Fault::AcceptThenFail { status: 502 }, when: When::Next(1) });
        let rule: Rule =
            serde_json::from_str(r#"{"on": "lookup", "fault": {"kind": "hang"}, "when": {"chance": {"probability": 0.5, "seed": 3}}}"#)
                .unwrap();
        assert_eq!(rule.when, When::Chance { probability: 0.5, seed: 3 });
    }
}
