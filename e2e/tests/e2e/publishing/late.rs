//! Posts whose time came while nobody could send them.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::{platform::Platform, post::PostStatus, schedule::LatenessRule};
use e2e::{Newsroom, Plan, desk, settings};
use workflows::{publication::PersonsVerdict, world::WorkflowSettings};

use super::BOTH;

fn rule(grace_seconds: u64, limit_seconds: u64) -> WorkflowSettings {
    WorkflowSettings { lateness: LatenessRule { grace_seconds, limit_seconds }, ..settings::quick() }
}

/// Plans posts on both platforms, and takes the worker away until their time is over by more than a second.
async fn miss(newsroom: &mut Newsroom, count: usize) -> anyhow::Result<Vec<(Platform, domain::ids::PostId)>> {
    let due = Utc::now() + TimeDelta::seconds(12);
    let mut posts = Vec::new();
    for platform in BOTH {
        for _ in 0..count {
            let post = newsroom.approved_post(*platform).await?;
            newsroom.schedule(post, desk::at(due)).await?;
            posts.push((*platform, post));
        }
    }
    newsroom.kill_worker();
    let over = due + TimeDelta::milliseconds(1_500) - Utc::now();
    tokio::time::sleep(over.to_std().unwrap_or(Duration::ZERO)).await;
    Ok(posts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_missed_while_the_worker_was_down_goes_out_and_is_flagged() -> anyhow::Result<()> {
    let mut newsroom = Newsroom::staffed(Plan { settings: rule(0, 3600), ..Plan::default() }).await?;
    let posts = miss(&mut newsroom, 1).await?;
    newsroom.start_worker().await?;
    for (_, post) in posts {
        let told = newsroom.goes_out_once(post).await?;
        assert!(told.post.late_ms.is_some_and(|ms| ms >= 1_000), "{told:#?}");
        assert_eq!(told.post.note.as_deref(), Some("went out late: nothing ran when it was due"));
        assert_eq!(told.post.held_by.as_deref(), Some("down"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_missed_by_too_much_asks_and_is_sent_moved_or_stopped_by_a_person() -> anyhow::Result<()> {
    let mut newsroom = Newsroom::staffed(Plan { settings: rule(0, 0), ..Plan::default() }).await?;
    let posts = miss(&mut newsroom, 3).await?;
    newsroom.start_worker().await?;
    for (_, post) in &posts {
        let told = newsroom.until_status(*post, PostStatus::NeedsAttention).await?;
        assert!(told.receipts.is_empty() && told.post.note.is_some(), "{told:#?}");
        newsroom.is_not_there(*post).await?;
    }
    // From here on nothing is too late, however busy the machine is.
    newsroom.kill_worker();
    newsroom.plan.settings = settings::quick();
    newsroom.start_worker().await?;
    for of_platform in posts.chunks(3) {
        let [(_, sent), (_, moved), (_, stopped)] = of_platform else { anyhow::bail!("three posts each") };
        newsroom.resolve(*sent, PersonsVerdict::NotPublished).await?.unwrap();
        newsroom.plan(*moved, "reschedule", desk::now()).await?.unwrap();
        newsroom.cancel(*stopped).await?.unwrap();
        newsroom.goes_out_once(*sent).await?;
        newsroom.goes_out_once(*moved).await?;
        let told = newsroom.is_not_there(*stopped).await?;
        assert_eq!(told.post.status, PostStatus::Cancelled);
    }
    Ok(())
}
