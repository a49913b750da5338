//! The lane's state: what waits in it, and what it waits for.

use std::collections::VecDeque;

use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use super::PublishPost;

/// How many posts one invocation sends at most.
pub(super) const BATCH: usize = 20;

const STATE: &str = "lane";

/// What the lane waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Hold {
    /// A timer that bears this number.
    Timer {
        /// The number.
        epoch: u64,
    },
    /// A person who reconnects the account.
    Reconnect,
}

/// The posts that wait for the account, in order, and what holds them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    queue: VecDeque<PublishPost>,
    hold: Option<Hold>,
    epoch: u64,
}

impl Lane {
    /// Adds a post at the end. A newer plan of a post that waits already takes the older one's place.
    pub(super) fn enqueue(&mut self, post: PublishPost) {
        match self.queue.iter_mut().find(|p| p.post_id == post.post_id) {
            Some(waiting) if waiting.revision < post.revision => *waiting = post,
            Some(_) => {}
            None => self.queue.push_back(post),
        }
    }

    /// The post at the head, unless the lane is held.
    pub(super) fn next(&self) -> Option<PublishPost> {
        if self.hold.is_some() { None } else { self.queue.front().cloned() }
    }

    /// Empties the lane, ends its hold, and returns what waited. A timer that is still to come does nothing.
    pub(super) fn clear(&mut self) -> Vec<PublishPost> {
        self.hold = None;
        self.queue.drain(..).collect()
    }

    pub(super) fn pop(&mut self) {
        self.queue.pop_front();
    }

    /// Holds the lane for a timer, and returns the timer's number.
    pub(super) fn hold_until_timer(&mut self) -> u64 {
        self.epoch += 1;
        self.hold = Some(Hold::Timer { epoch: self.epoch });
        self.epoch
    }

    pub(super) fn hold_until_reconnect(&mut self) {
        self.hold = Some(Hold::Reconnect);
    }

    /// Ends the hold of the timer `epoch`; false if the lane waits for something else by now.
    pub(super) fn release(&mut self, epoch: u64) -> bool {
        let is_its = self.hold == Some(Hold::Timer { epoch });
        if is_its {
            self.hold = None;
        }
        is_its
    }

    /// Ends a wait for a person. A rate window stays: that the account works does not end it.
    pub(super) fn release_now(&mut self) {
        if self.hold == Some(Hold::Reconnect) {
            self.hold = None;
        }
    }
}

pub(super) async fn load(ctx: &ObjectContext<'_>) -> Result<Lane, TerminalError> {
    Ok(ctx.get::<Json<Lane>>(STATE).await?.map(Json::into_inner).unwrap_or_default())
}

pub(super) fn save(ctx: &ObjectContext<'_>, lane: &Lane) {
    ctx.set(STATE, Json(lane.clone()));
}

#[cfg(test)]
mod tests {
    use domain::ids::{OrgId, PostId};

    use super::*;

    fn post(n: u8, revision: i32) -> PublishPost {
        let id = |n| serde_json::from_str(&format!("\"{}\"", PostId::derived(Default::default(), &format!("{n}")))).unwrap();
        PublishPost { org: OrgId::derived(Default::default(), "o"), post_id: id(n), revision }
    }

    #[test]
    fn a_held_lane_keeps_its_order() {
        let mut lane = Lane::default();
        lane.enqueue(post(1, 1));
        let epoch = lane.hold_until_timer();
        lane.enqueue(post(2, 1));
        assert_eq!(lane.next(), None);
        assert!(!lane.release(epoch + 1));
        assert!(lane.release(epoch));
        assert_eq!(lane.next(), Some(post(1, 1)));
        lane.pop();
        assert_eq!(lane.next(), Some(post(2, 1)));
    }

    #[test]
    fn a_newer_plan_takes_the_place_of_the_older() {
        let mut lane = Lane::default();
        lane.enqueue(post(1, 2));
        lane.enqueue(post(1, 1));
        lane.enqueue(post(1, 3));
        assert_eq!(lane.next(), Some(post(1, 3)));
        lane.pop();
        assert_eq!(lane.next(), None);
    }

    #[test]
    fn a_working_account_does_not_end_a_rate_window() {
        let mut lane = Lane::default();
        lane.enqueue(post(1, 1));
        lane.hold_until_timer();
        lane.release_now();
        assert_eq!(lane.next(), None);
        lane.hold_until_reconnect();
        lane.release_now();
        assert!(lane.next().is_some());
    }
}
