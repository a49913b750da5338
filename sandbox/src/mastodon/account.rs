//! Accounts: who a token belongs to, and how an account reads in JSON.

use axum::{
    Json,
    extract::{FromRequestParts, Path, Query, State},
};
use http::{StatusCode, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Account, App, Refusal, bearer, state::Standing};

/// The account behind a request's token; extracting it refuses with Doorkeeper's 401 otherwise.
pub(crate) struct Caller {
    pub(crate) handle: String,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let token = bearer(&parts.headers).ok_or_else(|| Refusal::token("is invalid"))?;
        match app.memory().token(token) {
            Some((handle, Standing::Valid)) => Ok(Self { handle }),
            Some((_, Standing::Expired)) => Err(Refusal::token("expired")),
            Some((_, Standing::Revoked)) => Err(Refusal::token("was revoked")),
            None => Err(Refusal::token("is invalid")),
        }
    }
}

impl App {
    /// The account of this handle, with its place in the settings, which gives its id.
    pub(crate) fn account(&self, handle: &str) -> Option<(usize, &Account)> {
        self.options().accounts.iter().enumerate().find(|(_, account)| account.handle == handle)
    }

    pub(crate) fn account_by_id(&self, id: &str) -> Option<&Account> {
        self.options().accounts.iter().enumerate().find(|(place, _)| account_id(*place) == id).map(|(_, account)| account)
    }

    /// The Account entity.
    pub(crate) fn account_json(&self, handle: &str) -> Value {
        let Some((place, account)) = self.account(handle) else { return Value::Null };
        let url = format!("{}/@{handle}", self.base());
        let posts = self.memory().statuses().filter(|status| status.account == handle && !status.deleted).count();
        json!({
            "id": account_id(place), "username": handle, "acct": handle, "display_name": account.display_name, "locked": false, "bot": true,
            "discoverable": false, "indexable": false, "group": false, "created_at": "2026-01-01T00:00:00.000Z",
            "note": "<p>An account on a stand-in of Pressroom, not on a real server.</p>", "url": url, "uri": format!("{}/users/{handle}", self.base()),
            "avatar": "", "avatar_static": "", "header": "", "header_static": "", "followers_count": 0, "following_count": 0,
            "statuses_count": posts, "last_status_at": Value::Null, "emojis": [], "fields": [],
        })
    }
}

/// Ids look like Mastodon's and stay the same over restarts.
pub(crate) fn account_id(place: usize) -> String {
    (109_000_000_000_000_001_u64 + place as u64).to_string()
}

pub(crate) async fn verify_credentials(State(app): State<App>, caller: Result<Caller, Refusal>) -> Result<Json<Value>, Refusal> {
    // snac answers 422 without a word, to whatever is wrong with a token.
    let caller = caller.map_err(|refusal| if app.is_snac() { Refusal::wordless(StatusCode::UNPROCESSABLE_ENTITY) } else { refusal })?;
    let mut account = app.account_json(&caller.handle);
    account["source"] =
        json!({ "privacy": "public", "sensitive": false, "language": "en", "note": "", "fields": [], "follow_requests_count": 0 });
    Ok(Json(account))
}

#[derive(Deserialize)]
pub(crate) struct Lookup {
    acct: String,
}

pub(crate) async fn lookup(State(app): State<App>, Query(query): Query<Lookup>) -> Result<Json<Value>, Refusal> {
    let name = query.acct.trim_start_matches('@').split('@').next().unwrap_or_default().to_owned();
    app.account(&name).map(|(_, account)| Json(app.account_json(&account.handle))).ok_or_else(Refusal::not_found)
}

pub(crate) async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    app.account_by_id(&id).map(|account| Json(app.account_json(&account.handle))).ok_or_else(Refusal::not_found)
}

impl axum::extract::OptionalFromRequestParts<App> for Caller {
    type Rejection = Refusal;

    /// No token is a visitor; a bad token is refused even where none is needed, as Doorkeeper does.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Refusal> {
        if bearer(&parts.headers).is_none() {
            return Ok(None);
        }
        <Self as FromRequestParts<App>>::from_request_parts(parts, app).await.map(Some)
    }
}
