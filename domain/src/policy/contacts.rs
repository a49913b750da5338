//! E-mail addresses and phone numbers: models make them up, and people forget them.

use std::sync::LazyLock;

use regex::Regex;

use crate::text::Span;

static EMAIL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)[\p{L}\p{N}._%+-]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+\p{L}{2,24}"));
/// Digits with what people put between them. What it is, the number's shape decides.
static DIGITS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:\+|\(\+?)?\d(?:[ \u{a0}\u{202f}]?[-./()–]?[ \u{a0}\u{202f}]?\d){5,17}"));
static CALL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:\b(?:tel|phone|telephone|telefon|call|ring|mobile|mobil|handy|whatsapp|sms|hotline|fax|anruf\w*|ruf\w*)\b[^\d\n]{0,20}|☎️?\s*|📞\s*)$",
    )
});
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./] ?\d{1,2}[-./] ?(?:\d{4}|\d{2})|\d{4} ?[-–/] ?\d{4}|\d{1,2}\.\d{1,2}\. ?[-–] ?\d{1,2}\.\d{1,2}(?:\.\d{2,4})?)(?:$|[^\d])",
    )
});
/// The North American form, which carries no prefix: `555-010-4477`, `(555) 010-4477`.
static NANP: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:1[-. ])?(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-. ]\d{4}$"));

fn pattern(text: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants of this file and every test here compiles them")]
    Regex::new(text).expect("a valid pattern")
}

/// E-mail addresses in the text.
pub(super) fn emails(text: &str) -> Vec<Span> {
    EMAIL
        .find_iter(text)
        // `@ann@social.example` is a handle: what precedes an address does not touch another `@`.
        .filter(|found| !text[..found.start()].ends_with('@'))
        .map(|found| Span { start: found.start(), end: found.end() })
        .collect()
}

/// Phone numbers in the text: an international or trunk prefix, a North American shape, or a word before it that says so; not dates,
/// amounts, or decimals.
pub(super) fn phones(text: &str) -> Vec<Span> {
    DIGITS
        .find_iter(text)
        .filter(|found| is_phone(text, found.start(), found.as_str()))
        .map(|found| Span { start: found.start(), end: found.end() })
        .collect()
}

fn is_phone(text: &str, start: usize, number: &str) -> bool {
    let before = &text[..start];
    let after = &text[start + number.len()..];
    // Part of a word, a longer number, a hashtag or an amount.
    if before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '#' | '_' | '.' | ',' | '$' | '€' | '£' | ':' | '/' | '='))
        || after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '%' | '€' | '_'))
        || after.trim_start().starts_with(['€', '%'])
    {
        return false;
    }
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    if !(6..=15).contains(&digits) || DATE.is_match(number) {
        return false;
    }
    let prefixed = number.starts_with('+') || number.starts_with("(+") || number.starts_with("00") || trunk(number);
    (digits >= 7 && prefixed) || NANP.is_match(number) || CALL.is_match(before)
}

/// A national number with its trunk zero: `030 123456`, `(030) 123456`, but no decimal such as `0.1234567`.
fn trunk(number: &str) -> bool {
    let number = number.trim_start_matches('(');
    number.starts_with('0') && number.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, find: fn(&str) -> Vec<Span>) -> Vec<&str> {
        find(text).into_iter().map(|span| span.of(text)).collect()
    }

    #[test]
    fn addresses_are_found_and_handles_are_not() {
        assert_eq!(
            pieces("Write to ann.b+c@mail.example.com, or ö@bücher.example!", emails),
            ["ann.b+c@mail.example.com", "ö@bücher.example"]
        );
        assert_eq!(pieces("@ann@social.example @bob.bsky.social a@b 5@2.50", emails), [""; 0]);
    }

    #[test]
    fn numbers_that_one_can_call_are_found() {
        for number in [
            "+49 30 901820",
            "+1 (555) 010-4477",
            "(555) 010-4477",
            "555-010-4477",
            "555.010.4477",
            "030/901820-44",
            "0049 30 901820",
            "0170 1234567",
            "(030) 9018200",
            "+44 20 7946 0958",
        ] {
            assert_eq!(pieces(&format!("Ring us: {number}, today"), phones), [number]);
            assert_eq!(pieces(&format!("We are {number}."), phones), [number]);
        }
        assert_eq!(pieces("Tel.: 901820", phones), ["901820"]);
    }

    #[test]
    fn other_numbers_are_not() {
        for text in [
            "2026-11-21",
            "on 01.12.2026",
            "1.12.2026 - 3",
            "2019-2024",
            "2019 – 2024",
            "1,000,000 people",
            "1.000.000 Menschen",
            "pi is 3.1415926535",
            "0.1234567",
            "09:30-10:45",
            "£1200000",
            "1 200 000 €",
            "order 12345678",
            "#0123456789",
            "v0.12.3456",
            "ISBN 978-3-16-148410-0",
            "03.05. - 07.05.2026",
        ] {
            assert_eq!(pieces(text, phones), [""; 0], "{text}");
        }
    }
}
