//! How easily a text reads, by the formula that was made for its language.
//!
//! | Language | Formula | Source |
//! |---|---|---|
//! | English | 206.835 - 1.015 * words/sentence - 84.6 * syllables/word | R. Flesch, "A new readability yardstick", Journal of Applied Psychology 32 (1948) |
//! | German | 180 - words/sentence - 58.5 * syllables/word | T. Amstad, "Wie verständlich sind unsere Zeitungen?", Zürich 1978 |
//! | French | 207 - 1.015 * words/sentence - 73.6 * syllables/word | L. Kandel, A. Moles, "Application de l'indice de Flesch à la langue française", Cahiers d'Études de Radio-Télévision 19 (1958) |
//! | Spanish | 206.835 - words/sentence - 62.3 * syllables/word | F. Szigriszt Pazos, "Sistemas predictivos de legibilidad del mensaje escrito", Madrid 1993 |
//! | Dutch | 206.84 - 0.93 * words/sentence - 77 * syllables/word | W. H. Douma, "De leesbaarheid van landbouwbladen", Wageningen 1960 |
//! | Italian | 89 + (300 * sentences - 10 * letters) / words (Gulpease) | P. Lucisano, M. E. Piemontese, "Gulpease", Scuola e Città 3 (1988) |
//! | Others with spaces | LIX = words/sentence + 100 * words of more than 6 letters / words | C. H. Björnsson, "Läsbarhet", Stockholm 1968 |
//! | Chinese, Japanese, Thai, Lao, Khmer, Burmese | characters per sentence; no published formula | ours, coarse |
//!
//! All but the last two give about 100 for what a child reads and 0 for what a scholar must read twice. LIX runs the other way: 20 is very easy,
//! 60 very hard (Björnsson's own steps). Syllables are counted by vowel groups, which is right for the average and not for every word.

use std::sync::LazyLock;

use regex::Regex;
use unicode_segmentation::UnicodeSegmentation;

use crate::brief::Language;

/// How easily `text` reads, in 0..=1: 0 is hardest. Links, handles and emoji are not read aloud and do not count; of a hashtag the word does.
/// A text without words is 0: there is nothing that one could read.
#[must_use]
pub fn readability(text: &str, language: Language) -> f32 {
    let counts = Counts::of(text, language);
    if counts.words == 0 {
        return 0.0;
    }
    (raw(&counts, language).clamp(0.0, 100.0) / 100.0) as f32
}

/// The formula's own value, 100 for easy and 0 for hard, not yet clamped.
fn raw(counts: &Counts, language: Language) -> f64 {
    let words = counts.words as f64;
    let per_sentence = words / counts.sentences as f64;
    let per_word = counts.syllables as f64 / words;
    match language.as_str() {
        "en" => 206.835 - 1.015 * per_sentence - 84.6 * per_word,
        "de" => 180.0 - per_sentence - 58.5 * per_word,
        "fr" => 207.0 - 1.015 * per_sentence - 73.6 * per_word,
        "es" => 206.835 - per_sentence - 62.3 * per_word,
        "nl" => 206.84 - 0.93 * per_sentence - 77.0 * per_word,
        "it" => 89.0 + (300.0 * counts.sentences as f64 - 10.0 * counts.letters as f64) / words,
        // 20 characters a sentence are easy, 80 are hard.
        "zh" | "ja" | "th" | "lo" | "km" | "my" => (80.0 - counts.letters as f64 / counts.sentences as f64) / 60.0 * 100.0,
        _ => (60.0 - (per_sentence + 100.0 * counts.long_words as f64 / words)) / 40.0 * 100.0,
    }
}

/// What the formulas are fed with.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    sentences: usize,
    words: usize,
    syllables: usize,
    letters: usize,
    /// Words of more than six letters, as LIX has it.
    long_words: usize,
}

static NOT_READ: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
    Regex::new(r"(?i)https?://\S+|@[\w.@-]+").expect("a valid pattern")
});

impl Counts {
    fn of(text: &str, language: Language) -> Self {
        let text = NOT_READ.replace_all(text, " ");
        let mut counts = Self { sentences: 0, words: 0, syllables: 0, letters: 0, long_words: 0 };
        // A line break ends a sentence in a post, punctuation or not.
        for sentence in text.lines().flat_map(str::unicode_sentences) {
            let before = counts.words;
            for word in sentence.unicode_words().filter(|word| word.chars().any(char::is_alphabetic)) {
                let letters = word.chars().filter(|c| c.is_alphabetic()).count();
                counts.words += 1;
                counts.letters += letters;
                counts.long_words += usize::from(letters > 6);
                counts.syllables += syllables(word, language);
            }
            counts.sentences += usize::from(counts.words > before);
        }
        counts
    }
}

