//! Sequences of three letters: what they weigh in a voice, and how near a text comes to them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use super::lexicon::function_words;
use crate::brief::Language;

/// Added to shares of texts before their ratio is taken, so that what is rare does not count for much.
const SMOOTHING: f64 = 0.1;

/// The distinct sequences of three characters, each packed into one number (21 bits hold any character). Digits are all alike.
pub(super) fn letters_of(prose: &str) -> Vec<u64> {
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
    // In the order of the file: a sum of floats must not depend on that of a hash map.
    for (word, rate) in function_words(language).into_iter().flat_map(|table| &table.rows) {
        for key in letters_of(&format!("{word} ")) {
            *rates.entry(key).or_default() += rate;
        }
    }
    rates
}

/// The three characters of a packed sequence.
pub(super) fn unpack(key: u64) -> String {
    [key >> 42, key >> 21, key].iter().filter_map(|part| u32::try_from(part & 0x1f_ffff).ok().and_then(char::from_u32)).collect()
}

/// One sequence of three characters in a wording.
struct Sequence {
    /// How many examples have it.
    count: u32,
    /// The share of texts that have it because of the small words of the language.
    by_language: f64,
    weight: f64,
}

/// The letter sequences of a wording with what each counts.
pub(super) struct Letters {
    examples: f64,
    /// The sum of the squares of all weights.
    norm: f64,
    known: HashMap<u64, Sequence>,
}

impl Letters {
    /// Weighs the sequences that so many of `examples` texts of `words` words on average have.
    pub(super) fn weigh(language: Language, counts: &BTreeMap<String, u32>, examples: f64, words: f64) -> Self {
        let usual = usual_letters(language);
        let mut letters = Self { examples, norm: 0.0, known: HashMap::with_capacity(counts.len()) };
        for (sequence, &count) in counts {
            let key = pack(sequence);
            let by_language = 1.0 - (-words * usual.and_then(|u| u.get(&key)).copied().unwrap_or(0.0)).exp();
            let weight = letters.weight(count, by_language);
            letters.norm += weight * weight;
            letters.known.insert(key, Sequence { count, by_language, weight });
        }
        letters
    }

    /// A sequence counts by how much more often the examples have it than the small words of the language bring it along: otherwise the most
    /// ordinary text would be the nearest.
    fn weight(&self, count: u32, by_language: f64) -> f64 {
        ((f64::from(count) / self.examples + SMOOTHING) / (by_language + SMOOTHING)).ln().max(0.0)
    }

    /// The cosine between the sequences of a text and those of the examples. `own` is 1 for one of the examples, else 0.
    pub(super) fn nearness(&self, text: &[u64], own: u32) -> f64 {
        let (mut norm, mut shared) = (self.norm, 0.0);
        for known in text.iter().filter_map(|key| self.known.get(key)) {
            let weight = if own == 0 { known.weight } else { self.weight(known.count.saturating_sub(own), known.by_language) };
            norm += weight * weight - known.weight * known.weight;
            shared += weight;
        }
        let lengths = norm.max(0.0).sqrt() * (text.len() as f64).sqrt();
        if lengths > 1e-9 { shared / lengths } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn letter_sequences_survive_packing_in_any_script() {
        assert_eq!(letters_of("aé🎉7").into_iter().map(unpack).collect::<BTreeSet<_>>(), ["é🎉0", "aé🎉", " aé"].map(str::to_owned).into());
    }

    #[test]
    fn what_the_language_brings_along_counts_for_nothing() {
        let counts = BTreeMap::from([(" th".to_owned(), 9), ("the".to_owned(), 9), ("rye".to_owned(), 9)]);
        let letters = Letters::weigh(Language::EN, &counts, 10.0, 20.0);
        assert!(letters.nearness(&letters_of("rye"), 0) > 3.0 * letters.nearness(&letters_of("the"), 0));
    }
}
