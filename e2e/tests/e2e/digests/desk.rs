//! A subscription in a newsroom: what is planned, what was made of it, and what was mailed.

use activities::store::digests::{self, Digest, NewSubscription};
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{
    ids::SubscriptionId,
    schedule::{Cadence, Rhythm, TimeOfDay, Weekday},
};
use e2e::Newsroom;
use serde::Deserialize;
use serde_json::json;
use workflows::digest::{Enabled, Fire};

const ZONE: Tz = Tz::Pacific__Auckland;

/// See the module.
pub(super) struct Subscribed<'a> {
    newsroom: &'a Newsroom,
    pub(super) id: SubscriptionId,
    pub(super) rhythm: Rhythm,
}

/// The plan that is in force, as the object has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Planned {
    pub(super) revision: u32,
    pub(super) fire_at: Option<DateTime<Utc>>,
}

fn told(error: activities::ActivityError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

impl<'a> Subscribed<'a> {
    /// Every day at the wall time that this instant has in Auckland; not in force yet.
    pub(super) async fn daily_at(newsroom: &'a Newsroom, instant: DateTime<Utc>, email: &[&str]) -> anyhow::Result<Self> {
        let at: TimeOfDay = serde_json::from_value(json!(instant.with_timezone(&ZONE).format("%H:%M").to_string()))?;
        let rhythm = Rhythm { cadence: Cadence::Daily, at, timezone: ZONE, weekday: Weekday::default() };
        let id = SubscriptionId::from_uuid(uuid::Uuid::now_v7());
        let email = email.iter().map(|address| (*address).to_owned()).collect();
        let mut tx = newsroom.in_org().await?;
        digests::insert_subscription(&mut tx, &NewSubscription { id, brand_id: newsroom.brand, rhythm, email }).await.map_err(told)?;
        tx.commit().await.map_err(told)?;
        Ok(Self { newsroom, id, rhythm })
    }

    /// One that was made before.
    pub(super) const fn of(newsroom: &'a Newsroom, id: SubscriptionId, rhythm: Rhythm) -> Self {
        Self { newsroom, id, rhythm }
    }

    /// Puts it in force.
    pub(super) async fn enable(&self) -> anyhow::Result<Enabled> {
        self.call("enable", &json!({ "org": self.newsroom.org })).await
    }

    /// Lets a timer go off.
    pub(super) async fn fire(&self, revision: u32, fire_at: DateTime<Utc>) -> anyhow::Result<()> {
        self.call("fire", &Fire { org: self.newsroom.org, revision, fire_at }).await
    }

    /// Calls a handler, which must take it.
    pub(super) async fn call<T: serde::de::DeserializeOwned>(&self, handler: &str, input: &impl serde::Serialize) -> anyhow::Result<T> {
        let called = self.newsroom.engine.call("Digest", &self.id.to_string(), handler, input).await?;
        called.map_err(|refusal| anyhow::anyhow!("{handler}: {refusal:?}"))
    }

    /// What the object waits for.
    pub(super) async fn planned(&self) -> anyhow::Result<Planned> {
        let sql = format!("SELECT value_utf8 FROM state WHERE service_name = 'Digest' AND service_key = '{}' AND key = 'plan'", self.id);
        let rows = self.newsroom.engine.query(&sql).await?;
        let plan = rows.first().and_then(|row| row["value_utf8"].as_str()).context("a plan")?;
        Ok(serde_json::from_str(plan)?)
    }

    /// How many timers of a handler wait for their time.
    pub(super) async fn timers(&self, handler: &str) -> anyhow::Result<usize> {
        let sql = format!(
            "SELECT id FROM sys_invocation WHERE target_service_name = 'Digest' AND target_service_key = '{}' \
             AND target_handler_name = '{handler}' AND status = 'scheduled'",
            self.id
        );
        Ok(self.newsroom.engine.query(&sql).await?.len())
    }

    /// Its digests, the oldest first.
    pub(super) async fn digests(&self) -> anyhow::Result<Vec<Digest>> {
        let mut tx = self.newsroom.in_org().await?;
        let mut made = digests::list(&mut tx, None, None, 100).await.map_err(told)?;
        made.retain(|digest| digest.subscription_id == self.id);
        made.sort_by_key(|digest| digest.data.period.to);
        Ok(made)
    }
}
