//! Brands.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    brand::Brand,
    ids::{BrandId, VoiceId},
};
use sqlx::types::Json;
use uuid::Uuid;

use super::{OrgTx, classify};
use crate::ActivityResult;

/// A brand as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrandRecord {
    /// Its id.
    pub id: BrandId,
    /// What it is.
    pub brand: Brand,
    /// The voice that prompts and scores use; `None` before the first training has finished.
    pub voice: Option<VoiceId>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

struct Row {
    id: Uuid,
    name: String,
    guidelines: String,
    banned_phrases: Vec<String>,
    required_disclosures: Vec<String>,
    colors: Vec<String>,
    links: Json<BTreeMap<String, String>>,
    active_voice_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for BrandRecord {
    fn from(row: Row) -> Self {
        Self {
            id: BrandId::from_uuid(row.id),
            brand: Brand {
                name: row.name,
                guidelines: row.guidelines,
                banned_phrases: row.banned_phrases,
                required_disclosures: row.required_disclosures,
                colors: row.colors,
                links: row.links.0,
            },
            voice: row.active_voice_id.map(VoiceId::from_uuid),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Creates a brand; the same id a second time changes nothing.
///
/// # Errors
/// When the database cannot answer.
pub async fn insert(tx: &mut OrgTx, id: BrandId, brand: &Brand) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO brands (id, org_id, name, guidelines, banned_phrases, required_disclosures, colors, links)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
        id.uuid(),
        org,
        brand.name,
        brand.guidelines,
        &brand.banned_phrases,
        &brand.required_disclosures,
        &brand.colors,
        Json(&brand.links) as _
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The brand `id` of this org.
///
/// # Errors
/// When the database cannot answer.
pub async fn get(tx: &mut OrgTx, id: BrandId) -> ActivityResult<Option<BrandRecord>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, name, guidelines, banned_phrases, required_disclosures, colors, links AS "links: Json<BTreeMap<String, String>>",
                  active_voice_id, created_at, updated_at
           FROM brands WHERE id = $1"#,
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    Ok(row.map(Into::into))
}

/// The brand `id`, held against changes by others until the transaction ends.
///
/// # Errors
/// When the database cannot answer.
pub async fn get_for_update(tx: &mut OrgTx, id: BrandId) -> ActivityResult<Option<BrandRecord>> {
    sqlx::query_scalar!("SELECT id FROM brands WHERE id = $1 FOR UPDATE", id.uuid()).fetch_optional(tx.conn()).await.map_err(classify)?;
    get(tx, id).await
}

/// A page of brands, newest first, that come after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(tx: &mut OrgTx, after: Option<BrandId>, limit: i64) -> ActivityResult<Vec<BrandRecord>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, name, guidelines, banned_phrases, required_disclosures, colors, links AS "links: Json<BTreeMap<String, String>>",
                  active_voice_id, created_at, updated_at
           FROM brands WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2"#,
        after.map(BrandId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Replaces what the brand is.
///
/// # Errors
/// When the database cannot answer.
pub async fn update(tx: &mut OrgTx, id: BrandId, brand: &Brand) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE brands SET name = $2, guidelines = $3, banned_phrases = $4, required_disclosures = $5, colors = $6, links = $7,
                updated_at = now()
         WHERE id = $1",
        id.uuid(),
        brand.name,
        brand.guidelines,
        &brand.banned_phrases,
        &brand.required_disclosures,
        &brand.colors,
        Json(&brand.links) as _
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}
