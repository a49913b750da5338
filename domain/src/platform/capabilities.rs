//! The shape of what a platform can do.

use serde::{Deserialize, Serialize};

use crate::{metrics::Metric, publication::SendClass};

/// What one platform can carry. Platform limits come from the platform; the limits named "sensible" are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The name that the API, the database and the journal use: lower case.
    pub name: &'static str,
    /// The name that people use.
    pub title: &'static str,
    /// What the steps of a publication are called here: people read them in the progress of a run.
    pub steps: StepNames,
    /// How text is counted against `max_units`.
    pub counting: Counting,
    /// The longest text, in the units of `counting`.
    pub max_units: u32,
    /// The longest text in UTF-8 bytes, where the platform has such a limit besides.
    pub max_bytes: Option<u32>,
    /// The longest text of a post with media, where that is shorter.
    pub max_units_with_media: Option<u32>,
    /// How many units a link weighs whatever its length; `None` where it counts as written.
    pub url_units: Option<u32>,
    /// What a mention looks like.
    pub mentions: MentionSyntax,
    /// What a hashtag looks like.
    pub tags: TagSyntax,
    /// The longest hashtag in graphemes, without the `#`.
    pub max_tag_units: u32,
    /// Sensible, unless the platform's file says that it is imposed: more hashtags than this read as spam.
    pub max_hashtags: u32,
    /// Sensible, unless the platform's file says that it is imposed: more mentions than this read as spam.
    pub max_mentions: u32,
    /// What may hang on a post.
    pub media: MediaRules,
    /// Whether a part without media is given to the platform ahead as well (a container, a draft). One with media always is.
    pub stages_text: bool,
    /// How many parts a thread may have; 0 where there are no threads.
    pub max_thread_parts: u32,
    /// Whether a comment of our own can follow a post.
    pub first_comment: bool,
    /// What can be told the platform about a post's origin, beside its text.
    pub disclosures: &'static [Disclosure],
    /// Which counters the platform tells.
    pub metrics: &'static [Metric],
    /// The best class that an account can have here, see `publication::send_class`.
    pub class: SendClass,
    /// Which accounts have that class, where not all have.
    pub class_only_on: Option<OnlyOn>,
    /// For how many minutes after the first send the platform's own key against repetitions is relied on; 0 where it has none.
    pub key_minutes: u32,
    /// How sending once is kept here, and where that ends, in words for people.
    pub send_once: &'static str,
    /// How an account is connected.
    pub connect: Connect,
    /// Where its API answers unless an account says otherwise; `None` where every account has a server of its own.
    pub api: Option<&'static str>,
    /// How much may be asked for, as documented. What an account has left comes with the answers.
    pub rates: &'static [Rate],
}

impl Capabilities {
    /// Whether a post can have several parts.
    #[must_use]
    pub const fn threads(&self) -> bool {
        self.max_thread_parts > 1
    }

    /// Whether a post can be of nothing but text.
    #[must_use]
    pub const fn takes_text_alone(&self) -> bool {
        self.media.required.is_none()
    }

    /// The most images of one post.
    #[must_use]
    pub const fn max_images(&self) -> u32 {
        match self.media.images {
            Some(rules) => rules.max,
            None => 0,
        }
    }
}

/// Which accounts have a platform's best class, and what the others have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnlyOn {
    /// The software of the account's server (NodeInfo's `software.name`), or the kind of account, that has it; in lower case.
    pub software: &'static [&'static str],
    /// The class of every other account.
    pub others: SendClass,
}

/// What the steps of a publication are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepNames {
    /// Giving the platform what it needs ahead.
    pub stage: &'static str,
    /// Sending.
    pub submit: &'static str,
    /// Looking whether it arrived.
    pub look_up: &'static str,
    /// Finding the ids of the accounts that a post mentions; `None` where the platform takes mentions as they are written, and there is no such step.
    pub resolve_mentions: Option<&'static str>,
}

/// The names of a platform's steps, from its own name; and whether it knows mentioned accounts by an id.
macro_rules! steps {
    ($name:literal) => {
        $crate::platform::StepNames {
            stage: concat!($name, ".stage"),
            submit: concat!($name, ".submit"),
            look_up: concat!($name, ".look_up"),
            resolve_mentions: None,
        }
    };
    ($name:literal, mentions by id) => {
        $crate::platform::StepNames {
            resolve_mentions: Some(concat!($name, ".resolve_mentions")),
            ..$crate::platform::capabilities::steps!($name)
        }
    };
}
pub(super) use steps;

