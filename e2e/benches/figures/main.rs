//! `cargo bench -p e2e`: our figures, each beside its baseline and its goal, measured in one run on the machine at hand.
//!
//! `cargo bench -p e2e -- throughput` measures the first figures only; `start`, `first-variant`, `due`, `busy`, `scheduled` and `idle` are the others,
//! and several may be named. `--posts 100` makes a thousand posts a hundred, and `--scheduled 5000` a hundred thousand five: to see that all of it works.
//!
//! Ours and the baseline take turns, so that a machine that slows down slows both. Nothing here passes or fails: a figure that misses its goal is
//! printed as missed, with where the time went.

mod bare;
mod busy;
mod cpu;
mod due;
mod first_variant;
mod idle;
mod plain_model;
mod posts;
mod recording;
mod scheduled;
mod spread;
mod stage;
mod start;
mod table;
mod throughput;

use anyhow::{Context as _, bail, ensure};
use posts::Posts;
use stage::Stage;
use table::Figure;

const FIGURES: [&str; 7] = ["throughput", "start", "first-variant", "due", "busy", "scheduled", "idle"];

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` runs this as well; only `cargo bench` says so.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("figures are measured by `cargo bench -p e2e`");
        return Ok(());
    }
    let asked = Asked::read(&arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("bench").enable_all().build()?;
    runtime.block_on(async {
        let started = std::time::Instant::now();
        let mut figures: Vec<Figure> = Vec::new();
        let stage = Box::pin(Stage::open()).await?;
        table::print_machine(&stage).await?;
        if asked.is("throughput") {
            figures.extend(Box::pin(throughput::measure(&stage)).await?);
            // What there is already, should something later fail.
            table::print(&figures);
        }
        if asked.is("start") {
            figures.push(Box::pin(start::measure(&stage)).await?);
        }
        if asked.is("first-variant") {
            figures.push(Box::pin(first_variant::measure(&stage)).await?);
        }
        drop(stage);
        if asked.is("due") || asked.is("busy") {
            let posts = Box::pin(Posts::open(asked.posts)).await?;
            if asked.is("due") {
                figures.extend(Box::pin(due::measure(&posts)).await?);
            }
            if asked.is("busy") {
                figures.extend(Box::pin(busy::measure(&posts)).await?);
            }
            table::print(&figures);
        }
        if asked.is("scheduled") {
            figures.extend(Box::pin(scheduled::measure(asked.posts.min(100), asked.scheduled)).await?);
        }
        if asked.is("idle") {
            figures.push(Box::pin(idle::measure()).await?);
        }
        table::print(&figures);
        println!("\nmeasured in {:.0} s", started.elapsed().as_secs_f64());
        Ok(())
    })
}

/// What is to be measured.
struct Asked {
    /// Empty for everything.
    names: Vec<String>,
    /// Posts that are due at once.
    posts: usize,
    /// Posts that are scheduled.
    scheduled: usize,
}

impl Asked {
    fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let mut asked = Self { names: Vec::new(), posts: 1_000, scheduled: 100_000 };
        let mut arguments = arguments.iter().filter(|argument| *argument != "--bench");
        while let Some(argument) = arguments.next() {
            let mut number = || -> anyhow::Result<usize> { Ok(arguments.next().context("a number")?.parse()?) };
            match argument.as_str() {
                "--posts" => asked.posts = number()?,
                "--scheduled" => asked.scheduled = number()?,
                name if FIGURES.contains(&name) => asked.names.push(name.to_owned()),
                other => bail!("no figure is called `{other}`: there are {}", FIGURES.join(", ")),
            }
        }
        // A share of them is asked for, and a tenth is looked at at a time.
        ensure!(asked.posts >= 10 && asked.scheduled >= 1_000, "fewer would say nothing");
        Ok(asked)
    }

    fn is(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|asked| asked == name)
    }
}
