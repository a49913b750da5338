//! Instagram, through the page that the account is connected to.

use super::{
    Capabilities, Connect, Counting, Credential, Disclosure, ImageRules, MediaRules, MentionSyntax, Rate, Requirement, TagSyntax,
    VideoRules, capabilities::steps,
};
use crate::{metrics::Metric, publication::SendClass};

const MEBIBYTE: u64 = 1024 * 1024;

// All from developers.facebook.com/documentation/instagram-platform. "IG User Media": a caption of 2200 characters, 30 hashtags and 20 @ tags, which
// are imposed; JPEG only, 8 MB, between 4:5 and 1.91:1, at most 1440 pixels wide; reels MOV or MP4, 300 MB, 15 minutes; alt text of 1000
// characters, for images only. What a character is, is not said: UTF-16 units are the strictest reading. "Content publishing": carousels of 2 to 10,
// media from a public address, 100 posts in 24 hours (its section on carousels still says 50; `content_publishing_limit` is asked before each
// post). `is_paid_partnership` since April 2026, with Facebook Login only, and `is_ai_generated` since June 2026 ("Changelog"). No threads. A text
// alone cannot be posted. Deleting needs `instagram_manage_contents` (since December 2025). Links in captions are text to people.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "instagram",
    title: "Instagram",
    steps: steps!("instagram"),
    counting: Counting::Utf16Units,
    max_units: 2200,
    max_bytes: None,
    max_units_with_media: None,
    url_units: None,
    mentions: MentionSyntax::Plain,
    tags: TagSyntax::Loose,
    max_tag_units: 100,
    max_hashtags: 30,
    max_mentions: 20,
    media: MediaRules {
        images: Some(ImageRules {
            max: 10,
            types: &["image/jpeg"],
            max_bytes: 8 * MEBIBYTE,
            max_edge: 1440,
            aspect: Some((800, 1910)),
            max_alt: 1000,
        }),
        video: Some(VideoRules { types: &["video/mp4", "video/quicktime"], max_bytes: 300 * MEBIBYTE, max_seconds: 900, max_alt: 0 }),
        required: Some(Requirement::Media),
        fetched: true,
    },
    stages_text: false,
    max_thread_parts: 0,
    first_comment: true,
    disclosures: &[Disclosure::PaidPartnership, Disclosure::AiGenerated],
    metrics: &[Metric::Likes, Metric::Comments, Metric::Shares, Metric::Saves, Metric::Impressions, Metric::FollowersDelta],
    class: SendClass::C,
    class_only_on: None,
    key_minutes: 0,
    send_once: "A post is a container first, which can be published once; its state tells whether it was, and is asked before anything is sent again. \
                A first comment is looked for among the comments.",
    connect: Connect::OAuth {
        scopes: &[
            "instagram_basic",
            "instagram_content_publish",
            "instagram_manage_comments",
            "instagram_manage_insights",
            "instagram_manage_contents",
            "pages_show_list",
            "pages_read_engagement",
        ],
        or: &[Credential {
            name: "access_token",
            about: "the token of the page that the account is connected to, with instagram_content_publish: Graph API Explorer, Get Page Access Token",
            needed: true,
            secret: true,
        }],
    },
    api: Some("https://graph.facebook.com"),
    rates: &[Rate { what: "posts", count: 100, seconds: 86_400 }],
};
