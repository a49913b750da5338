//! Threads.

use super::{
    Capabilities, Connect, Counting, Credential, ImageRules, MediaRules, MentionSyntax, Rate, TagSyntax, VideoRules, capabilities::steps,
};
use crate::{metrics::Metric, publication::SendClass};

const MEBIBYTE: u64 = 1024 * 1024;

// All from developers.facebook.com/documentation/threads: 500 and the counting of emoji, carousels of 2 to 20, alt text of 1000 characters
// ("Posts", "Publishing"); images JPEG or PNG, 8 MB, at most 1440 pixels wide and 10:1, videos MOV or MP4, 1 GB, five minutes ("Media
// specifications"); one topic tag a post ("Topic tags": the first #tag or the parameter), which is why one hashtag is sensible; five links a post
// ("Links"), which is beyond what a text here has; 250 posts, 1000 replies and 100 deletions in 24 hours ("Overview"); counters ("Insights").
// That a megabyte is 1024 * 1024 here is assumed. A page for development is told no limit of a chain of replies: 25 is ours.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "threads",
    title: "Threads",
    steps: steps!("threads"),
    counting: Counting::GraphemesEmojiBytes,
    max_units: 500,
    max_bytes: None,
    max_units_with_media: None,
    url_units: None,
    mentions: MentionSyntax::Plain,
    tags: TagSyntax::Loose,
    max_tag_units: 50,
    max_hashtags: 1,
    max_mentions: 5,
    media: MediaRules {
        images: Some(ImageRules {
            max: 20,
            types: &["image/jpeg", "image/png"],
            max_bytes: 8 * MEBIBYTE,
            max_edge: 1440,
            aspect: Some((100, 10_000)),
            max_alt: 1000,
        }),
        video: Some(VideoRules { types: &["video/mp4", "video/quicktime"], max_bytes: 1024 * MEBIBYTE, max_seconds: 300, max_alt: 1000 }),
        required: None,
        fetched: true,
    },
    stages_text: true,
    max_thread_parts: 25,
    first_comment: true,
    disclosures: &[],
    metrics: &[Metric::Likes, Metric::Comments, Metric::Shares, Metric::Impressions],
    class: SendClass::C,
    class_only_on: None,
    key_minutes: 0,
    send_once: "A post is a container first, which can be published once; its state tells whether it was, and is asked before anything is sent again.",
    connect: Connect::OAuth {
        scopes: &[
            "threads_basic",
            "threads_content_publish",
            "threads_manage_replies",
            "threads_read_replies",
            "threads_manage_insights",
            "threads_delete",
        ],
        or: &[Credential {
            name: "access_token",
            about: "a long-lived token of the profile: developers.facebook.com, your app, Threads, User Token Generator",
            needed: true,
            secret: true,
        }],
    },
    api: Some("https://graph.threads.net"),
    rates: &[
        Rate { what: "posts", count: 250, seconds: 86_400 },
        Rate { what: "replies", count: 1000, seconds: 86_400 },
        Rate { what: "deletions", count: 100, seconds: 86_400 },
    ],
};
