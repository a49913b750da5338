//! From a voice's examples through the prompt and the stand-in model to the score: what is written in the brand's manner fits, what is not does not.

use activities::model::Embedder as _;
use domain::{
    brand::Brand,
    brief::{Brief, Language},
    ids::ExampleId,
    platform::Platform,
    prompt::{Angle, Draft},
    text::{Added, as_written},
    voice::{Example, VoiceModel, draft_fit, train},
};
use sandbox::model::{Options, StandInModel};
use serde_json::Value;
use uuid::Uuid;

use crate::model::{models, provider, request, settings};

/// The demonstration's own: 26 posts, in English and German, and a brief.
const STORY: &str = include_str!("../../../cli/src/demo/story.json");

fn texts(of: &Value) -> Vec<String> {
    serde_json::from_value(of.clone()).unwrap()
}

/// The scores of `n` drafts with and without the voice's examples in the prompt.
async fn scores(shows: bool) -> Vec<(f64, String)> {
    let story: Value = serde_json::from_str(STORY).unwrap();
    let brand: Brand = serde_json::from_value(story["brand"].clone()).unwrap();
    let brief: Brief = serde_json::from_value(story["campaign"].clone()).unwrap();
    let server = StandInModel::start(Options::default()).await.unwrap();
    let (models, embedder) = models(&settings(vec![provider("stand-in", activities::model::ProviderKind::OpenAi, &server)], &server));
    let examples = texts(&story["examples"]);
    let embeddings = embedder.embed(&examples).await.unwrap().vectors;
    let example = |text: &String| Example { id: ExampleId::from_uuid(Uuid::nil()), text: text.clone(), platform: None, url: None };
    let voice: VoiceModel = train(&examples.iter().map(example).collect::<Vec<_>>(), Some(&embeddings));

    let mut scores = Vec::new();
    for platform in [Platform::Mastodon, Platform::Bluesky] {
        for language in [Language::EN, Language::DE] {
            for variant in 0..3 {
                let (lines, samples) = (voice.profile.prompt_lines(language), &voice.profile.samples[&language]);
                let shown: &[String] = if shows { samples } else { &[] };
                let draft = Draft {
                    brand: &brand,
                    brief: &brief,
                    limits: platform.into(),
                    language,
                    voice: &lines,
                    examples: shown,
                    rules: &[],
                    angle: Angle::of(variant),
                };
                let text = models.complete(&request(draft.prompt()), &mut |_| {}).await.unwrap().text;
                let added = Added { link: brief.link.as_deref(), short_url: None, hashtags: &[], disclosures: &brand.required_disclosures };
                let written = as_written(&text, &added, platform);
                let embedding = embedder.embed(std::slice::from_ref(&written)).await.unwrap().vectors.remove(0);
                let fit = draft_fit(&voice, &written, language, Some(&embedding));
                println!("{platform} {language} {:.2} {written:?}\n    {:?}", fit.score, fit.reasons.iter().take(4).collect::<Vec<_>>());
                scores.push((fit.score, written));
            }
        }
    }
    server.stop().await;
    scores
}

#[tokio::test]
async fn what_is_written_in_the_brands_manner_fits_and_what_is_not_does_not() {
    let (in_manner, foreign) = (scores(true).await, scores(false).await);
    let mean = |scores: &[(f64, String)]| scores.iter().map(|(score, _)| score).sum::<f64>() / scores.len() as f64;
    let (high, low) = (mean(&in_manner), mean(&foreign));
    assert!(high >= 0.7 && low <= 0.3, "{high:.2} in the mean in the brand's manner, {low:.2} without\n{in_manner:#?}");
    let worst = in_manner.iter().map(|(score, _)| *score).fold(1.0, f64::min);
    assert!(worst > low, "{worst:.2} against {low:.2}");
}
