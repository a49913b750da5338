//! Decisions over posts, as they are stored. Who may decide, and in which order two decisions come, is settled before: a campaign's decisions
//! pass through its own object one by one.

use chrono::{DateTime, Utc};
use domain::{
    ids::{CampaignId, PostId, VariantId},
    policy::{Lint, Severity},
    post::PostStatus,
    schedule::ScheduleSpec,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    ActivityError, ActivityResult,
    mail::{Mail, Mailer},
    store::{
        OrgTx,
        campaigns::{self, Approval},
        posts, read_json, variants,
    },
};

/// What became of a campaign's drafts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Posts that were approved by rule.
    pub approved: Vec<PostId>,
    /// How many posts wait for a person.
    pub waiting: usize,
    /// When approved posts go out.
    pub schedule: Option<ScheduleSpec>,
}

/// Who approves where the campaign asks for `auto`.
pub const RULE: &str = "rule: no lint is an error";

/// Settles the drafts of a campaign: by rule where that was asked for and the best variant has no error; the others wait for a person. A post
/// without any variant has failed.
///
/// # Errors
/// When the database cannot answer.
pub async fn settle_drafts(tx: &mut OrgTx, id: CampaignId, decide_by: DateTime<Utc>, failure: Option<&str>) -> ActivityResult<Settled> {
    let campaign = campaigns::require(tx, id).await?;
    let mut settled = Settled { approved: Vec::new(), waiting: 0, schedule: campaign.asked.schedule.clone() };
    for post in posts::list(tx, Some(id), None, None, None, i64::MAX).await? {
        match post.status {
            PostStatus::Drafting => {}
            // This step ran before and its answer was lost: the same answer again.
            PostStatus::Approved if post.decided_by.as_deref() == Some(RULE) => {
                settled.approved.push(post.id);
                continue;
            }
            PostStatus::NeedsApproval => {
                settled.waiting += 1;
                continue;
            }
            _ => continue,
        }
        let candidates = variants::of_post(tx, post.id).await?;
        let Some(best) = best(&candidates) else {
            posts::advance(tx, post.id, &[PostStatus::Drafting], PostStatus::Failed, Some("no variant could be written")).await?;
            continue;
        };
        let (id, content) = (best.id, best.content.clone());
        let clean = !has_error(best)?;
        posts::advance(tx, post.id, &[PostStatus::Drafting], PostStatus::NeedsApproval, None).await?;
        if campaign.asked.approval == Approval::Auto && clean {
            posts::approve(tx, post.id, id, &content, RULE).await?;
            settled.approved.push(post.id);
        } else {
            settled.waiting += 1;
        }
    }
    let failure = failure.filter(|_| settled.approved.is_empty() && settled.waiting == 0);
    campaigns::generated(tx, id, (settled.waiting > 0).then_some(decide_by), failure).await?;
    Ok(settled)
}

/// The variant with the best score among those without an error, or else the best of all; of equals the first.
fn best(candidates: &[variants::Variant]) -> Option<&variants::Variant> {
    let total = |v: &variants::Variant| v.score.as_ref().and_then(|s| s.get("total")).and_then(serde_json::Value::as_f64).unwrap_or(0.0);
    let rank = |v: &variants::Variant| (!has_error(v).unwrap_or(true), total(v));
    candidates.iter().reduce(|a, b| if rank(b).partial_cmp(&rank(a)) == Some(std::cmp::Ordering::Greater) { b } else { a })
}

