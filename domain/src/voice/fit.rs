//! How much a text sounds like the brand, and why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    lexicon::language_of,
    measures::{Feature, measure_parsed},
    profile::{Habit, Spread, VoiceModel, VoiceProfile},
    train::MEANING,
    wording::{Part, Wording},
    words::{Parsed, parse},
};
use crate::brief::Language;

/// How many spreads below the brand's own usual sum a text scores one half. At 2, about one in twenty of the brand's own posts falls below.
const HALF_AT: f64 = 2.0;
/// How steeply the score falls there, in log-odds for one spread.
const STEEPNESS: f64 = 1.3;
/// What evidence is worth when wording cannot be compared, because the text is in a language without examples: the score then stays nearer
/// to one half, so that little evidence never ranks above much.
const WITHOUT_WORDING: f64 = 0.3;
/// Contributions smaller than this (in log-odds) are no reason worth reading.
const WORTH_TELLING: f64 = 0.05;
/// No single habit may speak louder than this for or against a text.
const LOUDEST: (f64, f64) = (-3.0, 2.0);

/// How much a text sounds like the brand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrandFit {
    /// From 0 to 1. A post that is like the brand's own on average scores 0.93, and one half is two of their standard deviations below. Unseen
    /// posts of the brand scored between 0.75 and 0.9 in the mean on the test corpora. In a language without examples 0.7 is about the most.
    pub score: f64,
    /// Why, what speaks against the text first.
    pub reasons: Vec<Reason>,
}

/// One thing that was compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What was compared (`sentence length`, `emoji`, `vocabulary`).
    pub feature: String,
    /// What the brand does, in words.
    pub expected: String,
    /// What the text does, in words.
    pub found: String,
    /// How it moves the score, in log-odds, against what the brand's own posts get for it: below zero is less like the brand.
    pub contribution: f64,
}

/// Scores `text`, a whole post, against the voice; its language is told from its words. `embedding` is the text's own; it is used when the voice was
/// trained with embeddings of the same dimensions. In a language without examples only those habits are compared that do not depend on
/// language, and the reasons say so.
#[must_use]
pub fn brand_fit(model: &VoiceModel, text: &str, embedding: Option<&[f32]>) -> BrandFit {
    let parsed = parse(text);
    let language = language_of(&parsed).or_else(|| model.profile.main_language());
    fit(model, &parsed, language, embedding, &[])
}

/// Scores the words of a draft in `language`, to which tags and links are yet to be added, or were taken off again ([`crate::text::as_written`]). How
/// many of those the brand uses is not compared: the writer does not decide it. Otherwise as [`brand_fit`].
#[must_use]
pub fn draft_fit(model: &VoiceModel, written: &str, language: Language, embedding: Option<&[f32]>) -> BrandFit {
    fit(model, &parse(written), Some(language), embedding, &[Feature::Hashtags, Feature::Links])
}

fn fit(model: &VoiceModel, parsed: &Parsed, language: Option<Language>, embedding: Option<&[f32]>, not_judged: &[Feature]) -> BrandFit {
    let profile = &model.profile;
    if parsed.is_empty() {
        let expected = Feature::PostWords.in_words(profile.habits.get(&Feature::PostWords).map_or(0.0, |h| h.mean));
        let nothing = Reason { feature: Feature::PostWords.name().to_owned(), expected, found: "nothing".to_owned(), contribution: -10.0 };
        return BrandFit { score: 0.0, reasons: vec![nothing] };
    }
    let wording = language.and_then(|language| profile.wording.get(&language).map(|wording| (language, wording)));
    let of_language = wording.and_then(|(language, _)| profile.habits_by_language.get(&language));
    let mut reasons = habit_reasons(&profile.habits, of_language, parsed, not_judged);
    if let Some((language, wording)) = wording {
        reasons.extend(wording_reasons(language, wording, parsed));
    }
    let near = near_centroid(model, embedding);
    if let Some((near, own)) = near {
        let words = |cosine: f64| format!("{cosine:.2} like the examples in meaning");
        reasons.push(Reason {
            feature: "meaning".to_owned(),
            expected: words(own.mean),
            found: words(near),
            contribution: meaning_contribution(near, own),
        });
    }
    let calibration = profile.calibration;
    let spread = match (wording.is_some(), near.is_some()) {
        (false, false) => calibration.habits,
        (true, false) => calibration.wording,
        (false, true) => calibration.habits_meaning,
        (true, true) => calibration.wording_meaning,
    };
    let steepness = STEEPNESS * if wording.is_some() { 1.0 } else { WITHOUT_WORDING };
    let unit = steepness / spread.max(0.1);
    let log_odds = steepness * HALF_AT + unit * reasons.iter().map(|r| r.contribution).sum::<f64>();
    for reason in &mut reasons {
        reason.contribution = super::profile::round(reason.contribution * unit);
    }
    reasons.retain(|r| r.contribution.abs() >= WORTH_TELLING);
    if wording.is_none() {
        reasons.push(other_language(profile, language));
    }
    reasons.sort_by(|a, b| a.contribution.total_cmp(&b.contribution));
    BrandFit { score: super::profile::round(1.0 / (1.0 + (-log_odds).exp())), reasons }
}

