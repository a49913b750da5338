//! Pipeline throughput beside a bare Restate service with the same invocations, steps, calls and sends, and as many bytes in each.
//!
//! The literal baseline's steps do nothing, so that the ratio to it says what all effects cost. Two more say whose the cost is: one whose steps write a
//! row each, and one whose steps ask the model the same questions besides; the ratio to the last says what our own code costs.
//!
//! The campaigns are the demonstration's: two platforms, two languages, three variants a post. The model answers at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use domain::{
    brief::Language,
    ids::{CampaignId, RunId},
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use sandbox::model::Door;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use uuid::Uuid;
use workflows::campaign::CreateCampaign;

use crate::{
    bare::{self, Effects, Known},
    cpu::Used,
    plain_model::PlainModel,
    recording::Recording,
    spread::Spread,
    stage::{Stage, Threads},
    table::Figure,
};

/// The step with which a campaign's generation is over.
const LAST: &str = "store.settle_drafts";
/// Campaigns in one turn, all in flight together.
const CAMPAIGNS: usize = 40;
/// Turns of each.
const ROUNDS: usize = 6;
/// Starts under way at a time, as from so many clients.
const CLIENTS: usize = 16;
/// A turn that takes longer has lost something.
const PATIENCE: Duration = Duration::from_secs(120);

/// One turn.
struct Turn {
    per_second: f64,
    /// Milliseconds of processor for one campaign, by thread or program.
    cpu: BTreeMap<String, f64>,
}

