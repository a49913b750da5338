//! A hundred thousand posts, planned for a day a month away: what the last thousand cost beside the first, in time and in memory; how long the engine
//! takes to be there again with all of them; and whether what is due next is still on time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use domain::ids::{ConnectorId, PostId};

use crate::{
    cpu::{self, Stat},
    posts::{self, Posts},
    spread::share,
    table::Figure,
};

/// As many posts are looked at together.
const LOT: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(120);
const MIB: f64 = 1024.0 * 1024.0;

/// Bytes.
#[derive(Debug, Clone, Copy)]
struct Memory {
    engine: f64,
    database: f64,
    /// This process: the worker, the stand-ins and who measures.
    worker: f64,
}

/// How a lot was.
struct Lot {
    /// Milliseconds for a post, with so many under way as there are clients.
    each: f64,
    memory: Memory,
}

/// Measures it, and returns the figures.
pub(crate) async fn measure(accounts: usize, count: usize) -> anyhow::Result<Vec<Figure>> {
    let posts = Box::pin(Posts::open(accounts)).await?;
    let month = (Utc::now() + TimeDelta::days(30)).duration_trunc(TimeDelta::seconds(1))?;
    // Connections, caches and code are warm afterwards.
    lot(&posts, month).await?;
    let due_before = due(&posts).await?;
    let started_before = restart(&posts, month).await?;
    let before = Memory::now()?;

    let mut lots = Vec::new();
    for n in 0..count / LOT {
        // Over a day, as many at each second as there may be.
        let at = month + TimeDelta::seconds(i64::try_from(n * 864 * LOT / count)?);
        lots.push(lot(&posts, at).await?);
    }
    let (first, last) = (lots.first().context("a lot")?, lots.last().context("a lot")?);
    println!(
        "\n{} posts scheduled, {} at a time. After so many: ms a post in the last lot of {LOT}; MiB of memory (PSS)",
        lots.len() * LOT,
        posts::CLIENTS
    );
    println!("  {:>8}  {:>8}  {:>14}  {:>10}  {:>12}", "posts", "ms", "restate-server", "PostgreSQL", "this process");
    let tenth = (lots.len() / 10).max(1);
    for (n, lot) in lots.iter().enumerate().filter(|(n, _)| *n == 0 || (n + 1) % tenth == 0) {
        let Memory { engine, database, worker } = lot.memory;
        println!("  {:>8}  {:>8.2}  {:>14.1}  {:>10.1}  {:>12.1}", (n + 1) * LOT, lot.each, engine / MIB, database / MIB, worker / MIB);
    }
    // A thousand posts are less than what a cache gains or loses meanwhile: memory is compared by tenths of the whole.
    let early = lots.get(tenth - 1).context("a lot")?.memory;
    let late = lots.len().checked_sub(tenth + 1).and_then(|n| lots.get(n)).map_or(before, |lot| lot.memory);
    let (first_tenth, last_tenth) = (grown(before, early, tenth), grown(late, last.memory, tenth));

    let started_after = restart(&posts, month).await?;
    let due_after = due(&posts).await?;
    let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM posts WHERE status = 'scheduled'").fetch_one(&posts.owner).await?;
    let timers = posts
        .newsroom
        .engine
        .query("SELECT count(*) AS n FROM sys_invocation WHERE status = 'scheduled' AND target_service_name = 'Publication'")
        .await?;
    let timers = timers.first().and_then(|row| row["n"].as_i64()).context("a count")?;
    ensure!(timers == waiting, "{waiting} posts are scheduled, and {timers} timers are set");

    Ok(vec![
        Figure {
            name: "scheduling, a post of the last thousand / of the first",
            ours: format!("{:.2} ms", last.each),
            baseline: format!("{:.2} ms", first.each),
            result: format!("ratio {:.2}", last.each / first.each),
            goal: "<= 1.1",
            met: Some(last.each / first.each <= 1.1),
        },
        Figure {
            name: "memory of a scheduled post, in the last tenth / in the first",
            ours: format!("{last_tenth:.0} bytes"),
            baseline: format!("{first_tenth:.0} bytes"),
            result: format!("ratio {:.2}", last_tenth / first_tenth),
            goal: "<= 1.1",
            met: Some(last_tenth <= 1.1 * first_tenth.max(0.0)),
        },
        Figure {
            name: "engine killed, until it plans a post again / with none",
            ours: format!("{started_after:.2} s"),
            baseline: format!("{started_before:.2} s"),
            result: format!("+{:.2} s", started_after - started_before),
            goal: "",
            met: None,
        },
        Figure {
            name: "next due with all of them, p99 / with none",
            ours: format!("{due_after:.0} ms"),
            baseline: format!("{due_before:.0} ms"),
            result: format!("+{:.0} ms", due_after - due_before),
            goal: "<= 100 ms",
            met: Some(due_after <= 100.0),
        },
    ])
}

