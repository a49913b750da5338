//! What Mastodon makes of a post's text: how long it counts it, and the HTML that it hands back.
//!
//! After `StatusLengthValidator`, `Extractor` and `TextFormatter` of Mastodon 4: a link counts 23 whatever its length, a mention of somebody elsewhere counts without the
//! domain, everything else by grapheme clusters. A link needs a scheme and a domain that ends in letters, so `http://localhost:8080/x` and `http://127.0.0.1/x` are plain text.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// What any link counts, from `configuration.statuses.characters_reserved_per_url` of a Mastodon instance.
pub(crate) const LINK_LENGTH: usize = 23;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Link,
    Mention,
    Hashtag,
}

/// The length that Mastodon compares with its limit.
pub(crate) fn countable_length(text: &str) -> usize {
    let mut counted = String::with_capacity(text.len());
    let mut from = 0;
    for (range, kind) in entities(text) {
        counted.push_str(&text[from..range.start]);
        match kind {
            Kind::Link => counted.push_str(&"x".repeat(LINK_LENGTH)),
            Kind::Mention => {
                counted.push('@');
                counted.push_str(text[range.start + 1..range.end].split('@').next().unwrap_or_default());
            }
            Kind::Hashtag => counted.push_str(&text[range.clone()]),
        }
        from = range.end;
    }
    counted.push_str(&text[from..]);
    counted.graphemes(true).count()
}

/// The hashtags of a text, lower-case and without `#`.
pub(crate) fn hashtags(text: &str) -> Vec<String> {
    entities(text)
        .into_iter()
        .filter(|(_, kind)| *kind == Kind::Hashtag)
        .map(|(range, _)| text[range.start + 1..range.end].to_lowercase())
        .collect()
}

/// The `content` of a status: paragraphs, line breaks, and links cut for display as Mastodon's pages cut them. `base` is the instance's own URL.
pub(crate) fn to_html(text: &str, base: &str) -> String {
    let mut html = String::new();
    let mut from = 0;
    for (range, kind) in entities(text) {
        html.push_str(&escape(&text[from..range.start]));
        let entity = &text[range.clone()];
        match kind {
            Kind::Link => html.push_str(&link(entity)),
            Kind::Hashtag => {
                let tag = escape(&entity[1..]);
                html.push_str(&format!(
                    r#"<a href="{base}/tags/{}" class="mention hashtag" rel="tag">#<span>{tag}</span></a>"#,
                    tag.to_lowercase()
                ));
            }
            // A mention links only to an account that the instance knows, and a stand-in knows nobody.
            Kind::Mention => html.push_str(&escape(entity)),
        }
        from = range.end;
    }
    html.push_str(&escape(&text[from..]));
    paragraphs(&html)
}

