use proptest::prelude::*;

use super::*;
use crate::platform::Platform;

fn brand() -> Brand {
    Brand {
        name: "Kornfeld".into(),
        guidelines: String::new(),
        banned_phrases: vec!["free money".into(), "miracle".into(), "Wundermittel".into()],
        required_disclosures: vec!["#ad".into()],
        colors: vec![],
        links: [("mail".to_owned(), "mailto:hello@kornfeld.example".to_owned()), ("phone".to_owned(), "tel:+49-30-901820".to_owned())]
            .into(),
    }
}

fn rules(text: &str, platform: Platform) -> Vec<(Rule, Severity)> {
    let (brand, competitors) = (brand(), ["Brotfabrik".to_owned()]);
    let lints = lint(text, &PolicyContext::new(platform, Some(Language::EN), &brand, &competitors));
    lints.iter().map(|lint| (lint.rule, lint.severity)).collect()
}

#[test]
fn clean_text_has_no_lints() {
    for text in [
        "Our bread is back, baked by Ann (@ann@social.example) since five this morning. Read how: https://example.com/free-money-2026?x=1 #bread #ad",
        "We move on 2026-12-01, at 9:30. 1,000,000 thanks for 25 years! Questions? hello@kornfeld.example or +49 30 901820. #ad",
        "It's miraculous how the NASA and ESA photos turned out. #ad",
        "日本語のパン、毎朝焼きたて。 #パン #ad",
    ] {
        assert_eq!(rules(text, Platform::Mastodon), [], "{text}");
    }
}

#[test]
fn every_rule_finds_what_was_planted() {
    use Severity::{Error, Warning};
    let long = "ä".repeat(600) + " #ad";
    for (text, rule, severity) in [
        ("Get FREE  MONEY here #ad", Rule::BannedPhrase, Error),
        ("a mirасle cure #ad", Rule::BannedPhrase, Error),
        ("a mira cle cure #ad", Rule::BannedPhrase, Warning),
        ("Better than Brotfabrik's bread #ad", Rule::Competitor, Error),
        ("See https://www.brotfabrik.example/x #ad", Rule::Competitor, Error),
        ("Our bread is back. #adventure", Rule::MissingDisclosure, Error),
        ("Our bread is back. #\u{200b}ad", Rule::MissingDisclosure, Error),
        ("#a #b #c #d #e #ad", Rule::TooManyHashtags, Error),
        ("@a @b @c @d @e @f #ad", Rule::TooManyMentions, Error),
        ("Write to ann@example.com #ad", Rule::EmailAddress, Error),
        ("Call 555-010-4477 #ad", Rule::PhoneNumber, Error),
        ("BUY OUR BREAD TODAY #ad", Rule::Shouting, Warning),
        ("Dear {{name}}, #ad", Rule::TemplateMark, Error),
        (&long, Rule::TooLong, Error),
        (
            "Seit heute früh backen wir wieder Brot in unserer Straße, und ihr seid herzlich eingeladen, uns zu besuchen. #ad",
            Rule::WrongLanguage,
            Warning,
        ),
    ] {
        assert_eq!(rules(text, Platform::Mastodon), [(rule, severity)], "{text}");
    }
    for blank in ["", " \n", "\u{200b}\u{feff}"] {
        assert_eq!(rules(blank, Platform::Mastodon), [(Rule::Empty, Error), (Rule::MissingDisclosure, Error)]);
    }
}

#[test]
fn length_is_the_platforms_own() {
    let text = format!("{} https://example.com/{} #ad", "x".repeat(290), "y".repeat(300));
    assert_eq!(rules(&text, Platform::Mastodon), []);
    assert_eq!(rules(&text, Platform::Bluesky), [(Rule::TooLong, Severity::Error)]);
    let heavy = "👩‍👩‍👧‍👦".repeat(125) + " #ad";
    assert_eq!(rules(&heavy, Platform::Bluesky), [(Rule::TooLong, Severity::Error)], "too many bytes though not too many characters");
}

#[test]
fn a_lint_serialises_as_the_api_says() {
    let brand = brand();
    let lints = lint("free money #ad", &PolicyContext::new(Platform::Mastodon, None, &brand, &[]));
    let json = serde_json::to_value(&lints).unwrap();
    assert_eq!(
        json,
        serde_json::json!([{"rule": "banned-phrase", "severity": "error", "message": "banned phrase `free money`", "span": {"start": 0, "end": 10}}])
    );
}

#[test]
fn risk_grows_with_what_is_wrong() {
    let of =
        |severities: &[Severity]| risk(&severities.iter().map(|s| Lint::new(Rule::Empty, *s, None, String::new())).collect::<Vec<_>>());
    assert_eq!(of(&[]), 0.0);
    assert!(of(&[Severity::Info]) < of(&[Severity::Warning]) && of(&[Severity::Warning]) < of(&[Severity::Error]));
    assert!(of(&[Severity::Error]) < of(&[Severity::Error, Severity::Info]) && of(&[Severity::Error; 50]) <= 1.0);
}

