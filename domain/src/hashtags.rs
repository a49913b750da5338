//! Which hashtags go with a text: the brand's own, what performed, and what the text itself is about; none that is banned or spam.

mod refused;
mod spam;
mod stop_words;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use crate::{
    brief::Language,
    platform::Platform,
    policy::Forbidden,
    text::{EntityKind, entities},
};

pub use self::{refused::refuses_hashtags, spam::is_spammy};

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
    /// What the text was to be about, in the words of its brief; may be empty, or in another language.
    pub about: &'a str,
    /// The text's language.
    pub language: Language,
    /// The brand's own tags, the most important first.
    pub brand: &'a [String],
    /// What earlier posts showed.
    pub performed: &'a [Performed],
    /// Tags and phrases that must not appear, through any disguise (see [`crate::policy`]).
    pub banned: &'a [String],
    /// Whether brand, brief or voice want no tags at all. Then there are none, however well some did; what a disclosure says is no tag in this sense.
    pub refused: bool,
}

/// A brand's own tag is wanted before anything that was only observed.
const BRAND: f64 = 1.0;
/// A tag that did as well as any, where the text or its brief speaks of it.
const PERFORMED: f64 = 0.6;
/// A word that the text is about.
const FROM_TEXT: f64 = 0.5;
/// Tags are read at a glance; longer ones are sentences.
const LONGEST: usize = 30;
/// Shorter words carry no topic.
const SHORTEST_WORD: usize = 4;

#[derive(Debug)]
struct Candidate {
    tag: String,
    score: f64,
    order: usize,
}

/// The best tags, best first, without `#`: at most what the platform bears, less those that the text has already, which are not repeated. A tag of the brand
/// scores 1.0 (falling slightly along its list), one that performed up to 0.6 if the text or its brief speaks of it (otherwise tags would feed themselves), a word of the text up to 0.5; what comes from several sources adds up. Equals
/// keep the order brand, performed, text, so that the same input gives the same tags.
///
/// # Words of the text
/// A word is a topic if it has four letters, is no stop word, and
/// - in German, has a capital inside a sentence: then it is a noun;
/// - in English, French, Spanish, Italian, Dutch and Portuguese, has such a capital (then it is a name), or comes more than once, or stands in `about`;
/// - in any other language, for which there is no list of stop words, has such a capital. Scripts without capitals give no tags of the text.
///
/// A sentence in which stop words have capitals is a headline or a shout; there a capital says nothing. A stop word of any language is no tag either if
/// it only did well, for the language of earlier posts is not known; the brand's own tags are the brand's affair.
#[must_use]
pub fn rank(sources: &Sources<'_>, platform: Platform) -> Vec<String> {
    if sources.refused {
        return Vec::new();
    }
    let capabilities = platform.capabilities();
    let present: Vec<String> =
        entities(sources.text, platform).into_iter().filter(|e| e.kind == EntityKind::Hashtag).map(|e| key(&e.value)).collect();
    let longest = LONGEST.min(capabilities.max_tag_units as usize);
    let forbidden = Forbidden::new(sources.banned);
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut add = |raw: &str, score: f64| {
        let Some(tag) = normalise(raw) else { return };
        // What the platform would read otherwise than we mean it is none.
        let written = format!("#{tag}");
        let whole = matches!(entities(&written, platform).as_slice(), [entity] if entity.span.of(&written) == written);
        let fits = whole && tag.graphemes(true).count() <= longest;
        if !fits || is_spammy(&tag) || present.contains(&key(&tag)) || forbidden.stands_in(&written, Some(sources.language)) {
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
    let words: Vec<String> = [sources.text, sources.about].iter().flat_map(|text| text.unicode_words()).map(key).collect();
    let own: Vec<String> = sources.brand.iter().filter_map(|tag| normalise(tag)).map(|tag| key(&tag)).collect();
    let fits = |tag: &str| normalise(tag).map(|tag| key(&tag)).is_some_and(|tag| own.contains(&tag) || speaks_of(&words, &tag));
    let performed = sources.performed.iter().filter(|p| fits(&p.tag));
    for performed in performed.filter(|p| !stop_words::in_any(p.tag.trim().trim_start_matches(['#', '＃']))) {
        let score = if performed.score.is_nan() { 0.0 } else { f64::from(performed.score.clamp(0.0, 1.0)) };
        add(&performed.tag, PERFORMED * score);
    }
    for (word, share) in topics(sources, platform) {
        add(&word, FROM_TEXT * share);
    }
    candidates.retain(|candidate| candidate.score > 0.0);
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.order.cmp(&b.order)));
    let room = (capabilities.max_hashtags as usize).saturating_sub(present.len());
    candidates.into_iter().take(room).map(|candidate| candidate.tag).collect()
}

