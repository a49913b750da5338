//! Who used the processor, and the memory: read from `/proc`, so Linux only. On other systems every reading is empty.

use std::{collections::BTreeMap, fs, path::Path};

/// Linux counts processor time in hundredths of a second for user space, on every architecture that Rust's standard library supports.
const TICK_MS: f64 = 10.0;

/// Milliseconds of processor time since the start, by thread of this process and by program of its descendants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used(BTreeMap<String, f64>);

impl Used {
    /// A reading.
    pub(crate) fn now() -> Self {
        let me = std::process::id();
        let mut used: BTreeMap<String, f64> = BTreeMap::new();
        for thread in entries(Path::new("/proc/self/task")) {
            if let Some(stat) = Stat::read(&Path::new("/proc/self/task").join(thread.to_string())) {
                // Threads for blocking work carry their runtime's name as well.
                *used.entry(stat.name).or_default() += stat.ms;
            }
        }
        for stat in tree(me).into_iter().filter(|stat| stat.pid != me) {
            *used.entry(stat.name).or_default() += stat.ms;
        }
        Self(used)
    }

    /// What was used since an earlier reading, for each of `times`.
    pub(crate) fn since(&self, before: &Self, times: f64) -> BTreeMap<String, f64> {
        let used = |(name, ms): (&String, &f64)| (name.clone(), (ms - before.0.get(name).copied().unwrap_or_default()) / times);
        self.0.iter().map(used).filter(|(_, ms)| *ms > 0.005).collect()
    }
}

/// A process or thread.
#[derive(Debug, Clone)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) name: String,
    parent: u32,
    ms: f64,
}

impl Stat {
    fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join("stat")).ok()?;
        // pid (name) state parent ...: the name may hold spaces and brackets, so the last bracket ends it (proc_pid_stat(5)).
        let (head, rest) = text.rsplit_once(") ")?;
        let (pid, name) = head.split_once(" (")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        // utime and stime are fields 14 and 15 of all, 11 and 12 after the name.
        let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        Some(Self { pid: pid.parse().ok()?, name: name.to_owned(), parent: fields.get(1)?.parse().ok()?, ms: ticks * TICK_MS })
    }

    /// The share of memory that is this process's: its own pages, and of shared ones its part. Bytes.
    pub(crate) fn pss(&self) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }
}

/// A process and all that descend from it.
pub(crate) fn tree(root: u32) -> Vec<Stat> {
    let all: Vec<Stat> =
        entries(Path::new("/proc")).into_iter().filter_map(|pid| Stat::read(&Path::new("/proc").join(pid.to_string()))).collect();
    let mut found: Vec<Stat> = all.iter().filter(|stat| stat.pid == root).cloned().collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|stat| stat.pid) {
        found.extend(all.iter().filter(|stat| stat.parent == parent && stat.pid != root).cloned());
        next += 1;
    }
    found
}

fn entries(folder: &Path) -> Vec<u32> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
