//! The effects of the send-once protocol, one function each. The order in which they happen, and what is tried again, is the lane's business
//! (`workflows::connector`).
//!
//! A frozen post, a credential or a whole account never passes through the journal: each function reads what it needs from the database inside
//! its own step.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    ids::{CampaignId, ConnectorId, OrgId, PostId, ReceiptId},
    platform::{Platform, StepNames},
    post::PostStatus,
    publication::{Frozen, Part, Resolution, Sent, Submission, intent},
    schedule::{LatenessRule, lateness::Verdict},
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    ActivityError, ActivityResult,
    http::Outgoing,
    platform::{self, Account, Credentials, Limits, RateBudget, Sending, Staged, Window},
    store::{OrgTx, Store, connectors, posts, receipts},
    vault::{Sealed, Vault},
};

/// What publishing needs of the outside world.
#[derive(Clone, Copy)]
pub struct Publishing<'a> {
    /// The database.
    pub store: &'a Store,
    /// The key ring.
    pub vault: &'a Vault,
    /// Checked HTTP.
    pub outgoing: &'a Outgoing,
    /// What short links begin with.
    pub short_link_base: &'a str,
}

/// A post that the lane has taken up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The campaign that it belongs to.
    pub campaign_id: CampaignId,
    /// The platform that it goes to.
    pub platform: Platform,
    /// How many attempts there were before.
    pub attempts: i32,
    /// Whether the last of them may have been sent and its outcome is not known.
    pub open: bool,
    /// Whether the account's token has ended or is about to.
    pub token_stale: bool,
    /// How late it is, in milliseconds, where the lateness rule says to tell.
    pub late_ms: Option<i64>,
    /// Whether it mentions accounts whose ids are to be found before it is frozen.
    #[serde(default)]
    pub mentions: bool,
}

impl Begun {
    /// What the steps of this post are called: people see in the tree where it went.
    #[must_use]
    pub fn steps(&self) -> &'static StepNames {
        &self.platform.capabilities().steps
    }
}

/// The note of a post whose account was disconnected before it was sent.
pub const DISCONNECTED: &str = "its account is disconnected: connect it again and give the post a new time, or cancel it";

/// Lets a post that waited in the lane of an account that is disconnected now ask for attention, unless its plan was changed since.
///
/// # Errors
/// When the database cannot answer.
pub async fn strand(tx: &mut OrgTx, post: PostId, revision: i32) -> ActivityResult<()> {
    if posts::get(tx, post).await?.is_some_and(|p| p.revision == revision) {
        let from = [PostStatus::Scheduled, PostStatus::Publishing];
        posts::advance(tx, post, &from, PostStatus::NeedsAttention, Some(DISCONNECTED)).await?;
    }
    Ok(())
}

/// Takes up a post whose time has come. `None`: its plan was changed, it was stopped, or it is too late and a person is asked.
///
/// # Errors
/// [`ActivityError::Rejected`] when its text was changed after its approval.
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
    let open = attempts.last().is_some_and(|a| a.sent_at.is_some() && matches!(a.outcome.as_deref(), None | Some("unknown")));
    if account.state == "disconnected" && !open {
        posts::advance(&mut tx, post, &[PostStatus::Publishing], PostStatus::NeedsAttention, Some(DISCONNECTED)).await?;
        tx.commit().await?;
        return Ok(None);
    }
    let late_ms = match lateness.verdict(to_send.due_at, now) {
        Verdict::Publish => None,
        Verdict::PublishLate { late_seconds } => Some(i64::try_from(late_seconds.saturating_mul(1000)).unwrap_or(i64::MAX)),
        // A post that may be out already has to be looked for, however late it is.
        Verdict::NeedsAttention { late_seconds } if open => Some(i64::try_from(late_seconds.saturating_mul(1000)).unwrap_or(i64::MAX)),
        Verdict::NeedsAttention { late_seconds } => {
            let note =
                format!("it was due {} min ago and could not be sent: publish it now, give it a new time, or cancel it", late_seconds / 60);
            posts::advance(&mut tx, post, &[PostStatus::Publishing], PostStatus::NeedsAttention, Some(&note)).await?;
            tx.commit().await?;
            return Ok(None);
        }
    };
    tx.commit().await?;
    Ok(Some(Begun {
        campaign_id: to_send.campaign_id,
        platform: account.platform,
        attempts: attempts.last().map_or(0, |a| a.attempt),
        open,
        token_stale: account.token_expires_at.is_some_and(|end| end - chrono::TimeDelta::minutes(1) <= now),
        late_ms,
        mentions: attempts.is_empty() && platform::needs_ids(account.platform, &to_send.content),
    }))
}

