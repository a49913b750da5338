//! Serving the endpoint to restate-server.

use std::future::Future;

use nix::sys::socket::{setsockopt, sockopt::TcpNoDelay};
use restate_sdk::prelude::{Endpoint, HttpServer};
use tokio::net::TcpListener;

/// Serves `endpoint` on `listener` until `shutdown`; what is under way then gets ten seconds to reach its next journal entry.
///
/// Nagle's algorithm is switched off. A step sends two small messages, one when it begins and one with its result; with Nagle the second waits
/// for the acknowledgement of the first, which the other side's kernel delays by 40 ms: every step that takes longer than an instant would take
/// those 40 ms on top. Accepted connections inherit the option from the listener.
pub async fn serve(endpoint: Endpoint, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    if let Err(error) = setsockopt(&listener, TcpNoDelay, &true) {
        tracing::warn!(%error, "steps will be slow: TCP_NODELAY cannot be set");
    }
    HttpServer::new(endpoint).serve_with_cancel(listener, shutdown).await;
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::getsockopt;
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn accepted_connections_inherit_the_option() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        setsockopt(&listener, TcpNoDelay, &true).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert!(getsockopt(&accepted, TcpNoDelay).unwrap());
    }
}
