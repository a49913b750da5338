//! A server as a child process: started in its own process group with its output in a log, recorded on disk so that the next start can end
//! it if we die first, watched so that it normally ends with us anyway, and stopped by signal.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::error::SandboxError;
use super::identity::{self, Identity};
use super::log::Log;

/// How often a process is looked at while it should start or stop.
pub(crate) const LOOK: Duration = Duration::from_millis(20);
/// How long an orphan of an earlier start may take to end before it is killed.
const ORPHAN_GRACE: Duration = Duration::from_secs(15);

/// Ends the server when its standard input is closed without a word, which is what the death of our process does, however it comes.
/// Reading a line means that the server has been taken care of. Signals of a terminal's Ctrl-C are not for it.
const WATCH: &str = r#"trap '' HUP INT TERM
read -r line && exit 0
kill -s "$2" "$1" 2>/dev/null || exit 0
n=0
while [ $n -lt 100 ] && kill -0 "$1" 2>/dev/null; do sleep 0.1; n=$((n+1)); done
kill -s KILL -- "-$1" 2>/dev/null
exit 0"#;

/// How to start a server.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// Its name in messages, and of its record.
    pub(crate) server: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// Set in the server's environment.
    pub(crate) env: Vec<(String, OsString)>,
    /// Which inherited variables the server must not see.
    pub(crate) hide_env: fn(&str) -> bool,
    pub(crate) cwd: PathBuf,
    /// The account to run under, when it is not ours.
    pub(crate) account: Option<Account>,
    /// The signal that makes it stop in order, soon.
    pub(crate) stop: Signal,
    pub(crate) record: PathBuf,
    pub(crate) log: Log,
}