/// Plans a lot for this time, and returns how it was.
async fn lot(posts: &Posts, at: DateTime<Utc>) -> anyhow::Result<Lot> {
    let ids = posts.approved(&accounts(posts, LOT)).await?;
    let planned: Vec<(PostId, DateTime<Utc>)> = ids.into_iter().map(|id| (id, at)).collect();
    let started = Instant::now();
    posts.schedule(&planned).await?;
    let each = started.elapsed().as_secs_f64() * 1000.0 / LOT as f64;
    Ok(Lot { each, memory: Memory::now()? })
}

fn accounts(posts: &Posts, count: usize) -> Vec<ConnectorId> {
    posts.accounts.iter().copied().cycle().take(count).collect()
}

/// How late the timers of a hundred posts go off, one on each account, ms: 99 of them are not later.
async fn due(posts: &Posts) -> anyhow::Result<f64> {
    let ids = posts.approved(&posts.accounts).await?;
    let due = posts::soon(ids.len())?;
    let planned: Vec<_> = ids.iter().map(|id| (*id, due)).collect();
    posts.schedule(&planned).await?;
    posts::in_time(due)?;
    posts.fires.take(due);
    posts.out(&ids).await?;
    let fired = posts.fires.take(due);
    ensure!(fired.len() == ids.len(), "{} timers went off for {} posts", fired.len(), ids.len());
    let early = fired.iter().filter(|late| **late < 0.0).count();
    ensure!(early == 0, "{early} timers went off before their time");
    Ok(share(fired, 0.99))
}

/// Kills the engine and starts it again; seconds from its start until it has planned a post.
async fn restart(posts: &Posts, at: DateTime<Utc>) -> anyhow::Result<f64> {
    let ids = posts.approved(posts.accounts.get(..1).context("an account")?).await?;
    let planned: Vec<_> = ids.into_iter().map(|id| (id, at)).collect();
    posts.newsroom.stack.kill9_restate();
    let started = Instant::now();
    posts.newsroom.stack.restart_restate().await?;
    while let Err(error) = posts.schedule(&planned).await {
        // It answers before it knows its deployments.
        ensure!(started.elapsed() < PATIENCE, "the engine did not come back: {error:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Bytes that each post of so many lots took.
fn grown(before: Memory, after: Memory, lots: usize) -> f64 {
    let all = |memory: Memory| memory.engine + memory.database + memory.worker;
    (all(after) - all(before)) / (lots * LOT) as f64
}

impl Memory {
    fn now() -> anyhow::Result<Self> {
        let me = std::process::id();
        let processes = cpu::tree(me);
        let of = |is: &dyn Fn(&Stat) -> bool| -> f64 {
            processes.iter().filter(|process| is(process)).filter_map(Stat::pss).map(|bytes| bytes as f64).sum()
        };
        let memory =
            Self { engine: of(&|p| p.name == "restate-server"), database: of(&|p| p.name == "postgres"), worker: of(&|p| p.pid == me) };
        ensure!(memory.engine > 0.0 && memory.database > 0.0, "the memory of the servers cannot be read");
        Ok(memory)
    }
}
