//! Finding out whether a post or a comment was made. Organisations can list what is theirs; members cannot (`r_member_social` is given to nobody).

use chrono::{DateTime, Utc};
use domain::publication::{Frozen, Resolution};
use serde::Deserialize;

use super::{List, comments, encoded, is_organization, little, read, sent};
use crate::{
    error::ActivityResult,
    platform::{
        Answered, Call, Window,
        answer::expect_json,
        recognise::{Candidate, recognise},
    },
};

/// How many pages of posts are read at most, and how many posts one has.
const PAGES: usize = 5;
const PER_PAGE: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Post {
    id: String,
    #[serde(default)]
    commentary: String,
    created_at: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comment {
    comment_urn: Option<String>,
    actor: String,
    message: Message,
    created: Option<Created>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
struct Created {
    time: i64,
}

/// Looks once.
pub(super) async fn resolve(call: Call<'_>, frozen: &Frozen, window: &Window) -> ActivityResult<Answered<Resolution>> {
    if !is_organization(call.account) {
        let evidence = "LinkedIn lets nobody list a member's posts and comments: look there yourself".to_owned();
        return Ok(Answered { value: Resolution::Unknown { evidence }, budget: None });
    }
    if let Some(post) = comments::object(&frozen.body) {
        let path = format!("socialActions/{}/comments?start=0&count={PER_PAGE}", encoded(&post));
        let listed = expect_json::<List<Comment>>(call, read(call, &path)?).await?;
        return Ok(listed.map(|listed| {
            let own = listed.elements.into_iter().filter(|comment| comment.actor == call.account.remote_id);
            let candidates = own.map(|comment| Candidate {
                sent: comment.comment_urn.as_deref().and_then(|urn| sent(call.account, urn)),
                id: comment.comment_urn,
                at: at(comment.created.map(|created| created.time)),
                text: comment.message.text,
                hidden: String::new(),
            });
            recognise(candidates.collect(), frozen, window)
        }));
    }
    let (mut seen, mut budget) = (Vec::new(), None);
    for page in 0..PAGES {
        let author = encoded(&call.account.remote_id);
        let path = format!("posts?q=author&author={author}&start={}&count={PER_PAGE}&sortBy=CREATED", page * PER_PAGE);
        let listed = expect_json::<List<Post>>(call, read(call, &path)?.header("X-RestLi-Method", "FINDER")).await?;
        budget = listed.budget.or(budget);
        let posts = listed.value.elements;
        let over = posts.len() < PER_PAGE || posts.last().is_some_and(|last| at(last.created_at) < window.floor());
        seen.extend(posts);
        if over {
            let candidates = seen.into_iter().map(|post| Candidate {
                sent: sent(call.account, &post.id),
                id: Some(post.id),
                at: at(post.created_at),
                text: little::read(&post.commentary),
                hidden: String::new(),
            });
            return Ok(Answered { value: recognise(candidates.collect(), frozen, window), budget });
        }
    }
    let evidence = format!("the account has more than {} posts since the send", PAGES * PER_PAGE);
    Ok(Answered { value: Resolution::Unknown { evidence }, budget })
}

/// A time in milliseconds; one that LinkedIn does not tell could be now.
fn at(millis: Option<i64>) -> DateTime<Utc> {
    millis.and_then(DateTime::from_timestamp_millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
