//! A restate-server of one node on loopback, its data in the project's folder.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::Deserialize;
use url::Url;

use super::binaries::{Binary, ServerSettings};
use super::error::SandboxError;
use super::log::{Log, private_folder};
use super::ports::{Ports, is_free};
use super::process::{LOOK, Launch, Process, end_orphan};

const SERVER: &str = "restate-server";
/// The settings for one small node, the same file that a container mounts.
const CONFIG: &str = include_str!("../../../restate.toml");
const READY_WITHIN: Duration = Duration::from_secs(120);
/// The server's own `shutdown-timeout` in restate.toml is 10 s.
const STOP_WITHIN: Duration = Duration::from_secs(20);
const PORT_TRIES: usize = 5;

/// A running restate-server. Dropping it kills the server; its data survives.
pub struct Restate {
    node_url: Url,
    ingress_url: Url,
    admin_url: Url,
    cluster: String,
    launch: Launch,
    binary: Binary,
    client: reqwest::Client,
    /// Nothing between a kill or stop and the next start.
    process: Mutex<Option<Process>>,
}

impl fmt::Debug for Restate {
    /// Short, and without the server's environment, in which a user may have put a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ingress_url, admin_url, .. } = self;
        f.debug_struct("Restate")
            .field("ingress", &ingress_url.as_str())
            .field("admin", &admin_url.as_str())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
struct ClusterHealth {
    cluster_name: String,
}

impl Restate {
    /// Starts the server with its data in `folder/restate`. `env` holds settings of the server (`RESTATE_...`) that win over ours.
    ///
    /// # Errors
    /// Everything that can keep a server from starting, with the end of its log.
    pub(crate) async fn start(
        folder: &Path,
        binary: Binary,
        settings: &ServerSettings,
        env: &[(String, String)],
    ) -> Result<Self, SandboxError> {
        let data = folder.join("restate");
        private_folder(&data)?;
        let config = folder.join("run/restate.toml");
        fs::write(&config, CONFIG).map_err(SandboxError::at(&config))?;
        let cluster = cluster_name(&data)?;
        let log = Log::new(folder, "restate")?;
        let mut ports = Ports::load(folder, "restate");
        let fixed = settings.ingress_port.is_some() && settings.admin_port.is_some();
        for attempt in 1.. {
            let node = ports.choose(SERVER, "node", None)?;
            let ingress = ports.choose(SERVER, "ingress", settings.ingress_port)?;
            let admin = ports.choose(SERVER, "admin", settings.admin_port)?;
            let launch = Launch {
                server: SERVER,
                program: binary.program.clone(),
                args: vec!["--no-logo".into(), "--config-file".into(), config.as_os_str().to_owned()],
                env: environment(&data, &cluster, [node, ingress, admin], env),
                hide_env: is_foreign,
                cwd: data.clone(),
                account: None,
                stop: Signal::SIGTERM,
                record: record(folder),
                log: log.clone(),
            };
            let restate = Self {
                node_url: loopback(node)?,
                ingress_url: loopback(ingress)?,
                admin_url: loopback(admin)?,
                cluster: cluster.clone(),
                launch,
                binary: binary.clone(),
                client: client()?,
                process: Mutex::new(None),
            };
            match restate.start_again().await {
                Ok(()) => {
                    ports.save()?;
                    return Ok(restate);
                }
                Err(SandboxError::PortTaken { .. }) if !fixed && attempt < PORT_TRIES => ports.forget(),
                Err(error) => return Err(error),
            }
        }
        Err(SandboxError::NoFreePort { server: SERVER })
    }

    /// Where invocations are sent: `http://127.0.0.1:<port>/`. It stays the same over restarts.
    #[must_use]
    pub fn ingress_url(&self) -> &Url {
        &self.ingress_url
    }

    /// Where deployments are registered and queries answered; the web UI is at `ui/` below it. It stays the same over restarts.
    #[must_use]
    pub fn admin_url(&self) -> &Url {
        &self.admin_url
    }

