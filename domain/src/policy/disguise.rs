//! Letters behind their disguises: what each character of a text may be read as.
//!
//! Look-alikes come from Unicode's confusables (UTS #39), compatibility forms (NFKD), diacritics, and the few tables below for what UTS #39
//! keeps apart but a reader does not (small capitals, strokes, enclosed letters). Not undone: pairs of letters that look like one (`rn` for
//! `m`), since they stand in too many honest words.

use std::ops::Deref;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::text::Span;

/// One letter, digit or separator of a text, with all that it can be read as.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// Where it stands, its combining marks included.
    pub(super) span: Span,
    /// Itself, in lower case.
    pub(super) exact: char,
    /// What it looks like, in lower case; itself included.
    pub(super) looks: Looks,
    /// What it stands for in "leet": `0` for `o`, `@` for `a`.
    pub(super) leet: &'static [char],
    /// Whether it is part of a word, as opposed to what separates words.
    pub(super) in_word: bool,
    /// Whether it is an upper-case letter.
    pub(super) upper: bool,
}

/// A few characters, kept in place: a text is read letter by letter for every lint, and a list on the heap for each would be most of the work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks {
    all: [char; Self::MOST],
    count: u8,
}

impl Looks {
    /// Itself, its lower case, five look-alikes, and what its neighbours make of it.
    const MOST: usize = 8;

    fn of(first: char) -> Self {
        Self { all: [first; Self::MOST], count: 1 }
    }

    /// Adds one that is not there yet.
    fn add(&mut self, look: char) {
        let count = usize::from(self.count);
        if count < Self::MOST && !self.contains(&look) {
            self.all[count] = look;
            self.count += 1;
        }
    }
}

impl Deref for Looks {
    type Target = [char];

    fn deref(&self) -> &[char] {
        &self.all[..usize::from(self.count)]
    }
}

impl Letter {
    /// White space; what separates words beyond doubt.
    pub(super) fn is_space(&self) -> bool {
        self.exact.is_whitespace()
    }
}

/// The letters of `text`; what shows nothing (zero-width characters, soft hyphens, direction marks, loose accents) is gone.
pub(super) fn letters(text: &str) -> Vec<Letter> {
    let mut letters: Vec<Letter> = Vec::with_capacity(text.len());
    for (start, c) in text.char_indices() {
        let span = Span { start, end: start + c.len_utf8() };
        if is_mark(c) {
            if let Some(last) = letters.last_mut() {
                last.span.end = span.end;
            }
            continue;
        }
        push(&mut letters, c, span);
    }
    read_case(&mut letters);
    letters
}

fn push(letters: &mut Vec<Letter>, c: char, span: Span) {
    if c.is_ascii() && !c.is_ascii_control() {
        letters.push(plain(c, span));
    } else {
        disguised(letters, c, span);
    }
}

/// A character that nothing is hidden in, which most are. (No table below has an ASCII character to read through.)
fn plain(c: char, span: Span) -> Letter {
    let exact = c.to_ascii_lowercase();
    Letter {
        span,
        exact,
        looks: Looks::of(exact),
        leet: leet(exact),
        in_word: exact.is_ascii_alphanumeric(),
        upper: c.is_ascii_uppercase(),
    }
}

fn disguised(letters: &mut Vec<Letter>, c: char, span: Span) {
    let lower = one(c.to_lowercase()).unwrap_or(c);
    let pieces: Vec<char> = match c {
        'ß' | 'ẞ' => vec!['s', 's'],
        'æ' | 'Æ' => vec!['a', 'e'],
        'œ' | 'Œ' => vec!['o', 'e'],
        _ => std::iter::once(c).nfkd().filter(|c| !is_mark(*c) && !shows_nothing(*c)).collect(),
    };
    let single = pieces.len() == 1;
    for piece in pieces {
        let small = one(piece.to_lowercase()).unwrap_or(piece);
        let mut looks = Looks::of(small);
        if single {
            looks.add(lower);
        }
        for look in [prototype(piece), prototype(small), drawn_alike(small), drawn_alike(piece), drawn_alike(c)].into_iter().flatten() {
            looks.add(look);
        }
        let in_word = looks.iter().any(|look| look.is_alphanumeric()) && !small.is_whitespace();
        letters.push(Letter {
            span,
            exact: if single { lower } else { small },
            looks,
            leet: leet(small),
            in_word,
            upper: c.is_uppercase(),
        });
    }
}

/// `l` among capitals is meant as `I`, and `I` after a small letter as `l`. Anywhere else they are what they are: `mall` is not `mail`.
fn read_case(letters: &mut [Letter]) {
    for at in 1..letters.len() {
        let (before, here) = (&letters[at - 1], &letters[at]);
        let after_small = before.in_word && before.exact.is_alphabetic() && !before.upper;
        if here.exact == 'l' && !here.upper && before.upper && letters.get(at + 1).is_none_or(|next| next.upper || !next.in_word) {
            letters[at].looks.add('i');
        } else if here.exact == 'i' && here.upper && after_small {
            letters[at].looks.add('l');
        }
    }
}

