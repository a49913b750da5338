//! Writing like the posts that a prompt shows: what the brief says, in sentences as short and as plain as theirs, with their marks, and now and then a
//! sentence of their own. A model would do it better; this is enough to hear the voice.

use super::{
    phrases::capitalised,
    reading::{Asked, Tongue},
    translating::if_known,
    writing::plain,
};

/// The longest sentence, in words, that is borrowed.
const LONGEST_ASIDE: usize = 6;

/// How the examples of a prompt are written.
pub(super) struct Manner<'a> {
    examples: Vec<&'a str>,
}

impl<'a> Manner<'a> {
    /// That of the examples, if the prompt shows any.
    pub(super) fn of(asked: &'a Asked) -> Option<Self> {
        let examples: Vec<&str> = asked.all("example").filter(|example| !example.is_empty()).collect();
        (!examples.is_empty()).then_some(Self { examples })
    }

    /// What stands between sentences: a blank line where most of the examples have one.
    pub(super) fn gap(&self) -> &'static str {
        if self.most(|example| example.contains('\n')) { "\n\n" } else { " " }
    }

    /// The sentences of a post, the most important first but for how its angle opens it.
    pub(super) fn sentences(&self, asked: &Asked, angle: &str, salt: u64) -> Vec<String> {
        let say = |text: &str| self.sentence(&if_known(&plain(text), Tongue::English, asked.tongue));
        let topic = say(asked.one("topic"));
        let mut points: Vec<String> = asked.all("key_point").map(say).collect();
        if !points.is_empty() {
            let first = (salt % points.len() as u64) as usize;
            points.rotate_left(first);
        }
        let goal: Vec<String> = Some(asked.one("goal")).filter(|goal| !goal.is_empty()).map(say).into_iter().collect();
        let asides = self.asides(asked.tongue, asked.seed.wrapping_add(salt));
        let (opening, closing) = if angle == "scene" { asides.split_at(asides.len().min(1)) } else { asides.split_at(0) };
        let facts: Vec<String> = match angle {
            "fact" if !points.is_empty() => {
                let first = points.remove(0);
                [vec![first, topic], points, goal].concat()
            }
            "invitation" => [goal, vec![topic], points].concat(),
            _ => [vec![topic], points, goal].concat(),
        };
        [opening, &facts, closing].concat()
    }

    /// One sentence with the examples' mark at its end, and their small or capital letter at its beginning.
    fn sentence(&self, text: &str) -> String {
        let mark = if self.most(|example| example.trim_end().ends_with('!')) { "!" } else { "." };
        let small = self.most(|example| example.chars().next().is_some_and(char::is_lowercase));
        let text = if small { text.to_owned() } else { capitalised(text) };
        format!("{text}{mark}")
    }

    /// Two short sentences of the examples that name nobody and no number, so that they can stand anywhere. In German every noun has a capital, so
    /// there a name is not told from one.
    fn asides(&self, tongue: Tongue, salt: u64) -> Vec<String> {
        let names_nobody = |text: &str| {
            tongue == Tongue::German
                || text.split_whitespace().skip(1).all(|word| !word.starts_with(char::is_uppercase) || word.starts_with('I'))
        };
        let fits = |text: &&str| {
            (3..=LONGEST_ASIDE).contains(&text.split_whitespace().count())
                && !text.contains(|c: char| c.is_ascii_digit() || matches!(c, '#' | '@' | '/' | ':'))
                && names_nobody(text)
        };
        let asides: Vec<&str> = self.examples.iter().flat_map(|example| sentences(example)).filter(fits).collect();
        let chosen = asides.len().min(2);
        (0..chosen).map(|n| asides[(salt.wrapping_add(n as u64) % asides.len() as u64) as usize].to_owned()).collect()
    }

    fn most(&self, is: impl Fn(&str) -> bool) -> bool {
        self.examples.iter().filter(|example| is(example)).count() * 2 > self.examples.len()
    }
}

