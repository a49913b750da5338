//! Short links: where they lead, and how often people follow them.

use activities::store::lookup;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::IntoResponse,
};
use domain::links;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::anyone,
    app::App,
    problem::{ApiResult, Problem},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(anyone(routes!(follow)))
}

/// Follow a short link
///
/// It leads only to what was stored when it was made; machines are not counted.
#[utoipa::path(get, path = "/l/{code}", tag = "metrics", operation_id = "follow_link", params(("code" = String, Path)),
    responses((status = 302, description = "To the page"), (status = 404, description = "There is no such link")))]
async fn follow(State(app): State<App>, Path(code): Path<String>, headers: HeaderMap, method: Method) -> ApiResult<impl IntoResponse> {
    if !links::is_short_code(&code) {
        return Err(Problem::not_found());
    }
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    // A HEAD asks where it leads without going there, and so does a browser that fetches ahead of a click.
    let ahead = headers.get("sec-purpose").or_else(|| headers.get("purpose")).is_some_and(|v| v.as_bytes().starts_with(b"prefetch"));
    let counts = method == Method::GET && !ahead && !links::is_bot(agent);
    let target = lookup::follow_link(&app.store, &code, counts).await?.ok_or_else(Problem::not_found)?;
    // Checked when it was stored, and again here: whatever the table holds, no other scheme is ever redirected to.
    let target = links::check_target(&target).map_err(Problem::internal)?;
    let headers = [
        (header::LOCATION, target.to_string()),
        // Every visit comes here, so that each is counted.
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
        (HeaderName::from_static("referrer-policy"), "no-referrer-when-downgrade".to_owned()),
        (HeaderName::from_static("x-robots-tag"), "noindex".to_owned()),
    ];
    Ok((StatusCode::FOUND, headers))
}
