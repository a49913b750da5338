//! The parts of a post that has several, or something to be given its platform ahead. Other posts have no rows here.

use chrono::{DateTime, Utc};
use domain::{
    ids::PostId,
    post::PlannedPart,
    publication::{PartKind, Sent},
};

use super::{OrgTx, classify};
use crate::{ActivityError, ActivityResult};

/// One part, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostPart {
    /// Its place, from 0.
    pub part: u32,
    /// What it is.
    pub kind: PartKind,
    /// Exactly what is sent.
    pub text: String,
    /// What the platform was given ahead, sealed for this row ([`seal_context`]).
    pub staged: Option<Vec<u8>>,
    /// When it was ready to be published.
    pub staged_at: Option<DateTime<Utc>>,
    /// Where it is, once it is out. The id is empty where a person who knows no id said that it is.
    pub sent: Option<Sent>,
    /// When it was known to be out.
    pub published_at: Option<DateTime<Utc>>,
}

/// What binds the staged value of a part to its row.
#[must_use]
pub fn seal_context(tx: &OrgTx, post: PostId, part: u32) -> String {
    format!("post_parts/{}/{post}/{part}", tx.org())
}

/// A part's number as the database has it.
pub(crate) fn number(part: u32) -> i32 {
    i32::try_from(part).unwrap_or(i32::MAX)
}

/// Makes the rows of a post that is about to be sent; those that are there stay as they are.
///
/// # Errors
/// When the database cannot answer.
pub async fn make(tx: &mut OrgTx, post: PostId, parts: &[PlannedPart]) -> ActivityResult<()> {
    let org = tx.org().uuid();
    let (kinds, texts): (Vec<String>, Vec<String>) = parts.iter().map(|p| (p.kind.as_str().to_owned(), p.text.clone())).unzip();
    sqlx::query!(
        "INSERT INTO post_parts (org_id, post_id, part, kind, text)
         SELECT $1, $2, (p.place - 1)::integer, p.kind, p.text FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS p (kind, text, place)
         ON CONFLICT DO NOTHING",
        org,
        post.uuid(),
        &kinds,
        &texts
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// The parts of a post, in their order; none where its row says it all.
///
/// # Errors
/// When the database cannot answer.
pub async fn of_post(tx: &mut OrgTx, post: PostId) -> ActivityResult<Vec<PostPart>> {
    let rows = sqlx::query!(
        "SELECT part, kind, text, staged, staged_at, external_id, url, cid, published_at FROM post_parts WHERE post_id = $1 ORDER BY part",
        post.uuid()
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    rows.into_iter()
        .map(|r| {
            Ok(PostPart {
                part: u32::try_from(r.part).map_err(ActivityError::rejected)?,
                kind: PartKind::named(&r.kind)
                    .ok_or_else(|| ActivityError::rejected("a stored part is of a kind that this version does not know"))?,
                text: r.text,
                staged: r.staged,
                staged_at: r.staged_at,
                sent: r.published_at.map(|_| Sent {
                    external_id: r.external_id.unwrap_or_default(),
                    url: r.url.unwrap_or_default(),
                    cid: r.cid,
                }),
                published_at: r.published_at,
            })
        })
        .collect()
}

/// Keeps what was staged for a part; `ready`: it can be published.
///
/// # Errors
/// When the database cannot answer.
pub async fn set_staged(tx: &mut OrgTx, post: PostId, part: u32, sealed: &[u8], ready: bool) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE post_parts SET staged = $3, staged_at = CASE WHEN $4::boolean THEN now() END
         WHERE post_id = $1 AND part = $2 AND published_at IS NULL",
        post.uuid(),
        number(part),
        sealed,
        ready
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Notes that a part is out. What was staged for it is of no use any more.
///
/// # Errors
/// When the database cannot answer.
pub async fn published(tx: &mut OrgTx, post: PostId, part: u32, sent: &Sent) -> ActivityResult<()> {
    sqlx::query!(
        "UPDATE post_parts SET external_id = $3, url = $4, cid = $5, published_at = now(), staged = NULL
         WHERE post_id = $1 AND part = $2 AND published_at IS NULL",
        post.uuid(),
        number(part),
        sent.external_id,
        sent.url,
        sent.cid
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}

/// Forgets the parts of a post of which none is out: what is approved now may have others.
///
/// # Errors
/// When the database cannot answer.
pub async fn clear(tx: &mut OrgTx, post: PostId) -> ActivityResult<()> {
    sqlx::query!(
        "DELETE FROM post_parts WHERE post_id = $1
         AND NOT EXISTS (SELECT 1 FROM post_parts WHERE post_id = $1 AND published_at IS NOT NULL)",
        post.uuid()
    )
    .execute(tx.conn())
    .await
    .map_err(classify)?;
    Ok(())
}