fn has_error(variant: &variants::Variant) -> ActivityResult<bool> {
    let lints: Vec<Lint> = read_json(variant.lints.clone())?;
    Ok(lints.iter().any(|l| l.severity == Severity::Error))
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decided", rename_all = "snake_case")]
pub enum Decided {
    /// It counts.
    Done {
        /// When the campaign's approved posts go out.
        schedule: Option<ScheduleSpec>,
        /// Whether it was the last one that people were asked for.
        last: bool,
    },
    /// Somebody was faster, or the post does not wait for a decision.
    Before {
        /// What the post is.
        status: PostStatus,
        /// Who decided.
        by: Option<String>,
        /// When; absent from journals that were written before it was kept.
        #[serde(default)]
        at: Option<DateTime<Utc>>,
    },
}

/// Approves a variant, in the words of `content` if it was edited. Edited words are judged anew, and the verdict is stored with them: a person may
/// decide against a rule of the brand, but not for what no platform takes and nobody means to send.
///
/// # Errors
/// [`ActivityError::NotFound`] when the variant is not one of the post's; [`ActivityError::Rejected`] when the words are empty, too long for the
/// platform, or hold an unfilled template mark, or the platform does not take what the post has beside them.
pub async fn approve(tx: &mut OrgTx, post: PostId, variant: VariantId, content: Option<&str>, by: &str) -> ActivityResult<Decided> {
    let mut chosen = variants::get(tx, variant)
        .await?
        .filter(|v| v.post_id == post)
        .ok_or_else(|| ActivityError::not_found(format_args!("the post {post} has no variant {variant}")))?;
    let edited = content.filter(|words| *words != chosen.content);
    let words = edited.map_or_else(|| chosen.content.clone(), ToOwned::to_owned);
    let done = posts::approve(tx, post, variant, &words, by).await?;
    if done && edited.is_some() {
        chosen.hashtags.retain(|tag| words.contains(&format!("#{}", tag.trim_start_matches('#'))));
        if let Some(links) = chosen.links.as_array_mut() {
            links.retain(|link| {
                ["short_url", "url"].iter().any(|f| link.get(f).and_then(|v| v.as_str()).is_some_and(|url| words.contains(url)))
            });
        }
        chosen.content = words;
        chosen = crate::drafting::score_variant(tx, chosen).await?;
    }
    if done {
        let lints = crate::drafting::lints_of(&chosen)?;
        if let Some(lint) = lints.iter().find(|l| l.severity == Severity::Error && l.rule.forbids_sending()) {
            return Err(ActivityError::rejected(format_args!("content-refused: {}", lint.message)));
        }
    }
    outcome(tx, post, done).await
}

/// Decides against a post.
///
/// # Errors
/// [`ActivityError::NotFound`] when there is no such post.
pub async fn reject(tx: &mut OrgTx, post: PostId, reason: &str, by: &str) -> ActivityResult<Decided> {
    let done = posts::reject(tx, post, reason, by).await?;
    outcome(tx, post, done).await
}

async fn outcome(tx: &mut OrgTx, post: PostId, done: bool) -> ActivityResult<Decided> {
    let stored = posts::require(tx, post).await?;
    if done {
        let campaign = campaigns::require(tx, stored.campaign_id).await?;
        // A plan that a person made for this post outlives a voided approval; the campaign's is for posts that never had one.
        let last = campaigns::is_decided(tx, stored.campaign_id).await?;
        return Ok(Decided::Done { schedule: stored.schedule.or(campaign.asked.schedule), last });
    }
    Ok(Decided::Before { status: stored.status, by: stored.decided_by, at: stored.decided_at })
}

/// What a reminder says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// Whom it goes to.
    pub to: Vec<String>,
    /// The campaign's name.
    pub campaign: String,
    /// How many posts wait.
    pub waiting: usize,
    /// Until when they can be decided on.
    pub decide_by: Option<DateTime<Utc>>,
}

/// What there is to remind people of; `None` when nothing waits or nobody can be reached.
///
/// # Errors
/// When the database cannot answer.
pub async fn reminder(tx: &mut OrgTx, id: CampaignId) -> ActivityResult<Option<Reminder>> {
    let campaign = campaigns::require(tx, id).await?;
    let waiting = posts::list(tx, Some(id), Some(PostStatus::NeedsApproval), None, None, i64::MAX).await?.len();
    let to = sqlx::query_scalar!("SELECT email FROM users WHERE role IN ('owner', 'admin', 'reviewer') ORDER BY email")
        .fetch_all(tx.conn())
        .await
        .map_err(crate::store::classify)?;
    Ok((waiting > 0 && !to.is_empty()).then_some(Reminder { to, campaign: campaign.asked.name, waiting, decide_by: campaign.decide_by }))
}

/// Reminds one person. The Message-ID follows from the campaign, the reminder's `invocation` and the address: a repeated attempt is the same mail, and a
/// second reminder, after an approval was voided, is another one, which a mailbox does not take for the first.
///
/// # Errors
/// As [`Mailer::send`].
pub async fn mail_reminder(
    mailer: &Mailer,
    id: CampaignId,
    invocation: &str,
    to: &str,
    reminder: &Reminder,
    date: DateTime<Utc>,
) -> ActivityResult<()> {
    mailer.send(&reminder_mail(mailer.domain(), id, invocation, to, reminder, date)).await
}

fn reminder_mail(domain: &str, id: CampaignId, invocation: &str, to: &str, reminder: &Reminder, date: DateTime<Utc>) -> Mail {
    let Reminder { campaign, waiting, decide_by, .. } = reminder;
    let posts = if *waiting == 1 { "1 post waits".to_owned() } else { format!("{waiting} posts wait") };
    let until =
        decide_by.map(|at| format!(" Without one by {}, nothing of it goes out.", at.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
    let text = format!("{posts} for a decision in the campaign “{campaign}” ({id}).{until}\n");
    let html = format!("<p>{}</p>", text.trim_end().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    let which = Sha256::digest(format!("{invocation} {}", to.to_lowercase()));
    let which: String = which.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Mail {
        to: to.to_owned(),
        subject: format!("{posts} for a decision: {campaign}"),
        text,
        html,
        message_id: format!("<reminder.{id}.{which}@{domain}>"),
        date,
        unsubscribe: None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_reminder_is_the_same_mail_every_time_and_another_for_everybody() {
        let id = CampaignId::from_uuid(Uuid::from_u128(7));
        let at = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let reminder = Reminder { to: Vec::new(), campaign: "Winter <b>".to_owned(), waiting: 2, decide_by: Some(at) };
        let nth = |invocation: &str, to: &str| reminder_mail("press.example", id, invocation, to, &reminder, at);
        let mail = |to: &str| nth("inv_1", to);
        assert_eq!(mail("Ann@x.example"), mail("Ann@x.example"));
        assert_ne!(mail("ann@x.example").message_id, nth("inv_2", "ann@x.example").message_id, "a second reminder is another mail");
        assert_ne!(mail("ann@x.example").message_id, mail("bob@x.example").message_id);
        assert!(mail("a@x.example").html.contains("Winter &lt;b&gt;"), "{}", mail("a@x.example").html);
        assert_eq!(mail("a@x.example").subject, "2 posts wait for a decision: Winter <b>");
    }
}
