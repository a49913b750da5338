//! Short links of posts.

use domain::{
    ids::{LinkId, PostId},
    links::{MAX_CODE_LENGTH, MIN_CODE_LENGTH, short_code},
};

use super::{OrgTx, classify};
use crate::{ActivityError, ActivityResult};

/// How long a code is unless it is taken: 31^7 are 27 thousand million.
pub const CODE_LENGTH: usize = MIN_CODE_LENGTH + 1;

/// Makes the short link `id` to `target`, and returns its code. The same link a second time keeps its code and takes the new target.
///
/// A code that another link has, be it another org's, becomes longer by a character.
///
/// # Errors
/// When the database cannot answer, or the post is not this org's.
pub async fn shorten(tx: &mut OrgTx, id: LinkId, post: PostId, target: &str) -> ActivityResult<String> {
    let org = tx.org().uuid();
    let known = sqlx::query_scalar!("UPDATE links SET target = $2 WHERE id = $1 RETURNING code", id.uuid(), target)
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?;
    if let Some(code) = known {
        return Ok(code);
    }
    for length in CODE_LENGTH..=MAX_CODE_LENGTH {
        let made = sqlx::query_scalar!(
            "INSERT INTO links (id, org_id, post_id, code, target) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (code) DO NOTHING RETURNING code",
            id.uuid(),
            org,
            post.uuid(),
            short_code(id.uuid(), length),
            target
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(classify)?;
        if let Some(code) = made {
            return Ok(code);
        }
    }
    Err(ActivityError::rejected("no code is free for a short link"))
}
