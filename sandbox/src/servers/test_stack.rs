//! Real servers for a test: in a folder of their own, on free ports, gone when the test is, also when it panics.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::binaries::ServerSettings;
use super::error::SandboxError;
use super::stack::{Stack, StackOptions};

/// A [`Stack`] for one test. Any number may run at once; each has its own data.
#[derive(Debug)]
pub struct TestStack {
    stack: Stack,
    data_outside: Option<PathBuf>,
    /// Last, so that the servers are dead before their data goes.
    _folder: TempDir,
}

impl TestStack {
    /// Starts PostgreSQL and restate-server, empty.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub async fn start() -> Result<Self, SandboxError> {
        Self::start_with_env(&[]).await
    }

    /// The same with settings of restate-server, such as `("RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT", "0s")`, which makes handlers
    /// replay at every point where they wait.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub async fn start_with_env(restate_env: &[(&str, &str)]) -> Result<Self, SandboxError> {
        let folder =
            tempfile::Builder::new().prefix("pressroom-test-").tempdir().map_err(SandboxError::system("making a folder for a test"))?;
        // As root, PostgreSQL runs under another account and has to get in.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).map_err(SandboxError::at(folder.path()))?;
        let options = StackOptions {
            folder: folder.path().join(".pressroom"),
            servers: ServerSettings { pinned_only: true, ..ServerSettings::default() },
            restate_env: restate_env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            durable: false,
        };
        let stack = Stack::start(&options).await?;
        let home = stack.postgres().and_then(|postgres| postgres.data().parent()).map(PathBuf::from);
        let data_outside = home.filter(|home| home != stack.folder());
        Ok(Self { stack, data_outside, _folder: folder })
    }

    /// SIGKILL to restate-server.
    pub fn kill9_restate(&self) {
        if let Some(restate) = self.stack.restate() {
            restate.kill9();
        }
    }

    /// Starts restate-server again after a kill, on the same ports and data; returns when it is ready.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub async fn restart_restate(&self) -> Result<(), SandboxError> {
        match self.stack.restate() {
            Some(restate) => restate.start_again().await,
            None => Ok(()),
        }
    }

    /// SIGKILL to PostgreSQL and all its processes.
    pub fn kill9_postgres(&self) {
        if let Some(postgres) = self.stack.postgres() {
            postgres.kill9();
        }
    }

    /// Starts PostgreSQL again after a kill, on the same port and data; returns when it is ready.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub async fn restart_postgres(&self) -> Result<(), SandboxError> {
        match self.stack.postgres() {
            Some(postgres) => postgres.start_again().await,
            None => Ok(()),
        }
    }
}

impl Deref for TestStack {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

impl Drop for TestStack {
    fn drop(&mut self) {
        self.kill9_restate();
        self.kill9_postgres();
        if let Some(outside) = &self.data_outside {
            let _ = fs::remove_dir_all(outside);
        }
    }
}