/// Whether `words` (in the form of [`key`]) hold the tag: as one word or up to three that stand together, give or take an ending of two letters.
fn speaks_of(words: &[String], tag: &str) -> bool {
    let ends_alike = |word: &str| word.strip_prefix(tag).or_else(|| tag.strip_prefix(word)).is_some_and(|rest| rest.chars().count() <= 2);
    words.iter().any(|word| word.chars().count() >= SHORTEST_WORD && ends_alike(word))
        || (1..=3).any(|n| words.windows(n).any(|run| run.concat() == tag))
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

/// A word as it was met in the text.
struct Met {
    word: String,
    times: usize,
    /// How often it bore a capital that its place does not explain.
    named: usize,
}

/// The words that a text is about with their weight in 0..=1, in the order of the text; see [`rank`] for what makes a word a topic.
fn topics(sources: &Sources<'_>, platform: Platform) -> Vec<(String, f64)> {
    let stop_words = stop_words::of(sources.language);
    let about: Vec<String> = sources.about.unicode_words().map(key).collect();
    let met = words_met(sources, stop_words, platform);
    let topics = met.into_iter().filter_map(|met| {
        let asked_for = about.contains(&key(&met.word));
        let is_topic = match (sources.language, stop_words) {
            // Every noun has a capital, and nothing else has.
            (Language::DE, _) | (_, None) => met.named > 0,
            (_, Some(_)) => met.named > 0 || met.times > 1 || asked_for,
        };
        let weight = 0.35 * met.named as f64 + 0.2 * (met.times - met.named) as f64 + if asked_for { 0.2 } else { 0.0 };
        is_topic.then(|| (met.word, weight.min(1.0)))
    });
    topics.collect()
}

/// Every word of the text that could be a tag, but for stop words, in the order of the text.
fn words_met(sources: &Sources<'_>, stop_words: Option<&stop_words::List>, platform: Platform) -> Vec<Met> {
    let text = sources.text;
    let entities = entities(text, platform);
    let is_stop_word = |word: &str| stop_words.is_some_and(|list| list.has(word));
    let mut met: Vec<Met> = Vec::new();
    // Line by line and sentence by sentence, since a headline is told by the whole of it.
    let mut at = 0;
    for sentence in text.split_inclusive('\n').flat_map(str::split_sentence_bounds) {
        let words: Vec<(usize, &str)> = sentence.unicode_word_indices().collect();
        let begins =
            |offset: usize| sentence[..offset].trim_end().chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != ',' && c != '-');
        let capital = |(offset, word): (usize, &str)| word.chars().next().is_some_and(char::is_uppercase) && !begins(offset);
        // Where even small words bear capitals (`Why You Should Try It`), or all letters do, a capital names nothing.
        let headline =
            words.iter().any(|word| capital(*word) && is_stop_word(word.1) && !stop_words::may_be_capitalised(word.1, sources.language));
        for (offset, word) in words {
            let place = at + offset;
            let inside = entities.iter().any(|entity| entity.span.start <= place && place < entity.span.end);
            let plain = word.chars().count() >= SHORTEST_WORD && word.chars().all(char::is_alphabetic);
            if inside || !plain || is_stop_word(word) {
                continue;
            }
            let named = usize::from(!headline && capital((offset, word)));
            match met.iter_mut().find(|known| key(&known.word) == key(word)) {
                Some(known) => {
                    known.times += 1;
                    known.named += named;
                }
                None => met.push(Met { word: word.to_owned(), times: 1, named }),
            }
        }
        at += sentence.len();
    }
    met
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(text: &str, brand: &[&str], performed: &[(&str, f32)], banned: &[&str], platform: Platform) -> Vec<String> {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let performed: Vec<Performed> = performed.iter().map(|(tag, score)| Performed { tag: (*tag).to_owned(), score: *score }).collect();
        let (brand, banned) = (own(brand), own(banned));
        rank(
            &Sources { text, about: "", language: Language::EN, brand: &brand, performed: &performed, banned: &banned, refused: false },
            platform,
        )
    }

    #[test]
    fn whoever_refuses_tags_gets_none_however_well_some_did() {
        let brand = ["LarkspurBread".to_owned()];
        let performed = [Performed { tag: "bread".to_owned(), score: 1.0 }];
        let text = "Fresh Bread from the Oven, and more bread.";
        let wanted = Sources { text, about: "", language: Language::EN, brand: &brand, performed: &performed, banned: &[], refused: false };
        assert!(!rank(&wanted, Platform::Mastodon).is_empty());
        assert!(rank(&Sources { refused: true, ..wanted }, Platform::Mastodon).is_empty());
    }

    #[test]
    fn brand_comes_first_then_what_performed_then_the_topic() {
        let text = "Our sourdough rests for two days in a dull bakery. Good sourdough needs time, and Kreuzberg has it.";
        let found = tags(text, &["#Kornfeld"], &[("bakery", 0.9), ("dull", 0.01)], &[], Platform::Mastodon);
        assert_eq!(found, ["Kornfeld", "bakery", "sourdough", "Kreuzberg", "dull"]);
    }

    #[test]
    fn what_performed_goes_only_where_it_is_spoken_of() {
        let of = |text: &str| tags(text, &[], &[("Marcala", 1.0), ("WinterRoast", 0.9), ("oven", 0.8)], &[], Platform::Mastodon);
        assert_eq!(of("kaffee am kai"), [""; 0]);
        assert_eq!(of("a winter roast, from the oven's mouth"), ["WinterRoast", "oven"]);
        assert_eq!(of("governed by nobody"), [""; 0], "not within another word");
    }

    #[test]
    fn what_several_sources_say_counts_more() {
        assert_eq!(
            tags("Sourdough: all about sourdough at the bakery", &[], &[("bakery", 0.5), ("Sourdough", 0.45)], &[], Platform::Bluesky)[..2],
            ["Sourdough", "bakery"]
        );
    }

    #[test]
    fn banned_spammy_and_present_tags_are_left_out() {
        let text = "The wonder cure: a cure, a wonder #Bread";
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

    fn of_text(code: &str, text: &str, about: &str) -> Vec<String> {
        let sources = Sources { text, about, language: code.parse().unwrap(), brand: &[], performed: &[], banned: &[], refused: false };
        rank(&sources, Platform::Mastodon)
    }

    #[test]
    fn the_words_of_a_text_are_its_nouns_and_names_and_what_it_comes_back_to() {
        for (code, text, about, found) in [
            ("en", "We think it is worth it: our coffee really comes from Kenya.", "", vec!["Kenya"]),
            ("en", "We think it is worth it: our coffee really comes from Kenya.", "a new Coffee for winter", vec!["coffee", "Kenya"]),
            ("en", "Fresh roast on Friday. The roast is dark, and thinking of it is worth it.", "", vec!["roast", "Friday"]),
            // Neither a headline nor a shout makes names.
            ("en", "Why You Should Try Dark Roast Today", "", vec![]),
            ("en", "BAKED WITH LOVE IN YOUR TOWN", "", vec![]),
            ("de", "Heute denken wir, dass sich der Kaffee wirklich lohnt. Er kommt frisch aus Kenia.", "", vec!["Kaffee", "Kenia"]),
            ("de", "Fragen Sie uns: Ihnen schmeckt, was Ihr Herz mag. Geröstet, geröstet, geröstet.", "", vec!["Herz"]),
            ("fr", "Le pain frais de Lyon, toujours du pain au levain. Le levain est vraiment vivant.", "", vec!["pain", "levain", "Lyon"]),
            ("es", "Siempre hacemos café de Colombia, porque el café merece tiempo.", "", vec!["café", "Colombia"]),
            ("it", "Ogni giorno facciamo il caffè a Torino, sempre caffè fresco.", "", vec!["caffè", "Torino"]),
            ("nl", "Onze koffie komt uit Kenia, en die koffie is echt lekker.", "", vec!["koffie", "Kenia"]),
            ("pt", "O nosso café vem sempre do Brasil, e este café vale mesmo.", "", vec!["café", "Brasil"]),
            // No list: only what is written as a name.
            ("sv", "Vårt kaffe kommer alltid från Kenya, och vårt kaffe är alltid gott.", "", vec!["Kenya"]),
            ("ja", "私たちのコーヒーはケニアから来ます。", "", vec![]),
        ] {
            assert_eq!(of_text(code, text, about), found, "{text}");
        }
    }

    #[test]
    fn a_stop_word_is_no_tag_because_it_did_well_but_because_the_brand_says_so() {
        let performed = [("from", 1.0), ("#Wirklich", 0.9), ("coffee", 0.5)];
        assert_eq!(tags("from coffee, wirklich", &["Next"], &performed, &[], Platform::Mastodon), ["Next", "coffee"]);
    }

    proptest! {
        #[test]
        fn a_stop_word_never_becomes_a_tag(
            code in prop::sample::select(vec!["en", "de", "fr", "es", "it", "nl", "pt"]),
            picked in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, prop::sample::select(vec![" ", ", ", ". ", "\n", ": ", " – "])), 1..20),
        ) {
            let words = stop_words::tests::words(code);
            let text: String = picked.iter().map(|(index, case, after)| {
                let word: &str = words[index.index(words.len())];
                let written = match case { 0 => (*word).to_owned(), 1 => raised(word), _ => word.to_uppercase() };
                format!("{written}{after}")
            }).collect();
            let performed: Vec<Performed> = picked.iter().map(|(index, ..)| Performed { tag: raised(words[index.index(words.len())]), score: 1.0 }).collect();
            let sources = Sources { text: &text, about: &text, language: code.parse().unwrap(), brand: &[], performed: &performed, banned: &[], refused: false };
            prop_assert_eq!(rank(&sources, Platform::Mastodon), Vec::<String>::new(), "{}", text);
        }

        #[test]
        fn every_tag_is_one_on_its_platform(text in r"\PC{0,60}", brand in prop::collection::vec(r"\PC{0,12}", 0..4)) {
            for platform in Platform::ALL {
                let sources = Sources { text: &text, about: &text, language: Language::DE, brand: &brand, performed: &[], banned: &[], refused: false };
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