/// That words could not be compared, because the voice has too few examples in the language.
fn other_language(profile: &VoiceProfile, language: Option<Language>) -> Reason {
    let known: Vec<String> = profile.wording.keys().map(ToString::to_string).collect();
    Reason {
        feature: "language".to_owned(),
        expected: if known.is_empty() {
            "too few examples in any language".to_owned()
        } else {
            format!("examples in {}", known.join(", "))
        },
        found: format!(
            "{}: only habits that hold in any language are compared",
            language.map_or_else(|| "unknown".to_owned(), |l| l.to_string())
        ),
        contribution: 0.0,
    }
}

/// What `parsed` does against the habits that hold in any language, and those of its own language where there are any.
fn habit_reasons(
    habits: &BTreeMap<Feature, Habit>,
    of_language: Option<&BTreeMap<Feature, Habit>>,
    parsed: &Parsed,
    not_judged: &[Feature],
) -> Vec<Reason> {
    let measures = measure_parsed(parsed);
    let general = habits.iter().filter(|(feature, _)| !feature.spec().bound);
    let compared = general.chain(of_language.into_iter().flatten()).filter(|(feature, _)| !not_judged.contains(feature));
    compared
        .map(|(&feature, habit)| {
            let value = measures.get(feature);
            let contribution = habit_contribution(feature, feature.scaled(value), habit.at, habit.width) - habit.usual;
            Reason {
                feature: feature.name().to_owned(),
                expected: range_in_words(feature, habit),
                found: feature.in_words(value),
                contribution,
            }
        })
        .collect()
}

/// How much likelier the value is for the brand than for anybody, as a log ratio of two normal densities, bounded and weighted.
pub(super) fn habit_contribution(feature: Feature, scaled: f64, at: f64, width: f64) -> f64 {
    let spec = feature.spec();
    let (everybody, spread) = spec.usual;
    // A stored width of 0 can only come from a damaged profile.
    let (brand, anybody) = ((scaled - at) / width.max(1e-3), (scaled - everybody) / spread);
    let ratio = 0.5 * anybody * anybody - 0.5 * brand * brand + (spread / width.max(1e-3)).ln();
    spec.weight * ratio.clamp(LOUDEST.0, LOUDEST.1)
}

fn range_in_words(feature: Feature, habit: &Habit) -> String {
    let (low, high) = (feature.in_words(habit.low), feature.in_words(habit.high));
    if low == high {
        return low;
    }
    // "6 to 12 words a sentence" rather than the unit twice.
    let unit = high.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    match low.strip_suffix(unit) {
        Some(number) if !unit.is_empty() => format!("{number} to {high}"),
        _ => format!("{low} to {high}"),
    }
}

fn wording_reasons(language: Language, wording: &Wording, parsed: &Parsed) -> Vec<Reason> {
    let (contributions, values) = wording.judge(language, parsed);
    let per_cent = |value: f64| format!("{:.0} %", value * 100.0);
    let quoted = |words: &[String]| words.iter().map(|w| format!("“{w}”")).collect::<Vec<_>>().join(", ");
    Part::ALL
        .into_iter()
        .map(|part| {
            let (own, value) = (wording.own(part).mean, values[part as usize]);
            let (feature, expected, found) = match part {
                Part::FunctionWords => {
                    let (speak_for, speak_against) = wording.telling_words(language, parsed);
                    let found = match (speak_for.is_empty(), speak_against.is_empty()) {
                        (true, true) => "nothing telling".to_owned(),
                        (false, true) => format!("typical: {}", quoted(&speak_for)),
                        (true, false) => format!("untypical: {}", quoted(&speak_against)),
                        (false, false) => format!("typical: {}; untypical: {}", quoted(&speak_for), quoted(&speak_against)),
                    };
                    ("function words", "the small words of the examples".to_owned(), found)
                }
                Part::Vocabulary => ("vocabulary", format!("{} of the words known from the examples", per_cent(own)), per_cent(value)),
                Part::Phrases => {
                    let known: Vec<String> = wording.phrases.iter().take(3).map(|p| p.text.clone()).collect();
                    let found = wording.phrases_in(parsed);
                    let expected =
                        if known.is_empty() { "no phrase in particular".to_owned() } else { format!("phrases such as {}", quoted(&known)) };
                    ("characteristic phrases", expected, if found.is_empty() { "none of them".to_owned() } else { quoted(&found) })
                }
                Part::Letters => ("letter sequences", format!("{} alike", per_cent(own)), format!("{} alike", per_cent(value))),
            };
            Reason { feature: feature.to_owned(), expected, found, contribution: contributions[part as usize] }
        })
        .collect()
}

