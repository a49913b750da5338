//! Arming and sending an attempt, and noting that a part is out.

use std::collections::BTreeMap;

use domain::{
    ids::{ConnectorId, PostId, ReceiptId},
    publication::{Frozen, REFUSED_BY_SETTINGS, Sent, Submission, intent},
};

use super::{
    Attempt, Publishing,
    accounts::{account, open_credentials},
    files::hide,
    finding::locate,
    material::{Material, company, material},
};
use crate::{
    ActivityError, ActivityResult,
    platform::{self, MediaFile, RateBudget, Sending},
    store::{OrgTx, connectors, parts, posts, receipts},
};

/// Freezes the part, unless an earlier attempt did (then whatever `mentions` says by now), and stores the intent to send it.
///
/// # Errors
/// When the database cannot answer, or the part cannot be made into a request of its platform.
pub async fn arm(p: &Publishing<'_>, a: Attempt, mentions: BTreeMap<String, String>) -> ActivityResult<()> {
    let mut tx = p.store.in_org(a.org).await?;
    let Material { account, mut part, staged, approved_hash, .. } = material(p, &mut tx, &a).await?;
    part.mentions = mentions;
    let frozen = platform::freeze(&account, &part, &staged, intent(a.post.uuid(), a.part))?;
    let intent = receipts::Intent {
        id: receipt(a.post, a.part, a.number),
        post: a.post,
        connector: a.connector,
        part: a.part,
        kind: part.kind,
        parts: a.parts,
        attempt: a.number,
        approved_hash: &approved_hash,
    };
    receipts::arm(&mut tx, &intent, &frozen).await?;
    tx.commit().await
}

/// Sends the armed attempt, once. From the moment of the claim every outcome is a value; an error means that no byte was sent.
///
/// Called a second time for the same attempt (its process died, or the engine did not hear of the answer), it sends nothing: it answers what the
/// receipt says, or that the outcome is unknown.
///
/// # Errors
/// When the database or the key ring fails before the claim.
pub async fn submit(p: &Publishing<'_>, a: Attempt) -> ActivityResult<Submission> {
    let id = receipt(a.post, a.part, a.number);
    let mut tx = p.store.in_org(a.org).await?;
    let row = connectors::require(&mut tx, a.connector).await?;
    let account = account(&row)?;
    let credentials = match open_credentials(p, &mut tx, a.connector).await {
        Err(ActivityError::CredentialsExpired { what }) => return end_unsent(tx, id, Submission::CredentialsExpired { what }).await,
        other => other?,
    };
    // Before the claim: should the process die now, nobody has to wonder whether it was sent.
    if let Err(what) = p.outgoing.admits(&account.base_url) {
        return end_unsent(tx, id, Submission::RefusedBySettings { what }).await;
    }
    let frozen = receipts::frozen(&mut tx, id).await?;
    let (staged, files) = company(p, &mut tx, &a, &account).await?;
    if !receipts::claim(&mut tx, id).await? {
        return Ok(remembered(receipts::outcome(&mut tx, id).await?));
    }
    tx.commit().await?;

    let sending = Sending { frozen: &frozen, staged: &staged, files: &files };
    let mut answered =
        platform::submit(p.outgoing, &account, &credentials, sending).await.map(|submission| without_addresses(submission, &files));
    // The remote id is kept before anything else happens. If the database is away right now, the journal has it, and the next step stores it.
    let _ = note(p, &a, id, &answered.value, answered.budget.as_ref()).await;
    if let Submission::Published(sent) | Submission::Duplicate(sent) = &mut answered.value {
        locate(p, &account, &credentials, sent).await;
    }
    Ok(answered.value)
}

/// Ends an attempt of which nothing is sent. One that was claimed before is left as it is, and looked up.
async fn end_unsent(mut tx: OrgTx, id: ReceiptId, why: Submission) -> ActivityResult<Submission> {
    let receipt = receipts::outcome(&mut tx, id).await?;
    if receipt.sent_at.is_some() || receipt.outcome.is_some() {
        return Ok(remembered(receipt));
    }
    receipts::settle(&mut tx, id, &outcome_of(&why)).await?;
    tx.commit().await?;
    Ok(why)
}

/// Nothing that goes into a journal tells where a file can be fetched.
fn without_addresses(mut submission: Submission, files: &[MediaFile]) -> Submission {
    match &mut submission {
        Submission::Rejected { what }
        | Submission::CredentialsExpired { what }
        | Submission::NotSent { what }
        | Submission::RefusedBySettings { what }
        | Submission::Repeated { what }
        | Submission::Unknown { what } => *what = hide(files, what),
        Submission::Published(_) | Submission::Duplicate(_) | Submission::RateLimited { .. } => {}
    }
    submission
}

