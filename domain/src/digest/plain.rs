//! The summary in words that is made without a model.

use super::{Change, DigestData, PostFigures, words::Words};
use crate::brief::Language;

/// Sums up a digest in a few plain sentences, for when the model is away. German or English; other languages get English.
#[must_use]
pub fn plain_summary(data: &DigestData, language: Language) -> String {
    facts(data, language).join(" ")
}

/// What the summary says, one sentence each, the weightiest first: what a model is given to write from.
#[must_use]
pub fn facts(data: &DigestData, language: Language) -> Vec<String> {
    let words = Words::of(language);
    let mut sentences = vec![words.counted(words.published, data.published)];
    if data.totals.engagement().is_none() && data.totals.impressions.is_none() {
        sentences.push(words.nothing.to_owned());
        return sentences;
    }
    sentences.push(words.counted(words.measured, data.posts.len()));
    if data.previous.engagement().is_some() && data.changes.is_empty() {
        sentences.push(words.unchanged.to_owned());
    }
    sentences.extend(data.changes.iter().map(|change| changed(change, words)));
    sentences.extend(data.best.first().and_then(|post| told(post, words.best_was, words)));
    sentences.extend(data.worst.first().and_then(|post| told(post, words.worst_was, words)));
    sentences
}

/// The stretch of time that a digest covers, as people of its language write it, in its own zone.
#[must_use]
pub fn period(data: &DigestData, language: Language) -> String {
    Words::of(language).period(&data.period)
}

fn changed(change: &Change, words: &Words) -> String {
    let percent = change.percent.map(|percent| {
        let sign = if percent > 0 { "+" } else { "" };
        format!(" ({sign}{}{})", words.number(percent), words.percent)
    });
    let form = if change.now > change.before { words.rose } else { words.fell };
    let sentence = form
        .replace("{metric}", words.metric(change.metric))
        .replace("{before}", &words.number(change.before))
        .replace("{now}", &words.number(change.now))
        .replace("{percent}", percent.as_deref().unwrap_or_default());
    capitalised(&sentence)
}

fn told(post: &PostFigures, form: &str, words: &Words) -> Option<String> {
    let engagement = post.period.engagement()?;
    // The excerpt comes last, since it may hold anything, our own marks included.
    let with_figures = form.replace("{platform}", platform_name(post)).replace("{n}", &words.number(engagement));
    Some(with_figures.replace("{excerpt}", &one_line(&post.excerpt)))
}

fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// The platform's own spelling of its name.
pub(super) const fn platform_name(post: &PostFigures) -> &'static str {
    post.platform.title()
}

/// A text without line breaks and runs of blanks.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
