//! From a model's text to the body that is sent, and back to the words that a model can rewrite and a score judges.

use domain::{
    platform::TextLimits,
    text::{Added, as_written, compose, length, replace_link},
};
use serde_json::Value;

/// What a text is composed with.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// The limits that it must keep.
    pub limits: TextLimits,
    /// The brief's link.
    pub link: Option<&'a str>,
    /// What stands in its place.
    pub short_url: Option<&'a str>,
    /// Tags that were chosen for it, the best first, without `#`.
    pub hashtags: &'a [String],
    /// What must stand in it.
    pub disclosures: &'a [String],
}

impl Body<'_> {
    /// The whole body and the tags that it has room for: where it would be too long, the last tags go first. The text itself is never cut; if it
    /// is too long without any tag, it stays so, and its lint says it.
    #[must_use]
    pub fn compose(&self, text: &str) -> (String, Vec<String>) {
        let (text, links) = match (self.link, self.short_url) {
            (Some(link), Some(short)) => (replace_link(text, link, short, self.limits.platform), vec![short.to_owned()]),
            (Some(link), None) => (text.to_owned(), vec![link.to_owned()]),
            _ => (text.to_owned(), Vec::new()),
        };
        let mut tags = self.hashtags.to_vec();
        loop {
            let body = compose(&text, &tags, &links, self.disclosures);
            if tags.is_empty() || length(&body, &self.limits).fits {
                return (body, tags);
            }
            tags.pop();
        }
    }

    /// The words of a whole body that was composed with this: what a person or a model wrote, and what they are judged by.
    #[must_use]
    pub fn written(&self, body: &str) -> String {
        let added = Added { link: self.link, short_url: self.short_url, hashtags: self.hashtags, disclosures: self.disclosures };
        as_written(body, &added, self.limits.platform)
    }
}

/// The short link among the stored links of a variant (`[{"url", "short_url"}]`).
pub(super) fn short_url(links: &Value) -> Option<String> {
    links.as_array()?.iter().find_map(|link| link.get("short_url")?.as_str().map(ToOwned::to_owned))
}

#[cfg(test)]
mod tests {
    use domain::platform::Platform;

    use super::*;

    const LINK: &str = "https://juniper.example/winter";
    const SHORT: &str = "https://p.example/l/abcdefg";

    fn tags() -> Vec<String> {
        vec!["coffee".to_owned(), "winter".to_owned()]
    }

    fn body<'a>(hashtags: &'a [String], disclosures: &'a [String], units: u32) -> Body<'a> {
        let limits = TextLimits::from(Platform::Bluesky).with_instance(Some(units), None);
        Body { limits, link: Some(LINK), short_url: Some(SHORT), hashtags, disclosures }
    }

    #[test]
    fn the_short_link_takes_the_place_of_the_long_one() {
        let disclosures = ["#ad".to_owned()];
        let (composed, kept) =
            body(&tags(), &disclosures, 300).compose("New: https://juniper.example/winter/ and https://juniper.example/winterly");
        assert_eq!(composed, format!("New: {SHORT} and https://juniper.example/winterly\n\n#ad\n\n#coffee #winter"));
        assert_eq!(kept, tags());
        let (composed, _) = body(&[], &[], 300).compose("Without it.");
        assert_eq!(composed, format!("Without it.\n\n{SHORT}"));
    }

    #[test]
    fn tags_go_before_words() {
        let text = "x".repeat(100);
        // 100, two line breaks, 27 for the link; with `\n\n#coffee` 138.
        assert_eq!(body(&tags(), &[], 146).compose(&text).1, tags());
        assert_eq!(body(&tags(), &[], 145).compose(&text).1, ["coffee"]);
        assert_eq!(body(&tags(), &[], 137).compose(&text).1, [""; 0]);
        assert!(body(&tags(), &[], 50).compose(&text).0.starts_with(&text), "too long is a lint, not a cut text");
    }

    #[test]
    fn a_body_gives_back_the_words_that_it_was_made_of() {
        let disclosures = ["#ad".to_owned()];
        for text in ["New: https://juniper.example/winter #ad", "New.", "New.\n\nAnd good."] {
            let tags = tags();
            let made = body(&tags, &disclosures, 300);
            assert_eq!(made.written(&made.compose(text).0), text);
        }
    }
}