/// What UTS #39 says the character is easily mistaken for. ASCII is left alone: `1`, `I` and `l` are one to UTS #39, but not to a reader of words.
fn prototype(c: char) -> Option<char> {
    if c.is_ascii() {
        return None;
    }
    let mut buffer = [0; 4];
    let found: String = unicode_security::skeleton(c.encode_utf8(&mut buffer)).filter(|c| !is_mark(*c)).collect();
    match found.as_str() {
        // The prototype of every `m` that is not ASCII.
        "rn" => Some('m'),
        _ => one(found.chars()).and_then(|c| one(c.to_lowercase())),
    }
}

/// What a reader takes it for although UTS #39 keeps it apart.
fn drawn_alike(c: char) -> Option<char> {
    const TABLE: &[(&str, &str)] = &[
        ("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz"),
        ("вгезкмнптухиіјѕԁԛԝӏ", "breekmhntyxuijsdqwl"),
        ("αβγεζηικλμνορστυχωϲϳ", "abyeznikamvopotuxwcj"),
        ("łøđħŧıƀȼɇɉɍɏƶɑɡɩʋƒɫɨʉɵðþ", "lodhtibcejryzagivfliuodp"),
    ];
    let enclosed = |first: u32| char::from_u32(u32::from('a') + (u32::from(c) - first));
    match u32::from(c) {
        code @ 0x1F150..=0x1F169 => char::from_u32(u32::from('a') + (code - 0x1F150)),
        0x1F170..=0x1F189 => enclosed(0x1F170),
        0x1F1E6..=0x1F1FF => enclosed(0x1F1E6),
        _ => TABLE.iter().find_map(|(from, to)| to.chars().nth(from.chars().position(|known| known == c)?)),
    }
}

fn leet(c: char) -> &'static [char] {
    match c {
        '0' => &['o'],
        '1' | '!' | '|' | '¡' => &['i', 'l'],
        '3' | '€' => &['e'],
        '4' | '@' => &['a'],
        '5' | '$' | '§' => &['s'],
        '7' | '+' => &['t'],
        '8' => &['b'],
        '9' => &['g'],
        '¢' => &['c'],
        '£' => &['l'],
        '¥' => &['y'],
        'o' => &['0'],
        'l' | 'i' => &['1'],
        _ => &[],
    }
}

/// The marks that decorate Latin, Greek and Cyrillic letters. Marks that carry the sound in other scripts (Indic vowels, kana voicing) stay.
fn is_mark(c: char) -> bool {
    matches!(u32::from(c), 0x300..=0x36F | 0x483..=0x489 | 0x591..=0x5C7 | 0x610..=0x61A | 0x64B..=0x65F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F)
        && is_combining_mark(c)
}

/// Default-ignorable code points and controls: invisible wherever they stand.
fn shows_nothing(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F
        | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFF8 | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
        || (c.is_control() && !c.is_whitespace())
}

fn one(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each letter of `word` can be read in `text`.
    fn reads(text: &str, word: &str) -> bool {
        let letters = letters(text);
        letters.len() == word.chars().count() && letters.iter().zip(word.chars()).all(|(l, c)| l.looks.contains(&c))
    }

    #[test]
    fn disguises_are_read_through() {
        for text in [
            "money",
            "MONEY",
            "ＭＯＮＥＹ",
            "𝓶𝓸𝓷𝓮𝔂",
            "𝐌𝐎𝐍𝐄𝐘",
            "mоnеу",
            "ΜΟΝΕΥ",
            "МОΝЕУ",
            "ᴍᴏɴᴇʏ",
            "ⓜⓞⓝⓔⓨ",
            "🅜🅞🅝🅔🅨",
            "🅼🅾🅽🅴🆈",
            "🇲🇴🇳🇪🇾",
            "mónéý",
            "m\u{335}o\u{335}ney",
            "m\u{200b}o\u{ad}n\u{feff}ey",
            "mønɇy",
        ] {
            assert!(reads(text, "money"), "{text}: {:?}", letters(text).iter().map(|l| l.looks.to_vec()).collect::<Vec<_>>());
        }
        assert!(reads("ﬁne", "fine") && reads("Straße", "strasse") && reads("ВИТ", "but") && reads("ΗΟΤ", "hot"));
    }

    #[test]
    fn plain_letters_are_only_themselves() {
        for (text, word) in [("mall", "mail"), ("modem", "modern"), ("Ill", "lll"), ("Illness", "lllness"), ("lO", "1o")] {
            assert!(!reads(text, word), "{text}");
        }
        assert!(reads("FAlL", "fail") && reads("saIe", "sale") && !reads("Als", "ais"));
    }

    #[test]
    fn the_short_way_for_ascii_reads_what_the_long_way_reads() {
        for c in (0_u8..=127).map(char::from) {
            let span = Span { start: 0, end: 1 };
            let (mut short, mut long) = (Vec::new(), Vec::new());
            push(&mut short, c, span);
            disguised(&mut long, c, span);
            let read = |letters: &[Letter]| -> Vec<_> {
                letters.iter().map(|l| (l.span, l.exact, l.looks.to_vec(), l.leet, l.in_word, l.upper)).collect()
            };
            assert_eq!(read(&short), read(&long), "{c:?}");
        }
    }

    #[test]
    fn spans_cover_the_marks() {
        let letters = letters("ae\u{301}x");
        assert_eq!(letters.iter().map(|l| (l.span.start, l.span.end)).collect::<Vec<_>>(), [(0, 1), (1, 4), (4, 5)]);
    }
}
