//! Plans: now, at a wall time, moved, stopped, and measured afterwards.

use chrono::TimeDelta;
use domain::post::PostStatus;
use e2e::{Newsroom, Plan, desk, wait};

use super::{BOTH, outcomes};

#[tokio::test(flavor = "multi_thread")]
async fn a_post_goes_out_once_now_and_at_a_wall_time_and_is_measured() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let at_once = newsroom.approved_post(*platform).await?;
        let later = newsroom.approved_post(*platform).await?;
        let plan = newsroom.schedule(later, desk::from_now(TimeDelta::seconds(3))).await?;
        assert_eq!(plan.revision, 1);
        newsroom.schedule(at_once, desk::now()).await?;
        for post in [at_once, later] {
            let told = newsroom.goes_out_once(post).await?;
            assert_eq!(outcomes(&told), ["published"]);
            assert_eq!(told.post.resolved_by.as_deref(), Some("answer"));
            assert!(told.post.published_at >= told.post.due_at, "{told:#?}");
            assert_eq!(told.post.late_ms, None);
            assert!(told.post.url.is_some(), "{told:#?}");
            // Sent is final: neither a new plan nor a stop is taken.
            assert_eq!(newsroom.plan(post, "reschedule", desk::now()).await?.unwrap_err().code, 409);
            assert_eq!(newsroom.cancel(post).await?.unwrap_err().code, 409);
        }
        let readings = wait::until("two readings of the counters", async || {
            let mut tx = newsroom.in_org().await?;
            let readings = activities::store::metrics::of_post(&mut tx, at_once, None).await;
            let readings = readings.map_err(|e| anyhow::anyhow!("{e}"))?;
            Ok(if readings.len() >= 2 { Ok(readings) } else { Err(format!("{readings:?}")) })
        })
        .await?;
        assert!(readings.iter().all(|r| r.counters.likes.is_some() && r.counters.impressions.is_none()), "{readings:#?}");
        newsroom.is_there_once(at_once).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_of_a_plan_that_is_no_longer_in_force_does_nothing() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let stopped = newsroom.approved_post(*platform).await?;
        let moved_away = newsroom.approved_post(*platform).await?;
        let moved_near = newsroom.approved_post(*platform).await?;
        for post in [stopped, moved_away, moved_near] {
            newsroom.schedule(post, desk::from_now(TimeDelta::days(2))).await?;
        }
        newsroom.cancel(stopped).await?.unwrap();
        let moved = newsroom.plan(moved_away, "reschedule", desk::from_now(TimeDelta::days(3))).await?.unwrap();
        assert_eq!(moved.revision, 2);
        for post in [stopped, moved_away] {
            newsroom.fire(post, 1).await?;
        }
        // Comes after those two in the lane: when it is out, they have been looked at.
        newsroom.plan(moved_near, "reschedule", desk::now()).await?.unwrap();
        newsroom.goes_out_once(moved_near).await?;
        // Its own first timer goes off when it is out already.
        newsroom.fire(moved_near, 1).await?;
        let told = newsroom.is_not_there(stopped).await?;
        assert_eq!((told.post.status, told.receipts.len()), (PostStatus::Cancelled, 0));
        let told = newsroom.is_not_there(moved_away).await?;
        assert_eq!((told.post.status, told.receipts.len()), (PostStatus::Scheduled, 0));
        // A stopped post can be planned again, and goes out under the new plan alone.
        newsroom.schedule(stopped, desk::now()).await?;
        newsroom.goes_out_once(stopped).await?;
        newsroom.is_there_once(moved_near).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_in_the_past_and_a_post_without_approval_are_refused() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let post = newsroom.approved_post(BOTH[0]).await?;
    let refusal = newsroom.plan(post, "schedule", desk::from_now(TimeDelta::hours(-1))).await?.unwrap_err();
    assert_eq!(refusal.code, 422, "{refusal:?}");
    assert!(refusal.message.contains("past"), "{refusal:?}");
    let mut tx = newsroom.in_org().await?;
    let voided = activities::store::posts::void_approval(&mut tx, post, "edited").await;
    assert!(voided.map_err(|e| anyhow::anyhow!("{e}"))?);
    tx.commit().await.map_err(|e| anyhow::anyhow!("{e}"))?;
    assert_eq!(newsroom.plan(post, "schedule", desk::now()).await?.unwrap_err().code, 409);
    newsroom.is_not_there(post).await?;
    Ok(())
}
