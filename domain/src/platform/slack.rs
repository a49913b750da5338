//! Slack, through a bot that is in the channel.

use super::{Capabilities, Connect, Counting, Credential, ImageRules, MediaRules, MentionSyntax, Rate, TagSyntax, capabilities::steps};
use crate::{metrics::Metric, publication::SendClass};

const MEBIBYTE: u64 = 1024 * 1024;

// 4000: docs.slack.dev, `chat.postMessage`, "Truncating content": 4,000 characters are advised and 40,000 are cut off silently; beyond about 4,000
// Slack splits a text into several messages, which would be several posts. What a character is, is not said: UTF-16 units are the strictest
// reading. Alt text 2000: block kit, `image.alt_text`; images within a message (`slack_file`) are png, jpg and gif. How many and how large is
// ours: a message takes 50 blocks, a file may have a gigabyte. A name is no mention (that is `<@U...>`), and there are no hashtags. Rates:
// docs.slack.dev, "Rate limits": one message a second in a channel; `conversations.history` is tier 3.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "slack",
    title: "Slack",
    steps: steps!("slack"),
    counting: Counting::Utf16Units,
    max_units: 4000,
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
            types: &["image/png", "image/jpeg", "image/gif"],
            max_bytes: 20 * MEBIBYTE,
            max_edge: 4096,
            aspect: None,
            max_alt: 2000,
        }),
        video: None,
        required: None,
        fetched: false,
    },
    max_thread_parts: 25,
    first_comment: true,
    disclosures: &[],
    metrics: &[Metric::Likes, Metric::Comments],
    class: SendClass::E,
    class_only_on: None,
    stages_text: false,
    key_minutes: 0,
    send_once: "Every message carries the number of its post in its metadata; before anything is sent again, the channel's messages are searched for \
                that number.",
    connect: Connect::Credentials(&[
        Credential {
            name: "bot_token",
            about: "api.slack.com/apps, OAuth & Permissions, Bot User OAuth Token, with the scopes chat:write, files:write, files:read and \
                    channels:history (private channels: groups:history)",
            needed: true,
            secret: true,
        },
        Credential {
            name: "channel",
            about: "the channel's id (C...), at the end of its details; the bot has to be a member",
            needed: true,
            secret: false,
        },
    ]),
    api: Some("https://slack.com"),
    rates: &[Rate { what: "messages in a channel", count: 1, seconds: 1 }, Rate { what: "readings of a channel", count: 50, seconds: 60 }],
};
