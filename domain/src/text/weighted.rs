//! The weighted length of X, after `twitter-text` 3 (<https://github.com/twitter/twitter-text>, `config/v3.json` and the conformance suite).
//!
//! The text is brought into NFC; then a link weighs 23, an emoji 2 whatever it is made of, a character of the Latin, Greek, Cyrillic, Arabic, Hebrew
//! and some other scripts 1, every other 2. A name like `example.com` is a link without its `https://`. We keep no list of all top-level domains:
//! under one that we do not know, a name of three letters or more weighs whichever is more, so that a text is never longer than we say.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;
use unicode_normalization::UnicodeNormalization as _;
use url::{Host, Url};

use super::EntityKind;
use crate::platform::TextLimits;

/// `ranges` of `config/v3.json`: characters that weigh 1. All others weigh 2.
const LIGHT: [std::ops::RangeInclusive<u32>; 4] = [0..=4351, 8192..=8205, 8208..=8223, 8242..=8247];

/// Top-level domains of two letters that are none: everything else of two letters is a country, or may become one.
const NO_COUNTRY: &[&str] = &["js", "ts", "cs", "hs", "go", "vb", "md5", "rb", "db", "ok", "ui", "ux", "ai2"];

/// The common ones of more letters; the list is only there so that short names under them count exactly.
const COMMON: &[&str] = &[
    "academy",
    "agency",
    "app",
    "art",
    "berlin",
    "biz",
    "blog",
    "bot",
    "business",
    "cafe",
    "cat",
    "click",
    "cloud",
    "club",
    "codes",
    "com",
    "community",
    "company",
    "consulting",
    "design",
    "dev",
    "digital",
    "earth",
    "edu",
    "email",
    "energy",
    "events",
    "expert",
    "fashion",
    "finance",
    "fit",
    "fm",
    "food",
    "foundation",
    "fun",
    "games",
    "global",
    "gmbh",
    "gov",
    "group",
    "guide",
    "health",
    "host",
    "house",
    "info",
    "ink",
    "int",
    "jobs",
    "legal",
    "life",
    "link",
    "live",
    "london",
    "love",
    "ltd",
    "market",
    "marketing",
    "media",
    "menu",
    "mil",
    "mobi",
    "money",
    "museum",
    "name",
    "net",
    "network",
    "news",
    "ngo",
    "nyc",
    "one",
    "online",
    "org",
    "page",
    "paris",
    "partners",
    "photo",
    "photography",
    "pizza",
    "plus",
    "press",
    "pro",
    "production",
    "pub",
    "restaurant",
    "review",
    "run",
    "sale",
    "school",
    "science",
    "shop",
    "shopping",
    "show",
    "site",
    "social",
    "software",
    "solutions",
    "space",
    "store",
    "studio",
    "style",
    "support",
    "systems",
    "taxi",
    "team",
    "tech",
    "technology",
    "tips",
    "today",
    "tools",
    "top",
    "tours",
    "training",
    "travel",
    "vegas",
    "video",
    "vip",
    "website",
    "wien",
    "wiki",
    "win",
    "wine",
    "work",
    "works",
    "world",
    "wtf",
    "xyz",
    "yoga",
    "zone",
];

