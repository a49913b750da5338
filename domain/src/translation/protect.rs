//! Placeholders in place of what a translator must not touch.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

use super::name_spans;
use crate::{
    platform::Platform,
    text::{Span, entities},
};

/// A text with numbered placeholders (`⟦0⟧`), and what they stand for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protected {
    /// What the translator gets.
    pub text: String,
    /// What placeholder `n` stands for.
    pub kept: Vec<String>,
}

/// The translation did not keep the placeholders; translate again or keep the source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// These are not in the translation.
    #[error("the translation lost {0:?}")]
    Lost(Vec<String>),
    /// These were never given out.
    #[error("the translation has placeholders that the source has not: {0:?}")]
    Unknown(Vec<usize>),
}

/// Rare brackets that models and translators pass on; whoever spaces them or sets them in full width is understood.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
    Regex::new(r"[⟦〚]\s*([0-9]{1,4})\s*[⟧〛]").expect("a valid pattern")
});

/// Puts placeholders in place of links, handles, hashtags and the `names`. What looks like a placeholder in the source is protected as well, so
/// that it comes back as it was.
#[must_use]
pub fn protect(text: &str, names: &[String], platform: Platform) -> Protected {
    let mut spans: Vec<Span> = entities(text, platform).into_iter().map(|entity| entity.span).collect();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        spans.extend(name_spans(text, name));
    }
    spans.extend(PLACEHOLDER.find_iter(text).map(|found| Span { start: found.start(), end: found.end() }));
    // The earlier, and of two at one place the longer, wins.
    spans.sort_by_key(|span| (span.start, usize::MAX - span.end));
    let mut protected = Protected { text: String::with_capacity(text.len()), kept: Vec::new() };
    let mut last = 0;
    for span in spans {
        if span.start < last {
            continue;
        }
        protected.text.push_str(&text[last..span.start]);
        protected.text.push_str(&format!("⟦{}⟧", protected.kept.len()));
        protected.kept.push(span.of(text).to_owned());
        last = span.end;
    }
    protected.text.push_str(&text[last..]);
    protected
}

/// Puts back what the placeholders stand for, wherever the translation moved them. One may appear twice, where a language needs that.
///
/// # Errors
/// [`RestoreError`] if a placeholder is gone or made up.
pub fn restore(translated: &str, protected: &Protected) -> Result<String, RestoreError> {
    let mut used = BTreeSet::new();
    let mut unknown = Vec::new();
    let restored = PLACEHOLDER.replace_all(translated, |found: &Captures<'_>| {
        let number = found[1].parse().unwrap_or(usize::MAX);
        match protected.kept.get(number) {
            Some(kept) => {
                used.insert(number);
                kept.clone()
            }
            None => {
                unknown.push(number);
                found[0].to_owned()
            }
        }
    });
    let lost: Vec<String> = protected.kept.iter().enumerate().filter(|(n, _)| !used.contains(n)).map(|(_, kept)| kept.clone()).collect();
    if !lost.is_empty() {
        return Err(RestoreError::Lost(lost));
    }
    if unknown.is_empty() { Ok(restored.into_owned()) } else { Err(RestoreError::Unknown(unknown)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Protected {
        protect("Kornfeld and @ann@social.example at https://example.com/Kornfeld #bread", &["Kornfeld".to_owned()], Platform::Mastodon)
    }

    #[test]
    fn a_translator_sees_no_name_link_handle_or_tag() {
        let protected = sample();
        assert_eq!(protected.text, "⟦0⟧ and ⟦1⟧ at ⟦2⟧ ⟦3⟧");
        assert_eq!(protected.kept, ["Kornfeld", "@ann@social.example", "https://example.com/Kornfeld", "#bread"]);
    }

    #[test]
    fn placeholders_may_move_and_be_spaced() {
        let restored = restore("⟦3⟧: bei 〚 2 〛 sind ⟦ 1 ⟧ und ⟦0⟧s Leute, ⟦0⟧", &sample()).unwrap();
        assert_eq!(restored, "#bread: bei https://example.com/Kornfeld sind @ann@social.example und Kornfelds Leute, Kornfeld");
    }

    #[test]
    fn lost_and_invented_placeholders_are_errors() {
        assert_eq!(restore("⟦0⟧ ⟦1⟧ ⟦3⟧", &sample()), Err(RestoreError::Lost(vec!["https://example.com/Kornfeld".to_owned()])));
        assert_eq!(restore("⟦0⟧ ⟦1⟧ ⟦2⟧ ⟦3⟧ ⟦7⟧", &sample()), Err(RestoreError::Unknown(vec![7])));
    }

    proptest! {
        #[test]
        fn restoring_untouched_text_gives_the_source(text in r"(\PC|⟦|⟧|[0-9]|⟦1⟧|Kornfeld|https://a\.io/x |@ann |#tag ){0,40}") {
            for platform in Platform::ALL {
                let protected = protect(&text, &["Kornfeld".to_owned(), "Korn".to_owned()], *platform);
                prop_assert_eq!(restore(&protected.text, &protected).unwrap(), text.clone());
            }
        }
    }
}
