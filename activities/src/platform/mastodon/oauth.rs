//! Connecting a Mastodon account by OAuth 2 with PKCE (<https://docs.joinmastodon.org/spec/oauth/>).
//!
//! Mastodon has no central registry: an application is registered on the very server that the account is on.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{
    error::{ActivityError, ActivityResult},
    http::{Failure, Outgoing},
    platform::{Credentials, answer::complaint, endpoint},
};

/// What is asked for: whose account it is, its own statuses (to look a post up and count), and posting. Nothing that reads messages or followers.
pub const SCOPES: &str = "read:accounts read:statuses write:statuses";

/// An application as a server registered it.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its public id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
}

/// The secret of one authorisation (RFC 7636).
#[derive(Debug, Clone)]
pub struct Pkce(SecretString);

impl Pkce {
    /// A new one from the system's randomness. To be kept (encrypted) until the person comes back.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = [0_u8; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// The one that was kept.
    #[must_use]
    pub const fn from_verifier(verifier: SecretString) -> Self {
        Self(verifier)
    }

    /// The secret to keep.
    #[must_use]
    pub const fn verifier(&self) -> &SecretString {
        &self.0
    }

    /// What the server is shown before: the S256 hash of the verifier.
    #[must_use]
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.expose_secret().as_bytes()))
    }
}

/// Registers an application on a server.
///
/// # Errors
/// [`ActivityError::Rejected`] if the server refuses or is not one of this kind; a passing failure otherwise.
pub async fn register(http: &Outgoing, base_url: &Url, redirect_uri: &Url) -> ActivityResult<Application> {
    #[derive(Deserialize)]
    struct Registered {
        client_id: String,
        client_secret: SecretString,
    }
    let form = [("client_name", "Pressroom"), ("redirect_uris", redirect_uri.as_str()), ("scopes", SCOPES)];
    let Registered { client_id, client_secret } = post_form(http, endpoint(base_url, "api/v1/apps")?, &form, &[]).await?;
    Ok(Application { client_id, client_secret })
}

/// Where to send the person. `state` must be unguessable and compared when they come back.
///
/// # Errors
/// If the server's address cannot be extended.
pub fn authorize_url(base_url: &Url, application: &Application, redirect_uri: &Url, state: &str, pkce: &Pkce) -> ActivityResult<Url> {
    let mut url = endpoint(base_url, "oauth/authorize")?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &application.client_id)
        .append_pair("redirect_uri", redirect_uri.as_str())
        .append_pair("scope", SCOPES)
        .append_pair("state", state)
        .append_pair("code_challenge", &pkce.challenge())
        .append_pair("code_challenge_method", "S256");
    Ok(url)
}

/// Exchanges the code that the person came back with for a token. A code works once.
///
/// # Errors
/// [`ActivityError::Rejected`] if the code is wrong or used; [`ActivityError::Transient`] if the answer was lost (the person has to start again if
/// the code was used up).
pub async fn exchange_code(
    http: &Outgoing,
    base_url: &Url,
    application: &Application,
    redirect_uri: &Url,
    code: &SecretString,
    pkce: &Pkce,
) -> ActivityResult<Credentials> {
    #[derive(Deserialize)]
    struct Token {
        access_token: SecretString,
        scope: Option<String>,
    }
    let secrets = [code.expose_secret(), application.client_secret.expose_secret(), pkce.verifier().expose_secret()];
    let form = [
        ("grant_type", "authorization_code"),
        ("code", secrets[0]),
        ("client_id", &application.client_id),
        ("client_secret", secrets[1]),
        ("redirect_uri", redirect_uri.as_str()),
        ("code_verifier", secrets[2]),
    ];
    let Token { access_token, scope } = post_form(http, endpoint(base_url, "oauth/token")?, &form, &secrets).await?;
    Ok(Credentials::Mastodon {
        access_token,
        client_id: Some(application.client_id.clone()),
        client_secret: Some(application.client_secret.clone()),
        scope,
    })
}

/// Posts a form once and reads the JSON answer. `secrets` are removed from what the server says.
async fn post_form<T: serde::de::DeserializeOwned>(
    http: &Outgoing,
    url: Url,
    form: &[(&str, &str)],
    secrets: &[&str],
) -> ActivityResult<T> {
    let clean = |text: &str| {
        secrets.iter().filter(|secret| !secret.is_empty()).fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
    };
    let answer = http.answer(http.once(Method::POST, url)?.form(form)).await.map_err(|failure| match failure {
        Failure::Refused(what) => ActivityError::rejected(what),
        Failure::NotSent(what) | Failure::Broken(what) => ActivityError::transient(what),
    })?;
    if !answer.status.is_success() {
        let what = complaint(&answer, clean).text;
        return Err(if answer.status.is_server_error() { ActivityError::transient(what) } else { ActivityError::rejected(what) });
    }
    let body = answer.body.map_err(ActivityError::transient)?;
    serde_json::from_slice(&body).map_err(|_| ActivityError::rejected("the server's answer is not what Mastodon answers"))
}
