//! Recognising a post among the account's others, where the platform keeps no number of ours.

use chrono::{DateTime, Utc};
use domain::publication::{Frozen, Resolution, Sent, normalise};

use super::Window;

/// How long a common beginning of two texts has to be, in characters of the normalised text, to make one suspect of being the other.
const NEAR: usize = 24;

/// One of the account's posts, as a list shows it.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its id, if it has one.
    pub(super) id: Option<String>,
    /// When the platform took it.
    pub(super) at: DateTime<Utc>,
    /// Its text as people read it.
    pub(super) text: String,
    /// Where a link could stand besides: the target of one that shows another text.
    pub(super) hidden: String,
    /// Where it is, if the platform said so.
    pub(super) sent: Option<Sent>,
}

/// Recognises the post: by a link that only it has, else by its text. More than one match, or a text that is nearly its, decides nothing: saying
/// "absent" by mistake would post it twice.
pub(super) fn recognise(posts: Vec<Candidate>, frozen: &Frozen, window: &Window) -> Resolution {
    let since = window.floor().to_rfc3339();
    let link = frozen.correlation.link.as_deref();
    let candidates: Vec<(Candidate, String, bool)> = posts
        .into_iter()
        .filter(|post| post.at >= window.floor())
        .filter(|post| post.id.as_ref().is_none_or(|id| !window.known_external_ids.contains(id)))
        .map(|post| {
            let linked = link.is_some_and(|link| has_link(&post.text, link) || has_link(&post.hidden, link));
            let text = normalise(&post.text);
            (post, text, linked)
        })
        .collect();
    let looked = candidates.len();
    let wanted = frozen.correlation.text_normalised.as_str();
    if wanted.is_empty() && link.is_none() {
        return Resolution::Unknown { evidence: "the post has neither a link of its own nor a text that could be recognised".to_owned() };
    }
    let near = candidates.iter().filter(|(_, text, linked)| *linked || is_near(text, wanted)).count();
    let by_link = candidates.iter().any(|(_, _, linked)| *linked);
    let mut matching: Vec<Candidate> = candidates
        .into_iter()
        .filter(|(_, text, linked)| if by_link { *linked } else { !wanted.is_empty() && text == wanted })
        .map(|(post, ..)| post)
        .collect();
    let by = if by_link { "its own link" } else { "its text" };
    match (matching.len(), near) {
        (1, _) => match matching.remove(0).sent {
            Some(sent) => Resolution::Found { sent, evidence: format!("one of {looked} posts since {since} has {by}") },
            None => Resolution::Unknown { evidence: format!("the post with {by} has no id") },
        },
        (0, 0) => Resolution::Absent { evidence: format!("none of {looked} posts since {since} has its link or text") },
        (0, near) => Resolution::Unknown { evidence: format!("{near} of {looked} posts since {since} begin like it, but differ") },
        (many, _) => Resolution::Unknown { evidence: format!("{many} of {looked} posts since {since} have {by}") },
    }
}

/// Whether a text has exactly this link, not one that merely begins like it.
fn has_link(text: &str, link: &str) -> bool {
    text.match_indices(link).any(|(at, _)| {
        !text[at + link.len()..].starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '?' | '=' | '&' | '%'))
    })
}

/// Whether two normalised texts share a beginning long enough to be one text that a server has changed.
fn is_near(a: &str, b: &str) -> bool {
    let shortest = a.chars().count().min(b.chars().count());
    let common = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    shortest > 0 && common >= NEAR.min(shortest)
}
