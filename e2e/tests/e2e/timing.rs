//! When posts go out: never early, whatever the clocks and the laws do; at the brand's best hour, where that is asked for.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;
use domain::{
    ids::PostId,
    platform::Platform,
    post::PostStatus,
    schedule::{ScheduleSpec, best_time::BestTime},
};
use e2e::{Newsroom, Plan, desk, wait};
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, PgConnection};
use workflows::publication::Fire;

/// Lets a timer go off that waits for this plan.
async fn fire(newsroom: &Newsroom, post: PostId, due_at: Option<DateTime<Utc>>) -> anyhow::Result<()> {
    let told = newsroom.told(post).await?;
    let Some(ScheduleSpec::At(at)) = told.post.schedule else { anyhow::bail!("{told:#?}") };
    let fire = Fire { org: newsroom.org, revision: told.post.revision, connector_id: told.post.connector_id, due_at, at: Some(at) };
    let fired = newsroom.engine.call::<serde_json::Value>("Publication", &post.to_string(), "fire", &fire).await?;
    fired.map(drop).map_err(|refusal| anyhow::anyhow!("{refusal:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_that_is_early_by_our_clock_or_by_todays_law_sends_nothing() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let post = newsroom.approved_post(Platform::Mastodon).await?;
    newsroom.schedule(post, desk::from_now(TimeDelta::hours(5))).await?;
    let due_at = newsroom.told(post).await?.post.due_at.context("a plan")?;

    // The clock was put back after the timer was set: by it the plan's time is still to come.
    fire(&newsroom, post, Some(due_at)).await?;
    newsroom.engine_rests().await?;
    ensure!(newsroom.is_not_there(post).await?.post.status == PostStatus::Scheduled);

    // Under the law of when it was planned it was due an hour earlier, which has just come. The wall time holds.
    let older = Utc::now() - TimeDelta::seconds(1);
    let mut owner = PgConnection::connect(newsroom.stack.superuser_url().expose_secret()).await?;
    sqlx::query("UPDATE posts SET due_at = $2 WHERE id = $1").bind(post.uuid()).bind(older).execute(&mut owner).await?;
    fire(&newsroom, post, Some(older)).await?;
    newsroom.engine_rests().await?;
    let told = newsroom.is_not_there(post).await?;
    ensure!(told.post.due_at == Some(due_at) && told.post.status == PostStatus::Scheduled, "{told:#?}");

    // Planned for now, it goes out, once, though both timers of before are still set.
    newsroom.schedule(post, desk::now()).await?;
    let told = newsroom.goes_out_once(post).await?;
    ensure!(told.post.late_ms.is_none() && told.post.held_by.is_none(), "{told:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_is_set_for_the_due_time_however_long_planning_takes() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let post = newsroom.approved_post(Platform::Mastodon).await?;
    // Somebody else holds the post's row, so that the plan cannot be written for a while, though the time was read.
    let held = Duration::from_secs(4);
    let mut owner = PgConnection::connect(newsroom.stack.superuser_url().expose_secret()).await?;
    let mut tx = owner.begin().await?;
    sqlx::query("SELECT 1 FROM posts WHERE id = $1 FOR UPDATE").bind(post.uuid()).execute(&mut *tx).await?;
    let release = async {
        wait::until("the plan to wait for the row", async || {
            let mut other = PgConnection::connect(newsroom.stack.superuser_url().expose_secret()).await?;
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            let waiting: i64 = sqlx::query_scalar(sql).fetch_one(&mut other).await?;
            Ok(if waiting > 0 { Ok(()) } else { Err("nobody waits".to_owned()) })
        })
        .await?;
        tokio::time::sleep(held).await;
        anyhow::Ok(tx.commit().await?)
    };
    let (planned, released) = tokio::join!(newsroom.schedule(post, desk::from_now(TimeDelta::hours(5))), release);
    released?;
    let due_at = planned?.due_at;
    // Asked for alone, the engine leaves the instant out.
    let sql = format!(
        "SELECT * FROM sys_invocation WHERE target_service_name = 'Publication' AND target_service_key = '{post}' \
         AND target_handler_name = 'fire' AND status = 'scheduled'"
    );
    let timers = newsroom.engine.query(&sql).await?;
    ensure!(timers.len() == 1, "{timers:?}");
    let set_for: DateTime<Utc> = timers[0]["scheduled_start_at"].as_str().with_context(|| format!("{timers:?}"))?.parse()?;
    ensure!((set_for - due_at).abs() < TimeDelta::from_std(held)?, "due at {due_at}, and the timer is set for {set_for}");
    Ok(())
}

/// Twelve weeks of posts at every third hour, those at one hour of the week fifty times as well liked.
async fn plant(newsroom: &Newsroom, best: DateTime<Utc>) -> anyhow::Result<()> {
    let rows = "
        WITH hours AS (SELECT $4::timestamptz - n * interval '3 hours' AS at, n FROM generate_series(1, 12 * 56) n),
             made AS (INSERT INTO posts (id, org_id, campaign_id, connector_id, platform, language, status, published_at)
                      SELECT gen_random_uuid(), $1, $2, $3, 'mastodon', 'en', 'published', at FROM hours RETURNING id, published_at)
        INSERT INTO metric_readings (id, org_id, post_id, observed_at, source_id, likes)
        SELECT gen_random_uuid(), $1, id, published_at + interval '1 day', 'poll:1',
               CASE WHEN (extract(epoch FROM $4 - published_at) / 10800)::bigint % 56 = 0 THEN 1000 ELSE 20 END FROM made";
    let mut owner = PgConnection::connect(newsroom.stack.superuser_url().expose_secret()).await?;
    let query = sqlx::query(rows).bind(newsroom.org.uuid()).bind(newsroom.campaign.uuid());
    query.bind(newsroom.account(Platform::Mastodon).uuid()).bind(best).execute(&mut owner).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_hour_is_found_in_the_brands_own_readings_and_said_why() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let hour = |at: DateTime<Utc>| at.with_minute(0).and_then(|at| at.with_second(0)).and_then(|at| at.with_nanosecond(0)).unwrap_or(at);
    let best = hour(Utc::now() + TimeDelta::hours(50));
    plant(&newsroom, best).await?;
    let asked = ScheduleSpec::BestTime(BestTime { timezone: Tz::UTC, within_hours: 72, window_seconds: Some(600) });

    let first = newsroom.approved_post(Platform::Mastodon).await?;
    newsroom.plan(first, "schedule", asked.clone()).await?.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
    let told = newsroom.told(first).await?;
    // Or an hour beside it, of which the model knows little but that it is beside it: now and then that one is tried.
    let near = |due_at: Option<DateTime<Utc>>| due_at.is_some_and(|due_at| (due_at - best).abs() <= TimeDelta::hours(1));
    ensure!(near(told.post.due_at), "{best}: {told:#?}");
    let reason = told.post.schedule_reason.clone().unwrap_or_default();
    ensure!(reason.contains("from 672 measured posts of the brand") && reason.contains("90 %"), "{reason}");
    ensure!(told.post.schedule.as_ref().and_then(ScheduleSpec::window_seconds) == Some(600), "{told:#?}");

    // Another one of the account keeps away from it; on a platform of which nothing is known, what is assumed is said to be so.
    let second = newsroom.approved_post(Platform::Mastodon).await?;
    newsroom.plan(second, "schedule", asked.clone()).await?.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
    let due_at = newsroom.told(second).await?.post.due_at.context("a plan")?;
    let taken = told.post.due_at.context("a plan")?;
    ensure!((due_at - taken).abs() >= TimeDelta::hours(1), "{due_at} beside {taken}");
    let elsewhere = newsroom.approved_post(Platform::Bluesky).await?;
    newsroom.plan(elsewhere, "schedule", asked).await?.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
    let reason = newsroom.told(elsewhere).await?.post.schedule_reason.unwrap_or_default();
    ensure!(reason.contains("no post of the brand was measured yet"), "{reason}");

    // A time of a person's takes its place, and has no reason but that.
    newsroom.schedule(first, desk::from_now(TimeDelta::hours(5))).await?;
    ensure!(newsroom.told(first).await?.post.schedule_reason.is_none());
    let refused =
        newsroom.plan(first, "schedule", ScheduleSpec::BestTime(BestTime { timezone: Tz::UTC, within_hours: 337, window_seconds: None }));
    ensure!(refused.await?.is_err_and(|refusal| refusal.code == 422));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn how_late_posts_go_out_is_a_figure() -> anyhow::Result<()> {
    gateway::telemetry::install().map_err(|error| anyhow::anyhow!(error))?;
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let post = newsroom.approved_post(Platform::Mastodon).await?;
    newsroom.schedule(post, desk::now()).await?;
    newsroom.goes_out_once(post).await?;
    // The worker of this process and this gateway share their figures, as under `pressroom up`.
    let api = crate::api_harness::Api::start().await;
    let text = api.anonymous(reqwest::Method::GET, "/metrics").send().await?.text().await?;
    let of = |line: &&str| line.starts_with("pressroom_publish_lateness_seconds");
    ensure!(text.lines().filter(of).any(|line| line.contains("_bucket{le=\"3600\"}")), "{text}");
    let count =
        text.lines().filter(of).find_map(|line| line.strip_prefix("pressroom_publish_lateness_seconds_count ")?.parse::<u64>().ok());
    ensure!(count.is_some_and(|count| count >= 1), "{text}");
    Ok(())
}
