//! The hour at which a brand's posts do best on a platform, with honest uncertainty.
//!
//! # Model
//! What is observed of a post is the logarithm of its engagement, less the mean over the brand's posts on the platform: 0.69 is twice the usual.
//! Each of the 168 hours of the week has an unknown mean effect with a normal prior; observations are normal around it (normal-normal, so that
//! the posterior is again normal). The prior's mean is [`prior`], its deviation [`PRIOR_SD`]: where data are few, the answer is the prior's.
//! The observations' variance is pooled over all hours and held up by [`PRIOR_WEIGHT`] imaginary ones, so that three posts that happen to agree do
//! not make it small. A post tells a little about the hours beside its own, and about its own hour on other days
//! (the function `relevance`), up to the weight of [`MOST_BORROWED`] posts.
//!
//! # Choice
//! Every hour that is still to come is drawn once from its posterior, with half of its deviation ([`EXPLORATION`]), from the hash of the post's id: an hour of which
//! little is known is tried now and then, and the same question gets the same answer. The best draw wins; hours within [`APART`] of another post
//! of the account are left out.

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{At, OnGap, OnOverlap, ScheduleError, WallTime, ZoneRules as _};
use crate::{ids::PostId, platform::Platform};

/// The longest time ahead in which an hour is sought, in hours: two weeks.
pub const LONGEST: u32 = 14 * 24;

/// The deviation of an hour's mean effect before anything was observed (ours: an hour is rarely better or worse than the usual by more than 80 %).
pub const PRIOR_SD: f64 = 0.3;

/// The deviation of single posts at the same hour that is assumed at first (ours: engagement varies more than twofold from post to post).
pub const POST_SD: f64 = 0.8;

/// How many posts the assumption about [`POST_SD`] is worth.
pub const PRIOR_WEIGHT: f64 = 10.0;

/// How many posts at most the other hours tell about one.
pub const MOST_BORROWED: f64 = 4.0;

/// How much of the uncertainty goes into the draw.
pub const EXPLORATION: f64 = 0.5;

/// How far apart posts of one account are kept.
pub const APART: TimeDelta = TimeDelta::minutes(60);

/// How soon the hour chosen may be.
const SOON: TimeDelta = TimeDelta::minutes(2);

/// `{"mode": "best_time", "timezone": "Europe/Berlin", "within_hours": 48}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestTime {
    /// Where the wall is on which the hours are told.
    pub timezone: Tz,
    /// Within how many hours the post is to go out, 1 to 336.
    pub within_hours: u32,
    /// How many seconds after its time it is still sent, if not as the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<u32>,
}

impl BestTime {
    /// Whether it can be asked for.
    ///
    /// # Errors
    /// [`ScheduleError::Within`] when the hours are not 1 to 336; [`ScheduleError::Window`] when the window is longer than a week.
    pub const fn check(&self) -> Result<(), ScheduleError> {
        match (self.within_hours, self.window_seconds) {
            (0 | 337.., _) => Err(ScheduleError::Within),
            (_, Some(604_801..)) => Err(ScheduleError::Window),
            _ => Ok(()),
        }
    }
}

/// How a post did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// Its engagement: a rate, or a count plus a half; above zero, and of one kind for all posts.
    pub engagement: f64,
}

/// What is known of an hour of the week.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior {
    /// The mean effect, as a logarithm.
    pub mean: f64,
    /// Its deviation.
    pub sd: f64,
    /// How many posts are behind it, each counted by its relevance.
    pub weight: f64,
}

/// An hour that was chosen, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The wall time, to be resolved like any other.
    pub at: At,
    /// What is known of it.
    pub posterior: Posterior,
    /// Why, for people.
    pub reason: String,
}

impl Posterior {
    /// The factor by which a post at this hour is expected to do better than the usual, and the bounds between which it lies with 90 %.
    #[must_use]
    pub fn factor(&self) -> (f64, f64, f64) {
        let reach = 1.645 * self.sd;
        (self.mean.exp(), (self.mean - reach).exp(), (self.mean + reach).exp())
    }
}

