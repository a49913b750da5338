//! Links, mentions and hashtags within a text, with their byte spans.
//!
//! Written after what the platforms accept: Mastodon's `config/initializers/twitter_regex.rb`, `Account::MENTION_RE` and `Tag::HASHTAG_RE`,
//! and Bluesky's `packages/api/src/rich-text/detection.ts`. A bare `example.com` is no link for Mastodon; we make none of it on Bluesky either,
//! so that a text means the same on both.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Span;
use crate::platform::{MentionSyntax, Platform, TagSyntax};

/// What a piece of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntityKind {
    /// An `http` or `https` URL.
    Link,
    /// Somebody's handle.
    Mention,
    /// A hashtag.
    Hashtag,
}

/// A link, mention or hashtag where it stands in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Where it stands, sigil included.
    pub span: Span,
    /// The URL as written; the handle without its leading `@`; the tag without its `#`.
    pub value: String,
}

static LINK: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)https?://[^\s<>"“”„「」｢｣\u{0}-\u{1f}\u{7f}]+"#));
/// `@name` or `@name@server`, as `Account::MENTION_RE` has it.
static FEDIVERSE_MENTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"@([A-Za-z0-9_]+(?:[.-]+[A-Za-z0-9_]+)*)(?:@[\p{Alphabetic}\p{M}\p{Nd}_]+(?:[.-]+[\p{Alphabetic}\p{M}\p{Nd}_]+)*)?")
});
/// `@handle.domain`: an AT Protocol handle is a domain name whose last label starts with a letter.
static AT_MENTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"@([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\.[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?)",
    )
});
/// `@name`: letters, digits, `_`, and dots within (X, Instagram, Threads, TikTok, YouTube and others differ only in how long a name may be).
static PLAIN_MENTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"@([A-Za-z0-9_]+(?:[.-]+[A-Za-z0-9_]+)*)"));
static HASHTAG: LazyLock<Regex> = LazyLock::new(|| pattern(r"[#＃]([\p{Alphabetic}\p{M}\p{Nd}_·・\u{200c}]+)"));

fn pattern(text: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants of this file and every test here compiles them")]
    Regex::new(text).expect("a valid pattern")
}

/// What stands in `text`, in order and without overlaps (the earlier wins, so that a handle within a URL is part of the URL).
#[must_use]
pub fn entities(text: &str, platform: Platform) -> Vec<Entity> {
    let mut found = links(text);
    found.extend(mentions(text, platform));
    found.extend(hashtags(text, platform));
    found.sort_by_key(|entity| (entity.span.start, usize::MAX - entity.span.end));
    let mut end = 0;
    found.retain(|entity| {
        let free = entity.span.start >= end;
        if free {
            end = entity.span.end;
        }
        free
    });
    found
}

fn before(text: &str, at: usize) -> Option<char> {
    text[..at].chars().next_back()
}

fn links(text: &str) -> Vec<Entity> {
    LINK.find_iter(text)
        .filter(|found| {
            before(text, found.start()).is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '@' | '＠' | '$' | '#' | '＃'))
        })
        .filter_map(|found| {
            let url = trim_link(found.as_str());
            let host = Url::parse(url).ok()?.host_str().map(str::to_owned)?;
            (!host.is_empty()).then(|| Entity {
                kind: EntityKind::Link,
                span: Span { start: found.start(), end: found.start() + url.len() },
                value: url.to_owned(),
            })
        })
        .collect()
}

/// The URL without the punctuation of the sentence around it: a closing bracket stays only where the URL opened it.
fn trim_link(mut url: &str) -> &str {
    while let Some(last) = url.chars().next_back() {
        let drop = match last {
            ')' => unbalanced(url, '(', ')'),
            ']' => unbalanced(url, '[', ']'),
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '’' | '‘' | '*' | '~' | '|' | '…' | '。' | '、' | '！' | '？' | '»' | '«' | '}'
            | '{' | '(' | '[' => true,
            _ => false,
        };
        if !drop {
            break;
        }
        url = &url[..url.len() - last.len_utf8()];
    }
    url
}

fn unbalanced(url: &str, open: char, close: char) -> bool {
    url.matches(close).count() > url.matches(open).count()
}

fn mentions(text: &str, platform: Platform) -> Vec<Entity> {
    let syntax = platform.capabilities().mentions;
    let pattern = match syntax {
        MentionSyntax::Fediverse => &FEDIVERSE_MENTION,
        MentionSyntax::Domain => &AT_MENTION,
        MentionSyntax::Plain => &PLAIN_MENTION,
        MentionSyntax::None => return Vec::new(),
    };
    pattern
        .find_iter(text)
        // Not within an e-mail address, a path or a value.
        .filter(|found| {
            before(text, found.start()).is_none_or(|c| match syntax {
                MentionSyntax::Domain => c.is_whitespace() || c == '(',
                MentionSyntax::Fediverse | MentionSyntax::Plain | MentionSyntax::None => {
                    !c.is_alphanumeric() && !matches!(c, '_' | '/' | '=' | '@')
                }
            })
        })
        .map(|found| Entity {
            kind: EntityKind::Mention,
            span: Span { start: found.start(), end: found.end() },
            value: found.as_str()[1..].to_owned(),
        })
        .collect()
}

