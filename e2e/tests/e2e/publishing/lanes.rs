//! Long queues before one account, on the real engine.

use domain::{ids::PostId, platform::Platform};
use e2e::{Newsroom, Plan, desk, wait};
use serde_json::{Value, json};
use workflows::connector::PublishPost;

/// An account that both tests use.
const PLATFORM: Platform = Platform::Mastodon;

async fn go_on(newsroom: &Newsroom, epoch: u64) -> anyhow::Result<()> {
    let lane = newsroom.account(PLATFORM).to_string();
    newsroom.engine.call::<Value>("Connector", &lane, "go_on", &json!({ "epoch": epoch })).await?.unwrap();
    Ok(())
}

/// Plans a post for later, and returns what the lane is handed once it is due.
async fn planned(newsroom: &Newsroom) -> anyhow::Result<PublishPost> {
    let post_id = newsroom.approved_post(PLATFORM).await?;
    let plan = newsroom.schedule(post_id, desk::from_now(chrono::TimeDelta::hours(5))).await?;
    Ok(PublishPost { org: newsroom.org, post_id, revision: plan.revision })
}

/// Hands a post to the lane, which is held, and waits until it stands in it.
async fn joins(newsroom: &Newsroom, post: &PublishPost) -> anyhow::Result<()> {
    let lane = newsroom.account(PLATFORM).to_string();
    newsroom.engine.call::<Value>("Connector", &lane, "publish", post).await?.unwrap();
    Ok(())
}

async fn in_this_order(newsroom: &Newsroom, posts: &[PublishPost]) -> anyhow::Result<()> {
    let mut ids = Vec::new();
    for post in posts {
        ids.push(newsroom.goes_out_once(post.post_id).await?.post.external_id.unwrap());
    }
    let in_books: Vec<_> = newsroom.books(PLATFORM).into_iter().map(|entry| entry.external_id).collect();
    assert_eq!(in_books, ids);
    Ok(())
}

async fn entries_left(newsroom: &Newsroom) -> anyhow::Result<Vec<String>> {
    let lane = newsroom.account(PLATFORM);
    let sql = format!("SELECT key FROM state WHERE service_name = 'Connector' AND service_key = '{lane}' ORDER BY key");
    let rows = newsroom.engine.query(&sql).await?;
    Ok(rows.iter().filter_map(|row| row["key"].as_str()).map(ToOwned::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_an_older_build_left_goes_on_in_its_order() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let mut posts = Vec::new();
    for _ in 0..7 {
        posts.push(planned(&newsroom).await?);
    }
    // As builds before the head wrote it: everything in one value.
    let older = json!({ "lane": { "queue": posts, "hold": { "for": "timer", "epoch": 7 }, "epoch": 7 } });
    newsroom.engine.set_state("Connector", &newsroom.account(PLATFORM).to_string(), &older).await?;
    for _ in 0..3 {
        let post = planned(&newsroom).await?;
        joins(&newsroom, &post).await?;
        posts.push(post);
    }
    assert_eq!(entries_left(&newsroom).await?.len(), 1 + 3, "the head, and those behind");
    for post in &posts {
        newsroom.is_not_there(post.post_id).await?;
    }
    go_on(&newsroom, 7).await?;
    in_this_order(&newsroom, &posts).await?;
    wait::until("the lane to be empty", async || {
        let left = entries_left(&newsroom).await?;
        Ok(if left == ["lane"] { Ok(()) } else { Err(format!("{left:?}")) })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_queue_does_not_travel_with_every_post() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let lane = newsroom.account(PLATFORM).to_string();
    // Posts that are gone by now: their turns pass quickly. Together they are longer than what the engine sends along.
    let gone =
        |n: usize| PublishPost { org: newsroom.org, post_id: PostId::derived(newsroom.org.uuid(), &format!("gone {n}")), revision: 1 };
    let waiting = 200;
    let mut state = json!({ "lane": {
        "queue": [gone(waiting)], "hold": { "for": "timer", "epoch": 1 }, "epoch": 1, "first": 0, "next": waiting,
    } });
    for n in 0..waiting {
        state[format!("post/{n:020}")] = json!(gone(n));
    }
    newsroom.engine.set_state("Connector", &lane, &state).await?;
    let post = planned(&newsroom).await?;
    joins(&newsroom, &post).await?;

    // What comes to a long queue reads the head alone, which came along with it, and writes itself and the head.
    let sql = format!(
        "SELECT j.entry_type FROM sys_journal j JOIN sys_invocation i ON j.id = i.id WHERE i.target_service_name = 'Connector' \
         AND i.target_service_key = '{lane}' AND i.target_handler_name = 'publish' ORDER BY j.index"
    );
    let entries = newsroom.engine.query(&sql).await?;
    let entries: Vec<_> = entries.iter().filter_map(|row| row["entry_type"].as_str()).collect();
    let expected = ["Input", "GetEagerState", "SetState", "SetState", "Output"].map(|name| format!("Command: {name}"));
    assert_eq!(entries, expected);

    go_on(&newsroom, 1).await?;
    in_this_order(&newsroom, &[post]).await?;
    assert_eq!(entries_left(&newsroom).await?, ["lane"]);
    Ok(())
}
