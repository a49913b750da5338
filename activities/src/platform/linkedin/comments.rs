//! Comments (learn.microsoft.com, "Comments API"): `urn:li:comment:(post,number)`.

use serde_json::{Value, json};

use super::is_post;
use crate::{
    error::{ActivityError, ActivityResult},
    platform::Account,
};

/// The longest comment in UTF-16 units.
const MOST: usize = 1250;

/// The request that comments on a post.
pub(super) fn body(account: &Account, text: &str, post: &str) -> ActivityResult<Value> {
    if !is_post(post) {
        return Err(ActivityError::rejected("a comment hangs on a post, and this is none of LinkedIn's"));
    }
    if text.encode_utf16().count() > MOST {
        return Err(ActivityError::rejected(format!("a comment on LinkedIn has at most {MOST} characters")));
    }
    Ok(json!({"actor": account.remote_id, "object": post, "message": {"text": text}}))
}

/// The post that a frozen comment hangs on; `None` for a post.
pub(super) fn object(body: &str) -> Option<String> {
    serde_json::from_str::<Value>(body).ok()?["object"].as_str().filter(|post| is_post(post)).map(str::to_owned)
}

/// The name of a comment.
pub(super) fn urn(post: &str, id: &str) -> Option<String> {
    (!id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())).then(|| format!("urn:li:comment:({post},{id})"))
}

/// A comment's post and number.
pub(super) fn parts(urn: &str) -> Option<(&str, &str)> {
    urn.strip_prefix("urn:li:comment:(")?.strip_suffix(')')?.split_once(',')
}

/// The post that a comment hangs on.
pub(super) fn parent(urn: &str) -> Option<&str> {
    parts(urn).map(|(post, _)| post)
}
