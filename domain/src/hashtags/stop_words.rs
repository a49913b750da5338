//! Words that no text is about: articles, pronouns, auxiliaries, the verbs and adverbs of everyday.
//!
//! The lists are ours, written for posts: beside the words of grammar they hold what posts are full of and nobody looks for (`today`, `really`,
//! `worth`, `think`). One file a language, for those whose texts Pressroom is made for; see [`super::rank`] for what holds in other languages.

use std::{collections::HashSet, sync::LazyLock};

use crate::brief::Language;

const LISTS: &[(&str, &str)] = &[
    ("en", include_str!("stop_words/en.txt")),
    ("de", include_str!("stop_words/de.txt")),
    ("fr", include_str!("stop_words/fr.txt")),
    ("es", include_str!("stop_words/es.txt")),
    ("it", include_str!("stop_words/it.txt")),
    ("nl", include_str!("stop_words/nl.txt")),
    ("pt", include_str!("stop_words/pt.txt")),
];

/// The stop words of one language.
pub(super) struct List(HashSet<String>);

impl List {
    /// Whether `word` is one, whatever its case.
    pub(super) fn has(&self, word: &str) -> bool {
        self.0.contains(&folded(word))
    }
}

static SETS: LazyLock<Vec<(&str, List)>> =
    LazyLock::new(|| LISTS.iter().map(|(code, words)| (*code, List(words.split_whitespace().map(folded).collect()))).collect());

/// Lower case, with `ß` as its capitals write it.
fn folded(word: &str) -> String {
    word.to_lowercase().replace('ß', "ss")
}

/// The list of a language; `None` where there is none.
pub(super) fn of(language: Language) -> Option<&'static List> {
    SETS.iter().find(|(code, _)| *code == language.as_str()).map(|(_, list)| list)
}

/// Whether a word is one in any language that has a list: for a tag whose language is not known.
pub(super) fn in_any(word: &str) -> bool {
    SETS.iter().any(|(_, list)| list.has(word))
}

/// Whether a stop word may bear a capital in the middle of a plain sentence: one letter (`I`, `A`), and how German addresses people (`Sie`, `Ihr`, `Dein`).
pub(super) fn may_be_capitalised(word: &str, language: Language) -> bool {
    const WHOLE: [&str; 6] = ["sie", "ihnen", "du", "dich", "dir", "euch"];
    const STEMS: [&str; 4] = ["ihr", "dein", "euer", "eure"];
    let lower = word.to_lowercase();
    let is_address = WHOLE.contains(&lower.as_str()) || STEMS.iter().any(|stem| lower.starts_with(stem));
    lower.chars().count() == 1 || (language == Language::DE && is_address && word.chars().skip(1).all(char::is_lowercase))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The words of a list as they are written in it.
    pub(in crate::hashtags) fn words(code: &str) -> Vec<&'static str> {
        LISTS.iter().filter(|list| list.0 == code).flat_map(|list| list.1.split_whitespace()).collect()
    }

    #[test]
    fn the_lists_are_whole_and_clean() {
        for (code, words) in LISTS {
            let List(set) = of(code.parse().unwrap()).unwrap();
            assert!(set.len() >= 300, "{code}: {}", set.len());
            assert_eq!(set.len(), words.split_whitespace().count(), "{code} names a word twice");
            assert!(set.iter().all(|word| word.to_lowercase() == **word), "{code}");
        }
        assert!(of("fi".parse().unwrap()).is_none());
    }

    #[test]
    fn everyday_words_are_in_and_topics_are_not() {
        for (code, everyday, topics) in [
            ("en", "from think worth really today have doing", "sourdough coffee bicycle museum winter security"),
            ("de", "vom denn wirklich heute machen", "brot kaffee fahrrad museum winter sicherheit"),
            ("fr", "avec toujours vraiment aujourd faire", "pain café vélo musée hiver"),
            ("es", "desde siempre realmente hoy hacer", "pan café bicicleta museo invierno"),
            ("it", "dalla sempre davvero oggi fare", "pane caffè bicicletta museo inverno"),
            ("nl", "vanaf altijd echt vandaag maken", "brood koffie fiets museum winter"),
            ("pt", "desde sempre realmente hoje fazer", "pão café bicicleta museu inverno"),
        ] {
            let list = of(code.parse().unwrap()).unwrap();
            for word in everyday.split(' ') {
                assert!(list.has(word) && list.has(&word.to_uppercase()), "{code}: {word}");
            }
            for word in topics.split(' ') {
                assert!(!list.has(word) && !in_any(word), "{code}: {word}");
            }
        }
    }
}
