//! Whether a model's words about a digest can stand.

use std::collections::BTreeSet;

/// Two to four sentences are asked for; three times what the longest of them take is not a summary any more.
const LONGEST: usize = 1_500;

/// Why a model's summary is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It says nothing.
    #[error("the summary has no words")]
    Empty,
    /// It is far longer than what was asked for.
    #[error("the summary has {0} characters")]
    TooLong(usize),
    /// It shows the tags of the prompt.
    #[error("the summary shows the prompt's tags")]
    Tags,
    /// It names a number that nobody gave it.
    #[error("the summary names {0}, which stands in none of the facts")]
    Invented(String),
}

/// Checks that `summary` is one, and that every number in it stands in one of the texts that the model was `given`. Marks between thousands and
/// before decimals do not matter, and numbers in words are not read.
///
/// # Errors
/// [`Unusable`] says what is wrong.
pub fn check_summary(summary: &str, given: &[&str]) -> Result<(), Unusable> {
    if !summary.chars().any(char::is_alphabetic) {
        return Err(Unusable::Empty);
    }
    let length = summary.chars().count();
    if length > LONGEST {
        return Err(Unusable::TooLong(length));
    }
    if ["<fact>", "</fact>", "<brand>", "<period>"].iter().any(|tag| summary.contains(tag)) {
        return Err(Unusable::Tags);
    }
    let known: BTreeSet<String> = given.iter().flat_map(|text| numbers(text)).collect();
    match numbers(summary).into_iter().find(|number| !known.contains(number)) {
        Some(invented) => Err(Unusable::Invented(invented)),
        None => Ok(()),
    }
}

/// The numbers of a text, as their digits alone.
fn numbers(text: &str) -> Vec<String> {
    let (mut numbers, mut digits) = (Vec::new(), String::new());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c.is_ascii_digit() {
            digits.push(c);
        } else if !(matches!(c, '.' | ',' | '\'' | '\u{a0}' | '\u{202f}') && rest.peek().is_some_and(char::is_ascii_digit)) {
            numbers.extend((!digits.is_empty()).then(|| std::mem::take(&mut digits)));
        }
    }
    numbers.extend((!digits.is_empty()).then_some(digits));
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: [&str; 2] = ["Likes rose from 1,200 to 1,234 (+3%).", "Juniper 24"];

    #[test]
    fn words_with_the_given_numbers_stand_however_they_are_written() {
        for summary in ["Likes rose from 1200 to 1.234, that is 3 %.", "Juniper 24 did well.", "It went up.", "1\u{202f}234 likes"] {
            assert_eq!(check_summary(summary, &GIVEN), Ok(()), "{summary}");
        }
    }

    #[test]
    fn nonsense_does_not_stand() {
        assert_eq!(check_summary(" 24 ...", &GIVEN), Err(Unusable::Empty));
        assert_eq!(check_summary(&"likes ".repeat(300), &GIVEN), Err(Unusable::TooLong(1_800)));
        assert_eq!(check_summary("<fact>Likes rose.</fact>", &GIVEN), Err(Unusable::Tags));
        assert_eq!(check_summary("Likes rose by 34.", &GIVEN), Err(Unusable::Invented("34".into())));
        assert_eq!(check_summary("Likes rose to 12,340.", &GIVEN), Err(Unusable::Invented("12340".into())));
    }

    #[test]
    fn a_number_ends_where_the_sentence_does() {
        assert_eq!(numbers("It was 5. 6 came, 7,8 and 9."), ["5", "6", "78", "9"]);
    }
}
