//! The effects of training a brand's voice. Examples and embeddings stay in the database: a step's result in the journal is a number.

use domain::{
    brief::Language,
    ids::{BrandId, OrgId, VoiceId},
    voice::{BrandFit, draft_fit, train},
};

use crate::{
    ActivityResult,
    model::Embedder,
    store::{Store, voices},
};

/// How many examples are embedded in one step.
pub const BATCH: i64 = 64;

/// Embeds the next examples that have no embedding yet, at most [`BATCH`], and stores them. Returns how many there were.
///
/// # Errors
/// The embedder's, or when the database cannot answer.
pub async fn embed_examples(store: &Store, embedder: &dyn Embedder, org: OrgId, voice: VoiceId) -> ActivityResult<usize> {
    let missing = voices::without_embedding(&mut store.in_org(org).await?, voice, BATCH).await?;
    if missing.is_empty() {
        return Ok(0);
    }
    let (ids, texts): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    let vectors = embedder.embed(&texts).await?;
    let count = vectors.len();
    let mut tx = store.in_org(org).await?;
    voices::save_embeddings(&mut tx, ids.into_iter().zip(vectors).collect()).await?;
    tx.commit().await?;
    Ok(count)
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
/// answers this once; else the rest has to do.
///
/// # Errors
/// When the database cannot answer.
pub async fn fits(
    store: &Store,
    embedder: &dyn Embedder,
    org: OrgId,
    brand: BrandId,
    language: Language,
    texts: &[String],
) -> ActivityResult<Vec<Option<BrandFit>>> {
    let Some(voice) = voices::active(&mut store.in_org(org).await?, brand).await? else {
        return Ok(vec![None; texts.len()]);
    };
    let comparable = voice.model.centroid.is_some() && voice.embed_model.as_deref() == Some(embedder.model());
    let embeddings = if comparable && texts.iter().all(|text| !text.trim().is_empty()) {
        match embedder.embed(texts).await {
            Ok(vectors) => vectors.into_iter().map(Some).collect(),
            Err(error) => {
                tracing::warn!(%error, "texts are scored without their meaning");
                vec![None; texts.len()]
            }
        }
    } else {
        vec![None; texts.len()]
    };
    Ok(texts.iter().zip(embeddings).map(|(text, embedding)| Some(draft_fit(&voice.model, text, language, embedding.as_deref()))).collect())
}
