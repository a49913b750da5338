//! OAuth 2 for every platform that has it: the code grant with PKCE (RFC 6749, RFC 7636), the exchanges that some platforms have besides, and
//! renewal. What differs between platforms is data, beside each connector: [`Rules`].
//!
//! An application's secret goes to the addresses of the rules, or to those that the settings put in their place; never to one that a user named.
//! Mastodon alone has none: there an application is registered on the very server that the account is on.

mod flow;
mod renew;
mod rules;
mod token;

pub(super) use self::renew::refresh;
pub use self::{
    flow::{Begun, Returned, begin, finish},
    rules::{ClientAuth, Exchange, Refresh, Rules},
};

#[cfg(test)]
mod tests;
