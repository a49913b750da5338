//! Taking a post up, and putting it back.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    ids::{CampaignId, ConnectorId, OrgId, PostId},
    platform::{Platform, StepNames},
    post::PostStatus,
    schedule::{
        LatenessRule,
        lateness::{Held, Verdict},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    Attempt, Publishing,
    accounts::{account, open_credentials},
    files, limits,
};
use crate::{
    ActivityResult, platform,
    store::{
        OrgTx, connectors,
        parts::{self, PostPart},
        posts,
        receipts::{self, Receipt},
    },
};

/// A post that the lane has taken up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The campaign that it belongs to.
    pub campaign_id: CampaignId,
    /// The platform that it goes to.
    pub platform: Platform,
    /// How many parts it has.
    #[serde(default = "one")]
    pub parts: u32,
    /// The first part that is not out, from 0.
    #[serde(default)]
    pub next: u32,
    /// Whether media hang on its first part.
    #[serde(default)]
    pub media: bool,
    /// How many attempts at that part there were before.
    pub attempts: i32,
    /// Whether the last of them may have been sent and its outcome is not known.
    pub open: bool,
    /// Whether that part is frozen, so that nothing more is staged for it.
    #[serde(default)]
    pub frozen: bool,
    /// Whether the account's token has ended or is about to.
    pub token_stale: bool,
    /// How late it is, in milliseconds, where the lateness rule says to tell.
    pub late_ms: Option<i64>,
    /// When it was due; absent from journals that were written before it was kept.
    #[serde(default)]
    pub due_at: Option<DateTime<Utc>>,
    /// Whether what is not frozen of it mentions accounts whose ids are to be found before it is.
    #[serde(default)]
    pub mentions: bool,
}

const fn one() -> u32 {
    1
}

impl Begun {
    /// What the steps of this post are called: people see in the tree where it went.
    #[must_use]
    pub fn steps(&self) -> &'static StepNames {
        &self.platform.capabilities().steps
    }

    /// Whether a part is given to the platform ahead.
    #[must_use]
    pub const fn stages(&self, part: u32) -> bool {
        self.platform.capabilities().stages_text || (part == 0 && self.media)
    }

    /// The attempt `number` at `part`.
    #[must_use]
    pub const fn attempt(&self, org: OrgId, post: PostId, connector: ConnectorId, revision: i32, part: u32, number: i32) -> Attempt {
        Attempt { org, post, connector, revision, part, parts: self.parts, staged: self.stages(part), number }
    }
}

/// The note of a post whose account was disconnected before it was sent.
pub const DISCONNECTED: &str = "its account is disconnected: connect it again and give the post a new time, or cancel it";

/// The note of a post that our own settings do not let out; `what` says what they object to, with the setting's name.
#[must_use]
pub fn refused_by_settings(what: &str) -> String {
    format!(
        "nothing was sent: this installation's settings refuse the address of the account's server: {what}. Change the setting, or connect the \
         account under a public https address, and give the post a new time; or cancel it"
    )
}

/// The note of a post whose account was disconnected while nobody knew whether it had arrived.
const DISCONNECTED_OPEN: &str =
    "it may have been published, and its account was disconnected before that was known: look at the account and answer";

/// Lets a post that waited in the lane of an account that is disconnected now ask for attention, unless its plan was changed since.
///
/// # Errors
/// When the database cannot answer.
pub async fn strand(tx: &mut OrgTx, post: PostId, revision: i32) -> ActivityResult<()> {
    if posts::get(tx, post).await?.is_some_and(|p| p.revision == revision) {
        let from = [PostStatus::Scheduled, PostStatus::Publishing];
        let open = receipts::of_post(tx, post).await?.iter().any(Receipt::is_open);
        let note = with_parts(tx, post, if open { DISCONNECTED_OPEN } else { DISCONNECTED }).await?;
        posts::advance(tx, post, &from, PostStatus::NeedsAttention, Some(&note)).await?;
    }
    Ok(())
}

