//! What a voice demands, as sentences for a prompt that a program can check afterwards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    measures::{Feature, Measures, measure},
    profile::{Habit, VoiceProfile, round},
    train::quantile,
};

/// What a constraint is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConstraintKind {
    /// How lively and how formal it sounds.
    Tone,
    /// How long sentences are.
    SentenceLength,
    /// How many emoji there are.
    Emoji,
    /// How much jargon there is.
    Jargon,
    /// What the brand always does.
    Do,
    /// What the brand never does.
    Dont,
}

/// A demand: the sentence that states it and the range that checks it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    /// What it is about.
    pub kind: ConstraintKind,
    /// The demand as a sentence of a prompt, in English.
    pub text: String,
    /// The feature that is measured.
    pub feature: Feature,
    /// The least value, in the feature's unit.
    pub min: Option<f64>,
    /// The greatest value.
    pub max: Option<f64>,
}

/// A demand that a text does not meet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// What it is about.
    pub kind: ConstraintKind,
    /// The demand.
    pub constraint: String,
    /// What the text has, in words.
    pub found: String,
}

/// Which of the profile's constraints `text` breaks, in the order of the profile.
#[must_use]
pub fn constraint_violations(profile: &VoiceProfile, text: &str) -> Vec<Violation> {
    let measures = measure(text);
    let broken = profile.constraints.iter().filter(|c| !c.holds(measures.get(c.feature)));
    broken.map(|c| Violation { kind: c.kind, constraint: c.text.clone(), found: c.feature.in_words(measures.get(c.feature)) }).collect()
}

impl Constraint {
    /// Whether a text with this value of the feature meets it.
    fn holds(&self, value: f64) -> bool {
        // The bounds are rounded, so a value may lie half a digit beyond one that it set itself.
        self.min.is_none_or(|min| value >= min - 1e-4) && self.max.is_none_or(|max| value <= max + 1e-4)
    }
}

/// States what nearly all examples (19 of 20) keep to.
pub(super) fn state(habits: &BTreeMap<Feature, Habit>, measures: &[Measures]) -> Vec<Constraint> {
    let seen = Seen { habits, measures };
    let mut all = vec![seen.energy(), seen.formality(), seen.sentence_length(), seen.emoji(), seen.jargon()];
    all.extend(seen.dos());
    all.extend(seen.donts());
    all
}

struct Seen<'a> {
    habits: &'a BTreeMap<Feature, Habit>,
    measures: &'a [Measures],
}

