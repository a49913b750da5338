//! A thousand posts that are due at one instant, each on an account of its own: how long after it their timers go off, and how fast they drain,
//! beside a bare Restate service with the same invocations and steps, whose timers are set to one instant as well.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::{
    bare::{self, Effects, Known},
    posts::{self, CLIENTS, FIRST_STEP, Posts, Times},
    recording::Recording,
    spread::{Spread, share},
    stage::Threads,
    table::Figure,
};

/// Turns of each, after one that warms up.
const ROUNDS: usize = 3;
/// The step with which a post is out.
const LAST_STEP: &str = "store.record_published";
/// The step that asks the platform.
const REQUEST: &str = "mastodon.submit";
/// A turn that takes longer has lost something.
const PATIENCE: Duration = Duration::from_secs(600);

/// One turn.
struct Turn {
    /// Milliseconds after the due time at which each handler began its first step.
    fired: Vec<f64>,
    /// Posts a second, from the due time until the last was out.
    per_second: f64,
}

impl Turn {
    fn new(fired: Vec<f64>, out: &[f64]) -> Self {
        let last = out.iter().copied().fold(f64::NAN, f64::max);
        Self { fired, per_second: out.len() as f64 / (last / 1000.0) }
    }
}

/// The baseline, with what it hears of itself.
struct Bare {
    known: Arc<Known>,
    fired: Times,
    out: Times,
    ingress: Url,
    http: reqwest::Client,
    _threads: Threads,
}

/// Measures it, and returns the figures.
pub(crate) async fn measure(posts: &Posts) -> anyhow::Result<Vec<Figure>> {
    let bare = Bare::open(posts).await?;
    let mut kinds: [Vec<Turn>; 4] = Default::default();
    for round in 0..=ROUNDS {
        let turns = [
            ours(posts).await?,
            bare.turn(posts.accounts.len(), Effects::Nothing).await?,
            bare.turn(posts.accounts.len(), Effects::Rows).await?,
            bare.turn(posts.accounts.len(), Effects::RowsAndRequests).await?,
        ];
        if round > 0 {
            kinds.iter_mut().zip(turns).for_each(|(kind, turn)| kind.push(turn));
        }
    }
    let at = |turns: &[Turn], part| Spread::of(turns.iter().map(|turn| share(turn.fired.clone(), part)).collect());
    println!(
        "\n{} posts due at one instant, on as many accounts; ms from then until a handler began, {ROUNDS} turns:",
        posts.accounts.len()
    );
    for (name, turns) in ["Pressroom", "bare", "bare + rows", "bare + rows + requests"].iter().zip(&kinds) {
        println!("  {name:<24} p50 {:.0}   p99 {:.0}   last {:.0}", at(turns, 0.5), at(turns, 0.99), at(turns, 1.0));
    }
    let [ours, bare, rows, requests] = &kinds;
    let (p99, bare_p99) = (at(ours, 0.99), at(bare, 0.99));
    let rate = |turns: &[Turn]| Spread::of(turns.iter().map(|turn| turn.per_second).collect());
    let ours = rate(ours);
    let drain = |name, turns: &[Turn], goal, met: Option<f64>| {
        let baseline = rate(turns);
        let ratio = ours.median / baseline.median;
        Figure {
            name,
            ours: format!("{ours:.0} posts/s"),
            baseline: format!("{baseline:.0} posts/s"),
            result: format!("ratio {ratio:.2}"),
            goal,
            met: met.map(|goal| ratio >= goal),
        }
    };
    Ok(vec![
        Figure {
            name: "due at once: handlers fire, p99",
            ours: format!("{p99:.0} ms"),
            baseline: format!("{bare_p99:.0} ms"),
            result: format!("ratio {:.2}", p99.median / bare_p99.median),
            goal: "<= 100 ms",
            met: Some(p99.median <= 100.0),
        },
        drain("due at once: drain / bare Restate service", bare, ">= 0.8", Some(0.8)),
        drain("due at once: drain / bare, one row a step", rows, "", None),
        drain("due at once: drain / bare, the same effects", requests, "", None),
    ])
}

async fn ours(posts: &Posts) -> anyhow::Result<Turn> {
    let ids = posts.approved(&posts.accounts).await?;
    let due = posts::soon(ids.len())?;
    let planned: Vec<_> = ids.iter().map(|id| (*id, due)).collect();
    posts.schedule(&planned).await?;
    posts::in_time(due)?;
    posts.fires.take(due);
    let out = posts.out(&ids).await?;
    let fired = posts.fires.take(due);
    ensure!(fired.len() == ids.len(), "{} timers went off for {} posts", fired.len(), ids.len());
    Ok(Turn::new(fired, &out))
}

