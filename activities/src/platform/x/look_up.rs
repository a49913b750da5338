//! Finding out whether a post was made, by looking at the account's own: by its media's keys, else its link, else its text.

use chrono::{DateTime, SecondsFormat, Utc};
use domain::publication::Resolution;
use serde::Deserialize;
use serde_json::Value;

use super::{media, sent};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        Answered, Call, Sending, Window,
        answer::{expect_json, signed},
        endpoint,
        recognise::{Candidate, recognise},
    },
};

/// How many pages of posts are read at most, and how many posts one has: the most that X gives.
const PAGES: usize = 5;
const PER_PAGE: usize = 100;

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    data: Vec<Listed>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    text: String,
    created_at: DateTime<Utc>,
    #[serde(default)]
    attachments: Attachments,
    #[serde(default)]
    entities: Entities,
}

#[derive(Debug, Default, Deserialize)]
struct Attachments {
    #[serde(default)]
    media_keys: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Entities {
    #[serde(default)]
    urls: Vec<Wrapped>,
}

#[derive(Debug, Deserialize)]
struct Wrapped {
    url: String,
    #[serde(default)]
    expanded_url: String,
    #[serde(default)]
    unwound_url: Option<String>,
}

/// Looks once through the account's posts since the first send.
pub(super) async fn resolve(
    call: Call<'_>,
    Sending { frozen, staged, .. }: Sending<'_>,
    window: &Window,
) -> ActivityResult<Answered<Resolution>> {
    let keys = media::keys(staged)?;
    let written: Value = serde_json::from_str(&frozen.body).map_err(|_| ActivityError::rejected("the frozen post is not one for X"))?;
    let written = written["text"].as_str().unwrap_or_default();
    let (mut seen, mut budget, mut next) = (Vec::new(), None, None);
    for _ in 0..PAGES {
        let page = page(call, window, next.as_deref()).await?;
        budget = page.budget.or(budget);
        seen.extend(page.value.data);
        next = page.value.meta.next_token;
        if next.is_none() {
            break;
        }
    }
    let same_media: Vec<&Listed> = seen.iter().filter(|post| !keys.is_empty() && post.attachments.media_keys == keys).collect();
    if let [one] = same_media.as_slice()
        && let Some(sent) = sent(call.account, &one.id)
    {
        let evidence = format!("one of {} posts since {} has its media", seen.len(), window.floor().to_rfc3339());
        return Ok(Answered { value: Resolution::Found { sent, evidence }, budget });
    }
    if next.is_some() {
        let evidence = format!("the account has more than {} posts since the send", PAGES * PER_PAGE);
        return Ok(Answered { value: Resolution::Unknown { evidence }, budget });
    }
    let candidates = seen.into_iter().map(|post| Candidate {
        id: Some(post.id.clone()),
        at: post.created_at,
        hidden: post
            .entities
            .urls
            .iter()
            .flat_map(|url| [Some(url.expanded_url.as_str()), url.unwound_url.as_deref()])
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
        text: as_written(&post, written),
        sent: sent(call.account, &post.id),
    });
    Ok(Answered { value: recognise(candidates.collect(), frozen, window), budget })
}

async fn page(call: Call<'_>, window: &Window, next: Option<&str>) -> ActivityResult<Answered<Page>> {
    let mut url = endpoint(&call.account.base_url, "2/users")?;
    url.path_segments_mut().map_err(|()| ActivityError::rejected("not an address"))?.extend([&call.account.remote_id, "tweets"]);
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("max_results", &PER_PAGE.to_string());
        query.append_pair("start_time", &window.floor().to_rfc3339_opts(SecondsFormat::Secs, true));
        query.append_pair("tweet.fields", "created_at,attachments,entities");
        if let Some(next) = next {
            query.append_pair("pagination_token", next);
        }
    }
    expect_json(call, signed(call, call.http.get(url)?)?).await
}

/// The text as it was sent: with its links in place of `t.co`, without the address of its media, its signs not escaped.
fn as_written(post: &Listed, written: &str) -> String {
    let mut text = post.text.clone();
    for Wrapped { url, expanded_url, .. } in &post.entities.urls {
        let bare = expanded_url.trim_start_matches("https://").trim_start_matches("http://");
        // What hangs on a post is a link to itself at the end; a name without a scheme was given one.
        let is_media = !post.attachments.media_keys.is_empty() && expanded_url.contains(&format!("/status/{}/", post.id));
        let put = match expanded_url {
            _ if is_media => "",
            whole if written.contains(whole.as_str()) => whole,
            _ if written.contains(bare) => bare,
            whole => whole,
        };
        text = text.replace(url.as_str(), put);
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_read_back_as_it_was_written() {
        let post: Listed = serde_json::from_value(json!({
            "id": "7", "text": "A &amp; B https://t.co/a1 example.com: https://t.co/a2 https://t.co/a3", "created_at": "2026-12-01T09:00:00Z",
            "attachments": {"media_keys": ["3_1"]},
            "entities": {"urls": [
                {"url": "https://t.co/a1", "expanded_url": "https://a.example/?b&c"},
                {"url": "https://t.co/a2", "expanded_url": "http://bare.example"},
                {"url": "https://t.co/a3", "expanded_url": "https://x.com/ann/status/7/photo/1"},
            ]},
        }))
        .unwrap();
        let written = "A & B https://a.example/?b&c example.com: bare.example";
        assert_eq!(as_written(&post, written).trim(), written);
    }
}
