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

    /// Binds `name` to the address that was asked for; where nobody asked for one, to its port of last time, or else to `wish`, or else, if that is
    /// taken too, to a free one.
    ///
    /// # Errors
    /// When an address that was asked for is taken; `key` is the setting that asks.
    pub(crate) async fn listen(&mut self, name: &str, key: &str, wish: SocketAddr, is_named: bool) -> anyhow::Result<TcpListener> {
        let last = SocketAddr::new(wish.ip(), self.of(name));
        let listener = if is_named && wish.port() != 0 {
            worker::listen(wish, key).await?
        } else {
            let before = if last.port() == 0 { None } else { TcpListener::bind(last).await.ok() };
            match before {
                Some(listener) => listener,
                None => match TcpListener::bind(wish).await {
                    Ok(listener) => listener,
                    Err(_) => worker::listen(SocketAddr::new(wish.ip(), 0), key).await?,
                },
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_address_that_nobody_asked_for_gives_way() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wish = taken.local_addr().unwrap();
        let mut ports = Ports::open(folder.path());
        // Not even for the port of last time.
        let first = ports.listen("gateway", "gateway.listen", wish, false).await.unwrap().local_addr().unwrap();
        assert_ne!(first.port(), wish.port());
        let error = ports.listen("gateway", "gateway.listen", wish, true).await.unwrap_err().to_string();
        assert!(error.contains(&wish.to_string()) && error.contains("`gateway.listen`") && error.contains("taken"), "{error}");
        assert_eq!(ports.of("gateway"), first.port(), "the refusal changes nothing");
        // Once it is free, the one who asks gets it, and the others what they had.
        drop(taken);
        let named = ports.listen("gateway", "gateway.listen", wish, true).await.unwrap();
        assert_eq!(named.local_addr().unwrap(), wish);
        let any = "127.0.0.1:0".parse().unwrap();
        assert_ne!(ports.listen("worker", "worker.listen", any, true).await.unwrap().local_addr().unwrap().port(), 0);
    }
}
