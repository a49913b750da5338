//! Taking off what models wrap around a text although they were told not to.

/// The text of a completion: without the thoughts that some local models put before it (`<think>`), without code fences, without a preamble ("Here is your post:") or a label ("Post:"), without quotation marks around
/// the whole, with line ends and blank lines in order. What is inside the text stays.
#[must_use]
pub fn clean_completion(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut text = text.trim().trim_start_matches('\u{feff}').to_owned();
    // A model may wrap its wrapping: a preamble before a fence, quotation marks inside of it. Each round takes one layer off.
    loop {
        let round = without_quotes(without_label(without_preamble(without_fence(without_thoughts(&text))))).trim().to_owned();
        if round == text {
            break;
        }
        text = round;
    }
    let mut out = String::with_capacity(text.len());
    let mut blank = 0;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            blank += 1;
            continue;
        }
        if !out.is_empty() {
            out.push_str(if blank > 0 { "\n\n" } else { "\n" });
        }
        blank = 0;
        out.push_str(line);
    }
    out
}

/// What follows the thoughts; nothing, if they never end.
fn without_thoughts(text: &str) -> &str {
    match text.strip_prefix("<think>") {
        Some(thoughts) => thoughts.split_once("</think>").map_or("", |(_, rest)| rest.trim_start()),
        None => text,
    }
}

/// What stands in a code fence that spans the whole text.
fn without_fence(text: &str) -> &str {
    let Some(inner) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else { return text };
    match inner.split_once('\n') {
        // The first line of a fence is its language, or nothing.
        Some((first, rest)) if !inner.contains("```") && first.trim().chars().all(|c| c.is_ascii_alphanumeric()) => rest,
        _ => text,
    }
}

/// Without a first paragraph that announces the rest: it begins like an announcement and ends with a colon.
fn without_preamble(text: &str) -> &str {
    const BEGINNINGS: [&str; 12] = [
        "here is",
        "here's",
        "here are",
        "sure",
        "certainly",
        "of course",
        "absolutely",
        "hier ist",
        "hier sind",
        "gerne",
        "natürlich",
        "klar",
    ];
    let Some((first, rest)) = text.split_once('\n') else { return text };
    let lower = first.trim().to_lowercase();
    let announces = lower.ends_with(':') && BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning));
    if announces && !rest.trim().is_empty() { rest.trim_start() } else { text }
}

/// Without a label before the text: `Post:`, `**Post**:`, `Translation:`.
fn without_label(text: &str) -> &str {
    const LABELS: [&str; 8] = ["post", "text", "answer", "translation", "rewrite", "beitrag", "antwort", "übersetzung"];
    let Some((label, rest)) = text.split_once(':') else { return text };
    let rest = rest.trim_start_matches('*').trim_start();
    let label = label.trim_matches(|c: char| c == '*' || c == '#' || c.is_whitespace()).to_lowercase();
    if LABELS.contains(&label.as_str()) && !rest.is_empty() { rest } else { text }
}

/// Without one pair of quotation marks around the whole, unless they belong to quotations inside of it.
fn without_quotes(text: &str) -> &str {
    const PAIRS: [(char, char); 7] = [('"', '"'), ('“', '”'), ('„', '“'), ('„', '”'), ('«', '»'), ('»', '«'), ('\'', '\'')];
    for (open, close) in PAIRS {
        let inner = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        if let Some(inner) = inner.filter(|inner| !inner.trim().is_empty() && !inner.contains(open) && !inner.contains(close)) {
            return inner;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wrapping_comes_off() {
        for (wrapped, text) in [
            ("Plain.", "Plain."),
            ("  \"Quoted.\"\n", "Quoted."),
            ("„Auf Deutsch.“", "Auf Deutsch."),
            ("```\nFenced.\n```", "Fenced."),
            ("```text\n“Both.”\n```", "Both."),
            ("Here is your post:\n\nThe post.", "The post."),
            ("Sure! Here's a draft for Mastodon:\n```\nThe post.\n```", "The post."),
            ("Hier ist der Beitrag:\nDer Beitrag.", "Der Beitrag."),
            ("**Post:** The post.", "The post."),
            ("Translation: Der Beitrag.", "Der Beitrag."),
            ("One.\r\n\r\n\r\n\r\nTwo.  \r\nThree.", "One.\n\nTwo.\nThree."),
            ("", ""),
            (" \n ", ""),
            ("<think>\nPlum? Or \"cocoa\"?\n</think>\n\nThe post.", "The post."),
            ("<think>never ends", ""),
        ] {
            assert_eq!(clean_completion(wrapped), text, "{wrapped:?}");
        }
    }

    #[test]
    fn what_belongs_to_the_text_stays() {
        for text in [
            "\"Plum,\" she said. \"And cocoa.\"",
            "Here is the thing: plums.",
            "Here is what we roast on Tuesdays\n\nPlum.",
            "Say `hello`.",
            "Two notes: plum and cocoa.",
            "'Tis the season, says 'Juniper'",
            "Here is what you get:",
            "\"\"",
        ] {
            assert_eq!(clean_completion(text), text);
        }
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing_more(text in "[\"“”„`a-zA-Z:*\r\n ]{0,60}|(Here is it:\n|Post: |```\n|\"){0,4}[a-z ]{1,9}(\n```|\"){0,4}") {
            let once = clean_completion(&text);
            prop_assert_eq!(clean_completion(&once), once);
        }
    }
}
