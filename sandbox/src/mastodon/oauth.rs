//! OAuth 2 as Mastodon's Doorkeeper speaks it: apps, the code grant with PKCE (S256), client credentials, revocation.
//!
//! Nobody is asked: `/oauth/authorize` approves at once, for the first account or for the one that `account=` names.

use axum::{
    Json,
    extract::{RawQuery, State},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    App, Refusal,
    params::Params,
    state::{Client, Code},
};

/// The redirect URI that asks for the code to be shown instead.
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

/// 43 characters that cannot be guessed, as Doorkeeper's tokens are.
fn secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// An error of the token endpoint, with Doorkeeper's description.
fn error(status: StatusCode, code: &str) -> Response {
    let description = match code {
        "invalid_grant" => {
            "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client."
        }
        "invalid_client" => {
            "Client authentication failed due to unknown client, no client authentication included, or unsupported authentication method."
        }
        "unsupported_grant_type" => "The authorization grant type is not supported by the authorization server.",
        "unauthorized_client" => "You are not authorized to revoke this token",
        _ => "The request is missing a required parameter, includes an unsupported parameter value, or is otherwise malformed.",
    };
    (status, Json(json!({ "error": code, "error_description": description }))).into_response()
}

pub(crate) async fn metadata(State(app): State<App>) -> Json<Value> {
    let base = app.base();
    Json(json!({
        "issuer": format!("{base}/"), "authorization_endpoint": format!("{base}/oauth/authorize"), "token_endpoint": format!("{base}/oauth/token"),
        "revocation_endpoint": format!("{base}/oauth/revoke"), "app_registration_endpoint": format!("{base}/api/v1/apps"), "scopes_supported": ["read", "write", "profile"],
        "response_types_supported": ["code"], "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"], "code_challenge_methods_supported": ["S256"],
    }))
}

pub(crate) async fn register(State(app): State<App>, params: Params) -> Result<Json<Value>, Refusal> {
    let name = params.get("client_name").ok_or_else(|| Refusal::invalid("Application name can't be blank"))?;
    let redirect_uris: Vec<String> = params.all("redirect_uris").flat_map(str::split_whitespace).map(str::to_owned).collect();
    if redirect_uris.is_empty() || redirect_uris.iter().any(|uri| Url::parse(uri).is_err()) {
        return Err(Refusal::invalid("Redirect URI must be an absolute URI."));
    }
    let client = Client {
        id: secret(),
        secret: secret(),
        name: name.to_owned(),
        redirect_uris,
        scopes: params.get("scopes").unwrap_or("read").to_owned(),
    };
    let mut memory = app.memory();
    let answer = json!({
        "id": memory.next_id(Utc::now()).to_string(), "name": client.name, "website": params.get("website"), "scopes": client.scopes.split(' ').collect::<Vec<_>>(),
        "redirect_uri": client.redirect_uris.join("\n"), "redirect_uris": client.redirect_uris, "client_id": client.id, "client_secret": client.secret,
        "client_secret_expires_at": 0,
    });
    memory.register(client);
    Ok(Json(answer))
}

pub(crate) async fn authorize(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    let params = Params::of_query(&query.unwrap_or_default());
    match approve(&app, &params) {
        Ok(Approved::Redirect(to)) => {
            (StatusCode::FOUND, [(header::LOCATION, to.to_string())], Html("<p>This stand-in approves at once and sends you back.</p>"))
                .into_response()
        }
        Ok(Approved::Show(code)) => Html(format!("<p>This stand-in approves at once. Your code:</p><code>{code}</code>")).into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, Html(format!("<p>An error has occurred</p><p>{why}</p>"))).into_response(),
    }
}

enum Approved {
    Redirect(Url),
    Show(String),
}

