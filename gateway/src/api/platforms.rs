//! What each platform can do, and how an account on it is connected: the editor and pages read it here.

use activities::platform::{self, Apps, apps::needs_app};
use axum::extract::State;
use domain::{
    metrics::Metric,
    platform::{Capabilities, Connect, Counting, Disclosure, ImageRules, Platform, Rate, Requirement, VideoRules},
    publication::SendClass,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{Role, may},
    app::App,
    auth::Caller,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(may(Role::Viewer, routes!(list)))
}

/// Every platform.
#[derive(Serialize, ToSchema)]
struct PlatformsView {
    /// In the order in which pages list them.
    items: Vec<PlatformView>,
}

/// One platform.
#[derive(Serialize, ToSchema)]
struct PlatformView {
    /// Its name in this API.
    #[schema(value_type = String, example = "mastodon")]
    platform: Platform,
    /// Its name for people.
    #[schema(example = "Mastodon")]
    title: &'static str,
    #[serde(flatten)]
    can: CapabilitiesView,
    /// How a post goes out once.
    send: SendView,
    /// How an account is connected.
    connect: ConnectView,
}

/// What posts on a platform may hold, and what it tells.
#[derive(Serialize, ToSchema)]
pub(super) struct CapabilitiesView {
    text: TextView,
    media: MediaView,
    /// Whether a post can have several parts, and how many; 0: it cannot.
    max_thread_parts: u32,
    /// Whether a comment of our own can follow a post.
    first_comment: bool,
    /// What can be told about a post's origin: `paid_partnership`, `own_brand`, `ai_generated`.
    #[schema(value_type = Vec<String>)]
    disclosures: &'static [Disclosure],
    /// Which counters there are.
    #[schema(value_type = Vec<String>)]
    metrics: &'static [Metric],
    /// The documented rate limits; what an account has left is in its status.
    rates: Vec<RateView>,
}

/// Lengths, and how they count.
#[derive(Serialize, ToSchema)]
struct TextView {
    /// In which units: `graphemes`, `graphemes-with-concessions`, `code-points`, `utf16-units`, `bytes`.
    #[schema(value_type = String, example = "graphemes")]
    counting: Counting,
    /// The longest text in units.
    max_units: u32,
    /// The longest text of a post with media, where that is shorter.
    max_units_with_media: Option<u32>,
    /// The longest text in UTF-8 bytes, where that is limited besides.
    max_bytes: Option<u32>,
    /// What a link weighs; absent where it counts as written.
    url_units: Option<u32>,
    /// More hashtags are refused.
    max_hashtags: u32,
    /// More mentions are refused.
    max_mentions: u32,
}

/// What may hang on a post.
#[derive(Serialize, ToSchema)]
struct MediaView {
    images: Option<ImagesView>,
    /// One at most.
    video: Option<VideoView>,
    /// `media` or `video`, where a post cannot be without.
    #[schema(value_type = Option<String>)]
    required: Option<Requirement>,
}

/// What images a post may have. Others are fitted.
#[derive(Serialize, ToSchema)]
struct ImagesView {
    max: u32,
    types: &'static [&'static str],
    max_bytes: u64,
    max_edge: u32,
    /// Width divided by height in thousandths, least and most.
    aspect: Option<[u32; 2]>,
    /// The longest alt text in characters; 0: there is none.
    max_alt: u32,
}

/// What video a post may have.
#[derive(Serialize, ToSchema)]
struct VideoView {
    types: &'static [&'static str],
    max_bytes: u64,
    max_seconds: u32,
    /// The longest alt text in characters; 0: there is none.
    max_alt: u32,
}

/// A documented limit.
#[derive(Serialize, ToSchema)]
struct RateView {
    what: &'static str,
    count: u32,
    seconds: u32,
}

/// How a post goes out once.
#[derive(Serialize, ToSchema)]
pub(super) struct SendView {
    /// From `A`, the strongest means, to `F`, none.
    #[schema(value_type = String, example = "B")]
    class: char,
    /// What the class means.
    reason: &'static str,
    /// What it means here, and where it ends.
    here: &'static str,
}

impl SendView {
    pub(super) const fn of(platform: Platform, class: SendClass) -> Self {
        Self { class: class.letter(), reason: class.reason(), here: platform.capabilities().send_once }
    }
}

