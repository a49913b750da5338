//! Writing: copy composed from what the prompt says, and mended as a prompt to rewrite asks.

use unicode_segmentation::UnicodeSegmentation as _;

use super::{
    NAME,
    embeddings::fnv,
    manner::{Manner, sentences},
    phrases::{self, Phrase},
    reading::{Asked, Task, Tongue},
    translating::translation,
};

/// A mistake that a draft makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slip {
    TooLong,
    NoDisclosure,
}

/// The mistake of one draft in `n`, chosen by the prompt; rewriting is always careful.
pub(super) fn careless(asked: &Asked, n: u64) -> Option<Slip> {
    let hash = asked.hash() >> 8;
    if asked.task != Task::Write || n == 0 || !hash.is_multiple_of(n) {
        return None;
    }
    // Without a disclosure to forget, it is too long.
    let forgets = asked.all("disclosure").next().is_some() && (hash / n).is_multiple_of(2);
    Some(if forgets { Slip::NoDisclosure } else { Slip::TooLong })
}

/// The answer to a prompt.
pub(super) fn answer(asked: &Asked, slip: Option<Slip>) -> String {
    match asked.task {
        Task::Write => finished(asked, composed(asked, &asked.angle), slip),
        Task::Rewrite => rewritten(asked, slip),
        Task::Translate => translation(asked),
        Task::Digest => summed_up(asked),
        Task::Picture => pictured(asked),
        Task::Unknown => format!("This is {NAME}, a stand-in for a language model. It was asked: {}", asked.beginning()),
    }
}

/// The paragraphs of a post, the most important first: of these, the last ones go if there is no room.
fn composed(asked: &Asked, angle: &str) -> Vec<String> {
    let pick = |phrases: &'static [Phrase], salt: u64| phrases[(asked.seed.wrapping_add(salt) % phrases.len() as u64) as usize];
    let say = |phrase: Phrase, filling: &str| phrase.say(asked.tongue, plain(filling).as_str());
    let salt = fnv(angle) >> 32;
    if let Some(manner) = Manner::of(asked) {
        return manner.sentences(asked, angle, salt);
    }
    let topic = phrases::capitalised(&plain(asked.one("topic")));
    let mut paragraphs = vec![say(pick(phrases::openers(angle), 0), &topic)];
    // Angles differ in which of the points they begin with, too.
    let mut points: Vec<&str> = asked.all("key_point").collect();
    if !points.is_empty() {
        let first = (salt % points.len() as u64) as usize;
        points.rotate_left(first);
    }
    paragraphs.extend(points.iter().zip(phrases::POINTS).map(|(point, phrase)| say(*phrase, point)));
    for (tag, phrases) in [("goal", phrases::GOALS), ("audience", phrases::AUDIENCE), ("brand", phrases::GREETINGS)] {
        if !asked.one(tag).is_empty() {
            paragraphs.push(say(pick(phrases, salt), asked.one(tag)));
        }
    }
    paragraphs
}

/// One line without its full stop, for it goes into a sentence.
pub(super) fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(['.', '!']).to_owned()
}

/// What a text that is cut does not end in, before the mark that says so.
const MARKS: [char; 8] = ['…', '.', '!', '?', ',', ';', ':', ' '];

