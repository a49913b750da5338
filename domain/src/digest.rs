//! A digest: how a brand's posts did in a period, summed up.
//!
//! [`DigestData`] is the numbers, from which everything else follows: the plain summary that stands in when no model is at hand ([`plain`]), and
//! the mail as text and HTML ([`render`]).

use std::{cmp::Reverse, collections::BTreeMap};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{
    brief::Language,
    ids::{DigestId, PostId},
    metrics::{Counters, Metric},
    platform::Platform,
    schedule::WallTime,
};

pub mod check;
pub mod plain;
pub mod render;
mod words;

pub use check::{Unusable, check_summary};
pub use plain::{facts, period, plain_summary};
pub use render::{render_html, render_text, subject};

/// How many posts the lists of best and worst hold at most.
const LISTED: usize = 3;

/// The stretch of time that a digest sums up: from `from` (exclusive) to `to` (inclusive), as [`crate::metrics::Series::between`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Its start.
    pub from: DateTime<Utc>,
    /// Its end.
    pub to: DateTime<Utc>,
    /// The zone in which people read it.
    pub timezone: Tz,
}

impl Period {
    /// Start and end as the clock on the wall shows them.
    #[must_use]
    pub fn on_the_wall(&self) -> (WallTime, WallTime) {
        (WallTime::of(self.from, self.timezone), WallTime::of(self.to, self.timezone))
    }
}

/// One post in a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostFigures {
    /// Which post.
    pub post_id: PostId,
    /// Where it stands.
    pub platform: Platform,
    /// In which language.
    pub language: Language,
    /// How its text begins.
    pub excerpt: String,
    /// Where people can see it.
    pub url: Option<String>,
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// What its counters gained in the period.
    pub period: Counters,
    /// What they gained in the period before, of the same length.
    pub previous: Counters,
}

/// How one counter of all posts together changed from the period before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which counter.
    pub metric: Metric,
    /// In this period.
    pub now: i64,
    /// In the one before.
    pub before: i64,
    /// By how many per cent, rounded; `None` where there was nothing (or less) to grow from.
    pub percent: Option<i64>,
}

/// The numbers of a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestData {
    /// The brand's name.
    pub brand: String,
    /// What it sums up.
    pub period: Period,
    /// How many of the posts were published in the period.
    pub published: usize,
    /// All posts together in the period.
    pub totals: Counters,
    /// All posts together in the period before.
    pub previous: Counters,
    /// Clicks and impressions in the period of those posts of which both are known: only they make a click rate.
    #[serde(default)]
    pub rated: Counters,
    /// The same in the period before.
    #[serde(default)]
    pub rated_previous: Counters,
    /// The posts with the most engagement, best first; at most three.
    pub best: Vec<PostFigures>,
    /// The posts with the least engagement, worst first; at most three, and none that is among the best.
    pub worst: Vec<PostFigures>,
    /// Every counter that is known in both periods and differs, in the order of [`Metric::ALL`].
    pub changes: Vec<Change>,
    /// All posts, by id.
    pub posts: Vec<PostFigures>,
}

impl DigestData {
    /// The language that most of the posts are in, of equals the first by its code; English when there is no post.
    #[must_use]
    pub fn language(&self) -> Language {
        let mut posts_in = BTreeMap::new();
        for post in &self.posts {
            *posts_in.entry(post.language.as_str()).or_insert(0_usize) += 1;
        }
        let most = posts_in.values().max().copied();
        let language = posts_in.into_iter().find(|(_, posts)| Some(*posts) == most).and_then(|(code, _)| code.parse().ok());
        language.unwrap_or(Language::EN)
    }

    /// Sums up the posts of a brand. The order of `posts` does not matter.
    #[must_use]
    pub fn sum_up(brand: &str, period: Period, mut posts: Vec<PostFigures>) -> Self {
        posts.sort_by_key(|post| post.post_id);
        let sum = |of: fn(&PostFigures) -> &Counters| posts.iter().fold(Counters::default(), |sum, post| sum.plus(of(post)));
        let (totals, previous) = (sum(|post| &post.period), sum(|post| &post.previous));
        let rated = |of: fn(&PostFigures) -> &Counters| {
            let both = posts.iter().map(of).filter(|counters| counters.ctr().is_some());
            both.fold(Counters::default(), |sum, counters| {
                sum.plus(&Counters { clicks: counters.clicks, impressions: counters.impressions, ..Counters::default() })
            })
        };
        let (rated, rated_previous) = (rated(|post| &post.period), rated(|post| &post.previous));
        // A post of which nothing is known is neither good nor bad.
        let mut ranked: Vec<_> = posts.iter().filter(|post| post.period.engagement().is_some()).collect();
        ranked.sort_by_key(|post| (Reverse(post.period.engagement()), Reverse(post.period.impressions), post.post_id));
        let best = ranked.len().div_ceil(2).min(LISTED);
        let worst = (ranked.len() - best).min(LISTED);
        Self {
            brand: brand.to_owned(),
            period,
            published: posts.iter().filter(|post| period.from < post.published_at && post.published_at <= period.to).count(),
            totals,
            previous,
            rated,
            rated_previous,
            best: ranked[..best].iter().copied().cloned().collect(),
            worst: ranked.iter().rev().take(worst).copied().cloned().collect(),
            changes: changes(&totals, &previous),
            posts,
        }
    }
}

fn changes(totals: &Counters, previous: &Counters) -> Vec<Change> {
    let change = |metric| match (totals.get(metric), previous.get(metric)) {
        (Some(now), Some(before)) if now != before => Some(Change { metric, now, before, percent: percent(now, before) }),
        _ => None,
    };
    Metric::ALL.into_iter().filter_map(change).collect()
}

/// The growth from `before` to `now` in per cent, rounded half away from zero; `None` where `before` is not positive.
fn percent(now: i64, before: i64) -> Option<i64> {
    if before <= 0 {
        return None;
    }
    let (difference, before) = (i128::from(now) - i128::from(before), i128::from(before));
    let rounded = (difference.abs() * 200 + before) / (before * 2) * difference.signum();
    i64::try_from(rounded).ok()
}

/// The Message-ID of a digest's mail: the same for every attempt to send it, so that a mailbox that gets it twice shows it once.
///
/// `domain` is the sender's; characters that a Message-ID cannot hold are left out.
#[must_use]
pub fn message_id(digest_id: DigestId, domain: &str) -> String {
    let domain: String = domain.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
    let domain = if domain.is_empty() { "pressroom.invalid" } else { &domain };
    format!("<{digest_id}@{domain}>")
}

#[cfg(test)]
mod tests;
