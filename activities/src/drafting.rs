//! What a text is written from, how it is judged, and how it is stored.

mod body;

use chrono::Utc;
use domain::{
    brand::Brand,
    brief::{Brief, Language},
    hashtags::refuses_hashtags,
    ids::{BrandId, CampaignId, LinkId, PostId, VariantId, VoiceId},
    platform::{Platform, TextLimits},
    policy::{Lint, MediaFacts, PolicyContext, Severity, lint_post, risk},
    post::{PostOptions, PostStatus},
    prompt::{Angle, Draft, Rewrite},
    readability::readability,
    score::{Score, score},
    voice::{BrandFit, draft_fit},
};
use serde::{Deserialize, Serialize};

pub use self::body::Body;
use crate::{
    ActivityError, ActivityResult,
    model::{CompletionRequest, Purpose},
    publishing,
    store::{
        OrgTx, posts, read_json,
        variants::{self, Variant},
        voices, write_json, writing,
    },
};

/// What a brand that was never trained fits like: neither well nor badly.
pub const NEUTRAL_FIT: f64 = 0.5;

/// What the texts of a post are written from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DraftInputs {
    /// The campaign that the post belongs to.
    pub campaign_id: CampaignId,
    /// Who speaks.
    pub brand_id: BrandId,
    /// Who speaks, as prompts and policy need it.
    pub brand: Brand,
    /// What is to be said.
    pub brief: Brief,
    /// The language of the post.
    pub language: Language,
    /// What the account's server takes.
    pub limits: TextLimits,
    /// The voice in force, which texts are held against; `None` before the first training.
    pub voice_id: Option<VoiceId>,
    /// That voice as sentences of a prompt.
    pub voice: Vec<String>,
    /// Some of the posts that it was learned from, in the language of the post.
    #[serde(default)]
    pub examples: Vec<String>,
    /// Whether brand, brief or voice want no hashtags.
    #[serde(default)]
    pub no_hashtags: bool,
    /// What the post has beside its text.
    #[serde(default)]
    pub options: PostOptions,
    /// The files that hang on it.
    #[serde(default)]
    pub media: Vec<MediaFacts>,
    /// Whether anything is still to be written: the post was not cancelled meanwhile.
    pub wanted: bool,
}

impl DraftInputs {
    /// The platform.
    #[must_use]
    pub const fn platform(&self) -> Platform {
        self.limits.platform
    }

    /// The link that the brief asks for.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        self.brief.link.as_deref().map(str::trim).filter(|link| !link.is_empty())
    }

    /// The question for a first text; variants differ by their angle.
    #[must_use]
    pub fn ask_draft(&self, position: u32) -> CompletionRequest {
        self.request(Purpose::Draft, self.draft(position).prompt())
    }

    /// The question for a better text.
    #[must_use]
    pub fn ask_rewrite(&self, position: u32, text: &str, lints: &[Lint], instruction: Option<&str>) -> CompletionRequest {
        let problems: Vec<String> = lints.iter().filter(|l| is_for_the_writer(l)).map(|l| l.message.clone()).collect();
        let rewrite = Rewrite { draft: self.draft(position), text, problems: &problems, instruction };
        self.request(Purpose::Rewrite, rewrite.prompt())
    }

    /// Every rule that the whole body breaks, with what the post has beside it.
    #[must_use]
    pub fn lint(&self, body: &str) -> Vec<Lint> {
        let context = PolicyContext::new(self.limits, Some(self.language), &self.brand, &self.brief.competitors);
        lint_post(body, &self.options, &self.media, &context)
    }

    /// How a text is composed: with the brief's link, or `short_url` in its place, these tags and the brand's disclosures.
    #[must_use]
    pub fn body<'a>(&'a self, short_url: Option<&'a str>, hashtags: &'a [String]) -> Body<'a> {
        Body { limits: self.limits, link: self.link(), short_url, hashtags, disclosures: &self.brand.required_disclosures }
    }

    /// The marks of a text: of its words as they were written ([`Body::written`]), and of the lints of the whole body, tags and links included.
    #[must_use]
    pub fn score(&self, written: &str, lints: &[Lint], fit: Option<&BrandFit>) -> Score {
        score(fit.map_or(NEUTRAL_FIT, |fit| fit.score), readability(written, self.language), risk(lints))
    }

    fn draft(&self, position: u32) -> Draft<'_> {
        Draft {
            brand: &self.brand,
            brief: &self.brief,
            limits: self.limits,
            language: self.language,
            voice: &self.voice,
            examples: &self.examples,
            rules: &[],
            angle: Angle::of(usize::try_from(position).unwrap_or_default()),
        }
    }

    fn request(&self, purpose: Purpose, prompt: domain::prompt::Prompt) -> CompletionRequest {
        // A character is at most a few tokens in any script; an answer that is cut is refused, so the limit is only there to end a model that rambles.
        let max_tokens = self.limits.units.saturating_mul(3).clamp(2_048, 8_192);
        CompletionRequest { prompt, temperature: None, max_tokens, purpose }
    }
}