fn hashtags(text: &str, platform: Platform) -> Vec<Entity> {
    let syntax = platform.capabilities().tags;
    HASHTAG
        .captures_iter(text)
        .filter_map(|captures| {
            let (whole, tag) = (captures.get(0)?, captures.get(1)?.as_str());
            let apart = before(text, whole.start()).is_none_or(|c| match syntax {
                TagSyntax::Loose => !c.is_alphanumeric() && !matches!(c, '=' | '/' | ')' | '#' | '＃' | '_'),
                TagSyntax::AfterSpace => c.is_whitespace(),
            });
            let starts_well = match syntax {
                TagSyntax::Loose => true,
                TagSyntax::AfterSpace => tag.chars().next().is_some_and(char::is_alphabetic),
            };
            // `#1` is a rank, not a tag: both platforms want a letter.
            (apart && starts_well && tag.chars().any(char::is_alphabetic)).then(|| Entity {
                kind: EntityKind::Hashtag,
                span: Span { start: whole.start(), end: whole.end() },
                value: tag.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str, platform: Platform) -> Vec<(EntityKind, String)> {
        entities(text, platform)
            .into_iter()
            .map(|entity| {
                let sigil = match entity.kind {
                    EntityKind::Link => 0,
                    EntityKind::Mention | EntityKind::Hashtag => entity.span.of(text).chars().next().unwrap().len_utf8(),
                };
                assert_eq!(&entity.span.of(text)[sigil..], entity.value, "the span is where the value stands");
                (entity.kind, entity.value)
            })
            .collect()
    }

    fn link(url: &str) -> (EntityKind, String) {
        (EntityKind::Link, url.to_owned())
    }

    #[test]
    fn links_lose_the_sentence_around_them() {
        for (text, url) in [
            ("See https://example.com/a.", "https://example.com/a"),
            ("(https://example.com/a)", "https://example.com/a"),
            ("https://en.wikipedia.org/wiki/Primer_(film)!", "https://en.wikipedia.org/wiki/Primer_(film)"),
            ("“https://example.com/?q=1&b=2#frag”", "https://example.com/?q=1&b=2#frag"),
            ("HTTPS://Example.com/ö…", "HTTPS://Example.com/ö"),
            ("örtlich: https://bücher.example/x, und", "https://bücher.example/x"),
        ] {
            assert_eq!(values(text, Platform::Mastodon), [link(url)], "{text}");
            assert_eq!(values(text, Platform::Bluesky), [link(url)], "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_link_is_none() {
        for text in ["example.com", "xhttps://example.com", "https://", "ftp://example.com/a", "http:// example.com", "mail@example.com"] {
            assert_eq!(values(text, Platform::Bluesky), [], "{text}");
        }
    }

    #[test]
    fn mentions_follow_the_platform() {
        let text = "@ann and @bob@social.example (@carol.example) write to d@e.example";
        let mention = |v: &str| (EntityKind::Mention, v.to_owned());
        assert_eq!(values(text, Platform::Mastodon), [mention("ann"), mention("bob@social.example"), mention("carol.example")]);
        assert_eq!(
            values("@ann and @carol.example. (@d.bsky.social)", Platform::Bluesky),
            [mention("carol.example"), mention("d.bsky.social")]
        );
    }

    #[test]
    fn a_handle_within_a_link_belongs_to_the_link() {
        let text = "https://social.example/@ann#top";
        assert_eq!(values(text, Platform::Mastodon), [link(text)]);
    }

    #[test]
    fn hashtags_need_a_letter_and_room() {
        let tag = |v: &str| (EntityKind::Hashtag, v.to_owned());
        assert_eq!(
            values("#Größe #1 we are #42 a#b #日本語 #a_1, #end", Platform::Mastodon),
            [tag("Größe"), tag("日本語"), tag("a_1"), tag("end")]
        );
        assert_eq!(values("#Größe (#no) #3d #Yes!", Platform::Bluesky), [tag("Größe"), tag("Yes")]);
    }

    proptest! {
        #[test]
        fn spans_are_ordered_apart_and_on_boundaries(text in r"(\PC|#|@|https://a\.example/|[ .()ä🙂]){0,60}") {
            for platform in Platform::ALL {
                let mut end = 0;
                for entity in entities(&text, *platform) {
                    prop_assert!(entity.span.start >= end);
                    prop_assert!(text.get(entity.span.start..entity.span.end).is_some_and(|piece| !piece.is_empty()));
                    end = entity.span.end;
                }
            }
        }
    }
}
