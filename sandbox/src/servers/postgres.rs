//! PostgreSQL with pgvector on loopback, its data in the project's folder.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use secrecy::{ExposeSecret, SecretString};
use sqlx::Connection;

use super::account::{self, Account};
use super::binaries::{self, Binary};
use super::error::SandboxError;
use super::log::{Log, last_lines};
use super::packages::POSTGRES_SETTING;
use super::ports::{Ports, is_free};
use super::process::{LOOK, Launch, Process, end_orphan, while_busy};

const SERVER: &str = "PostgreSQL";
const SUPERUSER: &str = "pressroom_admin";
/// Recovery after a crash of a large database may take a while; a healthy start takes 0.1 s.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Fast shutdown writes a checkpoint.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// "Fast" in PostgreSQL's words: connections are ended, everything is written. SIGTERM would wait for clients to leave by themselves.
const STOP: Signal = Signal::SIGINT;
/// How often new ports are tried when somebody takes the chosen one between the look and the start.
const PORT_TRIES: usize = 5;
/// How often a start is tried again while processes of a killed predecessor still hold its shared memory.
const PREDECESSOR_TRIES: usize = 100;

/// Small memory, no files or sockets outside the data folder, nothing in the log that a user has sent.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("max_connections", "100"),
    ("shared_buffers", "32MB"),
    ("work_mem", "4MB"),
    ("maintenance_work_mem", "32MB"),
    ("max_wal_size", "256MB"),
    ("min_wal_size", "32MB"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("max_parallel_workers", "2"),
    ("jit", "off"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("lc_messages", "C"),
    ("log_min_error_statement", "panic"),
    ("log_parameter_max_length_on_error", "0"),
];

/// A running PostgreSQL. Dropping it kills the server; its data survives.
pub struct Postgres {
    port: u16,
    superuser_url: SecretString,
    data: PathBuf,
    launch: Launch,
    binary: Binary,
    /// Nothing between a kill or stop and the next start.
    process: Mutex<Option<Process>>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, data, .. } = self;
        f.debug_struct("Postgres").field("port", port).field("data", data).field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Starts the server with its data below `folder`, making the database cluster first where there is none.
    ///
    /// `durable` keeps `fsync` on, which protects against a crash of the machine; without it, as in tests, committed data still survives
    /// the death of every process.
    ///
    /// # Errors
    /// Everything that can keep a server from starting, with the end of its log.
    pub(crate) async fn start(folder: &Path, binary: Binary, port: Option<u16>, durable: bool) -> Result<Self, SandboxError> {
        let account = account::for_postgres()?;
        check_reach(&binary, account.as_ref())?;
        let home = account::data_home(folder, account.as_ref())?;
        let data = home.join("postgres");
        let log = Log::new(folder, "postgres")?;
        initialise(&binary, &data, account.as_ref(), &log, durable)?;
        check_version(&binary, &data)?;
        end_unrecorded(&data).await?;
        let password = read_password(&data)?;
        let mut ports = Ports::load(folder, "postgres");
        for attempt in 1.. {
            let chosen = ports.choose(SERVER, "postgres", port)?;
            let launch = launch(folder, &binary, &data, account.clone(), chosen, durable, log.clone());
            let password = password.expose_secret();
            let url = SecretString::from(format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{chosen}/postgres?sslmode=disable"));
            let postgres =
                Self { port: chosen, superuser_url: url, data: data.clone(), launch, binary: binary.clone(), process: Mutex::new(None) };
            match postgres.start_again().await {
                Ok(()) => {
                    ports.save()?;
                    return Ok(postgres);
                }
                Err(SandboxError::PortTaken { .. }) if port.is_none() && attempt < PORT_TRIES => ports.forget(),
                Err(error) => return Err(error),
            }
        }
        Err(SandboxError::NoFreePort { server: SERVER })
    }

    /// Where a superuser connects: database `postgres`. Roles and databases are made through it.
    #[must_use]
    pub fn superuser_url(&self) -> &SecretString {
        &self.superuser_url
    }

    /// The port on 127.0.0.1. It stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The server's process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::pid)
    }

    /// How the server ended, when it did so by itself.
    #[must_use]
    pub fn failure(&self) -> Option<SandboxError> {
        let guard = self.process();
        let process = guard.as_ref()?;
        process.ended().map(|status| process.failed(format!("ended by itself ({status})")))
    }

    /// Starts the server again after [`Self::kill9`], [`Self::stop`] or a fall, on the same port and data. Does nothing while it runs.
    ///
    /// # Errors
    /// As at the first start.
    pub async fn start_again(&self) -> Result<(), SandboxError> {
        if self.process().as_ref().is_some_and(|process| process.ended().is_none()) {
            return Ok(());
        }
        let mut tries = 0;
        loop {
            end_unrecorded(&self.data).await?;
            let process = Process::spawn(&self.launch)?;
            match self.wait_until_ready(&process).await {
                Ok(()) => {
                    *self.process() = Some(process);
                    return Ok(());
                }
                Err(error) => {
                    let tail = process.tail();
                    // A SIGKILL leaves children behind for a moment, and they hold the shared memory.
                    let predecessor = tail.contains("is still in use") || tail.contains("lock file \"postmaster.pid\" already exists");
                    if tail.contains("Address already in use") && !is_free(self.port) {
                        return Err(SandboxError::PortTaken { port: self.port, server: SERVER });
                    }
                    tries += 1;
                    if !predecessor || tries > PREDECESSOR_TRIES {
                        return Err(error);
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Stops the server in order.
    pub async fn stop(&self) {
        let process = self.process().take();
        if let Some(process) = process {
            process.stop(STOP_WITHIN).await;
        }
    }

    /// SIGKILL to the server and every process of it, as a crash would have it.
    pub fn kill9(&self) {
        if let Some(process) = self.process().take() {
            process.kill();
        }
    }

    /// Keeps the log small; to be called now and then.
    pub(crate) fn rotate_log(&self) -> Result<(), SandboxError> {
        self.launch.log.rotate()
    }

    /// Ends what an earlier start in this folder has left running.
    pub(crate) async fn end_orphan(folder: &Path) -> Result<(), SandboxError> {
        end_orphan(SERVER, &record(folder), STOP).await
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait_until_ready(&self, process: &Process) -> Result<(), SandboxError> {
        let begin = Instant::now();
        loop {
            if let Some(status) = process.ended() {
                if self.binary.is_damaged() {
                    return Err(process.failed(format!(
                        "did not start ({status}) because its files in the cache are damaged. They have been removed: start again to fetch them anew"
                    )));
                }
                return Err(process.failed(format!("did not start ({status})")));
            }
            // Our own password opens it, so whoever answers is our server.
            if let Ok(connection) = sqlx::PgConnection::connect(self.superuser_url.expose_secret()).await {
                let _ = connection.close().await;
                return Ok(());
            }
            if begin.elapsed() > READY_WITHIN {
                return Err(process.failed(format!("was not ready within {} s", READY_WITHIN.as_secs())));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn record(folder: &Path) -> PathBuf {
    folder.join("run/postgres.json")
}

fn password_file(data: &Path) -> PathBuf {
    data.join("pressroom.password")
}

fn launch(folder: &Path, binary: &Binary, data: &Path, account: Option<Account>, port: u16, durable: bool, log: Log) -> Launch {
    let mut args = vec!["-D".into(), data.as_os_str().to_owned(), "-p".into(), port.to_string().into()];
    let durability = [("fsync", if durable { "on" } else { "off" }), ("full_page_writes", if durable { "on" } else { "off" })];
    for (name, value) in SETTINGS.iter().chain(&durability) {
        args.push("-c".into());
        args.push(format!("{name}={value}").into());
    }
    Launch {
        server: SERVER,
        program: binary.program.clone(),
        args,
        env: vec![("LC_ALL".to_owned(), "C".into())],
        // Settings of a client or of another server that happen to be in the environment.
        hide_env: |name| name.starts_with("PG") || name.starts_with("LC_"),
        cwd: data.to_owned(),
        account,
        stop: STOP,
        record: record(folder),
        log,
    }
}

/// As root: whether the lent account can execute the binaries at all, before PostgreSQL fails in a way that explains nothing.
fn check_reach(binary: &Binary, account: Option<&Account>) -> Result<(), SandboxError> {
    match account {
        Some(account) if !account.can_reach(&binary.program) => Err(SandboxError::UnfitServer {
            server: SERVER,
            path: binary.program.clone(),
            reason: format!(
                "PostgreSQL refuses to run as root, and the account {} that it is run under cannot reach this folder (a folder on the way is closed to others)",
                account.name
            ),
            wanted: "a folder that everybody may enter",
            setting: POSTGRES_SETTING,
        }),
        _ => Ok(()),
    }
}

/// Makes the database cluster beside its final place and moves it there, so that what stands there is always complete.
fn initialise(binary: &Binary, data: &Path, account: Option<&Account>, log: &Log, durable: bool) -> Result<(), SandboxError> {
    if data.join("PG_VERSION").exists() {
        return Ok(());
    }
    let fresh = data.with_extension("new");
    let password = data.with_extension("password");
    for path in [data, &fresh] {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && path == fresh => {
                fs::remove_dir_all(path).map_err(SandboxError::at(path))?;
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(SandboxError::at(path)(error)),
            _ => {}
        }
    }
    fs::create_dir(&fresh).map_err(SandboxError::at(&fresh))?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o700)).map_err(SandboxError::at(&fresh))?;
    write_password(&password)?;
    for path in account.iter().flat_map(|_| [&fresh, &password]) {
        account.map_or(Ok(()), |account| account.own(path))?;
    }
    let mut command = Command::new(binary.program.with_file_name("initdb"));
    command.arg("--pgdata").arg(&fresh).arg("--pwfile").arg(&password);
    command.args(["--username", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--lc-messages=C"]);
    // macOS has no C.UTF-8 in the versions that we support.
    command.arg(if cfg!(target_os = "macos") { "--locale=en_US.UTF-8" } else { "--locale=C.UTF-8" });
    if !durable {
        command.arg("--no-sync");
    }
    command.current_dir("/").env_remove("PGDATA");
    if let Some(account) = account {
        use std::os::unix::process::CommandExt;
        command.uid(account.uid).gid(account.gid);
    }
    let output = while_busy(|| command.output()).map_err(SandboxError::system("running initdb"))?;
    let said = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    fs::write(log.path(), &said).map_err(SandboxError::at(log.path()))?;
    if !output.status.success() {
        let _ = fs::remove_file(&password);
        if said.contains("No space left") {
            return Err(SandboxError::DiskFull { path: fresh });
        }
        return Err(SandboxError::ServerFailed {
            server: SERVER,
            reason: format!("could not make its data folder ({})", output.status),
            log: log.path().to_owned(),
            tail: last_lines(&said, 20),
        });
    }
    let inside = password_file(&fresh);
    fs::rename(&password, &inside).map_err(SandboxError::at(&inside))?;
    fs::rename(&fresh, data).map_err(SandboxError::at(data))
}

fn write_password(path: &Path) -> Result<(), SandboxError> {
    let bytes: [u8; 24] = rand::random();
    let password = data_encoding::HEXLOWER.encode(&bytes);
    let _ = fs::remove_file(path);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(SandboxError::at(path))?;
    io::Write::write_all(&mut file, password.as_bytes()).map_err(SandboxError::at(path))
}

fn read_password(data: &Path) -> Result<SecretString, SandboxError> {
    let path = password_file(data);
    fs::read_to_string(&path).map(|text| SecretString::from(text.trim().to_owned())).map_err(SandboxError::at(&path))
}

fn check_version(binary: &Binary, data: &Path) -> Result<(), SandboxError> {
    let path = data.join("PG_VERSION");
    let found = fs::read_to_string(&path).map_err(SandboxError::at(&path))?;
    let words = binaries::version_words(&binary.program).unwrap_or_default();
    match binaries::postgres_major(&words) {
        Some(wanted) if found.trim() != wanted.to_string() => {
            Err(SandboxError::DataVersion { path: data.to_owned(), found: found.trim().to_owned(), wanted })
        }
        _ => Ok(()),
    }
}

/// Deals with a `postmaster.pid` that a killed server has left. PostgreSQL removes it by itself unless the id in it has gone to another
/// process; and should the server itself still run without a record of ours, it is ended here.
async fn end_unrecorded(data: &Path) -> Result<(), SandboxError> {
    let path = data.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
    let pid = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok());
    if let Some(identity) = pid.and_then(super::identity::of) {
        let is_server = identity.program.rsplit('/').next() == Some("postgres");
        if is_server && text.lines().nth(1).is_some_and(|folder| Path::new(folder) == data) {
            return super::process::end(SERVER, &identity, STOP).await;
        }
        fs::remove_file(&path).map_err(SandboxError::at(&path))?;
    }
    Ok(())
}
