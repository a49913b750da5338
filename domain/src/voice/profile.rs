//! What training leaves behind: numbers that a database keeps, a page shows and a score uses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    constraints::{Constraint, ConstraintKind},
    measures::Feature,
    wording::Wording,
};
use crate::brief::Language;

/// A brand's voice as counted from its examples. Equal examples give equal bytes of JSON, in whatever order they come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VoiceProfile {
    /// The version of this layout and of how it is computed. A profile of another version must be trained anew.
    pub format: u32,
    /// How many examples it was trained on.
    pub examples: u32,
    /// How many examples are in each language that could be told.
    pub languages: BTreeMap<Language, u32>,
    /// Each measured habit, over all examples. Of those that hold in any language this is what a text is compared with; of the others it is what
    /// is shown and stated as constraints.
    pub habits: BTreeMap<Feature, Habit>,
    /// The habits that shift with the language, in each language that has at least three examples.
    #[serde(default)]
    pub habits_by_language: BTreeMap<Language, BTreeMap<Feature, Habit>>,
    /// The wording in each language that has at least three examples.
    pub wording: BTreeMap<Language, Wording>,
    /// The cosine between an example's embedding and the centroid of the others; `None` without embeddings.
    pub meaning: Option<Spread>,
    /// How far the brand's own examples spread around their usual score.
    pub calibration: Calibration,
    /// What a prompt can state and a text be checked against.
    pub constraints: Vec<Constraint>,
    /// A few of the examples in each language, the most typical first: what a prompt shows.
    #[serde(default)]
    pub samples: BTreeMap<Language, Vec<String>>,
}

impl VoiceProfile {
    /// The version that this build writes and reads.
    pub const FORMAT: u32 = 3;

    /// The language of most examples; it is assumed for a text whose language cannot be told.
    #[must_use]
    pub fn main_language(&self) -> Option<Language> {
        self.languages.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|(language, _)| *language)
    }

    /// Whether the voice does without hashtags: none of its examples, of which there are enough to tell, has one.
    #[must_use]
    pub fn refuses_hashtags(&self) -> bool {
        self.constraints.iter().any(|c| c.kind == ConstraintKind::Dont && c.feature == Feature::Hashtags && c.max == Some(0.0))
    }

    /// What a prompt says of the voice, a sentence each: every constraint, and the phrases that come naturally in `language`.
    #[must_use]
    pub fn prompt_lines(&self, language: Language) -> Vec<String> {
        let mut lines: Vec<String> = self.constraints.iter().map(|c| c.text.clone()).collect();
        let phrases: Vec<String> =
            self.wording.get(&language).into_iter().flat_map(|w| &w.phrases).take(5).map(|p| format!("“{}”", p.text)).collect();
        if !phrases.is_empty() {
            lines.push(format!("Phrases that come naturally to this voice, to be used sparingly: {}.", phrases.join(", ")));
        }
        lines
    }
}

/// A profile with the vector that belongs to it. They are apart because the database keeps one as JSON and the other as a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct VoiceModel {
    /// The counted part.
    pub profile: VoiceProfile,
    /// The mean direction of the examples' embeddings, of length 1; `None` when trained without.
    pub centroid: Option<Vec<f32>>,
}

impl From<VoiceProfile> for VoiceModel {
    /// A model that knows nothing of embeddings.
    fn from(profile: VoiceProfile) -> Self {
        Self { profile, centroid: None }
    }
}

/// One measured habit. `mean` to `high` are in the natural unit of the feature; the rest is on the scale on which texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Habit {
    /// Mean over the examples.
    pub mean: f64,
    /// Standard deviation over the examples.
    pub spread: f64,
    /// The value that a tenth of the examples does not reach.
    pub low: f64,
    /// The value that a tenth of the examples exceeds.
    pub high: f64,
    /// Where the brand lies on the scale of comparison.
    pub(super) at: f64,
    /// How far it spreads there.
    pub(super) width: f64,
    /// What the brand's own examples contribute on average, each held against the others.
    pub(super) usual: f64,
}

/// A mean and a standard deviation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub spread: f64,
}

impl Spread {
    /// How many observations the expected spread is worth: with few examples their own spread is mostly luck.
    const EXPECTED_WEIGHS: f64 = 4.0;

    /// Mean and standard deviation of `values`, the latter drawn towards `expected`.
    pub(super) fn of(values: impl Iterator<Item = f64>, expected: f64) -> Self {
        let values: Vec<f64> = values.collect();
        let n = values.len() as f64;
        let (mean, spread) = super::measures::mean_and_spread(values.into_iter());
        let squares = n * spread * spread + Self::EXPECTED_WEIGHS * expected * expected;
        Self { mean, spread: (squares / (n + Self::EXPECTED_WEIGHS)).sqrt() }
    }
}

/// How far the summed contributions of the brand's own examples spread around their mean, for each set of things that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Habits that hold in any language, alone: for a text in a language without examples.
    pub habits: f64,
    /// All habits, and wording.
    pub wording: f64,
    /// The first, and meaning.
    pub habits_meaning: f64,
    /// Everything.
    pub wording_meaning: f64,
}

/// Rounds to four decimals: beyond that there is only noise of summation, and JSON would not be the same from machine to machine.
pub(super) fn round(value: f64) -> f64 {
    let rounded = (value * 10_000.0).round() / 10_000.0;
    // Minus zero would be written as `-0.0`.
    if rounded == 0.0 || !rounded.is_finite() { 0.0 } else { rounded }
}
