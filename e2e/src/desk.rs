//! What a person at the desk does with posts: plans, moves, stops, answers, and looks how it went.

use activities::store::posts;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::{
    ids::{CampaignId, PostId},
    platform::Platform,
    post::PostStatus,
    schedule::{At, OnGap, OnOverlap, ScheduleSpec, WallTime},
};
use serde_json::{Value, json};
use workflows::publication::{Cancel, Fire, PersonsVerdict, Resolve, Schedule, Scheduled};

use crate::{Newsroom, books::Told, engine::Refusal, newsroom::told, wait};

/// As soon as possible.
#[must_use]
pub const fn now() -> ScheduleSpec {
    ScheduleSpec::Now {}
}

/// The wall time in Auckland that is this far from now; in whole seconds, as wall times are.
#[must_use]
pub fn from_now(delta: TimeDelta) -> ScheduleSpec {
    at(Utc::now() + delta)
}

/// The wall time in Auckland at an instant.
#[must_use]
pub fn at(instant: DateTime<Utc>) -> ScheduleSpec {
    let timezone = Tz::Pacific__Auckland;
    ScheduleSpec::At(At {
        at: WallTime::of(instant, timezone),
        timezone,
        on_gap: OnGap::Shift,
        on_overlap: OnOverlap::First,
        window_seconds: None,
    })
}

impl Newsroom {
    /// Plans a post by a handler of `Publication` (`schedule`, `reschedule`).
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn plan(&self, post: PostId, handler: &str, spec: ScheduleSpec) -> anyhow::Result<Result<Scheduled, Refusal>> {
        let input = Schedule { org: self.org, spec, late_is_fine: false, first_only: false };
        self.engine.call("Publication", &post.to_string(), handler, &input).await
    }

    /// Plans a post, as the end of a campaign does: must be taken, also where a busy machine has let the time pass.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn schedule(&self, post: PostId, spec: ScheduleSpec) -> anyhow::Result<Scheduled> {
        let input = Schedule { org: self.org, spec, late_is_fine: true, first_only: false };
        let planned = self.engine.call("Publication", &post.to_string(), "schedule", &input).await?;
        planned.map_err(|refusal: Refusal| anyhow::anyhow!("{refusal:?}"))
    }

    /// Lets the timer of a plan go off now.
    ///
    /// # Errors
    /// When the engine does not answer, or the handler refuses.
    pub async fn fire(&self, post: PostId, revision: i32) -> anyhow::Result<()> {
        let connector_id = self.told(post).await?.post.connector_id;
        let input = Fire { org: self.org, revision, connector_id, due_at: None, at: None };
        let fired = self.engine.call::<Value>("Publication", &post.to_string(), "fire", &input).await?;
        fired.map(drop).map_err(|refusal| anyhow::anyhow!("{refusal:?}"))
    }

    /// Stops a post.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn cancel(&self, post: PostId) -> anyhow::Result<Result<Value, Refusal>> {
        let input = Cancel { org: self.org, reason: Some("changed our mind".to_owned()) };
        self.engine.call("Publication", &post.to_string(), "cancel", &input).await
    }

    /// Answers for a post that needs attention.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn resolve(&self, post: PostId, verdict: PersonsVerdict) -> anyhow::Result<Result<Value, Refusal>> {
        let input = Resolve { org: self.org, by: "editor@testers.example".to_owned(), verdict };
        self.engine.call("Publication", &post.to_string(), "resolve", &input).await
    }

    /// Has an account checked, as after a reconnect.
    ///
    /// # Errors
    /// When the engine does not answer, or the handler refuses.
    pub async fn check_account(&self, platform: Platform) -> anyhow::Result<()> {
        let input = json!({ "org": self.org });
        let checked = self.engine.call::<Value>("Connector", &self.account(platform).to_string(), "check", &input).await?;
        checked.map(drop).map_err(|refusal| anyhow::anyhow!("{refusal:?}"))
    }

    /// Waits until a post is in a state that `is` is content with.
    ///
    /// # Errors
    /// When it does not get there; with what the engine still has in hand.
    pub async fn until_post(&self, id: PostId, what: &str, is: impl Fn(&Told) -> bool) -> anyhow::Result<Told> {
        let waited = wait::until(what, async || {
            // The database may be down in the tests that kill it.
            let told = match self.told(id).await {
                Ok(told) => told,
                Err(error) => return Ok(Err(error.to_string())),
            };
            Ok(if is(&told) { Ok(told) } else { Err(format!("{told:#?}")) })
        })
        .await;
        match waited {
            Ok(told) => Ok(told),
            Err(error) => anyhow::bail!("{error:#}\nthe engine has in hand: {:#?}", self.engine.unfinished().await),
        }
    }

    /// Waits until a campaign has this many posts.
    ///
    /// # Errors
    /// When it does not get them.
    pub async fn posts_of(&self, campaign: CampaignId, count: usize) -> anyhow::Result<Vec<PostId>> {
        let waited = wait::until("the campaign to have its posts", async || {
            let listed = async {
                let mut tx = self.in_org().await?;
                posts::list(&mut tx, Some(campaign), None, None, None, 1_000).await.map_err(told)
            };
            Ok(match listed.await {
                Ok(posts) if posts.len() == count => Ok(posts.iter().map(|p| p.id).collect()),
                Ok(posts) => Err(format!("{} of {count}", posts.len())),
                Err(error) => Err(error.to_string()),
            })
        })
        .await;
        match waited {
            Ok(posts) => Ok(posts),
            Err(error) => anyhow::bail!("{error:#}\nthe engine has in hand: {:#?}", self.engine.unfinished().await),
        }
    }

    /// Waits until the engine has nothing in hand but timers.
    ///
    /// # Errors
    /// When something stays.
    pub async fn engine_rests(&self) -> anyhow::Result<()> {
        wait::until("the engine to have nothing in hand", async || {
            let rows = self.engine.unfinished().await.map_err(|e| format!("{e:#}"));
            Ok(match rows {
                Ok(rows) if rows.is_empty() => Ok(()),
                Ok(rows) => Err(format!("{rows:#?}")),
                Err(error) => Err(error),
            })
        })
        .await
    }

    /// Waits until a post has a status.
    ///
    /// # Errors
    /// When it does not get there.
    pub async fn until_status(&self, id: PostId, status: PostStatus) -> anyhow::Result<Told> {
        self.until_post(id, &format!("the post to be {status}"), |told| told.post.status == status).await
    }

    /// Waits until a post is published, and compares the platform's books with what Pressroom says.
    ///
    /// # Errors
    /// When it does not get there, or something is not true.
    pub async fn goes_out_once(&self, id: PostId) -> anyhow::Result<Told> {
        self.until_status(id, PostStatus::Published).await?;
        self.is_there_once(id).await
    }
}
