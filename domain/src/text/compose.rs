//! The body of a post, exactly as it is sent: the approval hash and the receipt are taken over this string.

/// Joins a text with what goes with it: disclosures that are not in it yet close the text, links stand on a line of their own, hashtags on the
/// last. What the text already has (compared without regard to case for tags and disclosures) is not repeated. Composing the result
/// again with the same arguments changes nothing.
#[must_use]
pub fn compose(text: &str, hashtags: &[String], links: &[String], disclosures: &[String]) -> String {
    let mut body = text.trim().to_owned();
    let missing: Vec<&str> = distinct(disclosures.iter().map(|d| d.trim()).filter(|d| !d.is_empty() && !has_word(&body, d)));
    append(&mut body, "\n\n", &missing.join(" "));
    let missing: Vec<&str> = distinct(links.iter().map(|l| l.trim()).filter(|l| !l.is_empty() && !has_link(&body, l)));
    append(&mut body, "\n\n", &missing.join("\n"));
    let tags: Vec<String> =
        hashtags.iter().map(|t| t.trim().trim_start_matches(['#', '＃'])).filter(|t| !t.is_empty()).map(|t| format!("#{t}")).collect();
    let missing: Vec<&str> = distinct(tags.iter().map(String::as_str).filter(|t| !has_word(&body, t)));
    append(&mut body, "\n\n", &missing.join(" "));
    body
}

/// Whether `word` stands in `text` on its own, whatever its case: `#ad` does not stand in `#adventure`.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    let (first, last) = (word.chars().next(), word.chars().next_back());
    text.match_indices(&word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let clear = |edge: Option<char>, outer: Option<char>| !(edge.is_some_and(joins) && outer.is_some_and(joins));
        clear(first, before) && clear(last, after) && !(first == Some('#') && before.is_some_and(joins))
    })
}

/// A link is there only where it ends: `https://a.example/b` is not in `https://a.example/bc`.
fn has_link(text: &str, link: &str) -> bool {
    text.match_indices(link).any(|(at, _)| {
        let rest = text[at + link.len()..].trim_start_matches(['.', ',', ';', ':', '!', '?', ')', ']']);
        rest.chars().next().is_none_or(char::is_whitespace)
    })
}

fn distinct<'a>(items: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen: Vec<String> = Vec::new();
    let mut kept = Vec::new();
    for item in items {
        let key = item.to_lowercase();
        if !seen.contains(&key) {
            seen.push(key);
            kept.push(item);
        }
    }
    kept
}

fn append(body: &mut String, separator: &str, more: &str) {
    if more.is_empty() {
        return;
    }
    if !body.is_empty() {
        body.push_str(separator);
    }
    body.push_str(more);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(items: &[&str]) -> Vec<String> {
        items.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn everything_has_its_place() {
        let body = compose(" Bread is back.\n", &all(&["#bread", "bakery"]), &all(&["https://a.example/l/x"]), &all(&["Anzeige"]));
        assert_eq!(body, "Bread is back.\n\nAnzeige\n\nhttps://a.example/l/x\n\n#bread #bakery");
    }

    #[test]
    fn nothing_is_said_twice() {
        let text = "#Ad: our #Bread, https://a.example/b.";
        assert_eq!(compose(text, &all(&["bread", "BREAD"]), &all(&["https://a.example/b"]), &all(&["#ad"])), text);
    }

    #[test]
    fn a_longer_word_is_not_the_word() {
        let body = compose("#adventure at https://a.example/bc", &all(&["advent"]), &all(&["https://a.example/b"]), &all(&["#ad"]));
        assert_eq!(body, "#adventure at https://a.example/bc\n\n#ad\n\nhttps://a.example/b\n\n#advent");
    }

    #[test]
    fn an_empty_text_still_carries_the_rest() {
        assert_eq!(compose("", &all(&["a"]), &[], &[]), "#a");
    }

    proptest! {
        #[test]
        fn composing_twice_changes_nothing(
            text in r"\PC{0,60}",
            tags in prop::collection::vec("[a-zäß]{1,8}", 0..4),
            links in prop::collection::vec("https://[a-z]{1,5}\\.example/[a-z]{0,4}", 0..3),
            disclosures in prop::collection::vec("(#ad|Anzeige|Werbung)", 0..3),
        ) {
            let once = compose(&text, &tags, &links, &disclosures);
            prop_assert_eq!(compose(&once, &tags, &links, &disclosures), once);
        }
    }
}
