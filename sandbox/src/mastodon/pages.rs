//! The pages that a person sees who follows a post's link. They say first of all that nothing here is real.

use axum::{
    extract::{Path, State},
    response::Html,
};
use http::StatusCode;

use super::{
    App, Status,
    text::{escape, to_html},
};

fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title} · Pressroom stand-in</title>\
         <body style=\"font: 16px/1.5 sans-serif; max-width: 40em; margin: 2em auto; padding: 0 1em\">\
         <p style=\"background: #fe9; padding: .5em 1em\"><strong>This is a stand-in</strong> that plays a Mastodon server for Pressroom. Nothing here is public.</p>{body}</body></html>"
    ))
}

fn article(app: &App, status: &Status) -> String {
    format!(
        "<article lang=\"{}\"><h2>@{}</h2>{}<p><a href=\"{}\">{}</a></p></article>",
        escape(status.language.as_deref().unwrap_or("en")),
        escape(&status.account),
        to_html(&status.text, app.base()),
        app.status_url(status),
        status.accepted_at.format("%Y-%m-%d %H:%M:%S UTC")
    )
}

fn listing(app: &App, wanted: impl Fn(&Status) -> bool) -> String {
    let memory = app.memory();
    memory
        .statuses()
        .rev()
        .filter(|status| !status.deleted && public(status) && wanted(status))
        .take(50)
        .map(|status| article(app, status))
        .collect()
}

fn public(status: &Status) -> bool {
    matches!(status.visibility.as_str(), "public" | "unlisted")
}

pub(crate) async fn front(State(app): State<App>) -> Html<String> {
    page("All posts", &listing(&app, |_| true))
}

pub(crate) async fn profile(State(app): State<App>, Path(handle): Path<String>) -> Result<Html<String>, (StatusCode, Html<String>)> {
    let handle = handle.trim_start_matches('@');
    let (_, account) = app.account(handle).ok_or_else(missing)?;
    Ok(page(&escape(&account.display_name), &listing(&app, |status| status.account == handle)))
}

pub(crate) async fn status(
    State(app): State<App>,
    Path((handle, id)): Path<(String, String)>,
) -> Result<Html<String>, (StatusCode, Html<String>)> {
    let memory = app.memory();
    let status = memory
        .status(&id)
        .filter(|status| handle.strip_prefix('@') == Some(status.account.as_str()) && public(status))
        .ok_or_else(missing)?;
    Ok(page(&escape(&status.account), &article(&app, status)))
}

fn missing() -> (StatusCode, Html<String>) {
    (StatusCode::NOT_FOUND, page("Not found", "<p>There is no such page.</p>"))
}
