//! Containers: what Threads and Instagram are given before anything is published.

use chrono::{DateTime, TimeDelta, Utc};

use super::{GraphError, fetch};
use crate::social::{Books, Draft, Progress};

/// How long a container can be published ("The container was not published within 24 hours and has expired").
const LIFE: TimeDelta = TimeDelta::hours(24);

/// What is said about a container.
pub(crate) fn status(books: &mut Books, id: &str, now: DateTime<Utc>) -> Option<&'static str> {
    let draft = books.drafted(id)?.clone();
    Some(if draft.published.is_some() {
        "PUBLISHED"
    } else if now - draft.at >= LIFE {
        "EXPIRED"
    } else {
        match books.progress(id, now)? {
            Progress::Ready if draft.data["broken"].is_string() => "ERROR",
            Progress::Ready => "FINISHED",
            Progress::Working => "IN_PROGRESS",
            Progress::Failed => "ERROR",
        }
    })
}

/// Why a container could not be made ready.
pub(crate) fn trouble(draft: &Draft) -> &str {
    draft.data["broken"].as_str().unwrap_or("UNKNOWN")
}

/// A draft with the media of its address; one that cannot be fetched is broken, which its status tells.
pub(crate) async fn with_media(mut draft: Draft, address: &str, alt: Option<&str>, takes: &[&str]) -> Draft {
    let broken = match fetch(draft.clone(), address, alt).await {
        Some(fetched) if takes.contains(&fetched.file.as_ref().map_or("", |file| file.content_type.as_str())) => return fetched,
        Some(_) => "The media could not be processed: its format is not supported.",
        None => "FAILED_DOWNLOADING_MEDIA",
    };
    draft.data["broken"] = broken.into();
    draft
}

/// A container of this account that can be published now.
pub(crate) fn publishable(books: &Books, account: &str, id: &str, now: DateTime<Utc>) -> Option<Draft> {
    let draft = books.drafted(id).filter(|draft| draft.account == account && draft.kind == "container")?;
    let fresh = draft.published.is_none() && now - draft.at < LIFE && !draft.data["broken"].is_string();
    (fresh && draft.processing.progress(now) == Progress::Ready).then(|| draft.clone())
}

/// The children of a carousel, which have to be ready.
pub(crate) fn children(books: &Books, account: &str, ids: &str, most: usize) -> Result<Vec<Draft>, GraphError> {
    let now = Utc::now();
    let ids: Vec<&str> = ids.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
    if ids.len() < 2 || ids.len() > most {
        return Err(GraphError::parameter(&format!("children must have between 2 and {most} items")));
    }
    let child = |id: &&str| {
        publishable(books, account, id, now).filter(|draft| draft.data["is_carousel_item"] == "true").ok_or_else(|| GraphError::missing(id))
    };
    ids.iter().map(child).collect()
}
