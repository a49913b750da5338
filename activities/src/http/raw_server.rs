//! A TCP server for tests that does what no HTTP server would: count what arrives, and break off where it is told to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What to do with a connection once a whole request has arrived.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Reset the connection without an answer.
    Reset,
    /// Close it in order, without an answer.
    Close,
    /// Never answer.
    Hang,
    /// Write these bytes and wait for the next request.
    Say(String),
    /// Write these bytes, then reset.
    SayThenReset(String),
}

/// A server that does the same to every request.
pub(crate) struct RawServer {
    /// Where it listens, as `http://127.0.0.1:port/`.
    pub(crate) url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl RawServer {
    pub(crate) async fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (connections_seen, requests_seen) = (Arc::clone(&connections), Arc::clone(&requests));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections_seen.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, act.clone(), Arc::clone(&requests_seen)));
            }
        });
        Self { url, connections, requests, accepting }
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many whole requests arrived.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, act: Act, requests: Arc<AtomicUsize>) {
    while read_request(&mut stream).await {
        requests.fetch_add(1, Ordering::SeqCst);
        match &act {
            Act::Reset => return stream.set_zero_linger().unwrap(),
            Act::Close => return,
            Act::Hang => std::future::pending().await,
            Act::Say(text) => stream.write_all(text.as_bytes()).await.unwrap(),
            Act::SayThenReset(text) => {
                stream.write_all(text.as_bytes()).await.unwrap();
                return stream.set_zero_linger().unwrap();
            }
        }
    }
}

/// Reads one request with a `Content-Length` body; false when the other side has closed.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut seen = Vec::new();
    loop {
        if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.trim().parse::<usize>().unwrap());
            if seen.len() >= end + 4 + length {
                return true;
            }
        }
        match stream.read_buf(&mut seen).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}
