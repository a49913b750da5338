//! The text of a status's HTML, for comparing.

/// Removes tags and resolves entities. Block ends and line breaks become line ends; other tags vanish, as in a browser's `textContent`.
pub(super) fn text_of(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('<') {
            let Some(end) = rest.find('>') else { break };
            let tag = rest[1..end].trim_start_matches('/').to_ascii_lowercase();
            let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            if matches!(name, "p" | "br" | "div" | "li" | "ul" | "ol" | "blockquote" | "pre") {
                text.push('\n');
            }
            rest = &rest[end + 1..];
        } else {
            let (c, length) = entity(rest).unwrap_or(('&', 1));
            text.push(c);
            rest = &rest[length..];
        }
    }
    text.push_str(rest);
    text
}

/// The entity at the start of `text`, and its length in bytes.
fn entity(text: &str) -> Option<(char, usize)> {
    let end = text.char_indices().take(12).find(|(_, c)| *c == ';')?.0;
    let name = &text[1..end];
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#')?;
            let hex = number.strip_prefix(['x', 'X']).map(|hex| u32::from_str_radix(hex, 16));
            char::from_u32(hex.unwrap_or_else(|| number.parse()).ok()?)?
        }
    };
    Some((c, end + 1))
}

#[cfg(test)]
mod tests {
    use domain::publication::normalise;

    use super::*;

    #[test]
    fn a_rendered_status_compares_equal_to_what_was_sent() {
        // As Mastodon renders links (parts of them hidden), mentions (without their domain), tags and paragraphs.
        let html = r##"<p>Q&amp;A &lt;today&gt; with <span class="h-card" translate="no"><a href="https://b.example/@ann" class="u-url mention">@<span>ann</span></a></span><br />it&#39;s &quot;on&quot;</p><p><a href="https://go.example/l/abcdefghijklmnopqrstuvwxyz?x=1&amp;y=2" rel="nofollow"><span class="invisible">https://</span><span class="ellipsis">go.example/l/abcdefghijklmnopq</span><span class="invisible">rstuvwxyz?x=1&amp;y=2</span></a> <a href="https://a.example/tags/Launch" class="mention hashtag" rel="tag">#<span>Launch</span></a></p>"##;
        let sent = "Q&A <today> with @ann@b.example\nit's \"on\"\n\nhttps://go.example/l/abcdefghijklmnopqrstuvwxyz?x=1&y=2 #Launch";
        assert_eq!(normalise(&text_of(html)), normalise(sent));
    }

    #[test]
    fn odd_markup_neither_panics_nor_loses_text() {
        assert_eq!(text_of("a < b"), "a < b");
        assert_eq!(text_of("a & b &unknown; &#x1F642; &#99999999; &"), "a & b &unknown; 🙂 &#99999999; &");
        assert_eq!(text_of("&äöüäöüäöüäöü;"), "&äöüäöüäöüäöü;");
    }
}