/// What is expected of an hour (0 to 23) of a weekday (0 is Monday) before anything was observed, as a logarithm.
///
/// These are ours, and deliberately flat: no platform publishes such figures, and what marketing tools publish of their customers' contradicts
/// itself. They say no more than that people sleep at night, and look at work platforms on working days.
#[must_use]
pub fn prior(platform: Platform, weekday: u32, hour: u32) -> f64 {
    let of_day = match hour {
        0..=5 => -0.4,
        6 | 7 | 22 | 23 => -0.1,
        8..=12 => 0.1,
        17..=20 => 0.1,
        _ => 0.0,
    };
    let at_work = matches!(platform.as_str(), "linkedin" | "slack");
    if at_work && weekday >= 5 { of_day - 0.3 } else { of_day }
}

/// How much a post at one hour of the week tells about another hour: all about its own, half about the ones beside it, a third about its own on
/// other days (weekends and working days apart).
fn relevance(a: (u32, u32), b: (u32, u32)) -> f64 {
    let hours = a.1.abs_diff(b.1).min(24 - a.1.abs_diff(b.1));
    match (a.0 == b.0, (a.0 >= 5) == (b.0 >= 5), hours) {
        (true, _, 0) => 1.0,
        (true, _, 1) => 0.5,
        (false, true, 0) => 1.0 / 3.0,
        _ => 0.0,
    }
}

fn hour_of(instant: DateTime<Utc>, timezone: Tz) -> (u32, u32) {
    let wall = timezone.wall_at(instant);
    (wall.weekday().num_days_from_monday(), wall.hour())
}

/// Everything that is known of the hours of the week.
#[derive(Debug, Clone)]
pub struct Knowledge {
    platform: Platform,
    /// Hour of the week and centred logarithm of each post.
    posts: Vec<((u32, u32), f64)>,
    variance: f64,
}

impl Knowledge {
    /// Takes in how a brand's posts did on a platform. What has no engagement above zero is left out.
    #[must_use]
    pub fn of(platform: Platform, timezone: Tz, observations: &[Observation]) -> Self {
        let seen = observations.iter().filter(|o| o.engagement.is_finite() && o.engagement > 0.0);
        let mut posts: Vec<_> = seen.map(|o| (hour_of(o.published_at, timezone), o.engagement.ln())).collect();
        #[expect(clippy::cast_precision_loss, reason = "counts of posts")]
        let count = posts.len() as f64;
        // What posts at good hours did is not the usual: the prior's effects are taken out before the mean is.
        let mean = posts.iter().map(|((day, hour), y)| y - prior(platform, *day, *hour)).sum::<f64>() / count.max(1.0);
        for (_, y) in &mut posts {
            *y -= mean;
        }
        let squares: f64 = posts.iter().map(|((day, hour), y)| (y - prior(platform, *day, *hour)).powi(2)).sum();
        let variance = (PRIOR_WEIGHT * POST_SD.powi(2) + squares) / (PRIOR_WEIGHT + count);
        Self { platform, posts, variance }
    }

    /// What is known of an hour of the week.
    #[must_use]
    pub fn at(&self, weekday: u32, hour: u32) -> Posterior {
        let (mut own, mut own_sum, mut beside, mut beside_sum) = (0.0, 0.0, 0.0, 0.0);
        for (of, y) in &self.posts {
            let relevance = relevance(*of, (weekday, hour));
            if relevance >= 1.0 {
                own += 1.0;
                own_sum += y;
            } else {
                beside += relevance;
                beside_sum += relevance * y;
            }
        }
        // What is seen beside an hour never outweighs what is seen at it: with data enough each hour speaks for itself.
        let share = if beside > MOST_BORROWED { MOST_BORROWED / beside } else { 1.0 };
        let (weight, sum) = (own + share * beside, own_sum + share * beside_sum);
        let before = 1.0 / PRIOR_SD.powi(2);
        let precision = before + weight / self.variance;
        let mean = (prior(self.platform, weekday, hour) * before + sum / self.variance) / precision;
        Posterior { mean, sd: precision.recip().sqrt(), weight }
    }