static EMOJI: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"[0-9#*]\u{fe0f}?\u{20e3}|[\u{1f1e6}-\u{1f1ff}]{2}|\p{Extended_Pictographic}(?:\u{fe0f}|\p{Emoji_Modifier})?[\u{e0020}-\u{e007f}]*(?:\u{200d}\p{Extended_Pictographic}(?:\u{fe0f}|\p{Emoji_Modifier})?)*",
    )
});
/// A name with at least one dot, and what belongs to an address after it.
static BARE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)((?:[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?\.)+[a-z]{2,63})((?::[0-9]+)?(?:/[^\s]*)?(?:\?[^\s]*)?)"));

fn pattern(text: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants of this file and every test here compiles them")]
    Regex::new(text).expect("a valid pattern")
}

/// The weighted length of `text`.
pub(super) fn weighted(text: &str, limits: &TextLimits) -> u32 {
    let text: String = text.nfc().collect();
    let link = limits.url_units.unwrap_or(23);
    let mut total: u32 = 0;
    let mut last = 0;
    for (span, at_least) in links(&text, limits) {
        total = total.saturating_add(plain(&text[last..span.start]));
        let written = if at_least { plain(&text[span.clone()]) } else { 0 };
        total = total.saturating_add(link.max(written));
        last = span.end;
    }
    total.saturating_add(plain(&text[last..]))
}

/// Without links.
fn plain(text: &str) -> u32 {
    let mut total: u32 = 0;
    let mut last = 0;
    for found in EMOJI.find_iter(text) {
        // `©` and `®` are letters unless a variation selector follows.
        let weight = if matches!(found.as_str(), "©" | "®") { 1 } else { 2 };
        total = total.saturating_add(characters(&text[last..found.start()])).saturating_add(weight);
        last = found.end();
    }
    total.saturating_add(characters(&text[last..]))
}

fn characters(text: &str) -> u32 {
    text.chars().map(|c| if LIGHT.iter().any(|light| light.contains(&u32::from(c))) { 1 } else { 2 }).fold(0, u32::saturating_add)
}

/// Where links stand, in order; with whether it is uncertain that X takes it for one.
fn links(text: &str, limits: &TextLimits) -> Vec<(Range<usize>, bool)> {
    let mut found: Vec<(Range<usize>, bool)> = super::entities(text, limits.platform)
        .into_iter()
        .filter(|entity| entity.kind == EntityKind::Link)
        .filter_map(|entity| {
            let end = entity.span.start + within(&entity.value);
            let known = host(&entity.value).and_then(|host| known(&host))?;
            Some((entity.span.start..end, !known))
        })
        .collect();
    let with_scheme = found.len();
    for bare in BARE.captures_iter(text) {
        let (Some(whole), Some(name)) = (bare.get(0), bare.get(1)) else { continue };
        let before = text[..whole.start()].chars().next_back();
        let apart = before.is_none_or(|c| !c.is_ascii_alphanumeric() && !"@＠$#＃-_./:".contains(c));
        let after = text[name.end()..].chars().next();
        let ends = after.is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '@' | '+' | '-'));
        let taken = found[..with_scheme].iter().any(|(span, _)| span.start < whole.end() && whole.start() < span.end);
        if !apart || !ends || taken {
            continue;
        }
        if let Some(known) = known(&name.as_str().to_ascii_lowercase()) {
            let end = whole.start() + within(trimmed(whole.as_str(), name.len()));
            found.push((whole.start()..end, !known));
        }
    }
    found.sort_by_key(|(span, _)| span.start);
    found
}

/// How much of an address X takes as such: it ends before the first character of a script that addresses do not have.
fn within(url: &str) -> usize {
    let path = url.find("://").map_or(0, |at| at + 3);
    let path = url[path..].find(['/', '?', '#']).map_or(url.len(), |at| at + path);
    let foreign = |c: char| {
        !(c.is_ascii()
            || ('\u{c0}'..='\u{24f}').contains(&c)
            || ('\u{300}'..='\u{36f}').contains(&c)
            || ('\u{400}'..='\u{4ff}').contains(&c))
    };
    url[path..].find(foreign).map_or(url.len(), |at| at + path)
}

/// Without the sentence's punctuation after it, but never shorter than its name.
fn trimmed(url: &str, name: usize) -> &str {
    let end = url.trim_end_matches(|c: char| c.is_ascii_punctuation() && !matches!(c, '/' | '_' | '-' | '=' | '&' | '+' | '#')).len();
    &url[..end.max(name)]
}

