//! Short links of posts.

use domain::{
    ids::{LinkId, PostId},
    links::{MAX_CODE_LENGTH, MIN_CODE_LENGTH, short_code},
};

use uuid::Uuid;

use super::{OrgTx, classify};
use crate::{ActivityError, ActivityResult};

/// How long a code is unless it is taken: 31^7 are 27 thousand million.
pub const CODE_LENGTH: usize = MIN_CODE_LENGTH + 1;

/// Makes short links of a post, each an id and its target, and returns their codes in the same order. The same link a second time keeps its code and
/// takes the new target.
///
/// A code that another link has, be it another org's, becomes longer by a character.
///
/// # Errors
/// When the database cannot answer, or the post is not this org's.
pub async fn shorten(tx: &mut OrgTx, post: PostId, links: &[(LinkId, String)]) -> ActivityResult<Vec<String>> {
    let mut known: Vec<(LinkId, String)> = Vec::new();
    for length in CODE_LENGTH..=MAX_CODE_LENGTH {
        let missing: Vec<_> = links.iter().filter(|(id, _)| known.iter().all(|(made, _)| made != id)).collect();
        if missing.is_empty() {
            break;
        }
        known.extend(make(tx, post, &missing, length).await?);
        if known.len() < links.len() && length == CODE_LENGTH {
            // Not made: there already, or their code is another's.
            known.extend(retarget(tx, &missing).await?);
        }
    }
    let code = |(id, _): &(LinkId, String)| known.iter().find(|(made, _)| made == id).map(|(_, code)| code.clone());
    links.iter().map(|link| code(link).ok_or_else(|| ActivityError::rejected("no code is free for a short link"))).collect()
}

/// Makes those links whose id and code are free.
async fn make(tx: &mut OrgTx, post: PostId, links: &[&(LinkId, String)], length: usize) -> ActivityResult<Vec<(LinkId, String)>> {
    let org = tx.org().uuid();
    let ids: Vec<Uuid> = links.iter().map(|(id, _)| id.uuid()).collect();
    let codes: Vec<String> = links.iter().map(|(id, _)| short_code(id.uuid(), length)).collect();
    let targets: Vec<String> = links.iter().map(|(_, target)| target.clone()).collect();
    let made = sqlx::query!(
        "INSERT INTO links (id, org_id, post_id, code, target)
         SELECT l.id, $1, $2, l.code, l.target FROM unnest($3::uuid[], $4::text[], $5::text[]) AS l (id, code, target)
         ON CONFLICT DO NOTHING RETURNING id, code",
        org,
        post.uuid(),
        &ids,
        &codes,
        &targets
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(made.into_iter().map(|row| (LinkId::from_uuid(row.id), row.code)).collect())
}

/// Gives those links that there are their new targets.
async fn retarget(tx: &mut OrgTx, links: &[&(LinkId, String)]) -> ActivityResult<Vec<(LinkId, String)>> {
    let ids: Vec<Uuid> = links.iter().map(|(id, _)| id.uuid()).collect();
    let targets: Vec<String> = links.iter().map(|(_, target)| target.clone()).collect();
    let known = sqlx::query!(
        "UPDATE links SET target = l.target FROM unnest($1::uuid[], $2::text[]) AS l (id, target) WHERE links.id = l.id
         RETURNING links.id, links.code",
        &ids,
        &targets
    )
    .fetch_all(tx.conn())
    .await
    .map_err(classify)?;
    Ok(known.into_iter().map(|row| (LinkId::from_uuid(row.id), row.code)).collect())
}
