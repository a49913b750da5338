//! Phrases: runs of words that come back.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use serde::{Deserialize, Serialize};

use super::words::{Parsed, Word};

/// The most characteristic phrases that are kept.
const KEPT: usize = 12;

/// A phrase that comes back in several examples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phrase {
    /// Two to four words in lower case.
    pub text: String,
    /// How many examples have it.
    pub examples: u32,
}

impl Phrase {
    /// The number by which the phrase is found in [`keys_of`] a text.
    pub(super) fn key(&self) -> u64 {
        self.text.split(' ').fold(0, |key, word| extend(key, hash(word)))
    }
}

/// The distinct runs of two to four words of a text that are worth remembering, as numbers, sorted.
pub(super) fn keys_of(parsed: &Parsed) -> Vec<u64> {
    let mut keys = Vec::new();
    each(parsed, |key, _| keys.push(key));
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Calls `with` for every run of two to four words of a sentence that is worth remembering: two words must both carry meaning, longer runs
/// need one that does.
fn each<'a>(parsed: &'a Parsed, mut with: impl FnMut(u64, &'a [Word])) {
    for sentence in &parsed.sentences {
        let hashes: Vec<u64> = sentence.iter().map(|word| hash(&word.lower)).collect();
        for from in 0..sentence.len() {
            let mut key = extend(0, hashes[from]);
            let mut content = usize::from(!sentence[from].is_function());
            for to in from + 1..sentence.len().min(from + 4) {
                key = extend(key, hashes[to]);
                content += usize::from(!sentence[to].is_function());
                if content >= if to == from + 1 { 2 } else { 1 } {
                    with(key, &sentence[from..=to]);
                }
            }
        }
    }
}

/// With fixed keys, so that the same word has the same number in every process.
fn hash(word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

/// The number of a run with one more word.
const fn extend(key: u64, word: u64) -> u64 {
    (key.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The phrases that are `frequent` (by key, in how many texts), without those that are part of a longer one just as frequent.
pub(super) fn phrases(parsed: &[&Parsed], frequent: &HashMap<u64, u32>) -> Vec<Phrase> {
    let mut texts: BTreeMap<String, u32> = BTreeMap::new();
    for parsed in parsed {
        each(parsed, |key, run| {
            if let Some(&examples) = frequent.get(&key) {
                texts.insert(run.iter().map(|w| w.lower.as_str()).collect::<Vec<_>>().join(" "), examples);
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
    kept.truncate(KEPT);
    kept
}

/// Whether `inner` stands in `outer` at word boundaries.
fn holds_words(outer: &str, inner: &str) -> bool {
    format!(" {outer} ").contains(&format!(" {inner} "))
}
