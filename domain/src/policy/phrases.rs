//! Finding a phrase however it is cased, spaced or drawn, and not finding it within longer words.

use super::disguise::{Letter, letters};
use crate::{brief::Language, text::Span};

/// A place where a phrase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) span: Span,
    /// It reads as the phrase only with some good will (`mira cle`, `schön` for `schon`): worth a look, no proof.
    pub(super) doubtful: bool,
}

/// More separators than this between two letters, and they are not one word.
const MAX_GAP: usize = 4;

/// A phrase made ready to be looked for.
#[derive(Debug)]
pub(super) struct Phrase {
    letters: Vec<Letter>,
    /// For each letter, whether a word of the phrase starts with it.
    starts_word: Vec<bool>,
}

impl Phrase {
    /// `None` if nothing in it can be looked for. White space and the punctuation that people leave out or put in at will (`risk-free`,
    /// `risk free`) separate words; other symbols (`C++`, `100 %`) are part of the phrase.
    pub(super) fn new(text: &str) -> Option<Self> {
        const SOFT: &str = "-‐‑‒–—―_'’‘`´.,·•:;/\\!?¡¿\"“”„«»()[]{}…*~";
        let all = letters(text.trim());
        let soft = |letter: &Letter| letter.is_space() || (!letter.in_word && SOFT.contains(letter.exact));
        let words_only = all.iter().any(|letter| !soft(letter));
        let mut phrase = Self { letters: Vec::new(), starts_word: Vec::new() };
        let mut fresh = true;
        for letter in all {
            if letter.is_space() || (words_only && soft(&letter)) {
                fresh = true;
            } else {
                phrase.letters.push(letter);
                phrase.starts_word.push(std::mem::take(&mut fresh));
            }
        }
        (!phrase.letters.is_empty()).then_some(phrase)
    }

    /// Every place in the text, in order and without overlaps.
    pub(super) fn find(&self, text: &Reading, language: Option<Language>) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut from = 0;
        while from < text.letters.len() {
            match self.match_at(text, from, language) {
                Some((hit, next)) => {
                    hits.push(hit);
                    from = next;
                }
                None => from += 1,
            }
        }
        hits
    }

    fn match_at(&self, text: &Reading, start: usize, language: Option<Language>) -> Option<(Hit, usize)> {
        let mut seen = Evidence::default();
        let mut at = start;
        let mut piece = 0;
        for (index, wanted) in self.letters.iter().enumerate() {
            let gap = if index == 0 { 0 } else { text.gap(at, wanted)? };
            let passed = &text.letters[at..at + gap];
            let spaced = passed.iter().any(Letter::is_space);
            if self.starts_word[index] {
                seen.end_word(piece);
                piece = 0;
                seen.crosses_sentence |= spaced && passed.iter().any(|l| matches!(l.exact, '.' | '!' | '?' | '。'));
            } else if spaced && wanted.in_word && self.letters[index - 1].in_word {
                seen.end_piece(piece);
                piece = 0;
            }
            at += gap;
            seen.take(wanted, text.letters.get(at)?, language)?;
            at += 1;
            piece += 1;
        }
        seen.end_word(piece);
        let (first, last) = (&text.letters[start], &text.letters[at - 1]);
        if !text.opens(start) || !text.closes(at - 1) {
            return None;
        }
        let spelled_on = seen.spelled && (text.lone_letter(at, 1) || text.lone_letter(start, -1));
        let doubtful = spelled_on || seen.doubtful(self.letters.len())?;
        Some((Hit { span: Span { start: first.span.start, end: last.span.end }, doubtful }, at))
    }
}

/// A text made ready for many phrases.
#[derive(Debug)]
pub(super) struct Reading {
    letters: Vec<Letter>,
    /// Whether the letter stands within a hashtag, where a capital starts a word.
    in_tag: Vec<bool>,
}

impl Reading {
    pub(super) fn new(text: &str) -> Self {
        let letters = letters(text);
        let mut tagged = false;
        let in_tag = letters
            .iter()
            .map(|letter| {
                let was = tagged;
                tagged = matches!(letter.exact, '#' | '＃') || (tagged && (letter.in_word || letter.exact == '_'));
                was && tagged
            })
            .collect();
        Self { letters, in_tag }
    }

    /// Whether there is nothing to see.
    pub(super) fn is_blank(&self) -> bool {
        self.letters.iter().all(Letter::is_space)
    }

    /// How many separators lie before the next letter that can be read as `wanted`; `None` if there is none within reach.
    fn gap(&self, at: usize, wanted: &Letter) -> Option<usize> {
        let mut marks = 0;
        for (gap, letter) in self.letters[at..].iter().enumerate() {
            if grade(wanted, letter).is_some() {
                return Some(gap);
            }
            if letter.in_word {
                return None;
            }
            // Any amount of one kind of space is one gap.
            if !(letter.is_space() && gap > 0 && self.letters[at + gap - 1].is_space()) {
                marks += 1;
            }
            if marks > MAX_GAP {
                return None;
            }
        }
        None
    }