/// Syllables of one word: its groups of vowels, by the habits of the language; at least one.
fn syllables(word: &str, language: Language) -> usize {
    let letters: Vec<char> = word.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect();
    let count = match language.as_str() {
        "en" => english(&letters),
        "de" => groups(&letters, &["ei", "ai", "au", "eu", "äu", "ie", "aa", "ee", "oo", "ey", "ay", "ui"]),
        "fr" => french(&letters),
        "es" => groups(
            &letters,
            &[
                "ai", "ei", "oi", "au", "eu", "ou", "ia", "ie", "io", "ua", "ue", "uo", "iu", "ui", "ái", "éi", "ói", "áu", "éu", "iá",
                "ié", "ió", "uá", "ué", "uó", "ay", "ey", "oy", "uy",
            ],
        ),
        "nl" => {
            groups(&letters, &["aai", "ooi", "oei", "eeu", "ieu", "aa", "ee", "oo", "uu", "ij", "ei", "ui", "ou", "au", "eu", "ie", "oe"])
        }
        _ => groups(&letters, &[]),
    };
    count.max(1)
}

fn is_vowel(c: char) -> bool {
    "aeiouyäöüáéíóúýàèìòùâêîôûëïãõåæøœ".contains(c)
}

/// Vowels, where those that sound as one (the longest that fits first) count once. Without a list of them, a whole row of vowels counts once.
fn groups(letters: &[char], diphthongs: &[&str]) -> usize {
    let mut count = 0;
    let mut at = 0;
    while at < letters.len() {
        // `y` before a vowel is a consonant (`Yoga`, `yo`), `u` after `q` is silent.
        let mute = (letters[at] == 'y' && letters.get(at + 1).copied().is_some_and(is_vowel))
            || (letters[at] == 'u' && at > 0 && letters[at - 1] == 'q');
        if !is_vowel(letters[at]) || mute {
            at += 1;
            continue;
        }
        count += 1;
        let one_sound = diphthongs.iter().map(|d| d.chars().collect::<Vec<_>>()).find(|d| letters[at..].starts_with(d));
        at += match one_sound {
            Some(sound) => sound.len(),
            None if diphthongs.is_empty() => letters[at..].iter().take_while(|c| is_vowel(**c)).count(),
            None => 1,
        };
    }
    count
}

/// English: rows of vowels, less the silent endings, plus the rows that are spoken apart.
fn english(letters: &[char]) -> usize {
    let word: String = letters.iter().collect();
    let mut count = groups(letters, &[]);
    let consonant_before = |ending: usize| letters.len() > ending && !is_vowel(letters[letters.len() - ending - 1]);
    let silent = (word.ends_with('e') && !word.ends_with("le") && consonant_before(1))
        || (word.ends_with("le") && letters.len() > 2 && !consonant_before(2))
        || (word.ends_with("ed") && consonant_before(2) && !word.ends_with("ted") && !word.ends_with("ded"))
        || (word.ends_with("es")
            && consonant_before(2)
            && !["ses", "zes", "xes", "ches", "shes", "ces", "ges", "les"].iter().any(|e| word.ends_with(e)));
    if silent && count > 1 {
        count -= 1;
    }
    let apart = ["ia", "io", "iu", "eo", "ua", "uou", "ying", "eing", "oing", "creat"];
    let joined = ["tia", "cia", "tio", "sio", "cio", "gio", "xio", "gua", "qua", "eou", "people", "lian", "liar", "lion", "creatu"];
    count += apart.iter().map(|pair| word.matches(pair).count()).sum::<usize>();
    // `idea`, `area`; not `sea`.
    count += usize::from(word.ends_with("ea") && count > 1);
    count.saturating_sub(joined.iter().map(|row| word.matches(row).count()).sum())
}

