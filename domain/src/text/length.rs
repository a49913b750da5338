//! How long a text is in the eyes of a platform.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;
use url::{Host, Url};

use super::{EntityKind, entities, weighted::weighted};
use crate::platform::{Counting, TextLimits};

/// The length of a text against the limits it was measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextLength {
    /// Its length in the platform's units.
    pub units: u32,
    /// The most units allowed.
    pub limit: u32,
    /// Its length in UTF-8 bytes, where the platform limits them.
    pub bytes: Option<u32>,
    /// The most bytes allowed, where the platform limits them.
    pub byte_limit: Option<u32>,
    /// Whether every limit is kept.
    pub fits: bool,
}

/// Measures `text` as the platform does: see [`Counting`].
#[must_use]
pub fn length(text: &str, limits: &TextLimits) -> TextLength {
    let units = match limits.counting {
        Counting::Graphemes => graphemes(text),
        Counting::GraphemesWithConcessions => graphemes(&with_concessions(text, limits)),
        Counting::CodePoints => saturating(text.chars().count()),
        Counting::Utf16Units => saturating(text.encode_utf16().count()),
        Counting::Bytes => saturating(text.len()),
        Counting::GraphemesEmojiBytes => saturating(text.graphemes(true).map(|one| if is_emoji(one) { one.len() } else { 1 }).sum()),
        Counting::Weighted => weighted(text, limits),
    };
    let bytes = limits.bytes.map(|_| saturating(text.len()));
    let fits = units <= limits.units && bytes.zip(limits.bytes).is_none_or(|(used, most)| used <= most);
    TextLength { units, limit: limits.units, bytes, byte_limit: limits.bytes, fits }
}

/// The text as Mastodon's `countable_text` rewrites it before it counts: placeholders for links, no domains in mentions. Rewriting instead of
/// adding up keeps the grapheme rules right where a combining mark follows.
fn with_concessions(text: &str, limits: &TextLimits) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    for entity in entities(text, limits.platform) {
        out.push_str(&text[last..entity.span.start]);
        match (entity.kind, limits.url_units) {
            (EntityKind::Link, Some(weight)) if weighs_as_link(&entity.value) => out.extend((0..weight).map(|_| 'x')),
            (EntityKind::Mention, _) => {
                out.push('@');
                out.push_str(entity.value.split('@').next().unwrap_or_default());
            }
            _ => out.push_str(entity.span.of(text)),
        }
        last = entity.span.end;
    }
    out.push_str(&text[last..]);
    out
}

/// Whether Mastodon recognises the URL. It wants a host under a known top-level domain; we keep no list of them, so the reserved names
/// of RFC 2606, RFC 6761 and RFC 9476 and addresses count as written.
fn weighs_as_link(url: &str) -> bool {
    const RESERVED: &[&str] = &["test", "invalid", "localhost", "local", "internal", "lan", "home", "onion", "alt", "example"];
    let Ok(url) = Url::parse(url) else { return false };
    let Some(Host::Domain(host)) = url.host() else { return false };
    host.rsplit_once('.').is_some_and(|(_, top)| {
        (top.starts_with("xn--") || (top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic()))) && !RESERVED.contains(&top)
    })
}

/// Whether people see an emoji: a pictograph, a flag, or a keycap. The signs that are pictographs by Unicode only (©, ™) are among them, so that the
/// count errs on the long side.
fn is_emoji(grapheme: &str) -> bool {
    static EMOJI: LazyLock<Regex> = LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "a constant pattern, compiled by the tests of this file")]
        Regex::new(r"[\p{Extended_Pictographic}\p{Regional_Indicator}\x{20E3}]").expect("a valid pattern")
    });
    !grapheme.is_ascii() && EMOJI.is_match(grapheme)
}

fn graphemes(text: &str) -> u32 {
    saturating(text.graphemes(true).count())
}