/// The `content` of a status as snac makes it: what is Markdown in the words is taken for such, and nothing in them is escaped.
pub(crate) fn snac_html(text: &str, base: &str) -> String {
    let mut html = String::new();
    let mut from = 0;
    for (range, kind) in entities(text) {
        html.push_str(&emphasised(&text[from..range.start]));
        let entity = &text[range.clone()];
        match kind {
            Kind::Link => html.push_str(&format!(r#"<a href="{entity}" target="_blank">{entity}</a>"#)),
            Kind::Hashtag => {
                let tag = &entity[1..];
                html.push_str(&format!(r#"<a href="{base}?t={}" class="mention hashtag" rel="tag">#{tag}</a>"#, tag.to_lowercase()));
            }
            Kind::Mention => html.push_str(entity),
        }
        from = range.end;
    }
    html.push_str(&emphasised(&text[from..]));
    format!("{}<br>", html.replace('\n', "<br>"))
}

/// `*words*` in italics; the asterisks are gone.
fn emphasised(text: &str) -> String {
    let mut parts = text.split('*');
    let mut html = parts.next().unwrap_or_default().to_owned();
    while let Some(inner) = parts.next() {
        match parts.next() {
            Some(after) => html.push_str(&format!("<i>{inner}</i>{after}")),
            None => html.push_str(&format!("*{inner}")),
        }
    }
    html
}

fn link(url: &str) -> String {
    let scheme = url.find("://").map_or(0, |at| at + 3);
    let prefix = if url[scheme..].starts_with("www.") { scheme + 4 } else { scheme };
    let shown: String = url[prefix..].chars().take(30).collect();
    let rest = &url[prefix + shown.len()..];
    let class = if rest.is_empty() { "" } else { "ellipsis" };
    format!(
        r#"<a href="{}" target="_blank" rel="nofollow noopener" translate="no"><span class="invisible">{}</span><span class="{class}">{}</span><span class="invisible">{}</span></a>"#,
        escape(url),
        escape(&url[..prefix]),
        escape(&shown),
        escape(rest)
    )
}

fn paragraphs(html: &str) -> String {
    html.replace("\r\n", "\n")
        .split("\n\n")
        .map(|part| part.trim_matches('\n'))
        .filter(|part| !part.is_empty())
        .map(|part| format!("<p>{}</p>", part.replace('\n', "<br />")))
        .collect()
}

/// Escapes text for HTML, attributes included.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn entities(text: &str) -> Vec<(Range<usize>, Kind)> {
    let mut found = Vec::new();
    let mut before: Option<char> = None;
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let length = entity_at(&text[at..], before);
        if let Some((length, kind)) = length {
            found.push((at..at + length, kind));
            before = text[at..at + length].chars().next_back();
            at += length;
        } else {
            before = Some(next);
            at += next.len_utf8();
        }
    }
    found
}

fn entity_at(rest: &str, before: Option<char>) -> Option<(usize, Kind)> {
    let after_word = before.is_some_and(is_word);
    match rest.as_bytes().first()? {
        b'@' if !after_word && !matches!(before, Some('=' | '/')) => mention(rest).map(|length| (length, Kind::Mention)),
        b'#' if !after_word && !matches!(before, Some('/' | ')')) => hashtag(rest).map(|length| (length, Kind::Hashtag)),
        b'h' | b'H' if !after_word && !matches!(before, Some('@' | '#' | '$')) => url(rest).map(|length| (length, Kind::Link)),
        _ => None,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn run(text: &str, allowed: impl Fn(char) -> bool) -> &str {
    let end = text.char_indices().find(|(_, c)| !allowed(*c)).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

fn mention(rest: &str) -> Option<usize> {
    let name = run(&rest[1..], |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')).trim_end_matches(['.', '-']);
    if name.is_empty() || name.starts_with(['.', '-']) {
        return None;
    }
    let length = 1 + name.len();
    let Some(domain) = rest[length..].strip_prefix('@') else { return Some(length) };
    let domain = run(domain, |c| is_word(c) || matches!(c, '.' | '-' | ':')).trim_end_matches(['.', '-', ':']);
    Some(if domain.is_empty() { length } else { length + 1 + domain.len() })
}

fn hashtag(rest: &str) -> Option<usize> {
    let name = run(&rest[1..], is_word);
    name.chars().any(|c| !c.is_numeric() && c != '_').then_some(1 + name.len())
}

fn url(rest: &str) -> Option<usize> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?
        .len();
    let host = run(&rest[scheme..], |c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')).trim_end_matches(['.', '-', '_']);
    let ending = host.rsplit_once('.')?.1;
    if host.starts_with('.') || !(ending.starts_with("xn--") || ending.chars().count() >= 2 && ending.chars().all(char::is_alphabetic)) {
        return None;
    }
    let mut end = scheme + host.len();
    if let Some(port) = rest[end..].strip_prefix(':') {
        let digits = run(port, |c| c.is_ascii_digit());
        if !digits.is_empty() {
            end += 1 + digits.len();
        }
    }
    if rest[end..].starts_with(['/', '?', '#']) {
        end += tail(run(&rest[end..], |c| !c.is_whitespace() && !matches!(c, '<' | '>' | '"'))).len();
    }
    Some(end)
}

/// Takes off what ends a sentence rather than a path or a query.
fn tail(mut tail: &str) -> &str {
    while let Some(last) = tail.chars().next_back() {
        let balanced = last == ')' && tail.matches('(').count() >= tail.matches(')').count();
        let stays = balanced
            || if tail.contains('?') { last.is_alphanumeric() || "_&=#/-".contains(last) } else { !"()?!*'\";:=,.$%[]~&|@".contains(last) };
        if stays {
            break;
        }
        tail = &tail[..tail.len() - last.len_utf8()];
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_count_23_and_remote_mentions_without_their_domain() {
        for (text, length) in [
            ("abc", 3),
            ("https://example.com/a/very/long/path/that/would/count/much/more?q=1", 23),
            ("see https://example.com.", 28),
            ("(https://example.com/a_(b))", 25),
            ("@alice@social.example hi", 9),
            ("@alice hi", 9),
            ("mail@example.com", 16),
            ("👩‍👩‍👧‍👧 é", 3),
            ("http://127.0.0.1:8080/l/abc", 27),
            ("http://localhost/l/abc", 22),
            ("example.com", 11),
            ("xhttps://example.com/abcdefghijklmnop", 37),
        ] {
            assert_eq!(countable_length(text), length, "{text}");
        }
    }

    #[test]
    fn html_is_what_a_mastodon_page_shows() {
        let base = "http://stand.in";
        assert_eq!(to_html("a <b>\nc\n\nd & 'e'", base), "<p>a &lt;b&gt;<br />c</p><p>d &amp; &#39;e&#39;</p>");
        assert_eq!(
            to_html("https://www.example.com/0123456789012345678901234567 #News", base),
            concat!(
                r#"<p><a href="https://www.example.com/0123456789012345678901234567" target="_blank" rel="nofollow noopener" translate="no">"#,
                r#"<span class="invisible">https://www.</span><span class="ellipsis">example.com/012345678901234567</span><span class="invisible">8901234567</span></a> "#,
                r#"<a href="http://stand.in/tags/news" class="mention hashtag" rel="tag">#<span>News</span></a></p>"#
            )
        );
    }

    #[test]
    fn hashtags_need_a_letter_and_a_boundary() {
        assert_eq!(hashtags("#Rust #2026 a#b #größe, https://example.com/#frag #a_1"), ["rust", "größe", "a_1"]);
    }
}
