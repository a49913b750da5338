//! Briefs.

use chrono::{DateTime, Utc};
use domain::{
    brief::Brief,
    ids::{BrandId, BriefId},
};
use sqlx::types::Json;

use super::{OrgTx, classify};
use crate::ActivityResult;

/// A brief as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BriefRecord {
    /// Its id.
    pub id: BriefId,
    /// The brand that it is for.
    pub brand: BrandId,
    /// What it says.
    pub brief: Brief,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// Stores a brief; the same id a second time changes nothing.
///
/// # Errors
/// When the database cannot answer.
pub async fn insert(tx: &mut OrgTx, id: BriefId, brand: BrandId, brief: &Brief) -> ActivityResult<()> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO briefs (id, org_id, brand_id, brief) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
        id.uuid(),
        org,
        brand.uuid(),
        Json(brief) as _
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The brief `id` of this org.
///
/// # Errors
/// When the database cannot answer.
pub async fn get(tx: &mut OrgTx, id: BriefId) -> ActivityResult<Option<BriefRecord>> {
    let row = sqlx::query!(r#"SELECT id, brand_id, brief AS "brief: Json<Brief>", created_at FROM briefs WHERE id = $1"#, id.uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?;
    Ok(row.map(|r| BriefRecord {
        id: BriefId::from_uuid(r.id),
        brand: BrandId::from_uuid(r.brand_id),
        brief: r.brief.0,
        created_at: r.created_at,
    }))
}
