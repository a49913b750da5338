//! A post as the API shows it.

use std::collections::BTreeSet;

use activities::store::{
    OrgTx, connectors, parts,
    posts::{self, Post},
    receipts,
    variants::{self, Variant},
};
use chrono::{DateTime, Utc};
use domain::{
    ids::{AssetId, CampaignId, ConnectorId, PostId, VariantId},
    platform::{Disclosure, Platform, TextLimits},
    post::{PostOptions, PostStatus, Threading},
    publication::PartKind,
    schedule::ScheduleSpec,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::ApiResult;

/// A post.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PostView {
    /// Its id.
    #[schema(value_type = String, example = "post_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    pub(super) id: PostId,
    /// The campaign that it belongs to.
    #[schema(value_type = String)]
    campaign_id: CampaignId,
    /// The account that it goes to.
    #[schema(value_type = String)]
    connector_id: ConnectorId,
    /// That account's platform.
    #[schema(value_type = String)]
    platform: Platform,
    /// The language it is written in.
    language: String,
    /// Its status.
    #[schema(value_type = String, example = "needs_approval")]
    status: PostStatus,
    /// What a person should know about the status.
    note: Option<String>,
    /// The files that hang on it, in order.
    #[schema(value_type = Vec<String>)]
    assets: Vec<AssetId>,
    /// A comment of our own that follows it.
    first_comment: Option<String>,
    /// What the platform is told of its origin.
    #[schema(value_type = Vec<String>)]
    disclosures: BTreeSet<Disclosure>,
    /// How its text becomes a thread: `marked`, `split`.
    #[schema(value_type = String, example = "marked")]
    thread: Threading,
    /// Its candidate texts.
    variants: Vec<VariantView>,
    /// The variant that was decided for.
    #[schema(value_type = Option<String>)]
    approved_variant_id: Option<VariantId>,
    /// Who decided, and when.
    decision: Option<DecisionView>,
    /// When it goes out.
    schedule: Option<ScheduleView>,
    /// How it went out.
    published: Option<PublishedView>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// Who decided over a post.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionView {
    /// Who.
    by: String,
    /// When.
    at: Option<DateTime<Utc>>,
}

/// When a post goes out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PostSchedule)]
struct ScheduleView {
    /// What was asked for: the mode, and the wall time and zone where there is one.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    asked: ScheduleSpec,
    /// The instant that it comes to.
    due_at: Option<DateTime<Utc>>,
    /// Why this time, where it was chosen (`best_time`).
    reason: Option<String>,
}

/// Where a part of a post is.
#[derive(Debug, Serialize, ToSchema)]
struct PlaceView {
    /// `post`, `continuation`, `comment`.
    kind: &'static str,
    /// The platform's id of it; null where a person who knew no id said that it is there.
    external_id: Option<String>,
    /// Where people see it.
    url: Option<String>,
}

/// How a post went out, as far as it did.
#[derive(Debug, Serialize, ToSchema)]
struct PublishedView {
    /// The platform's id of it.
    external_id: Option<String>,
    /// Where people see it.
    url: Option<String>,
    /// When.
    at: Option<DateTime<Utc>>,
    /// How many attempts it took.
    attempts: usize,
    /// How it is known: `answer`, `lookup`, `duplicate`, `person:<who>`.
    resolved_by: Option<String>,
    /// By how many milliseconds it went out late, where that is worth telling.
    late_ms: Option<i64>,
    /// What held it, where that is told: `down`, `queue`, `rate_window`, `reconnect`, `platform`, `media`.
    held_by: Option<String>,
    /// Its parts that are out, in order. While the post is not `published`, others are still to come.
    parts: Vec<PlaceView>,
}

