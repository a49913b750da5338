//! Which hashtags go with a text: the brand's own, what performed, and what the text itself is about; none that is banned or spam.

mod spam;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use crate::{
    brief::Language,
    platform::Platform,
    policy::forbids,
    text::{EntityKind, entities},
};

pub use self::spam::is_spammy;

/// How a hashtag did in earlier posts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Performed {
    /// The tag, with or without `#`.
    pub tag: String,
    /// 0 for nothing at all to 1 for the best; clamped.
    pub score: f32,
}

/// What tags are chosen from.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The text, as it stands without the tags that are looked for.
    pub text: &'a str,
    /// Its language.
    pub language: Language,
    /// The brand's own tags, the most important first.
    pub brand: &'a [String],
    /// What earlier posts showed.
    pub performed: &'a [Performed],
    /// Tags and phrases that must not appear, through any disguise (see [`crate::policy`]).
    pub banned: &'a [String],
}

/// A brand's own tag is wanted before anything that was only observed.
const BRAND: f64 = 1.0;
/// A tag that did as well as any, whatever the text is about.
const PERFORMED: f64 = 0.6;
/// A word that the text is about.
const FROM_TEXT: f64 = 0.5;
/// Tags are read at a glance; longer ones are sentences.
const LONGEST: usize = 30;
/// Shorter words carry no topic; in scripts without spaces two characters do.
const SHORTEST_WORD: usize = 4;

#[derive(Debug)]
struct Candidate {
    tag: String,
    score: f64,
    order: usize,
}

/// The best tags, best first, without `#`: at most what the platform bears, less those that the text has already, which are not repeated. A tag of the brand
/// scores 1.0 (falling slightly along its list), one that performed up to 0.6, a word of the text up to 0.5; what comes from several sources adds up. Equals
/// keep the order brand, performed, text, so that the same input gives the same tags.
#[must_use]
pub fn rank(sources: &Sources<'_>, platform: Platform) -> Vec<String> {
    let capabilities = platform.capabilities();
    let present: Vec<String> =
        entities(sources.text, platform).into_iter().filter(|e| e.kind == EntityKind::Hashtag).map(|e| key(&e.value)).collect();
    let longest = LONGEST.min(capabilities.max_tag_units as usize);
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut add = |raw: &str, score: f64| {
        let Some(tag) = normalise(raw) else { return };
        // What the platform would read otherwise than we mean it is none.
        let written = format!("#{tag}");
        let whole = matches!(entities(&written, platform).as_slice(), [entity] if entity.span.of(&written) == written);
        let fits = whole && tag.graphemes(true).count() <= longest;
        if !fits || is_spammy(&tag) || present.contains(&key(&tag)) || forbids(sources.banned, &written, Some(sources.language)) {
            return;
        }
        match candidates.iter_mut().find(|known| key(&known.tag) == key(&tag)) {
            Some(known) => known.score += score,
            None => {
                let order = candidates.len();
                candidates.push(Candidate { tag, score, order });
            }
        }
    };
    for (at, tag) in sources.brand.iter().enumerate() {
        add(tag, BRAND - 0.01 * at.min(50) as f64);
    }
    for performed in sources.performed {
        let score = if performed.score.is_nan() { 0.0 } else { f64::from(performed.score.clamp(0.0, 1.0)) };
        add(&performed.tag, PERFORMED * score);
    }
    for (word, share) in topics(sources.text, sources.language, platform) {
        add(&word, FROM_TEXT * share);
    }
    candidates.retain(|candidate| candidate.score > 0.0);
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.order.cmp(&b.order)));
    let room = (capabilities.max_hashtags as usize).saturating_sub(present.len());
    candidates.into_iter().take(room).map(|candidate| candidate.tag).collect()
}

/// A tag as platforms take it, without `#`: letters, digits and `_`; words run together with their first letters raised. `None` if nothing of a tag is left.
#[must_use]
pub fn normalise(raw: &str) -> Option<String> {
    let raw = raw.trim().trim_start_matches(['#', '＃']);
    let words: Vec<&str> = raw.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    let tag: String = match words.as_slice() {
        [one] => (*one).to_owned(),
        several => several.iter().map(|word| raised(word)).collect(),
    };
    // Bluesky wants a letter first, both want one somewhere.
    tag.chars().next().is_some_and(char::is_alphabetic).then_some(tag)
}

fn raised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn key(tag: &str) -> String {
    tag.to_lowercase()
}

/// The words that a text is about with their weight in 0..=1, in the order of the text: what is repeated, stands early, or is written with a capital that
/// its place does not explain.
fn topics(text: &str, language: Language, platform: Platform) -> Vec<(String, f64)> {
    let entities = entities(text, platform);
    let mut words: Vec<(String, f64)> = Vec::new();
    let mut sentence_start = true;
    for (at, word) in text.split_word_bound_indices() {
        let lettered = word.chars().any(char::is_alphabetic);
        if !lettered {
            sentence_start |= word.contains(['.', '!', '?', '\n', ':']);
            continue;
        }
        let at_start = std::mem::replace(&mut sentence_start, false);
        let inside = entities.iter().any(|entity| entity.span.start <= at && at < entity.span.end);
        if inside
            || word.chars().count() < SHORTEST_WORD
            || !word.chars().all(|c| c.is_alphabetic() || c == '-')
            || is_stop_word(&key(word), language)
        {
            continue;
        }
        let capital = word.chars().next().is_some_and(char::is_uppercase) && !at_start;
        let weight = if capital { 0.35 } else { 0.2 };
        match words.iter_mut().find(|(known, _)| key(known) == key(word)) {
            Some((_, share)) => *share = (*share + weight).min(1.0),
            None => words.push((word.to_owned(), weight)),
        }
    }
    words
}