/// One letter in one of its disguises.
fn disguise(c: char, pick: u8) -> String {
    let look_alikes: &[&str] = match c {
        'a' => &["а", "α", "ａ", "á", "@", "𝐚", "ᴀ"],
        'c' => &["с", "ｃ", "ç", "ᴄ", "𝖈"],
        'e' => &["е", "ｅ", "é", "3", "ᴇ", "€"],
        'f' => &["ｆ", "𝒇", "ꜰ", "ⓕ"],
        'i' => &["і", "1", "í", "!", "ｉ", "ı"],
        'l' => &["ⅼ", "1", "ł", "ｌ", "|"],
        'm' => &["ｍ", "м", "ᴍ", "𝗺"],
        'n' => &["ｎ", "ñ", "ɴ", "𝕟"],
        'o' => &["о", "ο", "0", "ö", "ｏ", "ø"],
        'r' => &["ｒ", "г", "ʀ", "𝓻"],
        'y' => &["у", "ý", "ｙ", "ʏ"],
        _ => return c.to_string(),
    };
    look_alikes[usize::from(pick) % look_alikes.len()].to_owned()
}

/// A phrase with each letter in a random case, some (never most) in a disguise, with invisible characters, and its words spaced at random.
fn disguised(phrase: &'static str) -> impl Strategy<Value = String> {
    let letters = prop::collection::vec((any::<bool>(), 0_u8..6, any::<u8>(), 0_u8..8), phrase.chars().count());
    let spaces = prop::sample::select(vec![" ", "", "  ", "\n", "\u{a0}", "-", " - ", "_", ".", "\u{2003}"]);
    let between = prop::sample::select(vec!["", "", "", " ", ".", "-", "*", "\u{200b}", "\u{ad}"]);
    (letters, spaces, between).prop_map(move |(letters, space, between)| {
        let mut out = String::new();
        let mut disguises = 0;
        for (c, (upper, kind, pick, invisible)) in phrase.chars().zip(letters) {
            if c == ' ' {
                // A word that is spelled out is set off by more than a letter is.
                out.push_str(if between == " " { "  " } else { space });
                continue;
            }
            if !out.is_empty() && !out.ends_with(char::is_whitespace) {
                out.push_str(between);
            }
            if kind == 0 && disguises * 2 + 2 <= phrase.len() {
                disguises += 1;
                out.push_str(&disguise(c, pick));
            } else if upper {
                out.extend(c.to_uppercase());
            } else {
                out.push(c);
            }
            if invisible == 0 {
                out.push('\u{200d}');
            }
        }
        out
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn never_panics_and_spans_are_pieces_of_the_text(text in r"(\PC|[@#{}\[\]<>%!. 0-9a-zA-Z]|free |money|https://a\.io/|\u{200b}|ä\u{301}){0,80}") {
        let (brand, competitors) = (brand(), ["a".to_owned(), "🙂".to_owned(), String::new()]);
        for platform in Platform::ALL {
            for language in [None, Some(Language::DE)] {
                let lints = lint(&text, &PolicyContext::new(*platform, language, &brand, &competitors));
                for lint in &lints {
                    if let Some(span) = lint.span {
                        prop_assert!(text.get(span.start..span.end).is_some_and(|piece| !piece.is_empty()), "{lint:?}");
                    }
                }
                prop_assert!((0.0..=1.0).contains(&risk(&lints)));
            }
        }
    }

    #[test]
    fn a_planted_phrase_is_always_found(
        planted in prop_oneof![disguised("free money"), disguised("miracle")],
        before in "([A-Z]?[bdghkpstuw]{2,9} ){0,8}", after in "[,.!]? ([bdghkpstuw]{2,9} ){0,8}",
    ) {
        let text = format!("{before}{planted}{after}");
        let brand = brand();
        let lints = lint(&text, &PolicyContext::new(Platform::Mastodon, Some(Language::EN), &brand, &[]));
        let found = lints.iter().find(|lint| lint.rule == Rule::BannedPhrase);
        prop_assert!(found.is_some(), "{text:?}");
        let span = found.and_then(|lint| lint.span).unwrap();
        prop_assert!(span.start >= before.len() && span.end <= before.len() + planted.len(), "{text:?} {span:?}");
    }

    #[test]
    fn text_without_the_phrase_is_not_flagged(words in prop::collection::vec("[A-Z]?[a-z]{1,10}[,.!?]?", 1..25)) {
        let text = words.join(" ");
        let bare: String = text.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect();
        prop_assume!(!["freemoney", "miracle", "wundermittel"].iter().any(|phrase| bare.contains(phrase)));
        let brand = brand();
        let lints = lint(&text, &PolicyContext::new(Platform::Mastodon, Some(Language::DE), &brand, &[]));
        prop_assert!(!lints.iter().any(|lint| lint.rule == Rule::BannedPhrase), "{lints:?}");
    }

    #[test]
    fn a_phrase_inside_a_longer_word_is_not_flagged(head in "[b-h]{1,5}", tail in "[b-h]{1,5}", phrase in prop::sample::select(vec!["miracle", "Wundermittel"])) {
        let brand = brand();
        for text in [format!("{head}{phrase}"), format!("{phrase}{tail}"), format!("{head}{phrase}{tail}")] {
            let lints = lint(&text, &PolicyContext::new(Platform::Mastodon, Some(Language::DE), &brand, &[]));
            prop_assert!(!lints.iter().any(|lint| lint.rule == Rule::BannedPhrase), "{text}: {lints:?}");
        }
    }
}
