//! Facets: which bytes of a post are a link, a mention or a tag. Bluesky shows nothing as such by itself.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde_json::{Value, json};

/// The longest tag in characters (lexicon `app.bsky.richtext.facet`, `maxGraphemes` 64).
const MAX_TAG: usize = 64;

fn pattern(text: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "constant patterns, compiled by the tests of this file")]
    Regex::new(text).expect("a valid pattern")
}

static LINK: LazyLock<Regex> = LazyLock::new(|| pattern(r"https?://[^\s<>]+"));
static MENTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|[\s(])@([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)"));
static TAG: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|\s)[#＃]([^\s#＃\u{00ad}\u{200b}-\u{200d}\u{2060}\u{20e2}]+)"));
static ENDING: LazyLock<Regex> = LazyLock::new(|| pattern(r"\p{P}+$"));
static ONLY_DIGITS: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[\d\p{P}\u{fe0f}]*$"));

/// The facets of a text in the order of their bytes, none overlapping another. Mentions whose DID is not in `mentions` stay text.
pub(super) fn facets(text: &str, mentions: &BTreeMap<String, String>) -> Vec<Value> {
    let links = LINK.find_iter(text).filter_map(|found| {
        let uri = trimmed_link(found.as_str());
        url::Url::parse(uri).ok()?;
        Some((found.start(), found.start() + uri.len(), json!({"$type": "app.bsky.richtext.facet#link", "uri": uri})))
    });
    let named = MENTION.captures_iter(text).filter_map(|captures| {
        let name = captures.get(1)?;
        let did = mentions.iter().find(|(handle, _)| handle.trim_start_matches('@').eq_ignore_ascii_case(name.as_str()))?.1;
        Some((name.start() - 1, name.end(), json!({"$type": "app.bsky.richtext.facet#mention", "did": did})))
    });
    let tags = TAG.captures_iter(text).filter_map(|captures| {
        let tag = captures.get(1)?;
        let word = ENDING.replace(tag.as_str(), "");
        if ONLY_DIGITS.is_match(&word) || word.chars().count() > MAX_TAG {
            return None;
        }
        // The sign before the tag is one byte, or three if it is the full-width one.
        let sign = text[..tag.start()].chars().next_back().map_or(1, char::len_utf8);
        Some((tag.start() - sign, tag.start() + word.len(), json!({"$type": "app.bsky.richtext.facet#tag", "tag": word})))
    });
    let mut all: Vec<_> = links.chain(named).chain(tags).collect();
    all.sort_by_key(|(start, ..)| *start);
    let mut end_of_last = 0;
    all.retain(|(start, end, _)| {
        let free = *start >= end_of_last;
        if free {
            end_of_last = *end;
        }
        free
    });
    all.into_iter().map(|(start, end, feature)| json!({"index": {"byteStart": start, "byteEnd": end}, "features": [feature]})).collect()
}

/// A link without the punctuation of the sentence that it ends, and without a bracket that it did not open.
fn trimmed_link(link: &str) -> &str {
    let mut link = link;
    loop {
        let shorter = link.trim_end_matches(['.', ',', ';', ':', '!', '?', '"', '\'', '”', '’', '»', '…']);
        let shorter = if shorter.ends_with(')') && shorter.matches(')').count() > shorter.matches('(').count() {
            &shorter[..shorter.len() - 1]
        } else {
            shorter
        };
        if shorter.len() == link.len() {
            return link;
        }
        link = shorter;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(text: &str) -> Vec<(String, String)> {
        let mentions = BTreeMap::from([("ann.bsky.social".to_owned(), "did:plc:ann".to_owned())]);
        let kind = |facet: &Value| facet["features"][0]["$type"].as_str().unwrap().rsplit('#').next().unwrap().to_owned();
        let span = |facet: &Value| {
            let at = |end: &str| usize::try_from(facet["index"][end].as_u64().unwrap()).unwrap();
            text[at("byteStart")..at("byteEnd")].to_owned()
        };
        facets(text, &mentions).iter().map(|facet| (kind(facet), span(facet))).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(kind, span)| ((*kind).to_owned(), (*span).to_owned())).collect()
    }

    #[test]
    fn links_mentions_and_tags_are_found_by_their_bytes() {
        let text = "Grüße 🙂 (see https://a.example/ä?x=(1)#top), @ann.bsky.social and @bob.example: #Größe, #2026 ＃日本";
        assert_eq!(
            spans(text),
            pairs(&[("link", "https://a.example/ä?x=(1)#top"), ("mention", "@ann.bsky.social"), ("tag", "#Größe"), ("tag", "＃日本")])
        );
    }

    #[test]
    fn sentence_punctuation_and_addresses_stay_outside() {
        assert_eq!(spans("(https://a.example/b)."), pairs(&[("link", "https://a.example/b")]));
        assert_eq!(spans("Is it https://a.example/b?!"), pairs(&[("link", "https://a.example/b")]));
        assert_eq!(spans("mail me@ann.bsky.social a#b ##"), pairs(&[]));
        assert_eq!(spans("Ask @ann.bsky.social."), pairs(&[("mention", "@ann.bsky.social")]));
    }

    proptest! {
        #[test]
        fn facets_never_overlap_nor_cut_a_character(text in "([ #@(ä🙂a.)]|https://a\\.b/|#ü|@ann\\.bsky\\.social){0,24}") {
            let mut last = 0;
            for facet in facets(&text, &BTreeMap::from([("ann.bsky.social".to_owned(), "did:plc:ann".to_owned())])) {
                let at = |end: &str| usize::try_from(facet["index"][end].as_u64().unwrap()).unwrap();
                prop_assert!(at("byteStart") >= last && at("byteEnd") > at("byteStart"));
                prop_assert!(text.is_char_boundary(at("byteStart")) && text.is_char_boundary(at("byteEnd")));
                last = at("byteEnd");
            }
        }
    }
}
