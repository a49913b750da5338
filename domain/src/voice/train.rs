//! From examples to a profile.

use std::collections::BTreeMap;

use super::{
    constraints,
    examples::Example,
    fit::{cosine, habit_contribution},
    lexicon::language_of,
    measures::{Feature, Measures, measure_parsed},
    profile::{Calibration, Habit, Spread, VoiceModel, VoiceProfile, round},
    wording::Wording,
    words::{Parsed, parse},
};
use crate::brief::Language;

/// The fewest examples in one language from which its wording, and the habits that shift with it, are learned.
const MIN_IN_LANGUAGE: usize = 3;
/// How many observations the expected spread of a habit is worth (see [`habit_at`]).
const EXPECTED_WEIGHS: f64 = 3.0;
/// The spread of sums to expect before any example is seen.
const EXPECTED_SUM_SPREAD: f64 = 5.0;
/// The weight of meaning beside one measured habit, and the spread of the cosine to expect.
pub(super) const MEANING: (f64, f64) = (3.0, 0.1);

/// How many examples of each language a prompt shows, and the longest, in characters: enough to hear the voice, and a small part of a prompt.
const SAMPLES: usize = 6;
const LONGEST_SAMPLE: usize = 500;

/// Trains a voice. `embeddings`, if given, are those of the examples in the same order; they are left aside when their number or their
/// dimensions do not fit.
///
/// The order of the examples does not matter: the same ones give the same profile to the byte. Call
/// [`check_examples`](super::check_examples) first; fewer or stranger examples do not fail here, they make a voice that says little.
#[must_use]
pub fn train(examples: &[Example], embeddings: Option<&[Vec<f32>]>) -> VoiceModel {
    let embeddings = embeddings.filter(|e| e.len() == examples.len() && e.iter().all(|v| v.len() == e[0].len() && !v.is_empty()));
    // Floating-point sums depend on their order, so the examples are put into one that depends on nothing but what they say.
    let mut order: Vec<usize> = (0..examples.len()).collect();
    order.sort_by(|&a, &b| {
        let bits = |at: usize| embeddings.map(|e| e[at].iter().map(|v| v.to_bits()).collect::<Vec<_>>());
        examples[a].text.cmp(&examples[b].text).then_with(|| bits(a).cmp(&bits(b)))
    });
    let parsed: Vec<Parsed> = order.iter().map(|&at| parse(&examples[at].text)).collect();
    let vectors: Option<Vec<&[f32]>> = embeddings.map(|e| order.iter().map(|&at| e[at].as_slice()).collect());

    let measures: Vec<Measures> = parsed.iter().map(measure_parsed).collect();
    let mut sums =
        Sums { any_language: vec![0.0; parsed.len()], bound: vec![0.0; parsed.len()], wording: vec![None; parsed.len()], meaning: None };
    let told: Vec<Option<Language>> = parsed.iter().map(language_of).collect();
    let mut languages: BTreeMap<Language, u32> = BTreeMap::new();
    for language in told.iter().flatten() {
        *languages.entry(*language).or_default() += 1;
    }
    let every: Vec<usize> = (0..measures.len()).collect();
    let habits = Feature::ALL
        .iter()
        .map(|&feature| {
            let (habit, contributions) = learn_habit(feature, &measures, &every);
            if !feature.spec().bound {
                sums.any_language.iter_mut().zip(&contributions).for_each(|(sum, own)| *sum += own);
            }
            (feature, habit)
        })
        .collect();
    let mut profile = VoiceProfile {
        format: VoiceProfile::FORMAT,
        examples: u32::try_from(examples.len()).unwrap_or(u32::MAX),
        languages,
        habits,
        habits_by_language: BTreeMap::new(),
        wording: BTreeMap::new(),
        meaning: None,
        calibration: Calibration { habits: 0.0, wording: 0.0, habits_meaning: 0.0, wording_meaning: 0.0 },
        constraints: Vec::new(),
        samples: BTreeMap::new(),
    };
    for (language, places) in by_language(&told, profile.main_language()) {
        let mut habits = BTreeMap::new();
        for &feature in Feature::ALL.iter().filter(|feature| feature.spec().bound) {
            let (habit, contributions) = learn_habit(feature, &measures, &places);
            places.iter().zip(contributions).for_each(|(at, own)| sums.bound[*at] += own);
            habits.insert(feature, habit);
        }
        profile.habits_by_language.insert(language, habits);
        profile.wording.insert(language, learn_wording(language, &places, &parsed, &mut sums));
        let texts: Vec<&str> = order.iter().map(|&at| examples[at].text.as_str()).collect();
        profile.samples.insert(language, sums.typical(&places, &texts));
    }
    let mut centroid = None;
    if let Some(vectors) = vectors.filter(|v| !v.is_empty()) {
        let (mean, spread) = learn_meaning(&vectors, &mut sums);
        centroid = Some(mean);
        profile.meaning = Some(Spread { mean: round(spread.mean), spread: round(spread.spread) });
    }
    profile.calibration = sums.calibrate();
    profile.constraints = constraints::state(&profile.habits, &measures);
    VoiceModel { profile, centroid }
}

