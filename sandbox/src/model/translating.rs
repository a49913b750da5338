//! Translating between the stand-in's two languages: its own sentences whole, other text by the word. What is no word stays as it is: links,
//! handles, tags, placeholders, numbers.

use super::{
    phrases::{self, WORDS},
    reading::{Asked, Tongue},
};

/// The translation that a prompt asks for, line by line.
pub(super) fn translation(asked: &Asked) -> String {
    let keep: Vec<&str> = asked.all("keep").collect();
    let from = match asked.tongue {
        Tongue::German => Tongue::English,
        Tongue::English => Tongue::German,
    };
    let line = |line: &str| {
        let own = phrases::all().find_map(|phrase| Some((phrase, phrase.filling(from, line)?)));
        match own {
            Some((phrase, filling)) => phrase.say(asked.tongue, &known_or_same(filling, from, &keep)),
            None => by_word(line, from, &keep).0,
        }
    };
    asked.one("post").lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The text in `to`, if it is in another of the two languages and every word of it is known; else as it is.
pub(super) fn if_known(text: &str, from: Tongue, to: Tongue) -> String {
    if from == to { text.to_owned() } else { known_or_same(text, from, &[]) }
}

/// The text translated if every word of it is known; else as it is, for half a translation is worse than a quotation.
fn known_or_same(text: &str, from: Tongue, keep: &[&str]) -> String {
    match by_word(text, from, keep) {
        (translated, true) => translated,
        (_, false) => text.to_owned(),
    }
}

/// The text with every word translated that is known, and whether all were.
fn by_word(text: &str, from: Tongue, keep: &[&str]) -> (String, bool) {
    let (mut out, mut all_known) = (String::new(), true);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(kept) = keep.iter().filter(|kept| !kept.is_empty() && rest.starts_with(**kept)).max_by_key(|kept| kept.len()) {
            out.push_str(kept);
            rest = &rest[kept.len()..];
        } else if let Some((length, translated)) = known(rest, from) {
            out.push_str(&if first.is_uppercase() { phrases::capitalised(translated) } else { translated.to_owned() });
            rest = &rest[length..];
        } else {
            // Up to the next gap, so that neither the middle of a word nor a part of a link is taken for a word.
            let length = if first.is_whitespace() { first.len_utf8() } else { rest.find(char::is_whitespace).unwrap_or(rest.len()) };
            // A capital inside an English sentence makes a name, which is the same in German but for its genitive.
            let name = from == Tongue::English && first.is_uppercase() && !out.is_empty();
            all_known &= name || !rest[..length].chars().any(char::is_alphabetic);
            out.push_str(&if name { rest[..length].replace("'s", "s").replace("’s", "s") } else { rest[..length].to_owned() });
            rest = &rest[length..];
        }
    }
    (out, all_known)
}

/// The longest entry of the table that `text` begins with, as a whole word: its length in the text, and its translation.
fn known(text: &str, from: Tongue) -> Option<(usize, &'static str)> {
    let fits = |(en, de): &(&'static str, &'static str)| {
        let (word, translated) = if from == Tongue::English { (*en, *de) } else { (*de, *en) };
        let head = text.get(..word.len())?;
        let mut after = text[word.len()..].chars();
        // A full stop ends a word, unless it is the one of a host name.
        let ends = match after.next() {
            None => true,
            Some('.' | ',' | ':' | '!' | '?' | ';') => after.next().is_none_or(char::is_whitespace),
            Some(c) => c.is_whitespace(),
        };
        (ends && head.to_lowercase() == word.to_lowercase()).then_some((word.len(), translated))
    };
    WORDS.iter().filter_map(fits).max_by_key(|(length, _)| *length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(language: &str, post: &str, keep: &str) -> String {
        translation(&Asked::read(&format!("Task: translate one post.\nLanguage: {language}\n<keep>{keep}</keep>\n<post>\n{post}\n</post>")))
    }

    #[test]
    fn its_own_sentences_come_out_whole_and_go_back() {
        let english = "Worth knowing: roasted slowly.\n\nRead more: https://juniper.example/new\n\n#ad";
        let german = "Gut zu wissen: roasted slowly.\n\nMehr dazu: https://juniper.example/new\n\n#ad";
        assert_eq!(translate("de", english, "x"), german);
        assert_eq!(translate("en", german, "x"), english);
    }

    #[test]
    fn other_text_goes_by_the_word_and_nothing_else_changes() {
        assert_eq!(
            translate("de", "Hello world, we are open. Tea with @new #tea {tea} new.example", "x"),
            "Hallo Welt, wir sind offen. Tee mit @new #tea {tea} new.example"
        );
    }

    #[test]
    fn what_is_to_be_kept_is_kept() {
        assert_eq!(translate("de", "Tea from New World and coffee", "New World"), "Tee von New World und Kaffee");
    }
}
