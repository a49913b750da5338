//! Variants: the candidate texts of a post.

use domain::{
    brief::Language,
    ids::{PostId, VariantId},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OrgTx, classify};
use crate::{ActivityError, ActivityResult};

/// A candidate text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Its id, derived from the post and its position.
    pub id: VariantId,
    /// The post that it is for.
    pub post_id: PostId,
    /// Its place among the post's variants, from 0.
    pub position: i32,
    /// Exactly what would be sent.
    pub content: String,
    /// The tags in it.
    pub hashtags: Vec<String>,
    /// `[{"url", "short_url"}]`
    pub links: Value,
    /// What a picture for it could show.
    pub image_prompt: Option<String>,
    /// The language it is written in.
    pub language: Language,
    /// `domain::score::Score`
    pub score: Option<Value>,
    /// Why the voice finds it fitting or not.
    pub reasons: Value,
    /// `[domain::policy::Lint]`
    pub lints: Value,
    /// The model that wrote it.
    pub model: String,
    /// How often it was rewritten because of its lints.
    pub rewrites: i32,
    /// The text in the brief's first language, where that is another: `{"language", "text", "lints"}`.
    pub translation: Option<Value>,
}

/// Stores a variant, or puts it in the place of what was stored under its id before.
///
/// # Errors
/// When the database cannot answer.
pub async fn save(tx: &mut OrgTx, v: &Variant) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO variants (id, org_id, post_id, position, content, hashtags, links, image_prompt, language, score, reasons, lints, model, rewrites, translation)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (id) DO UPDATE SET content = excluded.content, hashtags = excluded.hashtags, links = excluded.links,
             image_prompt = excluded.image_prompt, score = excluded.score, reasons = excluded.reasons, lints = excluded.lints,
             model = excluded.model, rewrites = excluded.rewrites, translation = excluded.translation",
        v.id.uuid(),
        org,
        v.post_id.uuid(),
        v.position,
        v.content,
        &v.hashtags,
        v.links,
        v.image_prompt,
        v.language.as_str(),
        v.score,
        v.reasons,
        v.lints,
        v.model,
        v.rewrites,
        v.translation
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The variants of a post, in their order.
///
/// # Errors
/// When the database cannot answer.
pub async fn of_post(tx: &mut OrgTx, post: PostId) -> ActivityResult<Vec<Variant>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, post_id, position, content, hashtags, links, image_prompt, language, score, reasons, lints, model, rewrites, translation
         FROM variants WHERE post_id = $1 ORDER BY position",
        post.uuid()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    rows.into_iter().map(Row::read).collect()
}

/// The variant `id`.
///
/// # Errors
/// When the database cannot answer.
pub async fn get(tx: &mut OrgTx, id: VariantId) -> ActivityResult<Option<Variant>> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, post_id, position, content, hashtags, links, image_prompt, language, score, reasons, lints, model, rewrites, translation
         FROM variants WHERE id = $1",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    row.map(Row::read).transpose()
}

struct Row {
    id: sqlx::types::Uuid,
    post_id: sqlx::types::Uuid,
    position: i32,
    content: String,
    hashtags: Vec<String>,
    links: Value,
    image_prompt: Option<String>,
    language: String,
    score: Option<Value>,
    reasons: Value,
    lints: Value,
    model: String,
    rewrites: i32,
    translation: Option<Value>,
}

impl Row {
    fn read(self) -> ActivityResult<Variant> {
        Ok(Variant {
            id: VariantId::from_uuid(self.id),
            post_id: PostId::from_uuid(self.post_id),
            position: self.position,
            content: self.content,
            hashtags: self.hashtags,
            links: self.links,
            image_prompt: self.image_prompt,
            language: self.language.parse().map_err(|e| ActivityError::rejected(format_args!("a stored variant cannot be read: {e}")))?,
            score: self.score,
            reasons: self.reasons,
            lints: self.lints,
            model: self.model,
            rewrites: self.rewrites,
            translation: self.translation,
        })
    }
}
