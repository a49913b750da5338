//! The words of a voice in one language: function words, vocabulary, phrases, letter sequences; and how near another text comes to them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
};

use serde::{Deserialize, Serialize};

use super::{
    letters::{Letters, letters_of, unpack},
    lexicon::{Table, function_words},
    phrases::{Phrase, keys_of, phrases},
    profile::{Spread, round},
    words::Parsed,
};
use crate::brief::Language;

/// How many letter sequences and words a profile keeps: enough to tell authors apart, little enough to store and read.
const KEPT: usize = 500;
/// The share of posts that have a content word by chance.
const BY_CHANCE: f64 = 0.02;
/// Up to this many examples a word is vocabulary when one of them has it, beyond it takes two.
const FEW: u32 = 40;
/// How many words of ordinary writing are mixed into a brand's function words, so that few examples do not prove too much.
const PRIOR_WORDS: f64 = 150.0;

/// What is compared in the wording of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// The small words, against ordinary writing.
    FunctionWords,
    /// Content words, by how many of the examples have them too.
    Vocabulary,
    /// Characteristic phrases.
    Phrases,
    /// Sequences of three letters: spelling, endings, favourite words, all at once.
    Letters,
}

impl Part {
    pub(super) const ALL: [Self; 4] = [Self::FunctionWords, Self::Vocabulary, Self::Phrases, Self::Letters];

    /// How much it counts beside one measured habit, and the spread to expect of its value before any example is seen. Chosen by hand: with
    /// half of these weights the mean AUC on the test corpora moves by about 0.02. A post holds too few function words to say much.
    pub(super) const fn weight_and_spread(self) -> (f64, f64) {
        match self {
            Self::FunctionWords => (0.75, 0.08),
            Self::Vocabulary => (2.0, 0.08),
            Self::Phrases => (1.0, 0.5),
            Self::Letters => (2.0, 0.08),
        }
    }
}

/// A brand's wording in one language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wording {
    /// How many examples are in this language.
    pub examples: u32,
    /// How many words they have together.
    pub words: u32,
    /// How often each function word occurs.
    pub function_words: BTreeMap<String, u32>,
    /// Content words, with how many examples have them.
    pub vocabulary: BTreeMap<String, u32>,
    /// Phrases that come back, the most frequent first.
    pub phrases: Vec<Phrase>,
    /// Sequences of three characters, with how many examples have them.
    letters: BTreeMap<String, u32>,
    /// The values that the brand's own examples have when each is held against all the others.
    own: BTreeMap<Part, Spread>,
}

/// A text as wording sees it.
#[derive(Debug)]
struct Doc<'a> {
    words: u32,
    /// With how often each occurs.
    function_words: BTreeMap<&'a str, u32>,
    /// Distinct content words.
    vocabulary: BTreeSet<&'a str>,
    letters: Vec<u64>,
    phrases: Vec<u64>,
}

impl<'a> Doc<'a> {
    fn read(parsed: &'a Parsed) -> Self {
        let letters = letters_of(&parsed.prose);
        let mut doc = Self { words: 0, function_words: BTreeMap::new(), vocabulary: BTreeSet::new(), letters, phrases: keys_of(parsed) };
        for word in parsed.words() {
            doc.words += 1;
            if word.is_function() {
                *doc.function_words.entry(word.lower.as_str()).or_default() += 1;
            } else if !word.digits {
                doc.vocabulary.insert(&word.lower);
            }
        }
        doc
    }
}

/// What comparing needs and a profile does not store, worked out once for many texts.
struct Yardstick {
    usual: Option<&'static Table>,
    /// How many of the brand's words are function words of the language.
    counted: f64,
    letters: Letters,
    /// The keys of the phrases, with how many examples have each.
    phrases: Vec<(u64, u32)>,
}

/// How many documents have each key; the [`KEPT`] most frequent, ties by key.
fn most_frequent<K: Ord + Copy + Hash>(documents: impl Iterator<Item = K>, least: u32) -> Vec<(K, u32)> {
    let mut counts: HashMap<K, u32> = HashMap::new();
    for key in documents {
        *counts.entry(key).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count >= least).collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    counts.truncate(KEPT);
    counts
}

