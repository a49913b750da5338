//! `pressroom worker` and `pressroom gateway` as processes of their own, which can be killed as a crash would kill them.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use anyhow::{Context as _, bail, ensure};
use secrecy::ExposeSecret as _;
use serde_json::json;
use url::Url;

use crate::{Newsroom, wait};

/// The `pressroom` binary, built by the cargo that built the tests, once for all of them.
///
/// # Errors
/// When it does not compile.
pub fn binary() -> anyhow::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build().map_err(|e| format!("{e:#}"))).clone().map_err(|e| anyhow::anyhow!(e))
}

fn build() -> anyhow::Result<PathBuf> {
    // <target>/<profile>/deps/<test>
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(Path::parent).context("the folder of the profile")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--package", "cli", "--bin", "pressroom"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.file_name().is_some_and(|name| name == "release") {
        command.arg("--release");
    }
    command.env("CARGO_TARGET_DIR", profile.parent().context("the target folder")?);
    let status = command.status().context("cargo")?;
    ensure!(status.success(), "building the pressroom binary failed");
    let binary = profile.join("pressroom");
    ensure!(binary.is_file(), "there is no {}", binary.display());
    Ok(binary)
}

/// A part of Pressroom as a process. Dropping it kills it.
#[derive(Debug)]
pub struct Part {
    name: &'static str,
    address: SocketAddr,
    config: PathBuf,
    secrets: Vec<(&'static str, String)>,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Part {
    /// Starts `pressroom worker` at an address of its own. It registers itself. `crash_at` is where it ends itself (`step.name:after`).
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn worker(newsroom: &Newsroom, crash_at: Option<&str>) -> anyhow::Result<Self> {
        let part = Self::of(newsroom, "worker", free_address()?)?;
        part.start(crash_at)?;
        Ok(part)
    }

    /// Starts `pressroom worker` at this address; the engine reaches it by way of another.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn worker_behind(newsroom: &Newsroom, address: SocketAddr, advertised: &Url) -> anyhow::Result<Self> {
        let mut part = Self::of(newsroom, "worker", address)?;
        part.secrets.push(("PRESSROOM__WORKER__ADVERTISE_URL", advertised.to_string()));
        part.start(None)?;
        Ok(part)
    }

    /// Starts `pressroom gateway` at an address of its own.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn gateway(newsroom: &Newsroom) -> anyhow::Result<Self> {
        let part = Self::of(newsroom, "gateway", free_address()?)?;
        part.start(None)?;
        Ok(part)
    }

    /// What its gateway signs access tokens with.
    #[must_use]
    pub fn token_secret(newsroom: &Newsroom) -> String {
        // As random as the other one, and the same for every gateway of a newsroom.
        newsroom.vault_keys().expose_secret().chars().rev().collect()
    }

    fn of(newsroom: &Newsroom, name: &'static str, address: SocketAddr) -> anyhow::Result<Self> {
        binary()?;
        let folder = newsroom.stack.folder();
        let config = folder.join(format!("{name}.toml"));
        std::fs::write(&config, toml::to_string(&settings(newsroom, name, address)?)?)?;
        let secrets = vec![
            ("PRESSROOM__DATABASE__URL", newsroom.app_url_by_line()?.expose_secret().to_owned()),
            ("PRESSROOM__VAULT__KEYS", newsroom.vault_keys().expose_secret().to_owned()),
            ("PRESSROOM__GATEWAY__TOKEN_SECRET", Self::token_secret(newsroom)),
        ];
        Ok(Self { name, address, config, secrets, log: folder.join(format!("{name}.log")), child: Mutex::new(None) })
    }

    /// Starts it (again), on the same address. Does nothing while it runs.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(&self, crash_at: Option<&str>) -> anyhow::Result<()> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = child.as_mut()
            && running.try_wait()?.is_none()
        {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(binary()?);
        // Settings that happen to be in the environment, of this very product, are none of the test's.
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("PRESSROOM__") {
                command.env_remove(key);
            }
        }
        command
            .args(["--config".as_ref(), self.config.as_os_str(), self.name.as_ref()])
            .envs(self.secrets.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some(step) = crash_at {
            command.env("PRESSROOM__WORKER__CRASH_AT", step);
        }
        *child = Some(command.spawn()?);
        Ok(())
    }

    /// SIGKILL.
    pub fn kill9(&self) {
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // An error means that it has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits until it ends by itself, and says whether it was a SIGKILL.
    ///
    /// # Errors
    /// When it does not end, or in another way.
    pub async fn crashes(&self, at: &str) -> anyhow::Result<()> {
        use std::os::unix::process::ExitStatusExt as _;
        let ended = wait::until(&format!("the {} to die at {at}", self.name), async || {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(child.as_mut().context("it was started")?.try_wait()?.ok_or_else(|| "it lives".to_owned()))
        })
        .await?;
        if ended.signal() != Some(9) {
            bail!("the {} ended otherwise at {at}: {ended}; {}", self.name, self.tail());
        }
        Ok(())
    }

    /// Its address.
    ///
    /// # Errors
    /// Never for a socket address.
    pub fn url(&self) -> anyhow::Result<Url> {
        Ok(Url::parse(&format!("http://{}/", self.address))?)
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn listens(&self) -> anyhow::Result<()> {
        wait::until(&format!("the {} to listen", self.name), async || {
            Ok(tokio::net::TcpStream::connect(self.address).await.map(drop).map_err(|e| format!("{e}; {}", self.tail())))
        })
        .await
    }

    /// The end of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.kill9();
    }
}

fn settings(newsroom: &Newsroom, name: &str, address: SocketAddr) -> anyhow::Result<serde_json::Value> {
    let mail = newsroom.smtp();
    let timeout_ms = u64::try_from(newsroom.plan.timeout.as_millis())?;
    let mut settings = json!({
        "database": { "max_connections": 10 },
        "gateway": { "ingress_url": newsroom.plan.ingress_url.as_ref().unwrap_or_else(|| newsroom.stack.ingress_url()), "admin_url": newsroom.stack.admin_url(),
            // A test asks more often than a client should; limits have tests of their own.
            "requests_per_minute": 1_000_000, "request_burst": 1_000_000 },
        "worker": {},
        "outgoing": { "allow_private_networks": newsroom.plan.allow_private_networks, "timeout_ms": timeout_ms,
            "connect_timeout_ms": timeout_ms.min(10_000) },
        "models": newsroom.model_document(),
        "mail": { "host": mail.host, "port": mail.port, "security": "plain", "from": mail.from },
        "workflows": newsroom.plan.settings,
        "telemetry": { "log": newsroom.plan.log },
    });
    if let Some(media) = &newsroom.plan.media {
        settings["media"] = media.clone();
    }
    if let Some(part) = settings.get_mut(name) {
        part["listen"] = json!(address);
    }
    if let (Some((username, password)), Some(part)) = (&newsroom.plan.mail.credentials, settings.get_mut("mail")) {
        part["username"] = json!(username);
        part["password"] = json!(password);
    }
    Ok(settings)
}

/// An address that stays the same over restarts: below the ports that the system gives to outgoing connections, so that nobody gets it by chance
/// between two starts.
///
/// # Errors
/// When there is none.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    static GIVEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..200 {
        let port = rand::random_range(12_000..20_000);
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.push(port);
            return Ok((Ipv4Addr::LOCALHOST, port).into());
        }
    }
    bail!("no free port")
}