impl Seen<'_> {
    fn mean(&self, feature: Feature) -> f64 {
        self.habits.get(&feature).map_or(0.0, |h| h.mean)
    }

    /// The range that 19 of 20 examples lie in.
    fn range(&self, feature: Feature) -> (f64, f64) {
        let mut values: Vec<f64> = self.measures.iter().map(|m| m.get(feature)).collect();
        values.sort_by(f64::total_cmp);
        (quantile(&values, 0.025), quantile(&values, 0.975))
    }

    /// The share of examples that have any of it.
    fn share(&self, feature: Feature) -> f64 {
        let with = self.measures.iter().filter(|m| m.get(feature) > 0.0).count();
        with as f64 / self.measures.len().max(1) as f64
    }

    fn energy(&self) -> Constraint {
        let mean = self.mean(Feature::Energy);
        let text = match mean {
            m if m < 0.1 => "Sound calm: no shouting, hardly an exclamation mark.",
            m if m < 0.4 => "Sound friendly and even, with a little liveliness.",
            _ => "Sound lively and excited.",
        };
        self.ranged(ConstraintKind::Tone, Feature::Energy, text.to_owned(), 0.15)
    }

    fn formality(&self) -> Constraint {
        let text = match self.mean(Feature::Formality) {
            m if m < 0.4 => "Sound like a person talking: short plain words, contractions welcome.",
            m if m < 0.65 => "Sound natural, neither chatty nor official.",
            _ => "Sound formal and factual, as an institution writes.",
        };
        self.ranged(ConstraintKind::Tone, Feature::Formality, text.to_owned(), 0.1)
    }

    fn sentence_length(&self) -> Constraint {
        let (low, high) = self.range(Feature::SentenceWords);
        let (min, max) = ((low * 0.9).floor().max(1.0), (high * 1.1).ceil().max(1.0));
        let text =
            format!("Write sentences of {min:.0} to {max:.0} words on average; {:.0} is typical.", self.mean(Feature::SentenceWords));
        bounded(ConstraintKind::SentenceLength, Feature::SentenceWords, text, Some(min), Some(max))
    }

    fn emoji(&self) -> Constraint {
        let (low, high) = self.range(Feature::Emoji);
        let (min, max) = (low.floor(), high.ceil());
        let text = match (min, max) {
            (_, 0.0) => "Use no emoji.".to_owned(),
            (1.0, 1.0) => "Use one emoji.".to_owned(),
            (0.0, max) => format!("Use at most {max:.0} emoji."),
            (min, max) if min >= max => format!("Use {max:.0} emoji."),
            (min, max) => format!("Use {min:.0} to {max:.0} emoji."),
        };
        bounded(ConstraintKind::Emoji, Feature::Emoji, text, (min > 0.0).then_some(min), Some(max))
    }

    fn jargon(&self) -> Constraint {
        let max = (self.range(Feature::Jargon).1 + 0.02).min(1.0);
        let text = if max < 0.04 {
            "Use plain words: no business or technical jargon.".to_owned()
        } else {
            format!("Technical and business terms may be at most {:.0} % of the words.", max * 100.0)
        };
        bounded(ConstraintKind::Jargon, Feature::Jargon, text, None, Some(max))
    }

    fn ranged(&self, kind: ConstraintKind, feature: Feature, text: String, slack: f64) -> Constraint {
        let (low, high) = self.range(feature);
        bounded(kind, feature, text, Some((low - slack).max(0.0)), Some((high + slack).min(1.0)))
    }

    /// What nearly every example does.
    fn dos(&self) -> Vec<Constraint> {
        let demands = [
            (Feature::FirstSingular, "Write in the first person singular."),
            (Feature::FirstPlural, "Speak as “we”."),
            (Feature::SecondPerson, "Address the reader directly as you (in German du)."),
            (Feature::PoliteAddress, "Address the reader politely (in German Sie)."),
            (Feature::Exclamations, "Use an exclamation mark."),
            (Feature::Questions, "Ask a question."),
            (Feature::Hashtags, "Add a hashtag."),
            (Feature::LowercaseStarts, "Start sentences in lower case."),
        ];
        let always = demands.into_iter().filter(|(feature, _)| self.share(*feature) >= 0.95);
        always.map(|(feature, text)| bounded(ConstraintKind::Do, feature, text.to_owned(), Some(0.001), None)).collect()
    }

    /// What no example does. Links are left out: the campaign decides about them.
    fn donts(&self) -> Vec<Constraint> {
        let demands = [
            (Feature::Exclamations, "Do not use exclamation marks."),
            (Feature::Questions, "Do not ask questions."),
            (Feature::Hashtags, "Do not use hashtags."),
            (Feature::FirstSingular, "Do not write as “I”."),
            (Feature::FirstPlural, "Do not write as “we”."),
            (Feature::SecondPerson, "Do not address the reader as you (in German du)."),
            (Feature::Ellipses, "Do not trail off with an ellipsis."),
            (Feature::Dashes, "Do not use dashes."),
            (Feature::LowercaseStarts, "Do not start sentences in lower case."),
        ];
        // Of few examples it cannot be said that they never do a thing: with ten, one post in four that does it would often go unseen.
        let enough = self.measures.len() >= 10;
        let never = demands.into_iter().filter(|(feature, _)| enough && self.share(*feature) == 0.0);
        never.map(|(feature, text)| bounded(ConstraintKind::Dont, feature, text.to_owned(), None, Some(0.0))).collect()
    }
}

