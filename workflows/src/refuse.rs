//! Refusals that a caller is to see: a code that the API turns into a problem document, and a sentence.
//!
//! They travel as terminal errors with the text `code: sentence`; [`parse`] takes them apart again on the other side of the engine.

use std::fmt;

use restate_sdk::prelude::TerminalError;

/// The request contradicts the present state (409).
pub fn conflict(code: &str, sentence: impl fmt::Display) -> TerminalError {
    TerminalError::new_with_code(409, format!("{code}: {sentence}"))
}

/// The request cannot be carried out as it is (422).
pub fn unprocessable(code: &str, sentence: impl fmt::Display) -> TerminalError {
    TerminalError::new_with_code(422, format!("{code}: {sentence}"))
}

/// Somebody else has to be asked first and does not answer now (503).
pub fn unavailable(code: &str, sentence: impl fmt::Display) -> TerminalError {
    TerminalError::new_with_code(503, format!("{code}: {sentence}"))
}

/// Code and sentence of a refusal's text.
#[must_use]
pub fn parse(text: &str) -> Option<(&str, &str)> {
    let (code, sentence) = text.split_once(": ")?;
    (!code.is_empty() && code.chars().all(|c| c.is_ascii_lowercase() || c == '-')).then_some((code, sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_back_and_other_text_is_not_mistaken_for_one() {
        assert_eq!(parse(conflict("post-not-schedulable", "it is sent").message()), Some(("post-not-schedulable", "it is sent")));
        assert_eq!(parse("Bad gateway: no"), None);
        assert_eq!(parse("nothing"), None);
    }
}
