//! What the stand-in can say, in both of its languages, sentence beside sentence, so that it can also translate what it said.

use super::reading::Tongue;

/// One sentence in both languages; `{}` is where the material goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phrase {
    en: &'static str,
    de: &'static str,
}

const fn phrase(en: &'static str, de: &'static str) -> Phrase {
    Phrase { en, de }
}

impl Phrase {
    /// The sentence with `filling` in its place.
    pub(super) fn say(self, tongue: Tongue, filling: &str) -> String {
        let pattern = self.in_tongue(tongue);
        let mut said = pattern.replacen("{}", filling, 1);
        if pattern.starts_with("{}") {
            said = capitalised(&said);
        }
        said
    }

    /// What stands in the place of `{}`, if `line` is this sentence.
    pub(super) fn filling(self, tongue: Tongue, line: &str) -> Option<&str> {
        let (head, tail) = self.in_tongue(tongue).split_once("{}")?;
        line.strip_prefix(head)?.strip_suffix(tail)
    }

    const fn in_tongue(self, tongue: Tongue) -> &'static str {
        match tongue {
            Tongue::English => self.en,
            Tongue::German => self.de,
        }
    }
}

/// How a post opens, by angle; what goes in is its topic.
pub(super) fn openers(angle: &str) -> &'static [Phrase] {
    match angle {
        "question" => QUESTION,
        "benefit" => BENEFIT,
        "scene" => SCENE,
        "invitation" => INVITATION,
        _ => FACT,
    }
}

const QUESTION: &[Phrase] = &[
    phrase("What is worth your time this week? We think this is: {}.", "Was lohnt sich diese Woche? Wir finden, das hier: {}."),
    phrase("Have you been waiting for this one? {}.", "Habt ihr darauf gewartet? {}."),
    phrase("{}: what does it change for you?", "{}: Was ändert sich damit für euch?"),
];
const BENEFIT: &[Phrase] = &[
    phrase("Here is something that makes the day a little easier: {}.", "Etwas, das den Tag ein wenig leichter macht: {}."),
    phrase("One thing less to think about, thanks to this: {}.", "Eine Sorge weniger, und zwar dank dem hier: {}."),
    phrase("You get more out of your day with this: {}.", "Damit habt ihr mehr vom Tag: {}."),
];
const SCENE: &[Phrase] = &[
    phrase("Early morning, a quiet minute, and one thought: {}.", "Früh am Morgen, eine ruhige Minute und ein Gedanke: {}."),
    phrase("The door opens, somebody smiles and asks about this: {}.", "Die Tür geht auf, jemand lächelt und fragt danach: {}."),
    phrase(
        "The end of a long day, a deep breath, and then this: {}.",
        "Das Ende eines langen Tages, ein tiefer Atemzug, und dann das: {}.",
    ),
];
const FACT: &[Phrase] = &[
    phrase("In short: {}.", "Kurz gesagt: {}."),
    phrase("The news in one line: {}.", "Die Neuigkeit in einer Zeile: {}."),
    phrase("This is what we have been working on: {}.", "Daran haben wir gearbeitet: {}."),
];
const INVITATION: &[Phrase] = &[
    phrase("Come and see for yourselves: {}.", "Seht es euch selbst an: {}."),
    phrase("You are invited to take a closer look: {}.", "Ihr seid eingeladen, genauer hinzusehen: {}."),
    phrase("Join us for this: {}.", "Seid dabei: {}."),
];

/// For whom it is.
pub(super) const AUDIENCE: &[Phrase] = &[
    phrase("We made it with these people in mind: {}.", "Dabei haben wir an diese Menschen gedacht: {}."),
    phrase("Made for {}.", "Gemacht für {}."),
];

/// The first point, and those that follow.
pub(super) const POINTS: &[Phrase] = &[
    phrase("Worth knowing: {}.", "Gut zu wissen: {}."),
    phrase("And also: {}.", "Und außerdem: {}."),
    phrase("What is behind it: {}.", "Was dahintersteckt: {}."),
];

