//! What is wrong with a post as a whole: each of its parts, what hangs on it, and what is said of it beside the text.

use serde::{Deserialize, Serialize};

use super::{Lint, PolicyContext, Rule, Severity, contact_details, counts, disclosures, manners, names, phrases::Reading, shape};
use crate::{
    platform::{Capabilities, Requirement},
    post::{PostOptions, spans},
    text::entities,
};

/// What the rules have to know of a file that hangs on a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFacts {
    /// Its name for people: the asset's id.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// What it shows, in words.
    pub alt: String,
    /// Why it cannot be used, if so: not there yet, its rights have run out.
    pub unusable: Option<String>,
}

impl MediaFacts {
    fn is_video(&self) -> bool {
        self.content_type.starts_with("video/")
    }
}

/// Every rule that a post breaks with what it has beside its text. Length and counts are judged part by part; what must, or must not, be said is
/// judged over the whole text. In the order of [`Rule`] and, within a rule, of the text; what is about the first comment comes without a place.
#[must_use]
pub fn lint_post(content: &str, options: &PostOptions, media: &[MediaFacts], context: &PolicyContext<'_>) -> Vec<Lint> {
    let capabilities = context.limits.platform.capabilities();
    let mut lints = Vec::new();
    let found = entities(content, context.limits.platform);
    let reading = Reading::new(content);
    names(content, context, &reading, &found, &mut lints);
    disclosures(content, context, &mut lints);
    contact_details(content, context, &found, &mut lints);
    manners(content, context, &found, &mut lints);

    let parts = spans(content, options, &context.limits);
    for (i, span) in parts.iter().enumerate() {
        let text = span.of(content);
        let mut own = Vec::new();
        // The files hang on the first part.
        let limits = if i == 0 && !media.is_empty() { context.limits.with_media() } else { context.limits };
        shape(text, &PolicyContext { limits, ..context.clone() }, &Reading::new(text), &mut own);
        counts(context, &entities(text, context.limits.platform), &mut own);
        for mut lint in own {
            if parts.len() > 1 {
                lint.message = format!("part {}: {}", i + 1, lint.message);
                lint.span = Some(lint.span.map_or(*span, |s| crate::text::Span { start: s.start + span.start, end: s.end + span.start }));
            }
            lints.push(lint);
        }
    }
    thread_and_comment(parts.len(), options, context, capabilities, &mut lints);
    files(media, capabilities, &mut lints);
    for told in options.disclosures.iter().filter(|d| !capabilities.disclosures.contains(d)) {
        let message = format!("{} has no switch for `{}`: say it in the text", capabilities.title, told.as_str());
        lints.push(Lint::new(Rule::UnknownDisclosure, Severity::Warning, None, message));
    }
    lints.sort_by_key(|lint| (lint.rule, lint.span));
    lints
}

fn thread_and_comment(
    parts: usize,
    options: &PostOptions,
    context: &PolicyContext<'_>,
    capabilities: &Capabilities,
    lints: &mut Vec<Lint>,
) {
    let most = usize::try_from(capabilities.max_thread_parts.max(1)).unwrap_or(usize::MAX);
    if parts > most {
        let message = match most {
            1 => format!("{} has no threads, and the text has {parts} parts", capabilities.title),
            most => format!("{parts} parts, {most} allowed on {}", capabilities.title),
        };
        lints.push(Lint::new(Rule::TooManyParts, Severity::Error, None, message));
    }
    let Some(comment) = options.first_comment.as_deref().map(str::trim) else { return };
    if !capabilities.first_comment {
        lints.push(Lint::new(
            Rule::NoComments,
            Severity::Error,
            None,
            format!("a post on {} cannot have a first comment", capabilities.title),
        ));
    }
    // What the post must say may stand in the post alone.
    let own = PolicyContext { required_disclosures: &[], ..context.clone() };
    for lint in super::lint(comment, &own) {
        lints.push(Lint { message: format!("first comment: {}", lint.message), span: None, ..lint });
    }
}

