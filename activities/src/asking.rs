//! One question to a language model on an org's account: its budget before, the text while it is written, the tokens afterwards.

use std::time::Duration;

use domain::ids::{CampaignId, OrgId, PostId, UsageId, VariantId};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use crate::{
    ActivityResult,
    model::{Completed, CompletionRequest, Models, Progress, Purpose},
    store::{
        Store,
        drafts::{self, DraftDelta},
        usage::{self, Usage},
    },
};

/// What a model wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The text, never empty.
    pub text: String,
    /// The model that wrote it, as it calls itself.
    pub model: String,
}

/// Whose text it is that watchers see growing.
#[derive(Debug, Clone, Copy)]
pub struct ShownAs {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// The post.
    pub post_id: PostId,
    /// The variant.
    pub variant_id: VariantId,
}

/// The pause between two notifications of one text.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks the models once, in their order. The tokens are counted under `usage`; where `shown` is given, the text is passed on while it grows.
///
/// # Errors
/// [`crate::ActivityError::Rejected`] when the org has no tokens left; else as [`Models::complete`].
pub async fn ask(
    store: &Store,
    models: &Models,
    org: OrgId,
    usage: UsageId,
    request: &CompletionRequest,
    shown: Option<ShownAs>,
) -> ActivityResult<Written> {
    usage::check_budget(&mut store.in_org(org).await?).await?;
    let answer = match shown {
        Some(shown) => {
            let (pieces, growing) = mpsc::unbounded_channel();
            let asking = async move {
                let mut on_progress = |progress: Progress<'_>| {
                    // Nobody listens any more: no reason to stop writing.
                    let _ = pieces.send(match progress {
                        Progress::Started { .. } => None,
                        Progress::Text(text) => Some(text.to_owned()),
                    });
                };
                models.complete(request, &mut on_progress).await
            };
            tokio::join!(asking, show(store, org, shown, growing)).0?
        }
        None => models.complete(request, &mut |_| {}).await?,
    };
    count(store, org, &[(usage, request.purpose, &answer)]).await?;
    Ok(answer.into())
}

/// Asks several questions at once, once each. The budget is looked at before all of them, and the tokens of all are counted together: questions that
/// are asked in one breath are one matter to the database.
///
/// # Errors
/// [`crate::ActivityError::Rejected`] when the org has no tokens left; else when the database cannot answer. What became of a question is its own.
pub async fn ask_all(
    store: &Store,
    models: &Models,
    org: OrgId,
    questions: &[(UsageId, CompletionRequest)],
) -> ActivityResult<Vec<ActivityResult<Written>>> {
    usage::check_budget(&mut store.in_org(org).await?).await?;
    let ask = |(_, request): &'_ (UsageId, CompletionRequest)| {
        let request = request.clone();
        async move { models.complete(&request, &mut |_| {}).await }
    };
    let answers = join_all(questions.iter().map(ask)).await;
    let counted: Vec<_> =
        questions.iter().zip(&answers).filter_map(|((id, request), answer)| Some((*id, request.purpose, answer.as_ref().ok()?))).collect();
    count(store, org, &counted).await?;
    Ok(answers.into_iter().map(|answer| answer.map(Written::from)).collect())
}

impl From<Completed> for Written {
    fn from(answer: Completed) -> Self {
        Self { text: answer.text, model: answer.model }
    }
}

/// Counts the tokens of answers, of each once.
async fn count(store: &Store, org: OrgId, answers: &[(UsageId, Purpose, &Completed)]) -> ActivityResult<()> {
    if answers.is_empty() {
        return Ok(());
    }
    let used: Vec<Usage<'_>> = answers
        .iter()
        .map(|(id, purpose, answer)| Usage {
            id: *id,
            purpose: purpose.as_str(),
            model: &answer.model,
            input_tokens: answer.input_tokens,
            output_tokens: answer.output_tokens,
        })
        .collect();
    let mut tx = store.in_org(org).await?;
    usage::record(&mut tx, &used).await?;
    tx.commit().await
}

/// Passes the pieces on, the first at once and then at most ten times a second. `None` among them: the text begins anew.
async fn show(store: &Store, org: OrgId, shown: ShownAs, mut growing: mpsc::UnboundedReceiver<Option<String>>) {
    let ShownAs { campaign_id, post_id, variant_id } = shown;
    let (mut seq, mut text, mut open) = (0, String::new(), true);
    while open {
        if text.is_empty() {
            match growing.recv().await {
                Some(piece) => take(piece, &mut text, &mut seq),
                None => open = false,
            }
        }
        while let Ok(piece) = growing.try_recv() {
            take(piece, &mut text, &mut seq);
        }
        for part in parts(&std::mem::take(&mut text)) {
            let delta = DraftDelta { org, campaign_id, post_id, variant_id, seq, text: part.to_owned() };
            if let Err(error) = drafts::notify(store, &delta).await {
                // Watchers miss a text in the making; the text itself goes on.
                tracing::debug!(%error, "a growing text could not be shown");
                return;
            }
            seq += 1;
        }
        let until = Instant::now() + PAUSE;
        while open {
            match timeout_at(until, growing.recv()).await {
                Ok(Some(piece)) => take(piece, &mut text, &mut seq),
                Ok(None) => {
                    // The text is whole: what is left of it goes out without a pause.
                    open = !text.is_empty();
                    break;
                }
                Err(_) => break,
            }
        }
    }
}

fn take(piece: Option<String>, text: &mut String, seq: &mut u32) {
    match piece {
        Some(piece) => text.push_str(&piece),
        None => {
            text.clear();
            *seq = 0;
        }
    }
}

/// `text` in pieces that fit into a notification, cut between characters.
fn parts(mut text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        let (part, rest) = text.split_at(text.floor_char_boundary(drafts::MOST_BYTES));
        parts.push(part);
        text = rest;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_nothing_is_lost() {
        let text = "ü🙂".repeat(1_000);
        let cut = parts(&text);
        assert_eq!(cut.concat(), text);
        assert!(cut.iter().all(|part| !part.is_empty() && part.len() <= drafts::MOST_BYTES));
        assert_eq!(parts(""), Vec::<&str>::new());
    }

    #[test]
    fn a_new_beginning_voids_what_came_before() {
        let (mut text, mut seq) = ("half a".to_owned(), 7);
        take(None, &mut text, &mut seq);
        take(Some("whole".to_owned()), &mut text, &mut seq);
        assert_eq!((text.as_str(), seq), ("whole", 0));
    }

    #[test]
    fn the_longest_delta_fits_into_a_notification() {
        let org = OrgId::from_uuid(uuid::Uuid::max());
        let id = uuid::Uuid::max();
        let delta = DraftDelta {
            org,
            campaign_id: CampaignId::from_uuid(id),
            post_id: PostId::from_uuid(id),
            variant_id: VariantId::from_uuid(id),
            seq: u32::MAX,
            text: "\u{1}".repeat(drafts::MOST_BYTES),
        };
        assert!(serde_json::to_string(&delta).unwrap().len() < 8_000);
    }
}
