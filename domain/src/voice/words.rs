//! A post taken apart: sentences, words, emoji, hashtags, links, mentions, marks.

use unicode_segmentation::UnicodeSegmentation;

use super::lexicon::grammar_of;

/// One word, as it is compared and as it was written.
#[derive(Debug)]
pub(super) struct Word {
    /// Lower case, with straight apostrophes.
    pub(super) lower: String,
    /// How many letters it has.
    pub(super) letters: usize,
    /// Two or more letters, all of them capitals.
    pub(super) capitals: bool,
    /// Its first letter is a capital.
    pub(super) capitalised: bool,
    /// A capital stands inside of it, after a small letter (`GitHub`).
    pub(super) humped: bool,
    /// It holds a digit.
    pub(super) digits: bool,
    /// It opens its sentence.
    pub(super) first: bool,
    /// It is a function word of English.
    pub(super) english: bool,
    /// It is a function word of German.
    pub(super) german: bool,
}

impl Word {
    /// Whether it carries grammar rather than meaning.
    pub(super) const fn is_function(&self) -> bool {
        self.english || self.german
    }
}

/// How often each mark occurs.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) exclamations: usize,
    pub(super) questions: usize,
    pub(super) commas: usize,
    pub(super) dashes: usize,
    pub(super) ellipses: usize,
    pub(super) colons: usize,
    pub(super) brackets: usize,
    pub(super) quotes: usize,
}

/// A post taken apart. Links, hashtags and mentions are counted and are no words.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The words of each sentence that has any.
    pub(super) sentences: Vec<Vec<Word>>,
    pub(super) marks: Marks,
    pub(super) emoji: usize,
    pub(super) hashtags: usize,
    pub(super) links: usize,
    pub(super) mentions: usize,
    /// Line breaks between lines that hold something.
    pub(super) line_breaks: usize,
    /// The prose ends without `.`, `!`, `?` or an ellipsis.
    pub(super) open_end: bool,
    /// The prose in lower case: what character n-grams are taken from.
    pub(super) prose: String,
}

impl Parsed {
    /// Whether nothing at all stood in the text.
    pub(super) const fn is_empty(&self) -> bool {
        self.prose.is_empty() && self.hashtags == 0 && self.links == 0 && self.mentions == 0
    }

    pub(super) fn words(&self) -> impl Iterator<Item = &Word> {
        self.sentences.iter().flatten()
    }
}

/// Takes `text` apart. Total: any text has a reading, the empty one included.
pub(super) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut lines = 0_usize;
    for line in text.lines() {
        let mut sentence = String::new();
        let mut filled = false;
        for token in line.split_whitespace() {
            filled = true;
            if is_link(token) {
                parsed.links += 1;
            } else if is_tag(token, '#') {
                parsed.hashtags += 1;
            } else if is_tag(token, '@') {
                parsed.mentions += 1;
            } else {
                sentence.push_str(token);
                sentence.push(' ');
                if ends_sentence(token) {
                    parsed.take(&sentence);
                    sentence.clear();
                }
            }
        }
        parsed.take(&sentence);
        lines += usize::from(filled);
    }
    parsed.line_breaks = lines.saturating_sub(1);
    let last = parsed.prose.trim_end_matches(|c: char| c.is_whitespace() || is_closing(c) || is_emoji_part(c)).chars().last();
    parsed.open_end = last.is_some_and(|c| !is_terminal(c));
    parsed
}

impl Parsed {
    /// Takes in one sentence of prose.
    fn take(&mut self, sentence: &str) {
        if sentence.is_empty() {
            return;
        }
        self.count_marks(sentence);
        self.emoji += count_emoji(sentence);
        let sentence: String = sentence.chars().map(|c| if matches!(c, '’' | '‘' | 'ʼ') { '\'' } else { c }).collect();
        let mut words = Vec::new();
        for written in sentence.unicode_words() {
            words.push(read_word(written, words.is_empty()));
        }
        if !words.is_empty() {
            self.sentences.push(words);
        }
        self.prose.extend(sentence.chars().flat_map(char::to_lowercase));
    }

    fn count_marks(&mut self, sentence: &str) {
        let marks = &mut self.marks;
        let mut dots = 0;
        let mut before = ' ';
        for c in sentence.chars() {
            dots = if c == '.' { dots + 1 } else { 0 };
            match c {
                '!' | '！' => marks.exclamations += 1,
                '?' | '？' => marks.questions += 1,
                ',' => marks.commas += 1,
                '–' | '—' => marks.dashes += 1,
                // A hyphen is a dash only where it stands alone.
                '-' if before == ' ' => marks.dashes += 1,
                '…' => marks.ellipses += 1,
                '.' if dots == 3 => marks.ellipses += 1,
                ':' | ';' => marks.colons += 1,
                '(' | '[' => marks.brackets += 1,
                '"' | '“' | '”' | '„' | '«' | '»' => marks.quotes += 1,
                _ => {}
            }
            before = c;
        }
    }
}

fn read_word(written: &str, first: bool) -> Word {
    let (mut letters, mut upper, mut humped, mut digits) = (0, 0, false, false);
    let mut small_before = false;
    for c in written.chars() {
        digits |= c.is_numeric();
        if c.is_alphabetic() {
            letters += 1;
            upper += usize::from(c.is_uppercase());
            humped |= small_before && c.is_uppercase();
            small_before = c.is_lowercase();
        }
    }
    let lower = written.to_lowercase();
    let (english, german) = grammar_of(&lower);
    Word {
        lower,
        letters,
        capitals: letters >= 2 && upper == letters,
        capitalised: written.chars().next().is_some_and(char::is_uppercase),
        humped,
        digits,
        first,
        english,
        german,
    }
}

