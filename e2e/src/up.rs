//! `pressroom up` as a user runs it: a process in a folder of its own, from the outside.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use crate::{process, wait};

/// How long the whole story may take on a machine that is busy with other things.
const STORY: Duration = Duration::from_secs(400);

/// A folder that `up` is run in.
///
/// # Errors
/// When it cannot be made.
pub fn folder() -> anyhow::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("pressroom-up-").tempdir()?;
    // As root, PostgreSQL runs under another account and has to get in.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
    Ok(folder)
}

/// A running `pressroom up`. Dropping it kills it, as a crash would; the servers that it supervises end with it.
#[derive(Debug)]
pub struct Up {
    child: Mutex<Child>,
    folder: PathBuf,
    out: PathBuf,
    err: PathBuf,
}

impl Up {
    /// Starts it in `folder`, with these arguments after `up`. What it prints is kept under `name`.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn start(folder: &Path, name: &str, args: &[&str]) -> anyhow::Result<Self> {
        let (out, err) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        let mut command = Command::new(process::binary()?);
        // Settings that happen to be in the environment, of this very product, are none of the test's.
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("PRESSROOM__") {
                command.env_remove(key);
            }
        }
        command.arg("up").args(args).current_dir(folder).stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&err)?);
        Ok(Self { child: Mutex::new(command.spawn()?), folder: folder.to_owned(), out, err })
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it has printed on standard output so far.
    #[must_use]
    pub fn out(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// What it has printed on standard error so far.
    #[must_use]
    pub fn err(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// Waits until it has said a sentence, on either.
    ///
    /// # Errors
    /// When it ends before, or does not say it.
    pub async fn says(&self, sentence: &str) -> anyhow::Result<()> {
        wait::within(STORY, &format!("`up` to say {sentence:?}"), async || {
            let told = format!("{}{}", self.out(), self.err());
            if told.contains(sentence) {
                return Ok(Ok(()));
            }
            ensure!(self.child().try_wait()?.is_none(), "`up` ended before it said {sentence:?}: {told}");
            Ok(Err(told))
        })
        .await
    }

    /// Waits until everything is ready.
    ///
    /// # Errors
    /// As [`Self::says`].
    pub async fn ready(&self) -> anyhow::Result<()> {
        self.says("Pressroom is up.").await
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ends(&self) -> anyhow::Result<ExitStatus> {
        wait::within(STORY, "`up` to end", async || Ok(self.child().try_wait()?.ok_or_else(|| format!("{}{}", self.out(), self.err()))))
            .await
    }

    /// Asks it to end, as Ctrl-C does, and waits for that.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn interrupt(&self) -> anyhow::Result<ExitStatus> {
        kill(Pid::from_raw(i32::try_from(self.id())?), Signal::SIGINT)?;
        self.ends().await
    }

    /// SIGKILL to this one process; what it supervises is left to see to itself.
    ///
    /// # Errors
    /// When it had ended already.
    pub fn kill9(&self) -> anyhow::Result<()> {
        let mut child = self.child();
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Where something answers, by the name that its greeting gives it.
    ///
    /// # Errors
    /// When the claim on the folder does not say.
    pub fn url(&self, of: &str) -> anyhow::Result<Url> {
        let claim: Value = serde_json::from_slice(&fs::read(self.folder.join(".pressroom/claim.json"))?)?;
        let urls = claim["urls"].as_array().context("the claim names no addresses")?;
        let found = urls.iter().find(|pair| pair[0] == of).and_then(|pair| pair[1].as_str());
        Ok(Url::parse(found.with_context(|| format!("the claim does not name {of}: {claim}"))?)?)
    }

    /// Asks the API with the key that it wrote.
    ///
    /// # Errors
    /// When it does not answer with success.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let key = fs::read_to_string(self.folder.join(".pressroom/api-key"))?;
        let url = self.url("API")?.join(path)?;
        let answer = reqwest::Client::new().get(url).bearer_auth(key.trim()).send().await?.error_for_status()?;
        Ok(answer.json().await?)
    }

    /// The events in the books of a platform's stand-in.
    ///
    /// # Errors
    /// When there are none.
    pub fn books(&self, platform: &str) -> anyhow::Result<Vec<Value>> {
        let file = self.folder.join(format!(".pressroom/stand-ins/{platform}/{platform}.jsonl"));
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let mut child = self.child();
        if !matches!(child.try_wait(), Ok(Some(_))) {
            // An error means that it has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
