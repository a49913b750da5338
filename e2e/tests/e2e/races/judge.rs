//! What may have become of a post, given what was asked of it and what was answered: every order in which the requests can have taken effect that
//! the answers allow, with the post going out at any moment at which its plan was in force.

use std::collections::BTreeSet;

use domain::post::PostStatus;
use tokio::time::Instant;

/// Something that a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// That it does not go out.
    Cancel,
    /// That it goes out under this plan.
    Plan(usize),
    /// Another thing beside its text: its approval is void.
    Edit,
    /// That it goes out in these words.
    Approve(usize),
    /// That it does not go out as it is.
    Reject,
    /// Something that came to nothing, whatever the post is: a time that was over when the request arrived.
    Nothing,
}

/// A request, when it was made, and its answer.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// What for.
    pub ask: Ask,
    /// Before it was sent.
    pub began: Instant,
    /// After its answer came.
    pub ended: Instant,
    /// Whether it was granted; `None` where no answer told.
    pub granted: Option<bool>,
    /// What came, for a person.
    pub said: String,
}

/// What became of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// It is out, under this plan, in these words.
    Out {
        /// The plan.
        plan: usize,
        /// The words.
        words: usize,
    },
    /// It is not, and its row says so.
    Not(PostStatus),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Waits,
    Approved(usize),
    Planned { plan: usize, words: usize },
    Out { plan: usize, words: usize },
    Cancelled(Option<usize>),
    Rejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    stands: Stands,
    /// The plan that it had last: an approval brings it back, unless a person did something else with the post meanwhile.
    last: Option<usize>,
    /// Whether that plan is on its way.
    follows: bool,
}

impl State {
    fn now(self, stands: Stands) -> Self {
        Self { stands, ..self }
    }

    /// What a granted request makes of it; `None` where it could not have been granted.
    fn granted(self, ask: Ask) -> Option<Self> {
        use Stands::{Approved, Cancelled, Out, Planned, Rejected, Waits};
        Some(match (ask, self.stands) {
            (Ask::Nothing, _) => self,
            (Ask::Cancel, Cancelled(words)) => self.now(Cancelled(words)),
            (Ask::Cancel, Waits) => self.now(Cancelled(None)),
            (Ask::Cancel, Approved(words) | Planned { words, .. }) => self.now(Cancelled(Some(words))),
            (Ask::Plan(plan), Approved(words) | Planned { words, .. } | Cancelled(Some(words))) => {
                Self { stands: Planned { plan, words }, last: Some(plan), ..self }
            }
            (Ask::Edit, Waits | Approved(_) | Planned { .. }) => self.now(Waits),
            (Ask::Approve(words), Waits) => Self { stands: Approved(words), follows: self.last.is_some(), ..self },
            (Ask::Reject, Waits) => self.now(Rejected),
            (_, Waits | Approved(_) | Planned { .. } | Out { .. } | Cancelled(_) | Rejected) => return None,
        })
    }
}

/// How a post begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Begins {
    /// It goes out under plan 0 in words 0.
    Planned,
    /// It waits for a decision; where its campaign has a plan, that is plan 0.
    Waits {
        /// Whether it has.
        campaign_plan: bool,
    },
}

/// Everything that the answers allow. Empty: they contradict each other. `throttled`: the platform asked to wait, so that a post that was being sent,
/// and refused everything, may have come back.
pub(super) fn ends(begins: Begins, throttled: bool, asked: &[Asked]) -> BTreeSet<End> {
    let (stands, last) = match begins {
        Begins::Planned => (Stands::Planned { plan: 0, words: 0 }, Some(0)),
        Begins::Waits { campaign_plan } => (Stands::Waits, campaign_plan.then_some(0)),
    };
    let mut found = BTreeSet::new();
    search(State { stands, last, follows: false }, throttled, &mut asked.iter().collect(), &mut found);
    found
}

