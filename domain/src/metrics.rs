//! How a post does, in the same seven numbers for every platform.
//!
//! A number that a platform does not tell is `null`, never zero: Mastodon has no impressions, and a rate computed from an invented zero would
//! be a lie. When to ask is in [`polling`], how readings become totals and changes in [`series`].

use std::fmt;

use serde::{Deserialize, Serialize};

pub mod polling;
pub mod series;

pub use polling::PollCadence;
pub use series::{Intake, Point, Reading, Series};

/// One of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Likes, favourites, reactions.
    Likes,
    /// Replies and comments.
    Comments,
    /// Reposts, boosts, quotes.
    Shares,
    /// Bookmarks.
    Saves,
    /// How often it was shown.
    Impressions,
    /// Clicks on its links.
    Clicks,
    /// Followers won (or lost, if negative).
    FollowersDelta,
}

impl Metric {
    /// All of them, in the order in which pages list them.
    pub const ALL: [Self; 7] =
        [Self::Likes, Self::Comments, Self::Shares, Self::Saves, Self::Impressions, Self::Clicks, Self::FollowersDelta];

    /// The name in JSON and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Likes => "likes",
            Self::Comments => "comments",
            Self::Shares => "shares",
            Self::Saves => "saves",
            Self::Impressions => "impressions",
            Self::Clicks => "clicks",
            Self::FollowersDelta => "followers_delta",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The counters of a post since its publication (or, as a difference, over a period). `None` means that nobody told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Counters {
    /// Likes, favourites, reactions.
    pub likes: Option<i64>,
    /// Replies and comments.
    pub comments: Option<i64>,
    /// Reposts, boosts, quotes.
    pub shares: Option<i64>,
    /// Bookmarks.
    pub saves: Option<i64>,
    /// How often it was shown.
    pub impressions: Option<i64>,
    /// Clicks on its links.
    pub clicks: Option<i64>,
    /// Followers won (or lost, if negative).
    pub followers_delta: Option<i64>,
}

/// A total below zero, which no platform can mean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{metric}` is {value}; only `followers_delta` can be negative")]
pub struct NegativeCounter {
    /// Which counter.
    pub metric: Metric,
    /// What it says.
    pub value: i64,
}

impl Counters {
    /// One of the counters.
    #[must_use]
    pub const fn get(&self, metric: Metric) -> Option<i64> {
        match metric {
            Metric::Likes => self.likes,
            Metric::Comments => self.comments,
            Metric::Shares => self.shares,
            Metric::Saves => self.saves,
            Metric::Impressions => self.impressions,
            Metric::Clicks => self.clicks,
            Metric::FollowersDelta => self.followers_delta,
        }
    }

    /// One of the counters, to be set.
    pub const fn get_mut(&mut self, metric: Metric) -> &mut Option<i64> {
        match metric {
            Metric::Likes => &mut self.likes,
            Metric::Comments => &mut self.comments,
            Metric::Shares => &mut self.shares,
            Metric::Saves => &mut self.saves,
            Metric::Impressions => &mut self.impressions,
            Metric::Clicks => &mut self.clicks,
            Metric::FollowersDelta => &mut self.followers_delta,
        }
    }

    /// Clicks per impression; only where both are known and it was shown at all.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate of counters beyond 2^52 loses nothing that anybody reads")]
    pub fn ctr(&self) -> Option<f64> {
        match (self.clicks, self.impressions) {
            (Some(clicks), Some(impressions)) if impressions > 0 && clicks >= 0 => Some(clicks as f64 / impressions as f64),
            _ => None,
        }
    }

    /// What people did with it: likes, comments, shares, saves and clicks together. `None` if none of them is known.
    #[must_use]
    pub fn engagement(&self) -> Option<i64> {
        [self.likes, self.comments, self.shares, self.saves, self.clicks].into_iter().flatten().reduce(i64::saturating_add)
    }

    /// The sum; a counter that only one side knows counts as the other side's.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.combine(other, |one, other| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (known, None) | (None, known) => known,
        })
    }

    /// What came on top of `earlier`. A counter that was not known earlier started at zero (it counts since publication); one that is not known
    /// now has no difference.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.combine(earlier, |now, before| now.map(|now| now.saturating_sub(before.unwrap_or(0))))
    }

    /// That no total is below zero.
    ///
    /// # Errors
    /// [`NegativeCounter`] names the first that is.
    pub fn check(&self) -> Result<(), NegativeCounter> {
        let negative = Metric::ALL.into_iter().filter(|metric| *metric != Metric::FollowersDelta);
        for metric in negative {
            if let Some(value) = self.get(metric).filter(|value| *value < 0) {
                return Err(NegativeCounter { metric, value });
            }
        }
        Ok(())
    }

    fn combine(&self, other: &Self, with: impl Fn(Option<i64>, Option<i64>) -> Option<i64>) -> Self {
        let mut combined = Self::default();
        for metric in Metric::ALL {
            *combined.get_mut(metric) = with(self.get(metric), other.get(metric));
        }
        combined
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_says_null_where_nobody_told() {
        let counters = Counters { likes: Some(3), ..Counters::default() };
        let expected = json!({"likes": 3, "comments": null, "shares": null, "saves": null, "impressions": null, "clicks": null,
            "followers_delta": null});
        assert_eq!(serde_json::to_value(counters).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Counters>(json!({"likes": 3})).unwrap(), counters);
        assert!(serde_json::from_value::<Counters>(json!({"loves": 3})).is_err());
    }

    #[test]
    fn every_metric_has_its_own_field_under_its_own_name() {
        for metric in Metric::ALL {
            let mut counters = Counters::default();
            *counters.get_mut(metric) = Some(7);
            assert_eq!(serde_json::to_value(counters).unwrap()[metric.as_str()], json!(7));
            assert_eq!(serde_json::to_value(metric).unwrap(), json!(metric.as_str()));
            assert_eq!(Metric::ALL.iter().filter(|other| counters.get(**other).is_some()).count(), 1);
        }
    }

    #[test]
    fn a_rate_needs_clicks_and_impressions() {
        let counters = |clicks, impressions| Counters { clicks, impressions, ..Counters::default() };
        assert_eq!(counters(Some(5), Some(200)).ctr(), Some(0.025));
        assert_eq!(counters(Some(0), Some(200)).ctr(), Some(0.0));
        assert_eq!(counters(Some(5), Some(0)).ctr(), None);
        assert_eq!(counters(Some(5), None).ctr(), None);
        assert_eq!(counters(None, Some(200)).ctr(), None);
    }

    #[test]
    fn unknown_is_not_zero_in_sums_and_differences() {
        let one = Counters { likes: Some(2), comments: Some(1), ..Counters::default() };
        let other = Counters { likes: Some(5), shares: Some(4), ..Counters::default() };
        assert_eq!(one.plus(&other), Counters { likes: Some(7), comments: Some(1), shares: Some(4), ..Counters::default() });
        assert_eq!(other.since(&one), Counters { likes: Some(3), shares: Some(4), ..Counters::default() });
        assert_eq!(Counters { impressions: Some(9), ..Counters::default() }.engagement(), None);
        assert_eq!(other.engagement(), Some(9));
    }

    #[test]
    fn only_followers_can_be_lost() {
        assert!(Counters { followers_delta: Some(-3), likes: Some(0), ..Counters::default() }.check().is_ok());
        let wrong = Counters { saves: Some(-1), ..Counters::default() };
        assert_eq!(wrong.check(), Err(NegativeCounter { metric: Metric::Saves, value: -1 }));
    }
}
