//! One handle for all stand-ins, so that a test treats fourteen platforms alike.

use std::fmt::Debug;

use super::{Entry, Login};
use crate::fault::FaultPlan;

/// A running stand-in of any platform. Dropping it stops it at once.
pub trait StandIn: Debug + Send + Sync {
    /// The platform's name, as Pressroom calls it.
    fn platform(&self) -> &'static str;
    /// `http://127.0.0.1:port`, without a slash at the end.
    fn base_url(&self) -> &str;
    /// What is to go wrong.
    fn faults(&self) -> &FaultPlan;
    /// Who can be connected, and with what.
    fn logins(&self) -> Vec<Login>;
    /// Everything an account ever published, oldest first, deleted entries included: the truth that "exactly once" is compared with.
    fn entries(&self, account: &str) -> Vec<Entry>;
    /// Lets the access tokens of an account expire. False if there is no such account, or nothing about it can expire.
    fn expire(&self, account: &str) -> bool;
    /// Takes away everything an account could sign in with. False if there is no such account.
    fn revoke(&self, account: &str) -> bool;
    /// Gives it back. False if there is no such account.
    fn reinstate(&self, account: &str) -> bool;
    /// Sets a counter of an entry, by the platform's own name of it, for as long as the process lives. False if the platform has none that a test
    /// could set.
    fn set_counter(&self, entry: &str, counter: &str, value: u64) -> bool;
}
