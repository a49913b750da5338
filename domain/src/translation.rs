//! What a translation must leave as it is: names, handles, links, hashtags and numbers. Before: hide them from the translator. After: check.

mod protect;

use std::sync::LazyLock;

use regex::Regex;

use crate::{
    platform::Platform,
    policy::{Lint, Rule, Severity},
    text::{Entity, EntityKind, Span, entities},
};

pub use self::protect::{Protected, RestoreError, protect, restore};

/// Compares a translation with its source: what it lost and what it made up. Empty if all is kept. Spans are those of `translated`, for what is
/// there and should not be. `names` are kept as written, whatever the language.
///
/// Numbers are compared by their digits, because languages group and point them differently (`1,000.50`, `1.000,50`); a single digit may
/// have become a word and is only a warning.
#[must_use]
pub fn check(source: &str, translated: &str, names: &[String], platform: Platform) -> Vec<Lint> {
    let mut lints = Vec::new();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let (wanted, kept) = (occurrences(source, name), occurrences(translated, name));
        if wanted > 0 && kept == 0 {
            lints.push(Lint::new(Rule::TranslationLost, Severity::Error, None, format!("the name `{name}` is lost")));
        }
    }
    let (before, after) = (entities(source, platform), entities(translated, platform));
    for (kind, what) in [(EntityKind::Mention, "handle"), (EntityKind::Link, "link"), (EntityKind::Hashtag, "hashtag")] {
        let of = |list: &[Entity]| list.iter().filter(|e| e.kind == kind).map(|e| (e.value.clone(), e.span)).collect::<Vec<_>>();
        // Nobody is harmed by one hashtag more.
        let added = if kind == EntityKind::Hashtag { Severity::Warning } else { Severity::Error };
        compare(&of(&before), &of(&after), what, |_| Severity::Error, added, &mut lints);
    }
    let numbers = |text: &str, list: &[Entity]| -> Vec<(String, Span)> {
        NUMBER
            .find_iter(text)
            .map(|found| (Span { start: found.start(), end: found.end() }, found.as_str()))
            .filter(|(span, _)| !list.iter().any(|entity| entity.span.overlaps(*span)))
            .map(|(span, number)| (number.chars().filter(|c| c.is_numeric()).collect(), span))
            .collect()
    };
    let by_length = |number: &str| if number.chars().count() < 2 { Severity::Warning } else { Severity::Error };
    compare(&numbers(source, &before), &numbers(translated, &after), "number", by_length, Severity::Warning, &mut lints);
    lints
}

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
    Regex::new(r"\p{Nd}+(?:[.,'’\u{a0}\u{202f}]\p{Nd}+)*").expect("a valid pattern")
});

/// Both as bags: what the source has more often is lost, what the translation has more often is added.
fn compare(
    source: &[(String, Span)],
    translated: &[(String, Span)],
    what: &str,
    lost: impl Fn(&str) -> Severity,
    added: Severity,
    lints: &mut Vec<Lint>,
) {
    let mut left: Vec<&(String, Span)> = translated.iter().collect();
    for (value, _) in source {
        if let Some(at) = left.iter().position(|(other, _)| other == value) {
            left.remove(at);
        } else {
            lints.push(Lint::new(Rule::TranslationLost, lost(value), None, format!("the {what} `{value}` is lost")));
        }
    }
    for (value, span) in left {
        lints.push(Lint::new(Rule::TranslationAdded, added, *span, format!("the {what} `{value}` is not in the source")));
    }
}

/// How often the name stands on its own; as a part of a longer word (`Korn` in `Kornfeld`) it does not.
fn occurrences(text: &str, name: &str) -> usize {
    name_spans(text, name).len()
}

/// Where the name stands on its own. An ending that a language hangs onto names (`Kornfelds`, `Kornfeld's`) does not make it another word,
/// so that only letters before it and more than two letters behind it count against it.
fn name_spans(text: &str, name: &str) -> Vec<Span> {
    text.match_indices(name)
        .filter(|(at, _)| {
            let open = !text[..*at].ends_with(char::is_alphanumeric);
            let tail = text[at + name.len()..].chars().take_while(|c| c.is_alphanumeric()).count();
            open && tail <= 2
        })
        .map(|(start, _)| Span { start, end: start + name.len() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "Kornfeld bakes 1,250.50 loaves for @ann@social.example: https://example.com/a #bread in 3 shops";

    fn check_all(translated: &str) -> Vec<(Rule, Severity, String)> {
        let lints = check(SOURCE, translated, &["Kornfeld".to_owned(), "Nobody".to_owned()], Platform::Mastodon);
        lints.into_iter().map(|lint| (lint.rule, lint.severity, lint.message)).collect()
    }

    #[test]
    fn a_faithful_translation_passes() {
        assert_eq!(check_all("Kornfelds Öfen backen 1.250,50 Brote für @ann@social.example: https://example.com/a #bread in 3 Läden"), []);
    }

    #[test]
    fn everything_that_is_lost_is_named() {
        let lost = |severity, message: &str| (Rule::TranslationLost, severity, message.to_owned());
        assert_eq!(
            check_all("Kornfeldbäckerei backt Brote"),
            [
                lost(Severity::Error, "the name `Kornfeld` is lost"),
                lost(Severity::Error, "the handle `ann@social.example` is lost"),
                lost(Severity::Error, "the link `https://example.com/a` is lost"),
                lost(Severity::Error, "the hashtag `bread` is lost"),
                lost(Severity::Error, "the number `125050` is lost"),
                lost(Severity::Warning, "the number `3` is lost"),
            ]
        );
    }

    #[test]
    fn what_is_made_up_is_shown_where_it_stands() {
        let translated = format!("{SOURCE} https://evil.example @bob #more 99");
        let lints = check(SOURCE, &translated, &[], Platform::Mastodon);
        let shown: Vec<_> = lints.iter().map(|lint| (lint.rule, lint.severity, lint.span.unwrap().of(&translated))).collect();
        assert_eq!(
            shown,
            [
                (Rule::TranslationAdded, Severity::Error, "@bob"),
                (Rule::TranslationAdded, Severity::Error, "https://evil.example"),
                (Rule::TranslationAdded, Severity::Warning, "#more"),
                (Rule::TranslationAdded, Severity::Warning, "99"),
            ]
        );
    }

    #[test]
    fn a_link_that_changed_is_lost_and_added() {
        let changed = SOURCE.replace("/a", "/de/a");
        assert_eq!(check_all(&changed).iter().map(|(rule, ..)| *rule).collect::<Vec<_>>(), [Rule::TranslationLost, Rule::TranslationAdded]);
    }
}
