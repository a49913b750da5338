//! How figures are printed.

use crate::stage::Stage;

/// One figure, beside its baseline and its goal.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) ours: String,
    pub(crate) baseline: String,
    /// The ratio, the difference, or the figure itself.
    pub(crate) result: String,
    pub(crate) goal: &'static str,
    /// `None`: printed for comparison, without a goal.
    pub(crate) met: Option<bool>,
}

/// What the figures were measured on.
pub(crate) async fn print_machine(stage: &Stage) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = |name: &str| -> Option<f64> { meminfo.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok() };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    let profile = if cfg!(debug_assertions) { "unoptimised: these figures say nothing" } else { "optimised (bench, as release)" };
    println!("Pressroom's figures, {}", chrono::Utc::now().format("%Y-%m-%d %H:%M UTC"));
    println!(
        "machine: {cores} cores, {:.1} GiB of memory, {} {}; load before the run {load}",
        kib("MemTotal:").unwrap_or(f64::NAN) / 1024.0 / 1024.0,
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    println!("build: {profile}; Pressroom {}, Rust {} or later", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_RUST_VERSION"));
    println!("servers: {}; both on this machine, PostgreSQL without fsync", stage.versions().await?);
    println!("readings are medians with their quartiles: median [lower .. upper]");
    Ok(())
}

/// The table.
pub(crate) fn print(figures: &[Figure]) {
    let met = |figure: &Figure| match figure.met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "",
    };
    let mut rows = vec![["figure", "ours", "baseline", "result", "goal", ""].map(ToOwned::to_owned)];
    for figure in figures {
        let cells = [figure.name, &figure.ours, &figure.baseline, &figure.result, figure.goal, met(figure)];
        rows.push(cells.map(ToOwned::to_owned));
    }
    println!();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
            line.push_str(&format!("{cell:<width$}  "));
        }
        println!("{}", line.trim_end());
    }
}
