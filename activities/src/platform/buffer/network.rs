//! The networks behind Buffer's channels.

use domain::platform::Platform;
use serde_json::{Value, json};

use crate::error::{ActivityError, ActivityResult};

/// The network of a service, as Buffer names it (`Service`), whose posts can be of nothing but what a post here has.
///
/// # Errors
/// [`ActivityError::Rejected`] for those that want more: a board (Pinterest), a title (YouTube), a kind of update (Google Business), or a film.
pub(super) fn of(service: &str) -> ActivityResult<Platform> {
    match service {
        "twitter" => Ok(Platform::X),
        "linkedin" => Ok(Platform::LinkedIn),
        "facebook" => Ok(Platform::Facebook),
        "instagram" => Ok(Platform::Instagram),
        "threads" => Ok(Platform::Threads),
        "mastodon" => Ok(Platform::Mastodon),
        "bluesky" => Ok(Platform::Bluesky),
        other => Err(ActivityError::rejected(format_args!(
            "a channel of {other} wants more of a post than a text and pictures: connect one of X, LinkedIn, Facebook, Instagram, Threads, \
             Mastodon or Bluesky"
        ))),
    }
}

/// What Buffer wants to know besides for some networks (`FacebookPostMetadataInput.type`, `InstagramPostMetadataInput`).
pub(super) fn metadata(network: Platform) -> Option<Value> {
    match network {
        Platform::Facebook => Some(json!({ "facebook": { "type": "post" } })),
        Platform::Instagram => Some(json!({ "instagram": { "type": "post", "shouldShareToFeed": true } })),
        _ => None,
    }
}
