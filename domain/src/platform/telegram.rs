//! Telegram, through a bot that may post in the channel or group.

use super::{
    Capabilities, Connect, Counting, Credential, ImageRules, MediaRules, MentionSyntax, Rate, TagSyntax, VideoRules, capabilities::steps,
};
use crate::publication::SendClass;

const MEGABYTE: u64 = 1_000_000;

// 4096, with media 1024: core.telegram.org/bots/api, `sendMessage.text`, `sendPhoto.caption`, both after entities were parsed; TDLib counts code
// points (`utf8_length` against `message_text_length_max`). 2 to 10 items: `sendMediaGroup.media`. A photo of at most 10 MB, whose width and
// height are at most 10000 together and 20 to 1: `sendPhoto.photo`; a video of 50 MB: `sendVideo.video`. There is no alt text, and a bot reads no
// counters. Rates: core.telegram.org/bots/faq, "My bot is hitting limits": 30 messages a second, one a second in a chat, 20 a minute in a group.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "telegram",
    title: "Telegram",
    steps: steps!("telegram"),
    counting: Counting::CodePoints,
    max_units: 4096,
    max_bytes: None,
    max_units_with_media: Some(1024),
    url_units: None,
    mentions: MentionSyntax::Plain,
    tags: TagSyntax::Loose,
    max_tag_units: 100,
    max_hashtags: 5,
    max_mentions: 5,
    media: MediaRules {
        images: Some(ImageRules {
            max: 10,
            types: &["image/jpeg", "image/png"],
            max_bytes: 10 * MEGABYTE,
            max_edge: 5000,
            aspect: Some((50, 20_000)),
            max_alt: 0,
        }),
        video: Some(VideoRules { types: &["video/mp4"], max_bytes: 50 * MEGABYTE, max_seconds: 3600, max_alt: 0 }),
        required: None,
        fetched: false,
    },
    max_thread_parts: 25,
    first_comment: true,
    disclosures: &[],
    metrics: &[],
    class: SendClass::F,
    class_only_on: None,
    stages_text: false,
    key_minutes: 0,
    send_once: "A bot can neither name its messages nor read what is in a chat: every message is sent at most once, and a person is asked when the \
                outcome is unknown.",
    connect: Connect::Credentials(&[
        Credential {
            name: "bot_token",
            about: "given by @BotFather; the bot has to be an administrator of the channel",
            needed: true,
            secret: true,
        },
        Credential { name: "chat_id", about: "@name of the channel, or the number of the chat (-100...)", needed: true, secret: false },
    ]),
    api: Some("https://api.telegram.org"),
    rates: &[Rate { what: "messages in a chat", count: 1, seconds: 1 }, Rate { what: "messages of a bot", count: 30, seconds: 1 }],
};