fn saturating(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::Platform;

    fn mastodon(text: &str) -> u32 {
        length(text, &Platform::Mastodon.into()).units
    }

    #[test]
    fn mastodon_counts_links_as_23_and_mentions_without_their_server() {
        assert_eq!(mastodon("hello"), 5);
        assert_eq!(mastodon("https://a.io"), 23, "a short link is not cheaper");
        assert_eq!(mastodon(&format!("https://example.com/{}", "x".repeat(400))), 23);
        assert_eq!(mastodon("see https://example.com/a."), 4 + 23 + 1);
        assert_eq!(mastodon("@ann@social.example.com hi"), "@ann hi".len() as u32);
        assert_eq!(mastodon("@ann hi"), 7);
        assert_eq!(mastodon("example.com/path"), 16, "no scheme, no link");
        assert_eq!(mastodon("http://127.0.0.1:8080/l/abc"), 27, "an address is no link to Mastodon");
        assert_eq!(mastodon("ann@social.example.com"), 22, "an address is no mention");
    }

    fn counts_graphemes(platform: Platform) -> bool {
        matches!(platform.capabilities().counting, Counting::Graphemes | Counting::GraphemesWithConcessions)
    }

    #[test]
    fn a_platform_that_counts_graphemes_counts_what_people_see() {
        for platform in Platform::ALL.iter().filter(|platform| counts_graphemes(**platform)) {
            for one in ["é", "e\u{301}", "👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "ก็"] {
                assert_eq!(length(one, &(*platform).into()).units, 1, "{one}");
            }
        }
    }

    #[test]
    fn others_count_what_a_machine_sees() {
        let units = |text: &str, counting| length(text, &TextLimits { counting, ..Platform::Slack.into() }).units;
        for (text, points, pairs, bytes) in [("é", 1, 1, 2), ("e\u{301}", 2, 2, 3), ("🇩🇪", 2, 4, 8), ("👩‍👩‍👧‍👦", 7, 11, 25)]
        {
            let counted = [Counting::CodePoints, Counting::Utf16Units, Counting::Bytes].map(|counting| units(text, counting));
            assert_eq!(counted, [points, pairs, bytes], "{text}");
        }
    }

    #[test]
    fn the_limit_is_the_last_length_that_fits() {
        for (platform, most) in [(Platform::Mastodon, 500), (Platform::Bluesky, 300)] {
            let limits = TextLimits::from(platform);
            assert!(length(&"ä".repeat(most), &limits).fits);
            assert!(!length(&"ä".repeat(most + 1), &limits).fits);
        }
    }

    #[test]
    fn threads_counts_the_bytes_of_an_emoji_and_what_people_see_of_all_else() {
        let limits = TextLimits::from(Platform::Threads);
        for (text, units) in [
            ("Grüße", 5),
            ("e\u{301}", 1),
            ("日本語", 3),
            ("1 #", 3),
            ("🙂", 4),
            ("👍🏽", 8),
            ("👩‍👩‍👧‍👦", 25),
            ("🇩🇪", 8),
            ("1\u{fe0f}\u{20e3}", 7),
            ("❤\u{fe0f}", 6),
            ("https://example.com/a", 21),
        ] {
            assert_eq!(length(text, &limits).units, units, "{text}");
        }
        assert!(length(&"ä".repeat(500), &limits).fits && !length(&"ä".repeat(501), &limits).fits);
        assert!(length(&"🙂".repeat(125), &limits).fits && !length(&"🙂".repeat(126), &limits).fits);
    }

    #[test]
    fn bluesky_counts_bytes_too() {
        let family = "👩‍👩‍👧‍👦"; // 25 bytes, one grapheme
        let limits = TextLimits::from(Platform::Bluesky);
        let measured = length(&family.repeat(121), &limits);
        assert_eq!((measured.units, measured.bytes, measured.fits), (121, Some(3025), false));
        assert!(length(&family.repeat(120), &limits).fits);
        assert_eq!(length("https://example.com/a", &limits).units, 21, "links count as written");
    }

    proptest! {
        #[test]
        fn never_panics_and_plain_text_counts_its_graphemes(text in r"\PC{0,80}") {
            for platform in Platform::ALL {
                let limits = TextLimits::from(*platform);
                let measured = length(&text, &limits);
                prop_assert_eq!(measured.fits, measured.units <= limits.units && text.len() <= limits.bytes.unwrap_or(u32::MAX) as usize);
                if counts_graphemes(*platform) && !text.contains(['@', ':']) {
                    prop_assert_eq!(measured.units as usize, text.graphemes(true).count());
                }
            }
        }
    }
}
