//! The channel's uploads: where a video is looked for whose session is gone.

use domain::publication::{Frozen, Resolution, normalise};
use serde_json::Value;

use super::{ask_json, method, moment, sent};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{Call, Window},
};

/// Looks among the newest uploads for one with this title and description.
pub(super) async fn resolve(call: Call<'_>, frozen: &Frozen, window: &Window) -> ActivityResult<Resolution> {
    // A channel's uploads are the playlist of its own id with another beginning.
    let playlist = format!("UU{}", call.account.remote_id.trim_start_matches("UC"));
    let query = [("part", "snippet,contentDetails"), ("playlistId", playlist.as_str()), ("maxResults", "50")];
    let listed = match ask_json(call, method(call.account, "youtube/v3/playlistItems", &query)?).await {
        // A channel without a video has no such playlist.
        Err(ActivityError::NotFound { .. }) => Value::Null,
        other => other?,
    };
    let wanted: Value = serde_json::from_str(&frozen.body).unwrap_or_default();
    let text = |item: &Value| {
        let field = |name: &str| item["snippet"][name].as_str().unwrap_or_default().to_owned();
        normalise(&format!("{}\n{}", field("title"), field("description")))
    };
    let recent = |item: &&Value| moment(&item["snippet"]["publishedAt"]).is_none_or(|at| at >= window.floor());
    let items: Vec<&Value> = listed["items"].as_array().into_iter().flatten().collect();
    let candidates: Vec<&Value> = items.iter().copied().filter(recent).collect();
    let matching: Vec<String> = candidates
        .iter()
        .filter(|item| text(item) == text(&wanted))
        .filter_map(|item| item["contentDetails"]["videoId"].as_str().map(str::to_owned))
        .filter(|id| !window.known_external_ids.contains(id))
        .collect();
    let looked = candidates.len();
    Ok(match matching.as_slice() {
        [video] => Resolution::Found {
            sent: sent(call.account, video.clone()),
            evidence: format!("one of {looked} uploads since {} has its title and description", window.floor().to_rfc3339()),
        },
        // A full page of newer uploads may hide it.
        [] if looked == items.len() && looked >= 50 => Resolution::Unknown { evidence: format!("{looked} uploads came after it") },
        [] => Resolution::Absent { evidence: format!("none of {looked} uploads has its title and description, and its session is gone") },
        many => Resolution::Unknown { evidence: format!("{} uploads have its title and description", many.len()) },
    })
}