/// The cosine between the text's embedding and the centroid, with what the examples have.
fn near_centroid(model: &VoiceModel, embedding: Option<&[f32]>) -> Option<(f64, Spread)> {
    let (centroid, own) = (model.centroid.as_ref()?, model.profile.meaning?);
    let embedding = embedding.filter(|e| e.len() == centroid.len())?;
    let wide = |v: &[f32]| v.iter().map(|x| if x.is_finite() { f64::from(*x) } else { 0.0 }).collect::<Vec<_>>();
    Some((cosine(&wide(embedding), &wide(centroid)), own))
}

/// The nearness of a text's embedding in spreads from that of the examples, bounded and weighted.
pub(super) fn meaning_contribution(near: f64, own: Spread) -> f64 {
    let z = if own.spread > 0.0 { (near - own.mean) / own.spread } else { 0.0 };
    MEANING.0 * z.clamp(-3.0, 1.5)
}

/// The cosine of the angle between two vectors of one length; 0 when one of them has none.
pub(super) fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
    let lengths = (a.iter().map(|x| x * x).sum::<f64>() * b.iter().map(|x| x * x).sum::<f64>()).sqrt();
    if lengths > 0.0 { dot / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        ids::ExampleId,
        voice::{Example, train},
    };

    fn voice(texts: &[&str]) -> VoiceModel {
        let example = |text: &&str| Example { id: ExampleId::from_uuid(Uuid::nil()), text: (*text).to_owned(), platform: None, url: None };
        train(&texts.iter().map(example).collect::<Vec<_>>(), None)
    }

    const CALM: [&str; 5] = [
        "We bake dark bread.",
        "The oven has been on since three, and so have we.",
        "We open at seven.",
        "There is soup until it is gone.",
        "We sell rye and rolls.",
    ];

    #[test]
    fn contributions_add_up_to_the_score() {
        let model = voice(&CALM);
        for text in ["We bake rolls at seven.", "HUGE news!!! 🎉 Get yours NOW at https://a.example #rolls"] {
            let fit = brand_fit(&model, text, None);
            let log_odds = STEEPNESS * HALF_AT + fit.reasons.iter().map(|r| r.contribution).sum::<f64>();
            let left_out = 0.03 * WORTH_TELLING * (Feature::ALL.len() + Part::ALL.len()) as f64;
            // The scores differ by no more than what was too small to tell.
            assert!((1.0 / (1.0 + (-log_odds).exp()) - fit.score).abs() < 0.1 + left_out, "{fit:?}");
        }
    }

    #[test]
    fn nothing_scores_nothing() {
        let fit = brand_fit(&voice(&CALM), " \n", None);
        assert_eq!((fit.score, fit.reasons[0].found.as_str()), (0.0, "nothing"));
    }

    #[test]
    fn a_range_names_its_unit_once() {
        let habits = voice(&CALM).profile.habits;
        assert_eq!(range_in_words(Feature::SentenceWords, &habits[&Feature::SentenceWords]), "4 to 9.4 words a sentence");
        assert_eq!(range_in_words(Feature::Emoji, &habits[&Feature::Emoji]), "no emoji");
    }

    #[test]
    fn a_brand_of_two_languages_is_judged_in_each_by_its_own_wording() {
        let german = [
            "Wir backen dunkles Brot.",
            "Der Ofen ist seit drei an, und wir auch.",
            "Wir machen um sieben auf.",
            "Es gibt Suppe, bis sie alle ist.",
        ];
        let model = voice(&[CALM.as_slice(), german.as_slice()].concat());
        let names: Vec<_> = model.profile.wording.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["de", "en"]);
        let score = |text| brand_fit(&model, text, None).score;
        assert!(score("Wir backen um sieben Brot.") > 0.8 && score("We bake bread at seven.") > 0.8);
    }
}