    /// Chooses the hour of a post. `taken` are the times of the account's other posts. `None` if no hour is left (all within [`APART`] of others):
    /// then as soon as possible is as good as any.
    #[must_use]
    pub fn choose(&self, asked: &BestTime, post: PostId, now: DateTime<Utc>, taken: &[DateTime<Utc>]) -> Option<Choice> {
        let zone = asked.timezone;
        let end = now + TimeDelta::hours(i64::from(asked.within_hours.min(LONGEST)));
        let hours = (0..=i64::from(LONGEST)).map(|n| now + TimeDelta::hours(n)).take_while(|at| *at <= end);
        let mut best: Option<(f64, At, Posterior)> = None;
        let mut left_out = 0_u32;
        for instant in hours {
            let wall = zone.wall_at(instant);
            // The hour under way, from now on; the others on their first minute.
            let on_the_hour =
                wall.with_minute(0).and_then(|wall| wall.with_second(0)).and_then(|wall| wall.with_nanosecond(0)).unwrap_or(wall);
            let at = At { at: WallTime::from_naive(on_the_hour), ..At::new(WallTime::from_naive(wall), zone) };
            let at = At { on_gap: OnGap::Shift, on_overlap: OnOverlap::First, window_seconds: asked.window_seconds, ..at };
            let Ok(due) = at.resolve() else { continue };
            if due.due_at < now + SOON || due.due_at > end {
                continue;
            }
            if taken.iter().any(|other| (*other - due.due_at).abs() < APART) {
                left_out += 1;
                continue;
            }
            let (weekday, hour) = hour_of(due.due_at, zone);
            let posterior = self.at(weekday, hour);
            let draw = posterior.mean + EXPLORATION * posterior.sd * draw(post, weekday, hour);
            if best.as_ref().is_none_or(|(most, ..)| draw > *most) {
                best = Some((draw, at, posterior));
            }
        }
        let (_, at, posterior) = best?;
        let reason = self.reason(&at, &posterior, left_out);
        Some(Choice { at, posterior, reason })
    }

    fn reason(&self, at: &At, posterior: &Posterior, left_out: u32) -> String {
        let (factor, low, high) = posterior.factor();
        let mut reason = format!(
            "{} in {}: posts on {} are expected to do {factor:.2} times as well as usual there (90 %: {low:.2} to {high:.2})",
            at.at.naive().format("%A %H:%M"),
            at.timezone,
            self.platform,
        );
        let count = self.posts.len();
        reason += &if count == 0 {
            "; no post of the brand was measured yet, so this is what is assumed of any".to_owned()
        } else if posterior.weight < 3.0 {
            format!("; {count} posts of the brand were measured, few of them near this hour, so that much of this is assumed")
        } else {
            format!("; from {count} measured posts of the brand, {:.0} of them at this hour or near it", posterior.weight)
        };
        if left_out > 0 {
            reason += &format!("; {left_out} hours were left out, because another post of the account goes out within the hour");
        }
        reason
    }
}

