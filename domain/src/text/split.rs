//! A text that is too long for one post, as a thread of posts.

use unicode_segmentation::UnicodeSegmentation;

use super::{Span, entities, length};
use crate::platform::TextLimits;

/// A single link, mention or character is longer than a whole post may be, so that no split keeps it whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` alone is longer than a post may be")]
pub struct DoesNotFit(pub String);

/// Splits `text` into parts that each fit: at paragraphs where that can be had, else at sentences, else at words, and within a word only where
/// it alone does not fit. Links, mentions and hashtags stay whole. A text that fits comes back as its only part; an empty one as none.
///
/// # Errors
/// [`DoesNotFit`] names the piece that no post can hold.
pub fn split(text: &str, limits: &TextLimits) -> Result<Vec<String>, DoesNotFit> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if length(rest, limits).fits {
            parts.push(rest.to_owned());
            break;
        }
        let end = cut(rest, limits)?;
        parts.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    Ok(parts)
}

/// Where the first part of `text` ends, which as a whole does not fit.
fn cut(text: &str, limits: &TextLimits) -> Result<usize, DoesNotFit> {
    let whole: Vec<Span> = entities(text, limits.platform).into_iter().map(|entity| entity.span).collect();
    let inside = |at: &usize| whole.iter().any(|span| span.start < *at && at < &span.end);
    let fits = |end: &usize| length(text[..*end].trim_end(), limits).fits;
    let graphemes = text.grapheme_indices(true).map(|(at, _)| at);
    // The longest part that fits at all. It starts after position 0, so that every part takes something away.
    let most = graphemes.filter(|at| *at > 0 && !inside(at)).take_while(fits).last();
    let Some(most) = most else {
        let first = whole.first().filter(|span| span.start == 0).map(|span| span.of(text));
        return Err(DoesNotFit(first.or_else(|| text.graphemes(true).next()).unwrap_or_default().to_owned()));
    };
    // A part of less than a third of what would fit is not worth its neat end.
    let best = |places: &mut dyn Iterator<Item = usize>, least: usize| {
        places.take_while(|at| *at <= most).filter(|at| *at > least && !inside(at) && fits(at)).last()
    };
    let end = best(&mut text.match_indices("\n\n").map(|(at, _)| at), most / 3)
        .or_else(|| best(&mut text.split_sentence_bound_indices().map(|(at, _)| at), most / 3))
        .or_else(|| best(&mut text.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at), 0));
    Ok(end.unwrap_or(most))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::Platform;

    fn limits(units: u32) -> TextLimits {
        TextLimits::from(Platform::Mastodon).with_instance(Some(units), None)
    }

    #[test]
    fn the_neatest_place_that_fits_is_taken() {
        assert_eq!(split("One two.\n\nThree four.", &limits(20)).unwrap(), ["One two.", "Three four."]);
        assert_eq!(split("One two. Three four five.", &limits(20)).unwrap(), ["One two.", "Three four five."]);
        assert_eq!(split("one two three four five", &limits(12)).unwrap(), ["one two", "three four", "five"]);
        assert_eq!(split("abcdefghij", &limits(4)).unwrap(), ["abcd", "efgh", "ij"]);
        assert_eq!(split("fits", &limits(4)).unwrap(), ["fits"]);
        assert_eq!(split(" \n", &limits(4)).unwrap(), [""; 0]);
    }

    #[test]
    fn links_stay_whole_and_weigh_what_they_weigh() {
        let url = format!("https://example.com/{}", "x".repeat(100));
        assert_eq!(split(&format!("Read this: {url}"), &limits(25)).unwrap(), ["Read this:".to_owned(), url.clone()]);
        assert_eq!(split(&url, &limits(22)), Err(DoesNotFit(url)));
    }

    proptest! {
        #[test]
        fn every_part_fits_and_nothing_but_white_space_is_lost(text in r"([a-zäö🙂]{1,12}[ .\n]{1,2}|https://example\.com/[a-z]{1,40} |#[a-z]{1,9} ){0,30}", units in 30_u32..80) {
            let parts = split(&text, &limits(units)).unwrap();
            for part in &parts {
                prop_assert!(length(part, &limits(units)).fits && !part.is_empty());
            }
            let squeeze = |s: &str| s.split_whitespace().collect::<String>();
            prop_assert_eq!(squeeze(&parts.concat()), squeeze(&text));
        }
    }
}
