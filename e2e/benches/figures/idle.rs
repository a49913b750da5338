//! Memory of `pressroom up` when nothing happens: the binary, restate-server and PostgreSQL, each page counted once.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use e2e::up::Up;

use crate::{cpu, spread::Spread, table::Figure};

/// How long it is left alone before it is looked at.
const SETTLE: Duration = Duration::from_secs(20);
/// Looks, a second apart.
const LOOKS: usize = 5;
const MIB: f64 = 1024.0 * 1024.0;

/// Measures it and prints every program.
pub(crate) async fn measure() -> anyhow::Result<Figure> {
    let folder = e2e::up::folder()?;
    let up = Up::start(folder.path(), "idle", &[])?;
    up.ready().await?;
    tokio::time::sleep(SETTLE).await;
    let mut sums = Vec::new();
    for _ in 0..LOOKS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sums.push(mib(&cpu::tree(up.id())));
    }
    let processes = cpu::tree(up.id());
    println!("\nIdle memory of `pressroom up` {} s after it was ready, MiB (PSS):", SETTLE.as_secs());
    for (name, (count, bytes)) in by_program(&processes)? {
        let name = if count == 1 { name } else { format!("{name} ({count} processes)") };
        println!("  {name:<28} {:>7.1}", bytes as f64 / MIB);
    }
    up.interrupt().await?;
    let sum = Spread::of(sums);
    Ok(Figure {
        name: "idle memory of the whole stack",
        ours: format!("{sum:.0} MiB"),
        baseline: String::new(),
        result: format!("{:.0} MB", sum.median * MIB / 1e6),
        goal: "<= 250 MB",
        met: Some(sum.median * MIB / 1e6 <= 250.0),
    })
}

/// How many processes each program has, and their bytes.
fn by_program(processes: &[cpu::Stat]) -> anyhow::Result<BTreeMap<String, (usize, u64)>> {
    let mut programs: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for process in processes {
        let bytes = process.pss().with_context(|| format!("the memory of {} cannot be read", process.name))?;
        let (count, sum) = programs.entry(process.name.clone()).or_default();
        (*count, *sum) = (*count + 1, *sum + bytes);
    }
    Ok(programs)
}

fn mib(processes: &[cpu::Stat]) -> f64 {
    processes.iter().filter_map(cpu::Stat::pss).map(|bytes| bytes as f64 / MIB).sum()
}
