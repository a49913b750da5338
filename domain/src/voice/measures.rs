//! What is counted in a text, in units that people know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    lexicon::{Person, is_contraction, is_jargon, person_of},
    words::{Parsed, parse},
};

/// One habit of writing that can be measured in a single text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "`Feature::spec` names each of them in words, with its unit")]
pub enum Feature {
    PostWords,
    SentenceWords,
    SentenceSpread,
    WordLetters,
    WordSpread,
    Emoji,
    Exclamations,
    Questions,
    Hashtags,
    Links,
    Mentions,
    Capitals,
    LowercaseStarts,
    FirstSingular,
    FirstPlural,
    SecondPerson,
    PoliteAddress,
    Jargon,
    Commas,
    Dashes,
    Ellipses,
    Colons,
    Brackets,
    Quotes,
    LineBreaks,
    Numbers,
    Contractions,
    OpenEnd,
    Energy,
    Formality,
}

/// How a value is brought to a scale on which equal steps matter equally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Counts and shares: from none to one is more than from five to six.
    Root,
    /// Lengths: twice as long is one step, wherever one starts.
    Log,
    /// Already even.
    Plain,
}

/// How a value is put into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A number of these in the post.
    Count(&'static str),
    /// A mean number of these.
    Mean(&'static str),
    /// A share, as per cent of these.
    Share(&'static str),
    /// From 0 to 1 without a unit.
    Degree,
}

/// What is known of a feature before any example is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) scale: Scale,
    /// Where posts of anybody lie on the scale, and how far they spread. Set by hand from what short posts are like, not fitted to any
    /// corpus; they only weigh how telling a habit is, since a new text is held against the brand's own values.
    pub(super) usual: (f64, f64),
    /// How much it counts: 1, less where another feature measures nearly the same, 0 for what is only stated as a constraint.
    pub(super) weight: f64,
    /// Its values shift with the language, or it is only read in some: it is held for each language of the examples, and says nothing about a
    /// text in another.
    pub(super) bound: bool,
}

impl Feature {
    /// Every feature, in the order of the profile.
    pub const ALL: &[Self] = &[
        Self::PostWords,
        Self::SentenceWords,
        Self::SentenceSpread,
        Self::WordLetters,
        Self::WordSpread,
        Self::Emoji,
        Self::Exclamations,
        Self::Questions,
        Self::Hashtags,
        Self::Links,
        Self::Mentions,
        Self::Capitals,
        Self::LowercaseStarts,
        Self::FirstSingular,
        Self::FirstPlural,
        Self::SecondPerson,
        Self::PoliteAddress,
        Self::Jargon,
        Self::Commas,
        Self::Dashes,
        Self::Ellipses,
        Self::Colons,
        Self::Brackets,
        Self::Quotes,
        Self::LineBreaks,
        Self::Numbers,
        Self::Contractions,
        Self::OpenEnd,
        Self::Energy,
        Self::Formality,
    ];

    /// The name in words (`emoji`, `words in a sentence`).
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    pub(super) fn spec(self) -> Spec {
        use Scale::{Log, Plain, Root};
        use Unit::{Count, Degree, Mean, Share};
        let spec = |name, unit, scale, mean, spread, weight| Spec { name, unit, scale, usual: (mean, spread), weight, bound: false };
        let bound = |name, unit, scale, mean, spread, weight| Spec { bound: true, ..spec(name, unit, scale, mean, spread, weight) };
        match self {
            // A thought takes more words in one language than in another: German builds one where English takes three.
            Self::PostWords => bound("length of the post", Count("words"), Log, 3.3, 0.6, 0.7),
            Self::SentenceWords => bound("sentence length", Mean("words a sentence"), Log, 2.4, 0.5, 1.0),
            Self::SentenceSpread => bound("variation of sentence length", Mean("words"), Log, 1.6, 0.7, 0.5),
            Self::WordLetters => bound("word length", Mean("letters a word"), Log, 1.7, 0.13, 1.0),
            Self::WordSpread => bound("variation of word length", Mean("letters"), Log, 1.2, 0.2, 0.5),
            Self::Emoji => spec("emoji", Count("emoji"), Root, 0.6, 0.8, 1.0),
            Self::Exclamations => spec("exclamation marks", Mean("a sentence"), Root, 0.25, 0.4, 1.0),
            Self::Questions => spec("question marks", Mean("a sentence"), Root, 0.25, 0.4, 1.0),
            Self::Hashtags => spec("hashtags", Count("hashtags"), Root, 0.6, 0.8, 1.0),
            // A campaign decides where a post leads to; the voice hardly does.
            Self::Links => spec("links", Count("links"), Root, 0.4, 0.5, 0.4),
            Self::Mentions => spec("mentions", Count("mentions"), Root, 0.2, 0.4, 0.4),
            Self::Capitals => spec("words in capitals", Share("words"), Root, 0.1, 0.18, 1.0),
            Self::LowercaseStarts => spec("sentences that start in lower case", Share("sentences"), Plain, 0.15, 0.3, 1.0),
            // Pronouns and jargon are only known of English and German.
            Self::FirstSingular => bound("I, me, my", Share("words"), Root, 0.1, 0.13, 1.0),
            Self::FirstPlural => bound("we, us, our", Share("words"), Root, 0.12, 0.13, 1.0),
            Self::SecondPerson => bound("you, your", Share("words"), Root, 0.12, 0.13, 1.0),
            Self::PoliteAddress => bound("polite address", Share("words"), Root, 0.04, 0.1, 1.0),
            Self::Jargon => bound("jargon", Share("words"), Root, 0.15, 0.15, 1.0),
            // German grammar asks for more of them than English does.
            Self::Commas => bound("commas", Mean("a sentence"), Root, 0.6, 0.45, 1.0),
            Self::Dashes => spec("dashes", Mean("a sentence"), Root, 0.2, 0.35, 1.0),
            Self::Ellipses => spec("ellipses", Mean("a sentence"), Root, 0.1, 0.25, 1.0),
            Self::Colons => spec("colons and semicolons", Mean("a sentence"), Root, 0.2, 0.35, 1.0),
            Self::Brackets => spec("brackets", Mean("a sentence"), Root, 0.1, 0.25, 1.0),
            Self::Quotes => spec("quotation marks", Mean("a sentence"), Root, 0.1, 0.25, 1.0),
            Self::LineBreaks => spec("line breaks", Count("line breaks"), Root, 0.6, 0.8, 1.0),
            Self::Numbers => spec("numbers", Share("words"), Root, 0.15, 0.16, 0.7),
            Self::Contractions => bound("contractions", Share("words"), Root, 0.12, 0.13, 1.0),
            Self::OpenEnd => spec("no mark at the end", Share("posts"), Plain, 0.3, 0.45, 1.0),
            Self::Energy => spec("liveliness", Degree, Plain, 0.3, 0.3, 0.0),
            Self::Formality => bound("formality", Degree, Plain, 0.5, 0.2, 0.0),
        }
    }

    /// The value on the scale on which it is compared.
    pub(super) fn scaled(self, value: f64) -> f64 {
        match self.spec().scale {
            Scale::Root => value.max(0.0).sqrt(),
            Scale::Log => value.max(0.0).ln_1p(),
            Scale::Plain => value,
        }
    }

    /// The value in words: `no emoji`, `2 emoji`, `11.5 words a sentence`, `4 % of words`.
    pub(super) fn in_words(self, value: f64) -> String {
        let number = |v: f64| if v >= 10.0 || (v - v.round()).abs() < 0.05 { format!("{v:.0}") } else { format!("{v:.1}") };
        match self.spec().unit {
            Unit::Count(what) if value < 0.05 => format!("no {what}"),
            Unit::Count(what) | Unit::Mean(what) if value >= 0.05 => format!("{} {what}", number(value)),
            Unit::Count(_) | Unit::Mean(_) => "none".to_owned(),
            Unit::Share(_) if value < 0.001 => "none".to_owned(),
            Unit::Share(what) => format!("{:.0} % of {what}", (value * 100.0).max(1.0)),
            Unit::Degree => format!("{value:.2}"),
        }
    }
}

/// The values of every [`Feature`] in one text, in natural units: counts per post, means per sentence, shares from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measures(BTreeMap<Feature, f64>);

impl Measures {
    /// The value of one feature.
    #[must_use]
    pub fn get(&self, feature: Feature) -> f64 {
        self.0.get(&feature).copied().unwrap_or(0.0)
    }
}

/// Measures a text. Total: any text can be measured, the empty one has zeros.
#[must_use]
pub fn measure(text: &str) -> Measures {
    measure_parsed(&parse(text))
}

pub(super) fn measure_parsed(parsed: &Parsed) -> Measures {
    let mut persons = [0.0_f64; 4];
    let (mut words, mut capitals, mut jargon, mut numbers, mut contractions) = (0.0_f64, 0.0, 0.0, 0.0, 0.0);
    // Where everything is shouted, capitals make no acronym.
    let shouted = parsed.words().filter(|w| w.capitals).count() * 3 > parsed.words().count();
    for word in parsed.words() {
        words += 1.0;
        capitals += f64::from(word.capitals);
        jargon += f64::from(is_jargon(word, !shouted));
        numbers += f64::from(word.digits);
        contractions += f64::from(is_contraction(&word.lower));
        if let Some(person) = person_of(word) {
            persons[person as usize] += 1.0;
        }
    }
    let sentences = parsed.sentences.len() as f64;
    let (sentence_words, sentence_spread) = mean_and_spread(parsed.sentences.iter().map(|s| s.len() as f64));
    let (word_letters, word_spread) = mean_and_spread(parsed.words().map(|w| w.letters as f64));
    let lowercase =
        parsed.sentences.iter().filter(|s| s.first().is_some_and(|w| w.letters > 0 && !w.capitalised && !w.digits)).count() as f64;
    let of_words = |count: f64| if words > 0.0 { count / words } else { 0.0 };
    let of_sentences = |count: f64| count / sentences.max(1.0);
    let marks = &parsed.marks;
    let exclamations = of_sentences(marks.exclamations as f64);
    let lively = exclamations + 0.5 * parsed.emoji as f64 / sentences.max(1.0) + 4.0 * of_words(capitals);
    let value = |feature| match feature {
        Feature::PostWords => words,
        Feature::SentenceWords => sentence_words,
        Feature::SentenceSpread => sentence_spread,
        Feature::WordLetters => word_letters,
        Feature::WordSpread => word_spread,
        Feature::Emoji => parsed.emoji as f64,
        Feature::Exclamations => exclamations,
        Feature::Questions => of_sentences(marks.questions as f64),
        Feature::Hashtags => parsed.hashtags as f64,
        Feature::Links => parsed.links as f64,
        Feature::Mentions => parsed.mentions as f64,
        Feature::Capitals => of_words(capitals),
        Feature::LowercaseStarts => of_sentences(lowercase),
        Feature::FirstSingular => of_words(persons[Person::I as usize]),
        Feature::FirstPlural => of_words(persons[Person::We as usize]),
        Feature::SecondPerson => of_words(persons[Person::You as usize]),
        Feature::PoliteAddress => of_words(persons[Person::Sie as usize]),
        Feature::Jargon => of_words(jargon),
        Feature::Commas => of_sentences(marks.commas as f64),
        Feature::Dashes => of_sentences(marks.dashes as f64),
        Feature::Ellipses => of_sentences(marks.ellipses as f64),
        Feature::Colons => of_sentences(marks.colons as f64),
        Feature::Brackets => of_sentences(marks.brackets as f64),
        Feature::Quotes => of_sentences(marks.quotes as f64),
        Feature::LineBreaks => parsed.line_breaks as f64,
        Feature::Numbers => of_words(numbers),
        Feature::Contractions => of_words(contractions),
        Feature::OpenEnd => f64::from(parsed.open_end),
        // How loud it is: marks, emoji and capitals saturate, since three exclamation marks are not three times one.
        Feature::Energy => 1.0 - (-lively).exp(),
        // How far from talk it is: long words and the polite form, against contractions, small letters and I and you.
        Feature::Formality => {
            let talk =
                3.0 * of_words(contractions + persons[Person::I as usize] + persons[Person::You as usize]) + 0.5 * of_sentences(lowercase);
            let stiff = (word_letters - 4.5) * 0.3 + 3.0 * of_words(persons[Person::Sie as usize] + jargon);
            if words > 0.0 { 1.0 / (1.0 + (2.0 * (talk - stiff)).exp()) } else { 0.5 }
        }
    };
    Measures(Feature::ALL.iter().map(|&feature| (feature, value(feature))).collect())
}

/// Mean and standard deviation; zeros when there is nothing.
pub(super) fn mean_and_spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut n, mut sum, mut squares) = (0.0_f64, 0.0_f64, 0.0_f64);
    for value in values {
        n += 1.0;
        sum += value;
        squares += value * value;
    }
    if n == 0.0 {
        return (0.0, 0.0);
    }
    let mean = sum / n;
    (mean, (squares / n - mean * mean).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_measured_in_natural_units() {
        let m = measure("we baked ALL night! 🎉 Come and get yours, you sleepyheads?\nI'm off. #bread https://a.example");
        let near = |feature, expected: f64| assert!((m.get(feature) - expected).abs() < 1e-9, "{feature:?}: {}", m.get(feature));
        near(Feature::PostWords, 12.0);
        near(Feature::SentenceWords, 4.0);
        near(Feature::Emoji, 1.0);
        near(Feature::Exclamations, 1.0 / 3.0);
        near(Feature::Questions, 1.0 / 3.0);
        near(Feature::Hashtags, 1.0);
        near(Feature::Links, 1.0);
        near(Feature::Capitals, 1.0 / 12.0);
        near(Feature::LowercaseStarts, 1.0 / 3.0);
        near(Feature::FirstSingular, 1.0 / 12.0);
        near(Feature::FirstPlural, 1.0 / 12.0);
        near(Feature::SecondPerson, 2.0 / 12.0);
        near(Feature::Contractions, 1.0 / 12.0);
        near(Feature::LineBreaks, 1.0);
        near(Feature::OpenEnd, 0.0);
    }

    #[test]
    fn a_possessive_is_no_contraction() {
        let share = |text| measure(text).get(Feature::Contractions);
        assert!(share("Maria's cooperative sells today’s lot at the harbour's edge, O'Brien says.").abs() < 1e-9);
        assert!(share("It's late, that's all, I don't mind and they'll see.") > 0.35);
        assert!(share("Ich hab's dir gesagt, so geht's nicht.") > 0.25);
        assert!(share("Andrea's Laden").abs() < 1e-9);
    }

    #[test]
    fn liveliness_and_formality_order_texts_as_people_would() {
        let of = |feature, text| measure(text).get(feature);
        let (loud, calm) = ("OMG cake!!! 🎂🎂 Come NOW!", "The cake is ready. It is a plain one.");
        assert!(of(Feature::Energy, loud) > 0.8 && of(Feature::Energy, calm) < 0.1);
        let (stiff, talk) = ("Wir informieren Sie über Maßnahmen zur Versorgungssicherheit.", "hey du, ich hab's dir ja gesagt");
        assert!(of(Feature::Formality, stiff) > 0.7 && of(Feature::Formality, talk) < 0.3);
    }

    #[test]
    fn every_feature_has_a_value_even_for_nothing() {
        for &feature in Feature::ALL {
            assert!(measure("").get(feature).is_finite(), "{feature:?}");
        }
        assert_eq!(measure("x").0.len(), Feature::ALL.len());
    }

    #[test]
    fn values_read_well() {
        assert_eq!(Feature::Emoji.in_words(0.0), "no emoji");
        assert_eq!(Feature::Emoji.in_words(2.0), "2 emoji");
        assert_eq!(Feature::SentenceWords.in_words(7.25), "7.2 words a sentence");
        assert_eq!(Feature::Jargon.in_words(0.042), "4 % of words");
        assert_eq!(Feature::Dashes.in_words(0.0), "none");
    }
}
