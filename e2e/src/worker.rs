//! A worker in the test's own process, on a runtime of its own, so that it can be taken away at once.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use anyhow::Context as _;
use tokio::runtime::Runtime;
use url::Url;
use workflows::world::World;

use crate::process::free_address;

/// A running worker. Dropping it ends it at once, with everything that it was doing.
#[derive(Debug)]
pub struct Worker {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Worker {
    /// Starts one at `address`, or a free one. `world` is built on the worker's own runtime.
    ///
    /// # Errors
    /// When the port is taken, or the world cannot be built.
    pub fn start(address: Option<SocketAddr>, world: impl FnOnce() -> anyhow::Result<World>) -> anyhow::Result<Self> {
        let address = address.map_or_else(free_address, Ok)?;
        let listener = TcpListener::bind(address).with_context(|| format!("a worker at {address}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("worker").enable_all().build()?;
        {
            let _on_it = runtime.enter();
            let endpoint = workflows::endpoint(&world()?);
            let listener = tokio::net::TcpListener::from_std(listener)?;
            runtime.spawn(workflows::serve(endpoint, listener, std::future::pending::<()>()));
        }
        Ok(Self { address, runtime: Some(runtime) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the engine knows it by.
    ///
    /// # Errors
    /// Never for a socket address.
    pub fn url(&self) -> anyhow::Result<Url> {
        Ok(Url::parse(&format!("http://{}/", self.address))?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // On a thread of its own, because a runtime may not wait inside another one; waited for, so that the address is free afterwards.
            let ended = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(30)));
            let _ = ended.join();
        }
    }
}
