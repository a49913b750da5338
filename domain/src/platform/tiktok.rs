//! TikTok, through the Content Posting API.

use super::{
    Capabilities, Connect, Counting, Disclosure, ImageRules, MediaRules, MentionSyntax, Rate, Requirement, TagSyntax, VideoRules,
    capabilities::steps,
};
use crate::{metrics::Metric, publication::SendClass};

// developers.tiktok.com/doc/...: 2200 UTF-16 units of a video's text (content-posting-api-reference-direct-post); photos have 4000 and a title of
// 90 (content-posting-api-reference-photo-post): the smaller holds for both. 35 photos, JPEG or WebP, 20 MB, 1080p; video MP4, WebM or QuickTime,
// 4 GB, ten minutes through the API (content-posting-api-media-transfer-guide); a creator may have less, which is asked for before each post
// (content-posting-api-reference-query-creator-info). 6 posts begun and 30 looks at their state a minute for each user (the same references). Access
// tokens live for 2 hours and refresh tokens, which work once, for 180 days (oauth-user-access-token-management, 2026; it was 24 hours and a year
// before): the answer says it, and nothing here relies on it. `is_aigc` is documented for videos alone. There is no alt text. There is no way to
// delete a post or to comment. Not confirmed: whether `/v2/video/list/` shows photo posts.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "tiktok",
    title: "TikTok",
    steps: steps!("tiktok"),
    counting: Counting::Utf16Units,
    max_units: 2200,
    max_bytes: None,
    max_units_with_media: None,
    url_units: None,
    mentions: MentionSyntax::Plain,
    tags: TagSyntax::Loose,
    max_tag_units: 100,
    max_hashtags: 5,
    max_mentions: 5,
    media: MediaRules {
        images: Some(ImageRules {
            max: 35,
            types: &["image/jpeg", "image/webp"],
            max_bytes: 20_000_000,
            max_edge: 1920,
            aspect: None,
            max_alt: 0,
        }),
        video: Some(VideoRules {
            types: &["video/mp4", "video/webm", "video/quicktime"],
            max_bytes: 4_000_000_000,
            max_seconds: 600,
            max_alt: 0,
        }),
        required: Some(Requirement::Media),
        // Photos; a video is uploaded.
        fetched: true,
    },
    stages_text: false,
    max_thread_parts: 0,
    first_comment: false,
    disclosures: &[Disclosure::PaidPartnership, Disclosure::OwnBrand, Disclosure::AiGenerated],
    metrics: &[Metric::Likes, Metric::Comments, Metric::Shares, Metric::Impressions],
    class: SendClass::C,
    class_only_on: None,
    key_minutes: 0,
    send_once: "A video is announced first, and nobody sees it until its last piece is up; its state can be asked for by the number that TikTok gave. \
                Photos are published by the announcement itself: without an answer there is no number to ask by, and unless the account's list shows the \
                post, a person is asked. Posts of an application that TikTok has not audited stay private.",
    connect: Connect::OAuth { scopes: &["user.info.basic", "video.publish", "video.list"], or: &[] },
    api: Some("https://open.tiktokapis.com"),
    rates: &[Rate { what: "posts begun", count: 6, seconds: 60 }, Rate { what: "looks at a post's state", count: 30, seconds: 60 }],
};
