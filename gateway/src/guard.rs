//! Stands before every route: who asks, may they, and do they ask too often.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    access::{Access, Rule},
    app::App,
    auth::{self, Caller},
    extract, idempotency, limits,
    problem::{Code, Problem},
};

/// The middleware.
pub(crate) async fn guard(State(app): State<App>, path: MatchedPath, mut request: Request, next: Next) -> Response {
    let Some(rule) = app.access.get(request.method(), path.as_str()) else {
        let allow = HeaderValue::from_str(&app.access.allow(path.as_str())).unwrap_or(HeaderValue::from_static(""));
        return Problem::new(Code::MethodNotAllowed).header(header::ALLOW, allow).into_response();
    };
    let Access::AtLeast(least) = rule.access else { return next.run(request).await };
    let caller = match auth::authenticate(&app, request.headers()).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    tracing::Span::current().record("caller", caller.name());
    let budget = match app.limits.take(&caller) {
        Ok(budget) => budget,
        Err(problem) => return problem.into_response(),
    };
    let mut response = if caller.role < least {
        forbidden(&caller, least).into_response()
    } else {
        request.extensions_mut().insert(caller.clone());
        match *request.method() {
            Method::POST | Method::PATCH | Method::PUT | Method::DELETE => match read_body(rule, request).await {
                Ok(request) => idempotency::run(&app, &caller, request, next).await,
                Err(problem) => problem.into_response(),
            },
            _ => next.run(request).await,
        }
    };
    limits::show(&budget, response.headers_mut());
    response
}

/// A route without a body is sent none: whoever sends one means something that would not happen.
async fn read_body(rule: Rule, request: Request) -> Result<Request, Problem> {
    if rule.takes_body { Ok(request) } else { extract::nothing(request).await }
}

fn forbidden(caller: &Caller, least: crate::access::Role) -> Problem {
    Problem::new(Code::Forbidden).detail(format!("This takes the role {least} or above; you act as {}.", caller.role))
}
