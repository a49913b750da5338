//! Mastodon, and the servers that speak its API.

use super::{
    Capabilities, Connect, Counting, Credential, ImageRules, MediaRules, MentionSyntax, OnlyOn, Rate, TagSyntax, VideoRules,
    capabilities::steps,
};
use crate::{metrics::Metric, publication::SendClass};

const MEBIBYTE: u64 = 1024 * 1024;

/// Server software that speaks Mastodon's API and is known to honour `Idempotency-Key`, as NodeInfo names it.
///
/// Mastodon itself and forks of it that keep `PostStatusService` and report their own name. Others stay class E: snac was seen to post twice under
/// one key, GoToSocial and Pixelfed do not handle it.
const HONOURS_KEYS: &[&str] = &["mastodon", "hometown"];

// 500, 23 and the counting: `StatusLengthValidator` in mastodon/mastodon (`MAX_CHARS`, `URL_PLACEHOLDER_CHARS`, `each_grapheme_cluster`,
// entities extracted with `extract_url_without_protocol: false`). 4 media: `configuration.statuses.max_media_attachments` of
// `/api/v2/instance`; sizes and types: `MediaAttachment` (`IMAGE_LIMIT` 16 MB, `VIDEO_LIMIT` 99 MB, `IMAGE_MIME_TYPES`, images are scaled to
// 8.3 megapixels, `MAX_DESCRIPTION_LENGTH` 1500). A server may answer other numbers there: see `TextLimits`. Mastodon itself limits neither
// hashtags nor mentions, nor the length of a thread. Rates: `config/initializers/rack_attack.rb`.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "mastodon",
    title: "Mastodon",
    steps: steps!("mastodon"),
    counting: Counting::GraphemesWithConcessions,
    max_units: 500,
    max_bytes: None,
    max_units_with_media: None,
    url_units: Some(23),
    mentions: MentionSyntax::Fediverse,
    tags: TagSyntax::Loose,
    max_tag_units: 100,
    max_hashtags: 5,
    max_mentions: 5,
    media: MediaRules {
        images: Some(ImageRules {
            max: 4,
            types: &["image/jpeg", "image/png", "image/webp", "image/gif"],
            max_bytes: 16 * MEBIBYTE,
            max_edge: 3840,
            aspect: None,
            max_alt: 1500,
        }),
        video: Some(VideoRules {
            types: &["video/mp4", "video/webm", "video/quicktime"],
            max_bytes: 99 * MEBIBYTE,
            max_seconds: 3600,
            max_alt: 1500,
        }),
        required: None,
        fetched: false,
    },
    stages_text: false,
    max_thread_parts: 25,
    first_comment: true,
    disclosures: &[],
    metrics: &[Metric::Likes, Metric::Comments, Metric::Shares],
    class: SendClass::B,
    class_only_on: Some(OnlyOn { software: HONOURS_KEYS, others: SendClass::E }),
    // Mastodon keeps a key for 3600 s from the moment it stored the status (`PostStatusService`, `redis.setex(.., 3_600, ..)`); five minutes are
    // kept back for a second request that is slow itself.
    key_minutes: 55,
    send_once: "Servers that are known to honour idempotency keys recognise a repetition for an hour; on others, and later, the post is looked for \
                among the account's own before anything is sent again.",
    connect: Connect::OAuth {
        scopes: &["read:accounts", "read:statuses", "write:statuses", "write:media"],
        or: &[Credential { name: "access_token", about: "Preferences, Development, New application", needed: true, secret: true }],
    },
    api: None,
    rates: &[Rate { what: "requests", count: 300, seconds: 300 }, Rate { what: "uploads and deletions", count: 30, seconds: 1800 }],
};
