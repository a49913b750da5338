//! What the instance says of itself: nodeinfo and the two instance documents.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{App, Refusal, media, text::LINK_LENGTH};

/// What snac says that a link counts. It does not count by it.
const SNAC_LINK_LENGTH: usize = 32;
const TITLE: &str = "Pressroom stand-in";
const DESCRIPTION: &str = "A stand-in that speaks Mastodon's API for Pressroom's demo and tests. Not a real server: nobody reads here.";

pub(crate) async fn nodeinfo_links(State(app): State<App>) -> Json<Value> {
    Json(json!({ "links": [{ "rel": "http://nodeinfo.diaspora.software/ns/schema/2.0", "href": format!("{}/nodeinfo/2.0", app.base()) }] }))
}

pub(crate) async fn nodeinfo(State(app): State<App>) -> Json<Value> {
    let software = app.options().software;
    Json(json!({
        "version": "2.0",
        "software": { "name": software.name(), "version": software.version() },
        "protocols": ["activitypub"],
        "services": { "outbound": [], "inbound": [] },
        "usage": { "users": { "total": app.options().accounts.len() }, "localPosts": app.memory().statuses().filter(|status| !status.deleted).count() },
        "openRegistrations": false,
        "metadata": { "nodeName": TITLE, "nodeDescription": DESCRIPTION },
    }))
}

fn configuration(app: &App) -> Value {
    json!({
        "statuses": { "max_characters": app.max_characters(), "max_media_attachments": media::MAX_ATTACHMENTS, "characters_reserved_per_url": if app.is_snac() { SNAC_LINK_LENGTH } else { LINK_LENGTH } },
        "media_attachments": { "supported_mime_types": media::IMAGE_TYPES, "description_limit": media::MAX_DESCRIPTION, "image_size_limit": media::MAX_IMAGE },
        "accounts": { "max_featured_tags": 10, "max_pinned_statuses": 5 },
        "polls": { "max_options": 4, "max_characters_per_option": 50, "min_expiration": 300, "max_expiration": 2_629_746 },
    })
}

/// `version` of both documents: other servers put the Mastodon version that they imitate in front of their own.
fn version(app: &App) -> String {
    let software = app.options().software;
    match software {
        super::Software::Mastodon => software.version().to_owned(),
        super::Software::Snac => format!("4.0.0 (not true; really snac/{})", software.version()),
        super::Software::GoToSocial => format!("4.0.0 (compatible; {} {})", software.name(), software.version()),
    }
}

fn host(app: &App) -> &str {
    app.base().trim_start_matches("http://")
}

pub(crate) async fn v1(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "uri": host(&app), "title": TITLE, "short_description": DESCRIPTION, "description": DESCRIPTION, "email": "", "version": version(&app),
        "urls": {}, "stats": { "user_count": app.options().accounts.len(), "status_count": app.memory().statuses().count(), "domain_count": 0 },
        "thumbnail": Value::Null, "languages": ["en"], "registrations": false, "approval_required": false, "invites_enabled": false,
        "configuration": configuration(&app), "contact_account": Value::Null, "rules": [],
    }))
}

pub(crate) async fn v2(State(app): State<App>) -> Result<Json<Value>, Refusal> {
    if app.is_snac() {
        return Err(Refusal::not_found());
    }
    Ok(Json(json!({
        "domain": host(&app), "title": TITLE, "version": version(&app), "source_url": "", "description": DESCRIPTION,
        "usage": { "users": { "active_month": app.options().accounts.len() } }, "thumbnail": { "url": "" }, "languages": ["en"],
        "configuration": configuration(&app), "registrations": { "enabled": false, "approval_required": false, "message": Value::Null },
        "contact": { "email": "", "account": Value::Null }, "rules": [], "api_versions": { "mastodon": 6 },
    })))
}
