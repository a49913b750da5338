//! The contract, a page to try it, and the pages about errors.

use axum::{
    extract::{Path, State},
    http::{HeaderName, header},
    response::{Html, IntoResponse},
};
use data_encoding::BASE64URL_NOPAD;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::anyone,
    app::App,
    problem::{ApiResult, Code, Problem},
};

const PAGE: &str = include_str!("../docs.html");

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(anyone(routes!(contract))).routes(anyone(routes!(page))).routes(anyone(routes!(error_page)))
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "system", operation_id = "openapi", responses((status = 200, description = "OpenAPI 3.1")))]
async fn contract(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], app.openapi.clone())
}

/// A page to try it
#[utoipa::path(get, path = "/docs", tag = "system", operation_id = "docs", responses((status = 200, content_type = "text/html", body = String, description = "A page that needs nothing from elsewhere")))]
async fn page() -> impl IntoResponse {
    // The page takes an API key, so nothing but its own script may run in it, and it may talk to nobody but us.
    let nonce = BASE64URL_NOPAD.encode(&rand::random::<[u8; 16]>());
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (HeaderName::from_static("referrer-policy"), "no-referrer".to_owned()),
    ];
    (headers, Html(PAGE.replace("{{nonce}}", &nonce)))
}

/// What an error code means and what to do
#[utoipa::path(get, path = "/docs/errors/{code}", tag = "system", params(("code" = String, Path, example = "validation-failed")),
    responses((status = 200, content_type = "text/markdown", body = String, description = "Its page")))]
async fn error_page(Path(code): Path<String>) -> ApiResult<impl IntoResponse> {
    let code = Code::ALL.iter().find(|c| c.as_str() == code).ok_or_else(Problem::not_found)?;
    Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], code.page()))
}
