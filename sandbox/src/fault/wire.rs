//! A listener for HTTP/1 whose connections can be cut from inside a handler, with no byte of an answer.
//!
//! `axum::serve` always answers something. A platform that dies after the commit does not, so the stand-ins run their own accept loop: each connection
//! carries a [`Cut`] in its requests' extensions, and severing it drops the socket with `SO_LINGER` 0, which the peer sees as a reset.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
};

/// How long [`Server::stop`] lets requests in flight finish; some of them hang on order and never would.
const GRACE: Duration = Duration::from_secs(1);

/// A running server. Stops at once when dropped, and gently by [`Server::stop`].
#[derive(Debug)]
pub(crate) struct Server {
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves `router` on a listener that is already bound, because the routes must know their own address.
    pub(crate) fn on(listener: TcpListener, router: Router) -> Self {
        let (stop, stopping) = watch::channel(false);
        Self { stop, accepting: tokio::spawn(accept(listener, router, stopping)) }
    }

    /// Stops accepting, lets requests in flight finish for a second, then cuts what is left.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        // An error would be the accept loop's panic, which the test run already shows.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The loop owns its connections' tasks, so they end with it.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>) {
    let mut lines = JoinSet::new();
    let for_lines = stopping.clone();
    loop {
        tokio::select! {
            () = asked_to_stop(&mut stopping) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { lines.spawn(line(stream, router.clone(), for_lines.clone())); }
                // Out of descriptors, most likely: the pause keeps the loop from spinning until some are back.
                Err(error) => { tracing::warn!(%error, "a stand-in could not accept a connection"); tokio::time::sleep(Duration::from_millis(20)).await; }
            },
            Some(_) = lines.join_next(), if !lines.is_empty() => {}
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(GRACE, async { while lines.join_next().await.is_some() {} }).await;
    lines.shutdown().await;
}

/// Returns when the server is to stop, or is gone.
async fn asked_to_stop(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Serves one connection until it ends, is cut, or the server stops.
async fn line(stream: TcpStream, router: Router, mut stopping: watch::Receiver<bool>) {
    let cut = Cut::default();
    // Answers are small and written in one go; waiting to fill a packet would only add 40 ms to each.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(cut.clone())));
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(Socket { stream, cut: cut.clone() }), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = cut.severed() => return,
        () = asked_to_stop(&mut stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection => {}
        () = cut.severed() => {}
    }
}

/// The knife for one connection, found in the extensions of its requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cut {
    inner: Arc<(AtomicBool, Notify)>,
}

impl Cut {
    /// Resets the connection. Never returns: the handler that calls it is dropped with the connection.
    pub(crate) async fn sever(&self) -> ! {
        self.inner.0.store(true, Ordering::SeqCst);
        self.inner.1.notify_one();
        std::future::pending().await
    }

    async fn severed(&self) {
        self.inner.1.notified().await;
    }

    fn is_severed(&self) -> bool {
        self.inner.0.load(Ordering::SeqCst)
    }
}

/// The socket under hyper; it resets instead of closing if its connection was cut.
struct Socket {
    stream: TcpStream,
    cut: Cut,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.cut.is_severed() {
            // Fails only if the peer is gone already, and then there is nobody to reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.is_severed() {
            // An orderly shutdown would send FIN before the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
