//! Tells whether a process id still means the process that was started: ids are used again, a start time and a program's name are not.

use serde::{Deserialize, Serialize};

/// What a process is, beyond its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// When it started, in the system's own notation: clock ticks since boot on Linux, a date elsewhere.
    pub(crate) started: String,
    /// The program's name as the system keeps it.
    pub(crate) program: String,
}

/// The process of this id, if one runs. One that has ended and only waits for its parent to notice does not count.
#[cfg(target_os = "linux")]
pub(crate) fn of(pid: u32) -> Option<Identity> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (program, fields) = parse_stat(&stat)?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // Counted from the state, which is field 3 of proc(5): the start time is field 22.
    if matches!(*fields.first()?, "Z" | "X") && !has_live_threads(pid) {
        return None;
    }
    Some(Identity { pid, started: (*fields.get(19)?).to_owned(), program: program.to_owned() })
}

/// A process shows as ended as soon as its first thread is, while the others may hold its files, locks and ports for a moment longer.
#[cfg(target_os = "linux")]
fn has_live_threads(pid: u32) -> bool {
    std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|threads| threads.count() > 1)
}

/// The process of this id, if one runs. One that has ended and only waits for its parent to notice does not count.
#[cfg(not(target_os = "linux"))]
pub(crate) fn of(pid: u32) -> Option<Identity> {
    let output =
        std::process::Command::new("ps").args(["-o", "stat=,lstart=,comm=", "-p", &pid.to_string()]).env("LC_ALL", "C").output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    // A state, then five words of a date such as `Sat Nov 21 00:28:13 2026`, then the program.
    if words.len() < 7 || words[0].starts_with('Z') {
        return None;
    }
    Some(Identity { pid, started: words[1..6].join(" "), program: words[6..].join(" ") })
}

/// The ids of all processes below `pid`, at any depth.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let parents = parents();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        next += 1;
    }
    found.remove(0);
    found
}

#[cfg(target_os = "linux")]
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let parent = parse_stat(&stat)?.1.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent))
    })
    .collect()
}

#[cfg(not(target_os = "linux"))]
fn parents() -> Vec<(u32, u32)> {
    let Ok(output) = std::process::Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .collect()
}

/// The name between the outermost parentheses (it may hold any character, parentheses too) and what follows it.
#[cfg(target_os = "linux")]
fn parse_stat(stat: &str) -> Option<(&str, &str)> {
    let open = stat.find('(')?;
    let close = stat.rfind(')')?;
    Some((stat.get(open + 1..close)?, stat.get(close + 1..)?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn two_processes_differ_and_an_ended_one_is_gone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let first = of(child.id()).unwrap();
        assert_eq!(of(child.id()).as_ref(), Some(&first), "the same process reads the same twice");
        assert!(descendants(std::process::id()).contains(&child.id()));
        assert_ne!(of(std::process::id()).unwrap(), first);
        child.kill().unwrap();
        // Not yet waited for: it is a zombie, or already away.
        while of(child.id()).is_some() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!descendants(std::process::id()).contains(&first.pid));
    }

    /// A server that ends looks like this for a moment, too short to catch: its first thread is gone, another still runs.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_whose_first_thread_has_ended_still_runs() {
        let exit = if cfg!(target_arch = "aarch64") { 93 } else { 60 };
        let script = format!(
            "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(1000,)).start(); ctypes.CDLL(None).syscall({exit}, 0)"
        );
        let mut child = Command::new("python3").args(["-c", &script]).spawn().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
            assert_eq!(child.try_wait().unwrap(), None);
            std::thread::yield_now();
        }
        let seen = of(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen.is_some());
        assert_eq!(of(child.id()), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        assert_eq!(parse_stat("12 (a) b (c) S 1 2"), Some(("a) b (c", " S 1 2")));
    }
}
