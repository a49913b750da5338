//! Both servers of one folder, under one claim.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use url::Url;

use super::binaries::{self, Binary, ServerSettings};
use super::claim::Claim;
use super::error::SandboxError;
use super::external::{self, RestateUrls};
use super::log::private_folder;
use super::postgres::Postgres;
use super::restate::Restate;

const LOOK_EVERY: Duration = Duration::from_millis(250);
const ROTATE_EVERY: Duration = Duration::from_secs(60);
/// How many falls of the servers within how long are mended without asking.
const FALLS: usize = 5;
const FALLS_WITHIN: Duration = Duration::from_secs(120);

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
    restate: Option<Restate>,
    postgres: Option<Postgres>,
    superuser_url: SecretString,
    restate_urls: RestateUrls,
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
        private_folder(&run)?;
        Restate::end_orphan(&folder).await?;
        Postgres::end_orphan(&folder).await?;
        // Looked for one after the other: two progress bars at once would write over each other.
        let restate = source(options.servers.restate_urls.as_ref(), &options.servers, binaries::restate).await?;
        let postgres = source(options.servers.database_url.as_ref(), &options.servers, binaries::postgres).await?;
        let (restate, postgres) = tokio::join!(start_restate(&folder, restate, options), start_postgres(&folder, postgres, options));
        let ((restate, restate_urls), (postgres, superuser_url)) = (restate?, postgres?);
        Ok(Self { restate, postgres, superuser_url, restate_urls, claim, folder })
    }

    /// The restate-server, unless the settings name one that somebody else runs.
    #[must_use]
    pub fn restate(&self) -> Option<&Restate> {
        self.restate.as_ref()
    }

    /// The PostgreSQL server, unless the settings name one that somebody else runs.
    #[must_use]
    pub fn postgres(&self) -> Option<&Postgres> {
        self.postgres.as_ref()
    }

    /// The folder with data, logs and claim, absolute.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a superuser connects to PostgreSQL.
    #[must_use]
    pub fn superuser_url(&self) -> &SecretString {
        &self.superuser_url
    }

    /// Where invocations are sent.
    #[must_use]
    pub fn ingress_url(&self) -> &Url {
        &self.restate_urls.ingress
    }

    /// Restate's admin API and web UI.
    #[must_use]
    pub fn admin_url(&self) -> &Url {
        &self.restate_urls.admin
    }

    /// Tells those who try to start in this folder where the parts answer: name and URL. No URL may hold a secret.
    ///
    /// # Errors
    /// When the claim cannot be written.
    pub fn publish(&mut self, urls: &[(String, String)]) -> Result<(), SandboxError> {
        self.claim.publish(urls)
    }

    /// Watches over the servers for as long as it is polled: starts one again that has ended by itself, and keeps the logs small. Returns
    /// when a server does not come back, with the end of its log.
    pub async fn supervise(&self) -> SandboxError {
        let mut rotated = Instant::now();
        let mut falls = Falls::default();
        loop {
            if let Some(restate) = &self.restate
                && let Some(failure) = restate.failure()
            {
                tracing::warn!(error = %failure, "starting it again");
                if falls.too_many() {
                    return failure;
                }
                if let Err(error) = restate.start_again().await {
                    return error;
                }
            }
            if let Some(postgres) = &self.postgres
                && let Some(failure) = postgres.failure()
            {
                tracing::warn!(error = %failure, "starting it again");
                if falls.too_many() {
                    return failure;
                }
                if let Err(error) = postgres.start_again().await {
                    return error;
                }
            }
            if rotated.elapsed() > ROTATE_EVERY {
                rotated = Instant::now();
                self.rotate_logs();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn rotate_logs(&self) {
        let results = [self.restate.as_ref().map(Restate::rotate_log), self.postgres.as_ref().map(Postgres::rotate_log)];
        for error in results.into_iter().flatten().filter_map(Result::err) {
            tracing::warn!(%error, "a log could not be shortened");
        }
    }

    /// Stops both servers in order: first Restate, so that no handler is started any more, then PostgreSQL. Then lets go of the folder.
    pub async fn stop(self) {
        if let Some(restate) = &self.restate {
            restate.stop().await;
        }
        if let Some(postgres) = &self.postgres {
            postgres.stop().await;
        }
    }
}

/// When servers have ended by themselves: a server that falls again and again needs a person.
#[derive(Debug, Default)]
struct Falls(VecDeque<Instant>);

impl Falls {
    /// Notes one more, and says whether that makes more than [`FALLS`] within [`FALLS_WITHIN`].
    fn too_many(&mut self) -> bool {
        let now = Instant::now();
        self.0.retain(|fall| now.duration_since(*fall) < FALLS_WITHIN);
        self.0.push_back(now);
        self.0.len() > FALLS
    }
}

/// Whose server it is, once that is known.
enum Source<T> {
    Theirs(T),
    Ours(Box<Binary>),
}

async fn start_restate(
    folder: &Path,
    from: Source<RestateUrls>,
    options: &StackOptions,
) -> Result<(Option<Restate>, RestateUrls), SandboxError> {
    match from {
        Source::Theirs(urls) => {
            external::check_restate(&urls).await?;
            Ok((None, urls))
        }
        Source::Ours(binary) => {
            let restate = Restate::start(folder, *binary, &options.servers, &options.restate_env).await?;
            let urls = RestateUrls { ingress: restate.ingress_url().clone(), admin: restate.admin_url().clone() };
            Ok((Some(restate), urls))
        }
    }
}

async fn start_postgres(
    folder: &Path,
    from: Source<SecretString>,
    options: &StackOptions,
) -> Result<(Option<Postgres>, SecretString), SandboxError> {
    match from {
        Source::Theirs(url) => {
            external::check_postgres(&url).await?;
            Ok((None, url))
        }
        Source::Ours(binary) => {
            let postgres = Postgres::start(folder, *binary, options.servers.postgres_port, options.durable).await?;
            let url = postgres.superuser_url().clone();
            Ok((Some(postgres), url))
        }
    }
}

/// The server that the settings name, or else the binary to start, which may have to be fetched.
async fn source<T>(
    named: Option<&T>,
    settings: &ServerSettings,
    find: fn(&ServerSettings) -> Result<Binary, SandboxError>,
) -> Result<Source<T>, SandboxError>
where
    T: Clone,
{
    if let Some(named) = named {
        return Ok(Source::Theirs(named.clone()));
    }
    let settings = settings.clone();
    let found = tokio::task::spawn_blocking(move || find(&settings)).await;
    found
        .map_err(|error| SandboxError::system("looking for the servers")(std::io::Error::other(error)))?
        .map(|binary| Source::Ours(Box::new(binary)))
}
