//! A schedule that comes every other second while everything of ours dies: one campaign for each time, no more and no less.

use std::{collections::BTreeSet, time::Duration};

use activities::store::campaigns::{self, Approval};
use anyhow::{Context as _, ensure};
use chrono::{TimeDelta, Utc};
use domain::schedule::WallTime;
use e2e::{Newsroom, Plan, process::Part, rest::Rest};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};

use super::board::{Board, recurring, template};

/// How many seconds it goes for.
const SECONDS: i64 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn each_time_has_one_campaign_whatever_dies() -> anyhow::Result<()> {
    let seed = match std::env::var("PRESSROOM_E2E_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => rand::random::<u64>(),
    };
    println!("PRESSROOM_E2E_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let newsroom = Newsroom::open(Plan::default()).await?;
    let gateway = Part::gateway(&newsroom)?;
    let rest = Rest::new(&newsroom, gateway.url()?).await?;
    let worker = Part::worker(&newsroom, None)?;
    rest.ready().await?;

    // From well after it is made, so that no time passes before it is in force.
    let start = Utc::now() + TimeDelta::seconds(20);
    let zone = chrono_tz::Tz::Pacific__Auckland;
    let asked = json!({
        "cron": "*/2 * * * * *",
        "timezone": zone,
        "overlap": "allow",
        "catch_up": {"window_seconds": 3600, "max": 1000},
        "start": WallTime::of(start, zone),
        "end": WallTime::of(start + TimeDelta::seconds(SECONDS), zone),
    });
    let mut body = asked.clone();
    let template = template(&newsroom, Approval::Auto).await?;
    body["campaign"] = json!({
        "brand_id": newsroom.brand,
        "brief_id": template.campaign.brief_id,
        "connectors": template.connectors,
        "variants_per_post": 1,
        "approval": "auto",
        "schedule": {"mode": "now"},
    });
    let made = rest.post("v1/schedules", &body, "schedule").await?;
    ensure!(rest.post("v1/schedules", &body, "schedule").await? == made, "one key made two schedules");
    ensure!(made["next"].as_array().is_some_and(|next| next.len() == 5), "{made}");
    ensure!(Utc::now() < start, "this machine is too slow for this test");
    let id = made["id"].as_str().context("an id")?.parse()?;
    let recurring = recurring("*/2 * * * * *", asked);
    let times: Vec<_> = recurring.plan()?.after(start - TimeDelta::seconds(5)).collect();
    ensure!(times.len() >= 7, "{times:?}");
    let board = Board::of(&newsroom, id, recurring);

    for victim in [0, 1, 2, 0, 2, 3] {
        tokio::time::sleep(Duration::from_millis(rng.random_range(2_000..6_000))).await;
        match victim {
            0 => worker.kill9(),
            1 => gateway.kill9(),
            2 => newsroom.stack.kill9_restate(),
            _ => newsroom.stack.kill9_postgres(),
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..1_500))).await;
        match victim {
            0 => worker.start(None)?,
            1 => gateway.start(None)?,
            2 => newsroom.stack.restart_restate().await?,
            _ => newsroom.stack.restart_postgres().await?,
        }
    }

    let came = board.until("every time to have its campaign", |came| came.len() >= times.len()).await?;
    newsroom.engine_rests().await?;
    let expected: Vec<_> = times.iter().map(|time| (time.id(id), "begun".to_owned())).collect();
    let found: Vec<_> = came.iter().map(|came| (came.id, came.outcome.clone())).collect();
    ensure!(found == expected, "{came:#?}");
    let made: BTreeSet<_> = came.iter().filter_map(|came| came.campaign_id).collect();
    ensure!(made.len() == times.len(), "two times share a campaign");
    let stored = campaigns::list(&mut newsroom.in_org().await?, None, None, 1_000).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    // One more stands there for posts that no pipeline wrote.
    ensure!(stored.len() == times.len() + 1, "{} campaigns for {} times", stored.len() - 1, times.len());
    for campaign in &made {
        let posts = newsroom.posts_of(*campaign, 1).await?;
        newsroom.goes_out_once(posts[0]).await?;
    }

    // What had its campaign gets no second one; what is over can be asked for, what is to come cannot.
    rest.ready().await?;
    let path = format!("v1/schedules/{id}");
    let backfill = json!({"from": start - TimeDelta::seconds(5), "to": Utc::now(), "overlap": "allow"});
    let again = rest.post(&format!("{path}/backfill"), &backfill, "backfill").await?;
    ensure!(again["times"].as_array().is_some_and(|found| found.len() == times.len()), "{again}");
    newsroom.engine_rests().await?;
    ensure!(board.campaigns().await?.len() == times.len());
    let future = json!({"from": start, "to": Utc::now() + TimeDelta::days(1)});
    let (status, refused) = rest.ask(Method::POST, &format!("{path}/backfill"), Some(&future)).await?;
    ensure!(status == 422 && refused["errors"][0]["pointer"] == "/to", "{refused}");

    through_its_life(&rest, &path).await
}

