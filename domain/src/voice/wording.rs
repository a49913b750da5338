//! The words of a voice in one language: function words, vocabulary, phrases, letter sequences; and how near another text comes to them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::LazyLock,
};

use serde::{Deserialize, Serialize};

use super::{
    lexicon::{function_words, is_function_word},
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
/// Added to shares of texts before their ratio is taken, so that what is rare does not count for much.
const SMOOTHING: f64 = 0.1;
/// How many words of ordinary writing are mixed into a brand's function words, so that few examples do not prove too much.
const PRIOR_WORDS: f64 = 150.0;
/// The most characteristic phrases that are kept.
const PHRASES: usize = 12;

/// A phrase that comes back in several examples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phrase {
    /// Two to four words in lower case.
    pub text: String,
    /// How many examples have it.
    pub examples: u32,
}

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
pub(super) struct Doc {
    words: u32,
    function_words: BTreeMap<String, u32>,
    vocabulary: BTreeSet<String>,
    letters: Vec<u64>,
    phrases: Vec<u64>,
}

impl Doc {
    pub(super) fn read(parsed: &Parsed) -> Self {
        let mut doc = Self {
            words: 0,
            function_words: BTreeMap::new(),
            vocabulary: BTreeSet::new(),
            letters: letters_of(&parsed.prose),
            phrases: Vec::new(),
        };
        for word in parsed.words() {
            doc.words += 1;
            if is_function_word(&word.lower) {
                *doc.function_words.entry(word.lower.clone()).or_default() += 1;
            } else if !word.digits {
                doc.vocabulary.insert(word.lower.clone());
            }
        }
        each_phrase(parsed, |key, _| doc.phrases.push(key));
        doc.phrases.sort_unstable();
        doc.phrases.dedup();
        doc
    }
}

