//! The forms of assets that were made for platforms; the files lie in object storage.

use domain::{ids::AssetId, platform::Platform};

use super::{OrgTx, classify};
use crate::{ActivityError, ActivityResult};

/// A form of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// Where it lies.
    pub object_key: String,
    /// What it is.
    pub content_type: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its width and height in pixels.
    pub size: (u32, u32),
}

/// Keeps a form of an asset for a platform under `rules`; the same a second time changes nothing.
///
/// # Errors
/// When the database cannot answer.
pub async fn keep(tx: &mut OrgTx, asset: AssetId, platform: Platform, rules: &str, made: &Rendition) -> ActivityResult<()> {
    let org = tx.org();
    let number = |n: u32| i32::try_from(n).map_err(ActivityError::rejected);
    sqlx::query!(
        "INSERT INTO renditions (org_id, asset_id, platform, rules, object_key, content_type, bytes, sha256, width, height)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (asset_id, platform, rules) DO NOTHING",
        org.uuid(),
        asset.uuid(),
        platform.as_str(),
        rules,
        made.object_key,
        made.content_type,
        i64::try_from(made.bytes).map_err(ActivityError::rejected)?,
        made.sha256,
        number(made.size.0)?,
        number(made.size.1)?
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The form of an asset for a platform under `rules`, if it was made.
///
/// # Errors
/// When the database cannot answer.
pub async fn get(tx: &mut OrgTx, asset: AssetId, platform: Platform, rules: &str) -> ActivityResult<Option<Rendition>> {
    let row = sqlx::query!(
        "SELECT object_key, content_type, bytes, sha256, width, height FROM renditions WHERE asset_id = $1 AND platform = $2 AND rules = $3",
        asset.uuid(),
        platform.as_str(),
        rules
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    row.map(|row| {
        let number = |n: i32| u32::try_from(n).map_err(ActivityError::rejected);
        Ok(Rendition {
            object_key: row.object_key,
            content_type: row.content_type,
            bytes: u64::try_from(row.bytes).map_err(ActivityError::rejected)?,
            sha256: row.sha256,
            size: (number(row.width)?, number(row.height)?),
        })
    })
    .transpose()
}
