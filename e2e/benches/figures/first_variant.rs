//! From the request that starts a campaign to its first variant in the database, less what the model alone took for it.
//!
//! The model's own latency is measured with the very question that the pipeline asked, put to it again right afterwards.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use domain::brief::Language;
use sandbox::model::{Door, Pace};
use uuid::Uuid;

use crate::{
    spread::Spread,
    stage::Stage,
    start::{body, ms, post},
    table::Figure,
    throughput::wait_for,
};

/// Campaigns, one after another.
const CAMPAIGNS: usize = 20;
/// A model that thinks for a fifth of a second and then writes about a hundred pieces a second.
const PACE: Pace = Pace { first_token_ms: 200, token_delay_ms: 10 };

/// Measures it.
pub(crate) async fn measure(stage: &Stage) -> anyhow::Result<Figure> {
    let plan = stage.plan(&stage.brief(&[Language::EN], 1), 1).await?;
    let body = body(&plan);
    let (mut ours, mut model, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=CAMPAIGNS {
        let before = stage.model.counts().chat;
        stage.model.set_pace(PACE);
        let started = Instant::now();
        let id = post(stage, &body).await?;
        wait_for_variant(stage, id).await?;
        let took = ms(started);
        // What else is asked for the post is not measured.
        stage.model.set_pace(Pace::default());
        wait_for(stage, &[id]).await?;

        let asked = stage.model.counts().chat - before;
        let chats: Vec<_> = stage.model.received().into_iter().filter(|request| request.door == Door::Chat).collect();
        let first = chats.len().checked_sub(usize::try_from(asked)?).and_then(|place| chats.get(place)).context("the first question")?;
        stage.model.set_pace(PACE);
        let alone = ask(stage, &first.body).await?;
        stage.model.set_pace(Pace::default());
        if turn > 0 {
            ours.push(took);
            model.push(alone);
            added.push(took - alone);
        }
    }
    let (ours, model, added) = (Spread::of(ours), Spread::of(model), Spread::of(added));
    println!(
        "\nTime to first variant: {} campaigns of one post, started over the gateway; the model thinks {} ms and then writes a piece every {} ms",
        added.count, PACE.first_token_ms, PACE.token_delay_ms
    );
    Ok(Figure {
        name: "time to first variant - the model's own",
        ours: format!("{ours:.1} ms"),
        baseline: format!("{model:.1} ms"),
        result: format!("+{added:.1} ms"),
        goal: "<= 50 ms",
        met: Some(added.median <= 50.0),
    })
}

async fn wait_for_variant(stage: &Stage, campaign: Uuid) -> anyhow::Result<()> {
    let give_up = Instant::now() + Duration::from_secs(60);
    let sql = "SELECT EXISTS (SELECT FROM variants v JOIN posts p ON p.id = v.post_id WHERE p.campaign_id = $1)";
    while !sqlx::query_scalar::<_, bool>(sql).bind(campaign).fetch_one(&stage.owner).await? {
        ensure!(Instant::now() < give_up, "no variant was written in time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Asks the model and reads its answer to the end, in milliseconds.
async fn ask(stage: &Stage, question: &serde_json::Value) -> anyhow::Result<f64> {
    let started = Instant::now();
    let answer = stage.http.post(format!("{}/chat/completions", stage.model.openai_url())).json(question).send().await?;
    ensure!(answer.status().is_success(), "the model answered {}", answer.status());
    answer.bytes().await?;
    Ok(ms(started))
}
