//! What a post is written from, in one question to the database: each of its variants asks it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    brand::Brand,
    brief::{Brief, Language},
    ids::{BrandId, CampaignId, PostId, VoiceId},
    platform::Platform,
    post::{PostOptions, PostStatus},
    voice::VoiceProfile,
};
use sqlx::types::Json;

use super::{OrgTx, classify, read_json};
use crate::{ActivityError, ActivityResult};

/// A post with all that stands behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Behind {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// Whether the campaign was stopped.
    pub campaign_cancelled_at: Option<DateTime<Utc>>,
    /// Where the post goes.
    pub platform: Platform,
    /// Its language.
    pub language: Language,
    /// How far it came.
    pub status: PostStatus,
    /// The most characters that the account's server takes, if it said so.
    pub max_characters: Option<i32>,
    /// What it has beside its text.
    pub options: PostOptions,
    /// What is to be said.
    pub brief: Brief,
    /// Who speaks.
    pub brand_id: BrandId,
    /// Who speaks.
    pub brand: Brand,
    /// The voice in force, without its centroid.
    pub voice: Option<(VoiceId, VoiceProfile)>,
}

/// What stands behind `post`.
///
/// # Errors
/// [`ActivityError::NotFound`] when the post does not exist.
pub async fn behind(tx: &mut OrgTx, post: PostId) -> ActivityResult<Behind> {
    let row = sqlx::query!(
        r#"SELECT p.campaign_id, p.platform, p.language, p.status, p.options, c.cancelled_at, k.max_characters, b.brief AS "brief: Json<Brief>",
                  c.brand_id, br.name, br.guidelines, br.banned_phrases, br.required_disclosures, br.colors,
                  br.links AS "links: Json<BTreeMap<String, String>>", v.id AS "voice_id?", v.profile
           FROM posts p JOIN campaigns c ON c.id = p.campaign_id JOIN briefs b ON b.id = c.brief_id JOIN brands br ON br.id = c.brand_id
                JOIN connectors k ON k.id = p.connector_id LEFT JOIN voices v ON v.id = br.active_voice_id AND v.profile IS NOT NULL
           WHERE p.id = $1"#,
        post.uuid()
    )
    .fetch_optional(tx.conn())
    .await
    .map_err(classify)?
    .ok_or_else(|| ActivityError::not_found(format_args!("the post {post} does not exist")))?;
    let unreadable = |e: &dyn std::fmt::Display| ActivityError::rejected(format_args!("a stored post cannot be read: {e}"));
    Ok(Behind {
        campaign_id: CampaignId::from_uuid(row.campaign_id),
        campaign_cancelled_at: row.cancelled_at,
        platform: row.platform.parse().map_err(|e| unreadable(&e))?,
        language: row.language.parse().map_err(|e| unreadable(&e))?,
        status: row.status.parse().map_err(|e| unreadable(&e))?,
        max_characters: row.max_characters,
        options: read_json(row.options)?,
        brief: row.brief.0,
        brand_id: BrandId::from_uuid(row.brand_id),
        brand: Brand {
            name: row.name,
            guidelines: row.guidelines,
            banned_phrases: row.banned_phrases,
            required_disclosures: row.required_disclosures,
            colors: row.colors,
            links: row.links.0,
        },
        voice: match (row.voice_id, row.profile) {
            (Some(id), Some(profile)) => Some((VoiceId::from_uuid(id), read_json(profile)?)),
            _ => None,
        },
    })
}
