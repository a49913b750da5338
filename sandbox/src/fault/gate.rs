//! The gate in front of a stand-in's routes: draws the fault for a request and commits it.

use std::time::{Duration, SystemTime};

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use super::{Endpoint, Fault, FaultPlan, wire::Cut};

/// Largest request body that a stand-in reads, in bytes: above every upload limit that the platforms document for images.
pub(crate) const MAX_BODY: usize = 50 * 1024 * 1024;

/// What the gate must know of a platform to misbehave in its voice.
pub(crate) trait Platform: Clone + Send + Sync + 'static {
    /// The plan to draw from.
    fn faults(&self) -> &FaultPlan;
    /// The kinds of a request, empty for those that no fault may touch.
    fn kinds(&self, method: &Method, path: &str) -> &'static [Endpoint];
    /// The same, where the headers decide: a piece that completes an upload publishes, the others do not.
    fn kinds_of(&self, method: &Method, uri: &Uri, _headers: &HeaderMap) -> &'static [Endpoint] {
        self.kinds(method, uri.path())
    }
    /// Whether only the body of such a request tells its kinds (GraphQL has one address for all): see [`Self::kinds_in`].
    fn body_tells(&self, _method: &Method, _path: &str) -> bool {
        false
    }
    /// The kinds of a request with this body.
    fn kinds_in(&self, _body: &[u8]) -> &'static [Endpoint] {
        &[]
    }
    /// The platform's own error answer of this status.
    fn refusal(&self, status: StatusCode) -> Response;
    /// The platform's own answer while a rate window is closed.
    fn rate_limited(&self, until: SystemTime) -> Response;
    /// The platform's own answer to a repetition, given its answer to the request that made the post, if that was let through. Platforms that do
    /// not know repetitions answer a plain conflict.
    fn duplicate(&self, _original: Option<&Response>) -> Response {
        self.refusal(StatusCode::CONFLICT)
    }
    /// The access token of a request with this address and these headers is expired from now on.
    fn expire_bearer(&self, uri: &Uri, headers: &HeaderMap);
    /// The account of the token of a request with this address and these headers has no valid credentials from now on.
    fn revoke_bearer(&self, uri: &Uri, headers: &HeaderMap);
    /// A path as logs may show it: some platforms have their secrets in it.
    fn shown(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// Asked of a publishing handler through the request's extensions: keep the post from look-ups for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hide {
    pub(crate) ms: u64,
    pub(crate) lookups: u32,
}

/// Asked of an upload handler through the request's extensions: how processing goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Process {
    /// It takes this long, and that many questions.
    Slowly { ms: u64, polls: u32 },
    /// It fails.
    Fail,
}

/// Middleware: lets a request through, or does to it what the plan says. Marks every answer as a stand-in's.
pub(crate) async fn gate<P: Platform>(
    State(platform): State<P>,
    Extension(cut): Extension<Cut>,
    mut request: Request,
    next: Next,
) -> Response {
    let kinds = if platform.body_tells(request.method(), request.uri().path()) {
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else { return marked(platform.refusal(StatusCode::BAD_REQUEST)) };
        let kinds = platform.kinds_in(&body);
        request = Request::from_parts(parts, Body::from(body));
        kinds
    } else {
        platform.kinds_of(request.method(), request.uri(), request.headers())
    };
    if kinds.is_empty() {
        return marked(next.run(request).await);
    }
    if let Some(until) = platform.faults().limited_until(kinds) {
        return marked(platform.rate_limited(until));
    }
    let Some(fault) = platform.faults().draw(kinds, &platform.shown(request.uri().path())) else {
        return marked(finish(request, next).await);
    };
    tracing::info!(path = platform.shown(request.uri().path()), ?fault, "the stand-in misbehaves on order");
    marked(match fault {
        Fault::AcceptThenReset => {
            finish(request, next).await;
            cut.sever().await
        }
        Fault::AcceptThenFail { status } => {
            finish(request, next).await;
            platform.refusal(status_of(status))
        }
        Fault::AcceptThenHang => {
            finish(request, next).await;
            std::future::pending().await
        }
        Fault::Refuse { status } => platform.refusal(status_of(status)),
        Fault::ResetBeforeReading => cut.sever().await,
        Fault::Hang => std::future::pending().await,
        Fault::AcceptThenDuplicate => {
            let answer = finish(request, next).await;
            platform.duplicate(Some(&answer))
        }
        Fault::RefuseAsDuplicate => platform.duplicate(None),
        Fault::AnswerLate { ms } => {
            let answer = finish(request, next).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            answer
        }
        Fault::ActLate { ms } => {
            // The body must be in hand before the wait, because the caller may be gone after it.
            let (parts, body) = request.into_parts();
            let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
                return marked(platform.refusal(StatusCode::BAD_REQUEST));
            };
            let acting = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                next.run(Request::from_parts(parts, Body::from(body))).await
            });
            acting.await.unwrap_or_else(|_| platform.refusal(StatusCode::INTERNAL_SERVER_ERROR))
        }
        Fault::RateLimit { seconds } => platform.rate_limited(SystemTime::now() + Duration::from_secs(seconds)),
        Fault::ExpireAccess => {
            platform.expire_bearer(request.uri(), request.headers());
            finish(request, next).await
        }
        Fault::RevokeCredentials => {
            platform.revoke_bearer(request.uri(), request.headers());
            finish(request, next).await
        }
        Fault::HideNew { ms, lookups } => {
            request.extensions_mut().insert(Hide { ms, lookups });
            finish(request, next).await
        }
        Fault::ProcessSlowly { ms, polls } => {
            request.extensions_mut().insert(Process::Slowly { ms, polls });
            finish(request, next).await
        }
        Fault::FailProcessing => {
            request.extensions_mut().insert(Process::Fail);
            finish(request, next).await
        }
    })
}

/// Runs the handler to its end even if the caller hangs up meanwhile, as a platform's worker does: hyper drops only the future that waits for it.
async fn finish(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        // Only a handler's panic comes here, and the test run has shown it.
        Err(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn marked(mut response: Response) -> Response {
    response.headers_mut().insert("x-pressroom-stand-in", HeaderValue::from_static("true"));
    response
}
