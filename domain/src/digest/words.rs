//! The fixed words of a digest, per language, and how the language writes numbers.

use chrono::{Datelike as _, NaiveDateTime, Timelike as _};

use super::Period;
use crate::{brief::Language, metrics::Metric};

/// What a digest says around its numbers.
pub(super) struct Words {
    pub(super) language: Language,
    thousands: char,
    /// What follows the number of a day.
    ordinal: &'static str,
    months: [&'static str; 12],
    pub(super) percent: &'static str,
    metrics: [&'static str; 7],
    pub(super) title: &'static str,
    pub(super) figures: &'static str,
    pub(super) before: &'static str,
    pub(super) best: &'static str,
    pub(super) worst: &'static str,
    pub(super) engagement: &'static str,
    pub(super) click_rate: &'static str,
    pub(super) published: [&'static str; 2],
    pub(super) measured: [&'static str; 2],
    pub(super) nothing: &'static str,
    pub(super) rose: &'static str,
    pub(super) fell: &'static str,
    pub(super) unchanged: &'static str,
    pub(super) best_was: &'static str,
    pub(super) worst_was: &'static str,
    pub(super) unknown: &'static str,
    pub(super) sent_by: &'static str,
}

const EN: Words = Words {
    language: Language::EN,
    thousands: ',',
    ordinal: "",
    months: ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"],
    percent: "%",
    metrics: ["likes", "comments", "shares", "saves", "impressions", "clicks", "new followers"],
    title: "How {brand} did",
    figures: "Figures",
    before: "before",
    best: "Best posts",
    worst: "Weakest posts",
    engagement: "engagement",
    click_rate: "click rate",
    published: ["One post was published.", "{n} posts were published."],
    measured: ["One post was measured.", "{n} posts were measured."],
    nothing: "No figures came in for this period.",
    rose: "{metric} rose from {before} to {now}{percent}.",
    fell: "{metric} fell from {before} to {now}{percent}.",
    unchanged: "Nothing that can be compared with the period before has changed.",
    best_was: "The best post was \u{201c}{excerpt}\u{201d} on {platform}, with an engagement of {n}.",
    worst_was: "The weakest was \u{201c}{excerpt}\u{201d} on {platform}, with {n}.",
    unknown: "not told",
    sent_by: "Sent by Pressroom, because this address is subscribed to the digests of {brand}.",
};

const DE: Words = Words {
    language: Language::DE,
    thousands: '.',
    ordinal: ".",
    months: ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"],
    percent: "\u{a0}%",
    metrics: ["Likes", "Kommentare", "Weiterleitungen", "Lesezeichen", "Anzeigen", "Klicks", "neue Follower"],
    title: "So lief es für {brand}",
    figures: "Zahlen",
    before: "zuvor",
    best: "Beste Beiträge",
    worst: "Schwächste Beiträge",
    engagement: "Interaktionen",
    click_rate: "Klickrate",
    published: ["Ein Beitrag wurde veröffentlicht.", "{n} Beiträge wurden veröffentlicht."],
    measured: ["Ein Beitrag wurde gemessen.", "{n} Beiträge wurden gemessen."],
    nothing: "Für diesen Zeitraum liegen keine Zahlen vor.",
    rose: "{metric}: gestiegen von {before} auf {now}{percent}.",
    fell: "{metric}: gefallen von {before} auf {now}{percent}.",
    unchanged: "Was sich mit dem Zeitraum davor vergleichen lässt, ist gleich geblieben.",
    best_was: "Am besten lief \u{201e}{excerpt}\u{201c} auf {platform}, Interaktionen: {n}.",
    worst_was: "Am schwächsten lief \u{201e}{excerpt}\u{201c} auf {platform}, Interaktionen: {n}.",
    unknown: "unbekannt",
    sent_by: "Gesendet von Pressroom, weil diese Adresse die Berichte zu {brand} abonniert hat.",
};

impl Words {
    /// The words of a language; English where we have none of our own.
    pub(super) const fn of(language: Language) -> &'static Self {
        if matches!(language, Language::DE) { &DE } else { &EN }
    }

    /// What a counter is called.
    pub(super) const fn metric(&self, metric: Metric) -> &'static str {
        self.metrics[metric as usize]
    }

    /// A number with the language's mark between thousands.
    pub(super) fn number(&self, number: i64) -> String {
        let digits = number.unsigned_abs().to_string();
        let mut text = String::from(if number < 0 { "\u{2212}" } else { "" });
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(self.thousands);
            }
            text.push(digit);
        }
        text
    }

    /// A stretch of time as people write it, in its zone: `20 November 2026, 18:00 – 21 November 2026, 07:52 (Europe/Berlin)`; of one day, the day once.
    pub(super) fn period(&self, period: &Period) -> String {
        let (from, to) = period.on_the_wall();
        let (from, to) = (from.naive(), to.naive());
        let end = if from.date() == to.date() { clock(to) } else { format!("{}, {}", self.day(to), clock(to)) };
        format!("{}, {} \u{2013} {end} ({})", self.day(from), clock(from), period.timezone)
    }

    /// `21 November 2026`, `21. November 2026`.
    pub(super) fn day(&self, at: NaiveDateTime) -> String {
        format!("{}{} {} {}", at.day(), self.ordinal, self.months[at.month0() as usize], at.year())
    }

    /// A rate in per cent with one decimal.
    pub(super) fn rate(&self, rate: f64) -> String {
        let text = format!("{:.1}{}", rate * 100.0, self.percent);
        if self.thousands == '.' { text.replace('.', ",") } else { text }
    }

    /// The singular or the plural of a sentence, with the number in it.
    pub(super) fn counted(&self, forms: [&str; 2], n: usize) -> String {
        let [one, many] = forms;
        if n == 1 { one.to_owned() } else { many.replace("{n}", &self.number(i64::try_from(n).unwrap_or(i64::MAX))) }
    }
}

/// Hours and minutes: seconds are of no use to anybody who reads how a day went.
fn clock(at: NaiveDateTime) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}
