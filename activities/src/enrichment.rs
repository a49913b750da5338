//! What goes with a text: tags, its short link, a picture's description, and a translation for reviewers.

use domain::{
    brief::Language,
    hashtags::Performed,
    ids::{OrgId, PostId, UsageId, VariantId},
    links::{Utm, with_utm},
    platform::Platform,
    policy::Lint,
    prompt::{Image, Translation},
    score::Score,
    text::{EntityKind, entities},
    translation::{check, protect, restore},
    voice::BrandFit,
};
use serde::{Deserialize, Serialize};

use crate::{
    ActivityError, ActivityResult, asking,
    drafting::{self, DraftInputs},
    model::{CompletionRequest, Models, Purpose},
    store::{OrgTx, Store, links, posts, tags, variants, write_json},
};

/// A stored first text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftText {
    /// Its variant.
    pub id: VariantId,
    /// What was written.
    pub content: String,
}

/// What a post is enriched from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnrichInputs {
    /// What its texts were written from.
    pub inputs: DraftInputs,
    /// Its texts.
    pub texts: Vec<DraftText>,
    /// The tags that the brand uses itself, the most frequent first.
    pub brand_tags: Vec<String>,
    /// How tags did in the brand's published posts on this platform.
    pub performed: Vec<Performed>,
}

/// How many of the brand's own tags are considered.
const BRAND_TAGS: usize = 10;

/// What `post` is enriched from.
///
/// # Errors
/// [`ActivityError::NotFound`] when the post does not exist.
pub async fn inputs(tx: &mut OrgTx, post: PostId) -> ActivityResult<EnrichInputs> {
    let inputs = drafting::inputs(tx, post).await?;
    let texts = variants::of_post(tx, post).await?.into_iter().map(|v| DraftText { id: v.id, content: v.content }).collect();
    let examples = match inputs.voice_id {
        Some(_) => tags::texts_of_voice(tx, inputs.brand_id).await?,
        None => Vec::new(),
    };
    let published = tags::of_published(tx, inputs.brand_id, inputs.platform()).await?;
    let brand_tags = own_tags(&examples, inputs.platform());
    Ok(EnrichInputs { inputs, texts, brand_tags, performed: performance(&published) })
}

/// The tags in the examples, the most frequent first, of equals the one that comes first in the alphabet.
fn own_tags(examples: &[String], platform: Platform) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for tag in examples.iter().flat_map(|text| entities(text, platform)).filter(|e| e.kind == EntityKind::Hashtag).map(|e| e.value) {
        match counted.iter_mut().find(|(known, _)| known.to_lowercase() == tag.to_lowercase()) {
            Some((_, count)) => *count += 1,
            None => counted.push((tag, 1)),
        }
    }
    counted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counted.into_iter().take(BRAND_TAGS).map(|(tag, _)| tag).collect()
}

/// Reactions for each post with a tag, against the best tag. Each tag starts with one imaginary post without any reaction, so that a single
/// lucky post does not outdo a steady tag.
fn performance(published: &[tags::TaggedPost]) -> Vec<Performed> {
    let mut sums: Vec<(String, f64, f64)> = Vec::new();
    for post in published {
        #[expect(clippy::cast_precision_loss, reason = "counters of a post are far below 2^52")]
        let reactions = post.reactions.max(0) as f64;
        for tag in &post.hashtags {
            match sums.iter_mut().find(|(known, ..)| known.to_lowercase() == tag.to_lowercase()) {
                Some((_, sum, posts)) => (*sum, *posts) = (*sum + reactions, *posts + 1.0),
                None => sums.push((tag.clone(), reactions, 1.0)),
            }
        }
    }
    let means: Vec<(String, f64)> = sums.into_iter().map(|(tag, sum, posts)| (tag, sum / (posts + 1.0))).collect();
    let best = means.iter().map(|(_, mean)| *mean).fold(0.0, f64::max);
    let mut performed: Vec<Performed> = means
        .into_iter()
        .filter(|(_, mean)| *mean > 0.0)
        .map(|(tag, mean)| {
            #[expect(clippy::cast_possible_truncation, reason = "a share of 0..=1")]
            let score = (mean / best) as f32;
            Performed { tag, score }
        })
        .collect();
    performed.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.tag.cmp(&b.tag)));
    performed.truncate(20);
    performed
}