impl Wording {
    /// Learns from the examples in `language`; their order does not matter. Also returns what each example would contribute to a score,
    /// had the wording been learned from all others but it.
    pub(super) fn learn(language: Language, parsed: &[&Parsed]) -> (Self, Vec<[f64; 4]>) {
        let docs: Vec<Doc> = parsed.iter().map(|p| Doc::read(p)).collect();
        let mut wording = Self {
            examples: u32::try_from(docs.len()).unwrap_or(u32::MAX),
            words: docs.iter().map(|d| d.words).sum(),
            function_words: BTreeMap::new(),
            vocabulary: most_frequent(docs.iter().flat_map(|d| d.vocabulary.iter().copied()), 1)
                .into_iter()
                .map(|(w, n)| (w.to_owned(), n))
                .collect(),
            phrases: Vec::new(),
            letters: most_frequent(docs.iter().flat_map(|d| d.letters.iter().copied()), 1)
                .into_iter()
                .map(|(key, n)| (unpack(key), n))
                .collect(),
            own: BTreeMap::new(),
        };
        let least = wording.least();
        wording.vocabulary.retain(|_, n| *n >= least);
        for (word, n) in docs.iter().flat_map(|d| &d.function_words) {
            *wording.function_words.entry((*word).to_owned()).or_default() += n;
        }
        let runs = most_frequent(docs.iter().flat_map(|d| d.phrases.iter().copied()), wording.phrase_threshold());
        wording.phrases = phrases(parsed, &runs.into_iter().collect());
        let yardstick = wording.yardstick(language);
        let left_out: Vec<[f64; 4]> = docs.iter().map(|doc| wording.values(&yardstick, doc, 1)).collect();
        for (at, part) in Part::ALL.into_iter().enumerate() {
            let spread = Spread::of(left_out.iter().map(|values| values[at]), part.weight_and_spread().1);
            wording.own.insert(part, spread);
        }
        let contributions = left_out.iter().map(|values| wording.contributions(values)).collect();
        (wording, contributions)
    }

    /// The contributions of a new text, and the values they come from.
    pub(super) fn judge(&self, language: Language, parsed: &Parsed) -> ([f64; 4], [f64; 4]) {
        let values = self.values(&self.yardstick(language), &Doc::read(parsed), 0);
        (self.contributions(&values), values)
    }

    /// Each value in spreads from the brand's own, weighted. More like the brand than the brand itself earns little, hence the low ceiling.
    fn contributions(&self, values: &[f64; 4]) -> [f64; 4] {
        let mut out = [0.0; 4];
        for (at, part) in Part::ALL.into_iter().enumerate() {
            let own = self.own(part);
            let z = if own.spread > 0.0 { (values[at] - own.mean) / own.spread } else { 0.0 };
            out[at] = part.weight_and_spread().0 * z.clamp(-3.0, 1.5);
        }
        out
    }

    /// Mean and spread that the brand's own examples have in `part`.
    pub(super) fn own(&self, part: Part) -> Spread {
        self.own.get(&part).copied().unwrap_or_default()
    }

    /// In how many examples a word must be to be vocabulary.
    const fn least(&self) -> u32 {
        if self.examples < FEW { 1 } else { 2 }
    }

    /// In how many examples a phrase must be to be characteristic.
    fn phrase_threshold(&self) -> u32 {
        (self.examples * 6).div_ceil(100).max(3)
    }

    /// The raw values of a text. `own` is 1 for one of the examples, which is then left out of what it is compared with, else 0.
    fn values(&self, yardstick: &Yardstick, doc: &Doc<'_>, own: u32) -> [f64; 4] {
        [
            self.function_word_value(yardstick, doc, own),
            self.vocabulary_value(doc, own),
            self.phrase_value(yardstick, doc, own),
            yardstick.letters.nearness(&doc.letters, own),
        ]
    }

    fn yardstick(&self, language: Language) -> Yardstick {
        let usual = function_words(language);
        let counted =
            self.function_words.iter().filter(|(word, _)| usual.is_some_and(|u| u.rate(word).is_some())).map(|(_, n)| f64::from(*n));
        let examples = f64::from(self.examples.max(1));
        Yardstick {
            usual,
            counted: counted.sum(),
            letters: Letters::weigh(language, &self.letters, examples, f64::from(self.words) / examples),
            phrases: self.phrases.iter().map(|phrase| (phrase.key(), phrase.examples)).collect(),
        }
    }

    /// Mean over the words of how much likelier this brand is to use each than anybody is (log ratio).
    fn function_word_value(&self, yardstick: &Yardstick, doc: &Doc<'_>, own: u32) -> f64 {
        let Some(usual) = yardstick.usual.filter(|_| doc.words > 0) else { return 0.0 };
        let total = f64::from(self.words.saturating_sub(own * doc.words)) + PRIOR_WORDS;
        let (mut sum, mut others) = (0.0, f64::from(doc.words));
        for (word, n) in &doc.function_words {
            let Some(everybody) = usual.rate(word) else { continue };
            sum += f64::from(*n) * self.log_ratio(word, everybody, own * n, total);
            others -= f64::from(*n);
        }
        let counted = yardstick.counted - f64::from(own) * (f64::from(doc.words) - others);
        let brand = (counted + PRIOR_WORDS * usual.mass) / total;
        sum += others * ((1.0 - brand).max(0.01) / (1.0 - usual.mass)).ln();
        sum / f64::from(doc.words)
    }

    fn log_ratio(&self, word: &str, everybody: f64, left_out: u32, total: f64) -> f64 {
        let count = self.function_words.get(word).copied().unwrap_or(0).saturating_sub(left_out);
        ((f64::from(count) + PRIOR_WORDS * everybody) / total / everybody).ln()
    }

