//! SIGKILL to everything of ours, at chosen steps and at random, while campaigns run. Afterwards every post is on its platform exactly once, nothing
//! is lost, every receipt tells the truth, and nothing is stuck.

use std::{collections::BTreeSet, time::Duration};

use anyhow::ensure;
use chrono::TimeDelta;
use domain::{brief::Language, ids::CampaignId};
use e2e::{Newsroom, Plan, desk, process::Part, rest::Rest, wait};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use sandbox::{
    fault::{Endpoint, Fault},
    mastodon::{Options, Software},
};

/// Where the worker dies: every kind of step on a post's way, before its effect or after it.
const STEPS: &[&str] = &[
    "store.create_campaign:after",
    "store.plan_posts:after",
    "store.save_variant:after",
    "store.settle_drafts:before",
    "store.settle_drafts:after",
    "store.plan_post:after",
    "store.begin_sending:after",
    "store.arm:after",
    "mastodon.submit:before",
    "mastodon.submit:after",
    "bluesky.submit:before",
    "bluesky.submit:after",
    "store.record_published:before",
    "store.record_published:after",
    "store.finish_campaign:after",
];

/// How many kills there are at random.
const KILLS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn survives_sigkill() -> anyhow::Result<()> {
    let seed = match std::env::var("PRESSROOM_E2E_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => rand::random::<u64>(),
    };
    println!("PRESSROOM_E2E_SEED={seed}");
    Box::pin(at_chosen_steps()).await?;
    Box::pin(at_random(seed)).await
}

/// On servers that recognise repetitions. The worker dies in every step in turn, and in the middle of every kind of sending.
async fn at_chosen_steps() -> anyhow::Result<()> {
    let newsroom = Newsroom::open(Plan::default()).await?;
    let gateway = Part::gateway(&newsroom)?;
    let rest = Rest::new(&newsroom, gateway.url()?).await?;
    let worker = Part::worker(&newsroom, None)?;
    let mut campaigns = Vec::new();
    for step in STEPS {
        worker.kill9();
        worker.start(Some(step))?;
        campaigns.push(rest.start_campaign(&newsroom, &[Language::EN], &desk::now(), step).await?);
        worker.crashes(step).await?;
    }
    worker.start(None)?;
    in_the_middle_of_sending(&newsroom, &worker, &rest, &mut campaigns).await?;
    all_is_well(&newsroom, &campaigns, 2).await
}

/// On a server that posts twice under one key, so that a repetition would show. Everything of ours dies at random.
async fn at_random(seed: u64) -> anyhow::Result<()> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mastodon = Options { software: Software::Snac, ..Options::default() };
    let newsroom = Newsroom::open(Plan { mastodon, ..Plan::default() }).await?;
    let gateway = Part::gateway(&newsroom)?;
    let rest = Rest::new(&newsroom, gateway.url()?).await?;
    let worker = Part::worker(&newsroom, None)?;
    let mut campaigns = Vec::new();
    in_the_middle_of_sending(&newsroom, &worker, &rest, &mut campaigns).await?;
    // Platforms that take their time are more likely to be waited for when the kill comes.
    for platform in e2e::PLATFORMS {
        newsroom.faults(*platform).chance(Endpoint::Publish, Fault::AnswerLate { ms: 400 }, 0.5, rng.random());
    }
    // One whose timers have to outlive it all.
    campaigns.push(rest.start_campaign(&newsroom, &[Language::EN], &desk::from_now(TimeDelta::seconds(75)), "later").await?);
    let mut victims: Vec<usize> = (0..KILLS).map(|n| n % 4).collect();
    victims.shuffle(&mut rng);
    let plan: Vec<_> = victims.iter().map(|v| (*v, rng.random_range(300..2_000), rng.random_range(0..700))).collect();
    let (started, killed) = tokio::join!(
        async {
            let mut started = Vec::new();
            for n in 0..8 {
                started.push(rest.start_campaign(&newsroom, &[Language::EN], &desk::now(), &format!("campaign {n}")).await?);
            }
            anyhow::Ok(started)
        },
        async {
            for (victim, before, dead) in plan {
                tokio::time::sleep(Duration::from_millis(before)).await;
                match victim {
                    0 => worker.kill9(),
                    1 => gateway.kill9(),
                    2 => newsroom.stack.kill9_restate(),
                    _ => newsroom.stack.kill9_postgres(),
                }
                tokio::time::sleep(Duration::from_millis(dead)).await;
                match victim {
                    0 => worker.start(None)?,
                    1 => gateway.start(None)?,
                    2 => newsroom.stack.restart_restate().await?,
                    _ => newsroom.stack.restart_postgres().await?,
                }
            }
            anyhow::Ok(())
        }
    );
    killed?;
    campaigns.extend(started?);
    all_is_well(&newsroom, &campaigns, 2).await
}

/// The worst moment: the platform has the post, and the worker that sent it dies before it hears so.
async fn in_the_middle_of_sending(newsroom: &Newsroom, worker: &Part, rest: &Rest, campaigns: &mut Vec<CampaignId>) -> anyhow::Result<()> {
    for platform in e2e::PLATFORMS {
        let before = newsroom.faults(*platform).fired().len();
        newsroom.faults(*platform).next(Endpoint::Publish, Fault::AcceptThenHang, 1);
        campaigns.push(rest.start_campaign(newsroom, &[Language::EN], &desk::now(), &format!("hang {platform}")).await?);
        wait::until("a post to be on its way", async || {
            Ok(if newsroom.faults(*platform).fired().len() > before { Ok(()) } else { Err("not yet".to_owned()) })
        })
        .await?;
        worker.kill9();
        worker.start(None)?;
    }
    Ok(())
}

/// Nothing twice, nothing lost, nothing stuck, nothing untrue.
async fn all_is_well(newsroom: &Newsroom, campaigns: &[CampaignId], posts_each: usize) -> anyhow::Result<()> {
    let mut tx = newsroom.in_org().await?;
    let stored = activities::store::campaigns::list(&mut tx, None, None, 1_000).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    drop(tx);
    // One more stands there for posts that no pipeline wrote.
    ensure!(stored.len() == campaigns.len() + 1, "{} requests started {} campaigns", campaigns.len(), stored.len() - 1);
    ensure!(campaigns.iter().collect::<BTreeSet<_>>().len() == campaigns.len(), "two requests started one campaign");
    let mut posts = Vec::new();
    for campaign in campaigns {
        posts.extend(newsroom.posts_of(*campaign, posts_each).await?);
    }
    for post in &posts {
        newsroom.goes_out_once(*post).await?;
    }
    newsroom.engine_rests().await?;
    // Once more when nothing moves any more, and the other way round: whatever a platform has is one of these posts.
    let mut known = BTreeSet::new();
    let mut looked_up = 0;
    for post in &posts {
        let told = newsroom.is_there_once(*post).await?;
        looked_up += usize::from(told.post.resolved_by.as_deref() == Some("lookup"));
        known.extend(told.post.external_id);
    }
    ensure!(known.len() == posts.len(), "{} posts have {} ids", posts.len(), known.len());
    for platform in e2e::PLATFORMS {
        for entry in newsroom.books(*platform) {
            ensure!(known.contains(&entry.external_id), "{platform} has a post that nobody knows of: {entry:#?}");
        }
    }
    println!("{} campaigns, {} posts, {looked_up} of them resolved by looking", campaigns.len(), posts.len());
    Ok(())
}
