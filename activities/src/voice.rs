//! The effects of training a brand's voice. Examples and embeddings stay in the database: a step's result in the journal is a number.

use domain::{
    brief::Language,
    ids::{BrandId, OrgId, UsageId, VoiceId},
    voice::{BrandFit, draft_fit, train},
};

use crate::{
    ActivityError, ActivityResult,
    model::{Embedded, Embedder, Purpose},
    store::{
        OrgTx, Store,
        usage::{self, Usage},
        voices,
    },
};

/// How many examples are embedded in one step.
pub const BATCH: i64 = 64;

/// Embeds the next examples that have no embedding yet, at most [`BATCH`], and stores them and what they cost. Returns how many there were.
///
/// # Errors
/// The embedder's, [`ActivityError::Rejected`] when the org has no tokens left, or when the database cannot answer.
pub async fn embed_examples(store: &Store, embedder: &dyn Embedder, org: OrgId, voice: VoiceId) -> ActivityResult<usize> {
    let mut tx = store.in_org(org).await?;
    let missing = voices::without_embedding(&mut tx, voice, BATCH).await?;
    let Some((first, _)) = missing.first() else { return Ok(0) };
    usage::check_budget(&mut tx).await?;
    drop(tx);
    // What has an embedding is not embedded again, so the first that had none names the batch.
    let spent = UsageId::derived(first.uuid(), "embed");
    let (ids, texts): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    let Embedded { vectors, tokens } = embedder.embed(&texts).await?;
    let count = vectors.len();
    let mut tx = store.in_org(org).await?;
    count_tokens(&mut tx, spent, embedder, tokens).await?;
    voices::save_embeddings(&mut tx, ids.into_iter().zip(vectors).collect()).await?;
    tx.commit().await?;
    Ok(count)
}

async fn count_tokens(tx: &mut OrgTx, id: UsageId, embedder: &dyn Embedder, tokens: u64) -> ActivityResult<()> {
    let purpose = Purpose::Embed.as_str();
    usage::record(tx, &[Usage { id, purpose, model: embedder.model(), input_tokens: tokens, output_tokens: 0 }]).await
}

/// Measures the examples, stores the profile and puts it in force. Without an embedding of every example the voice knows nothing of meaning.
///
/// # Errors
/// When the database cannot answer.
pub async fn activate(store: &Store, embedder: &dyn Embedder, org: OrgId, voice: VoiceId) -> ActivityResult<()> {
    let mut tx = store.in_org(org).await?;
    let examples = voices::examples(&mut tx, voice).await?;
    let embeddings = voices::embeddings(&mut tx, voice).await?;
    drop(tx);
    let model = train(&examples, embeddings.as_deref());
    let mut tx = store.in_org(org).await?;
    voices::activate(&mut tx, voice, model, embedder.model()).await?;
    tx.commit().await
}

/// How much the words of each text sound like the brand; `None` for a brand without a voice. The words are those that were written in `language`,
/// without tags and links that enrichment adds ([`crate::drafting::Body::written`]). Meaning is compared where the voice knows it and the embedder
/// answers this once, and the org has tokens left; else the rest has to do. The tokens are counted under `usage`.
///
/// # Errors
/// When the database cannot answer.
pub async fn fits(
    store: &Store,
    embedder: &dyn Embedder,
    org: OrgId,
    usage: UsageId,
    brand: BrandId,
    language: Language,
    texts: &[String],
) -> ActivityResult<Vec<Option<BrandFit>>> {
    let mut tx = store.in_org(org).await?;
    let Some(voice) = voices::active(&mut tx, brand).await? else {
        return Ok(vec![None; texts.len()]);
    };
    let comparable = voice.model.centroid.is_some() && voice.embed_model.as_deref() == Some(embedder.model());
    let asked = comparable && texts.iter().all(|text| !text.trim().is_empty());
    let allowed = if asked { usage::check_budget(&mut tx).await } else { Ok(()) };
    drop(tx);
    let embedded = match allowed {
        Ok(()) if asked => embedder.embed(texts).await.map(Some),
        Ok(()) => Ok(None),
        Err(spent @ ActivityError::Rejected { .. }) => Err(spent),
        Err(unanswered) => return Err(unanswered),
    };
    let embeddings = match embedded {
        Ok(Some(embedded)) => {
            let mut tx = store.in_org(org).await?;
            count_tokens(&mut tx, usage, embedder, embedded.tokens).await?;
            tx.commit().await?;
            embedded.vectors.into_iter().map(Some).collect()
        }
        Ok(None) => vec![None; texts.len()],
        Err(error) => {
            tracing::warn!(%error, "texts are scored without their meaning");
            vec![None; texts.len()]
        }
    };
    Ok(texts.iter().zip(embeddings).map(|(text, embedding)| Some(draft_fit(&voice.model, text, language, embedding.as_deref()))).collect())
}
