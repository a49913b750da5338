//! Memory of `pressroom up` when nothing happens: the binary, restate-server and PostgreSQL, each page counted once.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use crate::{cpu, spread::Spread, table::Figure};

/// How long it is left alone before it is looked at.
const SETTLE: Duration = Duration::from_secs(20);
/// Looks, a second apart.
const LOOKS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(120);
const MIB: f64 = 1024.0 * 1024.0;

/// Measures it and prints every program.
pub(crate) async fn measure() -> anyhow::Result<Figure> {
    let binary = e2e::process::binary()?;
    let folder = tempfile::Builder::new().prefix("pressroom-bench-").tempdir()?;
    // As root, PostgreSQL runs under another account and has to get in.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
    let mut up = Up::start(&binary, folder.path())?;
    up.wait_until_ready().await?;
    tokio::time::sleep(SETTLE).await;
    let mut sums = Vec::new();
    for _ in 0..LOOKS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sums.push(mib(&cpu::tree(up.child.id())));
    }
    let processes = cpu::tree(up.child.id());
    println!("\nIdle memory of `pressroom up` {} s after it was ready, MiB (PSS):", SETTLE.as_secs());
    for (name, (count, bytes)) in by_program(&processes)? {
        let name = if count == 1 { name } else { format!("{name} ({count} processes)") };
        println!("  {name:<28} {:>7.1}", bytes as f64 / MIB);
    }
    up.stop().await?;
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

/// A running `pressroom up`; dropping it ends it.
struct Up {
    child: Child,
    output: PathBuf,
}

impl Up {
    fn start(binary: &Path, folder: &Path) -> anyhow::Result<Self> {
        let output = folder.join("output");
        let file = fs::File::create(&output)?;
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PRESSROOM__") {
                command.env_remove(name);
            }
        }
        command.arg("up").current_dir(folder).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self { child: command.spawn()?, output })
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(&self.output)?;
            if text.contains("Pressroom is up.") {
                return Ok(());
            }
            ensure!(self.child.try_wait()?.is_none() && Instant::now() < give_up, "`pressroom up` did not come up: {text}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// As Ctrl-C would.
    async fn stop(&mut self) -> anyhow::Result<()> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id())?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
        let give_up = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < give_up, "`pressroom up` did not stop");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // An error means that it has ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