    /// The function words of a text that speak most for the brand, and most against it; at most three of each.
    pub(super) fn telling_words(&self, language: Language, parsed: &Parsed) -> (Vec<String>, Vec<String>) {
        let Some(usual) = function_words(language) else { return (Vec::new(), Vec::new()) };
        let total = f64::from(self.words) + PRIOR_WORDS;
        let doc = Doc::read(parsed);
        let mut ratios: Vec<(f64, &str)> = Vec::new();
        for word in doc.function_words.keys() {
            if let Some(everybody) = usual.rate(word) {
                ratios.push((self.log_ratio(word, everybody, 0, total), word));
            }
        }
        ratios.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let speak_for = ratios.iter().filter(|r| r.0 > 0.2).take(3).map(|r| r.1.to_owned()).collect();
        let speak_against = ratios.iter().rev().filter(|r| r.0 < -0.2).take(3).map(|r| r.1.to_owned()).collect();
        (speak_for, speak_against)
    }

    /// Mean over the content words of how far each is from a word that comes by chance: 0 for one that no other example has, 1 for one that
    /// all have. A signature word therefore speaks louder than many that turn up once.
    fn vocabulary_value(&self, doc: &Doc<'_>, own: u32) -> f64 {
        let others = f64::from(self.examples.saturating_sub(own).max(1));
        let least = self.least();
        let signature = |word: &&str| {
            let count = self.vocabulary.get(*word).map_or(0, |n| n.saturating_sub(own));
            let share = f64::from(count) / others;
            if count >= least { ((share / BY_CHANCE).ln() / (1.0 / BY_CHANCE).ln()).max(0.0) } else { 0.0 }
        };
        doc.vocabulary.iter().map(signature).sum::<f64>() / doc.vocabulary.len().max(1) as f64
    }

    fn phrase_value(&self, yardstick: &Yardstick, doc: &Doc<'_>, own: u32) -> f64 {
        let threshold = self.phrase_threshold();
        let known = yardstick
            .phrases
            .iter()
            .filter(|(key, examples)| examples.saturating_sub(own) >= threshold && doc.phrases.binary_search(key).is_ok());
        (known.count() as f64).sqrt()
    }

    /// The characteristic phrases that a text has.
    pub(super) fn phrases_in(&self, parsed: &Parsed) -> Vec<String> {
        let keys = keys_of(parsed);
        self.phrases.iter().filter(|phrase| keys.binary_search(&phrase.key()).is_ok()).map(|phrase| phrase.text.clone()).collect()
    }

    /// With numbers rounded to what the profile stores.
    pub(super) fn rounded(mut self) -> Self {
        for spread in self.own.values_mut() {
            *spread = Spread { mean: round(spread.mean), spread: round(spread.spread) };
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::words::parse;

    fn learn(texts: &[&str]) -> Wording {
        let parsed: Vec<Parsed> = texts.iter().map(|t| parse(t)).collect();
        Wording::learn(Language::EN, &parsed.iter().collect::<Vec<_>>()).0
    }

    #[test]
    fn a_phrase_that_comes_back_is_kept_in_its_longest_form() {
        let wording = learn(&[
            "Straight from the oven, dark.",
            "Rolls straight from the oven.",
            "All of it straight from the oven today.",
            "Nothing today.",
        ]);
        assert_eq!(wording.phrases, [Phrase { text: "straight from the oven".to_owned(), examples: 3 }]);
        assert_eq!(wording.phrases_in(&parse("Cake, straight from the ovens. Straight from the oven!")), ["straight from the oven"]);
        assert!(wording.phrases_in(&parse("Straight from. The oven")).is_empty());
    }

    #[test]
    fn a_text_in_the_brands_words_comes_nearer_than_another() {
        let wording = learn(&["We bake dark bread.", "We sell dark bread and rolls.", "Our rolls are dark."]);
        let (near, _) = wording.judge(Language::EN, &parse("We bake dark rolls."));
        let (far, _) = wording.judge(Language::EN, &parse("They ship fast compilers."));
        for part in [Part::FunctionWords, Part::Vocabulary, Part::Letters] {
            let at = part as usize;
            assert!(near[at] > far[at], "{part:?}: {} against {}", near[at], far[at]);
        }
        let (speak_for, _) = wording.telling_words(Language::EN, &parse("We are the best."));
        assert!(speak_for.contains(&"we".to_owned()), "{speak_for:?}");
    }

    #[test]
    fn an_example_left_out_does_not_vouch_for_itself() {
        let alone = learn(&["Zebra zigzag.", "We bake bread.", "We sell bread."]);
        let parsed = parse("Zebra zigzag.");
        let doc = Doc::read(&parsed);
        assert!(alone.vocabulary_value(&doc, 0) > 0.5);
        assert!(alone.vocabulary_value(&doc, 1) < 0.01);
        let letters = alone.yardstick(Language::EN).letters;
        assert!(letters.nearness(&doc.letters, 1) < 0.3 * letters.nearness(&doc.letters, 0));
    }
}
