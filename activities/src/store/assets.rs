//! Assets: media files, and what may be done with them. The files themselves lie in object storage ([`crate::media`]).

use std::fmt;

use chrono::{DateTime, Utc};
use domain::ids::AssetId;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::{OrgTx, classify};
use crate::{
    ActivityError, ActivityResult,
    media::{Announced, Found, MediaType, object_key},
};

/// What a file is to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssetKind {
    /// A picture, moving or not, without sound.
    Image,
    /// A video.
    Video,
}

impl AssetKind {
    /// The kind of a file of this type.
    #[must_use]
    pub const fn of(content_type: MediaType) -> Self {
        match content_type {
            MediaType::Jpeg | MediaType::Png | MediaType::Gif | MediaType::Webp => Self::Image,
            MediaType::Mp4 => Self::Video,
        }
    }

    /// As the database and the API name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
        }
    }
}

impl fmt::Display for AssetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose the file is, and until when it may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Where it comes from: a photographer, an agency, a page.
    pub source: String,
    /// Under which terms.
    pub license: String,
    /// When they end, if they do.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A file that was announced, and perhaps uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its id.
    pub id: AssetId,
    /// What the uploader said it is.
    pub announced: Announced,
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// Whose it is.
    pub rights: Rights,
    /// When it was found to be what was announced.
    pub verified_at: Option<DateTime<Utc>>,
    /// What was found in it then.
    pub found: Option<Found>,
    /// When it was announced.
    pub created_at: DateTime<Utc>,
}

/// Stores what is to be uploaded; the same id a second time changes nothing.
///
/// # Errors
/// When the database cannot answer.
pub async fn announce(tx: &mut OrgTx, id: AssetId, announced: &Announced, alt: &str, rights: &Rights) -> ActivityResult<()> {
    let org = tx.org();
    let bytes = i64::try_from(announced.bytes).map_err(ActivityError::rejected)?;
    sqlx::query!(
        "INSERT INTO assets (id, org_id, kind, content_type, bytes, sha256, alt, rights, object_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
        id.uuid(),
        org.uuid(),
        AssetKind::of(announced.content_type).as_str(),
        announced.content_type.as_str(),
        bytes,
        announced.sha256,
        alt,
        Json(rights) as _,
        object_key(org, id)
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Notes that the file is there and is what was announced, and what was found in it; the first time counts.
///
/// # Errors
/// When the database cannot answer.
pub async fn verified(tx: &mut OrgTx, id: AssetId, found: &Found) -> ActivityResult<()> {
    let number = |n: u32| i32::try_from(n).map_err(ActivityError::rejected);
    sqlx::query!(
        "UPDATE assets SET verified_at = now(), width = $2, height = $3, duration_ms = $4 WHERE id = $1 AND verified_at IS NULL",
        id.uuid(),
        number(found.size.0)?,
        number(found.size.1)?,
        found.duration_ms.map(i64::try_from).transpose().map_err(ActivityError::rejected)?
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The asset `id`.
///
/// # Errors
/// When the database cannot answer.
pub async fn get(tx: &mut OrgTx, id: AssetId) -> ActivityResult<Option<Asset>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, content_type, bytes, sha256, alt, rights AS "rights: Json<Rights>", verified_at, width, height, duration_ms, created_at
           FROM assets WHERE id = $1"#,
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?;
    row.map(Row::read).transpose()
}

/// A page of assets in the order of their ids, after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(tx: &mut OrgTx, after: Option<AssetId>, limit: i64) -> ActivityResult<Vec<Asset>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, content_type, bytes, sha256, alt, rights AS "rights: Json<Rights>", verified_at, width, height, duration_ms, created_at
           FROM assets WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2"#,
        after.map(AssetId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    rows.into_iter().map(Row::read).collect()
}

struct Row {
    id: uuid::Uuid,
    content_type: String,
    bytes: i64,
    sha256: String,
    alt: String,
    rights: Json<Rights>,
    verified_at: Option<DateTime<Utc>>,
    width: Option<i32>,
    height: Option<i32>,
    duration_ms: Option<i64>,
    created_at: DateTime<Utc>,
}

impl Row {
    fn read(self) -> ActivityResult<Asset> {
        let content_type = MediaType::ALL
            .into_iter()
            .find(|known| known.as_str() == self.content_type)
            .ok_or_else(|| ActivityError::rejected("a stored asset is of a type that this version does not know"))?;
        let bytes = u64::try_from(self.bytes).map_err(ActivityError::rejected)?;
        let pixels = |n: i32| u32::try_from(n).map_err(ActivityError::rejected);
        let found = match (self.width, self.height) {
            (Some(width), Some(height)) => Some(Found {
                size: (pixels(width)?, pixels(height)?),
                duration_ms: self.duration_ms.map(u64::try_from).transpose().map_err(ActivityError::rejected)?,
            }),
            _ => None,
        };
        Ok(Asset {
            id: AssetId::from_uuid(self.id),
            announced: Announced { content_type, bytes, sha256: self.sha256 },
            alt: self.alt,
            rights: self.rights.0,
            verified_at: self.verified_at,
            found,
            created_at: self.created_at,
        })
    }
}