/// Takes up a post whose time has come. `None`: its plan was changed, it was stopped, or a person is asked, because it is too late or one of its
/// files may not be used any more.
///
/// # Errors
/// [`ActivityError::Rejected`](crate::ActivityError::Rejected) when its text, or what it has beside it, was changed after its approval.
pub async fn begin(
    p: &Publishing<'_>,
    lateness: &LatenessRule,
    org: OrgId,
    post: PostId,
    connector: ConnectorId,
    revision: i32,
) -> ActivityResult<Option<Begun>> {
    let now = Utc::now();
    let mut tx = p.store.in_org(org).await?;
    let Some(to_send) = posts::begin_sending(&mut tx, post, revision, p.short_link_base).await? else { return Ok(None) };
    let account = connectors::require(&mut tx, connector).await?;
    let attempts = receipts::of_post(&mut tx, post).await?;
    let media = !to_send.options.assets.is_empty();
    let rows = if to_send.has_parts {
        parts::of_post(&mut tx, post).await?
    } else {
        let planned = domain::post::parts(&to_send.content, &to_send.options, &limits(&account));
        let needed = planned.len() > 1 || media || account.platform.capabilities().stages_text;
        if needed {
            parts::make(&mut tx, post, &planned).await?;
            parts::of_post(&mut tx, post).await?
        } else {
            Vec::new()
        }
    };
    let out = rows.iter().take_while(|part| part.sent.is_some()).count();
    let next = u32::try_from(out).unwrap_or(u32::MAX);
    let of_next: Vec<&Receipt> = attempts.iter().filter(|a| a.part == next).collect();
    let open = of_next.last().is_some_and(|a| a.is_open());

    let token_stale = account.token_expires_at.is_some_and(|end| end - chrono::TimeDelta::minutes(1) <= now);
    let staged = account.platform.capabilities().stages_text || (media && next == 0);
    let barred = p.outgoing.admits(&super::account(&account)?.base_url).err().map(|what| refused_by_settings(&what));

    // A post that may be out already has to be looked for, however late it is and whatever became of its account and its files.
    let rule = lateness.within(to_send.window_seconds);
    let (late_ms, asked) = match rule.verdict(to_send.due_at, now) {
        Verdict::Publish => (None, None),
        Verdict::PublishLate { late_seconds } => (Some(milliseconds(late_seconds)), None),
        Verdict::NeedsAttention { late_seconds } => (Some(milliseconds(late_seconds)), Some(too_late(&rows, out, late_seconds))),
    };
    let asked = match (open, account.state.as_str()) {
        (true, _) => None,
        (false, "disconnected") => Some(DISCONNECTED.to_owned()),
        (false, _) if asked.is_some() => asked,
        // Where something is asked of the platform ahead of the attempt: any other post is told by the receipt of its attempt.
        (false, _) if (token_stale || staged) && barred.is_some() => barred,
        (false, _) if media && next == 0 => files::blocked(&mut tx, &to_send.options.assets, now).await?,
        (false, _) => None,
    };
    if let Some(note) = asked {
        posts::advance(&mut tx, post, &[PostStatus::Publishing], PostStatus::NeedsAttention, Some(&note)).await?;
        tx.commit().await?;
        return Ok(None);
    }
    tx.commit().await?;
    let parts = u32::try_from(rows.len()).unwrap_or(u32::MAX).max(1);
    let frozen = is_frozen(&of_next);
    Ok(Some(Begun {
        campaign_id: to_send.campaign_id,
        platform: account.platform,
        parts,
        next,
        media,
        attempts: of_next.last().map_or(0, |a| a.attempt),
        open,
        frozen,
        token_stale,
        late_ms,
        due_at: Some(to_send.due_at),
        mentions: !(frozen && next + 1 == parts) && platform::needs_ids(account.platform, &words(&to_send)),
    }))
}

/// Everything that a post says, for those who look for mentions in it.
fn words(to_send: &posts::ToSend) -> String {
    format!("{}\n{}", to_send.content, to_send.options.first_comment.as_deref().unwrap_or_default())
}

/// The ids of the accounts that a post mentions (see [`platform::mentions`]).
///
/// # Errors
/// When the database or the platform cannot answer now.
pub async fn mentions(
    p: &Publishing<'_>,
    org: OrgId,
    post: PostId,
    connector: ConnectorId,
    revision: i32,
) -> ActivityResult<BTreeMap<String, String>> {
    let mut tx = p.store.in_org(org).await?;
    let Some(to_send) = posts::begin_sending(&mut tx, post, revision, p.short_link_base).await? else {
        return Ok(BTreeMap::new());
    };
    let account = account(&connectors::require(&mut tx, connector).await?)?;
    let credentials = open_credentials(p, &mut tx, connector).await?;
    tx.commit().await?;
    platform::mentions(p.outgoing, &account, &credentials, &words(&to_send)).await
}

fn milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

fn too_late(rows: &[PostPart], out: usize, late_seconds: u64) -> String {
    let what = if out > 0 { format!("{} and the rest", out_so_far(rows)) } else { "it".to_owned() };
    format!("{what} was due {} min ago and could not be sent: publish it now, give it a new time, or cancel it", late_seconds / 60)
}

/// Which parts of a post are out, for a note.
fn out_so_far(rows: &[PostPart]) -> String {
    let out: Vec<_> = rows.iter().filter_map(|part| part.sent.as_ref()).collect();
    let places: Vec<&str> =
        out.iter().map(|sent| if sent.url.is_empty() { sent.external_id.as_str() } else { sent.url.as_str() }).collect();
    let (n, all) = (out.len(), rows.len());
    let which = if n == 1 { format!("part 1 of {all} is out") } else { format!("parts 1 to {n} of {all} are out") };
    format!("{which} ({})", places.join(", "))
}

/// A note with which parts of the post are out.
///
/// # Errors
/// When the database cannot answer.
pub async fn with_parts(tx: &mut OrgTx, post: PostId, note: &str) -> ActivityResult<String> {
    let rows = parts::of_post(tx, post).await?;
    Ok(if rows.iter().any(|part| part.sent.is_some()) { format!("{note}; {}", out_so_far(&rows)) } else { note.to_owned() })
}

/// Whether another attempt sends the bytes of an earlier one.
fn is_frozen(attempts: &[&Receipt]) -> bool {
    let refused = attempts.iter().rposition(|a| a.outcome.as_deref() == Some("rejected")).map_or(0, |at| at + 1);
    attempts.iter().skip(refused).any(|a| a.in_force)
}

/// Lets a post wait in its lane. One of which something is out, or may be, stays in sending, so that it cannot be cancelled or changed under the
/// lane's hands.
///
/// # Errors
/// When the database cannot answer.
pub async fn wait_in_lane(tx: &mut OrgTx, post: PostId, revision: i32, note: &str, by: Held) -> ActivityResult<()> {
    posts::held(tx, post, revision, by).await?;
    let begun = receipts::of_post(tx, post).await?.iter().any(|a| a.outcome.as_deref() == Some("published") || a.is_open());
    if begun { Ok(()) } else { posts::back_to_waiting(tx, post, revision, note).await }
}