fn bounded(kind: ConstraintKind, feature: Feature, text: String, min: Option<f64>, max: Option<f64>) -> Constraint {
    Constraint { kind, text, feature, min: min.map(round), max: max.map(round) }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        brief::Language,
        ids::ExampleId,
        voice::{Example, train},
    };

    fn profile(texts: &[&str]) -> VoiceProfile {
        let example = |text: &&str| Example { id: ExampleId::from_uuid(Uuid::nil()), text: (*text).to_owned(), platform: None, url: None };
        train(&texts.iter().map(example).collect::<Vec<_>>(), None).profile
    }

    fn broken(profile: &VoiceProfile, text: &str) -> Vec<ConstraintKind> {
        constraint_violations(profile, text).into_iter().map(|v| v.kind).collect()
    }

    #[test]
    fn each_kind_of_constraint_is_stated_and_can_be_broken() {
        let texts: Vec<String> =
            (1..=12).map(|n| format!("We bake {n} dark loaves in the morning. We keep one of them for ourselves.")).collect();
        let profile = profile(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        for kind in [
            ConstraintKind::Tone,
            ConstraintKind::SentenceLength,
            ConstraintKind::Emoji,
            ConstraintKind::Jargon,
            ConstraintKind::Do,
            ConstraintKind::Dont,
        ] {
            assert!(profile.constraints.iter().any(|c| c.kind == kind && c.text.ends_with('.')), "{kind:?}");
        }
        assert_eq!(broken(&profile, "We bake bread early in the morning."), []);
        assert!(broken(&profile, "WE BAKE BREAD NOW!!!").contains(&ConstraintKind::Tone));
        assert_eq!(broken(&profile, "We bake."), [ConstraintKind::SentenceLength]);
        // An emoji is lively, and jargon is stiff, so the tone may go with them.
        assert!(broken(&profile, "We bake bread 🍞 early in the morning.").contains(&ConstraintKind::Emoji));
        assert!(broken(&profile, "We bake a scalable ecosystem in the morning.").contains(&ConstraintKind::Jargon));
        assert_eq!(broken(&profile, "They bake bread early in the morning."), [ConstraintKind::Do]);
        assert_eq!(broken(&profile, "We bake bread early in the morning?"), [ConstraintKind::Dont]);
    }

    #[test]
    fn a_voice_without_hashtags_refuses_them_where_there_are_enough_examples_to_tell() {
        let texts = |n: usize, tag: &str| {
            (0..n).map(|n| format!("We bake bread number {n} today.{}", if n == 3 { tag } else { "" })).collect::<Vec<_>>()
        };
        let refuses = |texts: &[String]| profile(&texts.iter().map(String::as_str).collect::<Vec<_>>()).refuses_hashtags();
        assert!(refuses(&texts(12, "")));
        assert!(!refuses(&texts(12, " #bread")), "one of twelve has one");
        assert!(!refuses(&texts(5, "")), "five examples prove nothing");
    }

    #[test]
    fn emoji_are_asked_for_as_a_person_would() {
        let text = |texts: &[&str]| profile(texts).constraints.into_iter().find(|c| c.kind == ConstraintKind::Emoji).unwrap().text;
        assert_eq!(text(&["Bread 🎉", "Rolls 🍞", "Soup 🍲"]), "Use one emoji.");
        assert_eq!(text(&["Bread 🎉🎉", "Rolls 🍞🍞", "Soup 🍲🍲"]), "Use 2 emoji.");
        assert_eq!(text(&["Bread", "Rolls 🍞", "Soup"]), "Use at most 1 emoji.");
        assert_eq!(text(&["Bread", "Rolls", "Soup"]), "Use no emoji.");
    }

    #[test]
    fn emoji_bounds_have_both_ends_where_the_brand_always_uses_them() {
        let profile = profile(&["Bread 🍞", "Rolls 🥐🥐", "Cake 🎂🎂🎂", "Pie 🥧", "Tea 🍵🍵"]);
        let emoji = profile.constraints.iter().find(|c| c.kind == ConstraintKind::Emoji).unwrap();
        assert_eq!((emoji.min, emoji.max, emoji.text.as_str()), (Some(1.0), Some(3.0), "Use 1 to 3 emoji."));
    }

    #[test]
    fn a_prompt_states_every_constraint_and_the_phrases_of_its_language() {
        let profile = profile(&["Rye, straight from the oven.", "Rolls, straight from the oven.", "We have cake straight from the oven."]);
        let lines = profile.prompt_lines(Language::EN);
        assert_eq!(lines.len(), profile.constraints.len() + 1);
        assert!(lines.last().is_some_and(|line| line.contains("“straight from the oven”")), "{lines:?}");
        assert_eq!(profile.prompt_lines(Language::DE).len(), profile.constraints.len());
    }

    #[test]
    fn few_examples_forbid_nothing_and_links_are_never_forbidden() {
        assert!(profile(&["We bake.", "We sell.", "We rest."]).constraints.iter().all(|c| c.kind != ConstraintKind::Dont));
        let texts: Vec<String> = (1..=30).map(|n| format!("We bake {n} loaves.")).collect();
        let profile = profile(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(profile.constraints.iter().all(|c| c.feature != Feature::Links));
    }
}