/// Makes the short link of each variant to the brief's link, tagged with where it was posted, and returns the codes in the order of `variants`.
///
/// # Errors
/// [`ActivityError::Rejected`] when the brief's link may not be linked to.
pub async fn shorten(tx: &mut OrgTx, post: PostId, inputs: &DraftInputs, link: &str, of: &[VariantId]) -> ActivityResult<Vec<String>> {
    let mut targets = Vec::with_capacity(of.len());
    for id in of {
        let utm = Utm {
            source: inputs.platform().to_string(),
            medium: "social".to_owned(),
            campaign: inputs.campaign_id.to_string(),
            content: Some(id.to_string()),
        };
        let target = with_utm(link, &utm).map_err(|e| ActivityError::rejected(format_args!("the brief's link cannot be used: {e}")))?;
        targets.push((drafting::link_id(*id), target.into()));
    }
    links::shorten(tx, post, &targets).await
}

/// A question to a model about a variant whose answer is welcome and not needed.
#[derive(Debug, Clone)]
pub struct Extra {
    /// The variant.
    pub variant: VariantId,
    /// The name that its tokens are counted under, beside the variant's id.
    pub turn: &'static str,
    /// The question.
    pub request: CompletionRequest,
}

/// Asks all at once, once each. A question without an answer is `None`: what it was for is left out.
///
/// `round` names this asking among all others, so that each answer's tokens are counted, and counted once.
///
/// # Errors
/// As [`asking::ask_all`].
pub async fn ask_all(
    store: &Store,
    models: &Models,
    org: OrgId,
    round: &str,
    questions: Vec<Extra>,
) -> ActivityResult<Vec<Option<String>>> {
    let questions: Vec<(UsageId, CompletionRequest)> =
        questions.into_iter().map(|q| (UsageId::derived(q.variant.uuid(), &format!("{round} {}", q.turn)), q.request)).collect();
    let answers = asking::ask_all(store, models, org, &questions).await?;
    let welcome = |((_, request), answer): (&(UsageId, CompletionRequest), ActivityResult<asking::Written>)| {
        answer.inspect_err(|error| tracing::warn!(%error, purpose = request.purpose.as_str(), "an extra was left out")).ok()
    };
    Ok(questions.iter().zip(answers).map(|pair| Some(welcome(pair)?.text)).collect())
}

/// Asks for the description of a picture that goes with a text.
#[must_use]
pub fn ask_image(inputs: &DraftInputs, text: &DraftText) -> Extra {
    let prompt = Image { brand: &inputs.brand, text: &text.content }.prompt();
    Extra {
        variant: text.id,
        turn: "image",
        request: CompletionRequest { prompt, temperature: None, max_tokens: 2_048, purpose: Purpose::Image },
    }
}

/// A text in the reviewers' language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translated {
    /// That language.
    pub language: Language,
    /// The text.
    pub text: String,
    /// What it lost or made up.
    pub lints: Vec<Lint>,
}

/// Asks for a text in `to`, with its names, handles, links and tags hidden from the translator.
#[must_use]
pub fn ask_translation(inputs: &DraftInputs, text: &DraftText, to: Language) -> Extra {
    let protected = protect(&text.content, &names(inputs), inputs.platform());
    let keep: Vec<String> = (0..protected.kept.len()).map(|n| format!("⟦{n}⟧")).collect();
    // Nobody sends it, so that it may be longer than the platform takes; languages differ by less than half.
    let max = inputs.limits.units.saturating_mul(2);
    let prompt = Translation { text: &protected.text, from: inputs.language, to, keep: &keep, max }.prompt();
    let max_tokens = inputs.limits.units.saturating_mul(4).clamp(2_048, 8_192);
    Extra {
        variant: text.id,
        turn: "translation",
        request: CompletionRequest { prompt, temperature: None, max_tokens, purpose: Purpose::Translate },
    }
}

/// Puts back what was hidden, and checks what came through. `None` if the translator lost a placeholder: then there is no telling where it belongs.
#[must_use]
pub fn read_translation(inputs: &DraftInputs, text: &DraftText, to: Language, answer: &str) -> Option<Translated> {
    let names = names(inputs);
    let protected = protect(&text.content, &names, inputs.platform());
    let translated = restore(answer, &protected).ok()?;
    let lints = check(&text.content, &translated, &names, inputs.platform());
    Some(Translated { language: to, text: translated, lints })
}

fn names(inputs: &DraftInputs) -> Vec<String> {
    vec![inputs.brand.name.clone()]
}

/// What enrichment found for a variant.
#[derive(Debug, Clone)]
pub struct Enriched {
    /// The variant.
    pub id: VariantId,
    /// The text that it was made from; if another stands there by now, it stays.
    pub from: String,
    /// Exactly what would be sent.
    pub content: String,
    /// The tags that were added.
    pub hashtags: Vec<String>,
    /// The link and its short form.
    pub link: Option<(String, String)>,
    /// What a picture could show.
    pub image_prompt: Option<String>,
    /// The text for reviewers.
    pub translation: Option<Translated>,
    /// What it breaks.
    pub lints: Vec<Lint>,
    /// Its marks.
    pub score: Score,
    /// How it fits the brand's voice, if there is one.
    pub fit: Option<BrandFit>,
}

