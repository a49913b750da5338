//! Buffer: a channel of one of the networks that it publishes to.

use super::{Capabilities, Connect, Counting, Credential, ImageRules, MediaRules, MentionSyntax, Rate, TagSyntax, capabilities::steps};
use crate::{metrics::Metric, publication::SendClass};

const MEGABYTE: u64 = 1_000_000;

// Buffer has no limits of its own but those of the network behind a channel: how long its texts may be comes with the account, and the connector
// measures a text as that network does. 63,206 is the longest of them (Facebook). Pictures are fitted to what all of those networks take (ours): JPEG
// because of Instagram, 1 MB because Bluesky's own limit was that for long, four because of X, Mastodon and Bluesky, 1440 pixels and 4:5 to 1.91:1
// because of Instagram, an alt text of 1000 characters because of X. They are fetched from a public address: developers.buffer.com,
// "ImageAssetInput". Threads and first comments go within the one request that makes a post (`metadata.<service>.thread`, `.firstComment`), not after
// it, so a post that is published part by part cannot have them; videos are left out here. `isAiGenerated` is there for X, TikTok and YouTube only,
// so it is no switch of every channel. Counters: "PostMetricType"; Buffer reads them once a day. Rates: "API limits" (per client: 100 in 15 minutes;
// 250 a day, or 500 with the team plan). Drafts: "CreatePostInput.saveToDraft" ("the post will not be published until explicitly scheduled");
// publishing one: "EditPostInput.mode" ("pass a non-null ShareMode to apply that mode").
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "buffer",
    title: "Buffer",
    steps: steps!("buffer"),
    counting: Counting::Utf16Units,
    max_units: 63_206,
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
            max: 4,
            types: &["image/jpeg"],
            max_bytes: MEGABYTE,
            max_edge: 1440,
            aspect: Some((800, 1910)),
            max_alt: 1000,
        }),
        video: None,
        required: None,
        fetched: true,
    },
    stages_text: true,
    max_thread_parts: 0,
    first_comment: false,
    disclosures: &[],
    metrics: &[Metric::Likes, Metric::Comments, Metric::Shares, Metric::Impressions, Metric::Clicks],
    class: SendClass::C,
    class_only_on: None,
    key_minutes: 0,
    send_once: "A post is a draft in Buffer first, which nobody sees; its id is kept before it is published, and by that its state is asked before \
                anything is sent again. Buffer posts it to the network by itself: if Buffer says that it could not, a person is asked.",
    connect: Connect::OAuth {
        scopes: &["posts:read", "posts:write", "account:read", "offline_access"],
        or: &[
            Credential {
                name: "access_token",
                about: "an API key: publish.buffer.com/settings/api. It opens every channel of the person who made it",
                needed: true,
                secret: true,
            },
            Credential {
                name: "channel",
                about: "the channel's id: the last part of the address of its queue in Buffer",
                needed: true,
                secret: false,
            },
        ],
    },
    api: Some("https://api.buffer.com"),
    rates: &[Rate { what: "requests", count: 100, seconds: 900 }, Rate { what: "requests", count: 250, seconds: 86_400 }],
};
