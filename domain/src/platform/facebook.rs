//! A page on Facebook.

use super::{Capabilities, Connect, Counting, Credential, ImageRules, MediaRules, MentionSyntax, Rate, TagSyntax, capabilities::steps};
use crate::{metrics::Metric, publication::SendClass};

const MEBIBYTE: u64 = 1024 * 1024;

// 63,206 characters: Facebook's own announcement of November 2011; no document of the API has it, and what a character is, is not said: UTF-16
// units are the strictest reading. Photos of at most 10 MB, JPEG, PNG or GIF, unpublished first and then attached (developers.facebook.com,
// "Page Photos": `published=false`, `attached_media`, `alt_text_custom`; its length is not told: 1000 is ours, and so are ten photos and 2048
// pixels). A name cannot be mentioned by a text. `post_media_view` and `post_clicks`: "Page Insights"; all `post_impressions*` ended between
// November 2025 and June 2026 ("Deprecated metrics"). Calls: 4800 in 24 hours for each engaged person ("Rate limits"). Videos are not posted yet:
// they take another way (`video_reels`). A branded content tag needs the sponsor's page, which Pressroom does not know.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "facebook",
    title: "Facebook",
    steps: steps!("facebook"),
    counting: Counting::Utf16Units,
    max_units: 63_206,
    max_bytes: None,
    max_units_with_media: None,
    url_units: None,
    mentions: MentionSyntax::None,
    tags: TagSyntax::Loose,
    max_tag_units: 100,
    max_hashtags: 3,
    max_mentions: 5,
    media: MediaRules {
        images: Some(ImageRules {
            max: 10,
            types: &["image/jpeg", "image/png", "image/gif"],
            max_bytes: 10 * MEBIBYTE,
            max_edge: 2048,
            aspect: None,
            max_alt: 1000,
        }),
        video: None,
        required: None,
        fetched: true,
    },
    stages_text: true,
    max_thread_parts: 0,
    first_comment: true,
    disclosures: &[],
    metrics: &[Metric::Likes, Metric::Comments, Metric::Shares, Metric::Impressions, Metric::Clicks],
    class: SendClass::C,
    class_only_on: None,
    key_minutes: 0,
    send_once: "A post is made unpublished first, under the id that it keeps; publishing it again changes nothing, and whether it is public can be asked. \
                A first comment is looked for among the comments.",
    connect: Connect::OAuth {
        scopes: &[
            "pages_show_list",
            "pages_read_engagement",
            "pages_manage_posts",
            "pages_manage_engagement",
            "pages_read_user_content",
            "read_insights",
        ],
        or: &[Credential {
            name: "access_token",
            about: "a token of the page, not of a person: Graph API Explorer, Get Page Access Token",
            needed: true,
            secret: true,
        }],
    },
    api: Some("https://graph.facebook.com"),
    rates: &[Rate { what: "calls for each engaged person", count: 4800, seconds: 86_400 }],
};
