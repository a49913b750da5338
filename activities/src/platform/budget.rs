//! How much a platform still allows.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use serde::{Deserialize, Serialize};

/// A value with the rate budget that came with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered<T> {
    /// What was asked for.
    pub value: T,
    /// The budget after this request, where the platform told it.
    pub budget: Option<RateBudget>,
}

impl<T> Answered<T> {
    /// Changes the value and keeps the budget.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answered<U> {
        Answered { value: f(self.value), budget: self.budget }
    }
}

/// What is left of a platform's rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateBudget {
    /// Requests (Bluesky: points) per window.
    pub limit: u64,
    /// What is left of them.
    pub remaining: u64,
    /// When the window ends and the limit holds anew.
    pub reset_at: DateTime<Utc>,
}

impl RateBudget {
    /// Reads `X-Rate-Limit-*` (X), `X-RateLimit-*` (Mastodon: the end as RFC 3339) or `RateLimit-*` (Bluesky: as seconds since 1970; the IETF draft: as seconds from
    /// now; Discord: as fractional seconds since 1970). `now` is our clock at the answer; the server's own `Date` goes before it, so that clocks that differ do no harm.
    #[must_use]
    pub fn read(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Self> {
        let field = |name: &str| {
            ["x-ratelimit-", "ratelimit-", "x-rate-limit-"]
                .iter()
                .find_map(|prefix| headers.get(format!("{prefix}{name}")).and_then(|value| value.to_str().ok()))
                .map(str::trim)
        };
        let Some(reset) = field("reset") else { return Self::structured(headers, now) };
        let reset_at = match reset.parse::<i64>() {
            // More than thirty years from now is no window: it is a point in time.
            Ok(seconds) if seconds > 1_000_000_000 => DateTime::from_timestamp(seconds, 0)? - clock_lead(headers, now),
            Ok(seconds) => now + TimeDelta::try_seconds(seconds.max(0))?,
            // Discord writes fractions of seconds since 1970.
            Err(_) if reset.parse::<f64>().is_ok_and(|seconds| seconds > 1e9) => {
                let (seconds, _) = reset.split_once('.')?;
                DateTime::from_timestamp(seconds.parse().ok()?, 0)? + TimeDelta::seconds(1) - clock_lead(headers, now)
            }
            Err(_) => DateTime::parse_from_rfc3339(reset).ok()?.to_utc() - clock_lead(headers, now),
        };
        Some(Self { limit: field("limit")?.parse().ok()?, remaining: field("remaining")?.parse().ok()?, reset_at })
    }

    /// Reads the later form of the IETF draft, which Buffer speaks: `RateLimit: "name";r=98;t=897` and `RateLimit-Policy: "name";q=100;w=900`, one of
    /// each for every window. The tightest is what counts.
    fn structured(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Self> {
        let items = |name: &str| -> Vec<String> {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).map(|item| item.trim().to_owned()).collect()
        };
        let policies = items("ratelimit-policy");
        let budgets = items("ratelimit").into_iter().filter_map(|item| {
            let name = item.split(';').next()?;
            let policy = policies.iter().find(|policy| policy.split(';').next() == Some(name))?;
            let seconds = i64::try_from(parameter(&item, "t")?).ok().and_then(TimeDelta::try_seconds)?;
            Some(Self { limit: parameter(policy, "q")?, remaining: parameter(&item, "r")?, reset_at: now.checked_add_signed(seconds)? })
        });
        budgets.min_by_key(|budget| budget.remaining)
    }
}

/// A number among the parameters of a structured field's item: `"name";r=98;t=897`.
fn parameter(item: &str, name: &str) -> Option<u64> {
    item.split(';').skip(1).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// By how much the server's clock is ahead of ours.
fn clock_lead(headers: &HeaderMap, now: DateTime<Utc>) -> TimeDelta {
    let date = headers.get(http::header::DATE).and_then(|value| value.to_str().ok()).and_then(http_date);
    // The header has whole seconds; differences of that size are not worth a correction.
    date.map(|date| date - now).filter(|lead| lead.abs() > TimeDelta::seconds(2)).unwrap_or_default()
}

fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|date| date.to_utc())
}