/// The ids of the accounts that a post mentions (see [`platform::mentions`]).
///
/// # Errors
/// When the database or the platform cannot answer now.
pub async fn mentions(p: &Publishing<'_>, org: OrgId, post: PostId, connector: ConnectorId) -> ActivityResult<BTreeMap<String, String>> {
    let mut tx = p.store.in_org(org).await?;
    let stored = posts::require(&mut tx, post).await?;
    let Some(to_send) = posts::begin_sending(&mut tx, post, stored.revision, p.short_link_base).await? else {
        return Ok(BTreeMap::new());
    };
    let account = account(&connectors::require(&mut tx, connector).await?)?;
    let credentials = open_credentials(p, &mut tx, connector).await?;
    tx.commit().await?;
    platform::mentions(p.outgoing, &account, &credentials, &to_send.content).await
}

/// Freezes the post, unless an earlier attempt did (then whatever `mentions` says by now), and stores the intent to send it as attempt `attempt`.
///
/// # Errors
/// When the database cannot answer, or the post cannot be made into a request of its platform.
pub async fn arm(
    p: &Publishing<'_>,
    org: OrgId,
    post: PostId,
    connector: ConnectorId,
    attempt: i32,
    mentions: BTreeMap<String, String>,
) -> ActivityResult<()> {
    let mut tx = p.store.in_org(org).await?;
    let stored = posts::require(&mut tx, post).await?;
    let to_send = posts::begin_sending(&mut tx, post, stored.revision, p.short_link_base)
        .await?
        .ok_or_else(|| ActivityError::rejected("the post was stopped"))?;
    let account = account(&connectors::require(&mut tx, connector).await?)?;
    let part =
        Part { unique_link: to_send.unique_link, mentions, ..Part::new(to_send.content, to_send.language, to_send.due_at, Utc::now()) };
    let frozen = platform::freeze(&account, &part, &Staged::NOTHING, intent(post.uuid(), 0))?;
    receipts::arm(&mut tx, receipt(post, attempt), post, connector, attempt, &frozen).await?;
    tx.commit().await
}

/// Sends the armed attempt, once. From the moment of the claim every outcome is a value; an error means that no byte was sent.
///
/// Called a second time for the same attempt (its process died, or the engine did not hear of the answer), it sends nothing: it answers what the
/// receipt says, or that the outcome is unknown.
///
/// # Errors
/// When the database or the key ring fails before the claim.
pub async fn submit(p: &Publishing<'_>, org: OrgId, post: PostId, connector: ConnectorId, attempt: i32) -> ActivityResult<Submission> {
    let id = receipt(post, attempt);
    let mut tx = p.store.in_org(org).await?;
    let row = connectors::require(&mut tx, connector).await?;
    let account = account(&row)?;
    let credentials = match open_credentials(p, &mut tx, connector).await {
        Err(ActivityError::CredentialsExpired { what }) => {
            // Nothing is sent: the attempt ends here. One that was claimed before is left as it is, and looked up.
            if receipts::outcome(&mut tx, id).await?.sent_at.is_some() {
                return Ok(remembered(receipts::outcome(&mut tx, id).await?));
            }
            let expired = Submission::CredentialsExpired { what };
            receipts::settle(&mut tx, id, &outcome_of(&expired)).await?;
            tx.commit().await?;
            return Ok(expired);
        }
        other => other?,
    };
    let frozen = receipts::frozen(&mut tx, id).await?;
    if !receipts::claim(&mut tx, id).await? {
        return Ok(remembered(receipts::outcome(&mut tx, id).await?));
    }
    tx.commit().await?;

    let answered = platform::submit(p.outgoing, &account, &credentials, Sending::text(&frozen)).await;
    // The remote id is kept before anything else happens. If the database is away right now, the journal has it, and the next step stores it.
    let _ = note(p, org, id, connector, &answered.value, answered.budget.as_ref()).await;
    Ok(answered.value)
}