/// A candidate text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VariantView {
    /// Its id.
    #[schema(value_type = String, example = "var_06bv3s1k1xtkf0q9b4g2m8y7nc")]
    id: VariantId,
    /// Exactly what would be sent.
    content: String,
    /// The parts it is sent in; one, unless it is a thread. A first comment follows them.
    parts: Vec<String>,
    /// The tags in it.
    hashtags: Vec<String>,
    /// The links in it: `url`, `short_url`.
    #[schema(value_type = Vec<Object>)]
    links: Value,
    /// What a picture for it could show.
    image_prompt: Option<String>,
    /// The language it is written in.
    language: String,
    /// The text in the language of its reviewers, where that is another one: `language`, `text`, and the `lints` of a check that names, handles, links
    /// and tags are still there. It is for reading, and is never sent.
    #[schema(value_type = Option<Object>)]
    translation: Option<Value>,
    /// `brand_fit`, `readability`, `risk`, `total`, each 0 to 1; null until it was scored.
    #[schema(value_type = Option<Object>)]
    score: Option<Value>,
    /// Why the voice finds it fitting or not.
    #[schema(value_type = Vec<Object>)]
    reasons: Value,
    /// `rule`, `severity`, `message`.
    #[schema(value_type = Vec<Object>)]
    lints: Value,
    /// The model that wrote it.
    model: String,
    /// How often it was rewritten because of its lints.
    rewrites: i32,
}

impl VariantView {
    /// A variant of a post with these options, for an account with these limits.
    pub(crate) fn of(v: Variant, options: &PostOptions, limits: &TextLimits) -> Self {
        let parts = domain::post::parts(&v.content, options, limits);
        Self {
            id: v.id,
            parts: parts.into_iter().filter(|part| part.kind != PartKind::Comment).map(|part| part.text).collect(),
            content: v.content,
            hashtags: v.hashtags,
            links: v.links,
            image_prompt: v.image_prompt,
            language: v.language.to_string(),
            translation: v.translation,
            score: v.score,
            reasons: v.reasons,
            lints: v.lints,
            model: v.model,
            rewrites: v.rewrites,
        }
    }

    /// A variant, with what its post says of how it is sent.
    pub(crate) async fn read(tx: &mut OrgTx, variant: Variant) -> ApiResult<Self> {
        let post = posts::require(tx, variant.post_id).await?;
        let limits = limits_of(tx, &post).await?;
        Ok(Self::of(variant, &post.options, &limits))
    }
}

/// What a text of the post may hold. The account is asked only where a long text is split.
async fn limits_of(tx: &mut OrgTx, post: &Post) -> ApiResult<TextLimits> {
    Ok(match post.options.thread {
        Threading::Marked => post.platform.into(),
        Threading::Split => activities::publishing::limits(&connectors::require(tx, post.connector_id).await?),
    })
}

/// Where the parts of a post are.
async fn places(tx: &mut OrgTx, post: &Post) -> ApiResult<Vec<PlaceView>> {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let rows = parts::of_post(tx, post.id).await?;
    if rows.is_empty() {
        return Ok(vec![PlaceView {
            kind: PartKind::Post.as_str(),
            external_id: post.external_id.clone().and_then(some),
            url: post.url.clone(),
        }]);
    }
    let out = rows.into_iter().filter_map(|row| Some((row.kind, row.sent?)));
    Ok(out.map(|(kind, sent)| PlaceView { kind: kind.as_str(), external_id: some(sent.external_id), url: some(sent.url) }).collect())
}

/// A post with everything that belongs to it.
pub(crate) async fn view(tx: &mut OrgTx, post: Post) -> ApiResult<PostView> {
    let limits = limits_of(tx, &post).await?;
    let of = |variant| VariantView::of(variant, &post.options, &limits);
    let variants = variants::of_post(tx, post.id).await?.into_iter().map(of).collect();
    let published = match post.status == PostStatus::Published || post.external_id.is_some() {
        true => Some(PublishedView {
            attempts: receipts::of_post(tx, post.id).await?.len(),
            parts: places(tx, &post).await?,
            external_id: post.external_id,
            url: post.url,
            at: post.published_at,
            resolved_by: post.resolved_by,
            late_ms: post.late_ms,
            held_by: post.held_by.filter(|_| post.late_ms.is_some()),
        }),
        false => None,
    };
    Ok(PostView {
        id: post.id,
        campaign_id: post.campaign_id,
        connector_id: post.connector_id,
        platform: post.platform,
        language: post.language.to_string(),
        status: post.status,
        note: post.note,
        assets: post.options.assets,
        first_comment: post.options.first_comment,
        disclosures: post.options.disclosures,
        thread: post.options.thread,
        variants,
        approved_variant_id: post.approved_variant_id,
        decision: post.decided_by.map(|by| DecisionView { by, at: post.decided_at }),
        schedule: post.schedule.map(|asked| ScheduleView { asked, due_at: post.due_at, reason: post.schedule_reason }),
        published,
        created_at: post.created_at,
    })
}
