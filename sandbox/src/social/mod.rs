//! What all stand-ins of social platforms have in common: books of entries, accounts and tokens, drafts and their processing, budgets, faults.
//!
//! A platform is a [`Protocol`]: its routes and its voice. The rest is here: [`Running`] is the server, [`Desk`] what its routes share, [`Books`]
//! what it remembers, [`StandIn`] the handle through which a test treats all platforms alike. `docs/adding-a-platform.md` walks through one.

mod account;
mod books;
mod desk;
mod draft;
mod entry;
mod every;
mod input;
pub mod oauth;
mod stand_in;
#[cfg(test)]
mod tests;
mod tokens;

pub use self::{
    account::{Account, Login, OAuthApp, Options},
    books::Books,
    desk::{Budget, Charge, Desk, Protocol, Running, bearer, set_headers},
    draft::{Draft, Processing, Progress},
    entry::{Attachment, Entry, EntryKind},
    every::every,
    input::Input,
    stand_in::StandIn,
    tokens::{Issued, Lives, Renewal, Standing},
};
pub use crate::multipart::FormFile;
