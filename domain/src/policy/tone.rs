//! How a text comes across before one reads it: shouting, and the wrong language.

use std::sync::LazyLock;

use regex::Regex;
use whatlang::Lang;

use crate::{
    brief::Language,
    text::{Entity, Span},
};

/// So many words in capitals in a row are shouted; two may be a name.
const SHOUTED_WORDS: usize = 3;
/// A row of capitals is a shout from so many letters on; `BBC, NBC, CNN` is a list.
const SHOUTED_LETTERS: usize = 12;
/// Below so many letters a guess of the language is a guess.
const LETTERS_TO_JUDGE: usize = 60;
/// How sure the guess must be.
const SURE: f64 = 0.9;

static MARKS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:[!！‼]\u{fe0f}?\s?){3,}|(?:[?？][!！]|[!！][?？]){2,}"));
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{M}][\p{L}\p{M}\p{N}'’&-]*"));

fn pattern(text: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants of this file and every test here compiles them")]
    Regex::new(text).expect("a valid pattern")
}

/// Rows of words in capitals and of exclamation marks. Links, handles and hashtags are not words; scripts without case cannot shout.
pub(super) fn shouting(text: &str, entities: &[Entity]) -> Vec<Span> {
    let mut found: Vec<Span> =
        MARKS.find_iter(text).map(|m| Span { start: m.start(), end: m.start() + m.as_str().trim_end().len() }).collect();
    let mut row: Vec<Span> = Vec::new();
    let mut end_row = |row: &mut Vec<Span>| {
        let letters: usize = row.iter().map(|span| span.of(text).chars().filter(|c| c.is_uppercase()).count()).sum();
        if let (Some(first), Some(last)) = (row.first(), row.last())
            && row.len() >= SHOUTED_WORDS
            && letters >= SHOUTED_LETTERS
        {
            found.push(Span { start: first.start, end: last.end });
        }
        row.clear();
    };
    for word in WORD.find_iter(text) {
        let span = Span { start: word.start(), end: word.end() };
        if entities.iter().any(|entity| entity.span.overlaps(span)) {
            continue;
        }
        let loud = word.as_str().chars().filter(|c| c.is_uppercase()).count();
        let quiet = word.as_str().chars().any(char::is_lowercase);
        // A single capital (`I`, `A`) neither makes a row nor breaks one.
        match (loud, quiet) {
            (2.., false) => row.push(span),
            (1, false) => {}
            _ => end_row(&mut row),
        }
    }
    end_row(&mut row);
    found.sort();
    found
}

/// The language that the text is in, if it is surely another than `expected`. Links, handles and hashtags do not count.
pub(super) fn other_language(text: &str, entities: &[Entity], expected: Language) -> Option<&'static str> {
    let mut prose = String::with_capacity(text.len());
    let mut last = 0;
    for entity in entities {
        prose.push_str(&text[last..entity.span.start]);
        last = entity.span.end;
    }
    prose.push_str(&text[last..]);
    if prose.chars().filter(|c| c.is_alphabetic()).count() < LETTERS_TO_JUDGE {
        return None;
    }
    let guess = whatlang::detect(&prose)?;
    let code = two_letters(guess.lang());
    // A language that the detector does not know would always be taken for its neighbour.
    let known = Lang::all().iter().any(|lang| two_letters(*lang) == expected.as_str());
    let sure = guess.is_reliable() && guess.confidence() >= SURE;
    (known && sure && code != expected.as_str() && !siblings(code, expected.as_str())).then(|| guess.lang().eng_name())
}

/// Written so alike that a short text does not tell them apart.
fn siblings(a: &str, b: &str) -> bool {
    const FAMILIES: &[&[&str]] = &[
        &["da", "nb", "nn", "no", "sv"],
        &["cs", "sk"],
        &["hr", "sr", "bs", "sl"],
        &["ru", "uk", "be", "bg", "mk"],
        &["es", "pt", "ca", "gl"],
        &["id", "ms", "jv"],
        &["nl", "af"],
    ];
    FAMILIES.iter().any(|family| family.contains(&a) && family.contains(&b))
}