async fn note(
    p: &Publishing<'_>,
    org: OrgId,
    id: ReceiptId,
    connector: ConnectorId,
    submission: &Submission,
    budget: Option<&RateBudget>,
) -> ActivityResult<()> {
    let mut tx = p.store.in_org(org).await?;
    receipts::settle(&mut tx, id, &outcome_of(submission)).await?;
    if let Some(budget) = budget {
        let value =
            serde_json::to_value(budget).map_err(|e| ActivityError::rejected(format_args!("a rate budget cannot be stored: {e}")))?;
        connectors::set_budget(&mut tx, connector, &value).await?;
    }
    tx.commit().await
}

/// What one look-up says, and whether the bytes may be sent again on its word alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookedUp {
    /// What it says.
    pub resolution: Resolution,
    /// Whether the platform's own key makes a repetition harmless now.
    pub may_resend: bool,
}

/// Looks once whether the post of `attempt` is on its platform, and notes what was seen.
///
/// # Errors
/// When the look-up itself fails; that says nothing about the post.
pub async fn look_up(p: &Publishing<'_>, org: OrgId, post: PostId, connector: ConnectorId, attempt: i32) -> ActivityResult<LookedUp> {
    let id = receipt(post, attempt);
    let mut tx = p.store.in_org(org).await?;
    let account = account(&connectors::require(&mut tx, connector).await?)?;
    let credentials = open_credentials(p, &mut tx, connector).await?;
    let frozen = receipts::frozen(&mut tx, id).await?;
    let now = Utc::now();
    let first_sent_at = receipts::first_sent_at(&mut tx, post).await?.unwrap_or(now);
    let known_external_ids = receipts::published_ids(&mut tx, connector, post, first_sent_at - chrono::TimeDelta::hours(1)).await?;
    tx.commit().await?;

    let window = Window { first_sent_at, known_external_ids };
    let resolution = platform::resolve(p.outgoing, &account, &credentials, Sending::text(&frozen), &window).await?.value;
    let may_resend = frozen.can_resend(first_sent_at, now);

    let mut tx = p.store.in_org(org).await?;
    let outcome = match &resolution {
        Resolution::Found { sent, .. } => receipts::Outcome::published(sent, "lookup"),
        Resolution::Absent { .. } if may_resend => receipts::Outcome::named("absent"),
        Resolution::Absent { .. } | Resolution::Unknown { .. } => receipts::Outcome::named("unknown"),
    };
    let evidence = serde_json::json!({ "looked_at": now, "saw": resolution.name(), "evidence": resolution.evidence() });
    receipts::settle(&mut tx, id, &receipts::Outcome { evidence: Some(evidence), ..outcome }).await?;
    tx.commit().await?;
    Ok(LookedUp { resolution, may_resend })
}

/// Notes that a whole settling window found nothing: the attempt did not arrive.
///
/// # Errors
/// When the database cannot answer.
pub async fn record_absent(tx: &mut OrgTx, post: PostId, attempt: i32) -> ActivityResult<()> {
    receipts::settle(tx, receipt(post, attempt), &receipts::Outcome::named("absent")).await
}

/// Notes that the post is on its platform, in its receipt and in its row.
///
/// # Errors
/// When the database cannot answer.
pub async fn record_published(
    tx: &mut OrgTx,
    post: PostId,
    attempt: i32,
    sent: &Sent,
    how: &str,
    late_ms: Option<i64>,
) -> ActivityResult<()> {
    receipts::settle(tx, receipt(post, attempt), &receipts::Outcome::published(sent, how)).await?;
    let facts = posts::Published {
        external_id: sent.external_id.clone(),
        url: Some(sent.url.clone()).filter(|url| !url.is_empty()),
        resolved_by: how.to_owned(),
        late_ms,
    };
    posts::published(tx, post, &facts).await
}

