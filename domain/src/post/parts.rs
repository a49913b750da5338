//! Which parts a post is sent in.

use serde::{Deserialize, Serialize};

use super::{PostOptions, Threading};
use crate::{
    platform::TextLimits,
    publication::PartKind,
    text::{Span, length, split},
};

/// One part of a post, as far as its text decides on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPart {
    /// What it is.
    pub kind: PartKind,
    /// Its text, without white space around it.
    pub text: String,
}

/// The parts of a post, in the order in which they go out; there is always a first one.
///
/// A line that holds only `---` separates the parts of a thread. A text without such a line that is too long is split only where that was asked for
/// and the platform has threads; where it cannot be split, it stays whole and too long, which the lints say. A first comment is a part where the
/// platform has comments.
#[must_use]
pub fn parts(content: &str, options: &PostOptions, limits: &TextLimits) -> Vec<PlannedPart> {
    let mut parts: Vec<PlannedPart> = thread(content, options, limits)
        .into_iter()
        .enumerate()
        .map(|(i, (span, whole))| {
            let kind = if i == 0 { PartKind::Post } else { PartKind::Continuation };
            let text = if whole { content } else { span.of(content) };
            PlannedPart { kind, text: text.to_owned() }
        })
        .collect();
    if let Some(comment) = options.first_comment.as_deref().filter(|_| limits.platform.capabilities().first_comment) {
        parts.push(PlannedPart { kind: PartKind::Comment, text: comment.trim().to_owned() });
    }
    parts
}

/// Where in `content` the parts of its thread stand. A post of one part is sent exactly as it was approved.
pub(crate) fn spans(content: &str, options: &PostOptions, limits: &TextLimits) -> Vec<Span> {
    let whole = Span { start: 0, end: content.len() };
    thread(content, options, limits).into_iter().map(|(span, all)| if all { whole } else { span }).collect()
}

/// The spans of the parts, and of each whether it is all of the text, white space around it included.
fn thread(content: &str, options: &PostOptions, limits: &TextLimits) -> Vec<(Span, bool)> {
    let marked = marked(content);
    if let Some(parts) = marked {
        return parts.into_iter().map(|span| (span, false)).collect();
    }
    let whole = vec![(Span { start: 0, end: content.len() }, true)];
    let limits = if options.assets.is_empty() { *limits } else { limits.with_media() };
    if options.thread != Threading::Split || !limits.platform.capabilities().threads() || length(content, &limits).fits {
        return whole;
    }
    let Ok(texts) = split(content, &limits) else { return whole };
    let mut from = 0;
    let mut found = Vec::with_capacity(texts.len());
    for text in &texts {
        // The parts are slices of the text in its order, so each is found at or after the end of the one before.
        let Some(at) = content[from..].find(text.as_str()) else { return whole };
        found.push((Span { start: from + at, end: from + at + text.len() }, false));
        from += at + text.len();
    }
    if found.len() > 1 { found } else { whole }
}

/// The parts between lines of `---`, without the white space around them and without empty ones; `None` if there is no such line.
fn marked(content: &str) -> Option<Vec<Span>> {
    let mut ends = Vec::new();
    let mut at = 0;
    for line in content.split_inclusive('\n') {
        if line.trim() == MARK {
            ends.push((at, at + line.len()));
        }
        at += line.len();
    }
    if ends.is_empty() {
        return None;
    }
    ends.push((content.len(), content.len()));
    let mut start = 0;
    let mut parts = Vec::with_capacity(ends.len());
    for (end, next) in ends {
        let piece = &content[start..end];
        let text = piece.trim();
        if !text.is_empty() {
            let begin = start + (piece.len() - piece.trim_start().len());
            parts.push(Span { start: begin, end: begin + text.len() });
        }
        start = next;
    }
    // Nothing but marks is an empty post, which the lints refuse.
    Some(if parts.is_empty() { vec![Span { start: 0, end: 0 }] } else { parts })
}

/// A line with nothing else on it separates two parts.
const MARK: &str = "---";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::Platform;

    fn limits() -> TextLimits {
        TextLimits::from(Platform::Mastodon).with_instance(Some(60), None)
    }

    fn texts(content: &str, options: &PostOptions) -> Vec<String> {
        parts(content, options, &limits()).into_iter().map(|p| p.text).collect()
    }

    #[test]
    fn a_line_of_its_own_separates_and_nothing_else_does() {
        let none = PostOptions::default();
        assert_eq!(texts("One.\n---\nTwo.\n\n --- \r\nThree.", &none), ["One.", "Two.", "Three."]);
        assert_eq!(texts("---\nOne.\n---\n---\nTwo.\n---", &none), ["One.", "Two."]);
        for one in ["One --- two", "One\n----\ntwo", "One\n-- -\ntwo", " as it is \n"] {
            assert_eq!(texts(one, &none), [one]);
        }
        assert_eq!(texts("---\n---", &none), [""]);
        let kinds: Vec<_> = parts("One.\n---\nTwo.", &none, &limits()).into_iter().map(|p| p.kind).collect();
        assert_eq!(kinds, [PartKind::Post, PartKind::Continuation]);
    }

    #[test]
    fn a_long_text_is_split_only_where_that_was_asked_for() {
        let long = "The first sentence of a text that is too long. The second one is as long as that.";
        assert_eq!(texts(long, &PostOptions::default()), [long]);
        let split = PostOptions { thread: Threading::Split, ..PostOptions::default() };
        assert_eq!(texts(long, &split), ["The first sentence of a text that is too long.", "The second one is as long as that."]);
        assert_eq!(texts("It fits. ", &split), ["It fits. "]);
        // A mark says where: a part of it that is too long stays so.
        assert_eq!(texts(&format!("Short.\n---\n{long}"), &split), ["Short.", long]);
        let unsplittable = format!("@{}", "a".repeat(100));
        assert_eq!(texts(&unsplittable, &split).len(), parts(&unsplittable, &split, &limits()).len());
    }

    #[test]
    fn a_first_comment_is_the_last_part() {
        let options = PostOptions { first_comment: Some(" More. ".to_owned()), ..PostOptions::default() };
        let planned = parts("One.\n---\nTwo.", &options, &limits());
        assert_eq!(planned.len(), 3);
        assert_eq!(planned[2], PlannedPart { kind: PartKind::Comment, text: "More.".to_owned() });
    }

    proptest! {
        #[test]
        fn no_word_is_lost_or_doubled_and_the_spans_are_the_texts(text in r"([a-zäö🙂]{1,12}[ .\n]{1,2}|https://example\.com/[a-z]{1,40} |\n---\n){0,30}", split in any::<bool>()) {
            let options = PostOptions { thread: if split { Threading::Split } else { Threading::Marked }, ..PostOptions::default() };
            let planned = parts(&text, &options, &limits());
            prop_assert!(!planned.is_empty());
            let spans = spans(&text, &options, &limits());
            let of: Vec<_> = spans.iter().map(|s| s.of(&text)).collect();
            let got: Vec<_> = planned.iter().map(|p| p.text.as_str()).collect();
            prop_assert_eq!(&of, &got);
            let words = |s: &str| s.split_whitespace().filter(|w| *w != MARK).collect::<String>();
            prop_assert_eq!(words(&got.join("\n")), words(&text));
            // The same every time: a handler that is replayed gets the same parts.
            prop_assert_eq!(parts(&text, &options, &limits()), planned);
        }
    }
}
