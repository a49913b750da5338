//! Whether somebody said that there are to be no hashtags.

use std::sync::LazyLock;

use regex::Regex;

/// `No hashtags.`, `never use hashtags`, `without any hashtags`, `keine Hashtags`, `auf Hashtags verzichten`; not `no more than two hashtags`.
static NONE: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
    Regex::new(concat!(
        r"(?i)\b(?:no|without|never|avoid|skip|omit|keine|keinerlei|ohne|nie|niemals|(?:do not|don['’]t)(?: want| like)?)",
        r"(?: (?:use|uses|using|add|adding|put|set|write|any|irgendwelche|verwende|benutze|setze))* (?:#|hash ?tags?)(?:$|[^\w])",
        r"|\bhash ?tags?: (?:no|none|never|keine|nie)\b|\b(?:auf hashtags verzichten|verzichte[nt]? (?:bitte )?auf hashtags|hashtags vermeiden)\b"
    ))
    .expect("a valid pattern")
});
/// What turns a refusal into a choice.
static BUT: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
    Regex::new(r"(?i)\b(?:but|except|other than|unless|besides|außer|bis auf|sondern)\b").expect("a valid pattern")
});

/// Whether a sentence of `text` (guidelines, a brief's constraint) says that there are to be no hashtags at all. One that makes exceptions does not:
/// which tags are meant then is for the writer to read, and the brand's own tags come first anyway.
#[must_use]
pub fn refuses_hashtags(text: &str) -> bool {
    text.split(['.', '!', ';', '\n']).any(|sentence| NONE.is_match(sentence) && !BUT.is_match(sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_heard_and_a_limit_is_none() {
        for refusal in [
            "No hashtags.",
            "We talk plainly. We never use hashtags. And no emoji.",
            "without any hashtags",
            "Please don’t use hashtags",
            "Kurze Sätze, keine Hashtags!",
            "Bitte auf Hashtags verzichten",
            "Hashtags: none",
        ] {
            assert!(refuses_hashtags(refusal), "{refusal}");
        }
        for other in [
            "No more than two hashtags.",
            "Never without our hashtags",
            "No hashtags but #roast.",
            "Keine Hashtags außer #Röstung",
            "No emoji. Hashtags are fine.",
            "Use hashtags sparingly, no shouting.",
            "",
        ] {
            assert!(!refuses_hashtags(other), "{other}");
        }
    }
}
