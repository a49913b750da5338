//! The lane's state: what waits in it, in order, and what it waits for.
//!
//! It is a head, which stays small, and one entry of state for each post that waits further behind. A post that joins a thousand others writes itself
//! and the head; nothing reads or writes the others. An account without a queue has only the head.
//!
//! An invocation may be killed between any two writes. They are in such an order that a post which stood in the lane before still does.

use std::{collections::VecDeque, future::Future};

use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use super::PublishPost;

/// How many posts one invocation sends at most.
pub(super) const BATCH: usize = 20;

/// How many posts stand in the head at most, unless an older build wrote it: those that came before the lane had posts behind.
const FRONT: usize = 4;

/// Sorts before the posts: the engine sends the first entries along with an invocation (`eager-state-size-limit` in `restate.toml`), and the head is to
/// be among them.
const HEAD: &str = "lane";

fn entry(number: u64) -> String {
    // All digits of the largest number, so that the order of entries is that of the numbers.
    format!("post/{number:020}")
}

/// What the lane waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Hold {
    /// A timer that bears this number.
    Timer {
        /// The number.
        epoch: u64,
        /// The invocation that waits for it.
        #[serde(default)]
        invocation: Option<String>,
    },
    /// A person who reconnects the account.
    Reconnect,
}

/// The head of the lane: the posts at its front, how many stand behind them, and what holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Empty only if nothing stands behind.
    queue: VecDeque<PublishPost>,
    hold: Option<Hold>,
    epoch: u64,
    /// The number of the first post behind.
    #[serde(default)]
    first: u64,
    /// The number that the next one gets.
    #[serde(default)]
    next: u64,
}

/// Where the lane is kept: the object's state.
pub(super) trait Shelf {
    fn head(&self) -> impl Future<Output = Result<Option<Lane>, TerminalError>> + Send;
    fn post(&self, number: u64) -> impl Future<Output = Result<Option<PublishPost>, TerminalError>> + Send;
    fn keep_head(&self, lane: &Lane);
    fn keep_post(&self, number: u64, post: &PublishPost);
    fn drop_post(&self, number: u64);
}

impl Lane {
    pub(super) async fn load(shelf: &impl Shelf) -> Result<Self, TerminalError> {
        Ok(shelf.head().await?.unwrap_or_default())
    }

    /// Writes the head.
    pub(super) fn save(&self, shelf: &impl Shelf) {
        shelf.keep_head(self);
    }

    /// Adds a post at the end, and writes that. An older plan of the same post that waits already does nothing when its turn comes.
    pub(super) fn enqueue(&mut self, shelf: &impl Shelf, post: PublishPost) {
        if self.first == self.next && self.queue.len() < FRONT {
            self.queue.push_back(post);
        } else {
            shelf.keep_post(self.next, &post);
            self.next += 1;
        }
        self.save(shelf);
    }

    /// The post at the head, unless the lane is held.
    pub(super) fn next(&self) -> Option<PublishPost> {
        if self.hold.is_some() { None } else { self.queue.front().cloned() }
    }

    /// Takes the post at the head out, and writes that.
    pub(super) async fn pop(&mut self, shelf: &impl Shelf) -> Result<(), TerminalError> {
        self.queue.pop_front();
        self.move_up(shelf).await
    }

    /// The posts that stand in the head.
    pub(super) fn front(&self) -> Vec<PublishPost> {
        self.queue.iter().cloned().collect()
    }

    /// Takes the posts that stand in the head out, ends the hold, and writes that. A timer that is still to come does nothing.
    pub(super) async fn clear_front(&mut self, shelf: &impl Shelf) -> Result<(), TerminalError> {
        self.hold = None;
        self.queue.clear();
        self.move_up(shelf).await
    }

    /// Moves the first post behind into an empty head.
    async fn move_up(&mut self, shelf: &impl Shelf) -> Result<(), TerminalError> {
        let mut moved = None;
        while self.queue.is_empty() && self.first < self.next {
            // An entry is written before the head that counts it, so it is there; were it not, the lane must not stand still for it.
            if let Some(post) = shelf.post(self.first).await? {
                self.queue.push_back(post);
                moved = Some(self.first);
            }
            self.first += 1;
        }
        self.save(shelf);
        if let Some(number) = moved {
            shelf.drop_post(number);
        }
        Ok(())
    }

    /// Holds the lane for a timer, and returns the timer's number.
    pub(super) fn hold_until_timer(&mut self) -> u64 {
        self.epoch += 1;
        self.hold = Some(Hold::Timer { epoch: self.epoch, invocation: None });
        self.epoch
    }

    /// Notes which invocation is the timer that holds the lane.
    pub(super) fn timer_is(&mut self, id: &str) {
        if let Some(Hold::Timer { invocation, .. }) = &mut self.hold {
            *invocation = Some(id.to_owned());
        }
    }

    /// The invocation of the timer that holds the lane, if one does.
    pub(super) fn timer(&self) -> Option<&str> {
        match &self.hold {
            Some(Hold::Timer { invocation, .. }) => invocation.as_deref(),
            Some(Hold::Reconnect) | None => None,
        }
    }

    pub(super) fn hold_until_reconnect(&mut self) {
        self.hold = Some(Hold::Reconnect);
    }

    /// Ends the hold of the timer `epoch`; false if the lane waits for something else by now.
    pub(super) fn release(&mut self, epoch: u64) -> bool {
        let is_its = matches!(self.hold, Some(Hold::Timer { epoch: its, .. }) if its == epoch);
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

impl Shelf for ObjectContext<'_> {
    async fn head(&self) -> Result<Option<Lane>, TerminalError> {
        Ok(self.get::<Json<Lane>>(HEAD).await?.map(Json::into_inner))
    }

    async fn post(&self, number: u64) -> Result<Option<PublishPost>, TerminalError> {
        let key = entry(number);
        Ok(self.get::<Json<PublishPost>>(&key).await?.map(Json::into_inner))
    }

    fn keep_head(&self, lane: &Lane) {
        self.set(HEAD, Json(lane.clone()));
    }

    fn keep_post(&self, number: u64, post: &PublishPost) {
        self.set(&entry(number), Json(post.clone()));
    }

    fn drop_post(&self, number: u64) {
        self.clear(&entry(number));
    }
}

#[cfg(test)]
mod tests;
