//! What is known of languages before any example is read: function words and how usual they are, pronouns, jargon, which language a text is in.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use super::words::{Parsed, Word};
use crate::brief::Language;

/// Function words, each with its occurrences in 1,000 words of ordinary written English. Rounded: they only serve as "what anybody does",
/// against which an author's own rate is compared, and every author is compared against the same.
const ENGLISH: &str = include_str!("lexicon/english.txt");
/// The same for German.
const GERMAN: &str = include_str!("lexicon/german.txt");
/// Words of a trade that say little to those outside of it, English and German. Matched as whole words, after [`stem`] has taken common
/// endings off both.
const JARGON: &str = include_str!("lexicon/jargon.txt");

/// The function words of one language.
pub(super) struct Table {
    /// Each with its share of all words, in the order of the file.
    pub(super) rows: Vec<(&'static str, f64)>,
    /// The share of all of them together.
    pub(super) mass: f64,
    rates: HashMap<&'static str, f64>,
}

impl Table {
    /// The share of all words that `word` has; `None` for one that is no function word.
    pub(super) fn rate(&self, word: &str) -> Option<f64> {
        self.rates.get(word).copied()
    }
}

static ENGLISH_RATES: LazyLock<Table> = LazyLock::new(|| rates(ENGLISH));
static GERMAN_RATES: LazyLock<Table> = LazyLock::new(|| rates(GERMAN));
static JARGON_STEMS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| JARGON.lines().filter(|line| !line.starts_with('#')).map(stem).collect());

fn rates(table: &'static str) -> Table {
    let row = |line: &'static str| {
        line.split_once(' ').and_then(|(word, per_thousand)| Some((word, per_thousand.parse::<f64>().ok()? / 1_000.0)))
    };
    let rows: Vec<_> = table.lines().filter_map(row).collect();
    Table { mass: rows.iter().map(|(_, rate)| rate).sum(), rates: rows.iter().copied().collect(), rows }
}

/// The share of all words that each function word of `language` has in ordinary writing; `None` for a language without a table.
pub(super) fn function_words(language: Language) -> Option<&'static Table> {
    match language {
        Language::EN => Some(&ENGLISH_RATES),
        Language::DE => Some(&GERMAN_RATES),
        _ => None,
    }
}

/// Whether a word in lower case carries grammar rather than meaning, in English and in German.
pub(super) fn grammar_of(lower: &str) -> (bool, bool) {
    (ENGLISH_RATES.rates.contains_key(lower), GERMAN_RATES.rates.contains_key(lower))
}

/// The languages told apart below, with the codes of ISO 639-3 that the detector answers with.
const OTHERS: &[(&str, &str)] = &[
    ("eng", "en"),
    ("deu", "de"),
    ("fra", "fr"),
    ("spa", "es"),
    ("ita", "it"),
    ("por", "pt"),
    ("nld", "nl"),
    ("pol", "pl"),
    ("swe", "sv"),
    ("dan", "da"),
    ("tur", "tr"),
    ("rus", "ru"),
    ("ukr", "uk"),
    ("jpn", "ja"),
    ("cmn", "zh"),
    ("kor", "ko"),
    ("ara", "ar"),
];

/// The language of a text, or `None` when it is too short or too plain to tell.
///
/// Function words decide first: in a dozen words they tell English from German far better than letter statistics do.
pub(super) fn language_of(parsed: &Parsed) -> Option<Language> {
    let (mut english, mut german, mut words) = (0_usize, 0_usize, 0_usize);
    for word in parsed.words() {
        words += 1;
        let (en, de) = (word.english, word.german);
        // What both have (`in`, `so`, `an`, `was`) says nothing.
        english += usize::from(en && !de);
        german += usize::from(de && !en) + usize::from(!en && word.lower.contains(['ä', 'ö', 'ü', 'ß']));
    }
    let (most, least, language) = if english >= german { (english, german, Language::EN) } else { (german, english, Language::DE) };
    if most > least && most * 6 >= words {
        return Some(language);
    }
    let found = whatlang::detect(&parsed.prose).filter(whatlang::Info::is_reliable)?;
    OTHERS.iter().find(|(long, _)| *long == found.lang().code()).and_then(|(_, short)| short.parse().ok())
}

/// Who is speaking or spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Person {
    /// I, my; ich, mein.
    I,
    /// We, our; wir, unser.
    We,
    /// You, your; du, ihr, dein, euer.
    You,
    /// The German polite form.
    Sie,
}

