//! Hootsuite: a social profile on one of the networks that it publishes to.

use super::{Capabilities, Connect, Counting, Credential, ImageRules, MediaRules, MentionSyntax, Rate, TagSyntax, capabilities::steps};
use crate::publication::SendClass;

const MEBIBYTE: u64 = 1024 * 1024;

// Hootsuite states no limits of its own: how long a text may be comes with the profile's network, as which the connector measures it; 63,206 is the
// longest of them (Facebook). Media types: apidocs.hootsuite.com, "MediaUploadUrlRequest" (image/gif, image/jpeg, image/png, video/mp4); how large,
// how many and of what shape is not said, so pictures are fitted to what all networks behind it take (ours: 4 and 5 MB because of X). There is no alt
// text, no thread, no comment and no disclosure in "Message". Counters are in another API (Analytics, with a scope and a contract of its own), and are
// left out; so are videos. Rates: developer.hootsuite.com, "API rate limits" (20 a second and 100,000 a day).
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "hootsuite",
    title: "Hootsuite",
    steps: steps!("hootsuite"),
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
            types: &["image/jpeg", "image/png"],
            max_bytes: 5 * MEBIBYTE,
            max_edge: 4096,
            aspect: None,
            max_alt: 0,
        }),
        video: None,
        required: None,
        fetched: false,
    },
    stages_text: false,
    max_thread_parts: 0,
    first_comment: false,
    disclosures: &[],
    metrics: &[],
    class: SendClass::E,
    class_only_on: None,
    key_minutes: 0,
    send_once: "Hootsuite knows no key against repetitions. A message whose sending was in doubt is looked for among those of the profile, by its \
                pictures, its link or its text, and sent again only when it stays absent. Hootsuite posts it to the network by itself: what becomes \
                of it there after Hootsuite has taken it, is to be seen in Hootsuite.",
    connect: Connect::OAuth {
        scopes: &["offline"],
        or: &[
            Credential {
                name: "access_token",
                about: "a token of an application of your own; it ends after an hour",
                needed: true,
                secret: true,
            },
            Credential {
                name: "social_profile",
                about: "the number of the social profile: GET /v1/socialProfiles",
                needed: true,
                secret: false,
            },
        ],
    },
    api: Some("https://platform.hootsuite.com"),
    rates: &[Rate { what: "requests", count: 20, seconds: 1 }, Rate { what: "requests", count: 100_000, seconds: 86_400 }],
};
