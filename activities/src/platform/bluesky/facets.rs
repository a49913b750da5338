//! Facets: which bytes of a post are a link, a mention or a tag. Bluesky shows nothing as such by itself.
//!
//! What is one is the domain's to say (`domain::text::entities`), which counts, lints and shows the same text.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    platform::{Platform, TextLimits},
    text::{Entity, EntityKind, entities, length},
};
use serde_json::{Value, json};

/// The facets of a text in the order of their bytes, none overlapping another. Mentions whose DID is not in `mentions` stay text, as do tags that are
/// longer than the lexicon allows.
pub(super) fn facets(text: &str, mentions: &BTreeMap<String, String>) -> Vec<Value> {
    let facet = |Entity { kind, span, value }: Entity| {
        let feature = match kind {
            EntityKind::Link => json!({"$type": "app.bsky.richtext.facet#link", "uri": value}),
            EntityKind::Mention => {
                let did = mentions.iter().find(|(handle, _)| handle.trim_start_matches('@').eq_ignore_ascii_case(&value))?.1;
                json!({"$type": "app.bsky.richtext.facet#mention", "did": did})
            }
            EntityKind::Hashtag => {
                let longest = Platform::Bluesky.capabilities().max_tag_units;
                (length(&value, &TextLimits::from(Platform::Bluesky)).units <= longest)
                    .then(|| json!({"$type": "app.bsky.richtext.facet#tag", "tag": value}))?
            }
        };
        Some(json!({"index": {"byteStart": span.start, "byteEnd": span.end}, "features": [feature]}))
    };
    entities(text, Platform::Bluesky).into_iter().filter_map(facet).collect()
}

/// The handles that a text mentions, in lower case, each once. Handles are domain names: their case says nothing.
pub(super) fn handles(text: &str) -> BTreeSet<String> {
    entities(text, Platform::Bluesky).into_iter().filter(|e| e.kind == EntityKind::Mention).map(|e| e.value.to_lowercase()).collect()
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
        assert_eq!(spans(&format!("#{} #{}", "ä".repeat(64), "ä".repeat(65))), pairs(&[("tag", &format!("#{}", "ä".repeat(64)))]));
    }

    #[test]
    fn handles_are_named_once_whatever_their_case() {
        let found =
            handles("@Bob.example, @ann.bsky.social and @bob.example; not ann@ann.example, https://a.example/@x.example or @nobody");
        assert_eq!(found, BTreeSet::from(["ann.bsky.social", "bob.example"].map(ToOwned::to_owned)));
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
