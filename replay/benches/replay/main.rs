//! Figures of this crate, beside its goals: entries replayed in a second, many journals verified, memory, export of a large tree.
//!
//! `cargo bench -p replay`. A journal is recorded on a real server first. Nothing here passes or fails: a figure that misses its goal is printed
//! as missed.

use std::{fs, path::Path, time::Instant};

mod shop;

use replay::{Replayer, Run, Verify};
use shop::{Result, Shop};

const GOAL_ENTRIES: f64 = 150_000.0;
const GOAL_VERIFY_SECONDS: f64 = 10.0;
/// What may be more at the end than after a tenth of the journals, in MiB: the noise of an allocator, not a share of the journals.
const GOAL_GROWTH: f64 = 8.0;
const JOURNALS: usize = 10_000;
/// Calls of the tree's root, and of each of those: with the root, a thousand runs.
const TREE: (u32, u32) = (27, 36);

#[tokio::main]
async fn main() -> Result<()> {
    // `cargo test --benches` runs this as well; only `cargo bench` says so.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("figures are measured by `cargo bench -p replay`");
        return Ok(());
    }
    let shop = Shop::open().await?;
    let run = shop.journal().await?;
    println!("A journal of {} entries, {} cores.", run.journal.len(), std::thread::available_parallelism()?);
    export(&shop).await?;
    drop(shop);
    one_core(&run).await?;
    many(&run).await
}

async fn export(shop: &Shop) -> Result<()> {
    let id = shop.run("spread", &serde_json::json!([TREE.0, TREE.1])).await?;
    let began = Instant::now();
    let bundle = shop.export().run(&id).await?;
    let took = began.elapsed().as_secs_f64();
    let bytes = bundle.to_bytes()?.len() as f64 / 1024.0;
    println!("  export of a tree of {} runs, {} entries: {took:.2} s, {bytes:.0} KiB", bundle.runs.len(), bundle.entries());
    Ok(())
}

async fn one_core(run: &Run) -> Result<()> {
    let replayer = Replayer::new(shop::endpoint());
    let report = replayer.replay(run).await;
    if !report.is_faithful() {
        return Err(report.to_string().into());
    }
    let (began, mut entries) = (Instant::now(), 0);
    while began.elapsed().as_secs_f64() < 3.0 {
        for _ in 0..100 {
            entries += replayer.replay(run).await.entries;
        }
    }
    row("entries replayed, one after the other", entries as f64 / began.elapsed().as_secs_f64(), GOAL_ENTRIES, "/s", true);
    Ok(())
}

async fn many(run: &Run) -> Result<()> {
    let (few, all) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write(run, few.path(), JOURNALS / 10)?;
    write(run, all.path(), JOURNALS)?;
    let verify = Verify::new(Replayer::new(shop::endpoint()));
    verify.folder(few.path()).await?;
    let with_few = memory();
    let began = Instant::now();
    let report = verify.folder(all.path()).await?;
    let took = began.elapsed().as_secs_f64();
    if !report.is_safe() || report.counts.runs != JOURNALS {
        return Err(report.to_string().into());
    }
    row(&format!("{JOURNALS} journals verified, from files"), took, GOAL_VERIFY_SECONDS, " s", false);
    println!("  that is {:.0} entries/s, files included", report.counts.entries as f64 / took);
    let grown = memory().saturating_sub(with_few) as f64 / 1024.0;
    println!("  most memory with {} journals: {:.0} MiB", JOURNALS / 10, with_few as f64 / 1024.0);
    row(&format!("most memory with {JOURNALS} journals: more by"), grown, GOAL_GROWTH, " MiB", false);
    Ok(())
}

fn row(what: &str, figure: f64, goal: f64, unit: &str, more_is_better: bool) {
    let reached = if more_is_better { figure >= goal } else { figure <= goal };
    let sign = if reached { "reached" } else { "MISSED" };
    println!("  {what}: {figure:.2}{unit} (goal {goal}{unit}: {sign})");
}

fn write(run: &Run, folder: &Path, journals: usize) -> Result<()> {
    for number in 0..journals {
        shop::another(run, number).save(folder.join(format!("{number:06}.bundle")))?;
    }
    Ok(())
}

/// The most memory that this process ever had, in KiB; 0 where that cannot be told.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
