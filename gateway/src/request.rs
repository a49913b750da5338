//! The outermost layer: a request's id, its span, its figures, and what a client reads when something breaks below.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use opentelemetry::propagation::Extractor;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use ulid::Ulid;

use crate::{
    app::App,
    problem::{self, Problem},
};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

tokio::task_local! {
    static CONTEXT: RequestContext;
}

/// What belongs to the request that is being worked on, wherever in its code.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestContext(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    id: String,
    traceparent: Option<HeaderValue>,
}

impl RequestContext {
    /// Of the request that is being worked on; an empty one outside of any.
    pub(crate) fn current() -> Self {
        CONTEXT.try_with(Clone::clone).unwrap_or_default()
    }

    /// The request's id.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// The `traceparent` that it came with, to be handed on when no tracer of ours makes one.
    pub(crate) fn traceparent(&self) -> Option<&HeaderValue> {
        self.0.traceparent.as_ref()
    }

    /// Works on `future` for this request.
    pub(crate) fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CONTEXT.scope(self, future)
    }

    fn of(headers: &HeaderMap) -> Self {
        // A client's own id is taken over if it is one; anything else could put arbitrary text into logs.
        let id = headers.get(&REQUEST_ID).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<Ulid>().ok()).unwrap_or_else(Ulid::generate);
        let traceparent = headers.get(&TRACEPARENT).filter(|v| is_traceparent(v.as_bytes())).cloned();
        Self(Arc::new(Inner { id: id.to_string(), traceparent }))
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>` (W3C Trace Context).
fn is_traceparent(value: &[u8]) -> bool {
    value.len() == 55
        && value.iter().enumerate().all(|(i, b)| match i {
            2 | 35 | 52 => *b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(b),
        })
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|v| v.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// The middleware.
pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let context = RequestContext::of(request.headers());
    // The route's pattern, not the path: paths carry ids and short-link codes, and each would become a time series of its own.
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |p| p.as_str().to_owned());
    let method = request.method().clone();
    let span = tracing::info_span!("http.request", %method, route, request_id = context.id(), status = tracing::field::Empty, caller = tracing::field::Empty);
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&Headers(request.headers())));
    // Without a tracer in this process there is no span to attach to, which is not an error.
    let _ = span.set_parent(parent);

    let began = Instant::now();
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    let outcome = context.clone().scope(work).instrument(span.clone()).await;
    let response = outcome.unwrap_or_else(|_| span.in_scope(|| Problem::internal("a handler panicked")).into_response());
    let mut response = problem::finish(response, context.id(), &app.settings.public_url);
    if let Ok(id) = HeaderValue::from_str(context.id()) {
        response.headers_mut().insert(&REQUEST_ID, id);
    }

    let status = response.status().as_u16();
    span.record("status", status);
    let labels = [("method", method.to_string()), ("route", route), ("status", status.to_string())];
    metrics::counter!("pressroom_http_requests_total", &labels).increment(1);
    metrics::histogram!("pressroom_http_request_seconds", &labels).record(began.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_over_only_if_it_is_one() {
        let mut headers = HeaderMap::new();
        headers.insert(&REQUEST_ID, HeaderValue::from_static("01JD3W0FQH8Z0V0V6D4C6W1R8M"));
        assert_eq!(RequestContext::of(&headers).id(), "01JD3W0FQH8Z0V0V6D4C6W1R8M");
        headers.insert(&REQUEST_ID, HeaderValue::from_static("; DROP TABLE"));
        let made = RequestContext::of(&headers).id().to_owned();
        assert!(made.parse::<Ulid>().is_ok());
    }

    #[test]
    fn only_a_wellformed_traceparent_is_handed_on() {
        assert!(is_traceparent(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        assert!(!is_traceparent(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"));
        assert!(!is_traceparent(b"00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    }
}