/// The sentences of a text: each ends with a mark that a gap and no small letter follow, or with its line.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut rest = line.trim();
        while !rest.is_empty() {
            let end = rest.match_indices(['.', '!', '?', '…']).find_map(|(at, mark)| {
                let end = at + mark.len();
                let mut after = rest[end..].chars();
                (after.next().is_some_and(char::is_whitespace) && after.next().is_some_and(|c| !c.is_lowercase())).then_some(end)
            });
            let (sentence, more) = rest.split_at(end.unwrap_or(rest.len()));
            found.push(sentence);
            rest = more.trim_start();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::writing::answer, *};

    fn asked(task: &str, language: &str, angle: &str, more: &str) -> Asked {
        Asked::read(&format!(
            "Task: {task} one post.\nLanguage: {language}\nLength: at most 300 characters; aim for 240 or fewer\nAngle: {angle}; x\n\
             <topic>winter roast from Marcala</topic>\n<key_point>roasted on Tuesdays</key_point>\n<key_point>250 g for 9 euros</key_point>\n\
             <goal>order a bag before the first frost</goal>\n<audience>neighbours</audience>\n<brand>Juniper</brand>\n\
             <link>https://juniper.example/w</link>\n<disclosure>#ad</disclosure>\n{more}"
        ))
    }

    const CALM: &str =
        "<example>The ferry was late. We were late too.</example>\n<example>It costs 9 euros. Fine is not enough.</example>\n";

    #[test]
    fn a_post_is_written_as_the_examples_are() {
        let post = answer(&asked("write", "en", "benefit", CALM), None);
        let (words, rest) = post.split_once("\n\n").unwrap();
        assert_eq!(rest, "https://juniper.example/w\n\n#ad");
        assert!(words.starts_with("Winter roast from Marcala. "), "{words}");
        assert!(words.contains("Roasted on Tuesdays.") && words.contains("250 g for 9 euros.") && !words.contains(':'), "{words}");
        let borrowed = ["The ferry was late.", "We were late too.", "Fine is not enough."];
        assert_eq!(borrowed.iter().filter(|aside| words.contains(*aside)).count(), 2, "{words}");
        assert!(!words.contains("It costs"), "a sentence with a number is no aside: {words}");

        let loud = "<example>hey there!\n\nso good!</example>";
        let post = answer(&asked("write", "en", "benefit", loud), None);
        assert!(post.starts_with("winter roast from Marcala!\n\n"), "{post}");
    }

    #[test]
    fn angles_differ_and_german_says_what_it_can() {
        let posts = ["question", "scene", "fact", "invitation"].map(|angle| answer(&asked("write", "de", angle, CALM), None));
        assert!(posts[0].starts_with("Winterröstung von Marcala. "), "{}", posts[0]);
        assert!(posts[3].starts_with("Bestell eine Tüte vor dem ersten Frost. "), "{}", posts[3]);
        assert_eq!(posts.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{posts:#?}");
    }

    #[test]
    fn it_can_be_shortened_sentence_by_sentence() {
        let post = answer(&asked("write", "en", "benefit", CALM), None);
        let more = format!("{CALM}<post>\n{post}\n</post>\n<instruction>Make it shorter</instruction>");
        let shorter = answer(&asked("rewrite", "en", "benefit", &more), None);
        assert!(shorter.len() < post.len() && shorter.ends_with("\n\nhttps://juniper.example/w\n\n#ad"), "{shorter}");
        assert!(shorter.starts_with("Winter roast from Marcala. "), "{shorter}");
    }

    #[test]
    fn sentences_are_told_apart() {
        assert_eq!(sentences("We paid 4.10 a pound. It shows! e.g. here"), ["We paid 4.10 a pound.", "It shows! e.g. here"]);
        assert_eq!(sentences("One.\nTwo\n\nThree?"), ["One.", "Two", "Three?"]);
    }
}