/// What each example contributes when it is left out, less what examples contribute on average.
struct Sums {
    any_language: Vec<f64>,
    bound: Vec<f64>,
    /// `None` for an example whose language has no wording.
    wording: Vec<Option<f64>>,
    meaning: Option<Vec<f64>>,
}

impl Sums {
    /// The texts at `places` that are most like the others there, best first: of each the whole, for half a post is no example of how one ends.
    fn typical(&self, places: &[usize], texts: &[&str]) -> Vec<String> {
        let mut ranked: Vec<(f64, &str)> = places
            .iter()
            .filter(|&&at| texts[at].chars().count() <= LONGEST_SAMPLE)
            .map(|&at| (round(self.any_language[at] + self.bound[at] + self.wording[at].unwrap_or_default()), texts[at]))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        ranked.into_iter().take(SAMPLES).map(|(_, text)| text.to_owned()).collect()
    }

    fn calibrate(&self) -> Calibration {
        let worded = || (0..self.wording.len()).filter_map(|at| self.wording[at].map(|w| (at, self.any_language[at] + self.bound[at] + w)));
        let meaning = |at: usize| self.meaning.as_ref().map_or(0.0, |m| m[at]);
        // Around zero, since every contribution is centred already.
        let spread = |values: &mut dyn Iterator<Item = f64>| {
            let (mut n, mut squares) = (0.0, 0.0);
            for value in values {
                n += 1.0;
                squares += value * value;
            }
            let expected = EXPECTED_WEIGHS * EXPECTED_SUM_SPREAD * EXPECTED_SUM_SPREAD;
            round(((squares + expected) / (n + EXPECTED_WEIGHS)).sqrt())
        };
        Calibration {
            habits: spread(&mut self.any_language.iter().copied()),
            wording: spread(&mut worded().map(|(_, sum)| sum)),
            habits_meaning: spread(&mut self.any_language.iter().enumerate().map(|(at, sum)| sum + meaning(at))),
            wording_meaning: spread(&mut worded().map(|(at, sum)| sum + meaning(at))),
        }
    }
}

/// The habit that the examples at `places` have, and what each of them contributes when it is held against the others, less their mean.
fn learn_habit(feature: Feature, measures: &[Measures], places: &[usize]) -> (Habit, Vec<f64>) {
    let mut natural: Vec<f64> = places.iter().map(|&at| measures[at].get(feature)).collect();
    let scaled: Vec<f64> = natural.iter().map(|v| feature.scaled(*v)).collect();
    let n = scaled.len() as f64;
    let (sum, squares): (f64, f64) = scaled.iter().fold((0.0, 0.0), |(s, q), v| (s + v, q + v * v));
    let left_out: Vec<f64> = scaled
        .iter()
        .map(|v| {
            let (at, width) = habit_at(feature, n - 1.0, sum - v, squares - v * v);
            habit_contribution(feature, *v, at, width)
        })
        .collect();
    let usual = round(super::measures::mean_and_spread(left_out.iter().copied()).0);
    let (mean, spread) = super::measures::mean_and_spread(natural.iter().copied());
    let (at, width) = habit_at(feature, n, sum, squares);
    natural.sort_by(f64::total_cmp);
    let habit = Habit {
        mean: round(mean),
        spread: round(spread),
        low: round(quantile(&natural, 0.1)),
        high: round(quantile(&natural, 0.9)),
        at: round(at),
        width: round(width),
        usual,
    };
    (habit, left_out.into_iter().map(|own| own - usual).collect())
}

