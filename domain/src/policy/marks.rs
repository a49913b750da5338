//! What a template, a model or a hurried writer leaves unfilled.

use std::sync::LazyLock;

use regex::Regex;

use crate::text::Span;

static MARKS: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
    Regex::new(concat!(
        // {{name}}, {% if %}, ${name}, {name}, <%= name %>
        r"\{\{[^{}]*\}\}|\{%[^{}]*%\}|\$\{[^{}]*\}|\{[\p{L}_][\p{L}\p{N}_ .:|-]{0,40}\}|<%[^>]*%>|\{\{|\}\}|",
        // <company>, <Name einfügen>: also a forgotten HTML tag, which a platform would show as written.
        r"</?[\p{L}_][\p{L}\p{N}_ -]{0,40}/?>|",
        // [INSERT LINK], [your name here], [Firmenname], [link]
        r"\[(?:(?i:insert|add|enter|fill|your|our|company|brand|product|customer|recipient|placeholder|tbd|tba|todo|xxx|hier|ihr|ihre|dein|deine|firma|firmen|produkt|marke|platzhalter)\b[^\[\]]{0,60}",
        r"|(?i:firmenname|markenname|produktname|name|link|url|date|datum|time|uhrzeit|city|ort|stadt|price|preis|hashtags?|emoji|cta|handle|website|titel|title|vorname|nachname|first name|last name)",
        r"|[^\[\]]{0,60}(?i:einfügen|eintragen|ergänzen|here)",
        r"|\p{Lu}[\p{Lu}\p{N}_ /-]{2,40})\]|",
        // %s, %d, %1$s, %(name)s, %NAME%
        r"%(?:\d+\$)?[sd]\b|%\([\p{L}_]+\)[sd]|%[A-Z_]{3,}%|",
        // __NAME__, lorem ipsum, TODO, TBD, XXX
        r"__[A-Z][A-Z0-9_]*__|(?i:lorem ipsum)|\b(?:TODO|TBD|FIXME|XXX+)\b",
    ))
    .expect("a valid pattern")
});

/// Template marks in the text.
pub(super) fn marks(text: &str) -> Vec<Span> {
    MARKS
        .find_iter(text)
        // `50%s` is a discount with a slip, `100%sicher` one with a missing space.
        .filter(|found| !(found.as_str().starts_with('%') && text[..found.start()].ends_with(|c: char| c.is_ascii_digit())))
        .map(|found| Span { start: found.start(), end: found.end() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfilled_marks_are_found_whole() {
        for mark in [
            "{{name}}",
            "{{ user.name }}",
            "{name}",
            "${link}",
            "{% if x %}",
            "<%= name %>",
            "<company>",
            "<Firma>",
            "</b>",
            "[INSERT LINK]",
            "[Insert product name]",
            "[your name here]",
            "[LINK]",
            "[link]",
            "[Firmenname]",
            "[Name einfügen]",
            "[Ihr Produkt]",
            "[COMPANY_NAME]",
            "%s",
            "%1$s",
            "%(name)s",
            "%NAME%",
            "__NAME__",
            "Lorem ipsum",
            "TODO",
            "TBD",
            "XXX",
        ] {
            let text = format!("Grüße, {mark} – bye");
            assert_eq!(marks(&text).iter().map(|span| span.of(&text)).collect::<Vec<_>>(), [mark]);
        }
    }

    #[test]
    fn finished_text_has_none() {
        for text in [
            "50% off, 100%sicher",
            "1 < 2 and 3 > 2",
            "I <3 you",
            "[1] a footnote, [sic]",
            "{1, 2}",
            "(your name)",
            "<https://example.com>",
            "5 %",
            "a todo list",
            "we said [they] came",
            "snake_case__x",
            "[Ort der Stille] ist ein Buch",
            "links <- rechts ->",
        ] {
            assert_eq!(marks(text), [], "{text}");
        }
    }
}
