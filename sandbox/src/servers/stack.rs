//! Both servers of one folder, under one claim.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::binaries::{self, Binary, ServerSettings};
use super::claim::Claim;
use super::error::SandboxError;
use super::postgres::Postgres;
use super::restate::Restate;

const ROTATE_EVERY: Duration = Duration::from_secs(60);

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// The folder for data, logs and the claim: `.pressroom`.
    pub folder: PathBuf,
    /// Which binaries and ports.
    pub servers: ServerSettings,
    /// Settings of restate-server that win over restate.toml: `RESTATE_...` variables.
    pub restate_env: Vec<(String, String)>,
    /// Whether PostgreSQL waits for the disk at every commit. Only tests do without.
    pub durable: bool,
}

impl StackOptions {
    /// Everything as a laptop wants it, in this folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), servers: ServerSettings::default(), restate_env: Vec::new(), durable: true }
    }
}

/// A running PostgreSQL and restate-server. Dropping it kills both; [`Stack::stop`] ends them in order.
#[derive(Debug)]
pub struct Stack {
    // Dropped in this order: the servers before the claim that keeps others out.
    restate: Restate,
    postgres: Postgres,
    claim: Claim,
    folder: PathBuf,
}

impl Stack {
    /// Claims the folder, ends what an earlier run left behind, gets the binaries, and starts both servers.
    ///
    /// # Errors
    /// [`SandboxError::AlreadyRunning`] when the folder is claimed; otherwise whatever fetching or starting answers. Nothing is left running
    /// then.
    pub async fn start(options: &StackOptions) -> Result<Self, SandboxError> {
        fs::create_dir_all(&options.folder).map_err(SandboxError::at(&options.folder))?;
        // The servers are started from other working folders.
        let folder = options.folder.canonicalize().map_err(SandboxError::at(&options.folder))?;
        let claim = Claim::take(&folder)?;
        let run = folder.join("run");
        fs::create_dir_all(&run).map_err(SandboxError::at(&run))?;
        Restate::end_orphan(&folder).await?;
        Postgres::end_orphan(&folder).await?;
        let (restate_binary, postgres_binary) = find_binaries(&options.servers).await?;
        let (restate, postgres) = tokio::join!(
            Restate::start(&folder, restate_binary, &options.servers, &options.restate_env),
            Postgres::start(&folder, postgres_binary, options.servers.postgres_port, options.durable),
        );
        Ok(Self { restate: restate?, postgres: postgres?, claim, folder })
    }

    /// The restate-server.
    #[must_use]
    pub fn restate(&self) -> &Restate {
        &self.restate
    }

    /// The PostgreSQL server.
    #[must_use]
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// The folder with data, logs and claim, absolute.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a superuser connects to PostgreSQL.
    #[must_use]
    pub fn superuser_url(&self) -> &SecretString {
        self.postgres.superuser_url()
    }

    /// Where invocations are sent.
    #[must_use]
    pub fn ingress_url(&self) -> &Url {
        self.restate.ingress_url()
    }

    /// Restate's admin API and web UI.
    #[must_use]
    pub fn admin_url(&self) -> &Url {
        self.restate.admin_url()
    }

    /// Tells those who try to start in this folder where the parts answer: name and URL. No URL may hold a secret.
    ///
    /// # Errors
    /// When the claim cannot be written.
    pub fn publish(&mut self, urls: &[(String, String)]) -> Result<(), SandboxError> {
        self.claim.publish(urls)
    }

    /// Watches over the servers: returns when one of them has ended by itself, with the end of its log. Meanwhile it keeps the logs small.
    pub async fn watch(&self) -> SandboxError {
        let mut rotated = tokio::time::Instant::now();
        loop {
            if let Some(failure) = self.restate.failure().or_else(|| self.postgres.failure()) {
                return failure;
            }
            if rotated.elapsed() > ROTATE_EVERY {
                rotated = tokio::time::Instant::now();
                for result in [self.restate.rotate_log(), self.postgres.rotate_log()] {
                    if let Err(error) = result {
                        tracing::warn!(%error, "a log could not be shortened");
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Stops both servers in order: first Restate, so that no handler is started any more, then PostgreSQL. Then lets go of the folder.
    pub async fn stop(self) {
        self.restate.stop().await;
        self.postgres.stop().await;
    }
}

async fn find_binaries(settings: &ServerSettings) -> Result<(Binary, Binary), SandboxError> {
    // One after the other: two progress bars at once would write over each other.
    let settings = settings.clone();
    let search = tokio::task::spawn_blocking(move || Ok((binaries::restate(&settings)?, binaries::postgres(&settings)?)));
    search.await.map_err(|error| SandboxError::system("looking for the servers")(std::io::Error::other(error)))?
}
