//! How a text begins, for where there is no room for all of it.

/// The beginning of `text` in at most `most` characters, with `…` where something was left out: cut between words where that leaves most of it, and
/// after a word rather than a mark, so that no two marks follow each other. A text that fits stays as it is.
#[must_use]
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    // Where a word ends exactly there, all of it stays.
    let whole = text[kept.len()..].starts_with(char::is_whitespace);
    let cut = if whole { None } else { kept.rfind(char::is_whitespace).filter(|at| *at > kept.len() / 2) };
    let kept = &kept[..cut.unwrap_or(kept.len())];
    format!(
        "{}…",
        kept.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '.' | '!' | '?' | '…' | '-' | '–' | '—'))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_words_and_ends_in_one_mark() {
        assert_eq!(shorten("All of it.", 10), "All of it.");
        assert_eq!(shorten("Winter roast from Marcala. Roasted on Tuesdays.", 30), "Winter roast from Marcala…");
        assert_eq!(shorten("Winter roast from Marcala. Roasted on Tuesdays.", 27), "Winter roast from Marcala…");
        assert_eq!(shorten("Plum, cocoa, and more of it", 12), "Plum, cocoa…");
        assert_eq!(shorten("Plum and cocoa", 9), "Plum and…", "a word that ends where the room does stays");
        assert_eq!(shorten("Why? Because…", 6), "Why…");
        assert_eq!(shorten(&"ä".repeat(200), 80).chars().count(), 80, "one endless word is cut inside");
        assert_eq!(shorten("…", 0), "…");
    }
}