/// The paragraphs that fit, without what is forbidden and with what is required; or with one mistake.
fn finished(asked: &Asked, paragraphs: Vec<String>, slip: Option<Slip>) -> String {
    let mut body: Vec<String> =
        paragraphs.iter().map(|text| without_forbidden(asked, text)).filter(|text| !text.trim().is_empty()).collect();
    let mut end = Vec::new();
    let manner = Manner::of(asked);
    if manner.is_some() {
        end.extend(asked.all("link").map(str::to_owned));
    } else if !asked.one("link").is_empty() {
        let phrase = phrases::LINKS[(asked.seed % phrases::LINKS.len() as u64) as usize];
        end.push(phrase.say(asked.tongue, asked.one("link")));
    }
    let disclosures: Vec<&str> =
        asked.all("disclosure").filter(|text| slip == Some(Slip::NoDisclosure) || !body.iter().any(|line| line.contains(text))).collect();
    if !disclosures.is_empty() && slip != Some(Slip::NoDisclosure) {
        end.push(disclosures.join(" "));
    }
    let gap = manner.map_or("\n\n", |manner| manner.gap());
    let joined = |body: &[String]| {
        std::iter::once(body.join(gap)).chain(end.iter().cloned()).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
    };
    if slip == Some(Slip::TooLong) {
        let mut padding = phrases::PADDING.iter().cycle();
        while length(asked, &joined(&body)) <= asked.max {
            body.extend(padding.next().map(|phrase| phrase.say(asked.tongue, &plain(asked.one("topic")))));
        }
        return joined(&body);
    }
    if slip == Some(Slip::NoDisclosure) {
        body = body.iter().map(|line| asked.all("disclosure").fold(line.clone(), |line, text| line.replace(text, ""))).collect();
    }
    while length(asked, &joined(&body)) > asked.aim && body.len() > 1 {
        body.pop();
    }
    // One paragraph is left and still too long: its last words go.
    while length(asked, &joined(&body)) > asked.max {
        let Some((shorter, _)) = body.last().and_then(|text| text.trim_end_matches(MARKS).rsplit_once(char::is_whitespace)) else {
            break;
        };
        body = vec![format!("{}…", shorter.trim_end_matches(MARKS))];
    }
    joined(&body)
}

/// The post that a prompt shows, changed as far as the prompt asks.
fn rewritten(asked: &Asked, slip: Option<Slip>) -> String {
    let links_and_disclosures: Vec<&str> = asked.all("link").chain(asked.all("disclosure")).collect();
    let post = asked.one("post");
    let by_sentence = Manner::of(asked).is_some_and(|manner| manner.gap() == " ");
    let mut paragraphs: Vec<String> = post
        .split("\n\n")
        .map(str::trim)
        .filter(|text| !text.is_empty() && !text.contains("://") && !links_and_disclosures.iter().any(|kept| text.trim() == *kept))
        .flat_map(|text| if by_sentence { sentences(text) } else { vec![text] })
        .map(str::to_owned)
        .collect();
    let instruction = asked.one("instruction").to_lowercase();
    if ["short", "brief", "kürze", "kurz"].iter().any(|word| instruction.contains(word)) {
        paragraphs.truncate(paragraphs.len().div_ceil(2));
    } else if !instruction.is_empty() {
        // It cannot do what it is asked in earnest, but it can do something else than before.
        return finished(asked, composed(asked, other_angle(asked, &instruction)), slip);
    }
    let text = finished(asked, paragraphs, slip);
    // A problem that is still there, for it is none that this hand knows: begin again from the brief.
    if text == post && asked.all("problem").next().is_some() {
        finished(asked, composed(asked, other_angle(asked, post)), slip)
    } else {
        text
    }
}

fn other_angle(asked: &Asked, salt: &str) -> &'static str {
    let others: Vec<_> = ["question", "benefit", "scene", "fact", "invitation"].into_iter().filter(|angle| *angle != asked.angle).collect();
    others[(fnv(salt) % others.len() as u64) as usize]
}

