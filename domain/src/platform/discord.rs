//! Discord, through a bot, or through a channel's webhook.

use super::{
    Capabilities, Connect, Counting, Credential, ImageRules, MediaRules, MentionSyntax, OnlyOn, Rate, TagSyntax, VideoRules,
    capabilities::steps,
};
use crate::{metrics::Metric, publication::SendClass};

const MEBIBYTE: u64 = 1024 * 1024;

// 2000: docs.discord.com, "Create Message" (`content`); what a character is, is not said: UTF-16 units are the strictest reading. 10 MiB a file
// without boosts: "Uploading Files"; 25 MiB a request: "Create Message". 10 attachments a message: Discord's own app. Alt text 1024:
// "Attachment Request Structure" (`description`). A name is no mention (that is `<@1234>`), and there are no hashtags. Two minutes: `nonce` with
// `enforce_nonce` is unique for "the past few minutes". Rates must not be written down, says the documentation: the answers tell them; the bot's
// global 50 a second is all that it states.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "discord",
    title: "Discord",
    steps: steps!("discord"),
    counting: Counting::Utf16Units,
    max_units: 2000,
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
            types: &["image/png", "image/jpeg", "image/webp", "image/gif"],
            max_bytes: 10 * MEBIBYTE,
            max_edge: 4096,
            aspect: None,
            max_alt: 1024,
        }),
        video: Some(VideoRules {
            types: &["video/mp4", "video/webm", "video/quicktime"],
            max_bytes: 10 * MEBIBYTE,
            max_seconds: 3600,
            max_alt: 1024,
        }),
        required: None,
        fetched: false,
    },
    max_thread_parts: 25,
    first_comment: true,
    disclosures: &[],
    metrics: &[Metric::Likes],
    class: SendClass::B,
    // A webhook can neither name its messages nor list them; a bot can do both.
    class_only_on: Some(OnlyOn { software: &["bot"], others: SendClass::F }),
    stages_text: false,
    key_minutes: 2,
    send_once: "A bot gives every message a number that Discord recognises for a few minutes; later the message is looked for in the channel. A \
                webhook can do neither: it sends at most once, and a person is asked when the outcome is unknown.",
    connect: Connect::Credentials(&[
        Credential {
            name: "bot_token",
            about: "discord.com/developers/applications, Bot, Token; the bot may view the channel, read its history, send messages and attach files",
            needed: false,
            secret: true,
        },
        Credential { name: "channel", about: "the channel's id, for the bot", needed: false, secret: false },
        Credential {
            name: "webhook_url",
            about: "in place of a bot: the channel's settings, Integrations, Webhooks, Copy Webhook URL",
            needed: false,
            secret: true,
        },
    ]),
    api: Some("https://discord.com"),
    rates: &[Rate { what: "requests of a bot", count: 50, seconds: 1 }],
};