/// French: a final `e`, `es` or `ent` after a consonant is silent.
fn french(letters: &[char]) -> usize {
    let word: String = letters.iter().collect();
    let count = groups(
        letters,
        &["eau", "oeu", "œu", "ou", "au", "ai", "ei", "oi", "eu", "ui", "ie", "io", "ia", "iè", "ié", "où", "aî", "oî", "oû"],
    );
    let silent =
        ["e", "es"].iter().any(|end| word.strip_suffix(end).is_some_and(|stem| stem.chars().next_back().is_some_and(|c| !is_vowel(c))));
    if silent && count > 1 { count - 1 } else { count }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn language(code: &str) -> Language {
        code.parse().unwrap()
    }

    fn value(text: &str, code: &str) -> f64 {
        raw(&Counts::of(text, language(code)), language(code))
    }

    #[test]
    fn flesch_gives_the_published_values() {
        // The three examples of English Wikipedia's article on the formula, and the highest score there is.
        for (text, published) in [
            ("The cat sat on the mat.", 116.0),
            ("This sentence, taken as a reading passage unto itself, is being used to prove a point.", 69.0),
            ("The Australian platypus is seemingly a hybrid of a mammal and reptilian creature.", 37.5),
            ("Go. Go.", 121.22),
        ] {
            assert!((value(text, "en") - published).abs() < 0.5, "{text}: {}", value(text, "en"));
        }
    }

    #[test]
    fn each_language_has_its_own_formula() {
        // Counted by hand: 7 words, 11 syllables; 5 words, 6; 6 words, 9; 6 words, 7.
        for (text, code, by_hand) in [
            ("Alle meine Entchen schwimmen auf dem See.", "de", 180.0 - 7.0 - 58.5 * 11.0 / 7.0),
            ("Le chat dort sur la table.", "fr", 207.0 - 1.015 * 6.0 - 73.6 * 6.0 / 6.0 - 0.0),
            ("El perro come en la casa.", "es", 206.835 - 6.0 - 62.3 * 9.0 / 6.0),
            ("De kat zit op de mat.", "nl", 206.84 - 0.93 * 6.0 - 77.0),
            ("Il gatto dorme sul letto.", "it", 89.0 + (300.0 - 10.0 * 20.0) / 5.0),
            ("Katten sover.", "sv", (60.0 - 2.0) / 40.0 * 100.0),
            ("猫は寝ている。", "ja", (80.0 - 6.0) / 60.0 * 100.0),
        ] {
            assert!((value(text, code) - by_hand).abs() < 0.01, "{text}: {} instead of {by_hand}", value(text, code));
        }
    }

    #[test]
    fn syllables_are_those_a_speaker_counts() {
        for (code, words) in [
            (
                "en",
                "make:1 baked:1 wanted:2 table:2 whole:1 being:2 people:2 creative:3 nation:2 reading:2 video:3 idea:3 boxes:2 bread:1 morning:2 the:1 question:2 serious:3 gorgeous:2 precious:2 geography:4 sea:1",
            ),
            ("de", "Brot:1 Bäckerei:3 Straße:2 heute:2 Abenteuer:4 beobachten:4 Familie:3 Theater:3 Qualität:3 Yoga:2 Schnee:1"),
            ("es", "casa:2 tierra:2 país:2 guerra:2 bueno:2"),
            ("nl", "brood:1 kaas:1 nieuws:1 leeuw:1 bakkerij:3"),
        ] {
            for (word, count) in words.split(' ').filter_map(|pair| pair.split_once(':')) {
                assert_eq!(syllables(word, language(code)).to_string(), count, "{code}: {word}");
            }
        }
    }

    #[test]
    fn what_nobody_reads_aloud_does_not_count() {
        let plain = Counts::of("Our bread is back.", Language::EN);
        let decorated =
            Counts::of("🍞🍞 Our bread is back. https://example.com/unpronounceable/characteristically @ann@social.example", Language::EN);
        assert_eq!(plain, decorated);
        assert_eq!(Counts::of("One two\nthree four", Language::EN).sentences, 2);
    }

    #[test]
    fn simple_beats_convoluted_in_every_language() {
        for (code, simple, hard) in [
            (
                "en",
                "We bake bread. You eat it.",
                "Notwithstanding considerable organisational complications, our establishment facilitates exceptional nutritional experiences.",
            ),
            (
                "de",
                "Wir backen Brot. Ihr esst es.",
                "Unbeschadet organisatorischer Schwierigkeiten ermöglicht unsere Betriebsgesellschaft außergewöhnliche Ernährungserlebnisse.",
            ),
            (
                "sv",
                "Vi bakar bröd. Du äter det.",
                "Organisationsförändringar möjliggör utomordentliga näringsupplevelser beträffande livsmedelsproduktionen.",
            ),
        ] {
            let (easy, difficult) = (readability(simple, language(code)), readability(hard, language(code)));
            assert!(easy > 0.8 && difficult < 0.2, "{code}: {easy} {difficult}");
        }
        assert_eq!(readability("🍞 https://example.com", Language::EN), 0.0);
    }

    proptest! {
        #[test]
        fn always_within_bounds(text in r"\PC{0,60}", code in "[a-z]{2}") {
            prop_assert!((0.0..=1.0).contains(&readability(&text, language(&code))));
        }
    }
}