/// Lets a post wait in its lane. One that may have been sent stays in sending, so that it cannot be cancelled under the look-up's hands.
///
/// # Errors
/// When the database cannot answer.
pub async fn wait_in_lane(tx: &mut OrgTx, post: PostId, revision: i32, note: &str) -> ActivityResult<()> {
    let open = receipts::of_post(tx, post)
        .await?
        .last()
        .is_some_and(|a| a.sent_at.is_some() && matches!(a.outcome.as_deref(), None | Some("unknown")));
    if open { Ok(()) } else { posts::back_to_waiting(tx, post, revision, note).await }
}

/// Renews the account's token and stores it, sealed.
///
/// # Errors
/// [`ActivityError::CredentialsExpired`] when a person has to reconnect.
pub async fn refresh(p: &Publishing<'_>, org: OrgId, id: ConnectorId) -> ActivityResult<()> {
    let mut tx = p.store.in_org(org).await?;
    let account = account(&connectors::require(&mut tx, id).await?)?;
    let credentials = open_credentials(p, &mut tx, id).await?;
    tx.commit().await?;
    let fresh = platform::refresh(p.outgoing, &account, &credentials).await?;
    let mut tx = p.store.in_org(org).await?;
    let sealed = seal_credentials(p.vault, &tx, id, &fresh)?;
    connectors::refreshed(&mut tx, id, sealed.as_bytes(), fresh.expires_at()).await?;
    tx.commit().await
}

/// Looks whether the account works.
///
/// # Errors
/// [`ActivityError::CredentialsExpired`] when a person has to reconnect.
pub async fn check(p: &Publishing<'_>, org: OrgId, id: ConnectorId) -> ActivityResult<()> {
    let mut tx = p.store.in_org(org).await?;
    let account = account(&connectors::require(&mut tx, id).await?)?;
    let credentials = open_credentials(p, &mut tx, id).await?;
    tx.commit().await?;
    platform::check(p.outgoing, &account, &credentials).await.map(|_| ())
}

/// The platform's counters of a post.
///
/// # Errors
/// [`ActivityError::NotFound`] when the post is gone from the platform.
pub async fn read_counters(
    p: &Publishing<'_>,
    org: OrgId,
    id: ConnectorId,
    external_id: &str,
) -> ActivityResult<domain::metrics::Counters> {
    let mut tx = p.store.in_org(org).await?;
    let account = account(&connectors::require(&mut tx, id).await?)?;
    let credentials = open_credentials(p, &mut tx, id).await?;
    tx.commit().await?;
    Ok(platform::metrics(p.outgoing, &account, &credentials, external_id).await?.value)
}

/// What follows from a person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "next", rename_all = "snake_case")]
pub enum Resolved {
    /// It is on its platform.
    Published {
        /// The campaign that it belongs to.
        campaign_id: CampaignId,
        /// Whether its id there is known, so that its counters can be read.
        measurable: bool,
    },
    /// It is to be sent now, under this plan.
    SendAgain {
        /// The account it goes out by.
        connector_id: ConnectorId,
        /// The plan.
        revision: i32,
    },
    /// It asked nothing.
    NotAsked {
        /// What it is instead.
        status: PostStatus,
    },
}

/// Takes a person's word on a post that needs attention: `found` is its id on the platform (perhaps empty), or it is not there.
///
/// # Errors
/// When the database cannot answer.
pub async fn resolve_by_person(
    tx: &mut OrgTx,
    post: PostId,
    found: Option<&str>,
    by: &str,
    now: DateTime<Utc>,
) -> ActivityResult<Resolved> {
    let stored = posts::require(tx, post).await?;
    let last = receipts::of_post(tx, post).await?.last().map_or(0, |a| a.attempt);
    match (stored.status, found) {
        (PostStatus::Published, Some(external_id)) if stored.resolved_by.as_deref() == Some(by) => {
            Ok(Resolved::Published { campaign_id: stored.campaign_id, measurable: !external_id.is_empty() })
        }
        (PostStatus::NeedsAttention, Some(external_id)) => {
            let sent = Sent { external_id: external_id.to_owned(), url: String::new(), cid: None };
            record_published(tx, post, last, &sent, by, None).await?;
            Ok(Resolved::Published { campaign_id: stored.campaign_id, measurable: !external_id.is_empty() })
        }
        (PostStatus::NeedsAttention, None) => {
            if last > 0 {
                let absent = receipts::Outcome { resolved_by: Some(by.to_owned()), ..receipts::Outcome::named("absent") };
                receipts::settle(tx, receipt(post, last), &absent).await?;
            }
            let revision = posts::send_now(tx, post, now).await?;
            Ok(Resolved::SendAgain { connector_id: stored.connector_id, revision })
        }
        // The step was repeated after its commit: the answer was taken before.
        (PostStatus::Scheduled, None) if stored.note.as_deref() == Some(posts::SENT_BY_PERSON) => {
            Ok(Resolved::SendAgain { connector_id: stored.connector_id, revision: stored.revision })
        }
        (status, _) => Ok(Resolved::NotAsked { status }),
    }
}

