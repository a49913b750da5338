//! What a text must not say, and what it must: the rules of brand, brief and platform, told apart by how bad it is to break them.
//!
//! Pure: the same text and context give the same lints in the same order, in a handler, on a page and in a replay.

mod contacts;
mod disguise;
mod marks;
mod phrases;
mod tone;
mod whole;

use serde::{Deserialize, Serialize};

use self::phrases::{Phrase, Reading};
pub use self::whole::{MediaFacts, lint_post};
use crate::{
    brand::Brand,
    brief::Language,
    platform::TextLimits,
    text::{Entity, EntityKind, Span, entities, has_word, length},
};

/// What a lint is about. Its kebab-case name is part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// There is nothing to read.
    Empty,
    /// The platform would refuse it.
    TooLong,
    /// A phrase that the brand bans.
    BannedPhrase,
    /// A competitor's name.
    Competitor,
    /// A disclosure that the brand requires is not there.
    MissingDisclosure,
    /// More hashtags than read well on the platform.
    TooManyHashtags,
    /// More mentions than read well on the platform.
    TooManyMentions,
    /// An e-mail address that is not the brand's.
    EmailAddress,
    /// A phone number that is not the brand's.
    PhoneNumber,
    /// Capitals or exclamation marks in a row.
    Shouting,
    /// A place in a template that nobody filled.
    TemplateMark,
    /// It is written in another language than was asked for.
    WrongLanguage,
    /// A translation lost a name, handle, link, hashtag or number.
    TranslationLost,
    /// A translation has a handle, link or number that its source has not.
    TranslationAdded,
    /// More parts than a thread may have, or parts where there are no threads.
    TooManyParts,
    /// A first comment where posts have no comments of their own.
    NoComments,
    /// The platform takes no post without an image or a video.
    MediaMissing,
    /// More images or videos than the platform takes, or a mixture that it does not.
    TooManyMedia,
    /// A kind of file that the platform does not take.
    MediaKind,
    /// A file that is larger than the platform takes.
    MediaTooLarge,
    /// A description that is longer than the platform takes.
    AltTooLong,
    /// A file that is not there, or may not be used any more.
    MediaUnusable,
    /// The platform cannot be told this of a post.
    UnknownDisclosure,
}

impl Rule {
    /// Whether other words could mend it.
    #[must_use]
    pub const fn is_about_the_text(self) -> bool {
        !matches!(
            self,
            Self::NoComments
                | Self::MediaMissing
                | Self::TooManyMedia
                | Self::MediaKind
                | Self::MediaTooLarge
                | Self::AltTooLong
                | Self::MediaUnusable
                | Self::UnknownDisclosure
        )
    }