async fn note(p: &Publishing<'_>, a: &Attempt, id: ReceiptId, submission: &Submission, budget: Option<&RateBudget>) -> ActivityResult<()> {
    let mut tx = p.store.in_org(a.org).await?;
    receipts::settle(&mut tx, id, &outcome_of(submission)).await?;
    note_budget(&mut tx, a.connector, budget).await?;
    tx.commit().await
}

/// Keeps what a platform said it still allows.
pub(super) async fn note_budget(tx: &mut OrgTx, connector: ConnectorId, budget: Option<&RateBudget>) -> ActivityResult<()> {
    let Some(budget) = budget else { return Ok(()) };
    let value = serde_json::to_value(budget).map_err(|e| ActivityError::rejected(format_args!("a rate budget cannot be stored: {e}")))?;
    connectors::set_budget(tx, connector, &value).await
}

/// Notes that a part is on its platform: in its receipt, in its row where it has one, and in the post's. With the last part the post is published.
///
/// # Errors
/// When the database cannot answer.
pub async fn record_published(tx: &mut OrgTx, a: Attempt, sent: &Sent, how: &str, late_ms: Option<i64>) -> ActivityResult<()> {
    receipts::settle(tx, receipt(a.post, a.part, a.number), &receipts::Outcome::published(sent, how)).await?;
    if a.has_rows() {
        parts::published(tx, a.post, a.part, sent).await?;
    }
    let url = Some(sent.url.as_str()).filter(|url| !url.is_empty());
    if a.part + 1 < a.parts {
        return if a.part == 0 { posts::started(tx, a.post, &sent.external_id, url).await } else { Ok(()) };
    }
    // The post is where its first part is.
    let first = if a.part == 0 { None } else { parts::of_post(tx, a.post).await?.into_iter().next().and_then(|part| part.sent) };
    let first = first.as_ref().unwrap_or(sent);
    let facts = posts::Published {
        external_id: first.external_id.clone(),
        url: Some(first.url.clone()).filter(|url| !url.is_empty()),
        resolved_by: how.to_owned(),
        late_ms,
    };
    posts::published(tx, a.post, &facts).await
}

/// The receipt of an attempt has an id of its own making: a repeated step writes the same row.
#[must_use]
pub fn receipt(post: PostId, part: u32, number: i32) -> ReceiptId {
    let name = if part == 0 { format!("attempt {number}") } else { format!("part {part} attempt {number}") };
    ReceiptId::derived(post.uuid(), &name)
}

/// The frozen part of an attempt, for those who compare receipts with what a platform got.
///
/// # Errors
/// When there is no such attempt.
pub async fn frozen(tx: &mut OrgTx, post: PostId, part: u32, number: i32) -> ActivityResult<Frozen> {
    receipts::frozen(tx, receipt(post, part, number)).await
}

fn outcome_of(submission: &Submission) -> receipts::Outcome {
    let what = match submission {
        Submission::Published(sent) => return receipts::Outcome::published(sent, "answer"),
        Submission::Duplicate(sent) => return receipts::Outcome::published(sent, "duplicate"),
        Submission::Rejected { what }
        | Submission::CredentialsExpired { what }
        | Submission::NotSent { what }
        | Submission::RefusedBySettings { what }
        | Submission::Repeated { what }
        | Submission::Unknown { what } => what.clone(),
        Submission::RateLimited { retry_after_ms } => format!("the platform asks to wait {retry_after_ms} ms"),
    };
    receipts::Outcome { what: Some(what), ..receipts::Outcome::named(submission.name()) }
}

/// What a receipt says of an attempt that somebody else, or this process before it was repeated, has claimed.
fn remembered(row: receipts::Receipt) -> Submission {
    let what = row.what.unwrap_or_else(|| "the process that was sending ended before it could tell".to_owned());
    match (row.outcome.as_deref(), row.external_id) {
        (Some("published"), Some(external_id)) => {
            let sent = Sent { external_id, url: row.url.unwrap_or_default(), cid: row.cid };
            if row.resolved_by.as_deref() == Some("duplicate") { Submission::Duplicate(sent) } else { Submission::Published(sent) }
        }
        (Some("rejected"), _) => Submission::Rejected { what },
        (Some("rate_limited"), _) => Submission::RateLimited { retry_after_ms: 1_000 },
        (Some("credentials_expired"), _) => Submission::CredentialsExpired { what },
        (Some("not_sent"), _) => Submission::NotSent { what },
        (Some(REFUSED_BY_SETTINGS), _) => Submission::RefusedBySettings { what },
        _ => Submission::Unknown { what },
    }
}
