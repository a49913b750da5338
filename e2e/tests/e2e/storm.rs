//! Many posts on many accounts of all platforms come due while everything breaks: worker, gateway, restate-server and PostgreSQL are killed at
//! random, every line between them is cut and slowed down, platforms misbehave, throttle, and end tokens. Afterwards the platforms' books are
//! compared with the receipts, one by one: nothing lost, nothing doubled, and a person is asked only where nobody but a person can know.
//!
//! What breaks, when, and for how long is drawn from a seed, which is printed; `PRESSROOM_E2E_SEED` repeats the plan. `PRESSROOM_E2E_STORM=full` is
//! the whole size: 1,000 posts on 50 accounts within a minute.

mod compare;
mod fleet;
mod weather;

use std::time::Duration;

use anyhow::bail;
use chrono::{SubsecRound as _, TimeDelta, Utc};
use domain::{ids::PostId, post::PostStatus};
use e2e::{Newsroom, Plan, desk, process::Part, rest::Rest, settings, wait};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sandbox::proxy::Proxy;
use url::Url;
use workflows::world::WorkflowSettings;

use self::{
    fleet::Fleet,
    weather::{Lines, Parts, Weather},
};
use crate::races::seed;

/// How big it is.
#[derive(Debug, Clone, Copy)]
struct Size {
    posts: usize,
    accounts: usize,
    /// How long it goes on; the posts come due within it.
    seconds: u64,
}