    /// Whether the platform would refuse the post, or nobody can mean to send it: no person can decide against this.
    #[must_use]
    pub const fn forbids_sending(self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::TooLong
                | Self::TemplateMark
                | Self::TooManyParts
                | Self::NoComments
                | Self::MediaMissing
                | Self::TooManyMedia
                | Self::MediaKind
                | Self::MediaTooLarge
                | Self::AltTooLong
                | Self::MediaUnusable
        )
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// A person should look.
    Warning,
    /// It must not go out like this; nothing with an error is approved automatically.
    Error,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lint {
    /// Which.
    pub rule: Rule,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, for people.
    pub message: String,
    /// Where in the text, in bytes; `None` if it is about all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

impl Lint {
    pub(crate) fn new(rule: Rule, severity: Severity, span: impl Into<Option<Span>>, message: String) -> Self {
        Self { rule, severity, message, span: span.into() }
    }
}

/// What a text is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyContext<'a> {
    /// The limits of the platform, or of the server it goes to.
    pub limits: TextLimits,
    /// The language asked for; `None` if any will do. Phrases are read as readers of this language read them.
    pub language: Option<Language>,
    /// Phrases that must not appear.
    pub banned_phrases: &'a [String],
    /// Texts of which each must appear.
    pub required_disclosures: &'a [String],
    /// Names that must not appear.
    pub competitors: &'a [String],
    /// Addresses and numbers that are the brand's own and may appear.
    pub own_contacts: Vec<&'a str>,
}

impl<'a> PolicyContext<'a> {
    /// The rules of a brand and a brief's competitors for one platform ([`crate::platform::Platform`]) or server ([`TextLimits`]). What
    /// stands in the brand's links (`mailto:hello@...`, `tel:+49...`) counts as its own contact.
    #[must_use]
    pub fn new(limits: impl Into<TextLimits>, language: Option<Language>, brand: &'a Brand, competitors: &'a [String]) -> Self {
        Self {
            limits: limits.into(),
            language,
            banned_phrases: &brand.banned_phrases,
            required_disclosures: &brand.required_disclosures,
            competitors,
            own_contacts: brand.links.values().map(String::as_str).collect(),
        }
    }
}

/// Every rule that `text` breaks, in the order of [`Rule`] and, within a rule, of the text. `text` is the whole body as it will be sent
/// ([`crate::text::compose`]).
#[must_use]
pub fn lint(text: &str, context: &PolicyContext<'_>) -> Vec<Lint> {
    let found = entities(text, context.limits.platform);
    let reading = Reading::new(text);
    let mut lints = Vec::new();
    shape(text, context, &reading, &mut lints);
    names(text, context, &reading, &found, &mut lints);
    disclosures(text, context, &mut lints);
    counts(context, &found, &mut lints);
    contact_details(text, context, &found, &mut lints);
    manners(text, context, &found, &mut lints);
    lints.sort_by_key(|lint| (lint.rule, lint.span));
    lints
}

fn shape(text: &str, context: &PolicyContext<'_>, reading: &Reading, lints: &mut Vec<Lint>) {
    if reading.is_blank() {
        lints.push(Lint::new(Rule::Empty, Severity::Error, None, "there is no text".to_owned()));
    }
    let measured = length(text, &context.limits);
    if measured.units > measured.limit {
        let message = format!("{} characters as {} counts, {} allowed", measured.units, context.limits.platform, measured.limit);
        lints.push(Lint::new(Rule::TooLong, Severity::Error, None, message));
    }
    if let (Some(bytes), Some(most)) = (measured.bytes, measured.byte_limit)
        && bytes > most
    {
        lints.push(Lint::new(
            Rule::TooLong,
            Severity::Error,
            None,
            format!("{bytes} bytes, {most} allowed on {}", context.limits.platform),
        ));
    }
}

fn names(text: &str, context: &PolicyContext<'_>, reading: &Reading, entities: &[Entity], lints: &mut Vec<Lint>) {
    let in_link = |span: Span| entities.iter().any(|e| e.kind == EntityKind::Link && e.span.overlaps(span));
    for (rule, what, phrases) in
        [(Rule::BannedPhrase, "banned phrase", context.banned_phrases), (Rule::Competitor, "competitor", context.competitors)]
    {
        for phrase in phrases {
            let Some(wanted) = Phrase::new(phrase) else { continue };
            for hit in wanted.find(reading, context.language) {
                // A link's path and short code are not prose; whose page it is, matters.
                if rule == Rule::BannedPhrase && in_link(hit.span) {
                    continue;
                }
                let severity = if hit.doubtful { Severity::Warning } else { Severity::Error };
                let written = hit.span.of(text);
                let message = match (hit.doubtful, written == phrase) {
                    (true, _) => format!("`{written}` could be read as the {what} `{phrase}`"),
                    (false, true) => format!("{what} `{phrase}`"),
                    (false, false) => format!("{what} `{phrase}`, written `{written}`"),
                };
                lints.push(Lint::new(rule, severity, hit.span, message));
            }
        }
    }
}

/// Phrases that must not appear, made ready once for many short texts.
#[derive(Debug)]
pub struct Forbidden(Vec<Phrase>);

impl Forbidden {
    /// Of these phrases; one that says nothing forbids nothing.
    #[must_use]
    pub fn new(phrases: &[String]) -> Self {
        Self(phrases.iter().filter_map(|phrase| Phrase::new(phrase)).collect())
    }