fn approve(app: &App, params: &Params) -> Result<Approved, &'static str> {
    if params.get("response_type") != Some("code") {
        return Err("The authorization server does not support this response type.");
    }
    let mut memory = app.memory();
    let client =
        params.get("client_id").and_then(|id| memory.client(id)).ok_or("Client authentication failed due to unknown client.")?.clone();
    let redirect_uri = params
        .get("redirect_uri")
        .filter(|uri| client.redirect_uris.iter().any(|known| known == uri))
        .ok_or("The redirect uri included is not valid.")?;
    let scope = params.get("scope").unwrap_or("read");
    if !scope.split(' ').all(|wanted| client.scopes.split(' ').any(|known| covers(known, wanted))) {
        return Err("The requested scope is invalid, unknown, or malformed.");
    }
    let challenge = params.get("code_challenge").map(str::to_owned);
    if challenge.is_some() && params.get("code_challenge_method") != Some("S256") {
        return Err("The code_challenge_method must be S256.");
    }
    let account = match params.get("account") {
        Some(handle) => app.account(handle).map(|(_, account)| account),
        None => app.options().accounts.first(),
    };
    let account = account.ok_or("There is no such account on this stand-in.")?.handle.clone();
    let code = secret();
    let waiting = Code { client: client.id, account, redirect_uri: redirect_uri.to_owned(), scope: scope.to_owned(), challenge };
    memory.codes.insert(code.clone(), waiting);
    if redirect_uri == OUT_OF_BAND {
        return Ok(Approved::Show(code));
    }
    let mut to = Url::parse(redirect_uri).map_err(|_| "The redirect uri included is not valid.")?;
    to.query_pairs_mut().append_pair("code", &code);
    if let Some(state) = params.get("state") {
        to.query_pairs_mut().append_pair("state", state);
    }
    Ok(Approved::Redirect(to))
}

/// `write` covers `write:statuses`.
fn covers(known: &str, wanted: &str) -> bool {
    wanted == known || wanted.strip_prefix(known).is_some_and(|rest| rest.starts_with(':'))
}

/// The client that a request proves to be, by Basic authentication or by its parameters.
fn client(app: &App, headers: &HeaderMap, params: &Params) -> Option<Client> {
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic ")).and_then(|encoded| {
        let plain = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
        plain.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
    });
    let (id, secret) = basic.or_else(|| Some((params.get("client_id")?.to_owned(), params.get("client_secret")?.to_owned())))?;
    app.memory().client(&id).filter(|client| client.secret == secret).cloned()
}

pub(crate) async fn token(State(app): State<App>, headers: HeaderMap, params: Params) -> Response {
    let Some(client) = client(&app, &headers, &params) else { return error(StatusCode::UNAUTHORIZED, "invalid_client") };
    let mut memory = app.memory();
    let (account, scope) = match params.get("grant_type") {
        Some("authorization_code") => {
            // A code is used up by the attempt, whatever comes of it.
            let waiting = params.get("code").and_then(|code| memory.codes.remove(code));
            let Some(waiting) = waiting.filter(|waiting| proves(waiting, &client, &params)) else {
                return error(StatusCode::BAD_REQUEST, "invalid_grant");
            };
            (waiting.account, waiting.scope)
        }
        // A token of the app itself belongs to no account and can post nothing.
        Some("client_credentials") => (String::new(), client.scopes),
        Some(_) => return error(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
        None => return error(StatusCode::BAD_REQUEST, "invalid_request"),
    };
    let token = secret();
    if !account.is_empty() {
        memory.grant(token.clone(), account);
    }
    Json(json!({ "access_token": token, "token_type": "Bearer", "scope": scope, "created_at": Utc::now().timestamp() })).into_response()
}

fn proves(waiting: &Code, client: &Client, params: &Params) -> bool {
    let verified = match &waiting.challenge {
        None => true,
        Some(challenge) => {
            params.get("code_verifier").is_some_and(|verifier| &URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == challenge)
        }
    };
    verified && waiting.client == client.id && params.get("redirect_uri") == Some(&waiting.redirect_uri)
}

pub(crate) async fn revoke(State(app): State<App>, headers: HeaderMap, params: Params) -> Response {
    if client(&app, &headers, &params).is_none() {
        return error(StatusCode::FORBIDDEN, "unauthorized_client");
    }
    if let Some(token) = params.get("token") {
        tracing::debug!(token = HEXLOWER.encode(&Sha256::digest(token)[..4]), "a token is revoked; the log has only the start of its hash");
        app.memory().revoke_token(token);
    }
    Json(json!({})).into_response()
}
