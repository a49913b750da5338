//! Platforms that accept and do not say so, refuse, hang, forget for a while, and ask to wait.

use std::time::Duration;

use domain::{platform::Platform, post::PostStatus};
use e2e::{Newsroom, Plan, desk, wait};
use sandbox::{
    fault::{Endpoint, Fault},
    mastodon::{Options, Software},
};

use super::{BOTH, outcomes};

/// Sends a post while `fault` awaits it.
async fn through(newsroom: &Newsroom, platform: Platform, fault: Fault) -> anyhow::Result<e2e::books::Told> {
    let post = newsroom.approved_post(platform).await?;
    newsroom.faults(platform).next(Endpoint::Publish, fault.clone(), 1);
    newsroom.schedule(post, desk::now()).await?;
    let told = newsroom.goes_out_once(post).await?;
    assert!(newsroom.faults(platform).fired().iter().any(|f| f.fault == fault), "the fault did not happen: {fault:?}");
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_without_an_answer_is_found_and_not_sent_again() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        for fault in [Fault::AcceptThenReset, Fault::AcceptThenFail { status: 500 }, Fault::AcceptThenFail { status: 502 }] {
            let told = through(&newsroom, *platform, fault).await?;
            assert_eq!(outcomes(&told), ["published"], "{told:#?}");
            assert_eq!(told.post.resolved_by.as_deref(), Some("lookup"));
            let receipt = told.receipts.first().unwrap();
            assert_eq!(receipt.resolved_by.as_deref(), Some("lookup"));
            assert_eq!(receipt.evidence.as_ref().unwrap()["saw"], "found", "{receipt:#?}");
            assert!(receipt.what.is_some(), "what came back is not told: {receipt:#?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn not_accepted_is_known_to_be_absent_and_sent_again() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        for fault in [Fault::Refuse { status: 503 }, Fault::ResetBeforeReading] {
            let told = through(&newsroom, *platform, fault).await?;
            assert_eq!(outcomes(&told), ["absent", "published"], "{told:#?}");
            assert_eq!(told.post.resolved_by.as_deref(), Some("answer"));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_is_settled_before_the_first_attempt_and_stays_so() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let us = newsroom.plan.bluesky.accounts[0].clone();
    let text = format!("Roasted by @{} and by @nobody.test.", us.handle);
    let post = newsroom.approved_text(Platform::Bluesky, &text).await?;
    newsroom.faults(Platform::Bluesky).next(Endpoint::Publish, Fault::Refuse { status: 503 }, 1);
    newsroom.schedule(post, desk::now()).await?;
    let told = newsroom.goes_out_once(post).await?;
    assert_eq!(outcomes(&told), ["absent", "published"], "{told:#?}");
    assert_eq!(told.receipts[0].body_hash, told.receipts[1].body_hash, "both attempts send the same bytes");
    let record = newsroom.bluesky.records_of(&us.handle).pop().unwrap();
    let facets = record.value["facets"].as_array().unwrap();
    assert_eq!(facets.len(), 1, "who is not there stays text: {facets:?}");
    assert_eq!(facets[0]["features"][0]["did"], us.did);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_hangs_or_acts_after_everybody_left_gets_the_post_once() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan { timeout: Duration::from_secs(3), ..Plan::default() }).await?;
    for platform in BOTH {
        through(&newsroom, *platform, Fault::Hang).await?;
        let told = through(&newsroom, *platform, Fault::AcceptThenHang).await?;
        assert_eq!(told.post.resolved_by.as_deref(), Some("lookup"));
        // Acts when the look-up has said "absent" and the post was sent again under its key: the platform must then know it.
        let late = Duration::from_secs(6);
        let told = through(&newsroom, *platform, Fault::ActLate { ms: u64::try_from(late.as_millis())? }).await?;
        tokio::time::sleep(late).await;
        newsroom.is_there_once(told.post.id).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_outlives_its_sender_is_not_taken_for_lost() -> anyhow::Result<()> {
    // A server that knows no keys: what is sent again there is there twice.
    let mastodon = Options { software: Software::Snac, ..Options::default() };
    let mut newsroom = Newsroom::staffed(Plan { mastodon, timeout: Duration::from_secs(8), ..Plan::default() }).await?;
    let post = newsroom.approved_post(Platform::Mastodon).await?;
    newsroom.faults(Platform::Mastodon).next(Endpoint::Publish, Fault::ActLate { ms: 6_500 }, 1);
    newsroom.schedule(post, desk::now()).await?;
    wait::until("the request to be on its way", async || {
        Ok(if newsroom.faults(Platform::Mastodon).fired().is_empty() { Err("not yet".to_owned()) } else { Ok(()) })
    })
    .await?;
    // Nobody waits for the answer any more, and the server acts all the same, long after the planned look-ups are over.
    newsroom.kill_worker();
    newsroom.start_worker().await?;
    let told = newsroom.goes_out_once(post).await?;
    assert_eq!((outcomes(&told), told.post.resolved_by.as_deref()), (vec!["published"], Some("lookup")), "{told:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_and_the_next_post_goes_out() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let refused = newsroom.approved_post(*platform).await?;
        let next = newsroom.approved_post(*platform).await?;
        newsroom.faults(*platform).next(Endpoint::Publish, Fault::Refuse { status: 422 }, 1);
        newsroom.schedule(refused, desk::now()).await?;
        let told = newsroom.until_status(refused, PostStatus::Failed).await?;
        assert_eq!(outcomes(&told), ["rejected"]);
        assert!(told.post.note.is_some_and(|note| note.contains("422")), "the reason is not told");
        newsroom.is_not_there(refused).await?;
        newsroom.schedule(next, desk::now()).await?;
        newsroom.goes_out_once(next).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_look_ups_do_not_see_yet_is_still_measured() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let told = through(&newsroom, *platform, Fault::HideNew { ms: 0, lookups: 1 }).await?;
        assert_eq!(outcomes(&told), ["published"]);
        wait::until("a reading of the counters", async || {
            let mut tx = newsroom.in_org().await?;
            let readings = activities::store::metrics::of_post(&mut tx, told.post.id, None).await.map_err(|e| anyhow::anyhow!("{e}"))?;
            Ok(if readings.is_empty() { Err("none".to_owned()) } else { Ok(()) })
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_obeyed_and_the_order_kept() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        newsroom.faults(*platform).next(Endpoint::Publish, Fault::RateLimit { seconds: 4 }, 1);
        let mut posts = Vec::new();
        for waiting in 1..=3 {
            let post = newsroom.approved_post(*platform).await?;
            posts.push(post);
            newsroom.schedule(post, desk::now()).await?;
            // Each stands in the lane before the next one comes.
            let lane = newsroom.account(*platform);
            wait::until("the lane to take the post", async || {
                let sql = format!(
                    "SELECT id FROM sys_invocation WHERE target_service_name = 'Connector' AND target_service_key = '{lane}' \
                     AND target_handler_name = 'publish' AND status = 'completed'"
                );
                let rows = newsroom.engine.query(&sql).await?;
                Ok(if rows.len() >= waiting { Ok(()) } else { Err(format!("{rows:?}")) })
            })
            .await?;
        }
        let mut ids = Vec::new();
        for post in &posts {
            ids.push(newsroom.goes_out_once(*post).await?.post.external_id.unwrap());
        }
        let in_books: Vec<_> = newsroom.books(*platform).into_iter().map(|e| e.external_id).collect();
        assert_eq!(in_books, ids, "the order was lost on {platform}");
        let first = newsroom.told(posts[0]).await?;
        assert_eq!(outcomes(&first), ["rate_limited", "published"], "{first:#?}");
        // Obeyed: one request ran into the window, none was tried against it.
        let limited = newsroom.faults(*platform).fired().len();
        assert_eq!(limited, 1);
        for post in &posts[1..] {
            assert_eq!(outcomes(&newsroom.told(*post).await?), ["published"]);
        }
    }
    Ok(())
}