/// Whether one of the lints is an error that other words can mend.
#[must_use]
pub fn needs_other_words(lints: &[Lint]) -> bool {
    lints.iter().any(is_for_the_writer)
}

fn is_for_the_writer(lint: &Lint) -> bool {
    lint.severity == Severity::Error && lint.rule.is_about_the_text()
}

/// The id of a post's variant.
#[must_use]
pub fn variant_id(post: PostId, position: u32) -> VariantId {
    VariantId::derived(post.uuid(), &format!("variant {position}"))
}

/// The id of a variant's short link: each variant has its own, so that a link tells which text it was in.
#[must_use]
pub fn link_id(variant: VariantId) -> LinkId {
    LinkId::derived(variant.uuid(), "link")
}

/// What the texts of `post` are written from.
///
/// # Errors
/// [`ActivityError::NotFound`] when the post does not exist.
pub async fn inputs(tx: &mut OrgTx, post: PostId) -> ActivityResult<DraftInputs> {
    let behind = writing::behind(tx, post).await?;
    let language = behind.language;
    let said = std::iter::once(&behind.brand.guidelines).chain(&behind.brief.constraints);
    let no_hashtags =
        behind.voice.as_ref().is_some_and(|(_, profile)| profile.refuses_hashtags()) || said.into_iter().any(|text| refuses_hashtags(text));
    let (voice_id, voice, examples) = match behind.voice {
        Some((id, mut profile)) => (Some(id), profile.prompt_lines(language), profile.samples.remove(&language).unwrap_or_default()),
        None => (None, Vec::new(), Vec::new()),
    };
    let media = publishing::facts(tx, &behind.options.assets, Utc::now()).await?;
    Ok(DraftInputs {
        media,
        options: behind.options,
        campaign_id: behind.campaign_id,
        brand_id: behind.brand_id,
        brand: behind.brand,
        brief: behind.brief,
        language,
        limits: TextLimits::from(behind.platform).with_instance(behind.max_characters.and_then(|n| u32::try_from(n).ok()), None),
        voice_id,
        voice,
        examples,
        no_hashtags,
        wanted: behind.campaign_cancelled_at.is_none() && behind.status != PostStatus::Cancelled,
    })
}

/// A text with everything that was found out about it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Its variant's id.
    pub id: VariantId,
    /// The post that it is for.
    pub post_id: PostId,
    /// Its place among the post's variants, from 0.
    pub position: u32,
    /// Exactly what would be sent.
    pub content: String,
    /// What it breaks.
    pub lints: Vec<Lint>,
    /// Its marks.
    pub score: Score,
    /// How it fits the brand's voice, if there is one.
    pub fit: Option<BrandFit>,
    /// The model that wrote it.
    pub model: String,
    /// How often it was rewritten.
    pub rewrites: u32,
}

/// Stores a first text; one that was written before under the same id is replaced.
///
/// # Errors
/// When the database cannot answer.
pub async fn save(tx: &mut OrgTx, language: Language, judged: Judged) -> ActivityResult<()> {
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let variant = Variant {
        id: judged.id,
        post_id: judged.post_id,
        position: number(judged.position),
        content: judged.content,
        hashtags: Vec::new(),
        links: serde_json::Value::Array(Vec::new()),
        image_prompt: None,
        language,
        score: Some(write_json(&judged.score)?),
        reasons: write_json(&judged.fit.map(|fit| fit.reasons).unwrap_or_default())?,
        lints: write_json(&judged.lints)?,
        model: judged.model,
        rewrites: number(judged.rewrites),
        translation: None,
    };
    variants::save(tx, &variant).await
}

/// What a person's rewrite of a variant starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewriteInputs {
    /// What the post is written from.
    pub inputs: DraftInputs,
    /// The post.
    pub post_id: PostId,
    /// The variant's place.
    pub position: u32,
    /// What would be sent now.
    pub content: String,
    /// The tags that were added to the text.
    pub hashtags: Vec<String>,
    /// The short link that stands in it in place of the brief's link.
    pub short_url: Option<String>,
    /// How often it was rewritten.
    pub rewrites: u32,
}