/// How long a 429 asks to wait: `Retry-After` in seconds or as a date, else until the budget's end, else a minute. Never more than a day.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Duration {
    let stated = headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| {
        let seconds = text.trim().parse::<u64>().ok().map(Duration::from_secs);
        seconds.or_else(|| (http_date(text)? - clock_lead(headers, now) - now).to_std().ok())
    });
    stated
        // The end is told in whole seconds: a second more, so as not to ask again in the last part of the window.
        .or_else(|| {
            RateBudget::read(headers, now).map(|budget| (budget.reset_at - now).to_std().unwrap_or_default() + Duration::from_secs(1))
        })
        .unwrap_or(Duration::from_secs(60))
        .min(Duration::from_secs(24 * 60 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn now() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn each_platform_way_of_telling_the_end_is_read() {
        let x = [("x-rate-limit-limit", "100"), ("x-rate-limit-remaining", "99"), ("x-rate-limit-reset", "1795262700")];
        assert_eq!(RateBudget::read(&headers(&x), now()).map(|budget| (budget.limit, budget.remaining)), Some((100, 99)));
        for (prefix, reset) in [("x", "2026-11-21T12:05:00.000Z"), ("ietf", "300"), ("ietf", "1795262700")] {
            let names = if prefix == "x" {
                ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
            } else {
                ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]
            };
            let budget = RateBudget::read(&headers(&[(names[0], "300"), (names[1], "7"), (names[2], reset)]), now());
            assert_eq!(budget, Some(RateBudget { limit: 300, remaining: 7, reset_at: now() + TimeDelta::minutes(5) }), "{reset}");
        }
    }

    #[test]
    fn of_several_windows_the_tightest_counts() {
        let mut several = HeaderMap::new();
        for (name, value) in [
            ("ratelimit", r#""100-in-15min";r=98;t=300"#),
            ("ratelimit", r#""250-in-1day";r=3;t=86397"#),
            ("ratelimit-policy", r#""100-in-15min";q=100;w=900;pk=:ZjJj:, "250-in-1day";q=250;w=86400;pk=:ZjJj:"#),
        ] {
            several.append(name, value.parse().unwrap());
        }
        let tightest = RateBudget { limit: 250, remaining: 3, reset_at: now() + TimeDelta::seconds(86_397) };
        assert_eq!(RateBudget::read(&several, now()), Some(tightest));
        assert_eq!(RateBudget::read(&headers(&[("ratelimit", r#""x";r=1;t=2"#)]), now()), None, "a window without its policy");
    }

    #[test]
    fn an_end_with_a_fraction_is_the_second_after_it() {
        let pairs = [("x-ratelimit-limit", "5"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795262700.123")];
        assert_eq!(RateBudget::read(&headers(&pairs), now()).unwrap().reset_at, now() + TimeDelta::seconds(301));
    }

    #[test]
    fn the_server_clock_is_taken_into_account() {
        let pairs = [
            ("x-ratelimit-limit", "1"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "2026-11-21T12:15:00Z"),
            ("date", "Sat, 21 Nov 2026 12:10:00 GMT"),
        ];
        assert_eq!(RateBudget::read(&headers(&pairs), now()).unwrap().reset_at, now() + TimeDelta::minutes(5));
        assert_eq!(retry_after(&headers(&pairs), now()), Duration::from_secs(301));
    }

    #[test]
    fn waits_come_from_the_best_source_and_have_an_end() {
        assert_eq!(retry_after(&headers(&[("retry-after", "17")]), now()), Duration::from_secs(17));
        assert_eq!(retry_after(&headers(&[("retry-after", "Sat, 21 Nov 2026 12:01:00 GMT")]), now()), Duration::from_secs(60));
        assert_eq!(retry_after(&headers(&[]), now()), Duration::from_secs(60));
        // A window that ended while the answer was on its way.
        let over = [("ratelimit-limit", "1"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "1795262399")];
        assert_eq!(retry_after(&headers(&over), now()), Duration::from_secs(1));
        assert_eq!(retry_after(&headers(&[("retry-after", "99999999")]), now()), Duration::from_secs(86_400));
        assert_eq!(RateBudget::read(&headers(&[("x-ratelimit-limit", "many")]), now()), None);
    }
}