/// Measures it, prints where the time goes, and returns the figure and its second baseline.
pub(crate) async fn measure(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let brief = stage.brief(&[Language::EN, Language::DE], 2);
    let plan = stage.plan(&brief, 3).await?;
    let (recording, questions) = record(stage, &plan).await?;
    let threads = Threads::named("bare")?;
    let model = Arc::new(PlainModel::new(&stage.model.openai_url(), questions, &recording)?);
    let database = bare::rows_table(&stage.owner, &stage.app_url, &threads).await?;
    let ended = Arc::new(AtomicUsize::new(0));
    let (asked, counted) = (model, Arc::clone(&ended));
    let known = Arc::new(Known {
        recording: recording.clone(),
        database,
        others: Box::new(move |step| {
            let (model, step) = (Arc::clone(&asked), step.to_owned());
            async move { model.ask(&step).await }.boxed()
        }),
        done: Box::new(move |step| {
            if step == LAST {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }),
    });
    let bare = Bare { known: &known, ended: &ended };
    stage.register(bare::serve(&threads, &known).await?).await?;

    let mut kinds: [Vec<Turn>; 4] = Default::default();
    let mut steps = BTreeMap::new();
    let (mut questions, mut embeddings) = (0, 0);
    for round in 0..=ROUNDS {
        let (before, asked) = (step_seconds(stage).await?, stage.model.counts());
        let ours = pipeline(stage, &plan).await?;
        let answered = stage.model.counts();
        (questions, embeddings) = (questions + answered.chat - asked.chat, embeddings + answered.embeddings - asked.embeddings);
        let turns = [
            ours,
            bare_turn(stage, &bare, Effects::Nothing).await?,
            bare_turn(stage, &bare, Effects::Rows).await?,
            bare_turn(stage, &bare, Effects::RowsAndRequests).await?,
        ];
        // The first round warms caches, connections and code up.
        if round > 0 {
            for (name, (seconds, count)) in step_seconds(stage).await? {
                let (old_seconds, old_count) = before.get(&name).copied().unwrap_or_default();
                let sum: &mut (f64, f64) = steps.entry(name).or_default();
                *sum = (sum.0 + seconds - old_seconds, sum.1 + count - old_count);
            }
            kinds.iter_mut().zip(turns).for_each(|(kind, turn)| kind.push(turn));
        }
    }
    let campaigns = (CAMPAIGNS * (ROUNDS + 1)) as f64;
    tell_shape(&recording, questions as f64 / campaigns, embeddings as f64 / campaigns);
    tell_steps(&steps);
    let [ours, bare, rows, model] = &kinds;
    tell_cpu(&[("ours", ours), ("bare", bare), ("+ rows", rows), ("+ model", model)]);

    let rate = |turns: &[Turn]| Spread::of(turns.iter().map(|turn| turn.per_second).collect());
    let (ours, bare, rows, model) = (rate(ours), rate(bare), rate(rows), rate(model));
    let figure = |name, baseline: Spread, goal, met| Figure {
        name,
        ours: format!("{ours:.1} campaigns/s"),
        baseline: format!("{baseline:.1} campaigns/s"),
        result: format!("ratio {:.2}", ours.median / baseline.median),
        goal,
        met,
    };
    Ok(vec![
        figure("pipeline / bare Restate service", bare, ">= 0.9", Some(ours.median / bare.median >= 0.9)),
        figure("pipeline / bare, one row a step", rows, "", None),
        figure("pipeline / bare, the same effects", model, "", None),
    ])
}

/// Runs one campaign alone and reads what it did and what it asked the model.
async fn record(stage: &Stage, plan: &CreateCampaign) -> anyhow::Result<(Recording, Vec<Value>)> {
    let earlier = stage.model.received().len();
    let (plan, id) = another(plan);
    let root = stage.send("Campaign", &plan.campaign.id.to_string(), "create", &serde_json::to_value(&plan)?, &id.to_string()).await?;
    wait_for(stage, &[id]).await?;
    let give_up = Instant::now() + PATIENCE;
    loop {
        // What comes after the last step is under way for a moment.
        match Recording::read(&stage.engine, &root).await {
            Ok(recording) => {
                let asked = stage.model.received().into_iter().skip(earlier).filter(|request| request.door == Door::Chat);
                return Ok((recording, asked.map(|request| request.body).collect()));
            }
            Err(error) if Instant::now() > give_up || !error.to_string().contains("has not ended") => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The same again, as a campaign of its own.
pub(crate) fn another(plan: &CreateCampaign) -> (CreateCampaign, Uuid) {
    let mut plan = plan.clone();
    let id = Uuid::now_v7();
    plan.campaign.id = CampaignId::from_uuid(id);
    plan.campaign.run_id = RunId::from_uuid(id);
    (plan, id)
}

/// Waits until all these campaigns have their drafts.
pub(crate) async fn wait_for(stage: &Stage, campaigns: &[Uuid]) -> anyhow::Result<()> {
    let give_up = Instant::now() + PATIENCE;
    while stage.generated(campaigns).await? < campaigns.len() {
        ensure!(Instant::now() < give_up, "campaigns were not generated in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn pipeline(stage: &Stage, plan: &CreateCampaign) -> anyhow::Result<Turn> {
    let campaigns: Vec<_> = (0..CAMPAIGNS).map(|_| another(plan)).collect();
    let ids: Vec<Uuid> = campaigns.iter().map(|(_, id)| *id).collect();
    let (used, started) = (Used::now(), Instant::now());
    let starts = campaigns.iter().map(|(plan, id)| async move {
        stage.send("Campaign", &plan.campaign.id.to_string(), "create", &serde_json::to_value(plan)?, &id.to_string()).await
    });
    futures::stream::iter(starts).buffer_unordered(CLIENTS).try_collect::<Vec<_>>().await?;
    wait_for(stage, &ids).await?;
    Ok(turn(started, &used).await)
}

/// The baseline, and how many campaigns of it have come to their end.
struct Bare<'a> {
    known: &'a Known,
    ended: &'a AtomicUsize,
}

async fn bare_turn(stage: &Stage, bare: &Bare<'_>, effects: Effects) -> anyhow::Result<Turn> {
    bare.ended.store(0, Ordering::SeqCst);
    let (used, started) = (Used::now(), Instant::now());
    let starts = (0..CAMPAIGNS).map(|_| async move {
        let key = Uuid::now_v7().to_string();
        stage.send("BareObject", &key, "run", &serde_json::to_value(bare.known.ask(0, &key, effects))?, &key).await
    });
    futures::stream::iter(starts).buffer_unordered(CLIENTS).try_collect::<Vec<_>>().await?;
    while bare.ended.load(Ordering::SeqCst) < CAMPAIGNS {
        ensure!(started.elapsed() < PATIENCE, "the bare service did not end in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(turn(started, &used).await)
}

async fn turn(started: Instant, used: &Used) -> Turn {
    let campaigns = CAMPAIGNS as f64;
    let turn = Turn { per_second: campaigns / started.elapsed().as_secs_f64(), cpu: Used::now().since(used, campaigns) };
    // What trails behind is not to burden whoever is next.
    tokio::time::sleep(Duration::from_millis(500)).await;
    turn
}

/// Seconds and attempts of each step so far, as the process's own figures have them.
async fn step_seconds(stage: &Stage) -> anyhow::Result<BTreeMap<String, (f64, f64)>> {
    let text = stage.http.get(stage.gateway.join("metrics")?).bearer_auth(stage.key.expose_secret()).send().await?.text().await?;
    let mut steps: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for line in text.lines() {
        for (name, which) in [("pressroom_step_seconds_sum{", 0), ("pressroom_step_seconds_count{", 1)] {
            let Some(rest) = line.strip_prefix(name) else { continue };
            let step = rest.split('"').nth(1).context("a step's name")?;
            let value: f64 = rest.rsplit(' ').next().context("a value")?.parse()?;
            let entry = steps.entry(step.to_owned()).or_default();
            if which == 0 { entry.0 = value } else { entry.1 = value }
        }
    }
    Ok(steps)
}

fn tell_shape(recording: &Recording, questions: f64, embeddings: f64) {
    let steps = recording.steps();
    let (calls, sends, later) = recording.calls();
    println!(
        "\nA campaign (2 platforms, 2 languages, 3 variants): {} invocations, {} steps, {calls} calls, {sends} sends, {later} sends for later; \
         {questions:.1} questions to the model, {embeddings:.1} embeddings",
        recording.nodes.len(),
        steps.values().sum::<usize>()
    );
    for (what, counts) in [("invocations", recording.invocations()), ("steps", steps)] {
        let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        println!("  {what}: {}", counts.join(", "));
    }
}

fn tell_steps(steps: &BTreeMap<String, (f64, f64)>) {
    println!("\nWhere the pipeline's steps spend their time, {CAMPAIGNS} campaigns in flight:");
    let mut rows: Vec<_> = steps.iter().filter(|(_, (_, count))| *count > 0.0).collect();
    rows.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
    let all: f64 = rows.iter().map(|(_, (seconds, _))| seconds).sum();
    for (name, (seconds, count)) in rows {
        println!("  {name:<24} {:>7.0} x {:>7.2} ms   {:>4.0} %", count, seconds / count * 1000.0, seconds / all * 100.0);
    }
}

fn tell_cpu(kinds: &[(&str, &Vec<Turn>)]) {
    println!("\nProcessor time of one campaign in ms, by part (`model` is the stand-in, `bench` the client):");
    let mut parts: Vec<&String> = kinds.iter().flat_map(|(_, turns)| turns.iter().flat_map(|turn| turn.cpu.keys())).collect();
    parts.sort();
    parts.dedup();
    let middle = |turns: &Vec<Turn>, part: &str| {
        Spread::of(turns.iter().map(|turn| turn.cpu.get(part).copied().unwrap_or_default()).collect()).median
    };
    println!("  {:<20}{}", "", kinds.iter().map(|(name, _)| format!("{name:>14}")).collect::<String>());
    for part in parts {
        println!("  {part:<20}{}", kinds.iter().map(|(_, turns)| format!("{:>14.1}", middle(turns, part))).collect::<String>());
    }
    let whole = |turns: &Vec<Turn>| Spread::of(turns.iter().map(|turn| turn.cpu.values().sum()).collect()).median;
    println!("  {:<20}{}", "all", kinds.iter().map(|(_, turns)| format!("{:>14.1}", whole(turns))).collect::<String>());
    if let [ours, bare, rows, model] = kinds.iter().map(|(_, turns)| whole(turns)).collect::<Vec<_>>()[..] {
        println!(
            "Where ours goes: {bare:.1} ms are the bare service's, {:.1} more a row for each step, {:.1} more the model's questions and the time that \
             steps take with them (the engine can no longer take several entries of a run in one go), and {:.1} are Pressroom's own.",
            rows - bare,
            model - rows,
            ours - model
        );
    }
}