/// What is wrong with the files: how many, of which kind, how large, described in how many words.
fn files(media: &[MediaFacts], capabilities: &Capabilities, lints: &mut Vec<Lint>) {
    let rules = &capabilities.media;
    let on = capabilities.title;
    let mut error = |rule, message| lints.push(Lint::new(rule, Severity::Error, None, message));
    let (videos, images): (Vec<_>, Vec<_>) = media.iter().partition(|m| m.is_video());
    match rules.required {
        Some(Requirement::Media) if media.is_empty() => error(Rule::MediaMissing, format!("a post on {on} needs an image or a video")),
        Some(Requirement::Video) if videos.is_empty() => error(Rule::MediaMissing, format!("a post on {on} needs a video")),
        _ => {}
    }
    let most = usize::try_from(capabilities.max_images()).unwrap_or(usize::MAX);
    if images.len() > most && most > 0 {
        error(Rule::TooManyMedia, format!("{} images, {most} allowed on {on}", images.len()));
    }
    if videos.len() > 1 || (videos.len() == 1 && !images.is_empty()) {
        error(Rule::TooManyMedia, format!("a video stands alone on {on}: {} videos and {} images", videos.len(), images.len()));
    }
    for file in media {
        let name = &file.name;
        if let Some(why) = &file.unusable {
            error(Rule::MediaUnusable, format!("{name}: {why}"));
        }
        // Images of another type or size are fitted before they are sent; videos go out as they are.
        let max_alt = match (file.is_video(), rules.images, rules.video) {
            (false, Some(images), _) => images.max_alt,
            (true, _, Some(video)) => {
                if !video.types.contains(&file.content_type.as_str()) {
                    error(Rule::MediaKind, format!("{name}: {on} takes no {}", file.content_type));
                }
                if file.bytes > video.max_bytes {
                    error(Rule::MediaTooLarge, format!("{name}: {} bytes, {} allowed on {on}", file.bytes, video.max_bytes));
                }
                video.max_alt
            }
            (is_video, _, _) => {
                error(Rule::MediaKind, format!("{name}: {on} takes no {}", if is_video { "videos" } else { "images" }));
                continue;
            }
        };
        let alt = file.alt.chars().count();
        // Where there is no alt text, it is left out.
        if max_alt > 0 && alt > usize::try_from(max_alt).unwrap_or(usize::MAX) {
            error(Rule::AltTooLong, format!("{name}: its description has {alt} characters, {max_alt} allowed on {on}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        brand::Brand,
        brief::Language,
        platform::{Disclosure, ImageRules, MediaRules, Platform, TextLimits},
        policy::lint,
        post::Threading,
    };

    fn brand() -> Brand {
        Brand {
            name: "Kornfeld".into(),
            guidelines: String::new(),
            banned_phrases: vec!["miracle".into()],
            required_disclosures: vec!["#ad".into()],
            colors: vec![],
            links: Default::default(),
        }
    }

    fn judge(content: &str, options: &PostOptions, media: &[MediaFacts]) -> Vec<Lint> {
        let brand = brand();
        let limits = TextLimits::from(Platform::Mastodon).with_instance(Some(40), None);
        lint_post(content, options, media, &PolicyContext::new(limits, Some(Language::EN), &brand, &[]))
    }

    fn rules(lints: &[Lint]) -> Vec<Rule> {
        lints.iter().map(|l| l.rule).collect()
    }

    fn file(content_type: &str) -> MediaFacts {
        MediaFacts { name: "ast_1".into(), content_type: content_type.into(), bytes: 10, alt: "Bread".into(), unusable: None }
    }

    #[test]
    fn a_post_of_one_part_is_judged_as_its_text_is() {
        let brand = brand();
        let context = PolicyContext::new(Platform::Bluesky, Some(Language::EN), &brand, &[]);
        for text in ["", "A miracle.", "Bread is back. #ad", "#a #b #c #d #e #f #g", &"ä ".repeat(400)] {
            assert_eq!(lint_post(text, &PostOptions::default(), &[], &context), lint(text, &context), "{text}");
        }
    }

    #[test]
    fn each_part_is_judged_alone_and_what_must_be_said_may_stand_in_any() {
        let none = PostOptions::default();
        assert_eq!(judge("Our bread is back since this morning.\n---\nAnd it is still warm. #ad", &none, &[]), []);
        let long = "The second part of this thread is much too long. #ad";
        let text = format!("Short.\n---\n{long}");
        let lints = judge(&text, &none, &[]);
        assert_eq!(rules(&lints), [Rule::TooLong]);
        assert!(lints[0].message.starts_with("part 2: "), "{}", lints[0].message);
        assert_eq!(lints[0].span.unwrap().of(&text), long);
        // A mark does not hide a word.
        let text = "One.\n---\nA miracle. #ad";
        let lints = judge(text, &none, &[]);
        assert_eq!((rules(&lints), lints[0].span.unwrap().of(text)), (vec![Rule::BannedPhrase], "miracle"));
        let text = format!("One. #ad\n---\n{}", "#a #b #c #d #e #f");
        let lints = judge(&text, &none, &[]);
        assert_eq!((rules(&lints), lints[0].span.unwrap().of(&text)), (vec![Rule::TooManyHashtags], "#f"));
        let split = PostOptions { thread: Threading::Split, ..PostOptions::default() };
        assert_eq!(judge("Our bread is back since this morning. And it is still warm. #ad", &split, &[]), []);
        let many = format!("{}. #ad", ["Warm."; 30].join("\n---\n"));
        assert_eq!(rules(&judge(&many, &none, &[])), [Rule::TooManyParts]);
    }

    #[test]
    fn a_comment_has_to_be_fit_to_be_read_as_well() {
        let comment = |text: &str| PostOptions { first_comment: Some(text.to_owned()), ..PostOptions::default() };
        assert_eq!(judge("Bread. #ad", &comment("Where: our shop."), &[]), []);
        assert_eq!(rules(&judge("Bread. #ad", &comment("It is a miracle."), &[])), [Rule::BannedPhrase]);
        assert_eq!(rules(&judge("Bread. #ad", &comment(&"long ".repeat(20)), &[])), [Rule::TooLong]);
        assert_eq!(rules(&judge("Bread. #ad", &comment(" "), &[])), [Rule::Empty]);
        assert_eq!(rules(&judge("Bread.", &comment("#ad"), &[])), [Rule::MissingDisclosure], "the post itself has to say it");
    }

    #[test]
    fn files_are_held_against_what_the_platform_takes() {
        let none = PostOptions::default();
        let mut wordy = file("image/png");
        wordy.alt = "w".repeat(1501);
        let mut gone = file("image/png");
        gone.unusable = Some("its rights ended".into());
        let mut huge = file("video/mp4");
        huge.bytes = u64::MAX;
        for (media, expected) in [
            (vec![file("image/png"); 4], vec![]),
            (vec![file("image/heic")], vec![]),
            (vec![file("video/mp4")], vec![]),
            (vec![file("image/png"); 5], vec![Rule::TooManyMedia]),
            (vec![file("video/mp4"); 2], vec![Rule::TooManyMedia]),
            (vec![file("video/mp4"), file("image/png")], vec![Rule::TooManyMedia]),
            (vec![file("video/x-flv")], vec![Rule::MediaKind]),
            (vec![huge], vec![Rule::MediaTooLarge]),
            (vec![wordy], vec![Rule::AltTooLong]),
            (vec![gone], vec![Rule::MediaUnusable]),
        ] {
            assert_eq!(rules(&judge("Bread. #ad", &none, &media)), expected, "{media:?}");
        }
    }

    #[test]
    fn a_platform_of_pictures_asks_for_one_and_one_without_takes_none() {
        let pictures = Capabilities {
            media: MediaRules { required: Some(Requirement::Media), video: None, ..Platform::Mastodon.capabilities().media },
            first_comment: false,
            max_thread_parts: 0,
            ..*Platform::Mastodon.capabilities()
        };
        let check = |media: &[MediaFacts], capabilities: &Capabilities| {
            let mut lints = Vec::new();
            files(media, capabilities, &mut lints);
            rules(&lints)
        };
        assert_eq!(check(&[], &pictures), [Rule::MediaMissing]);
        assert_eq!(check(&[file("video/mp4")], &pictures), [Rule::MediaKind]);
        assert_eq!(check(&[file("image/png")], &pictures), []);
        let text_only = Capabilities { media: MediaRules::NONE, ..pictures };
        assert_eq!(check(&[file("image/png")], &text_only), [Rule::MediaKind]);
        let no_alt = ImageRules { max_alt: 0, ..pictures.media.images.unwrap() };
        let no_alt = Capabilities { media: MediaRules { images: Some(no_alt), ..pictures.media }, ..pictures };
        assert_eq!(check(&[file("image/png")], &no_alt), []);

        let (brand, options) = (brand(), PostOptions { first_comment: Some("More.".into()), ..PostOptions::default() });
        let context = PolicyContext::new(Platform::Mastodon, None, &brand, &[]);
        let mut lints = Vec::new();
        thread_and_comment(2, &options, &context, &pictures, &mut lints);
        assert_eq!(rules(&lints), [Rule::TooManyParts, Rule::NoComments]);
    }

    #[test]
    fn a_switch_that_the_platform_lacks_is_told() {
        let options = PostOptions { disclosures: [Disclosure::PaidPartnership].into(), ..PostOptions::default() };
        let lints = judge("Bread. #ad", &options, &[]);
        assert_eq!((rules(&lints), lints[0].severity), (vec![Rule::UnknownDisclosure], Severity::Warning));
    }
}
