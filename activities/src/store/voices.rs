//! Voices: each training of a brand is a new version; the brand names the one in force.

use chrono::{DateTime, Utc};
use domain::{
    ids::{BrandId, ExampleId, VoiceId},
    voice::{Example, VoiceModel, VoiceProfile},
};
use pgvector::Vector;
use uuid::Uuid;

use super::{OrgTx, classify, read_json, write_json};
use crate::{ActivityError, ActivityResult};

/// One training, as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct VoiceRecord {
    /// Its id.
    pub id: VoiceId,
    /// Counts the brand's trainings, from 1.
    pub version: i32,
    /// How many examples it has.
    pub examples: i32,
    /// What was measured; `None` until the training has finished.
    pub profile: Option<VoiceProfile>,
    /// The model of its embeddings, if it was trained with any.
    pub embed_model: Option<String>,
    /// When the training finished.
    pub trained_at: Option<DateTime<Utc>>,
    /// Why it ended without a voice.
    pub failure: Option<String>,
}

/// The voice that a brand speaks with.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveVoice {
    /// Its id.
    pub id: VoiceId,
    /// What scores compare with.
    pub model: VoiceModel,
    /// The model of the centroid: only vectors of the same model may be held against it.
    pub embed_model: Option<String>,
}

/// Stores a training and its examples under the brand's next version. The same training a second time changes nothing.
///
/// # Errors
/// [`ActivityError::NotFound`] when the brand does not exist.
pub async fn begin(tx: &mut OrgTx, brand: BrandId, voice: VoiceId, examples: &[Example]) -> ActivityResult<()> {
    let org = tx.org().uuid();
    // The lock puts two trainings of one brand in an order, so that they do not take the same version.
    sqlx::query_scalar!("SELECT id FROM brands WHERE id = $1 FOR UPDATE", brand.uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?
        .ok_or_else(|| ActivityError::not_found(format_args!("the brand {brand} does not exist")))?;
    sqlx::query!(
        "INSERT INTO voices (id, org_id, brand_id, version, examples)
         SELECT $1, $2, $3, coalesce(max(version), 0) + 1, $4 FROM voices WHERE brand_id = $3
         ON CONFLICT (id) DO NOTHING",
        voice.uuid(),
        org,
        brand.uuid(),
        i32::try_from(examples.len()).unwrap_or(i32::MAX)
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    let ids: Vec<Uuid> = examples.iter().map(|e| e.id.uuid()).collect();
    let texts: Vec<String> = examples.iter().map(|e| e.text.clone()).collect();
    let platforms: Vec<Option<String>> = examples.iter().map(|e| e.platform.map(|p| p.to_string())).collect();
    let urls: Vec<Option<String>> = examples.iter().map(|e| e.url.clone()).collect();
    sqlx::query!(
        "INSERT INTO voice_examples (id, org_id, voice_id, position, text, platform, url)
         SELECT e.id, $1, $2, e.at::integer - 1, e.text, e.platform, e.url
         FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY AS e (id, text, platform, url, at)
         ON CONFLICT (id) DO NOTHING",
        org,
        voice.uuid(),
        &ids,
        &texts,
        &platforms as &[Option<String>],
        &urls as &[Option<String>]
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The examples of a training in their order.
///
/// # Errors
/// When the database cannot answer.
pub async fn examples(tx: &mut OrgTx, voice: VoiceId) -> ActivityResult<Vec<Example>> {
    let rows = sqlx::query!("SELECT id, text, platform, url FROM voice_examples WHERE voice_id = $1 ORDER BY position", voice.uuid())
        .fetch_all(tx.conn())
        .await
        .map_err(classify)?;
    let read = |r: String| r.parse().map_err(|e| ActivityError::rejected(format_args!("a stored example cannot be read: {e}")));
    rows.into_iter()
        .map(|r| Ok(Example { id: ExampleId::from_uuid(r.id), text: r.text, platform: r.platform.map(read).transpose()?, url: r.url }))
        .collect()
}

/// The next examples, at most `limit`, that have no embedding yet: id and text.
///
/// # Errors
/// When the database cannot answer.
pub async fn without_embedding(tx: &mut OrgTx, voice: VoiceId, limit: i64) -> ActivityResult<Vec<(ExampleId, String)>> {
    let rows = sqlx::query!(
        "SELECT id, text FROM voice_examples WHERE voice_id = $1 AND embedding IS NULL ORDER BY position LIMIT $2",
        voice.uuid(),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(rows.into_iter().map(|r| (ExampleId::from_uuid(r.id), r.text)).collect())
}

/// Stores the embeddings of examples.
///
/// # Errors
/// When the database cannot answer.
pub async fn save_embeddings(tx: &mut OrgTx, embeddings: Vec<(ExampleId, Vec<f32>)>) -> ActivityResult<()> {
    for (id, embedding) in embeddings {
        sqlx::query!("UPDATE voice_examples SET embedding = $2 WHERE id = $1", id.uuid(), Vector::from(embedding) as Vector)
            .execute(tx.conn())
            .await
            .map_err(classify)?;
    }
    Ok(())
}

/// The embeddings of a training's examples in their order; `None` unless every example has one.
///
/// # Errors
/// When the database cannot answer.
pub async fn embeddings(tx: &mut OrgTx, voice: VoiceId) -> ActivityResult<Option<Vec<Vec<f32>>>> {
    let rows = sqlx::query_scalar!(
        r#"SELECT embedding AS "embedding: Vector" FROM voice_examples WHERE voice_id = $1 ORDER BY position"#,
        voice.uuid()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(rows.into_iter().map(|e| e.map(|e| e.to_vec())).collect())
}

/// Stores what was measured and puts it in force, in one go. A voice that finishes after a newer one was put in force is stored and stays behind.
///
/// # Errors
/// When the database cannot answer.
pub async fn activate(tx: &mut OrgTx, voice: VoiceId, model: VoiceModel, embed_model: &str) -> ActivityResult<()> {
    let embed_model = model.centroid.is_some().then_some(embed_model);
    sqlx::query!(
        "UPDATE voices SET profile = $2, centroid = $3, embed_model = $4, trained_at = coalesce(trained_at, now()), failure = NULL WHERE id = $1",
        voice.uuid(),
        write_json(&model.profile)?,
        model.centroid.map(Vector::from) as Option<Vector>,
        embed_model
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    sqlx::query!(
        "UPDATE brands b SET active_voice_id = $1 FROM voices v
         WHERE v.id = $1 AND b.id = v.brand_id AND NOT EXISTS (SELECT 1 FROM voices a WHERE a.id = b.active_voice_id AND a.version > v.version)",
        voice.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Notes why a training ended without a voice. The voice in force stays.
///
/// # Errors
/// When the database cannot answer.
pub async fn fail(tx: &mut OrgTx, voice: VoiceId, why: &str) -> ActivityResult<()> {
    sqlx::query!("UPDATE voices SET failure = $2 WHERE id = $1 AND trained_at IS NULL", voice.uuid(), why)
        .execute(tx.conn())
        .await
        .map_err(classify)?;
    Ok(())
}

/// The brand's newest training, finished or not.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn latest(tx: &mut OrgTx, brand: BrandId) -> ActivityResult<Option<VoiceRecord>> {
    let row = sqlx::query!(
        "SELECT id, version, examples, profile, embed_model, trained_at, failure FROM voices WHERE brand_id = $1 ORDER BY version DESC LIMIT 1",
        brand.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    row.map(|r| {
        Ok(VoiceRecord {
            id: VoiceId::from_uuid(r.id),
            version: r.version,
            examples: r.examples,
            profile: r.profile.map(read_json).transpose()?,
            embed_model: r.embed_model,
            trained_at: r.trained_at,
            failure: r.failure,
        })
    })
    .transpose()
}

/// The voice in force, if the brand has one.
///
/// # Errors
/// When the database cannot answer, or what it holds cannot be read.
pub async fn active(tx: &mut OrgTx, brand: BrandId) -> ActivityResult<Option<ActiveVoice>> {
    let row = sqlx::query!(
        r#"SELECT v.id, v.profile AS "profile!", v.embed_model, v.centroid AS "centroid: Vector"
           FROM brands b JOIN voices v ON v.id = b.active_voice_id WHERE b.id = $1 AND v.profile IS NOT NULL"#,
        brand.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    row.map(|r| {
        Ok(ActiveVoice {
            id: VoiceId::from_uuid(r.id),
            model: VoiceModel { profile: read_json(r.profile)?, centroid: r.centroid.map(|c| c.to_vec()) },
            embed_model: r.embed_model,
        })
    })
    .transpose()
}
