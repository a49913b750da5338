//! What the server says of itself, who a handle belongs to, and the pages for people.

use axum::{
    Json,
    extract::{Path, Query, State},
    response::Html,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{App, Refusal, lexicon::POST};

const DESCRIPTION: &str = "A stand-in that speaks the AT protocol for Pressroom's demo and tests. Not a real server: nobody reads here.";

pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "version": "0.5.35", "standIn": true }))
}

pub(crate) async fn describe(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "did": app.service_did(), "availableUserDomains": [".test"], "inviteCodeRequired": false, "blobUploadLimit": super::repo::MAX_BLOB, "links": {}, "contact": {},
        "description": DESCRIPTION,
    }))
}

#[derive(Deserialize)]
pub(crate) struct Handle {
    handle: String,
}

pub(crate) async fn resolve(State(app): State<App>, Query(query): Query<Handle>) -> Result<Json<Value>, Refusal> {
    let account = app
        .account(&query.handle)
        .filter(|account| account.handle == query.handle)
        // Of its own domain it knows all handles; elsewhere it asks, and hears nothing.
        .ok_or_else(|| {
            let own = query.handle.ends_with(".test");
            if own { Refusal::bad("HandleNotFound", "Unable to resolve handle") } else { Refusal::invalid("Unable to resolve handle") }
        })?;
    Ok(Json(json!({ "did": account.did })))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn page(body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Pressroom stand-in</title>\
         <body style=\"font: 16px/1.5 sans-serif; max-width: 40em; margin: 2em auto; padding: 0 1em\">\
         <p style=\"background: #cdf; padding: .5em 1em\"><strong>This is a stand-in</strong> that plays a Bluesky server for Pressroom. Nothing here is public.</p>{body}</body></html>"
    ))
}

pub(crate) async fn front(State(app): State<App>) -> Html<String> {
    let memory = app.memory();
    let posts = memory.records().iter().rev().filter(|record| record.collection == POST && !record.deleted).take(50);
    page(&posts.map(|record| article(&app, &record.did, &record.rkey, &record.value)).collect::<String>())
}

pub(crate) async fn post(
    State(app): State<App>,
    Path((actor, rkey)): Path<(String, String)>,
) -> Result<Html<String>, (StatusCode, Html<String>)> {
    let missing = || (StatusCode::NOT_FOUND, page("<p>There is no such post.</p>"));
    let did = &app.account(&actor).ok_or_else(missing)?.did;
    let memory = app.memory();
    let record = memory.record(&format!("at://{did}/{POST}/{rkey}")).ok_or_else(missing)?;
    Ok(page(&article(&app, did, &rkey, &record.value)))
}

fn article(app: &App, did: &str, rkey: &str, value: &Value) -> String {
    let handle = app.account(did).map_or(did, |account| account.handle.as_str());
    let text = escape(value["text"].as_str().unwrap_or_default()).replace('\n', "<br>");
    let created = escape(value["createdAt"].as_str().unwrap_or_default());
    format!(
        "<article><h2>@{}</h2><p>{text}</p><p><a href=\"/profile/{}/post/{rkey}\">{created}</a></p></article>",
        escape(handle),
        escape(handle)
    )
}