/// The person that a word stands for, in English or German.
pub(super) fn person_of(word: &Word) -> Option<Person> {
    let lower = word.lower.as_str();
    match lower.split_once('\'').map_or(lower, |(stem, _)| stem) {
        "i" | "me" | "my" | "mine" | "myself" | "ich" | "mich" | "mir" | "mein" | "meine" | "meinen" | "meinem" | "meiner" | "meins" => {
            Some(Person::I)
        }
        // A country in capitals is not a pronoun.
        "us" if word.capitals => None,
        "let" if lower == "let's" => Some(Person::We),
        "we" | "us" | "our" | "ours" | "ourselves" | "wir" | "uns" | "unser" | "unsere" | "unseren" | "unserem" | "unserer" => {
            Some(Person::We)
        }
        "you" | "your" | "yours" | "yourself" | "du" | "dich" | "dir" | "dein" | "deine" | "deinen" | "deinem" | "deiner" | "euch"
        | "euer" | "eure" | "euren" | "eurem" => Some(Person::You),
        // At the head of a sentence a capital says nothing: `Sie` may be she or they.
        "sie" | "ihnen" | "ihr" | "ihre" | "ihren" | "ihrem" | "ihrer" if word.capitalised && !word.first => Some(Person::Sie),
        "ihr" if !word.capitalised => Some(Person::You),
        _ => None,
    }
}

/// Whether the word is jargon: a known term of a trade, an acronym, or a product name with a capital inside.
pub(super) fn is_jargon(word: &Word, acronyms_stand_out: bool) -> bool {
    JARGON_STEMS.contains(stem(&word.lower)) || word.humped || (acronyms_stand_out && word.capitals && (2..=5).contains(&word.letters))
}

/// Whether a word in lower case with an apostrophe stands for two (`it's`, `don't`, `hab's`). Not so a possessive (`Maria's`) or a name (`O'Brien`):
/// an 's stands for a word of its own only after one that carries grammar, or after one of the verbs that German so often runs into its "es".
pub(super) fn is_contraction(lower: &str) -> bool {
    const GERMAN_VERBS: [&str; 16] =
        ["hab", "geht", "gibt", "gab", "ging", "mach", "macht", "steht", "läuft", "kommt", "weiß", "tut", "tu", "nimm", "find", "lass"];
    // Pronouns that have a possessive and are hardly ever short for more.
    const OWNERS: [&str; 12] =
        ["one", "other", "another", "each", "else", "everyone", "everybody", "someone", "somebody", "anyone", "anybody", "nobody"];
    let Some((stem, rest)) = lower.rsplit_once('\'') else { return false };
    match rest {
        "t" | "re" | "ll" | "ve" | "m" | "d" | "n" | "ne" | "nen" | "em" | "all" | "clock" => !stem.is_empty(),
        "s" => {
            let (english, german) = grammar_of(stem);
            !OWNERS.contains(&stem)
                && (english || german || GERMAN_VERBS.contains(&stem) || matches!(stem, "let" | "here" | "there" | "how"))
        }
        _ => stem.is_empty() && matches!(rest, "tis" | "twas" | "cause" | "til"),
    }
}

/// The word without the endings by which the terms above are inflected. Coarse on purpose: it only has to be the same on both sides.
fn stem(word: &str) -> &str {
    const ENDINGS: [&str; 12] = ["ungen", "ing", "ies", "ion", "ed", "es", "en", "er", "em", "s", "e", "y"];
    let mut stem = word;
    while let Some(rest) = ENDINGS.iter().find_map(|ending| stem.strip_suffix(ending)).filter(|rest| rest.chars().count() >= 5) {
        stem = rest;
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::words::parse;

    #[test]
    fn english_and_german_are_told_apart_and_others_are_not_taken_for_them() {
        let of = |text| language_of(&parse(text)).map(|l| l.to_string());
        assert_eq!(of("The oven is on again, and so are we.").as_deref(), Some("en"));
        assert_eq!(of("Der Ofen ist wieder an, und wir sind es auch.").as_deref(), Some("de"));
        assert_eq!(of("Größere Brötchen, schönere Küche!").as_deref(), Some("de"));
        assert_eq!(
            of("Le four est de nouveau allumé, et nous sommes là depuis cinq heures du matin pour vous servir.").as_deref(),
            Some("fr")
        );
        assert_eq!(of("🎉 42"), None);
    }

    #[test]
    fn persons_are_read_in_both_languages() {
        let persons = |text| parse(text).words().filter_map(person_of).collect::<Vec<_>>();
        assert_eq!(persons("I'm here, we're there, your US friends told us"), [Person::I, Person::We, Person::You, Person::We]);
        assert_eq!(
            persons("Sie kommt. Wir bitten Sie und ihre Kinder, Ihr Haus und dein Auto"),
            [Person::We, Person::Sie, Person::Sie, Person::You]
        );
    }

    #[test]
    fn jargon_is_found_inflected_and_plain_words_are_not_jargon() {
        let jargon = |text| parse(text).words().filter(|w| is_jargon(w, true)).map(|w| w.lower.clone()).collect::<Vec<_>>();
        assert_eq!(
            jargon("Leveraging synergies, our API deploys Maßnahmen in OpenShift"),
            ["leveraging", "synergies", "api", "deploys", "maßnahmen", "openshift"]
        );
        assert!(jargon("We bake bread at four and sell it at seven, warm and dark").is_empty());
    }

    #[test]
    fn no_table_names_a_word_twice() {
        for table in [ENGLISH, GERMAN] {
            assert_eq!(rates(table).rates.len(), table.lines().count());
            let mass = rates(table).mass;
            assert!((0.3..0.7).contains(&mass), "function words are about half of a text, not {mass}");
        }
    }
}
