//! `cargo bench -p e2e`: our figures, each beside its baseline and its goal, measured in one run on the machine at hand.
//!
//! `cargo bench -p e2e -- throughput` measures the first figure only.
//!
//! Ours and the baseline take turns, so that a machine that slows down slows both. Nothing here passes or fails: a figure that misses its goal is
//! printed as missed, with where the time went.

mod bare;
mod cpu;
mod first_variant;
mod idle;
mod plain_model;
mod recording;
mod spread;
mod stage;
mod start;
mod table;
mod throughput;

use stage::Stage;
use table::Figure;

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` runs this as well; only `cargo bench` says so.
    let arguments: Vec<String> = std::env::args().collect();
    let only_throughput = arguments.iter().any(|argument| argument == "throughput");
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("figures are measured by `cargo bench -p e2e`");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("bench").enable_all().build()?;
    runtime.block_on(async {
        let started = std::time::Instant::now();
        let mut figures: Vec<Figure> = Vec::new();
        let stage = Box::pin(Stage::open()).await?;
        table::print_machine(&stage).await?;
        figures.extend(Box::pin(throughput::measure(&stage)).await?);
        // What there is already, should something later fail.
        table::print(&figures);
        if only_throughput {
            return Ok(());
        }
        figures.push(Box::pin(start::measure(&stage)).await?);
        figures.push(Box::pin(first_variant::measure(&stage)).await?);
        drop(stage);
        figures.push(Box::pin(idle::measure()).await?);
        table::print(&figures);
        println!("\nmeasured in {:.0} s", started.elapsed().as_secs_f64());
        Ok(())
    })
}