/// What the rewrite of `variant` starts from.
///
/// # Errors
/// [`ActivityError::NotFound`] when there is no such variant; [`ActivityError::Rejected`] when its post can no longer be changed.
pub async fn rewrite_inputs(tx: &mut OrgTx, variant: VariantId) -> ActivityResult<RewriteInputs> {
    let stored =
        variants::get(tx, variant).await?.ok_or_else(|| ActivityError::not_found(format_args!("the variant {variant} does not exist")))?;
    changeable(posts::require(tx, stored.post_id).await?.status)?;
    let inputs = inputs(tx, stored.post_id).await?;
    let number = |n: i32| u32::try_from(n).unwrap_or_default();
    Ok(RewriteInputs {
        inputs,
        post_id: stored.post_id,
        position: number(stored.position),
        short_url: body::short_url(&stored.links),
        content: stored.content,
        hashtags: stored.hashtags,
        rewrites: number(stored.rewrites),
    })
}

fn changeable(status: PostStatus) -> ActivityResult<()> {
    if status.can_be_rewritten() {
        return Ok(());
    }
    Err(ActivityError::rejected(format_args!("the post is {status}, so its text cannot be changed any more")))
}

/// Stores a rewritten text in the place of the old one. If the old one was approved, the approval is void: nobody approved these words. Returns
/// whether the post waits for a decision because of that; the same when it is repeated.
///
/// # Errors
/// [`ActivityError::Rejected`] when the post went out, or was decided against, meanwhile.
pub async fn save_rewritten(tx: &mut OrgTx, judged: Judged) -> ActivityResult<bool> {
    let status = posts::lock(tx, judged.post_id).await?;
    changeable(status)?;
    let post = posts::require(tx, judged.post_id).await?;
    let stored = variants::get(tx, judged.id).await?.ok_or_else(|| ActivityError::not_found("the variant is gone"))?;
    let changed = stored.content != judged.content;
    let variant = Variant {
        content: judged.content,
        score: Some(write_json(&judged.score)?),
        reasons: write_json(&judged.fit.map(|fit| fit.reasons).unwrap_or_default())?,
        lints: write_json(&judged.lints)?,
        model: judged.model,
        rewrites: i32::try_from(judged.rewrites).unwrap_or(i32::MAX),
        // A translation of other words would mislead whoever decides.
        translation: if changed { None } else { stored.translation.clone() },
        ..stored
    };
    variants::save(tx, &variant).await?;
    if changed
        && post.approved_variant_id == Some(judged.id)
        && !posts::void_approval(tx, judged.post_id, REWRITTEN).await?
        && post.status != PostStatus::NeedsApproval
    {
        return Err(ActivityError::rejected("a part of the post is out, or may be, so its text cannot be changed any more"));
    }
    let post = posts::require(tx, judged.post_id).await?;
    Ok(post.status == PostStatus::NeedsApproval && post.note.as_deref() == Some(REWRITTEN))
}

/// The note of a post whose approval is void because its text was rewritten.
const REWRITTEN: &str = "the text was rewritten after it was approved";

/// Judges a stored variant anew by the brand's present rules and voice, stores the marks and returns the variant. Meaning is not compared: that
/// would take a model.
///
/// # Errors
/// When the database cannot answer.
pub async fn score_variant(tx: &mut OrgTx, mut variant: Variant) -> ActivityResult<Variant> {
    let inputs = inputs(tx, variant.post_id).await?;
    let voice = voices::active(tx, inputs.brand_id).await?;
    let short_url = body::short_url(&variant.links);
    let written = inputs.body(short_url.as_deref(), &variant.hashtags).written(&variant.content);
    let fit = voice.map(|voice| draft_fit(&voice.model, &written, inputs.language, None));
    let lints = inputs.lint(&variant.content);
    variant.score = Some(write_json(&inputs.score(&written, &lints, fit.as_ref()))?);
    variant.reasons = write_json(&fit.map(|fit| fit.reasons).unwrap_or_default())?;
    variant.lints = write_json(&lints)?;
    variants::save(tx, &variant).await?;
    Ok(variant)
}

/// The lints of a stored variant.
///
/// # Errors
/// When they cannot be read.
pub fn lints_of(variant: &Variant) -> ActivityResult<Vec<Lint>> {
    read_json(variant.lints.clone())
}