/// Without banned phrases and competitors' names, in any case.
fn without_forbidden(asked: &Asked, text: &str) -> String {
    let mut text = text.to_owned();
    for forbidden in asked.all("banned").chain(asked.all("competitor")).filter(|forbidden| !forbidden.is_empty()) {
        let letters: Vec<char> = forbidden.chars().flat_map(char::to_lowercase).collect();
        let mut at = 0;
        while at < text.len() {
            let mut here = text[at..].char_indices();
            let found = letters.iter().all(|letter| here.next().is_some_and(|(_, c)| c.to_lowercase().eq([*letter])));
            let end = here.next().map_or(text.len(), |(offset, _)| at + offset);
            if found {
                text.replace_range(at..end, "");
            } else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
    }
    text.lines().map(|line| line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
}

/// The length as the prompt counts it.
fn length(asked: &Asked, text: &str) -> usize {
    let Some(per_link) = asked.link_counts_as else { return text.graphemes(true).count() };
    let is_link = |word: &str| word.starts_with("https://") || word.starts_with("http://");
    text.split_inclusive(char::is_whitespace)
        .map(|word| if is_link(word) { per_link + usize::from(word.ends_with(char::is_whitespace)) } else { word.graphemes(true).count() })
        .sum()
}

/// The facts as they are, the first three: whoever does not understand numbers had better repeat them.
fn summed_up(asked: &Asked) -> String {
    let facts: Vec<String> = asked.all("fact").take(3).map(|fact| format!("{}.", plain(fact))).collect();
    let (brand, period) = (asked.one("brand"), asked.one("period"));
    // The period stands alone: no preposition of ours has to go with whatever the prompt calls it.
    let begin = match asked.tongue {
        Tongue::English => format!("{brand}, {period}, in brief."),
        Tongue::German => format!("{brand}, {period}, kurz gefasst."),
    };
    std::iter::once(begin).chain(facts).collect::<Vec<_>>().join(" ")
}

/// How many characters of a post a picture is described with, the last word whole.
const SUBJECT: usize = 120;

fn pictured(asked: &Asked) -> String {
    let post = plain(&asked.one("post").replace('#', ""));
    // A word too many does no harm in a prompt; half a word would.
    let end = post.char_indices().nth(SUBJECT).map_or(post.len(), |(at, _)| post[at..].find(' ').map_or(post.len(), |rest| at + rest));
    let subject = post[..end].trim_end_matches(MARKS);
    let colors: Vec<&str> = asked.all("color").collect();
    let colors = if colors.is_empty() { "natural colours".to_owned() } else { format!("accents in {}", colors.join(" and ")) };
    format!(
        "A calm photograph in daylight for {}: {subject}. Shallow depth of field, plain background, {colors}. No text, no logos.",
        asked.one("brand")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "<topic>the winter blend</topic>\n<audience>people who brew at home</audience>\n<goal>order a bag</goal>\n<brand>Juniper</brand>\n\
        <key_point>roasted on Tuesdays</key_point>\n<key_point>a world-class  taste of plum</key_point>\n<link>https://juniper.example/winter</link>\n\
        <disclosure>#ad</disclosure>\n<banned>World-Class</banned>\n<competitor>Bean Barn</competitor>\n";

    fn prompt(task: &str, language: &str, max: usize, angle: &str, more: &str) -> Asked {
        Asked::read(&format!(
            "Task: {task} one post.\nLanguage: {language}\nLength: at most {max} characters; every link counts as 23; aim for {} or fewer\nAngle: {angle}; x\n{RULES}{more}",
            max / 5 * 4
        ))
    }

    const ANGLES: [&str; 5] = ["question", "benefit", "scene", "fact", "invitation"];

    #[test]
    fn a_post_holds_what_the_prompt_asks_for() {
        for language in ["en", "de"] {
            for max in [300, 500] {
                let posts = ANGLES.map(|angle| answer(&prompt("write", language, max, angle, ""), None));
                for post in &posts {
                    let asked = prompt("write", language, max, "fact", "");
                    assert!(length(&asked, post) <= asked.aim, "{post}");
                    assert_eq!(post.matches("https://juniper.example/winter").count(), 1, "{post}");
                    assert!(
                        post.contains("winter blend") && post.contains("#ad") && !post.to_lowercase().contains("world-class"),
                        "{post}"
                    );
                }
                let different: std::collections::BTreeSet<_> = posts.iter().collect();
                assert_eq!(different.len(), 5);
            }
        }
    }

    #[test]
    fn slips_are_made_and_a_rewrite_mends_them() {
        let slipped = answer(&prompt("write", "de", 300, "scene", ""), Some(Slip::TooLong));
        let asked = prompt("rewrite", "de", 300, "scene", &format!("<post>\n{slipped}\n</post>\n<problem>too long</problem>"));
        assert!(length(&asked, &slipped) > 300);
        let mended = answer(&asked, None);
        assert!(
            length(&asked, &mended) <= 300 && mended.contains("#ad") && mended.starts_with(slipped.lines().next().unwrap()),
            "{mended}"
        );

        let slipped = answer(&prompt("write", "en", 300, "scene", ""), Some(Slip::NoDisclosure));
        assert!(!slipped.contains("#ad"));
        let asked = prompt("rewrite", "en", 300, "scene", &format!("<post>\n{slipped}\n</post>\n<problem>no #ad</problem>"));
        assert!(answer(&asked, None).contains("#ad"));
    }

    #[test]
    fn an_instruction_is_obeyed() {
        let post = answer(&prompt("write", "en", 500, "fact", ""), None);
        let shorter = answer(
            &prompt("rewrite", "en", 500, "fact", &format!("<post>\n{post}\n</post>\n<instruction>Make it shorter</instruction>")),
            None,
        );
        assert!(shorter.len() < post.len() && shorter.contains("#ad") && shorter.contains("https://juniper.example/winter"), "{shorter}");
        let other = answer(
            &prompt("rewrite", "en", 500, "fact", &format!("<post>\n{post}\n</post>\n<instruction>More warmth</instruction>")),
            None,
        );
        assert_ne!(other, post);
    }

    #[test]
    fn a_topic_of_any_length_fits() {
        let asked = Asked::read(&format!(
            "Task: write one post.\nLanguage: en\nLength: at most 300 characters; aim for 240 or fewer\nAngle: fact; x\n<topic>{}</topic>",
            "very long ".repeat(100)
        ));
        let post = answer(&asked, None);
        assert!((200..=300).contains(&length(&asked, &post)), "{post}");
    }

    #[test]
    fn one_draft_in_so_many_is_careless_and_always_the_same() {
        let slips: Vec<_> = (0..200).map(|i| careless(&prompt("write", "en", 300, "fact", &format!("<x>{i}</x>")), 4)).collect();
        assert_eq!(slips, (0..200).map(|i| careless(&prompt("write", "en", 300, "fact", &format!("<x>{i}</x>")), 4)).collect::<Vec<_>>());
        let (long, bare) =
            (slips.iter().filter(|s| **s == Some(Slip::TooLong)).count(), slips.iter().filter(|s| **s == Some(Slip::NoDisclosure)).count());
        assert!((10..50).contains(&long) && (10..50).contains(&bare), "{long} {bare}");
    }

    #[test]
    fn a_picture_is_described_in_whole_words() {
        let words = "plum and cocoa, ".repeat(20);
        let picture = answer(&Asked::read(&format!("Task: describe one picture.\n<brand>Juniper</brand>\n<post>{words}</post>")), None);
        let subject = picture.split_once(": ").unwrap().1.split_once(". Shallow").unwrap().0;
        assert!(words.starts_with(&format!("{subject}, ")) || words.starts_with(&format!("{subject} ")), "{subject}");
        assert!((110..140).contains(&subject.len()), "{subject}");
    }

    #[test]
    fn a_cut_text_ends_in_one_mark() {
        let topic = "Marcala. ".repeat(60);
        let asked = Asked::read(&format!(
            "Task: write one post.\nLanguage: en\nLength: at most 300 characters\nAngle: fact; x\n<topic>{topic}</topic>"
        ));
        let post = answer(&asked, None);
        assert!(post.ends_with("Marcala…"), "{post}");
    }

    #[test]
    fn words_of_a_digest_are_its_facts() {
        let asked = Asked::read(
            "Task: sum up a digest.\nLanguage: en\n<brand>Juniper</brand>\n<period>week 47</period>\n<fact>6 posts.</fact>\n<fact>Likes: 120</fact>",
        );
        assert_eq!(answer(&asked, None), "Juniper, week 47, in brief. 6 posts. Likes: 120.");
        let asked = Asked::read(
            "Task: sum up a digest.\nLanguage: de\n<brand>Juniper</brand>\n<period>16. – 22.11.2026</period>\n<fact>6 Beiträge.</fact>",
        );
        assert_eq!(answer(&asked, None), "Juniper, 16. – 22.11.2026, kurz gefasst. 6 Beiträge.");
    }
}
