//! Recurring schedules on the real engine: each time has one campaign, whatever dies, and everything that can be asked of a schedule.

mod board;
mod killed;

use activities::store::campaigns::Approval;
use anyhow::ensure;
use board::{Board, due, recurring};
use chrono::{TimeDelta, Utc};
use domain::schedule::OverlapPolicy;
use e2e::{Newsroom, Plan};
use serde_json::json;
use workflows::{
    campaign::{Cancelled, ForCampaign},
    schedule::{Backfill, FireSchedule, ForSchedule, PauseSchedule},
};

/// Every day at nine in Auckland, with changes.
fn daily(changes: serde_json::Value) -> domain::schedule::Recurring {
    recurring("0 9 * * *", changes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_meets_an_earlier_campaign_does_as_the_policy_says() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for policy in ["skip", "buffer_one", "buffer_all", "cancel_previous", "allow"] {
        // Their campaigns wait for a person, so that they go until somebody ends them.
        let board = Board::create(&newsroom, daily(json!({"overlap": policy})), Approval::Required).await?;
        let times = board.times(3)?;
        for time in &times {
            board.run(time).await?;
        }
        let expected: [&str; 3] = match policy {
            "skip" => ["begun", "skipped", "skipped"],
            "buffer_one" => ["begun", "waiting", "skipped"],
            "buffer_all" => ["begun", "waiting", "waiting"],
            _ => ["begun", "begun", "begun"],
        };
        ensure!(board.outcomes().await? == expected, "{policy}: {:?}", board.came().await?);
        let campaigns = board.campaigns().await?;
        match policy {
            "cancel_previous" => {
                // Stopping is asked for by a message, which may be under way still.
                newsroom.engine_rests().await?;
                let stopped: Vec<bool> = board.stopped(&campaigns).await?;
                ensure!(stopped == [true, true, false], "{stopped:?}");
            }
            "buffer_one" | "buffer_all" => {
                // One after the other, as each one before ends.
                let mut done = 1;
                while done < expected.iter().filter(|o| **o != "skipped").count() {
                    let last = *board.campaigns().await?.last().unwrap();
                    let _: Cancelled = board.campaign(last, "cancel", &ForCampaign { org: newsroom.org }).await?;
                    done += 1;
                    board.until("the next one to begin", |came| came.iter().filter(|c| c.outcome == "begun").count() == done).await?;
                }
                let begun: Vec<_> = board.came().await?.into_iter().filter(|c| c.outcome == "begun").map(|c| c.due_at).collect();
                ensure!(begun.is_sorted(), "{begun:?}");
            }
            _ => ensure!(board.stopped(&campaigns).await?.iter().all(|stopped| !stopped)),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_comes_again_makes_no_second_campaign() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let board = Board::create(&newsroom, daily(json!({"overlap": "allow"})), Approval::Required).await?;
    let times = board.times(1)?;
    for _ in 0..3 {
        board.run(&times[0]).await?;
    }
    let backfill =
        Backfill { org: newsroom.org, from: times[0].due_at - TimeDelta::seconds(1), to: times[0].due_at, overlap: OverlapPolicy::Allow };
    // The object answers what is over by its clock: nothing of the future.
    let found: Vec<domain::schedule::Occurrence> = board.call("backfill", &backfill).await?;
    ensure!(found.is_empty());
    newsroom.engine_rests().await?;
    ensure!(board.outcomes().await? == ["begun"]);
    let sql = format!(
        "SELECT id FROM sys_invocation WHERE target_service_name = 'Campaign' AND target_handler_name = 'create' AND target_service_key = '{}'",
        board.campaigns().await?[0]
    );
    ensure!(newsroom.engine.query(&sql).await?.len() == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_put_back_begins_nothing_early_and_one_that_jumps_loses_nothing() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let catch_up = json!({"overlap": "allow", "catch_up": {"window_seconds": 5 * 86_400, "max": 2}});
    let board = Board::create(&newsroom, daily(catch_up), Approval::Required).await?;

    // The engine's timer goes off, and by our clock it is too early.
    let planned = board.planned().await?;
    let fire = FireSchedule { org: newsroom.org, revision: planned.revision, due_at: planned.due_at.unwrap() };
    board.call::<()>("fire", &fire).await?;
    ensure!(board.planned().await? == planned, "the plan in force has changed");
    ensure!(board.came().await?.is_empty(), "something began early");
    ensure!(board.timers("fire").await? == 2, "the early timer did not wait on");

    // Nothing ran for eight days; then a timer of back then goes off, and once more.
    let now = Utc::now();
    let then = due(&board.recurring, now - TimeDelta::days(8));
    let state = json!({"plan": {"revision": 7, "reckoned": then - TimeDelta::seconds(1), "due_at": then}});
    newsroom.engine.set_state("Schedule", &board.id.to_string(), &state).await?;
    let late = FireSchedule { org: newsroom.org, revision: 7, due_at: then };
    board.call::<()>("fire", &late).await?;
    board.call::<()>("fire", &late).await?;
    // The two newest, and whatever is due at this very moment.
    board.until("what is made up for to begin", |came| came.iter().filter(|c| c.outcome == "begun").count() >= 2).await?;
    newsroom.engine_rests().await?;
    let came = board.came().await?;
    let all: Vec<_> = board.recurring.plan()?.after(then - TimeDelta::seconds(1)).take_while(|o| o.due_at <= now).collect();
    let (missed, begun) = came.iter().partition::<Vec<_>, _>(|c| c.outcome == "missed");
    // Two, and the one of this very minute if there is one.
    ensure!(came.len() == all.len() && (2..=3).contains(&begun.len()), "{came:#?}");
    ensure!(begun.iter().all(|c| missed.iter().all(|m| m.due_at < c.due_at)), "it is not the newest that were made up for: {came:#?}");

    // The clock goes back by days: what was reckoned with stays so.
    let planned = board.planned().await?;
    ensure!(planned.reckoned.unwrap() >= now && planned.due_at.unwrap() > now);
    board.call::<()>("resume", &ForSchedule { org: newsroom.org }).await?;
    ensure!(board.planned().await?.reckoned >= planned.reckoned);
    ensure!(board.came().await?.len() == came.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_it_and_what_passed_can_be_filled_in() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let board = Board::create(&newsroom, daily(json!({})), Approval::Required).await?;
    let before = board.planned().await?;
    board.call::<()>("pause", &PauseSchedule { org: newsroom.org, note: "holidays".to_owned() }).await?;
    // The timer that was set before, and a time that was on its way, find it paused.
    let stale = FireSchedule { org: newsroom.org, revision: before.revision, due_at: before.due_at.unwrap() };
    board.call::<()>("fire", &stale).await?;
    ensure!(board.planned().await?.due_at.is_none());
    let time = board.times(1)?[0];
    board.run(&time).await?;
    ensure!(board.outcomes().await? == ["skipped"]);
    ensure!(board.came().await?[0].why.as_deref() == Some("the schedule is paused"));
    ensure!(board.stored().await?.pause_note.as_deref() == Some("holidays"));

    board.call::<()>("resume", &ForSchedule { org: newsroom.org }).await?;
    let after = board.planned().await?;
    ensure!(after.revision > before.revision && after.due_at == before.due_at, "{after:?}");
    ensure!(board.stored().await?.paused_at.is_none());

    // Three days ago until now: one campaign at a time, and a second request finds them decided on.
    let backfill = Backfill { org: newsroom.org, from: Utc::now() - TimeDelta::days(3), to: Utc::now(), overlap: OverlapPolicy::BufferAll };
    let found: Vec<domain::schedule::Occurrence> = board.call("backfill", &backfill).await?;
    let over = board.recurring.plan()?.after(backfill.from).take_while(|o| o.due_at <= backfill.to).count();
    ensure!(found.len() == over && over >= 2, "{found:?}");
    board.until("all of them to be decided on", |came| came.len() == over + 1).await?;
    let again: Vec<domain::schedule::Occurrence> = board.call("backfill", &backfill).await?;
    ensure!(again == found);
    newsroom.engine_rests().await?;
    let outcomes = board.outcomes().await?;
    let of = |word: &str| outcomes.iter().filter(|outcome| *outcome == word).count();
    ensure!((of("begun"), of("skipped"), of("waiting")) == (1, 1, over - 1), "{outcomes:?}");

    // Deleted, it leaves what waits, and its timer does nothing.
    board.call::<()>("delete", &ForSchedule { org: newsroom.org }).await?;
    board.call::<()>("fire", &FireSchedule { org: newsroom.org, revision: after.revision, due_at: after.due_at.unwrap() }).await?;
    let outcomes = board.outcomes().await?;
    ensure!(!outcomes.iter().any(|o| o == "waiting") && outcomes.iter().filter(|o| *o == "begun").count() == 1, "{outcomes:?}");
    Ok(())
}
