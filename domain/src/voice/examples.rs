//! What a voice is trained on, and what may not be trained on.

use std::{collections::HashMap, fmt};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::{ids::ExampleId, platform::Platform};

/// The fewest examples that a voice can be learned from: with fewer there is no telling a habit from an accident.
pub const MIN_EXAMPLES: usize = 3;
/// The most examples of one training; the profile hardly moves beyond that.
pub const MAX_EXAMPLES: usize = 500;
/// The longest example in characters (Unicode scalar values). A post is meant, not an article.
pub const MAX_EXAMPLE_CHARS: usize = 5_000;

/// A post that sounds the way the brand wants to sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Its id.
    pub id: ExampleId,
    /// What was written.
    pub text: String,
    /// Where it was published, if that is known.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Where it can be read, if that is known.
    #[serde(default)]
    pub url: Option<String>,
}

/// Why the examples, or one of them, cannot be trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExampleProblem {
    /// The example's place in the list from 0; `None` when the list as a whole is meant.
    pub index: Option<usize>,
    /// What is wrong with it.
    pub reason: ExampleReason,
}

impl ExampleProblem {
    /// The JSON pointer of the field in a request body whose list is called `examples`.
    #[must_use]
    pub fn pointer(&self) -> String {
        self.index.map_or_else(|| "/examples".to_owned(), |index| format!("/examples/{index}/text"))
    }
}

/// What can be wrong with examples. Displays as a sentence for the person who sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExampleReason {
    /// The list has fewer than [`MIN_EXAMPLES`].
    TooFew(usize),
    /// The list has more than [`MAX_EXAMPLES`].
    TooMany(usize),
    /// Nothing visible is in the text.
    Empty,
    /// The same text stands at an earlier index, but for case, spacing or the Unicode form of its characters.
    Duplicate {
        /// The index of the first of them.
        of: usize,
    },
    /// The text has this many characters, more than [`MAX_EXAMPLE_CHARS`].
    TooLong(usize),
}

impl fmt::Display for ExampleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew(got) => write!(f, "a voice needs at least {MIN_EXAMPLES} examples, and {got} were sent"),
            Self::TooMany(got) => write!(f, "a voice takes at most {MAX_EXAMPLES} examples, and {got} were sent"),
            Self::Empty => f.write_str("the text is empty"),
            Self::Duplicate { of } => write!(f, "the text is the same as that of example {of}"),
            Self::TooLong(got) => write!(f, "the text has {got} characters; at most {MAX_EXAMPLE_CHARS} are read"),
        }
    }
}

/// Checks that a voice can be trained on `examples`.
///
/// # Errors
/// Every problem there is, in the order of the list: a caller can name all of them in one answer.
pub fn check_examples(examples: &[Example]) -> Result<(), Vec<ExampleProblem>> {
    let mut problems = Vec::new();
    match examples.len() {
        got if got < MIN_EXAMPLES => problems.push(ExampleProblem { index: None, reason: ExampleReason::TooFew(got) }),
        got if got > MAX_EXAMPLES => problems.push(ExampleProblem { index: None, reason: ExampleReason::TooMany(got) }),
        _ => {}
    }
    let mut seen = HashMap::new();
    for (index, example) in examples.iter().enumerate() {
        if let Some(reason) = problem_of(index, &example.text, &mut seen) {
            problems.push(ExampleProblem { index: Some(index), reason });
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn problem_of(index: usize, text: &str, seen: &mut HashMap<String, usize>) -> Option<ExampleReason> {
    let chars = text.chars().count();
    if chars > MAX_EXAMPLE_CHARS {
        return Some(ExampleReason::TooLong(chars));
    }
    let normal = normalise(text);
    if normal.is_empty() {
        return Some(ExampleReason::Empty);
    }
    match seen.get(&normal) {
        Some(&of) => Some(ExampleReason::Duplicate { of }),
        None => {
            seen.insert(normal, index);
            None
        }
    }
}

/// The text as two people would compare it: compatible forms made equal, lower case, invisible characters dropped, spaces collapsed.
fn normalise(text: &str) -> String {
    let visible: String = text.nfkc().filter(|c| c.is_whitespace() || !is_invisible(*c)).flat_map(char::to_lowercase).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Control characters, and those that take no room: soft hyphen, joiners, direction marks, variation selectors, the byte order mark.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn examples(texts: &[&str]) -> Vec<Example> {
        let example = |text: &&str| Example { id: ExampleId::from_uuid(Uuid::nil()), text: (*text).to_owned(), platform: None, url: None };
        texts.iter().map(example).collect()
    }

    #[test]
    fn every_bad_example_is_named_by_its_place() {
        let long = "x".repeat(MAX_EXAMPLE_CHARS + 1);
        let list = examples(&["Fresh bread.", " \u{200b}\n", "Fresh  BREAD.", &long, "Ｆresh bread.", "Fresh bread!"]);
        let problems = check_examples(&list).unwrap_err();
        let found: Vec<_> = problems.iter().map(|p| (p.pointer(), p.reason)).collect();
        assert_eq!(
            found,
            [
                ("/examples/1/text".to_owned(), ExampleReason::Empty),
                ("/examples/2/text".to_owned(), ExampleReason::Duplicate { of: 0 }),
                ("/examples/3/text".to_owned(), ExampleReason::TooLong(MAX_EXAMPLE_CHARS + 1)),
                ("/examples/4/text".to_owned(), ExampleReason::Duplicate { of: 0 }),
            ]
        );
    }

    #[test]
    fn the_number_of_examples_has_both_ends() {
        let texts: Vec<String> = (0..=MAX_EXAMPLES).map(|n| format!("post number {n}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let whole = |n: usize| check_examples(&examples(&texts[..n])).err().map(|p| (p[0].pointer(), p[0].reason));
        assert_eq!(whole(2), Some(("/examples".to_owned(), ExampleReason::TooFew(2))));
        assert_eq!(whole(3), None);
        assert_eq!(whole(MAX_EXAMPLES), None);
        assert_eq!(whole(MAX_EXAMPLES + 1), Some(("/examples".to_owned(), ExampleReason::TooMany(MAX_EXAMPLES + 1))));
    }

    #[test]
    fn the_longest_example_is_still_taken_whatever_its_bytes() {
        let long = "ü".repeat(MAX_EXAMPLE_CHARS);
        assert_eq!(check_examples(&examples(&["a", "b", &long])), Ok(()));
    }

    #[test]
    fn an_emoji_alone_is_a_text() {
        assert_eq!(check_examples(&examples(&["🎉", "❤\u{fe0f}", "b"])), Ok(()));
    }
}
