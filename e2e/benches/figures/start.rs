//! What the gateway adds to a start: `POST /v1/campaigns` beside the send that it makes at the engine, one after another on open connections.
//!
//! Each campaign is written to its end before the next request, so that both start on an idle system.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use domain::{brief::Language, ids::CampaignId};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;
use workflows::campaign::CreateCampaign;

use crate::{
    spread::Spread,
    stage::{Stage, told},
    table::Figure,
    throughput::{another, wait_for},
};

/// Requests of each kind.
const REQUESTS: usize = 80;
/// Requests of each kind that warm up.
const WARM_UP: usize = 10;

/// Measures it and prints what a request consists of.
pub(crate) async fn measure(stage: &Stage) -> anyhow::Result<Figure> {
    let plan = stage.plan(&stage.brief(&[Language::EN], 1), 1).await?;
    let (mut ours, mut direct) = (Vec::new(), Vec::new());
    let (mut alive, mut read, mut transaction) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..REQUESTS + WARM_UP {
        let turns = (
            over_gateway(stage, &body(&plan)).await?,
            at_engine(stage, &plan).await?,
            get(stage, "healthz").await?,
            get(stage, &format!("v1/brands/{}", stage.brand)).await?,
            empty_transaction(stage).await?,
        );
        if round >= WARM_UP {
            ours.push(turns.0);
            direct.push(turns.1);
            alive.push(turns.2);
            read.push(turns.3);
            transaction.push(turns.4);
        }
    }
    let (ours, direct) = (Spread::of(ours), Spread::of(direct));
    println!("\nWhat a start over the gateway is made of, ms ({} requests of each kind):", ours.count);
    for (name, spread) in [
        ("HTTP alone (GET /healthz)", Spread::of(alive)),
        ("an authenticated read (GET /v1/brands/{id})", Spread::of(read)),
        ("an org's transaction without a query: begin, set_config, commit", Spread::of(transaction)),
        ("the engine's own answer", direct),
        ("all of POST /v1/campaigns", ours),
    ] {
        println!("  {name:<66}{spread:.2}");
    }
    let added = ours.median - direct.median;
    Ok(Figure {
        name: "gateway start p50 - Restate directly",
        ours: format!("{ours:.2} ms"),
        baseline: format!("{direct:.2} ms"),
        result: format!("+{added:.2} ms"),
        goal: "<= 0.5 ms",
        met: Some(added <= 0.5),
    })
}

/// What a client posts for such a campaign.
pub(crate) fn body(plan: &CreateCampaign) -> Value {
    let campaign = &plan.campaign;
    json!({
        "brand_id": campaign.brand_id.to_string(),
        "brief_id": campaign.brief_id.to_string(),
        "connectors": plan.connectors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "variants_per_post": campaign.variants_per_post,
        "approval": "required",
    })
}

/// Posts a campaign and returns its id, not waiting for anything but the answer.
pub(crate) async fn post(stage: &Stage, body: &Value) -> anyhow::Result<Uuid> {
    let request = stage.http.post(stage.gateway.join("v1/campaigns")?).bearer_auth(stage.key.expose_secret());
    let answer = request.header("idempotency-key", Uuid::now_v7().to_string()).json(body).send().await?;
    let status = answer.status();
    let answer: Value = answer.json().await?;
    ensure!(status == 202, "the gateway answered {status}: {answer}");
    let id: CampaignId = answer["id"].as_str().context("an id")?.parse().map_err(told)?;
    Ok(id.uuid())
}

async fn over_gateway(stage: &Stage, body: &Value) -> anyhow::Result<f64> {
    let started = Instant::now();
    let id = post(stage, body).await?;
    let took = ms(started);
    settle(stage, id).await?;
    Ok(took)
}

async fn at_engine(stage: &Stage, plan: &CreateCampaign) -> anyhow::Result<f64> {
    let (plan, id) = another(plan);
    let (key, input) = (plan.campaign.id.to_string(), serde_json::to_value(&plan)?);
    let started = Instant::now();
    stage.send("Campaign", &key, "create", &input, &id.to_string()).await?;
    let took = ms(started);
    settle(stage, id).await?;
    Ok(took)
}

async fn get(stage: &Stage, path: &str) -> anyhow::Result<f64> {
    let started = Instant::now();
    let answer = stage.http.get(stage.gateway.join(path)?).bearer_auth(stage.key.expose_secret()).send().await?;
    ensure!(answer.status().is_success(), "the gateway answered {}", answer.status());
    answer.bytes().await?;
    Ok(ms(started))
}

async fn empty_transaction(stage: &Stage) -> anyhow::Result<f64> {
    let started = Instant::now();
    stage.store.in_org(stage.org).await.map_err(told)?.commit().await.map_err(told)?;
    Ok(ms(started))
}

/// Lets a campaign come to its end.
async fn settle(stage: &Stage, id: Uuid) -> anyhow::Result<()> {
    wait_for(stage, &[id]).await?;
    tokio::time::sleep(Duration::from_millis(5)).await;
    Ok(())
}

/// Milliseconds since then.
pub(crate) fn ms(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}
