//! A TCP proxy that breaks the line on order: between our processes and PostgreSQL, Restate or a platform.
//!
//! It forwards bytes and knows no protocol, so what it shows is what a bad network shows: resets, refusals, silence, half an answer.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What the proxy does with what passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Weather {
    refuse: bool,
    /// Answers stay here until the weather changes.
    silent: bool,
    delay: Duration,
    /// Bytes of answers that each connection still lets through before it is cut; `None` for no end.
    cut_after: Option<u64>,
    /// Connections opened under an older number are cut.
    storm: u64,
}

/// A running proxy. Dropping it cuts everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    open: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and forwards each connection to `upstream`, which need not be up yet.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (weather, forecast) = watch::channel(Weather::default());
        let open = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn(accept(listener, upstream, forecast, open.clone()));
        Ok(Self { address, weather, open, accepting })
    }

    /// Where to connect instead of the upstream.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open through it.
    pub fn connections(&self) -> u64 {
        self.open.load(Ordering::SeqCst)
    }

    /// Resets all connections that are open now, on both sides. New ones pass.
    pub fn cut_all(&self) {
        self.weather.send_modify(|weather| weather.storm += 1);
    }

    /// Resets every new connection at once; open ones stay.
    pub fn refuse_new(&self) {
        self.weather.send_modify(|weather| weather.refuse = true);
    }

    /// Holds every piece of data back for this long, in both directions. Zero for no delay.
    pub fn delay(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Lets requests through and holds all answers back, until [`Self::restore`]: the upstream acts, and nobody hears of it.
    pub fn silence(&self) {
        self.weather.send_modify(|weather| weather.silent = true);
    }

    /// Lets this many more bytes from the upstream through on each connection, then resets it: half an answer.
    pub fn cut_after(&self, bytes: u64) {
        self.weather.send_modify(|weather| weather.cut_after = Some(bytes));
    }

    /// Fair weather again: nothing is refused, delayed or cut. What was cut stays so.
    pub fn restore(&self) {
        self.weather.send_modify(|weather| *weather = Weather { storm: weather.storm, ..Weather::default() });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The loop owns its connections' tasks, so they end with it.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, forecast: watch::Receiver<Weather>, open: Arc<AtomicU64>) {
    let mut lines = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) if forecast.borrow().refuse => reset(&client),
                Ok((client, _)) => { lines.spawn(line(client, upstream, forecast.clone(), open.clone())); }
                Err(error) => { tracing::warn!(%error, "the proxy could not accept a connection"); tokio::time::sleep(Duration::from_millis(20)).await; }
            },
            Some(_) = lines.join_next(), if !lines.is_empty() => {}
        }
    }
}

/// Makes the coming drop of this socket a reset.
fn reset(stream: &TcpStream) {
    // Fails only if the peer is gone already.
    let _ = stream.set_zero_linger();
}

/// Counts a connection for as long as it lives, also when its task is aborted.
struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn line(mut client: TcpStream, upstream: SocketAddr, mut forecast: watch::Receiver<Weather>, open: Arc<AtomicU64>) {
    let born = forecast.borrow_and_update().storm;
    let Ok(mut server) = TcpStream::connect(upstream).await else { return reset(&client) };
    open.fetch_add(1, Ordering::SeqCst);
    let _counted = Counted(open);
    // What comes in goes out at once: the proxy must not add a delay that nobody ordered.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let broken = {
        // Borrowed halves, because owned ones say an orderly goodbye when they are dropped.
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let (here, there) = (forecast.clone(), forecast.clone());
        let mut up = Direction { from: from_client, to: to_server, forecast: here, counts: false };
        let mut down = Direction { from: from_server, to: to_client, forecast: there, counts: true };
        tokio::select! {
            // Each direction ends for itself, as a half-closed connection may still answer; a cut ends both.
            ends = async { tokio::try_join!(up.run(), down.run()) } => ends.is_err(),
            _ = forecast.wait_for(|weather| weather.storm != born) => true,
        }
    };
    if broken {
        reset(&client);
        reset(&server);
    }
}

/// The order to cut this connection has been reached.
#[derive(Debug)]
struct Cut;

/// One direction of one connection.
struct Direction<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    forecast: watch::Receiver<Weather>,
    counts: bool,
}

impl Direction<'_> {
    async fn run(&mut self) -> Result<(), Cut> {
        let mut buffer = vec![0; 16 * 1024];
        let mut order: Option<u64> = None;
        let mut passed = 0u64;
        loop {
            let read = match self.from.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(read) => read,
            };
            if self.counts && self.forecast.wait_for(|weather| !weather.silent).await.is_err() {
                break;
            }
            let Weather { delay, cut_after, .. } = self.forecast.borrow().clone();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let mut piece = &buffer[..read];
            if let Some(limit) = cut_after.filter(|_| self.counts) {
                if order != Some(limit) {
                    // A new order counts from here.
                    (order, passed) = (Some(limit), 0);
                }
                let left = usize::try_from(limit - passed).unwrap_or(usize::MAX);
                piece = &piece[..read.min(left)];
                passed += piece.len() as u64;
                if self.to.write_all(piece).await.is_err() {
                    break;
                }
                if passed == limit {
                    return Err(Cut);
                }
                continue;
            }
            order = None;
            if self.to.write_all(piece).await.is_err() {
                break;
            }
        }
        // The other side learns that no more is coming.
        let _ = self.to.shutdown().await;
        Ok(())
    }
}
