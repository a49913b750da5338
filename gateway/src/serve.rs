//! Puts the routes under the layers, and serves them.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use axum::{Router, middleware, serve::ListenerExt};
use tokio::net::TcpListener;

use crate::{api, app::App, guard, problem::Problem, request};

/// The whole gateway as a router.
pub fn router(app: App) -> Router {
    let (routes, _) = api::routes().split_for_parts();
    routes
        // Inside the fallback, so that an unknown path is a 404 before anybody is asked who they are.
        .route_layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .fallback(async || Problem::not_found())
        .layer(middleware::from_fn_with_state(app.clone(), request::observe))
        .with_state(app)
}

/// Serves on `listener` until `shutdown`, then lets requests under way finish for as long as the settings say. Streams end at once, so that
/// their clients reconnect elsewhere.
///
/// # Errors
/// When the listener fails.
pub async fn serve(app: App, listener: TcpListener, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let drain = Duration::from_secs(app.settings.drain_seconds.into());
    let mut stopping = app.stopping();
    let signal = {
        let app = app.clone();
        async move {
            shutdown.await;
            app.stop();
        }
    };
    let relay = tokio::spawn(app.drafts.clone().relay(app.store.clone()));
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    // An answer or an event goes out when it is written, not when the last one was acknowledged.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its small packets");
        }
    });
    let serving = axum::serve(listener, service).with_graceful_shutdown(signal);
    let deadline = async move {
        // The sender lives in the app, which the router holds: it cannot end first.
        let _ = stopping.wait_for(|stop| *stop).await;
        tokio::time::sleep(drain).await;
    };
    let outcome = tokio::select! {
        served = serving.into_future() => served,
        () = deadline => {
            tracing::warn!(?drain, "requests were still under way when the time to finish them was over");
            Ok(())
        }
    };
    relay.abort();
    outcome
}
