//! The way back from the body that is sent to the words that somebody wrote.

use super::{EntityKind, entities};
use crate::platform::Platform;

/// What was added to a text to make the body that is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Added<'a> {
    /// The link that the text is to carry.
    pub link: Option<&'a str>,
    /// What stands in its place.
    pub short_url: Option<&'a str>,
    /// Tags, with or without `#`.
    pub hashtags: &'a [String],
    /// What must stand in it.
    pub disclosures: &'a [String],
}

/// The words of `body` without what was added to them: with the link itself in place of its short form, and without the paragraphs at the end that
/// hold nothing but added disclosures, links and tags. What the writer put into a sentence of his own stays where it is.
///
/// Undoes [`compose`](super::compose) as far as words go: the body with such additions and the one without give the same words, so whoever judges
/// these need not know how far a text has come.
#[must_use]
pub fn as_written(body: &str, added: &Added<'_>, platform: Platform) -> String {
    let mut text = body.trim();
    loop {
        let (before, last) = text.rsplit_once("\n\n").unwrap_or(("", text));
        if text.is_empty() || !(is_tags(last, added) || is_links(last, added) || is_disclosures(last, added)) {
            break;
        }
        text = before.trim_end();
    }
    let Some(link) = added.link else { return text.to_owned() };
    // Also the link onto itself: a slash at its end may have been lost on the way.
    let text = replace_link(text, link, link, platform);
    added.short_url.map_or_else(|| text.clone(), |short| replace_link(&text, short, link, platform))
}

fn is_tags(paragraph: &str, added: &Added<'_>) -> bool {
    paragraph.split_whitespace().all(|word| {
        let tag = word.strip_prefix(['#', '＃']).map(str::to_lowercase);
        tag.is_some_and(|tag| added.hashtags.iter().any(|known| known.trim().trim_start_matches(['#', '＃']).to_lowercase() == tag))
    })
}

fn is_links(paragraph: &str, added: &Added<'_>) -> bool {
    paragraph.split_whitespace().all(|word| added.link.into_iter().chain(added.short_url).any(|link| same_link(link, word)))
}

/// Whether the paragraph is some of the disclosures, in their order.
fn is_disclosures(paragraph: &str, added: &Added<'_>) -> bool {
    let mut rest = paragraph.trim();
    for disclosure in added.disclosures.iter().map(|d| d.trim()).filter(|d| !d.is_empty()) {
        if let Some(after) = rest.strip_prefix(disclosure).filter(|after| after.is_empty() || after.starts_with(char::is_whitespace)) {
            rest = after.trim_start();
        }
    }
    rest.is_empty()
}

/// A slash at the end makes no difference.
fn same_link(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// `from` replaced by `to` wherever it stands as a link of its own; a slash at its end makes no difference.
#[must_use]
pub fn replace_link(text: &str, from: &str, to: &str, platform: Platform) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    for entity in entities(text, platform) {
        if entity.kind == EntityKind::Link && same_link(&entity.value, from) {
            out.push_str(&text[last..entity.span.start]);
            out.push_str(to);
            last = entity.span.end;
        }
    }
    out.push_str(&text[last..]);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::compose;

    const LINK: &str = "https://juniper.example/winter";
    const SHORT: &str = "https://p.example/l/abcdefg";

    fn all(items: &[&str]) -> Vec<String> {
        items.iter().map(|s| (*s).to_owned()).collect()
    }

    fn written(body: &str) -> String {
        let (hashtags, disclosures) = (all(&["coffee", "winter"]), all(&["#ad", "Paid partnership"]));
        let added = Added { link: Some(LINK), short_url: Some(SHORT), hashtags: &hashtags, disclosures: &disclosures };
        as_written(body, &added, Platform::Bluesky)
    }

    #[test]
    fn what_was_added_at_the_end_goes_and_what_was_written_stays() {
        for (body, words) in [
            (format!("Plum and cocoa.\n\n#ad Paid partnership\n\n{SHORT}\n\n#coffee #winter"), "Plum and cocoa."),
            (format!("Plum and cocoa.\n\nPaid partnership\n\n{LINK}/"), "Plum and cocoa."),
            (format!("Plum: {SHORT} #coffee\n\n#winter"), "Plum: https://juniper.example/winter #coffee"),
            ("Plum.\n\n#own #coffee".to_owned(), "Plum.\n\n#own #coffee"),
            ("Plum.\n\n#adventure".to_owned(), "Plum.\n\n#adventure"),
            ("Plum.\n#coffee".to_owned(), "Plum.\n#coffee"),
            (" #coffee ".to_owned(), ""),
        ] {
            assert_eq!(written(&body), words, "{body}");
        }
    }

    proptest! {
        #[test]
        fn a_text_with_additions_gives_the_words_that_it_gives_without(
            text in r"([a-zäA-Z]{1,6}[ .!]|\n\n|#(ad|x|tag) |https://a\.example/b/? |Anzeige ){0,14}",
            hashtags in prop::collection::vec("(x|tag|[a-z]{1,5})", 0..4),
            disclosures in prop::collection::vec("(#ad|Anzeige)", 0..3),
            with_link in any::<bool>(),
        ) {
            let (link, short) = ("https://a.example/b", "https://s.example/l/1");
            let added = Added { link: with_link.then_some(link), short_url: with_link.then_some(short), hashtags: &hashtags, disclosures: &disclosures };
            let links: Vec<String> = with_link.then(|| short.to_owned()).into_iter().collect();
            let carried = if with_link { replace_link(&text, link, short, Platform::Mastodon) } else { text.clone() };
            let body = compose(&carried, &hashtags, &links, &disclosures);
            prop_assert_eq!(as_written(&body, &added, Platform::Mastodon), as_written(&text, &added, Platform::Mastodon));
        }

        #[test]
        fn words_once_found_stay(text in r"\PC{0,60}", hashtags in prop::collection::vec("[a-z]{1,3}", 0..3)) {
            let added = Added { hashtags: &hashtags, ..Added::default() };
            let once = as_written(&text, &added, Platform::Bluesky);
            prop_assert_eq!(as_written(&once, &added, Platform::Bluesky), once);
        }
    }
}