fn host(url: &str) -> Option<String> {
    match Url::parse(url).ok()?.host()? {
        Host::Domain(name) => Some(name.to_owned()),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// Whether the name is under a top-level domain that there is: `None` if it is none at all, `false` if we cannot tell.
fn known(host: &str) -> Option<bool> {
    let (rest, top) = host.rsplit_once('.')?;
    // RFC 1035: a label has 63 octets at most, also in Punycode.
    if host.split('.').any(|label| label.is_empty() || label.len() > 63) || rest.is_empty() {
        return None;
    }
    if top.starts_with("xn--") || COMMON.contains(&top) {
        return Some(true);
    }
    match top.len() {
        0 | 1 => None,
        2 => (top.bytes().all(|b| b.is_ascii_alphabetic()) && !NO_COUNTRY.contains(&top)).then_some(true),
        _ => top.bytes().all(|b| b.is_ascii_alphabetic()).then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Platform;

    fn x(text: &str) -> u32 {
        weighted(text, &Platform::X.into())
    }

    /// `WeightedTweetsWithDiscountedEmojiCounterTest` and `UnicodeDirectionalMarkerCounterTest` of the conformance suite, as it describes them.
    #[test]
    fn the_conformance_vectors_of_twitter_text_come_out() {
        let cjk = "故人西辞黄鹤楼，烟花三月下扬州。";
        let kana = "あいうえおかきくけこ";
        for (text, weight) in [
            ("Hi http://test.co".to_owned(), 26),
            ("http://test.co".to_owned(), 23),
            (format!("285 chars-{}", "xxxxxxxxxx-".repeat(25)), 285),
            (format!("285 chars- http://www.twitter.com/jack {}", "xxxxxxxxxx-".repeat(22)), 11 + 23 + 1 + 242),
            ("https://www.twitter.com/aloha ".repeat(10), 240),
            (cjk.repeat(10), 320),
            (format!("the{}", cjk.repeat(10)), 323),
            ("😷".repeat(160), 320),
            ("A\u{301}B".to_owned(), 2),
            ("A\u{5e9}\u{5bc}\u{5c1}".to_owned(), 4),
            ("H🐱☺👨‍👩‍👧‍👦".to_owned(), 7),
            ("😷👾😡🔥💩".to_owned(), 10),
            ("🙋🏽👨‍🎤".to_owned(), 4),
            ("👨‍👩‍👧‍👦".repeat(140), 280),
            ("1⃣".to_owned(), 2),
            ("Unicode 10.0 emoji: 🤪; 🧕; 🧕🏾; 🏴󠁧󠁢󠁥󠁮󠁧󠁿".to_owned(), 34),
            ("Unicode 9.0 emoji: 🤠; 💃; 💃🏾".to_owned(), 29),
            ("randomurlrandomurlrandomurlrandomurlrandomurlrandomurlrandomurls.com".to_owned(), 68),
            (format!("{} http://{}あい.com", kana.repeat(12), kana.repeat(5)), 264),
            (format!("{} http://{}あいう.com", kana.repeat(12), kana.repeat(5)), 358),
            ("ABC\u{202a}\u{ffff}ABC\u{fffe}".to_owned(), 12),
            ("\u{2066}\u{202a}http://foobar.پاکستان/\u{202c}\u{2069}".to_owned(), 31),
            ("‐ ‑ ‒ – — ― ‖  ‗ ‘ ’ ‚ ‛ “ ” „ ‟ ′ ″ ‴ ‵ ‶ ‷".to_owned(), 44),
        ] {
            assert_eq!(x(&text), weight, "{text}");
        }
    }

    #[test]
    fn a_name_without_a_scheme_is_a_link_too() {
        assert_eq!(x("example.com"), 23);
        assert_eq!(x("See example.com."), 4 + 23 + 1);
        assert_eq!(x("(example.com/a?b=c), d"), 1 + 23 + 1 + 1 + 2);
        assert_eq!(x("bakery.de and node.js"), 23 + 5 + 7);
        assert_eq!(x("https://example.com/日本"), 20 + 3 + 4, "Japanese ends the address");
        assert_eq!(x("write to ann@example.com"), 24, "an address of e-mail is none");
        assert_eq!(x("v1.2.3, e.g. 3.50 €"), 19 + 1);
        assert_eq!(x("https://127.0.0.1/a"), 19);
        assert_eq!(x("V.https://a.io/K"), 1 + 1 + 23, "what stands before an address does not swallow it");
    }

    #[test]
    fn under_an_unknown_domain_the_longer_count_holds() {
        assert_eq!(x("read notes.txt"), 5 + 23);
        assert_eq!(x(&format!("https://example.unknowable/{}", "x".repeat(30))), 57);
    }

    #[test]
    fn letters_weigh_one_and_other_signs_two() {
        assert_eq!(x("Größe, Москва, Ελλάδα"), 21);
        assert_eq!(x("한국어"), 6);
        assert_eq!(x("© 2026 ™"), 7 + 2);
        assert_eq!(x("©️"), 2);
        assert_eq!(x("🇩🇪🇫🇷"), 4);
    }
}
