//! The effects of the send-once protocol, one function each. The order in which they happen, and what is tried again, is the lane's business
//! (`workflows::connector`).
//!
//! A post goes out part by part: each part is staged where its platform wants that, armed, submitted, and looked for where the answer does not tell.
//! A frozen part, a credential, what was staged, or a whole account never passes through the journal: each function reads what it needs from the
//! database inside its own step.

mod accounts;
mod beginning;
mod files;
mod finding;
mod looking;
mod material;
mod renewing;
mod resolving;
mod sending;
mod staging;

use domain::ids::{ConnectorId, OrgId, PostId};

pub use self::{
    accounts::{account, check, limits, read_counters, seal_credentials},
    beginning::{Begun, DISCONNECTED, begin, mentions, refused_by_settings, strand, wait_in_lane, with_parts},
    files::{facts, fit},
    finding::find,
    looking::{LookedUp, look_up, record_absent},
    renewing::{NextRenewal, next_renewal, refresh, renew},
    resolving::{Resolved, resolve_by_person},
    sending::{arm, frozen, receipt, record_published, submit},
    staging::{Progress, stage},
};
use crate::{http::Outgoing, media::MediaStore, platform::Apps, store::Store, vault::Vault};

/// What publishing needs of the outside world.
#[derive(Clone, Copy)]
pub struct Publishing<'a> {
    /// The database.
    pub store: &'a Store,
    /// The key ring.
    pub vault: &'a Vault,
    /// Checked HTTP.
    pub outgoing: &'a Outgoing,
    /// The applications that we are registered as at platforms.
    pub apps: &'a Apps,
    /// Where the files of posts lie; `None` where none are kept.
    pub media: Option<&'a MediaStore>,
    /// What short links begin with.
    pub short_link_base: &'a str,
}

/// Which attempt at which part of which post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The tenant.
    pub org: OrgId,
    /// The post.
    pub post: PostId,
    /// The account that it goes out by.
    pub connector: ConnectorId,
    /// The plan in force.
    pub revision: i32,
    /// Which part, from 0.
    pub part: u32,
    /// How many parts the post has.
    pub parts: u32,
    /// Whether the part is staged: it has media, or its platform stages text as well.
    pub staged: bool,
    /// Counts the attempts of the part, from 1.
    pub number: i32,
}

impl Attempt {
    /// Whether rows of their own say what the parts of the post are.
    const fn has_rows(&self) -> bool {
        self.parts > 1 || self.staged
    }
}