    /// Where the node talks to other nodes, and answers `/metrics`.
    #[must_use]
    pub fn node_url(&self) -> &Url {
        &self.node_url
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

    /// Starts the server again after [`Self::kill9`], [`Self::stop`] or a fall, on the same ports and data. Does nothing while it runs.
    ///
    /// # Errors
    /// As at the first start.
    pub async fn start_again(&self) -> Result<(), SandboxError> {
        if self.process().as_ref().is_some_and(|process| process.ended().is_none()) {
            return Ok(());
        }
        let process = Process::spawn(&self.launch)?;
        match self.wait_until_ready(&process).await {
            Ok(()) => {
                *self.process() = Some(process);
                Ok(())
            }
            Err(error) => {
                let said = process.tail().to_lowercase();
                drop(process);
                let taken =
                    [&self.node_url, &self.ingress_url, &self.admin_url].into_iter().filter_map(Url::port).find(|port| !is_free(*port));
                match taken {
                    Some(port) if said.contains("address already in use") || said.contains("address in use") => {
                        Err(SandboxError::PortTaken { port, server: SERVER })
                    }
                    _ => Err(error),
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

    /// SIGKILL to the server, as a crash would have it.
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
        end_orphan(SERVER, &record(folder), Signal::SIGTERM).await
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
                        "did not start ({status}) because its file in the cache is damaged. It has been removed: start again to fetch it anew"
                    )));
                }
                return Err(process.failed(format!("did not start ({status})")));
            }
            if self.is_ready().await {
                return Ok(());
            }
            if begin.elapsed() > READY_WITHIN {
                return Err(process.failed(format!("was not ready within {} s", READY_WITHIN.as_secs())));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether admin and ingress answer, and every partition has its place: a moment earlier, look-ups fail. The cluster's name shows that it
    /// is our server and not one that took the port before us.
    async fn is_ready(&self) -> bool {
        let get = |base: &Url, path: &str| {
            let request = base.join(path).map(|url| self.client.get(url));
            async move { request.ok()?.send().await.ok().filter(|answer| answer.status().is_success()) }
        };
        let Some(health) = get(&self.admin_url, "cluster-health").await else { return false };
        health.json::<ClusterHealth>().await.is_ok_and(|health| health.cluster_name == self.cluster)
            && get(&self.admin_url, "health").await.is_some()
            && get(&self.ingress_url, "restate/health").await.is_some()
            && self.answers_queries().await
    }

    async fn answers_queries(&self) -> bool {
        let Ok(url) = self.admin_url.join("query") else { return false };
        // Without a condition it asks every partition, and the limit keeps it from reading them.
        let query = serde_json::json!({"query": "select id from sys_invocation_status limit 1"});
        self.client.post(url).json(&query).send().await.is_ok_and(|answer| answer.status().is_success())
    }
}

fn record(folder: &Path) -> PathBuf {
    folder.join("run/restate.json")
}

/// Variables that must not leak into the server: another Restate's settings, and proxies, which it would use to reach our worker on loopback.
fn is_foreign(name: &str) -> bool {
    name.starts_with("RESTATE_") || matches!(name.to_ascii_uppercase().as_str(), "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY")
}

fn environment(
    data: &Path,
    cluster: &str,
    [node, ingress, admin]: [u16; 3],
    more: &[(String, String)],
) -> Vec<(String, std::ffi::OsString)> {
    let mut env = vec![
        ("RESTATE_BASE_DIR".to_owned(), data.as_os_str().to_owned()),
        ("RESTATE_CLUSTER_NAME".to_owned(), cluster.into()),
        // The default also opens sockets below the data folder, whose path may be too long for one.
        ("RESTATE_LISTEN_MODE".to_owned(), "tcp".into()),
        ("RESTATE_METADATA_CLIENT__ADDRESSES".to_owned(), format!("[\"http://127.0.0.1:{node}\"]").into()),
    ];
    for (prefix, port) in [("", node), ("INGRESS__", ingress), ("ADMIN__", admin)] {
        env.push((format!("RESTATE_{prefix}BIND_ADDRESS"), format!("127.0.0.1:{port}").into()));
        env.push((format!("RESTATE_{prefix}ADVERTISED_ADDRESS"), format!("http://127.0.0.1:{port}").into()));
    }
    env.extend(more.iter().map(|(name, value)| (name.clone(), value.into())));
    env
}

/// The cluster's name is part of the data, so it is made once and kept beside it.
fn cluster_name(data: &Path) -> Result<String, SandboxError> {
    let path = data.join("cluster-name");
    match fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
        Ok(_) => fresh_cluster_name(&path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => fresh_cluster_name(&path),
        Err(error) => Err(SandboxError::at(&path)(error)),
    }
}

fn fresh_cluster_name(path: &Path) -> Result<String, SandboxError> {
    let name = format!("pressroom-{:08x}", rand::random::<u32>());
    fs::write(path, &name).map_err(SandboxError::at(path))?;
    Ok(name)
}

fn loopback(port: u16) -> Result<Url, SandboxError> {
    Url::parse(&format!("http://127.0.0.1:{port}/"))
        .map_err(|error| SandboxError::system("writing an address")(std::io::Error::other(error)))
}

fn client() -> Result<reqwest::Client, SandboxError> {
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
    builder.build().map_err(|error| SandboxError::system("making an HTTP client")(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_loopback_and_more_settings_come_last() {
        let more = [("RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT".to_owned(), "0s".to_owned())];
        let env = environment(Path::new("/data"), "name", [1, 2, 3], &more);
        let addresses: Vec<_> = env.iter().filter(|(name, _)| name.contains("ADDRESS")).collect();
        assert_eq!(addresses.len(), 7);
        assert!(addresses.iter().all(|(_, value)| value.to_string_lossy().contains("127.0.0.1:")), "{addresses:?}");
        assert_eq!(env.last().unwrap().0, more[0].0);
    }

    #[test]
    fn the_clusters_name_stays_with_the_data() {
        let folder = tempfile::tempdir().unwrap();
        let first = cluster_name(folder.path()).unwrap();
        assert_eq!(cluster_name(folder.path()).unwrap(), first);
    }
}