impl Size {
    fn asked_for() -> Self {
        match std::env::var("PRESSROOM_E2E_STORM").as_deref() {
            Ok("full") => Self { posts: 1_000, accounts: 50, seconds: 60 },
            _ => Self { posts: 120, accounts: 14, seconds: 14 },
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn storm() -> anyhow::Result<()> {
    let (size, mut rng) = (Size::asked_for(), StdRng::seed_from_u64(seed()?));
    println!("{size:?}");
    let plan = Plan {
        settings: WorkflowSettings {
            // Longer than anything is on its way here, as production's is longer than requests are.
            settle_ms: vec![300, 600, 1_200],
            ..settings::quick()
        },
        timeout: Duration::from_secs(3),
        ..Plan::default()
    };
    let mut newsroom = Newsroom::open(plan).await?;
    let fleet = Fleet::connect(&newsroom, size.accounts).await?;
    let lines = Lines::between(&mut newsroom).await?;
    let gateway = Part::gateway(&newsroom)?;
    let worker = Part::worker_behind(&newsroom, lines.worker.upstream, &url(&lines.worker.proxy)?)?;
    let rest = Rest::new(&newsroom, gateway.url()?).await?;
    rest.ready().await?;

    let posts = scheduled(&newsroom, &fleet, &mut rng, size).await?;
    let weather = Weather::draw(&mut rng, &fleet, size.seconds);
    let parts = Parts { newsroom: &newsroom, worker: &worker, gateway: &gateway };
    let over = Utc::now() + TimeDelta::seconds(i64::try_from(size.seconds)?);
    let (broken, asked, ()) = tokio::join!(
        weather.rages(&parts, &lines, &fleet),
        published_now(&rest, &posts.by_hand, over),
        fleet.reconnected_until(&newsroom, over),
    );
    broken?;
    asked?;
    lines.restore();
    fleet.calms_down();

    let all: Vec<PostId> = posts.by_timer.iter().chain(&posts.by_hand).copied().collect();
    until_through(&newsroom, &fleet, &all).await?;
    let report = compare::books_with_receipts(&newsroom, &fleet, &all).await?;
    compare::answered(&newsroom, &fleet, &report.asks).await?;
    until_through(&newsroom, &fleet, &all).await?;
    newsroom.engine_rests().await?;
    let after = compare::books_with_receipts(&newsroom, &fleet, &all).await?;
    anyhow::ensure!(after.asks.is_empty(), "a person has answered, and they ask again: {:#?}", after.asks);
    println!("{} posts on {} accounts: {report}\n{weather}", all.len(), fleet.accounts.len());
    Ok(())
}

fn url(proxy: &Proxy) -> anyhow::Result<Url> {
    Ok(Url::parse(&format!("http://{}/", proxy.address()))?)
}

struct Posts {
    /// Those that have their time.
    by_timer: Vec<PostId>,
    /// Those that are published by a request, in the middle of it all.
    by_hand: Vec<PostId>,
}

/// Two of three posts get a time within the storm; the others are approved, and wait for a person's word.
async fn scheduled(newsroom: &Newsroom, fleet: &Fleet, rng: &mut StdRng, size: Size) -> anyhow::Result<Posts> {
    let begins = (Utc::now() + TimeDelta::seconds(2)).trunc_subsecs(0);
    let drawn: Vec<_> = (0..size.posts).map(|n| (n, begins + TimeDelta::seconds(rng.random_range(0..size.seconds as i64)))).collect();
    let made = stream::iter(drawn.into_iter().map(|(n, due)| async move {
        let account = &fleet.accounts[n % fleet.accounts.len()];
        let id = newsroom.approved_on(account.connector, account.platform, &format!("Storm post {n} about bread.")).await?;
        if n % 3 == 2 {
            return anyhow::Ok((id, false));
        }
        // The first worker is still to be registered.
        wait::until("the plan to be taken", async || Ok(newsroom.schedule(id, desk::at(due)).await.map_err(|e| e.to_string()))).await?;
        Ok((id, true))
    }));
    let made: Vec<(PostId, bool)> = made.buffered(8).try_collect().await?;
    let (by_timer, by_hand): (Vec<_>, Vec<_>) = made.into_iter().partition(|(_, timed)| *timed);
    let ids = |made: Vec<(PostId, bool)>| made.into_iter().map(|(id, _)| id).collect();
    Ok(Posts { by_timer: ids(by_timer), by_hand: ids(by_hand) })
}

/// Asks for each post, under a key of its own, until the gateway has taken it.
async fn published_now(rest: &Rest, posts: &[PostId], over: chrono::DateTime<Utc>) -> anyhow::Result<()> {
    let pause = (over - Utc::now()).to_std().unwrap_or_default() / u32::try_from(posts.len() + 1)?;
    let asked = posts.iter().enumerate().map(|(n, post)| async move {
        tokio::time::sleep(pause * u32::try_from(n)?).await;
        rest.post(&format!("v1/posts/{post}/publish"), &serde_json::Value::Null, &format!("storm {post}")).await.map(drop)
    });
    futures::future::try_join_all(asked).await.map(drop)
}

/// Waits until no post is on its way. A person reconnects the accounts whose tokens have ended.
async fn until_through(newsroom: &Newsroom, fleet: &Fleet, posts: &[PostId]) -> anyhow::Result<()> {
    let (mut left, mut since) = (usize::MAX, tokio::time::Instant::now());
    loop {
        fleet.reconnect(newsroom).await;
        let mut waiting = Vec::new();
        for post in posts {
            let told = newsroom.told(*post).await?;
            if matches!(told.post.status, PostStatus::Approved | PostStatus::Scheduled | PostStatus::Publishing) {
                waiting.push(told);
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if waiting.len() < left {
            (left, since) = (waiting.len(), tokio::time::Instant::now());
        }
        // Not about how long it takes: it is about whether it goes on at all.
        if since.elapsed() > wait::PATIENCE {
            let hand = newsroom.engine.unfinished().await;
            let journal = newsroom.engine.query(
                "SELECT j.index, j.entry_type, j.name, j.entry_json, j.appended_at FROM sys_journal j JOIN sys_invocation i ON i.id = j.id \
                 WHERE i.status <> 'completed' AND i.status <> 'scheduled' ORDER BY j.id, j.index DESC LIMIT 40",
            );
            let journal = journal.await;
            let first: Vec<_> = waiting.iter().take(2).collect();
            bail!(
                "{} posts do not get through: {first:#?}\nthe engine has in hand: {hand:#?}\nwhat it did last: {journal:#?}",
                waiting.len()
            );
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
