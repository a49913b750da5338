//! What X does to a text: it weighs it, wraps its links and escapes it.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

/// The longest text of an account without a subscription, weighted.
pub(super) const MOST: usize = 280;

static LINK: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by the tests of this file")]
    Regex::new(r"https?://[^\s<>]*[^\s<>.,;:!?)]").expect("a valid pattern")
});

/// Near enough to `twitter-text` to refuse what is too long: links weigh 23, wide characters 2, what only joins an emoji nothing.
pub(super) fn weight(text: &str) -> usize {
    let light = |c: char| matches!(u32::from(c), 0..=4351 | 8192..=8205 | 8208..=8223 | 8242..=8247);
    let joins = |c: char| matches!(c, '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}');
    let links = LINK.find_iter(text).count();
    let rest = LINK.replace_all(text, "");
    let mut joined = false;
    let mut weight = 23 * links;
    for c in rest.chars() {
        if c == '\u{200d}' {
            joined = true;
        } else if !joins(c) && !std::mem::take(&mut joined) {
            weight += if light(c) { 1 } else { 2 };
        }
    }
    weight
}

/// The text as lists show it, and the links in it: wrapped in `t.co`, then escaped. `media` is the address of what hangs on the post.
pub(super) fn shown(id: &str, text: &str, media: Option<&str>) -> (String, Vec<Value>) {
    let mut urls = Vec::new();
    let mut wrap = |expanded: &str| {
        let url = format!("https://t.co/{id}{}", urls.len());
        urls.push(json!({ "url": url, "expanded_url": expanded, "display_url": expanded.split("://").last() }));
        url
    };
    let mut out = LINK.replace_all(text, |found: &regex::Captures<'_>| wrap(&found[0])).into_owned();
    if let Some(media) = media {
        let url = wrap(media);
        out = if out.is_empty() { url } else { format!("{out} {url}") };
    }
    (out.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"), urls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_weigh_23_and_emoji_2() {
        assert_eq!(weight("Hi https://example.com/a/very/long/one."), 3 + 23 + 1);
        assert_eq!(weight("👩‍👩‍👧‍👦👍🏽日"), 6);
    }

    #[test]
    fn links_are_wrapped_and_signs_escaped() {
        let (text, urls) = shown("7", "A & B https://a.example/?b&c.", Some("https://x.com/p/status/7/photo/1"));
        assert_eq!(text, "A &amp; B https://t.co/70. https://t.co/71");
        assert_eq!(urls[0]["expanded_url"], "https://a.example/?b&c");
    }
}
