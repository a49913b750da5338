//! The outside world as handlers see it: the activities' clients, and the settings that decide how long to wait for what.

use std::{ops::Deref, sync::Arc, time::Duration};

use activities::{
    http::Outgoing,
    mail::Mailer,
    media::MediaStore,
    model::{Embedder, Models},
    platform::Apps,
    publishing::Publishing,
    store::Store,
    vault::Vault,
};
use domain::{metrics::PollCadence, publication::settling, schedule::LatenessRule};
use serde::{Deserialize, Serialize};

use crate::step::CrashPlan;

/// Handed to every step. Cheap to clone.
#[derive(Clone)]
pub struct World(Arc<Outside>);

/// What [`World`] points to.
pub struct Outside {
    /// The database.
    pub store: Store,
    /// Language models, in the order in which they are asked.
    pub models: Models,
    /// The model that embeds.
    pub embedder: Arc<dyn Embedder>,
    /// Outgoing mail.
    pub mailer: Mailer,
    /// Checked HTTP to servers that users name.
    pub outgoing: Outgoing,
    /// The applications that we are registered as at platforms.
    pub apps: Apps,
    /// The key ring for stored credentials.
    pub vault: Vault,
    /// Where the files of posts lie; `None` where none are kept.
    pub media: Option<MediaStore>,
    /// How long to wait for what.
    pub settings: WorkflowSettings,
    /// Where a chaos test ends the process.
    pub crash_plan: CrashPlan,
}

impl Deref for World {
    type Target = Outside;

    fn deref(&self) -> &Outside {
        &self.0
    }
}

impl World {
    /// Wraps the clients.
    #[must_use]
    pub fn new(outside: Outside) -> Self {
        Self(Arc::new(outside))
    }

    /// What publishing needs of the world.
    #[must_use]
    pub fn publishing(&self) -> Publishing<'_> {
        Publishing {
            store: &self.store,
            vault: &self.vault,
            outgoing: &self.outgoing,
            apps: &self.apps,
            media: self.media.as_ref(),
            short_link_base: &self.settings.short_link_base,
        }
    }
}

/// Settings of the workflows (`[workflows]` in pressroom.toml).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkflowSettings {
    /// When a late post is flagged, and when it is not sent any more.
    pub lateness: LatenessRule,
    /// The pauses before each look-up of a post whose sending had no definite outcome, in milliseconds. Their number is the number of look-ups.
    pub settle_ms: Vec<u64>,
    /// How long a lane rests while its platform cannot be reached, in milliseconds.
    pub rest_ms: u64,
    /// How long people have to decide, in seconds.
    pub approval_seconds: u64,
    /// When they are reminded, in seconds after the post was ready; 0: never.
    pub reminder_seconds: u64,
    /// How often counters are read, by the age of the post.
    pub metrics: PollCadence,
    /// What short links begin with, ending in a slash (`https://example.org/l/`).
    pub short_link_base: String,
    /// The pauses between rounds of attempts while no model answers, in milliseconds. Their number is the number of further rounds.
    pub model_rest_ms: Vec<u64>,
    /// How many days the journal of a finished run is kept.
    pub journal_days: u32,
}

impl Default for WorkflowSettings {
    fn default() -> Self {
        Self {
            lateness: LatenessRule::default(),
            settle_ms: vec![500, 1_000, 2_000, 4_000, 8_000],
            rest_ms: 30_000,
            approval_seconds: 7 * 24 * 3600,
            reminder_seconds: 24 * 3600,
            metrics: PollCadence::default(),
            short_link_base: "http://127.0.0.1:8080/l/".to_owned(),
            model_rest_ms: vec![5_000, 15_000, 60_000],
            journal_days: 7,
        }
    }
}

impl WorkflowSettings {
    /// Names everything that makes no sense.
    ///
    /// # Errors
    /// Each setting that is wrong, with what it must be.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        let week = 7 * 24 * 3600;
        let ranges = [
            // The engine forgets idempotency keys with the journals: with none kept, a repeated start would be a second one.
            ("journal_days", u64::from(self.journal_days), 1, 3_650),
            ("approval_seconds", self.approval_seconds, 1, 52 * week),
            ("reminder_seconds", self.reminder_seconds, 0, 52 * week),
            ("rest_ms", self.rest_ms, 1, 24 * 3_600_000),
            ("lateness.limit_seconds", self.lateness.limit_seconds, self.lateness.grace_seconds, 52 * week),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                wrong.push(format!("{name}: must be {low} to {high}, is {value}"));
            }
        }
        if self.settle_ms.is_empty() {
            wrong.push("settle_ms: needs at least one pause, or nobody looks for a post".to_owned());
        }
        let web = ["http://", "https://"].iter().any(|scheme| self.short_link_base.starts_with(scheme));
        if !(web && self.short_link_base.ends_with('/')) {
            wrong.push("short_link_base: must be an http or https URL that ends in a slash".to_owned());
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// The pause before look-up `turn`; the last one repeats.
    #[must_use]
    pub fn settle(&self, turn: u32) -> Duration {
        Duration::from_millis(settling::pause_ms(&self.settle_ms, turn))
    }

    /// How long a lane rests.
    #[must_use]
    pub const fn rest(&self) -> Duration {
        Duration::from_millis(self.rest_ms)
    }
}
