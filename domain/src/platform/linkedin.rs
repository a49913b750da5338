//! LinkedIn: members and organisations.

use super::{Capabilities, Connect, Counting, Credential, ImageRules, MediaRules, MentionSyntax, Rate, TagSyntax, capabilities::steps};
use crate::{metrics::Metric, publication::SendClass};

const MEBIBYTE: u64 = 1024 * 1024;

// 3000: the refusal of `POST /rest/posts` ("length is greater than maximum allowed 3000"); the documentation does not say it, nor what a character
// is: UTF-16 units are the strictest reading. Images: learn.microsoft.com, "Images API" (JPG, PNG, GIF; fewer than 36,152,320 pixels) and
// "MultiImage API" (2 to 20); alt text of 4,086 characters: "Posts API", `content.media.altText`. The largest file is not documented: 8 MB is what
// LinkedIn's own pages say of images. Videos are left out here. A comment has 1,250 characters: the connector checks that. Rates:
// learn.microsoft.com, "Share on LinkedIn" (150 a member and day, 100,000 an application; told in no header, days end at midnight UTC).
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    name: "linkedin",
    title: "LinkedIn",
    steps: steps!("linkedin"),
    counting: Counting::Utf16Units,
    max_units: 3000,
    max_bytes: None,
    max_units_with_media: None,
    url_units: None,
    mentions: MentionSyntax::None,
    tags: TagSyntax::Loose,
    max_tag_units: 100,
    max_hashtags: 5,
    max_mentions: 5,
    media: MediaRules {
        images: Some(ImageRules {
            max: 20,
            types: &["image/jpeg", "image/png", "image/gif"],
            max_bytes: 8 * MEBIBYTE,
            max_edge: 6000,
            aspect: None,
            max_alt: 4086,
        }),
        video: None,
        required: None,
        fetched: false,
    },
    stages_text: false,
    max_thread_parts: 0,
    first_comment: true,
    disclosures: &[],
    metrics: &[Metric::Likes, Metric::Comments, Metric::Shares, Metric::Impressions, Metric::Clicks],
    class: SendClass::D,
    class_only_on: None,
    key_minutes: 0,
    send_once: "LinkedIn refuses a post that the account has just made and names it, so that the same post can be sent again for half an hour; an \
                organisation's posts are looked through besides. LinkedIn documents neither this nor for how long it holds. Whether a member's \
                comment arrived cannot be read: then a person is asked.",
    connect: Connect::OAuth {
        scopes: &[
            "openid",
            "profile",
            "w_member_social",
            "r_member_postAnalytics",
            "w_organization_social",
            "r_organization_social",
            "rw_organization_admin",
        ],
        or: &[
            Credential {
                name: "access_token",
                about: "linkedin.com/developers, Docs and tools, OAuth token tools; it ends after 60 days",
                needed: true,
                secret: true,
            },
            Credential { name: "organization", about: "the organisation's number, to post as it", needed: false, secret: false },
        ],
    },
    api: Some("https://api.linkedin.com"),
    rates: &[Rate { what: "posts", count: 150, seconds: 86_400 }],
};