/// Calls `with` for every run of two to four words of a sentence that is worth remembering: two words must both carry meaning,
/// longer runs need one that does.
fn each_phrase<'a>(parsed: &'a Parsed, mut with: impl FnMut(u64, &[&'a str])) {
    for sentence in &parsed.sentences {
        let words: Vec<&str> = sentence.iter().map(|w| w.lower.as_str()).collect();
        for length in 2..=4 {
            for run in words.windows(length) {
                let content = run.iter().filter(|w| !is_function_word(w)).count();
                if content >= if length == 2 { 2 } else { 1 } {
                    // Fixed keys: the same phrase has the same number in every process.
                    let mut hasher = DefaultHasher::new();
                    run.hash(&mut hasher);
                    with(hasher.finish(), run);
                }
            }
        }
    }
}

/// The distinct sequences of three characters, each packed into one number (21 bits hold any character). Digits are all alike.
fn letters_of(prose: &str) -> Vec<u64> {
    const MASK: u64 = (1 << 63) - 1;
    let (mut packed, mut seen) = (u64::from(' '), 1);
    let mut all = Vec::with_capacity(prose.len());
    for c in prose.chars() {
        let c = if c.is_numeric() { '0' } else { c };
        packed = ((packed << 21) | u64::from(c)) & MASK;
        seen += 1;
        if seen >= 3 {
            all.push(packed);
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn pack(sequence: &str) -> u64 {
    sequence.chars().fold(0, |packed, c| (packed << 21) | u64::from(c))
}

/// How often each sequence of three characters comes along with the function words of a language, per word of text.
fn usual_letters(language: Language) -> Option<&'static HashMap<u64, f64>> {
    static ENGLISH: LazyLock<HashMap<u64, f64>> = LazyLock::new(|| letters_in(Language::EN));
    static GERMAN: LazyLock<HashMap<u64, f64>> = LazyLock::new(|| letters_in(Language::DE));
    match language {
        Language::EN => Some(&ENGLISH),
        Language::DE => Some(&GERMAN),
        _ => None,
    }
}

fn letters_in(language: Language) -> HashMap<u64, f64> {
    let mut rates = HashMap::new();
    for (word, rate) in function_words(language).into_iter().flatten() {
        for key in letters_of(&format!("{word} ")) {
            *rates.entry(key).or_default() += rate;
        }
    }
    rates
}

fn unpack(key: u64) -> String {
    [key >> 42, key >> 21, key].iter().filter_map(|part| u32::try_from(part & 0x1f_ffff).ok().and_then(char::from_u32)).collect()
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
            vocabulary: most_frequent(docs.iter().flat_map(|d| d.vocabulary.iter().map(String::as_str)), 1)
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
            *wording.function_words.entry(word.clone()).or_default() += n;
        }
        wording.phrases = phrases(parsed, &docs, wording.phrase_threshold());
        let letters = wording.weighed_letters(language);
        let left_out: Vec<[f64; 4]> =
            docs.iter().zip(parsed).map(|(doc, parsed)| wording.values(language, &letters, doc, parsed, 1)).collect();
        for (at, part) in Part::ALL.into_iter().enumerate() {
            let spread = Spread::of(left_out.iter().map(|values| values[at]), part.weight_and_spread().1);
            wording.own.insert(part, spread);
        }
        let contributions = left_out.iter().map(|values| wording.contributions(values)).collect();
        (wording, contributions)
    }

    /// The contributions of a new text, and the values they come from.
    pub(super) fn judge(&self, language: Language, parsed: &Parsed) -> ([f64; 4], [f64; 4]) {
        let values = self.values(language, &self.weighed_letters(language), &Doc::read(parsed), parsed, 0);
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
    fn values(&self, language: Language, letters: &Letters, doc: &Doc, parsed: &Parsed, own: u32) -> [f64; 4] {
        [
            self.function_word_value(language, doc, own),
            self.vocabulary_value(doc, own),
            self.phrase_value(parsed, own),
            letters.nearness(doc, own),
        ]
    }

    /// Mean over the words of how much likelier this brand is to use each than anybody is (log ratio).
    fn function_word_value(&self, language: Language, doc: &Doc, own: u32) -> f64 {
        let Some(usual) = function_words(language) else { return 0.0 };
        if doc.words == 0 {
            return 0.0;
        }
        let total = f64::from(self.words - own * doc.words) + PRIOR_WORDS;
        let (mut sum, mut others) = (0.0, f64::from(doc.words));
        for (word, n) in &doc.function_words {
            let Some(&everybody) = usual.get(word.as_str()) else { continue };
            sum += f64::from(*n) * self.log_ratio(word, everybody, own * n, total);
            others -= f64::from(*n);
        }
        let mass: f64 = usual.values().sum();
        let mut counted: f64 =
            self.function_words.iter().filter(|(word, _)| usual.contains_key(word.as_str())).map(|(_, n)| f64::from(*n)).sum();
        counted -= f64::from(own) * (f64::from(doc.words) - others);
        let brand = (counted + PRIOR_WORDS * mass) / total;
        sum += others * ((1.0 - brand).max(0.01) / (1.0 - mass)).ln();
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
        let mut ratios: Vec<(f64, &String)> = Vec::new();
        for word in doc.function_words.keys() {
            if let Some(&everybody) = usual.get(word.as_str()) {
                ratios.push((self.log_ratio(word, everybody, 0, total), word));
            }
        }
        ratios.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let speak_for = ratios.iter().filter(|r| r.0 > 0.2).take(3).map(|r| r.1.clone()).collect();
        let speak_against = ratios.iter().rev().filter(|r| r.0 < -0.2).take(3).map(|r| r.1.clone()).collect();
        (speak_for, speak_against)
    }

    /// Mean over the content words of how far each is from a word that comes by chance: 0 for one that no other example has, 1 for one that
    /// all have. A signature word therefore speaks louder than many that turn up once.
    fn vocabulary_value(&self, doc: &Doc, own: u32) -> f64 {
        let others = f64::from(self.examples.saturating_sub(own).max(1));
        let least = self.least();
        let signature = |word: &String| {
            let count = self.vocabulary.get(word).map_or(0, |n| n - own);
            let share = f64::from(count) / others;
            if count >= least { ((share / BY_CHANCE).ln() / (1.0 / BY_CHANCE).ln()).max(0.0) } else { 0.0 }
        };
        doc.vocabulary.iter().map(signature).sum::<f64>() / doc.vocabulary.len().max(1) as f64
    }

    fn phrase_value(&self, parsed: &Parsed, own: u32) -> f64 {
        let threshold = self.phrase_threshold();
        let known = self.phrases.iter().filter(|p| p.examples - own >= threshold);
        let known: Vec<&str> = known.map(|p| p.text.as_str()).collect();
        (found_phrases(parsed, &known).len() as f64).sqrt()
    }

    /// The characteristic phrases that a text has.
    pub(super) fn phrases_in(&self, parsed: &Parsed) -> Vec<String> {
        let known: Vec<&str> = self.phrases.iter().map(|p| p.text.as_str()).collect();
        found_phrases(parsed, &known)
    }

    /// The letter sequences with what each counts.
    fn weighed_letters(&self, language: Language) -> Letters {
        let usual = usual_letters(language);
        let words = f64::from(self.words) / f64::from(self.examples.max(1));
        let mut letters =
            Letters { examples: f64::from(self.examples.max(1)), norm: 0.0, known: HashMap::with_capacity(self.letters.len()) };
        for (sequence, &count) in &self.letters {
            let key = pack(sequence);
            let by_language = 1.0 - (-words * usual.and_then(|u| u.get(&key)).copied().unwrap_or(0.0)).exp();
            let weight = letters.weight(count, by_language);
            letters.norm += weight * weight;
            letters.known.insert(key, Sequence { count, by_language, weight });
        }
        letters
    }

    /// With numbers rounded to what the profile stores.
    pub(super) fn rounded(mut self) -> Self {
        for spread in self.own.values_mut() {
            *spread = Spread { mean: round(spread.mean), spread: round(spread.spread) };
        }
        self
    }
}

/// One sequence of three characters in a wording.
struct Sequence {
    /// How many examples have it.
    count: u32,
    /// The share of texts that have it because of the small words of the language.
    by_language: f64,
    weight: f64,
}

struct Letters {
    examples: f64,
    /// The sum of the squares of all weights.
    norm: f64,
    known: HashMap<u64, Sequence>,
}

impl Letters {
    /// A sequence counts by how much more often the examples have it than the small words of the language bring it along: otherwise the most
    /// ordinary text would be the nearest.
    fn weight(&self, count: u32, by_language: f64) -> f64 {
        ((f64::from(count) / self.examples + SMOOTHING) / (by_language + SMOOTHING)).ln().max(0.0)
    }

    /// The cosine between the sequences of a text and those of the examples. `own` is 1 for one of the examples, else 0.
    fn nearness(&self, doc: &Doc, own: u32) -> f64 {
        let (mut norm, mut shared) = (self.norm, 0.0);
        for known in doc.letters.iter().filter_map(|key| self.known.get(key)) {
            let weight = if own == 0 { known.weight } else { self.weight(known.count - own, known.by_language) };
            norm += weight * weight - known.weight * known.weight;
            shared += weight;
        }
        let lengths = norm.max(0.0).sqrt() * (doc.letters.len() as f64).sqrt();
        if lengths > 1e-9 { shared / lengths } else { 0.0 }
    }
}

/// The phrases that at least `threshold` documents have, without those that are part of a longer one just as frequent.
fn phrases(parsed: &[&Parsed], docs: &[Doc], threshold: u32) -> Vec<Phrase> {
    let frequent: HashMap<u64, u32> = most_frequent(docs.iter().flat_map(|d| d.phrases.iter().copied()), threshold).into_iter().collect();
    let mut texts: BTreeMap<String, u32> = BTreeMap::new();
    for parsed in parsed {
        each_phrase(parsed, |key, run| {
            if let Some(&examples) = frequent.get(&key) {
                texts.insert(run.join(" "), examples);
            }
        });
    }
    let part_of_longer =
        |text: &String, n: u32| texts.iter().any(|(longer, m)| longer.len() > text.len() && *m == n && holds_words(longer, text));
    let mut kept: Vec<Phrase> = texts
        .iter()
        .filter(|(text, n)| !part_of_longer(text, **n))
        .map(|(text, &examples)| Phrase { text: text.clone(), examples })
        .collect();
    kept.sort_by(|a, b| b.examples.cmp(&a.examples).then_with(|| b.text.len().cmp(&a.text.len())).then_with(|| a.text.cmp(&b.text)));
    kept.truncate(PHRASES);
    kept
}

/// Whether `inner` stands in `outer` at word boundaries.
fn holds_words(outer: &str, inner: &str) -> bool {
    format!(" {outer} ").contains(&format!(" {inner} "))
}

fn found_phrases(parsed: &Parsed, known: &[&str]) -> Vec<String> {
    if known.is_empty() {
        return Vec::new();
    }
    let sentences: Vec<String> =
        parsed.sentences.iter().map(|s| s.iter().map(|w| w.lower.as_str()).collect::<Vec<_>>().join(" ")).collect();
    known.iter().filter(|phrase| sentences.iter().any(|s| holds_words(s, phrase))).map(|p| (*p).to_owned()).collect()
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
    fn letter_sequences_survive_packing_in_any_script() {
        assert_eq!(letters_of("aé🎉7").into_iter().map(unpack).collect::<BTreeSet<_>>(), ["é🎉0", "aé🎉", " aé"].map(str::to_owned).into());
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
        let letters = alone.weighed_letters(Language::EN);
        assert!(letters.nearness(&doc, 1) < 0.3 * letters.nearness(&doc, 0));
    }
}