impl Bare {
    /// Records what one post does, and serves a service that does the same.
    async fn open(posts: &Posts) -> anyhow::Result<Self> {
        let newsroom = &posts.newsroom;
        let ids = posts.approved(posts.accounts.get(..1).context("an account")?).await?;
        let due = posts::soon(1)?;
        let planned: Vec<_> = ids.iter().map(|id| (*id, due)).collect();
        posts.schedule(&planned).await?;
        posts.out(&ids).await?;
        let key = ids.first().context("a post")?;
        let sql = format!(
            "SELECT id FROM sys_invocation WHERE target_service_name = 'Publication' AND target_service_key = '{key}' AND target_handler_name = 'fire'"
        );
        let fire = newsroom.engine.query(&sql).await?;
        let fire = fire.first().and_then(|row| row["id"].as_str()).context("the timer's invocation")?;
        let recording = Recording::read(&newsroom.engine, fire).await?;
        tell_shape(&recording);

        let threads = Threads::named("bare")?;
        let (fired, out) = (Times::default(), Times::default());
        let database = bare::rows_table(&posts.owner, newsroom.app_url(), &threads).await?;
        let url = format!("{}/api/v1/statuses", newsroom.mastodon.base_url());
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
        let (client, seen, gone) = (http.clone(), fired.clone(), out.clone());
        let accounts = u128::try_from(posts.accounts.len())?;
        let known = Arc::new(Known {
            recording,
            database,
            others: Box::new(move |step| {
                if step != REQUEST {
                    return futures::future::ready(Ok(())).boxed();
                }
                let (client, url) = (client.clone(), url.clone());
                async move {
                    let id = Uuid::now_v7();
                    let token = format!("token-of-desk-{}", id.as_u128() % accounts);
                    let body = json!({ "status": format!("Beans of lot {} came in on the morning boat.", id.simple()) });
                    let answer = client.post(url).bearer_auth(token).header("idempotency-key", id.to_string()).json(&body).send().await?;
                    answer.error_for_status()?.bytes().await?;
                    Ok(())
                }
                .boxed()
            }),
            done: Box::new(move |step| match step {
                FIRST_STEP => seen.note(),
                LAST_STEP => gone.note(),
                _ => {}
            }),
        });
        newsroom.engine.register(&Url::parse(&format!("http://{}", bare::serve(&threads, &known).await?))?).await?;
        Ok(Self { known, fired, out, ingress: newsroom.stack.ingress_url().clone(), http, _threads: threads })
    }

    async fn turn(&self, count: usize, effects: Effects) -> anyhow::Result<Turn> {
        let due = posts::soon(count)?;
        futures::stream::iter((0..count).map(|_| self.set(due, effects))).buffer_unordered(CLIENTS).try_collect::<Vec<()>>().await?;
        posts::in_time(due)?;
        for earlier in [&self.fired, &self.out] {
            earlier.take(due);
        }
        let started = Instant::now();
        while self.out.count() < count {
            ensure!(started.elapsed() < PATIENCE, "the bare service did not end in time");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // What trails behind is not to burden whoever is next.
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(Turn::new(self.fired.take(due), &self.out.take(due)))
    }

    /// Sets one timer.
    async fn set(&self, due: DateTime<Utc>, effects: Effects) -> anyhow::Result<()> {
        let key = Uuid::now_v7().to_string();
        let delay = (due - Utc::now()).num_milliseconds().max(0);
        let url = self.ingress.join(&format!("restate/send/BareObject/{key}/run?delay={delay}ms"))?;
        let answer = self.http.post(url).json(&self.known.ask(0, &key, effects)).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "the engine answered {status}: {}", answer.text().await?);
        Ok(())
    }
}

fn tell_shape(recording: &Recording) {
    let (calls, sends, later) = recording.calls();
    println!(
        "\nA post, from its due time on: {} invocations, {calls} calls, {sends} sends, {later} sends for later",
        recording.nodes.len()
    );
    for (what, counts) in [("invocations", recording.invocations()), ("steps", recording.steps())] {
        let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        println!("  {what}: {}", counts.join(", "));
    }
}