/// Words that no text is about.
fn is_stop_word(word: &str, language: Language) -> bool {
    const ENGLISH: &str = " about above after again against also always among another around away back because been before behind being below between both could does doing down during each even ever every from further have having here hers herself himself into itself just know less like look made make many more most much must myself need never next only other ours ourselves over please really same should since some such take than that their theirs them themselves then there these they thing things this those through today together tomorrow under until upon very want week well were what when where which while whom whose will with within without would year yesterday your yours yourself ";
    const GERMAN: &str = " aber alle allem allen aller alles also andere anderen auch außer beim beide bereits bist damit dann dass davon dein deine deinem deinen deiner denn dich diese diesem diesen dieser dieses doch dort durch eigentlich ein eine einem einen einer eines einige einmal endlich euch euer eure eurem euren eurer etwas ganz gegen gibt habe haben hatte hatten heute hier hinter ihnen ihre ihrem ihren ihrer immer innen jede jedem jeden jeder jedes jetzt kann kein keine keinem keinen keiner können machen macht mehr mein meine meinem meinen meiner mich mit muss müssen nach nicht nichts noch nun nur oder ohne schon sehr sein seine seinem seinen seiner seit sich sind soll sollen sollte sondern sonst über unser unsere unserem unseren unserer unter viel viele vom von während wann warum weil weiter welche wenn werden wieder will wird wirst wollen wurde würde zum zur zwischen ";
    let list = match language.as_str() {
        "en" => ENGLISH,
        "de" => GERMAN,
        _ => return false,
    };
    list.contains(&format!(" {word} "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(text: &str, brand: &[&str], performed: &[(&str, f32)], banned: &[&str], platform: Platform) -> Vec<String> {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let performed: Vec<Performed> = performed.iter().map(|(tag, score)| Performed { tag: (*tag).to_owned(), score: *score }).collect();
        let (brand, banned) = (own(brand), own(banned));
        rank(&Sources { text, language: Language::EN, brand: &brand, performed: &performed, banned: &banned }, platform)
    }

    #[test]
    fn brand_comes_first_then_what_performed_then_the_topic() {
        let text = "Our sourdough rests for two days. Good sourdough needs time, and Kreuzberg has it.";
        let found = tags(text, &["#Kornfeld"], &[("bakery", 0.9), ("dull", 0.01)], &[], Platform::Mastodon);
        assert_eq!(found, ["Kornfeld", "bakery", "sourdough", "Kreuzberg", "rests"]);
    }

    #[test]
    fn what_several_sources_say_counts_more() {
        assert_eq!(
            tags("All about sourdough", &[], &[("bakery", 0.5), ("Sourdough", 0.45)], &[], Platform::Bluesky)[..2],
            ["Sourdough", "bakery"]
        );
    }

    #[test]
    fn banned_spammy_and_present_tags_are_left_out() {
        let text = "The wonder cure #Bread";
        let performed = [
            ("follow4follow", 1.0),
            ("miracle-cure", 1.0),
            ("MіracleCure", 1.0),
            ("bread", 1.0),
            ("2026", 1.0),
            ("f4f", 1.0),
            ("x".repeat(40).leak(), 1.0),
        ];
        assert_eq!(tags(text, &["oven"], &performed, &["miracle cure", "wonder"], Platform::Mastodon), ["oven", "cure"]);
    }

    #[test]
    fn there_are_never_more_than_the_platform_bears() {
        let many: Vec<String> = (0..20).map(|n| format!("tag{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(tags("x", &many, &[], &[], Platform::Mastodon), many[..5]);
        assert_eq!(tags("x", &many, &[], &[], Platform::Bluesky), many[..3]);
        assert_eq!(tags("#a #b x", &many, &[], &[], Platform::Bluesky), many[..1], "tags that stand in the text have their place already");
    }

    #[test]
    fn tags_are_made_of_what_platforms_take() {
        for (raw, tag) in [
            ("#Bread", Some("Bread")),
            ("fresh bread", Some("FreshBread")),
            ("Öl & Essig", Some("ÖlEssig")),
            ("a_b", Some("a_b")),
            ("#", None),
            ("42", None),
            (" ## ", None),
        ] {
            assert_eq!(normalise(raw).as_deref(), tag, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn every_tag_is_one_on_its_platform(text in r"\PC{0,60}", brand in prop::collection::vec(r"\PC{0,12}", 0..4)) {
            for platform in Platform::ALL {
                let sources = Sources { text: &text, language: Language::DE, brand: &brand, performed: &[], banned: &[] };
                let tags = rank(&sources, *platform);
                prop_assert!(tags.len() <= platform.capabilities().max_hashtags as usize);
                prop_assert_eq!(&tags, &rank(&sources, *platform));
                for tag in tags {
                    let found = entities(&format!("#{tag}"), *platform);
                    prop_assert!(found.len() == 1 && found[0].value == tag, "{tag:?} {found:?}");
                }
            }
        }
    }
}
