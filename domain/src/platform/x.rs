//! X, formerly Twitter (API v2).

use super::{
    Capabilities, Connect, Counting, Credential, Disclosure, ImageRules, MediaRules, MentionSyntax, Rate, TagSyntax, VideoRules,
    capabilities::steps,
};
use crate::{metrics::Metric, publication::SendClass};

const MEBIBYTE: u64 = 1024 * 1024;

// 280 weighted and 23 for a link: `config/v3.json` of twitter/twitter-text (`maxWeightedTweetLength`, `transformedURLLength`). Media: docs.x.com,
// "Media": images 5 MB, GIFs 15 MB, videos 512 MB; 4 images or 1 GIF or 1 video. A GIF is left out: it has to be alone, and a moving picture goes as
// a video. Alt text of 1000 characters, for images only: `POST /2/media/metadata`. 140 seconds is what an account without a subscription has, and
// 4096 pixels the largest size that X shows (neither is in the API's own documentation). Disclosures: `made_with_ai` and `paid_partnership` of
// `POST /2/tweets`. Rates: docs.x.com, "Rate limits" (per user; besides, an application has 10,000 posts a day). X imposes no number of hashtags or
// mentions, nor a length of a thread. Clicks are told for 30 days (`non_public_metrics`).
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "x",
    title: "X",
    steps: steps!("x"),
    counting: Counting::Weighted,
    max_units: 280,
    max_bytes: None,
    max_units_with_media: None,
    url_units: Some(23),
    mentions: MentionSyntax::Plain,
    tags: TagSyntax::Loose,
    max_tag_units: 100,
    max_hashtags: 2,
    max_mentions: 5,
    media: MediaRules {
        images: Some(ImageRules {
            max: 4,
            types: &["image/jpeg", "image/png", "image/webp"],
            max_bytes: 5 * MEBIBYTE,
            max_edge: 4096,
            aspect: None,
            max_alt: 1000,
        }),
        video: Some(VideoRules { types: &["video/mp4", "video/quicktime"], max_bytes: 512 * MEBIBYTE, max_seconds: 140, max_alt: 0 }),
        required: None,
        fetched: false,
    },
    stages_text: false,
    max_thread_parts: 25,
    first_comment: true,
    disclosures: &[Disclosure::PaidPartnership, Disclosure::AiGenerated],
    metrics: &[Metric::Likes, Metric::Comments, Metric::Shares, Metric::Saves, Metric::Impressions, Metric::Clicks],
    class: SendClass::D,
    class_only_on: None,
    key_minutes: 0,
    send_once: "X refuses a text that the account has just posted, but does not say which post that is: before anything is sent again, the post is \
                looked for among the account's own, by its media, its link or its text.",
    connect: Connect::OAuth {
        scopes: &["tweet.read", "tweet.write", "users.read", "media.write", "offline.access"],
        or: &[Credential {
            name: "access_token",
            about: "a token of the account with those scopes, from an application of your own; it ends after two hours",
            needed: true,
            secret: true,
        }],
    },
    api: Some("https://api.x.com"),
    rates: &[Rate { what: "posts", count: 100, seconds: 900 }, Rate { what: "readings of the account's posts", count: 900, seconds: 900 }],
};
