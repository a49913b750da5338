//! YouTube, through a channel.

use super::{
    Capabilities, Connect, Counting, Disclosure, MediaRules, MentionSyntax, Rate, Requirement, TagSyntax, VideoRules, capabilities::steps,
};
use crate::{metrics::Metric, publication::SendClass};

const GIBIBYTE: u64 = 1024 * 1024 * 1024;

// 5000 bytes of description, 100 characters of title, neither with `<` or `>`: developers.google.com/youtube/v3/docs/videos, `snippet.description`
// and `snippet.title`. The first line of a text becomes the title (see the connector), so that the description's limit holds for the whole. 256 GB,
// `video/*`: the same documentation, `videos.insert`; 12 hours: support.google.com/youtube/answer/71673 (accounts that are not verified: 15
// minutes). More than 60 hashtags and none counts: support.google.com/youtube/answer/6390658; 3 are shown above the title. A name in a description
// makes a mention by its handle. There is no alt text. Disclosures: `status.containsSyntheticMedia`,
// `paidProductPlacementDetails.hasPaidProductPlacement`. Uploads a day: the quota of a project that was not given more, as told in 2026. The scope is
// the narrowest that uploads, comments, deletes and reads together. That YouTube keeps an upload session for a week is told of Google's upload
// protocol elsewhere (Drive), not here.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "youtube",
    title: "YouTube",
    steps: steps!("youtube"),
    counting: Counting::Bytes,
    max_units: 5000,
    max_bytes: None,
    max_units_with_media: None,
    url_units: None,
    mentions: MentionSyntax::Plain,
    tags: TagSyntax::Loose,
    max_tag_units: 100,
    max_hashtags: 15,
    max_mentions: 5,
    media: MediaRules {
        images: None,
        video: Some(VideoRules {
            types: &["video/mp4", "video/webm", "video/quicktime"],
            max_bytes: 256 * GIBIBYTE,
            max_seconds: 43_200,
            max_alt: 0,
        }),
        required: Some(Requirement::Video),
        fetched: false,
    },
    stages_text: false,
    max_thread_parts: 0,
    first_comment: true,
    disclosures: &[Disclosure::PaidPartnership, Disclosure::AiGenerated],
    metrics: &[Metric::Likes, Metric::Comments, Metric::Impressions],
    class: SendClass::C,
    class_only_on: None,
    key_minutes: 0,
    send_once: "A video is uploaded into a session that nobody can see, up to its last piece; sending that piece publishes it. The session tells afterwards \
                whether the video is complete, and which it is. A comment is looked for under its video before it is sent again. Videos of an application \
                that Google has not audited stay private.",
    connect: Connect::OAuth { scopes: &["https://www.googleapis.com/auth/youtube.force-ssl"], or: &[] },
    api: Some("https://www.googleapis.com"),
    rates: &[Rate { what: "uploads of an application", count: 100, seconds: 86_400 }],
};