/// Where a brand lies and how far it spreads, from the number, sum and sum of squares of its scaled values.
///
/// Both are drawn towards what posts of anybody have, by one and by [`EXPECTED_WEIGHS`] observations, and no brand is taken to be more exact
/// than a third of everybody's spread: thirty posts without an emoji do not prove that there is never going to be one.
fn habit_at(feature: Feature, n: f64, sum: f64, squares: f64) -> (f64, f64) {
    let (everybody, spread) = feature.spec().usual;
    let at = (sum + everybody * 0.5) / (n + 0.5);
    let around = (squares - 2.0 * at * sum + n * at * at).max(0.0);
    let expected = 0.6 * spread;
    let width = ((around + EXPECTED_WEIGHS * expected * expected) / (n + EXPECTED_WEIGHS)).sqrt();
    (at, width.max(spread / 3.0))
}

/// The value below which the share `q` of the sorted values lies, by linear interpolation.
pub(super) fn quantile(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() {
        return 0.0;
    }
    let place = q * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

/// The places of the examples in each language that has enough of them. What cannot be told is taken to be in the main one.
fn by_language(told: &[Option<Language>], main: Option<Language>) -> BTreeMap<Language, Vec<usize>> {
    let mut places: BTreeMap<Language, Vec<usize>> = BTreeMap::new();
    for (at, language) in told.iter().enumerate() {
        if let Some(language) = language.or(main) {
            places.entry(language).or_default().push(at);
        }
    }
    places.retain(|_, places| places.len() >= MIN_IN_LANGUAGE);
    places
}

fn learn_wording(language: Language, places: &[usize], parsed: &[Parsed], sums: &mut Sums) -> Wording {
    let texts: Vec<&Parsed> = places.iter().map(|&at| &parsed[at]).collect();
    let (wording, contributions) = Wording::learn(language, &texts);
    for (at, parts) in places.iter().zip(contributions) {
        sums.wording[*at] = Some(parts.iter().sum());
    }
    wording.rounded()
}

/// The centroid of the embeddings, and how near each of them is to that of the others.
fn learn_meaning(vectors: &[&[f32]], sums: &mut Sums) -> (Vec<f32>, Spread) {
    let unit: Vec<Vec<f64>> = vectors.iter().map(|v| normalised(v.iter().map(|x| f64::from(*x)))).collect();
    let mut total = vec![0.0; unit[0].len()];
    for vector in &unit {
        for (sum, x) in total.iter_mut().zip(vector) {
            *sum += x;
        }
    }
    let others = |own: &Vec<f64>| total.iter().zip(own).map(|(sum, x)| sum - x).collect::<Vec<_>>();
    let near: Vec<f64> = unit.iter().map(|own| cosine(own, &others(own))).collect();
    let spread = Spread::of(near.iter().copied(), MEANING.1);
    sums.meaning = Some(near.iter().map(|c| super::fit::meaning_contribution(*c, spread)).collect());
    #[expect(clippy::cast_possible_truncation, reason = "a direction needs no more than single precision")]
    let centroid = normalised(total.into_iter()).into_iter().map(|x| x as f32).collect();
    (centroid, spread)
}

/// The vector at length 1; what is not finite counts as nothing.
fn normalised(vector: impl Iterator<Item = f64>) -> Vec<f64> {
    let vector: Vec<f64> = vector.map(|x| if x.is_finite() { x } else { 0.0 }).collect();
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length > 0.0 { vector.into_iter().map(|x| x / length).collect() } else { vector }
}