/// What people do with a schedule, over REST.
async fn through_its_life(rest: &Rest, path: &str) -> anyhow::Result<()> {
    let ask = async |method: Method, path: &str, body: Value| rest.ask(method, path, Some(&body)).await;
    let (status, seen) = rest.ask(Method::GET, path, None).await?;
    ensure!(status == 200 && seen["next"] == json!([]) && seen["last"][0]["outcome"] == "begun", "{seen}");

    // Its last time is over: it is changed to come every morning, for ever.
    let patch = json!({"cron": "30 2 * * *", "start": null, "end": null, "on_gap": "reject"});
    let (status, refused) = ask(Method::PATCH, path, patch).await?;
    ensure!(status == 422 && refused["errors"][0]["pointer"] == "/on_gap", "{refused}");
    let patch = json!({"cron": "0 9 * * MON", "start": null, "end": null});
    let (status, changed) = ask(Method::PATCH, path, patch).await?;
    ensure!(status == 200 && changed["cron"] == "0 9 * * MON" && changed["overlap"] == "allow", "{changed}");
    let next = changed["next"][0]["at"].as_str().context("a next time")?;
    ensure!(next.contains("T09:00:00+1"), "{next}: nine in Auckland, with its offset");
    for (bad, pointer) in [
        (json!({"cron": "0 9 * * BAD"}), "/cron"),
        (json!({"timezone": "Mars/Olympus"}), "/timezone"),
        (json!({"overlap": "both"}), "/overlap"),
        (
            json!({"campaign": {"brand_id": changed["brand_id"], "brief_id": changed["campaign"]["brief_id"], "connectors": []}}),
            "/campaign/connectors",
        ),
        (
            json!({"campaign": {"brand_id": changed["brand_id"], "brief_id": changed["campaign"]["brief_id"], "connectors": changed["campaign"]["connectors"],
            "schedule": {"mode": "at", "at": "2099-01-01T09:00", "timezone": "UTC"}}}),
            "/campaign/schedule/mode",
        ),
    ] {
        let (status, refused) = ask(Method::PATCH, path, bad.clone()).await?;
        ensure!(status == 422 && refused["errors"][0]["pointer"] == pointer, "{bad}: {refused}");
    }

    let (status, paused) = ask(Method::POST, &format!("{path}/pause"), json!({"note": "holidays"})).await?;
    ensure!(status == 200 && paused["paused"]["note"] == "holidays" && paused["next"] == json!([]), "{paused}");
    let (status, resumed) = rest.ask(Method::POST, &format!("{path}/resume"), None).await?;
    ensure!(status == 200 && resumed["paused"].is_null() && resumed["next"] == changed["next"], "{resumed}");

    let (status, listed) = rest.ask(Method::GET, "v1/schedules", None).await?;
    ensure!(status == 200 && listed["items"].as_array().is_some_and(|items| items.len() == 1), "{listed}");
    let (status, _) = rest.ask(Method::DELETE, path, None).await?;
    ensure!(status == 204);
    for (method, path) in [(Method::GET, path.to_owned()), (Method::DELETE, path.to_owned()), (Method::POST, format!("{path}/resume"))] {
        let (status, gone) = rest.ask(method, &path, None).await?;
        ensure!(status == 404, "{path}: {gone}");
    }
    Ok(())
}