    fn opens(&self, start: usize) -> bool {
        let here = &self.letters[start];
        let Some(before) = start.checked_sub(1).map(|at| &self.letters[at]) else { return true };
        let symbol = !here.in_word && here.leet.is_empty();
        !before.in_word || symbol || unspaced(before) || unspaced(here) || (self.in_tag[start] && here.upper && !before.upper)
    }

    fn closes(&self, last: usize) -> bool {
        let here = &self.letters[last];
        let Some(after) = self.letters.get(last + 1) else { return true };
        // `can` does not stand in `can't`; `Apple` does in `Apple's`.
        if matches!(after.exact, '\'' | '’') && self.letters.get(last + 2).is_some_and(|l| l.exact == 't') {
            return self.letters.get(last + 3).is_some_and(|l| l.in_word);
        }
        let symbol = !here.in_word && here.leet.is_empty();
        !after.in_word || symbol || unspaced(after) || unspaced(here) || (self.in_tag[last + 1] && after.upper && !here.upper)
    }

    /// Whether, one separator away in this direction, a letter stands all alone: the spelling goes on (`f r e e d o m`).
    fn lone_letter(&self, from: usize, step: isize) -> bool {
        let look = |n: isize| from.checked_add_signed(n * step).and_then(|at| self.letters.get(at));
        let (gap, letter, beyond) = if step > 0 { (look(0), look(1), look(2)) } else { (look(1), look(2), look(3)) };
        gap.is_some_and(|l| !l.in_word) && letter.is_some_and(|l| l.in_word) && beyond.is_none_or(|l| !l.in_word)
    }
}