fn search(state: State, throttled: bool, left: &mut Vec<&Asked>, found: &mut BTreeSet<End>) {
    // It may go out now, if its plan is in force.
    if let Stands::Planned { plan, words } = state.stands {
        search(state.now(Stands::Out { plan, words }), throttled, left, found);
    }
    // The plan that follows an approval may arrive now; it moves nothing but a post that is approved and has none.
    if state.follows {
        let stands = match (state.stands, state.last) {
            (Stands::Approved(words), Some(plan)) => Stands::Planned { plan, words },
            (stands, _) => stands,
        };
        search(State { stands, follows: false, ..state }, throttled, left, found);
    }
    if left.is_empty() {
        let end = match state.stands {
            // It has gone out by the time that everything rests, as has what was on its way.
            Stands::Planned { .. } => return,
            _ if state.follows => return,
            Stands::Out { plan, words } => End::Out { plan, words },
            Stands::Waits => End::Not(PostStatus::NeedsApproval),
            Stands::Approved(_) => End::Not(PostStatus::Approved),
            Stands::Cancelled(_) => End::Not(PostStatus::Cancelled),
            Stands::Rejected => End::Not(PostStatus::Rejected),
        };
        found.insert(end);
        return;
    }
    for i in 0..left.len() {
        // What was answered before this one was asked has taken effect before it.
        let next = left[i];
        if left.iter().any(|other| other.ended < next.began) {
            continue;
        }
        left.remove(i);
        let after = state.granted(next.ask);
        if let (Some(after), Some(true) | None) = (after, next.granted) {
            search(after, throttled, left, found);
        }
        // Of two who stop a post at once both may be told that they did, or the second that it is stopped already.
        let stopped = next.ask == Ask::Cancel && matches!(state.stands, Stands::Cancelled(_));
        let busy = throttled && matches!(state.stands, Stands::Planned { .. });
        if next.granted == Some(false) && (after.is_none() || busy || stopped) || next.granted.is_none() {
            search(state, throttled, left, found);
        }
        left.insert(i, next);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn asked(asks: &[(Ask, u64, u64, bool)]) -> Vec<Asked> {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let one = |(ask, began, ended, granted): &(Ask, u64, u64, bool)| Asked {
            ask: *ask,
            began: at(*began),
            ended: at(*ended),
            granted: Some(*granted),
            said: String::new(),
        };
        asks.iter().map(one).collect()
    }

    fn out(plan: usize) -> End {
        End::Out { plan, words: 0 }
    }

    #[test]
    fn what_was_granted_is_what_happens_and_what_was_refused_came_too_late() {
        let planned = |asks: &[_]| ends(Begins::Planned, false, &asked(asks)).into_iter().collect::<Vec<_>>();
        assert_eq!(planned(&[]), [out(0)]);
        assert_eq!(planned(&[(Ask::Cancel, 0, 9, true)]), [End::Not(PostStatus::Cancelled)]);
        assert_eq!(planned(&[(Ask::Cancel, 0, 9, false)]), [out(0)]);
        assert_eq!(planned(&[(Ask::Plan(1), 0, 9, true)]), [out(1)], "never under the old plan");
        assert_eq!(planned(&[(Ask::Edit, 0, 9, true)]), [End::Not(PostStatus::NeedsApproval)]);
        // At once: either came first. One after the other: a stopped post was given a new time.
        let both = [(Ask::Cancel, 0, 9, true), (Ask::Plan(1), 0, 9, true)];
        assert_eq!(planned(&both), [out(1), End::Not(PostStatus::Cancelled)]);
        let sequence = [(Ask::Cancel, 0, 4, true), (Ask::Plan(1), 5, 9, true)];
        assert_eq!(planned(&sequence), [out(1)]);
        assert_eq!(planned(&[(Ask::Edit, 0, 4, true), (Ask::Plan(1), 5, 9, true)]), [], "nobody approved it");
        // Once it is on its way it is out, unless the platform asked to wait.
        let again = asked(&[(Ask::Cancel, 0, 4, false), (Ask::Cancel, 5, 9, true)]);
        assert_eq!(ends(Begins::Planned, false, &again), BTreeSet::new());
        assert_eq!(ends(Begins::Planned, true, &again), BTreeSet::from([End::Not(PostStatus::Cancelled)]));
    }

    #[test]
    fn a_campaigns_plan_follows_an_approval_and_brings_nothing_back() {
        let waits = |asks: &[_]| ends(Begins::Waits { campaign_plan: true }, false, &asked(asks)).into_iter().collect::<Vec<_>>();
        assert_eq!(waits(&[(Ask::Approve(2), 0, 9, true)]), [End::Out { plan: 0, words: 2 }]);
        assert_eq!(waits(&[(Ask::Approve(2), 0, 4, true), (Ask::Cancel, 5, 9, true)]), [End::Not(PostStatus::Cancelled)]);
        assert_eq!(waits(&[(Ask::Approve(2), 0, 4, true), (Ask::Plan(1), 5, 9, true)]), [End::Out { plan: 1, words: 2 }]);
        // An edit and its approval keep the plan that a person made.
        let edited = asked(&[(Ask::Edit, 0, 4, true), (Ask::Approve(1), 5, 9, true)]);
        assert_eq!(ends(Begins::Planned, false, &edited), BTreeSet::from([End::Out { plan: 0, words: 1 }]));
        assert_eq!(waits(&[(Ask::Approve(2), 0, 9, true), (Ask::Reject, 0, 9, true)]), [], "one of two wins");
    }
}