/// How an account is connected.
#[derive(Serialize, ToSchema)]
struct ConnectView {
    /// Whether a person can be sent to the platform: `GET /v1/connectors/authorize`.
    oauth: bool,
    /// What they are asked for there.
    scopes: &'static [&'static str],
    /// What is still to be set on this installation before that works.
    missing: Option<String>,
    /// What can be entered instead, with `POST /v1/connectors`.
    fields: Vec<FieldView>,
    /// Whether `base_url` has to be given, may be, or is not taken: `needed`, `optional`, `fixed`.
    #[schema(example = "needed")]
    base_url: &'static str,
}

/// A field of `credentials`.
#[derive(Serialize, ToSchema)]
struct FieldView {
    name: &'static str,
    /// What it is, and where people find it.
    about: &'static str,
    needed: bool,
    /// Whether it is sealed and shown to nobody.
    secret: bool,
}

impl CapabilitiesView {
    /// Of a platform, with an account's own limit of length, where its server tells one.
    pub(super) fn of(c: &Capabilities, own_units: Option<u32>) -> Self {
        let images = |ImageRules { max, types, max_bytes, max_edge, aspect, max_alt }: ImageRules| ImagesView {
            max,
            types,
            max_bytes,
            max_edge,
            aspect: aspect.map(|(least, most)| [least, most]),
            max_alt,
        };
        let video =
            |VideoRules { types, max_bytes, max_seconds, max_alt }: VideoRules| VideoView { types, max_bytes, max_seconds, max_alt };
        Self {
            text: TextView {
                counting: c.counting,
                max_units: own_units.unwrap_or(c.max_units),
                max_units_with_media: c.max_units_with_media,
                max_bytes: c.max_bytes,
                url_units: c.url_units,
                max_hashtags: c.max_hashtags,
                max_mentions: c.max_mentions,
            },
            media: MediaView { images: c.media.images.map(images), video: c.media.video.map(video), required: c.media.required },
            max_thread_parts: c.max_thread_parts,
            first_comment: c.first_comment,
            disclosures: c.disclosures,
            metrics: c.metrics,
            rates: c.rates.iter().map(|Rate { what, count, seconds }| RateView { what, count: *count, seconds: *seconds }).collect(),
        }
    }
}

fn connect(apps: &Apps, platform: Platform) -> ConnectView {
    let connect = &platform.capabilities().connect;
    let missing = (needs_app(platform) && apps.client_id(platform).is_none()).then(|| format!("platforms.{platform}.client_id"));
    let fields = connect.fields().iter();
    ConnectView {
        oauth: platform::has_oauth(platform),
        scopes: connect.scopes(),
        missing,
        fields: fields.map(|f| FieldView { name: f.name, about: f.about, needed: f.needed, secret: f.secret }).collect(),
        base_url: match (connect, platform.capabilities().api) {
            (_, None) => "needed",
            (Connect::OAuth { .. }, Some(_)) => "fixed",
            (Connect::Credentials(_), Some(_)) => "optional",
        },
    }
}

/// What each platform can do, and how to connect
#[utoipa::path(get, path = "/v1/platforms", tag = "connectors", operation_id = "list_platforms",
    responses((status = 200, body = PlatformsView, description = "Every platform")))]
async fn list(State(app): State<App>, _: Caller) -> axum::Json<PlatformsView> {
    let view = |platform: &Platform| {
        let capabilities = platform.capabilities();
        PlatformView {
            platform: *platform,
            title: capabilities.title,
            can: CapabilitiesView::of(capabilities, None),
            send: SendView::of(*platform, capabilities.class),
            connect: connect(&app.apps, *platform),
        }
    };
    axum::Json(PlatformsView { items: Platform::ALL.iter().map(view).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_can_be_connected_in_some_way_and_says_what_is_missing() {
        for platform in Platform::ALL {
            let view = connect(&Apps::default(), *platform);
            assert!(view.oauth || !view.fields.is_empty(), "{platform}");
            assert_eq!(view.missing.is_some(), view.oauth && view.base_url == "fixed", "{platform}");
        }
    }

    #[test]
    fn an_accounts_own_limit_goes_before_its_platforms() {
        let capabilities = Platform::Mastodon.capabilities();
        assert_eq!(CapabilitiesView::of(capabilities, Some(5000)).text.max_units, 5000);
        assert_eq!(CapabilitiesView::of(capabilities, None).text.max_units, capabilities.max_units);
    }
}
