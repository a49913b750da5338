//! Ports that stay the same from one start to the next: runs in flight remember where their worker was, and accounts where their server was.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::worker;

/// The ports of a folder.
pub(crate) struct Ports {
    file: PathBuf,
    known: BTreeMap<String, u16>,
}

impl Ports {
    /// Reads them; a file that cannot be read counts as none.
    pub(crate) fn open(folder: &Path) -> Self {
        let file = folder.join("ports.json");
        let known = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file, known }
    }

    /// The port that `name` had, or 0.
    #[must_use]
    pub(crate) fn of(&self, name: &str) -> u16 {
        self.known.get(name).copied().unwrap_or(0)
    }

    /// Remembers the port that `name` got.
    pub(crate) fn remember(&mut self, name: &str, port: u16) {
        self.known.insert(name.to_owned(), port);
    }

    /// Binds `name` to its port of last time, or else to `wish`, or else, if that is taken and nobody asked for it by name, to a free one.
    ///
    /// # Errors
    /// When a port that was asked for is taken.
    pub(crate) async fn listen(&mut self, name: &str, wish: SocketAddr) -> anyhow::Result<TcpListener> {
        let last = SocketAddr::new(wish.ip(), self.of(name));
        let default = gateway::GatewaySettings::default().listen;
        let listener = match TcpListener::bind(last).await {
            Ok(listener) if last.port() != 0 && (wish == default || wish.port() == 0) => listener,
            _ if wish == default => match TcpListener::bind(wish).await {
                Ok(listener) => listener,
                Err(_) => worker::listen(SocketAddr::new(wish.ip(), 0), name).await?,
            },
            _ => worker::listen(wish, "gateway.listen").await?,
        };
        self.remember(name, listener.local_addr()?.port());
        Ok(listener)
    }

    /// Writes them.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        std::fs::write(&self.file, serde_json::to_vec_pretty(&self.known)?).with_context(|| format!("writing {}", self.file.display()))
    }
}
