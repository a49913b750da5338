//! A schedule in a newsroom: what is planned, and what became of its times.

use activities::store::{
    campaigns::{self, Approval, NewCampaign},
    schedules::{
        self, NewSchedule, Schedule, Template,
        occurrences::{self, Came},
    },
};
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use domain::{
    brief::Language,
    ids::{CampaignId, RunId, ScheduleId},
    platform::Platform,
    schedule::{Occurrence, Recurring, ScheduleSpec},
};
use e2e::{Newsroom, seed, wait};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use workflows::schedule::{PutSchedule, RunOccurrence};

/// See the module.
pub(super) struct Board<'a> {
    newsroom: &'a Newsroom,
    pub(super) id: ScheduleId,
    pub(super) recurring: Recurring,
}

/// The plan that is in force, as the object has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Planned {
    pub(super) revision: u32,
    pub(super) reckoned: Option<DateTime<Utc>>,
    pub(super) due_at: Option<DateTime<Utc>>,
}

fn told(error: activities::ActivityError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// An expression in Auckland, with changes.
pub(super) fn recurring(cron: &str, changes: Value) -> Recurring {
    let mut all = json!({"cron": cron, "timezone": "Pacific/Auckland"});
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

/// The first time after an instant.
pub(super) fn due(recurring: &Recurring, after: DateTime<Utc>) -> DateTime<Utc> {
    recurring.plan().unwrap().next_after(after).unwrap().due_at
}

/// A campaign of one post on Mastodon.
pub(super) async fn template(newsroom: &Newsroom, approval: Approval) -> anyhow::Result<Template> {
    let schedule = ScheduleId::from_uuid(uuid::Uuid::now_v7());
    let campaign = NewCampaign {
        id: CampaignId::derived(schedule.uuid(), "template"),
        brand_id: newsroom.brand,
        brief_id: seed::brief(newsroom, &[Language::EN]).await?,
        name: "Again and again".to_owned(),
        variants_per_post: 1,
        approval,
        schedule: Some(ScheduleSpec::Now {}),
        options: domain::post::PostOptions::default(),
        run_id: RunId::derived(schedule.uuid(), "template"),
    };
    Ok(Template { campaign, connectors: vec![newsroom.account(Platform::Mastodon)] })
}

impl<'a> Board<'a> {
    /// Puts a schedule in force.
    pub(super) async fn create(newsroom: &'a Newsroom, recurring: Recurring, approval: Approval) -> anyhow::Result<Self> {
        let board = Self { newsroom, id: ScheduleId::from_uuid(uuid::Uuid::now_v7()), recurring: recurring.clone() };
        let template = template(newsroom, approval).await?;
        board.call::<()>("create", &PutSchedule { org: newsroom.org, schedule: NewSchedule { id: board.id, recurring, template } }).await?;
        Ok(board)
    }

    /// One that was made before.
    pub(super) const fn of(newsroom: &'a Newsroom, id: ScheduleId, recurring: Recurring) -> Self {
        Self { newsroom, id, recurring }
    }

    /// Its next times.
    pub(super) fn times(&self, count: usize) -> anyhow::Result<Vec<Occurrence>> {
        Ok(self.recurring.plan()?.after(Utc::now()).take(count).collect())
    }

    /// Lets a time come.
    pub(super) async fn run(&self, occurrence: &Occurrence) -> anyhow::Result<()> {
        let run = RunOccurrence { org: self.newsroom.org, occurrence: *occurrence, backfill: false, overlap: None };
        self.call("run", &run).await
    }

    /// Calls a handler, which must take it.
    pub(super) async fn call<T: DeserializeOwned>(&self, handler: &str, input: &impl Serialize) -> anyhow::Result<T> {
        let called = self.newsroom.engine.call("Schedule", &self.id.to_string(), handler, input).await?;
        called.map_err(|refusal| anyhow::anyhow!("{handler}: {refusal:?}"))
    }

    /// Calls a handler of a campaign, which must take it.
    pub(super) async fn campaign<T: DeserializeOwned>(&self, id: CampaignId, handler: &str, input: &impl Serialize) -> anyhow::Result<T> {
        let called = self.newsroom.engine.call("Campaign", &id.to_string(), handler, input).await?;
        called.map_err(|refusal| anyhow::anyhow!("{handler}: {refusal:?}"))
    }

    /// What the object waits for.
    pub(super) async fn planned(&self) -> anyhow::Result<Planned> {
        let sql = format!("SELECT value_utf8 FROM state WHERE service_name = 'Schedule' AND service_key = '{}' AND key = 'plan'", self.id);
        let rows = self.newsroom.engine.query(&sql).await?;
        let plan = rows.first().and_then(|row| row["value_utf8"].as_str()).context("a plan")?;
        Ok(serde_json::from_str(plan)?)
    }

    /// How many timers of a handler wait for their time.
    pub(super) async fn timers(&self, handler: &str) -> anyhow::Result<usize> {
        let sql = format!(
            "SELECT id FROM sys_invocation WHERE target_service_name = 'Schedule' AND target_service_key = '{}' \
             AND target_handler_name = '{handler}' AND status = 'scheduled'",
            self.id
        );
        Ok(self.newsroom.engine.query(&sql).await?.len())
    }

    /// Its row.
    pub(super) async fn stored(&self) -> anyhow::Result<Schedule> {
        schedules::require(&mut self.newsroom.in_org().await?, self.id).await.map_err(told)
    }

    /// What became of its times, the oldest first.
    pub(super) async fn came(&self) -> anyhow::Result<Vec<Came>> {
        let mut came = occurrences::newest(&mut self.newsroom.in_org().await?, self.id, 1_000).await.map_err(told)?;
        came.reverse();
        Ok(came)
    }

    /// The same in a word each.
    pub(super) async fn outcomes(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.came().await?.into_iter().map(|came| came.outcome).collect())
    }

    /// The campaigns that it made, the oldest first.
    pub(super) async fn campaigns(&self) -> anyhow::Result<Vec<CampaignId>> {
        Ok(self.came().await?.into_iter().filter_map(|came| came.campaign_id).collect())
    }

    /// Which of them were stopped.
    pub(super) async fn stopped(&self, ids: &[CampaignId]) -> anyhow::Result<Vec<bool>> {
        let mut tx = self.newsroom.in_org().await?;
        let mut stopped = Vec::new();
        for id in ids {
            stopped.push(campaigns::require(&mut tx, *id).await.map_err(told)?.cancelled_at.is_some());
        }
        Ok(stopped)
    }

    /// Waits until its times are as they should be. (The database may be away meanwhile.)
    pub(super) async fn until(&self, what: &str, is: impl Fn(&[Came]) -> bool) -> anyhow::Result<Vec<Came>> {
        let waited = wait::until(what, async || {
            Ok(match self.came().await {
                Ok(came) if is(&came) => Ok(came),
                Ok(came) => Err(format!("{came:#?}")),
                Err(error) => Err(format!("{error:#}")),
            })
        });
        match waited.await {
            Ok(came) => Ok(came),
            Err(error) => anyhow::bail!("{error:#}\nthe engine has in hand: {:#?}", self.newsroom.engine.unfinished().await),
        }
    }
}