/// What readers are to do.
pub(super) const GOALS: &[Phrase] = &[
    phrase("Your next step: {}.", "Euer nächster Schritt: {}."),
    phrase("If that sounds good to you: {}.", "Wenn das gut für euch klingt: {}."),
];

/// Where it leads.
pub(super) const LINKS: &[Phrase] = &[phrase("Read more: {}", "Mehr dazu: {}"), phrase("All the details: {}", "Alle Einzelheiten: {}")];

/// Who says it.
pub(super) const GREETINGS: &[Phrase] =
    &[phrase("Greetings from all of us at {}.", "Viele Grüße von uns allen bei {}."), phrase("Yours, {}.", "Eure Leute von {}.")];

/// What a careless draft goes on and on with.
pub(super) const PADDING: &[Phrase] = &[
    phrase(
        "There is a lot more to say about it, and we would like to say all of it: {}.",
        "Darüber gibt es noch viel zu sagen, und wir würden gern alles sagen: {}.",
    ),
    phrase(
        "We could talk about it for hours, and on some days we do: {}.",
        "Darüber könnten wir stundenlang reden, und an manchen Tagen tun wir es: {}.",
    ),
];

/// Every sentence there is.
pub(super) fn all() -> impl Iterator<Item = Phrase> {
    [QUESTION, BENEFIT, SCENE, FACT, INVITATION, AUDIENCE, POINTS, GOALS, LINKS, GREETINGS, PADDING].into_iter().flatten().copied()
}

/// Words and turns, longer ones first where one begins with another. A text that consists of these is translated; others keep their words.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("people who", "Menschen, die"),
    ("roasted on tuesdays", "dienstags geröstet"),
    ("on tuesdays", "dienstags"),
    ("winter roast", "Winterröstung"),
    ("order a bag", "bestell eine Tüte"),
    ("before the", "vor dem"),
    ("first frost", "ersten Frost"),
    ("cooperative", "Kooperative"),
    ("roasted", "geröstet"),
    ("roastery", "Rösterei"),
    ("euros", "Euro"),
    ("g", "g"),
    ("at home", "zu Hause"),
    ("in time for", "rechtzeitig zu"),
    ("for the", "für die"),
    ("our", "unsere"),
    ("we", "wir"),
    ("you", "ihr"),
    ("your", "eure"),
    ("is", "ist"),
    ("are", "sind"),
    ("and", "und"),
    ("or", "oder"),
    ("with", "mit"),
    ("without", "ohne"),
    ("for", "für"),
    ("from", "von"),
    ("on", "am"),
    ("in", "in"),
    ("every", "jede"),
    ("new", "neue"),
    ("more", "mehr"),
    ("today", "heute"),
    ("tomorrow", "morgen"),
    ("now", "jetzt"),
    ("here", "hier"),
    ("monday", "Montag"),
    ("tuesday", "Dienstag"),
    ("wednesday", "Mittwoch"),
    ("thursday", "Donnerstag"),
    ("friday", "Freitag"),
    ("saturday", "Samstag"),
    ("sunday", "Sonntag"),
    ("spring", "Frühling"),
    ("summer", "Sommer"),
    ("autumn", "Herbst"),
    ("winter", "Winter"),
    ("coffee", "Kaffee"),
    ("tea", "Tee"),
    ("bread", "Brot"),
    ("shop", "Laden"),
    ("team", "Team"),
    ("week", "Woche"),
    ("small", "kleine"),
    ("good", "gute"),
    ("free", "kostenlose"),
    ("open", "offen"),
    ("thanks", "danke"),
    ("hello", "hallo"),
    ("world", "Welt"),
];

/// With a capital first letter.
pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_recognised_as_itself_in_both_languages() {
        for phrase in all() {
            for tongue in [Tongue::English, Tongue::German] {
                let said = phrase.say(tongue, "Plum: cocoa");
                let found: Vec<_> = all().filter(|other| other.filling(tongue, &said).is_some()).collect();
                assert_eq!(found, [phrase], "{said}");
                assert_eq!(phrase.filling(tongue, &said), Some("Plum: cocoa"));
            }
        }
    }
}
