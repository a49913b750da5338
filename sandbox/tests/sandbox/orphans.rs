//! What a `kill -9` on the process that holds the servers leaves behind, and what the next start makes of it. The holder is this very test
//! program, started again for one ignored test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::servers::{SandboxError, ServerSettings, Stack, StackOptions};
use secrecy::ExposeSecret;
use sqlx::Connection;

const FOLDER: &str = "PRESSROOM_TEST_HOLDER";
const READY: &str = "holding";

fn options(folder: &Path) -> StackOptions {
    let servers = ServerSettings { pinned_only: true, ..ServerSettings::default() };
    StackOptions { servers, durable: false, ..StackOptions::new(folder) }
}

/// Not a test by itself: the process that the others kill.
#[tokio::test]
#[ignore = "started by the other tests of this file"]
async fn holder() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut stack = Stack::start(&options(Path::new(&folder))).await.unwrap();
    stack.publish(&[("admin".to_owned(), stack.admin_url().to_string())]).unwrap();
    println!("{READY}");
    stack.supervise().await;
}

struct Holder {
    child: Child,
    folder: tempfile::TempDir,
}

/// The ids in a server's record: the server's and its watch's.
fn recorded(folder: &Path, server: &str) -> (i32, i32) {
    let json = fs::read(folder.join(format!("run/{server}.json"))).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let id = |who: &str| i32::try_from(record[who]["pid"].as_i64().unwrap()).unwrap();
    (id("server"), id("watch"))
}

/// Whether the process lives. One that has ended may stay as a zombie where nobody takes care of orphans, as in many containers.
fn is_running(pid: i32) -> bool {
    let state = if cfg!(target_os = "linux") {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().unwrap_or_default().trim().to_owned()
    } else {
        let ps = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
        String::from_utf8_lossy(&ps.stdout).trim().to_owned()
    };
    !state.is_empty() && !state.starts_with('Z')
}

/// Waits for long enough that only a condition which never comes fails.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain for: {what}");
}

impl Holder {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "orphans::holder", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let holder = Self { child, folder };
        assert!(output.lines().any(|line| line.unwrap().contains(READY)), "the holder ended before its servers were ready");
        holder
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // The watches end the servers.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_second_start_says_who_runs_and_where() {
    let holder = Holder::start();
    let error = Stack::start(&options(holder.folder())).await.unwrap_err();
    let SandboxError::AlreadyRunning { pid, urls, .. } = &error else { panic!("{error}") };
    assert_eq!(*pid, holder.child.id());
    assert!(urls[0].1.starts_with("http://127.0.0.1:"), "{error}");
    assert!(is_running(recorded(holder.folder(), "postgres").0), "the first goes on untouched");
}

#[tokio::test]
async fn servers_end_by_themselves_after_kill_9_on_their_holder() {
    let mut holder = Holder::start();
    let (restate, restate_watch) = recorded(holder.folder(), "restate");
    let (postgres, postgres_watch) = recorded(holder.folder(), "postgres");
    let all = [restate, postgres, restate_watch, postgres_watch];
    assert!(all.into_iter().all(is_running));
    holder.kill9();
    until("servers and watches are gone", || !all.into_iter().any(is_running)).await;
}

#[tokio::test]
async fn the_next_start_ends_orphans_and_goes_on_with_their_data() {
    let mut holder = Holder::start();
    let (restate, restate_watch) = recorded(holder.folder(), "restate");
    let (postgres, postgres_watch) = recorded(holder.folder(), "postgres");
    // Without the watches nobody ends the servers when the holder dies.
    for watch in [restate_watch, postgres_watch] {
        kill(Pid::from_raw(watch), Signal::SIGKILL).unwrap();
    }
    holder.kill9();
    assert!(is_running(restate) && is_running(postgres), "real orphans");

    let stack = Stack::start(&options(holder.folder())).await.unwrap();
    assert!(!is_running(restate) && !is_running(postgres), "the orphans are gone");
    sqlx::PgConnection::connect(stack.superuser_url().expose_secret()).await.unwrap();
    assert_ne!(recorded(holder.folder(), "postgres").0, postgres);
    let answered = reqwest::get(stack.admin_url().join("health").unwrap()).await.unwrap();
    assert!(answered.status().is_success());
    stack.stop().await;
}

#[tokio::test]
async fn an_orphan_without_a_record_is_found_by_its_own_pid_file() {
    let mut holder = Holder::start();
    let (postgres, watch) = recorded(holder.folder(), "postgres");
    kill(Pid::from_raw(watch), Signal::SIGKILL).unwrap();
    holder.kill9();
    fs::remove_file(holder.folder().join("run/postgres.json")).unwrap();
    assert!(is_running(postgres));
    let stack = Stack::start(&options(holder.folder())).await.unwrap();
    assert!(!is_running(postgres));
    stack.stop().await;
}
