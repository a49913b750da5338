//! OAuth 2 as most platforms speak it (RFC 6749, RFC 7636): the code grant with PKCE, and renewal by refresh token.
//!
//! Nobody is asked: the page approves at once, for the first account or for the one that `account=` names. A platform with names of its own for
//! parameters or answers writes its two routes itself, over [`approve`], [`redeem`] and [`renew`].

use axum::{
    Json,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use data_encoding::BASE64;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::{Desk, Input, Issued, Lives, Protocol, books::Code, tokens::secret};

/// Why the token endpoint refuses (RFC 6749, 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// `invalid_client`, 401.
    Client,
    /// `invalid_grant`, 400.
    Grant,
    /// `unsupported_grant_type`, 400.
    GrantType,
}

impl Refused {
    /// The error's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "invalid_client",
            Self::Grant => "invalid_grant",
            Self::GrantType => "unsupported_grant_type",
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = if self == Self::Client { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        (status, Json(json!({ "error": self.name(), "error_description": "refused by the stand-in's token endpoint" }))).into_response()
    }
}

/// The page where a person would approve: a redirect with a code. `client_id` is the parameter's name on this platform.
pub fn approve<P: Protocol>(desk: &Desk<P>, input: &Input, client_id: &str) -> Result<Url, &'static str> {
    if input.get("response_type").is_some_and(|kind| kind != "code") {
        return Err("response_type must be code");
    }
    if input.get(client_id).as_deref() != Some(&desk.options().app.client_id) {
        return Err("unknown client");
    }
    let redirect_uri = input.get("redirect_uri").ok_or("redirect_uri is missing")?;
    let mut to = Url::parse(&redirect_uri).map_err(|_| "redirect_uri is not an address")?;
    let challenge = input.get("code_challenge");
    if challenge.is_some() && input.get("code_challenge_method").as_deref() != Some("S256") {
        return Err("code_challenge_method must be S256");
    }
    let account = match input.get("account") {
        Some(name) => desk.account(&name),
        None => desk.options().accounts.first(),
    };
    let account = account.ok_or("no such account")?.handle.clone();
    let code = secret();
    let waiting = Code { account, redirect_uri, scope: input.get("scope").unwrap_or_default(), challenge };
    desk.books().codes.insert(code.clone(), waiting);
    to.query_pairs_mut().append_pair("code", &code);
    if let Some(state) = input.get("state") {
        to.query_pairs_mut().append_pair("state", &state);
    }
    Ok(to)
}

/// [`approve`] as a route.
pub async fn authorize<P: Protocol>(State(desk): State<Desk<P>>, input: Input) -> Response {
    page(approve(&desk, &input, "client_id"))
}

/// What the page answers.
pub fn page(approved: Result<Url, &'static str>) -> Response {
    match approved {
        Ok(to) => (StatusCode::FOUND, [(header::LOCATION, to.to_string())], Html("<p>This stand-in approves at once.</p>")).into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, Html(format!("<p>This stand-in refuses: {why}</p>"))).into_response(),
    }
}

/// Whether a request to the token endpoint comes from our application: by Basic authentication or by its parameters.
fn is_client<P: Protocol>(desk: &Desk<P>, headers: &HeaderMap, input: &Input, client_id: &str) -> bool {
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic ")).and_then(|encoded| {
        let plain = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
        plain.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
    });
    let shown = basic.or_else(|| Some((input.get(client_id)?, input.get("client_secret")?)));
    let app = &desk.options().app;
    shown.is_some_and(|(id, secret)| id == app.client_id && secret == app.client_secret)
}

/// Exchanges a code. It is used up by the attempt, whatever comes of it.
pub fn redeem<P: Protocol>(desk: &Desk<P>, input: &Input) -> Result<Issued, Refused> {
    redeem_for(desk, input, desk.lives())
}

/// [`redeem`] for a token that lives as long as this.
fn redeem_for<P: Protocol>(desk: &Desk<P>, input: &Input, lives: Lives) -> Result<Issued, Refused> {
    let now = Utc::now();
    let mut books = desk.books();
    let waiting = input.get("code").and_then(|code| books.codes.remove(&code)).ok_or(Refused::Grant)?;
    let proved = match &waiting.challenge {
        None => true,
        Some(challenge) => {
            input.get("code_verifier").is_some_and(|verifier| &URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == challenge)
        }
    };
    if !proved || input.get("redirect_uri").as_deref() != Some(&waiting.redirect_uri) {
        return Err(Refused::Grant);
    }
    Ok(books.issue(&waiting.account, &waiting.scope, lives, now))
}

/// Uses a refresh token.
pub fn renew<P: Protocol>(desk: &Desk<P>, input: &Input) -> Result<Issued, Refused> {
    let lives = desk.lives();
    let refresh = input.get("refresh_token").ok_or(Refused::Grant)?;
    desk.books().renew(&refresh, lives, Utc::now()).ok_or(Refused::Grant)
}

/// The token endpoint's work, with the platform's name of the client's id.
pub fn exchange<P: Protocol>(desk: &Desk<P>, headers: &HeaderMap, input: &Input, client_id: &str) -> Result<Issued, Refused> {
    if !is_client(desk, headers, input, client_id) {
        return Err(Refused::Client);
    }
    match input.get("grant_type").as_deref() {
        Some("authorization_code") => redeem(desk, input),
        Some("refresh_token") => renew(desk, input),
        _ => Err(Refused::GrantType),
    }
}

/// [`exchange`] of a code for a token that lives as long as this, where a platform has short ones first.
pub fn exchange_for<P: Protocol>(
    desk: &Desk<P>,
    headers: &HeaderMap,
    input: &Input,
    client_id: &str,
    lives: Lives,
) -> Result<Issued, Refused> {
    if is_client(desk, headers, input, client_id) { redeem_for(desk, input, lives) } else { Err(Refused::Client) }
}

/// The answer of RFC 6749, 5.1.
pub fn granted(issued: &Issued) -> Value {
    let mut answer = json!({ "access_token": issued.access, "token_type": "Bearer", "scope": issued.scope });
    if let Some(seconds) = issued.access_seconds {
        answer["expires_in"] = seconds.into();
    }
    if let Some(refresh) = &issued.refresh {
        answer["refresh_token"] = refresh.as_str().into();
    }
    answer
}

/// [`exchange`] as a route.
pub async fn token<P: Protocol>(State(desk): State<Desk<P>>, headers: HeaderMap, input: Input) -> Response {
    match exchange(&desk, &headers, &input, "client_id") {
        Ok(issued) => Json(granted(&issued)).into_response(),
        Err(refused) => refused.into_response(),
    }
}