/// The receipt of a post's attempt has an id of its own making: a repeated step writes the same row.
#[must_use]
pub fn receipt(post: PostId, attempt: i32) -> ReceiptId {
    ReceiptId::derived(post.uuid(), &format!("attempt {attempt}"))
}

/// Seals an account's credentials for its row.
///
/// # Errors
/// When the cipher fails.
pub fn seal_credentials(vault: &Vault, tx: &OrgTx, id: ConnectorId, credentials: &Credentials) -> ActivityResult<Sealed> {
    use secrecy::ExposeSecret as _;
    Ok(vault.seal(&connectors::seal_context(tx, id), credentials.to_plaintext()?.expose_secret().as_bytes())?)
}

async fn open_credentials(p: &Publishing<'_>, tx: &mut OrgTx, id: ConnectorId) -> ActivityResult<Credentials> {
    use secrecy::ExposeSecret as _;
    let sealed = Sealed::from_bytes(connectors::sealed_credentials(tx, id).await?);
    let text = p.vault.open_text(&connectors::seal_context(tx, id), &sealed)?;
    Credentials::from_plaintext(text.expose_secret())
}

/// An account as the platforms' code takes it.
///
/// # Errors
/// When its stored address is not one.
pub fn account(row: &connectors::Connector) -> ActivityResult<Account> {
    Ok(Account {
        platform: row.platform,
        base_url: Url::parse(&row.base_url)
            .map_err(|e| ActivityError::rejected(format_args!("the account's server address is not one: {e}")))?,
        handle: row.handle.clone(),
        remote_id: row.remote_id.clone(),
        software: row.software.clone(),
        limits: Limits { max_characters: row.max_characters.and_then(|n| u32::try_from(n).ok()), ..Limits::default() },
    })
}

fn outcome_of(submission: &Submission) -> receipts::Outcome {
    let what = match submission {
        Submission::Published(sent) => return receipts::Outcome::published(sent, "answer"),
        Submission::Rejected { what }
        | Submission::CredentialsExpired { what }
        | Submission::NotSent { what }
        | Submission::Unknown { what } => what.clone(),
        Submission::RateLimited { retry_after_ms } => format!("the platform asks to wait {retry_after_ms} ms"),
    };
    receipts::Outcome { what: Some(what), ..receipts::Outcome::named(submission.name()) }
}

/// What a receipt says of an attempt that somebody else, or this process before it was repeated, has claimed.
fn remembered(row: receipts::Receipt) -> Submission {
    let what = row.what.unwrap_or_else(|| "the process that was sending ended before it could tell".to_owned());
    match (row.outcome.as_deref(), row.external_id) {
        (Some("published"), Some(external_id)) => Submission::Published(Sent { external_id, url: row.url.unwrap_or_default(), cid: None }),
        (Some("rejected"), _) => Submission::Rejected { what },
        (Some("rate_limited"), _) => Submission::RateLimited { retry_after_ms: 1_000 },
        (Some("credentials_expired"), _) => Submission::CredentialsExpired { what },
        (Some("not_sent"), _) => Submission::NotSent { what },
        _ => Submission::Unknown { what },
    }
}

/// The frozen post of an attempt, for those who compare receipts with what a platform got.
///
/// # Errors
/// When there is no such attempt.
pub async fn frozen(tx: &mut OrgTx, post: PostId, attempt: i32) -> ActivityResult<Frozen> {
    receipts::frozen(tx, receipt(post, attempt)).await
}