fn is_link(token: &str) -> bool {
    let token = token.trim_start_matches(['(', '<', '[', '"']);
    if token.contains("://") || token.starts_with("www.") {
        return true;
    }
    // `example.com/path` is a link, `e.g./i.e.` and `and/or` are not: a host has a dot before its first slash and letters on both sides.
    token.split_once('/').is_some_and(|(host, _)| {
        host.rsplit_once('.').is_some_and(|(name, tld)| name.len() >= 2 && tld.len() >= 2 && tld.chars().all(|c| c.is_ascii_alphabetic()))
    })
}

fn is_tag(token: &str, sign: char) -> bool {
    let token = token.trim_start_matches(['(', '"', '“']);
    token.strip_prefix(sign).is_some_and(|rest| rest.chars().next().is_some_and(char::is_alphanumeric))
}

fn is_terminal(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '！' | '？' | '。')
}

fn is_closing(c: char) -> bool {
    matches!(c, ')' | ']' | '"' | '”' | '“' | '»' | '«' | '\'' | '’')
}

fn ends_sentence(token: &str) -> bool {
    let token = token.trim_end_matches(|c| is_closing(c) || is_emoji_part(c));
    token.chars().last().is_some_and(is_terminal) && !is_abbreviation(token)
}

/// `e.g.`, `z.B.`, `Dr.`, an initial, or a German ordinal (`24.`): a full stop that ends no sentence.
fn is_abbreviation(token: &str) -> bool {
    let Some(stem) = token.strip_suffix('.') else { return false };
    let stem = stem.trim_start_matches(['(', '"', '“', '„']);
    if matches!(stem, "I" | "X") {
        return false;
    }
    stem.chars().count() == 1 && stem.chars().all(char::is_alphabetic)
        || stem.len() <= 2 && !stem.is_empty() && stem.chars().all(|c| c.is_ascii_digit())
        || matches!(
            stem.to_lowercase().as_str(),
            "e.g" | "i.e" | "z.b" | "d.h" | "u.a" | "dr" | "mr" | "mrs" | "ms" | "st" | "nr" | "vs" | "bzw" | "ca" | "usw"
        )
}

/// Characters that emoji are made of, joiners and modifiers included.
fn is_emoji_part(c: char) -> bool {
    is_emoji(c) || matches!(c, '\u{fe0f}' | '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Characters that are shown as pictures; the arrows and signs that text uses as text are left out.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{1f000}'..='\u{1f3fa}' | '\u{1f400}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b50}' | '\u{2b55}' | '\u{231a}' | '\u{231b}' | '\u{23e9}'..='\u{23f3}')
}

/// Emoji as people count them: a family joined by joiners is one, a flag of two letters is one, a skin tone is none.
fn count_emoji(text: &str) -> usize {
    let (mut count, mut joined, mut flag) = (0, false, false);
    for c in text.chars() {
        let letter = matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
        if is_emoji(c) && !joined && !(letter && flag) {
            count += 1;
        }
        flag = letter && !flag;
        joined = c == '\u{200d}' || (joined && c == '\u{fe0f}');
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_tags_and_mentions_are_counted_and_are_no_words() {
        let p = parse(
            "See https://a.example/x?y#z and shop.example/tea (www.b.example), @ann@c.example: #new #Tee, and/or e.g. 1/2. C# is no tag",
        );
        assert_eq!((p.links, p.hashtags, p.mentions), (3, 2, 1));
        assert!(p.words().all(|w| w.lower != "tee" && w.lower != "ann" && w.lower != "https"));
    }

    #[test]
    fn sentences_end_at_marks_and_lines_and_not_inside_numbers_or_abbreviations() {
        let lengths = |text| parse(text).sentences.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths("Two words. It costs 3.50 today, e.g. here! Really?! 🎉 Yes"), [2, 6, 1, 1]);
        assert_eq!(lengths("Am 24. Dezember, z.B. um acht.\nzu"), [6, 1]);
        assert_eq!(lengths("\n \n…"), Vec::<usize>::new());
    }

    #[test]
    fn emoji_are_counted_as_people_count_them() {
        assert_eq!(count_emoji("👨‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ ☕ ok → ©"), 6);
        assert_eq!(count_emoji("🏳️‍🌈"), 1);
    }

    #[test]
    fn marks_are_told_apart() {
        let marks = parse("Wait... what—no - well-made; (yes) “so”!!").marks;
        assert_eq!((marks.ellipses, marks.dashes, marks.colons, marks.brackets, marks.quotes, marks.exclamations), (1, 2, 1, 1, 2, 2));
    }

    #[test]
    fn an_open_end_is_seen_through_quotes_tags_and_emoji() {
        assert!(parse("no stop here").open_end);
        assert!(!parse("A stop. 🎉 #tag https://a.example").open_end);
        assert!(!parse("“Quoted.”").open_end);
        assert!(!parse("🎉").open_end);
    }

    #[test]
    fn a_word_knows_how_it_was_written() {
        let p = parse("I’m at NASA on GitHub 4ever");
        let seen: Vec<_> = p.words().map(|w| (w.lower.as_str(), w.capitals, w.humped, w.digits)).collect();
        assert_eq!(
            seen,
            [
                ("i'm", false, false, false),
                ("at", false, false, false),
                ("nasa", true, false, false),
                ("on", false, false, false),
                ("github", false, true, false),
                ("4ever", false, false, true),
            ]
        );
    }
}