/// Stores what was found. A variant that was changed since its text was read stays as it is.
///
/// # Errors
/// When the database cannot answer.
pub async fn save(tx: &mut OrgTx, post: PostId, enriched: Vec<Enriched>) -> ActivityResult<()> {
    posts::lock(tx, post).await?;
    let mut stored = variants::of_post(tx, post).await?;
    for e in enriched {
        let Some(at) = stored.iter().position(|variant| variant.id == e.id) else { continue };
        let stored = stored.swap_remove(at);
        if stored.content != e.from {
            continue;
        }
        let links = e.link.map(|(url, short_url)| serde_json::json!({"url": url, "short_url": short_url}));
        let variant = variants::Variant {
            content: e.content,
            hashtags: e.hashtags,
            links: serde_json::Value::Array(links.into_iter().collect()),
            image_prompt: e.image_prompt,
            translation: e.translation.as_ref().map(write_json).transpose()?,
            score: Some(write_json(&e.score)?),
            reasons: write_json(&e.fit.map(|fit| fit.reasons).unwrap_or_default())?,
            lints: write_json(&e.lints)?,
            ..stored
        };
        variants::save(tx, &variant).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::{brand::Brand, brief::Brief, ids::BrandId, ids::CampaignId, platform::TextLimits};
    use uuid::Uuid;

    use super::*;

    fn german() -> DraftInputs {
        let brand = Brand {
            name: "Kornfeld".to_owned(),
            guidelines: String::new(),
            banned_phrases: Vec::new(),
            required_disclosures: Vec::new(),
            colors: Vec::new(),
            links: Default::default(),
        };
        let brief = Brief {
            topic: "bread".to_owned(),
            audience: "neighbours".to_owned(),
            tone: "warm".to_owned(),
            goal: None,
            languages: vec![Language::EN, Language::DE],
            platforms: Vec::new(),
            regions: Vec::new(),
            competitors: Vec::new(),
            constraints: Vec::new(),
            link: None,
            key_points: Vec::new(),
        };
        DraftInputs {
            options: domain::post::PostOptions::default(),
            media: Vec::new(),
            campaign_id: CampaignId::from_uuid(Uuid::nil()),
            brand_id: BrandId::from_uuid(Uuid::nil()),
            brand,
            brief,
            language: Language::DE,
            limits: TextLimits::from(Platform::Mastodon),
            voice_id: None,
            voice: Vec::new(),
            examples: Vec::new(),
            no_hashtags: false,
            wanted: true,
        }
    }

    #[test]
    fn own_tags_are_counted_whatever_their_case() {
        let texts = ["Rye #bread", "Rolls #Bread #oven", "Nothing"].map(ToOwned::to_owned);
        assert_eq!(own_tags(&texts, Platform::Mastodon), ["bread", "oven"]);
    }

    #[test]
    fn a_steady_tag_outdoes_a_lucky_one() {
        let post = |reactions, tags: &[&str]| tags::TaggedPost { reactions, hashtags: tags.iter().map(|t| (*t).to_owned()).collect() };
        let found = performance(&[post(12, &["lucky"]), post(10, &["steady"]), post(10, &["Steady"]), post(0, &["dull"])]);
        assert_eq!(found.iter().map(|p| p.tag.as_str()).collect::<Vec<_>>(), ["steady", "lucky"]);
        assert_eq!(found[0].score, 1.0);
    }

    #[test]
    fn a_translation_gives_back_names_and_links_or_nothing() {
        let inputs = german();
        let text = DraftText { id: VariantId::from_uuid(Uuid::nil()), content: "Brot von Kornfeld: https://k.example/brot".to_owned() };
        let asked = ask_translation(&inputs, &text, Language::EN);
        assert!(asked.request.prompt.user.contains("Brot von ⟦0⟧: ⟦1⟧"), "{}", asked.request.prompt.user);
        let read = read_translation(&inputs, &text, Language::EN, "Bread by ⟦0⟧: ⟦1⟧").unwrap();
        assert_eq!((read.text.as_str(), read.lints.len()), ("Bread by Kornfeld: https://k.example/brot", 0));
        assert_eq!(read_translation(&inputs, &text, Language::EN, "Bread by ⟦0⟧"), None);
    }
}