/// How a platform counts the length of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// User-perceived characters (UAX #29 extended grapheme clusters) of the text as written.
    Graphemes,
    /// Graphemes, but a link weighs a fixed number and of `@name@server` only `@name` counts.
    GraphemesWithConcessions,
    /// Unicode code points.
    CodePoints,
    /// UTF-16 code units: an emoji counts two or more.
    Utf16Units,
    /// UTF-8 bytes.
    Bytes,
    /// Graphemes, but of an emoji each UTF-8 byte counts (Threads).
    GraphemesEmojiBytes,
    /// X's weighted length: a link 23, an emoji 2, Latin and its neighbours 1, other characters 2.
    Weighted,
}

/// What a mention looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MentionSyntax {
    /// `@name` or `@name@server`.
    Fediverse,
    /// `@handle.domain` (AT Protocol).
    Domain,
    /// `@name`: letters, digits, `_` and `.`.
    Plain,
    /// A text cannot mention anybody by a handle.
    None,
}

/// What a hashtag looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagSyntax {
    /// A `#` that no letter or digit stands before, then letters and digits with at least one letter.
    Loose,
    /// As `Loose`, but after white space only, and beginning with a letter (AT Protocol).
    AfterSpace,
}

/// What may, or must, hang on a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaRules {
    /// Images; `None` where there are none.
    pub images: Option<ImageRules>,
    /// Videos; `None` where there are none.
    pub video: Option<VideoRules>,
    /// What a post cannot be without.
    pub required: Option<Requirement>,
    /// Whether the platform fetches media from a public address, rather than taking an upload.
    pub fetched: bool,
}

impl MediaRules {
    /// Text only.
    pub const NONE: Self = Self { images: None, video: None, required: None, fetched: false };
}

/// What a post cannot be without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// An image or a video.
    Media,
    /// A video.
    Video,
}

/// What images a post may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageRules {
    /// How many.
    pub max: u32,
    /// Their media types, the one that others are turned into first.
    pub types: &'static [&'static str],
    /// The largest file in bytes.
    pub max_bytes: u64,
    /// The longest edge in pixels: the platform's limit, or the size beyond which it scales down itself.
    pub max_edge: u32,
    /// Width divided by height, in thousandths: least and most; `None` where any shape goes.
    pub aspect: Option<(u32, u32)>,
    /// The longest alt text in characters; 0 where there is none.
    pub max_alt: u32,
}

/// What videos a post may have. A post has one at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoRules {
    /// Their media types.
    pub types: &'static [&'static str],
    /// The largest file in bytes.
    pub max_bytes: u64,
    /// The longest in seconds.
    pub max_seconds: u32,
    /// The longest alt text in characters; 0 where there is none.
    pub max_alt: u32,
}

/// What can be told about a post's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disclosure {
    /// Somebody pays for it.
    PaidPartnership,
    /// It promotes the account's own business.
    OwnBrand,
    /// A machine made or changed it in a way that people should know.
    AiGenerated,
}

impl Disclosure {
    /// The name that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaidPartnership => "paid_partnership",
            Self::OwnBrand => "own_brand",
            Self::AiGenerated => "ai_generated",
        }
    }
}

/// How an account is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connect {
    /// By OAuth 2: `GET /v1/connectors/authorize`. The scopes are the narrowest that the job allows.
    OAuth {
        /// What is asked for.
        scopes: &'static [&'static str],
        /// What else can be entered by hand instead, with `POST /v1/connectors`.
        or: &'static [Credential],
    },
    /// By what a person enters: `POST /v1/connectors`.
    Credentials(&'static [Credential]),
}

impl Connect {
    /// The fields that a person can enter by hand; none where there is only the authorisation.
    #[must_use]
    pub const fn fields(&self) -> &'static [Credential] {
        match self {
            Self::OAuth { or, .. } => or,
            Self::Credentials(fields) => fields,
        }
    }

    /// What an authorisation asks for; nothing where there is none.
    #[must_use]
    pub const fn scopes(&self) -> &'static [&'static str] {
        match self {
            Self::OAuth { scopes, .. } => scopes,
            Self::Credentials(_) => &[],
        }
    }
}

/// One field of what a person enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    /// Its name.
    pub name: &'static str,
    /// What it is and where people find it.
    pub about: &'static str,
    /// Whether it has to be there.
    pub needed: bool,
    /// Whether it is kept encrypted and shown to nobody.
    pub secret: bool,
}

/// One documented limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// What is counted.
    pub what: &'static str,
    /// How many.
    pub count: u32,
    /// In how many seconds.
    pub seconds: u32,
}
