//! A stand-in for a language model: it speaks OpenAI's and Anthropic's HTTP protocols, writes plausible copy from what the prompt says, and can
//! be told to fail in every way that real ones do.
//!
//! It is no model and says so: it calls itself `pressroom-stand-in`, and every answer carries the header `x-pressroom-stand-in`. The same
//! request always gets the same answer.

mod anthropic;
mod control;
mod embeddings;
mod manner;
mod openai;
mod phrases;
mod reading;
mod reply;
mod translating;
mod writing;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::Context as _;
use axum::{Router, routing};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use self::control::Control;
pub use self::control::{Counts, Door, Fault, Pace, Received};

/// What it calls itself, and the beginning of every model name that it answers to.
pub const NAME: &str = "pressroom-stand-in";

/// How the stand-in is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on loopback; 0 takes a free one.
    pub port: u16,
    /// The numbers in a vector, unless a request asks for another count.
    pub dimensions: usize,
    /// The key that requests must carry; `None` takes any, and none.
    pub api_key: Option<String>,
    /// One draft in so many is careless (too long, or without its disclosure), chosen by the prompt: so that the rewriting shows. `None` never is.
    pub careless_one_in: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 0, dimensions: 256, api_key: None, careless_one_in: None }
    }
}

/// A running stand-in. It ends with this handle, or in order by [`StandInModel::stop`].
#[derive(Debug)]
pub struct StandInModel {
    addr: SocketAddr,
    control: Arc<Control>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl StandInModel {
    /// Starts it on loopback.
    ///
    /// # Errors
    /// If the port is taken.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
            .await
            .with_context(|| format!("the stand-in model cannot listen on 127.0.0.1:{}", options.port))?;
        let addr = listener.local_addr()?;
        let control = Arc::new(Control::new(options));
        let router = Router::new()
            .route("/v1/chat/completions", routing::post(openai::chat))
            .route("/v1/embeddings", routing::post(embeddings::embed))
            .route("/v1/models", routing::get(openai::models))
            .route("/v1/messages", routing::post(anthropic::messages))
            .route("/_sandbox/faults", routing::post(control::add_fault).delete(control::clear_faults))
            .route("/_sandbox/pace", routing::put(control::set_pace))
            .route("/_sandbox/requests", routing::get(control::requests))
            .with_state(Arc::clone(&control));
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let until = async move {
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
                tracing::error!(%error, "the stand-in model ended");
            }
        });
        Ok(Self { addr, control, stop: Some(stop), task })
    }

    /// The port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.addr.port()
    }

    /// The base URL for OpenAI's protocol, embeddings included (`http://127.0.0.1:PORT/v1`).
    #[must_use]
    pub fn openai_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// The base URL for Anthropic's protocol (`http://127.0.0.1:PORT`).
    #[must_use]
    pub fn anthropic_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Lets the next `times` requests that it fits fail with `fault`; `on` narrows it to one door. Faults are used up in the order in which
    /// they were added.
    pub fn fail(&self, fault: Fault, times: u32, on: Option<Door>) {
        self.control.fail(fault, times, on);
    }

    /// Forgets all faults that are left.
    pub fn heal(&self) {
        self.control.heal();
    }

    /// Sets how fast answers come.
    pub fn set_pace(&self, pace: Pace) {
        self.control.set_pace(pace);
    }

    /// How many requests came, since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.control.counts()
    }

    /// The latest requests, oldest first, without their keys.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.control.received()
    }

    /// Stops listening and waits for its task; a hanging answer is cut.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if tokio::time::timeout(std::time::Duration::from_millis(500), &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for StandInModel {
    fn drop(&mut self) {
        self.task.abort();
    }
}