/// Scripts that put no spaces between words: a phrase stands wherever its characters do.
fn unspaced(letter: &Letter) -> bool {
    matches!(u32::from(letter.exact), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Exact,
    Look,
    Leet,
}

fn grade(wanted: &Letter, found: &Letter) -> Option<Grade> {
    if wanted.exact == found.exact {
        Some(Grade::Exact)
    } else if wanted.looks.iter().any(|look| found.looks.contains(look)) {
        Some(Grade::Look)
    } else if wanted.looks.iter().any(|look| found.leet.contains(look)) {
        Some(Grade::Leet)
    } else {
        None
    }
}

/// What a match rests on.
#[derive(Debug, Default)]
struct Evidence {
    /// Letters of the plain alphabet that are what they are.
    plain: usize,
    /// Letters that are written so in honest texts of the language (`ö` in German).
    ordinary: usize,
    /// Letters of another alphabet that the language is written in.
    native_script: usize,
    /// Letters that only a disguise explains.
    odd: usize,
    leet: usize,
    digits: usize,
    /// Pieces of the current word so far, if white space broke it.
    pieces: Vec<usize>,
    /// A word was broken into pieces of more than one letter.
    broken: bool,
    /// A word was spelled letter by letter.
    spelled: bool,
    crosses_sentence: bool,
}

impl Evidence {
    fn take(&mut self, wanted: &Letter, found: &Letter, language: Option<Language>) -> Option<()> {
        match grade(wanted, found)? {
            Grade::Exact => self.plain += 1,
            Grade::Leet => {
                self.leet += 1;
                self.digits += usize::from(found.exact.is_ascii_digit());
            }
            Grade::Look if found.exact.is_ascii() && is_ordinary(wanted.exact, language) => return None,
            Grade::Look if is_ordinary(found.exact, language) => self.ordinary += 1,
            Grade::Look if is_native_script(found.exact, language) => self.native_script += 1,
            Grade::Look => self.odd += 1,
        }
        Some(())
    }

    fn end_piece(&mut self, length: usize) {
        self.pieces.push(length);
    }

    fn end_word(&mut self, length: usize) {
        if !self.pieces.is_empty() {
            self.pieces.push(length);
            let spelled = self.pieces.iter().all(|n| *n == 1);
            self.spelled |= spelled;
            self.broken |= !spelled || self.pieces.len() < 3;
            self.pieces.clear();
        }
    }

    /// `None` if it is no match after all.
    fn doubtful(&self, length: usize) -> Option<bool> {
        // `100` is not `loo`: something must be what it seems.
        if self.leet == length && length > 0 {
            return None;
        }
        let honest_letters = self.odd == 0 && self.leet == 0 && (self.ordinary > 0 || (self.native_script > 0 && self.plain == 0));
        let mostly_digits = self.digits * 2 > length || (self.digits > 0 && length <= 3);
        Some(self.broken || self.crosses_sentence || honest_letters || mostly_digits)
    }
}

/// Letters beyond `a` to `z` that texts of the language are full of. Without a language, or in English, there are none.
fn is_ordinary(c: char, language: Option<Language>) -> bool {
    match language.as_ref().map(Language::as_str) {
        None | Some("en") => false,
        Some("de") => matches!(c, 'ä' | 'ö' | 'ü' | 'ß'),
        Some(_) => matches!(c, '\u{df}'..='\u{17f}'),
    }
}

fn is_native_script(c: char, language: Option<Language>) -> bool {
    match language.as_ref().map(Language::as_str) {
        Some("ru" | "uk" | "be" | "bg" | "sr" | "mk" | "kk" | "ky" | "mn" | "tg") => matches!(c, '\u{400}'..='\u{52f}'),
        Some("el") => matches!(c, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of `text` is the phrase, with a `?` where doubtful.
    fn find(phrase: &str, text: &str, language: &str) -> Vec<String> {
        let language = language.parse().ok();
        let hits = Phrase::new(phrase).unwrap().find(&Reading::new(text), language);
        hits.iter().map(|hit| format!("{}{}", hit.span.of(text), if hit.doubtful { "?" } else { "" })).collect()
    }

    #[test]
    fn disguised_phrases_are_found() {
        for text in [
            "free money",
            "FREE   MONEY",
            "Free-Money",
            "freemoney",
            "free\nmoney",
            "f r e e  m o n e y",
            "f.r.e.e m.o.n.e.y",
            "f*r*e*e money",
            "fr\u{200b}ee mo\u{ad}ney",
            "frée móney",
            "ｆｒｅｅ ｍｏｎｅｙ",
            "𝒇𝒓𝒆𝒆 𝒎𝒐𝒏𝒆𝒚",
            "frее mоnеу",
            "fr33 m0ney",
            "fr€€ money",
            "F R E E M O N E Y",
            "free\u{a0}money",
            "free_money",
        ] {
            for around in ["", "“", "Get ", "… "] {
                let whole = format!("{around}{text}! Now");
                assert_eq!(find("free money", &whole, "en"), [text], "{whole}");
            }
        }
        assert_eq!(find("Free-Money", "the #FreeMoneyNow and #freemoney tag", "en"), ["FreeMoney", "freemoney"]);
        assert_eq!(find("a$$", "@$$ a$$", "en"), ["@$$", "a$$"]);
        assert_eq!(find("100% sicher", "das ist 100 % sicher.", "de"), ["100 % sicher"]);
        assert_eq!(find("C++", "C and C++ and C#", "en"), ["C++"]);
        assert_eq!(find("最高", "これは最高です", "ja"), ["最高"]);
        assert_eq!(find("🚀", "to the moon 🚀🚀", "en"), ["🚀", "🚀"]);
        assert_eq!(find("Acme", "Acme's l’Acme (acme)", "fr"), ["Acme", "Acme", "acme"]);
    }

    #[test]
    fn longer_words_and_honest_texts_are_left_alone() {
        for (phrase, text) in [
            ("ass", "a class passes assets"),
            ("cure", "secure manicure cured curet"),
            ("Wunder", "wunderbar, verwundern"),
            ("fail", "the mall falls in fall"),
            ("modern", "modem"),
            ("lo", "10 people"),
            ("loo", "100 of them"),
            ("can", "you can't"),
            ("free money", "a free man, money later"),
            ("schön", "das ist schon da"),
            ("phone", "an iPhone"),
            ("C++", "C, c and Z++"),
            ("ad", "I had an adventure, Brad"),
        ] {
            assert_eq!(find(phrase, text, "de"), [""; 0], "{phrase} in {text}");
            assert_eq!(find(phrase, &text.to_uppercase(), "de"), [""; 0], "{phrase} in {text}, shouted");
        }
    }

    #[test]
    fn good_will_is_said_to_be_so() {
        assert_eq!(find("miracle", "it is a mira cle", "en"), ["mira cle?"]);
        assert_eq!(find("free money", "It is free. Money is not", "en"), ["free. Money?"]);
        assert_eq!(find("free", "f r e e d o m", "en"), ["f r e e?"]);
        assert_eq!(find("schon", "wie schön", "de"), ["schön?"]);
        assert_eq!(find("schon", "wie schön", "en"), ["schön"]);
        assert_eq!(find("pot", "открой рот", "ru"), ["рот?"]);
        assert_eq!(find("pot", "open рot", "ru"), ["рot"]);
        assert_eq!(find("ass", "on the A55", "en"), ["A55?"]);
    }

    #[test]
    fn a_phrase_of_nothing_is_none() {
        assert!(Phrase::new(" \u{200b} ").is_none());
    }
}
