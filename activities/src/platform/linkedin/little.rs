//! `little` text (learn.microsoft.com, "little Text Format"): characters that mean something in it are escaped, or the post ends there.

/// The reserved characters of the grammar.
const RESERVED: &str = r"|{}@[]()<>#\*_~";

/// A text whose hashtags stay hashtags and in which nothing else means anything.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let tags: Vec<usize> = domain::text::entities(text, domain::platform::Platform::LinkedIn)
        .into_iter()
        .filter(|entity| entity.kind == domain::text::EntityKind::Hashtag && text[entity.span.start..].starts_with('#'))
        .map(|entity| entity.span.start)
        .collect();
    for (at, c) in text.char_indices() {
        if RESERVED.contains(c) && !tags.contains(&at) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// What people read of it.
pub(super) fn read(little: &str) -> String {
    let mut out = String::with_capacity(little.len());
    // LinkedIn may write a hashtag as its template.
    let little = little.replace("{hashtag|\\#|", "#");
    let mut chars = little.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '}' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_as_it_was_and_its_hashtags_stay() {
        let text = "News (really) & <truly> from @ann: 50% *off* a_b | {x} [y] ~z \\ #Größe, #1 and https://a.example/a_b#top";
        let little = escaped(text);
        assert_eq!(read(&little), text);
        assert!(
            little.starts_with(r"News \(really\) & \<truly\> from \@ann: 50% \*off\* a\_b \| \{x\} \[y\] \~z \\ #Größe, \#1"),
            "{little}"
        );
        assert_eq!(read(r"{hashtag|\#|Größe} and more"), "#Größe and more");
    }
}