/// A draw from the standard normal distribution that belongs to a post and an hour (Box-Muller over a hash).
fn draw(post: PostId, weekday: u32, hour: u32) -> f64 {
    let digest = Sha256::new().chain_update(post.uuid()).chain_update([weekday.to_be_bytes(), hour.to_be_bytes()].concat()).finalize();
    let uniform = |bytes: &[u8]| {
        let mut word = [0; 4];
        word.copy_from_slice(&bytes[..4]);
        (f64::from(u32::from_be_bytes(word)) + 0.5) / (f64::from(u32::MAX) + 1.0)
    };
    let (a, b) = (uniform(&digest[..4]), uniform(&digest[4..8]));
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const ZONE: Tz = Tz::Europe__Berlin;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Posts at every third hour over some weeks, at most 24; those at one hour of the week do better by a factor. `noise` makes single posts differ.
    fn planted(weeks: i64, best: (u32, u32), factor: f64, noise: f64) -> Vec<Observation> {
        // All of it in summer time, so that every hour of the week has its posts.
        let from = utc("2026-04-06T00:00:00Z");
        (0..weeks * 7 * 24)
            .filter(|n| n % 3 == 2)
            .map(|n| {
                let published_at = from + TimeDelta::hours(n);
                let post = PostId::from_uuid(Uuid::from_u128(n.unsigned_abs().into()));
                let luck = (noise * draw(post, 9, 9)).exp();
                let effect = if hour_of(published_at, ZONE) == best { factor } else { 1.0 };
                Observation { published_at, engagement: 20.0 * luck * effect }
            })
            .collect()
    }

    fn asked() -> BestTime {
        BestTime { timezone: ZONE, within_hours: 7 * 24, window_seconds: None }
    }

    fn post(n: u128) -> PostId {
        PostId::from_uuid(Uuid::from_u128(n))
    }

    const NOW: &str = "2026-11-21T10:20:00Z";

    #[test]
    fn the_planted_best_hour_is_found_through_the_noise() {
        let best = hour_of(planted(1, (9, 9), 1.0, 0.0)[22].published_at, ZONE);
        let knowledge = Knowledge::of(Platform::Mastodon, ZONE, &planted(16, best, 6.0, 0.6));
        let chosen = (0..100)
            .filter(|n| hour_of(knowledge.choose(&asked(), post(*n), utc(NOW), &[]).unwrap().at.resolve().unwrap().due_at, ZONE) == best);
        assert!(chosen.count() >= 80, "the best hour is taken mostly, and others are tried now and then");
        let (factor, low, high) = knowledge.at(best.0, best.1).factor();
        assert!(low < factor && factor < high && low > 1.2, "{factor} ({low} to {high})");
    }

    #[test]
    fn without_data_the_prior_speaks_and_says_so() {
        let knowledge = Knowledge::of(Platform::Bluesky, ZONE, &[]);
        assert_eq!(knowledge.at(1, 10).mean, prior(Platform::Bluesky, 1, 10));
        assert!((knowledge.at(1, 10).sd - PRIOR_SD).abs() < 1e-9);
        let choice = knowledge.choose(&asked(), post(1), utc(NOW), &[]).unwrap();
        assert!(choice.reason.contains("no post of the brand was measured yet"), "{}", choice.reason);
        let nights = (0..200)
            .filter(|n| hour_of(knowledge.choose(&asked(), post(*n), utc(NOW), &[]).unwrap().at.resolve().unwrap().due_at, ZONE).1 < 6);
        assert!(nights.count() < 20, "few are tried at night");
    }

    #[test]
    fn three_lucky_posts_do_not_make_an_hour_certain() {
        let lucky: Vec<_> = ["2026-11-03T03:00:00Z", "2026-11-10T03:00:00Z", "2026-11-17T03:00:00Z"]
            .map(|at| Observation { published_at: utc(at), engagement: 60.0 })
            .into_iter()
            .chain(planted(1, (9, 9), 1.0, 0.3))
            .collect();
        let posterior = Knowledge::of(Platform::Mastodon, ZONE, &lucky).at(1, 4);
        let (factor, low, high) = posterior.factor();
        assert!(factor < 1.5, "three times as good in three posts is not believed yet: {factor}");
        assert!(low < 1.0 && high > 1.0, "{low} to {high}");
    }

    #[test]
    fn more_data_narrow_the_interval() {
        let sd = |weeks| Knowledge::of(Platform::Mastodon, ZONE, &planted(weeks, (9, 9), 1.0, 0.5)).at(1, 10).sd;
        assert!(PRIOR_SD > sd(2) && sd(2) > sd(8) && sd(8) > sd(24));
    }

    #[test]
    fn posts_of_one_account_do_not_collide() {
        let knowledge = Knowledge::of(Platform::Mastodon, ZONE, &[]);
        let mut taken = Vec::new();
        for n in 0..40 {
            let due = knowledge.choose(&asked(), post(n), utc(NOW), &taken).unwrap().at.resolve().unwrap().due_at;
            assert!(taken.iter().all(|other: &DateTime<Utc>| (*other - due).abs() >= APART), "{due}: {taken:?}");
            taken.push(due);
        }
        let two_hours = BestTime { within_hours: 2, ..asked() };
        assert!(knowledge.choose(&two_hours, post(7), utc(NOW), &[utc("2026-11-21T11:30:00Z")]).is_none(), "no hour is left");
    }

    proptest! {
        #[test]
        fn the_choice_is_within_the_time_asked_for_and_always_the_same(seconds in 1_770_000_000_i64..1_830_000_000, hours in 2_u32..=LONGEST, n in any::<u128>()) {
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            let asked = BestTime { within_hours: hours, ..asked() };
            let knowledge = Knowledge::of(Platform::Mastodon, ZONE, &planted(2, (2, 11), 2.0, 0.5));
            let choice = knowledge.choose(&asked, post(n), now, &[]).unwrap();
            prop_assert_eq!(Some(choice.clone()), knowledge.choose(&asked, post(n), now, &[]));
            let due = choice.at.resolve().unwrap().due_at;
            prop_assert!(due > now && due <= now + TimeDelta::hours(i64::from(hours)));
        }
    }
}
