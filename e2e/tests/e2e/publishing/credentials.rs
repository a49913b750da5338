//! Tokens that end, and accounts that a person has to connect again.

use activities::store::connectors;
use domain::{platform::Platform, post::PostStatus};
use e2e::{Newsroom, Plan, desk, seed};
use sandbox::fault::{Endpoint, Fault};

use super::{BOTH, outcomes};

async fn state(newsroom: &Newsroom, platform: Platform) -> anyhow::Result<connectors::Connector> {
    let mut tx = newsroom.in_org().await?;
    connectors::require(&mut tx, newsroom.account(platform)).await.map_err(|e| anyhow::anyhow!("{e}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_refreshed_in_the_lane() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let post = newsroom.approved_post(Platform::Bluesky).await?;
    newsroom.bluesky.faults().next(Endpoint::Publish, Fault::ExpireAccess, 1);
    newsroom.schedule(post, desk::now()).await?;
    let told = newsroom.goes_out_once(post).await?;
    assert_eq!(outcomes(&told), ["credentials_expired", "published"]);
    assert_eq!(state(&newsroom, Platform::Bluesky).await?.state, "connected");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_while_a_post_is_looked_for_is_refreshed_too() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let post = newsroom.approved_post(Platform::Bluesky).await?;
    newsroom.bluesky.faults().next(Endpoint::Publish, Fault::AcceptThenReset, 1);
    newsroom.bluesky.faults().next(Endpoint::Lookup, Fault::ExpireAccess, 1);
    newsroom.schedule(post, desk::now()).await?;
    let told = newsroom.goes_out_once(post).await?;
    assert_eq!(outcomes(&told), ["published"]);
    assert_eq!(told.post.resolved_by.as_deref(), Some("lookup"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_wait_for_a_reconnect_and_go_out_afterwards_in_order() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let first = newsroom.approved_post(*platform).await?;
        let second = newsroom.approved_post(*platform).await?;
        newsroom.faults(*platform).next(Endpoint::Publish, Fault::RevokeCredentials, 1);
        newsroom.schedule(first, desk::now()).await?;
        let waits = newsroom
            .until_post(first, "the post to wait for the account", |t| {
                t.post.status == PostStatus::Scheduled && t.post.note.as_deref().is_some_and(|note| note.contains("reconnect"))
            })
            .await?;
        assert!(outcomes(&waits).iter().all(|o| *o == "credentials_expired"), "{waits:#?}");
        assert_eq!(state(&newsroom, *platform).await?.state, "needs_reconnect");
        newsroom.schedule(second, desk::now()).await?;
        // Nothing has changed: a check says so and the posts go on waiting.
        newsroom.check_account(*platform).await?;
        assert_eq!(state(&newsroom, *platform).await?.state, "needs_reconnect");
        newsroom.is_not_there(first).await?;
        // A person connects the account again, as the API does it.
        let stand_in = newsroom.stand_in(*platform);
        assert!(stand_in.reinstate(&stand_in.logins()[0].handle));
        seed::account(&newsroom, *platform).await?;
        newsroom.check_account(*platform).await?;
        let told = newsroom.goes_out_once(first).await?;
        assert_eq!(outcomes(&told).last(), Some(&"published"));
        assert!(told.receipts.len() > waits.receipts.len());
        newsroom.goes_out_once(second).await?;
        assert_eq!(state(&newsroom, *platform).await?.state, "connected");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_that_waited_go_out_though_the_platform_is_busy_right_after_the_reconnect() -> anyhow::Result<()> {
    for busy in [Fault::Refuse { status: 503 }, Fault::RateLimit { seconds: 1 }] {
        let newsroom = Newsroom::staffed(Plan::default()).await?;
        for platform in BOTH {
            let post = newsroom.approved_post(*platform).await?;
            newsroom.faults(*platform).next(Endpoint::Publish, Fault::RevokeCredentials, 1);
            newsroom.schedule(post, desk::now()).await?;
            newsroom
                .until_post(post, "the post to wait for the account", |t| {
                    t.post.status == PostStatus::Scheduled && t.post.note.as_deref().is_some_and(|note| note.contains("reconnect"))
                })
                .await?;
            let stand_in = newsroom.stand_in(*platform);
            assert!(stand_in.reinstate(&stand_in.logins()[0].handle));
            seed::account(&newsroom, *platform).await?;
            let before = newsroom.faults(*platform).fired().len();
            // As often as the check asks; whoever asks after it is answered.
            newsroom.faults(*platform).next(Endpoint::Auth, busy.clone(), 5);
            newsroom.check_account(*platform).await?;
            assert!(newsroom.faults(*platform).fired().len() > before, "the check met nothing on {platform}");
            newsroom.faults(*platform).clear();
            newsroom.goes_out_once(post).await?;
            assert_eq!(state(&newsroom, *platform).await?.state, "connected");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_account_sends_nothing_and_its_posts_ask_for_attention() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let waiting = newsroom.approved_post(*platform).await?;
        newsroom.faults(*platform).next(Endpoint::Publish, Fault::RevokeCredentials, 1);
        newsroom.schedule(waiting, desk::now()).await?;
        newsroom
            .until_post(waiting, "the post to wait for the account", |t| {
                t.post.status == PostStatus::Scheduled && t.post.note.as_deref().is_some_and(|note| note.contains("reconnect"))
            })
            .await?;
        let input = serde_json::json!({ "org": newsroom.org });
        let lane = newsroom.account(*platform).to_string();
        newsroom.engine.call::<serde_json::Value>("Connector", &lane, "disconnect", &input).await?.unwrap();
        newsroom.until_status(waiting, PostStatus::NeedsAttention).await?;
        let later = newsroom.approved_post(*platform).await?;
        newsroom.schedule(later, desk::now()).await?;
        newsroom.until_status(later, PostStatus::NeedsAttention).await?;
        assert_eq!(state(&newsroom, *platform).await?.state, "disconnected");
        for post in [waiting, later] {
            newsroom.is_not_there(post).await?;
        }
        // Connected again, and a person says to send them.
        let stand_in = newsroom.stand_in(*platform);
        assert!(stand_in.reinstate(&stand_in.logins()[0].handle));
        seed::account(&newsroom, *platform).await?;
        newsroom.check_account(*platform).await?;
        for post in [waiting, later] {
            newsroom.schedule(post, desk::now()).await?;
            newsroom.goes_out_once(post).await?;
        }
    }
    Ok(())
}
