//! Bluesky (AT Protocol).

use super::{
    Capabilities, Connect, Counting, Credential, ImageRules, MediaRules, MentionSyntax, Rate, TagSyntax, VideoRules, capabilities::steps,
};
use crate::{metrics::Metric, publication::SendClass};

// 300 graphemes and 3000 bytes: lexicon `app.bsky.feed.post` (`maxGraphemes`, `maxLength`). 4 images of at most 2,000,000 bytes:
// `app.bsky.embed.images`; a video of at most 100,000,000 bytes: `app.bsky.embed.video`; three minutes: docs.bsky.app. Alt text: the lexicon
// sets no limit, Bluesky's own app stops at 2000. 64 graphemes a tag: `app.bsky.richtext.facet#tag`. The lexicon limits neither the number of
// tags nor of mentions within a text. Rates: docs.bsky.app, "Rate limits" (a put is 2 points of 5000 an hour).
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "bluesky",
    title: "Bluesky",
    steps: steps!("bluesky", mentions by id),
    counting: Counting::Graphemes,
    max_units: 300,
    max_bytes: Some(3000),
    max_units_with_media: None,
    url_units: None,
    mentions: MentionSyntax::Domain,
    tags: TagSyntax::AfterSpace,
    max_tag_units: 64,
    max_hashtags: 3,
    max_mentions: 5,
    media: MediaRules {
        images: Some(ImageRules {
            max: 4,
            types: &["image/jpeg", "image/png", "image/webp"],
            max_bytes: 2_000_000,
            max_edge: 4000,
            aspect: None,
            max_alt: 2000,
        }),
        video: Some(VideoRules { types: &["video/mp4"], max_bytes: 100_000_000, max_seconds: 180, max_alt: 2000 }),
        required: None,
        fetched: false,
    },
    stages_text: false,
    max_thread_parts: 25,
    first_comment: true,
    disclosures: &[],
    metrics: &[Metric::Likes, Metric::Comments, Metric::Shares, Metric::Saves],
    class: SendClass::A,
    class_only_on: None,
    key_minutes: 0,
    send_once: "The record's key is chosen before sending: a repetition writes the same record, and a look-up by the key tells whether it is there.",
    connect: Connect::Credentials(&[
        Credential { name: "app_password", about: "Settings, Privacy and security, App passwords", needed: true, secret: true },
        Credential { name: "identifier", about: "e-mail address or DID, if it is not the handle", needed: false, secret: false },
    ]),
    api: Some("https://bsky.social"),
    rates: &[
        Rate { what: "records written", count: 2500, seconds: 3600 },
        Rate { what: "requests of an address", count: 3000, seconds: 300 },
    ],
};