/// What is written down about a running server.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    server: Identity,
    watch: Option<Identity>,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    server: &'static str,
    pid: u32,
    stop: Signal,
    record: PathBuf,
    log: Log,
    log_begin: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    child: Child,
    /// Present until the server's end has been seen.
    watch: Option<Child>,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts the server and writes its record.
    ///
    /// # Errors
    /// When the program cannot be executed or the record cannot be written.
    pub(crate) fn spawn(launch: &Launch) -> Result<Self, SandboxError> {
        let (output, log_begin) = launch.log.open()?;
        let errors = output.try_clone().map_err(SandboxError::at(launch.log.path()))?;
        let mut command = Command::new(&launch.program);
        command.args(&launch.args).current_dir(&launch.cwd);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(launch.hide_env)) {
            command.env_remove(name);
        }
        command.envs(launch.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        if let Some(account) = &launch.account {
            command.uid(account.uid).gid(account.gid);
        }
        let child = while_busy(|| command.spawn()).map_err(SandboxError::system(format!("starting {}", launch.program.display())))?;
        let pid = child.id();
        // From here on the child must not be forgotten, whatever fails.
        let mut process = Self {
            server: launch.server,
            pid,
            stop: launch.stop,
            record: launch.record.clone(),
            log: launch.log.clone(),
            log_begin,
            state: Mutex::new(State { child, watch: None, ended: None }),
        };
        // Written before the watch exists and again with it, so that there is no moment at which nobody would find the server.
        let server = identity::of(pid);
        let record = |watch| match &server {
            Some(server) => write_record(&launch.record, &Record { server: server.clone(), watch }),
            None => Ok(()),
        };
        record(None)?;
        let watch = watch(pid, launch.stop).map_err(SandboxError::system(format!("starting the watch over {}", launch.server)))?;
        let watch_identity = identity::of(watch.id());
        process.state.get_mut().unwrap_or_else(PoisonError::into_inner).watch = Some(watch);
        record(watch_identity)?;
        Ok(process)
    }

    /// The server's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The last lines that this run of the server has logged.
    pub(crate) fn tail(&self) -> String {
        self.log.tail(self.log_begin)
    }

    /// How the server ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.ended.is_none()
            && let Ok(Some(status)) = state.child.try_wait()
        {
            self.note_end(&mut state, status);
        }
        state.ended
    }

    /// An error about this server that quotes its log.
    pub(crate) fn failed(&self, reason: impl Into<String>) -> SandboxError {
        let tail = self.tail();
        if tail.contains("No space left on device") {
            return SandboxError::DiskFull { path: self.log.path().to_owned() };
        }
        SandboxError::ServerFailed { server: self.server, reason: reason.into(), log: self.log.path().to_owned(), tail }
    }

    /// Asks the server to stop, waits, and kills it when it has not ended within `grace`.
    pub(crate) async fn stop(&self, grace: Duration) {
        signal(self.pid, self.stop, self.ended());
        let begin = Instant::now();
        while self.ended().is_none() {
            if begin.elapsed() > grace {
                tracing::warn!(server = self.server, "did not stop in time and is killed");
                self.kill();
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// SIGKILL to the server and everything below it; returns when the server is gone.
    pub(crate) fn kill(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.ended.is_some() {
            return;
        }
        let below = identity::descendants(self.pid);
        kill_group(self.pid);
        // PostgreSQL's own children lead process groups of their own.
        for pid in below {
            let _ = kill(nix_pid(pid), Signal::SIGKILL);
        }
        if let Ok(status) = state.child.wait() {
            self.note_end(&mut state, status);
        }
    }

    fn note_end(&self, state: &mut State, status: ExitStatus) {
        state.ended = Some(status);
        if let Some(mut watch) = state.watch.take() {
            let told = watch.stdin.take().is_some_and(|mut stdin| stdin.write_all(b"ended\n").is_ok());
            if !told {
                let _ = watch.kill();
            }
            let _ = watch.wait();
        }
        let _ = fs::remove_file(&self.record);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program that may just have been unpacked: a process that another thread is starting holds a copy of the file's handle for a
/// moment, and the system refuses to execute a file that is open for writing.
pub(crate) fn while_busy<T>(mut run: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    let mut tries = 0;
    loop {
        match run() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy && tries < 100 => tries += 1,
            answer => return answer,
        }
        std::thread::sleep(LOOK);
    }
}

fn watch(pid: u32, stop: Signal) -> std::io::Result<Child> {
    let signal = stop.as_str().trim_start_matches("SIG");
    Command::new("/bin/sh")
        .args(["-c", WATCH, "pressroom-watch", &pid.to_string(), signal])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn write_record(path: &Path, record: &Record) -> Result<(), SandboxError> {
    let json = serde_json::to_vec(record).map_err(|error| SandboxError::at(path)(error.into()))?;
    let fresh = path.with_extension("new");
    fs::write(&fresh, json).map_err(SandboxError::at(&fresh))?;
    fs::rename(&fresh, path).map_err(SandboxError::at(path))
}

/// Ends what an earlier start has left running according to its record, and removes the record. Does nothing to a process that merely has
/// the same id.
///
/// # Errors
/// When an orphan survives even SIGKILL, or the record cannot be removed.
pub(crate) async fn end_orphan(server: &'static str, record: &Path, stop: Signal) -> Result<(), SandboxError> {
    let Ok(json) = fs::read(record) else { return Ok(()) };
    if let Ok(known) = serde_json::from_slice::<Record>(&json) {
        // The watch of a killed parent is about to do the same; it must not do it to what we start next.
        if let Some(watch) = known.watch.filter(is_running) {
            let _ = kill(nix_pid(watch.pid), Signal::SIGKILL);
        }
        if is_running(&known.server) {
            tracing::info!(server, pid = known.server.pid, "ending the server that an earlier run left behind");
            end(server, &known.server, stop).await?;
        }
    }
    fs::remove_file(record).map_err(SandboxError::at(record))
}

pub(super) async fn end(server: &'static str, orphan: &Identity, stop: Signal) -> Result<(), SandboxError> {
    let below = identity::descendants(orphan.pid).into_iter().filter_map(identity::of).collect::<Vec<_>>();
    let _ = kill(nix_pid(orphan.pid), stop);
    let begin = Instant::now();
    while is_running(orphan) || below.iter().any(is_running) {
        if begin.elapsed() > ORPHAN_GRACE {
            kill_group(orphan.pid);
            for child in below.iter().filter(|child| is_running(child)) {
                let _ = kill(nix_pid(child.pid), Signal::SIGKILL);
            }
        }
        if begin.elapsed() > ORPHAN_GRACE * 2 {
            let source = std::io::Error::other(format!("end process {} by hand and start again", orphan.pid));
            return Err(SandboxError::System { what: format!("{server} of an earlier run does not end"), source });
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

fn is_running(known: &Identity) -> bool {
    identity::of(known.pid).as_ref() == Some(known)
}

fn signal(pid: u32, signal: Signal, ended: Option<ExitStatus>) {
    // An ended child has been waited for, so its id may be anybody's.
    if ended.is_none() {
        let _ = kill(nix_pid(pid), signal);
    }
}

fn kill_group(pid: u32) {
    let _ = killpg(nix_pid(pid), Signal::SIGKILL);
}

fn nix_pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(folder: &Path, script: &str) -> Launch {
        Launch {
            server: "sleeper",
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("SHOWN".to_owned(), "yes".into())],
            hide_env: |name| name == "HOME",
            cwd: folder.to_owned(),
            account: None,
            stop: Signal::SIGTERM,
            record: folder.join("sleeper.json"),
            log: Log::new(folder, "sleeper").unwrap(),
        }
    }

    async fn until_logged(process: &Process, word: &str) {
        while !process.tail().contains(word) {
            assert_eq!(process.ended(), None, "{}", process.tail());
            tokio::time::sleep(LOOK).await;
        }
    }

    #[tokio::test]
    async fn stops_in_order_and_kills_what_will_not() {
        let folder = tempfile::tempdir().unwrap();
        let polite = Process::spawn(&launch(folder.path(), "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done")).unwrap();
        until_logged(&polite, "up").await;
        assert!(folder.path().join("sleeper.json").exists());
        polite.stop(Duration::from_secs(60)).await;
        assert_eq!(polite.ended().and_then(|status| status.code()), Some(3));
        assert!(polite.tail().contains("bye"));
        assert!(!folder.path().join("sleeper.json").exists(), "the record goes with the process");

        let deaf = Process::spawn(&launch(folder.path(), "trap '' TERM; echo up; sleep 1000 & wait; sleep 1000")).unwrap();
        until_logged(&deaf, "up").await;
        deaf.stop(Duration::from_millis(50)).await;
        assert!(deaf.ended().is_some());
    }

    #[tokio::test]
    async fn the_environment_is_the_one_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::spawn(&launch(folder.path(), "echo shown=$SHOWN home=$HOME; sleep 1000")).unwrap();
        until_logged(&process, "shown=yes home=").await;
        assert!(process.tail().ends_with("home="), "{}", process.tail());
    }

    #[tokio::test]
    async fn an_orphan_ends_but_a_stranger_with_its_id_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("sleeper.json");
        let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let real = identity::of(child.id()).unwrap();
        let stranger = Identity { started: "long ago".to_owned(), ..real.clone() };
        write_record(&record, &Record { server: stranger, watch: None }).unwrap();
        end_orphan("sleeper", &record, Signal::SIGTERM).await.unwrap();
        assert_eq!(child.try_wait().unwrap(), None, "a process that started at another time is left alone");
        assert!(!record.exists());

        write_record(&record, &Record { server: real, watch: None }).unwrap();
        end_orphan("sleeper", &record, Signal::SIGTERM).await.unwrap();
        assert!(child.try_wait().unwrap().is_some());
    }
}
