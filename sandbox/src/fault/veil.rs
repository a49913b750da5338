//! Eventual consistency on order: posts that exist and that look-ups do not see yet.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::gate::Hide;

#[derive(Debug)]
struct Veil {
    until: Option<DateTime<Utc>>,
    lookups: u32,
}

/// All posts of one stand-in that are hidden.
#[derive(Debug, Default)]
pub(crate) struct Veils {
    hidden: HashMap<String, Veil>,
}

impl Veils {
    /// Hides a post from now on.
    pub(crate) fn hide(&mut self, id: &str, hide: Hide, now: DateTime<Utc>) {
        let until = (hide.ms > 0).then(|| now + TimeDelta::milliseconds(i64::try_from(hide.ms).unwrap_or(i64::MAX / 1_000_000)));
        self.hidden.insert(id.to_owned(), Veil { until, lookups: hide.lookups });
    }

    /// Whether this look-up misses the post. A miss uses up one of the look-ups that were ordered.
    pub(crate) fn misses(&mut self, id: &str, now: DateTime<Utc>) -> bool {
        let Some(veil) = self.hidden.get_mut(id) else { return false };
        let early = veil.until.is_some_and(|until| now < until);
        let counted = veil.lookups > 0;
        veil.lookups = veil.lookups.saturating_sub(1);
        if !early && !counted {
            self.hidden.remove(id);
        }
        early || counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_veil_lasts_until_both_time_and_number_are_over() {
        let now = Utc::now();
        let later = now + TimeDelta::seconds(10);
        let mut veils = Veils::default();
        veils.hide("a", Hide { ms: 5_000, lookups: 2 }, now);
        assert!(veils.misses("a", later), "first of two look-ups");
        assert!(veils.misses("a", now), "second look-up");
        assert!(veils.misses("a", now), "too early");
        assert!(!veils.misses("a", later));
        assert!(!veils.misses("a", now), "once lifted, it stays so");
        assert!(!veils.misses("b", now));
    }
}
