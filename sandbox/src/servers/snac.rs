//! snac, a real ActivityPub server with Mastodon's client API, for tests: one that posts twice under one idempotency key.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::cache::Cache;
use super::error::SandboxError;
use super::log::Log;
use super::packages;
use super::ports::Ports;
use super::process::{LOOK, Launch, Process, while_busy};

const SERVER: &str = "snac";
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running snac with one account. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Snac {
    // Before the folder, so that it is dead before its data goes.
    process: Process,
    base_url: Url,
    password: String,
    client: reqwest::Client,
    _folder: TempDir,
}

impl Snac {
    /// The name of its account.
    pub const ACCOUNT: &str = "ann";

    /// Gets it, where it is not in the cache, and starts it.
    ///
    /// # Errors
    /// Everything that can keep it from being fetched or started.
    pub async fn start() -> Result<Self, SandboxError> {
        let fetched = tokio::task::spawn_blocking(program).await;
        let program = fetched.map_err(|error| SandboxError::system("fetching snac")(error.into()))??;
        let folder = tempfile::Builder::new().prefix("pressroom-snac-").tempdir().map_err(SandboxError::system("making a folder"))?;
        fs::create_dir(folder.path().join("run")).map_err(SandboxError::at(folder.path()))?;
        let port = Ports::load(folder.path(), "snac").choose(SERVER, "http", None)?;
        let data = folder.path().join("data");
        let name = format!("127.0.0.1:{port}");
        // It asks for address, port, host, prefix and the address of its admin.
        tell(&program, &["init".as_ref(), data.as_os_str()], &format!("127.0.0.1\n{port}\n{name}\n\n\n"))?;
        let settings = data.join("server.json");
        let text = fs::read(&settings).map_err(SandboxError::at(&settings))?;
        let mut known: Value = serde_json::from_slice(&text).map_err(|error| SandboxError::at(&settings)(error.into()))?;
        // It believes to stand behind a proxy with TLS.
        known["protocol"] = json!("http");
        fs::write(&settings, known.to_string()).map_err(SandboxError::at(&settings))?;
        let said = tell(&program, &["adduser".as_ref(), data.as_os_str(), Self::ACCOUNT.as_ref()], "Ann\n\n")?;
        let password = said.lines().find_map(|line| line.split("password is ").nth(1)).unwrap_or_default().trim().to_owned();
        let launch = Launch {
            server: SERVER,
            program,
            args: vec!["httpd".into(), data.clone().into()],
            env: Vec::new(),
            hide_env: |name| name == "DEBUG",
            cwd: folder.path().to_owned(),
            account: None,
            stop: Signal::SIGTERM,
            record: folder.path().join("run/snac.json"),
            log: Log::new(folder.path(), "snac")?,
        };
        let base_url = Url::parse(&format!("http://{name}/")).map_err(odd)?;
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(20));
        let client = client.build().map_err(odd)?;
        let snac = Self { process: Process::spawn(&launch)?, base_url, password, client, _folder: folder };
        snac.ready().await?;
        Ok(snac)
    }

    /// Where it answers.
    #[must_use]
    pub const fn base_url(&self) -> &Url {
        &self.base_url
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Signs in on the page that an authorisation leads to, as a person in a browser does, and answers where the browser is sent: back to the
    /// application.
    ///
    /// # Errors
    /// When the server leads nowhere.
    pub async fn agree(&self, authorize: &Url) -> Result<Url, SandboxError> {
        let asked = |name: &str| authorize.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        let form = [
            ("login", Self::ACCOUNT.to_owned()),
            ("passwd", self.password.clone()),
            ("redir", asked("redirect_uri").unwrap_or_default()),
            ("cid", asked("client_id").unwrap_or_default()),
            ("state", asked("state").unwrap_or_default()),
        ];
        let page = self.base_url.join("oauth/x-snac-login").map_err(odd)?;
        let answer = self.client.post(page).form(&form).send().await.map_err(odd)?;
        let to = answer.headers().get("location").and_then(|to| to.to_str().ok()).and_then(|to| to.parse().ok());
        to.ok_or_else(|| self.process.failed(format!("answered a sign-in with {} and leads nowhere", answer.status())))
    }

    /// The statuses of its account, newest first, as `GET /api/v1/accounts/{id}/statuses` answers them to `token`.
    ///
    /// # Errors
    /// What the server says.
    pub async fn statuses(&self, token: &str, account: &str) -> Result<Vec<Value>, SandboxError> {
        let url = self.base_url.join(&format!("api/v1/accounts/{account}/statuses?limit=40")).map_err(odd)?;
        let answer = self.client.get(url).bearer_auth(token).send().await.and_then(reqwest::Response::error_for_status);
        answer.map_err(|error| self.process.failed(error.to_string()))?.json().await.map_err(odd)
    }

    async fn ready(&self) -> Result<(), SandboxError> {
        let instance = self.base_url.join("api/v1/instance").map_err(odd)?;
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.ended() {
                return Err(self.process.failed(format!("did not start ({status}); it needs libcurl and libssl 3")));
            }
            if self.client.get(instance.clone()).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if begin.elapsed() > READY_WITHIN {
                return Err(self.process.failed(format!("was not ready within {} s", READY_WITHIN.as_secs())));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn odd<E: std::error::Error + Send + Sync + 'static>(error: E) -> SandboxError {
    SandboxError::system("talking to snac")(std::io::Error::other(error))
}

/// The program, from the cache. Blocks.
fn program() -> Result<PathBuf, SandboxError> {
    let package = packages::snac(std::env::consts::OS, std::env::consts::ARCH).ok_or(SandboxError::UnsupportedPlatform {
        server: SERVER,
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
        setting: "no setting",
    })?;
    Ok(Cache::of_user()?.ensure(&package)?.join(package.programs[0]))
}

/// Runs it with answers to its questions, and returns what it says.
fn tell(program: &Path, args: &[&std::ffi::OsStr], answers: &str) -> Result<String, SandboxError> {
    let start = || Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = while_busy(start).map_err(SandboxError::system("starting snac"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(answers.as_bytes()).map_err(SandboxError::system("answering snac"))?;
    }
    let output = child.wait_with_output().map_err(SandboxError::system("waiting for snac"))?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Ok(said);
    }
    Err(SandboxError::system(format!("`snac {}`", args[0].display()))(std::io::Error::other(said)))
}