/// ISO 639-1 for what the detector names in ISO 639-3.
fn two_letters(lang: Lang) -> &'static str {
    const CODES: &[(&str, &str)] = &[
        ("epo", "eo"),
        ("eng", "en"),
        ("rus", "ru"),
        ("cmn", "zh"),
        ("spa", "es"),
        ("por", "pt"),
        ("ita", "it"),
        ("ben", "bn"),
        ("fra", "fr"),
        ("deu", "de"),
        ("ukr", "uk"),
        ("kat", "ka"),
        ("ara", "ar"),
        ("hin", "hi"),
        ("jpn", "ja"),
        ("heb", "he"),
        ("yid", "yi"),
        ("pol", "pl"),
        ("amh", "am"),
        ("jav", "jv"),
        ("kor", "ko"),
        ("nob", "nb"),
        ("dan", "da"),
        ("swe", "sv"),
        ("fin", "fi"),
        ("tur", "tr"),
        ("nld", "nl"),
        ("hun", "hu"),
        ("ces", "cs"),
        ("ell", "el"),
        ("bul", "bg"),
        ("bel", "be"),
        ("mar", "mr"),
        ("kan", "kn"),
        ("ron", "ro"),
        ("slv", "sl"),
        ("hrv", "hr"),
        ("srp", "sr"),
        ("mkd", "mk"),
        ("lit", "lt"),
        ("lav", "lv"),
        ("est", "et"),
        ("tam", "ta"),
        ("vie", "vi"),
        ("urd", "ur"),
        ("tha", "th"),
        ("guj", "gu"),
        ("uzb", "uz"),
        ("pan", "pa"),
        ("aze", "az"),
        ("ind", "id"),
        ("tel", "te"),
        ("pes", "fa"),
        ("mal", "ml"),
        ("ori", "or"),
        ("mya", "my"),
        ("nep", "ne"),
        ("sin", "si"),
        ("khm", "km"),
        ("tuk", "tk"),
        ("aka", "ak"),
        ("zul", "zu"),
        ("sna", "sn"),
        ("afr", "af"),
        ("lat", "la"),
        ("slk", "sk"),
        ("cat", "ca"),
        ("tgl", "tl"),
        ("hye", "hy"),
        ("cym", "cy"),
    ];
    CODES.iter().find(|(three, _)| *three == lang.code()).map_or(lang.code(), |(_, two)| two)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{platform::Platform, text::entities};

    fn shouts(text: &str) -> Vec<&str> {
        shouting(text, &entities(text, Platform::Mastodon)).into_iter().map(|span| span.of(text)).collect()
    }

    fn other(text: &str, language: Language) -> Option<&'static str> {
        other_language(text, &entities(text, Platform::Mastodon), language)
    }

    #[test]
    fn rows_of_capitals_and_marks_are_shouted() {
        assert_eq!(shouts("Look: BUY OUR BREAD TODAY, please"), ["BUY OUR BREAD TODAY"]);
        assert_eq!(shouts("JETZT GÜNSTIG KAUFEN! Ja"), ["JETZT GÜNSTIG KAUFEN"]);
        assert_eq!(shouts("THIS IS A HUGE SALE"), ["THIS IS A HUGE SALE"]);
        assert_eq!(shouts("Wow!!! Really?!?! Yes! ! !"), ["!!!", "?!?!", "! ! !"]);
    }

    #[test]
    fn names_lists_tags_and_other_scripts_are_not() {
        for text in [
            "NASA and ESA",
            "BBC, NBC, CNN",
            "BMW AG",
            "#BUY #OUR #BREAD #TODAY",
            "https://EXAMPLE.com/ABC/DEFGH/IJKLM",
            "I AM",
            "Great! Really?!",
            "これは本当に大きなセールです",
            "I. A. M. B.",
        ] {
            assert_eq!(shouts(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn another_language_is_told_when_sure() {
        let english =
            "We have been baking bread in this street since the early morning, and you are very welcome to visit us whenever you like.";
        let german =
            "Seit heute früh backen wir wieder Brot in unserer Straße, und ihr seid herzlich eingeladen, uns jederzeit zu besuchen.";
        assert_eq!(other(english, Language::DE), Some("English"));
        assert_eq!(other(german, Language::EN), Some("German"));
        assert_eq!(other(english, Language::EN), None);
        assert_eq!(other(german, Language::DE), None);
    }

    #[test]
    fn too_little_text_is_not_judged() {
        assert_eq!(other("Brot ist fertig!", Language::EN), None);
        let tags = "Bread. #gemeinsam #brotbacken #handwerk #sauerteig #frischausdemofen #bäckerei #morgenstund #heimat #straße #herzlich";
        assert_eq!(other(tags, Language::EN), None, "hashtags are no prose");
    }

    #[test]
    fn every_language_of_the_detector_has_two_letters() {
        for lang in Lang::all() {
            assert_eq!(two_letters(*lang).len(), 2, "{lang}");
        }
    }
}