    /// Whether one of them stands in `text`, through any disguise and be it with some good will.
    #[must_use]
    pub fn stands_in(&self, text: &str, language: Option<Language>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let reading = Reading::new(text);
        self.0.iter().any(|phrase| !phrase.find(&reading, language).is_empty())
    }
}

/// A disclosure counts only where everybody can read it: as written, whatever the case, on its own.
fn disclosures(text: &str, context: &PolicyContext<'_>, lints: &mut Vec<Lint>) {
    for wanted in context.required_disclosures.iter().map(|d| d.trim()).filter(|d| !d.is_empty()) {
        if !has_word(text, wanted) {
            lints.push(Lint::new(Rule::MissingDisclosure, Severity::Error, None, format!("the disclosure `{wanted}` is missing")));
        }
    }
}

fn counts(context: &PolicyContext<'_>, entities: &[Entity], lints: &mut Vec<Lint>) {
    let platform = context.limits.platform;
    let capabilities = platform.capabilities();
    for (kind, most, rule, what) in [
        (EntityKind::Hashtag, capabilities.max_hashtags, Rule::TooManyHashtags, "hashtags"),
        (EntityKind::Mention, capabilities.max_mentions, Rule::TooManyMentions, "mentions"),
    ] {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut standing = entities.iter().filter(|entity| entity.kind == kind);
        if let Some(first_too_many) = standing.nth(most) {
            let count = most + 1 + standing.count();
            let message = format!("{count} {what}, {most} are sensible on {platform}");
            lints.push(Lint::new(rule, Severity::Error, first_too_many.span, message));
        }
    }
}

fn contact_details(text: &str, context: &PolicyContext<'_>, entities: &[Entity], lints: &mut Vec<Lint>) {
    let free = |span: &Span| !entities.iter().any(|entity| entity.span.overlaps(*span));
    let digits = |s: &str| s.chars().filter(char::is_ascii_digit).collect::<String>();
    for span in contacts::emails(text).into_iter().filter(free) {
        let address = span.of(text).to_lowercase();
        if !context.own_contacts.iter().any(|own| has_word(own, &address)) {
            lints.push(Lint::new(Rule::EmailAddress, Severity::Error, span, format!("e-mail address `{}`", span.of(text))));
        }
    }
    for span in contacts::phones(text).into_iter().filter(free) {
        let number = digits(span.of(text));
        if !context.own_contacts.iter().any(|own| digits(own) == number) {
            lints.push(Lint::new(Rule::PhoneNumber, Severity::Error, span, format!("phone number `{}`", span.of(text))));
        }
    }
}

fn manners(text: &str, context: &PolicyContext<'_>, entities: &[Entity], lints: &mut Vec<Lint>) {
    for span in tone::shouting(text, entities) {
        lints.push(Lint::new(Rule::Shouting, Severity::Warning, span, format!("`{}` shouts", span.of(text))));
    }
    let in_link = |span: &Span| entities.iter().any(|e| e.kind == EntityKind::Link && e.span.start <= span.start && span.end <= e.span.end);
    for span in marks::marks(text).into_iter().filter(|span| !in_link(span)) {
        lints.push(Lint::new(Rule::TemplateMark, Severity::Error, span, format!("`{}` was never filled in", span.of(text))));
    }
    if let Some(expected) = context.language
        && let Some(other) = tone::other_language(text, entities, expected)
    {
        lints.push(Lint::new(Rule::WrongLanguage, Severity::Warning, None, format!("reads as {other}, not as `{expected}`")));
    }
}

/// How risky it is to send a text with these lints, in 0..=1: each lint takes its share (error 0.6, warning 0.15, info 0.03) of the safety
/// that the others left, so that more lints are never less risky, and no number of them leaves the range.
#[must_use]
pub fn risk(lints: &[Lint]) -> f32 {
    let safety = lints.iter().fold(1.0_f32, |safety, lint| {
        safety
            * match lint.severity {
                Severity::Error => 0.4,
                Severity::Warning => 0.85,
                Severity::Info => 0.97,
            }
    });
    1.0 - safety
}

#[cfg(test)]
mod tests;
