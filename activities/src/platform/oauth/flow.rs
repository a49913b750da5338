//! The person's way: to the platform's page and back.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::platform::Platform;
use http::Method;
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    Rules,
    token::{Application, Asking, granted, place},
};
use crate::{
    error::{ActivityError, ActivityResult},
    http::{Failure, Outgoing},
    platform::{Credentials, adapter, answer::complaint, apps::Apps, endpoint},
};

/// An authorisation that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Where to send the person.
    pub authorize_url: Url,
    /// What [`finish`] needs; to be kept sealed until they come back.
    pub kept: SecretString,
}

/// What a person came back with.
#[derive(Debug, Clone, Copy)]
pub struct Returned<'a> {
    /// Where they were sent back to: the same address as before.
    pub redirect: &'a Url,
    /// The code, which works once.
    pub code: &'a SecretString,
    /// What was kept.
    pub kept: &'a SecretString,
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The application that was registered on the account's own server; the settings have all others.
    registered: Option<(String, String)>,
    /// The PKCE verifier.
    verifier: Option<String>,
}

/// The secret of one authorisation (RFC 7636, section 4.1): 256 bits.
fn verifier() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What the platform is shown before: the S256 hash of the verifier.
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

fn rules(platform: Platform) -> ActivityResult<&'static Rules> {
    adapter(platform).oauth().ok_or_else(|| ActivityError::rejected(format_args!("{} has no authorisation here", platform.title())))
}

/// Begins: registers an application where the platform wants one for each server, and says where to send the person. `state` must be unguessable
/// and compared when they come back; `base_url` is the account's server.
///
/// # Errors
/// [`ActivityError::Rejected`] if the platform has no authorisation, no application is set up, or the server is not of its kind.
pub async fn begin(http: &Outgoing, apps: &Apps, platform: Platform, base_url: &Url, redirect: &Url, state: &str) -> ActivityResult<Begun> {
    begin_by(rules(platform)?, http, apps, platform, base_url, redirect, state).await
}

pub(super) async fn begin_by(
    rules: &Rules,
    http: &Outgoing,
    apps: &Apps,
    platform: Platform,
    base_url: &Url,
    redirect: &Url,
    state: &str,
) -> ActivityResult<Begun> {
    let scope = platform.capabilities().connect.scopes().join(rules.separator);
    let (application, registered) = match rules.register {
        None => (Application::of(apps, platform)?, None),
        Some(path) => {
            let (id, secret) = register(http, endpoint(base_url, path)?, redirect, &scope).await?;
            (Application { client_id: id.clone(), client_secret: None }, Some((id, secret.expose_secret().to_owned())))
        }
    };
    let app = apps.get(platform);
    let instead = app.and_then(|app| app.authorize_base.as_ref().or(app.api_base.as_ref()));
    let mut url = place(rules.authorize, base_url, instead)?;
    http.check_url(url.as_str())?;
    let verifier = rules.pkce.then(verifier);
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair(rules.client_id, &application.client_id)
            .append_pair("redirect_uri", redirect.as_str())
            .append_pair("scope", &scope)
            .append_pair("state", state);
        if let Some(verifier) = &verifier {
            query.append_pair("code_challenge", &challenge(verifier)).append_pair("code_challenge_method", "S256");
        }
        query.extend_pairs(rules.extra);
    }
    let kept =
        serde_json::to_string(&Kept { registered, verifier }).map_err(|_| ActivityError::rejected("cannot write an authorisation"))?;
    Ok(Begun { authorize_url: url, kept: kept.into() })
}

/// Finishes: exchanges the code for a token, and that for a longer one where the platform has such.
///
/// # Errors
/// [`ActivityError::Rejected`] if the code is wrong or used, or the application is refused; [`ActivityError::Transient`] if the answer was lost
/// (the person has to begin again if the code was used up).
pub async fn finish(
    http: &Outgoing,
    apps: &Apps,
    platform: Platform,
    base_url: &Url,
    returned: Returned<'_>,
) -> ActivityResult<Credentials> {
    finish_by(rules(platform)?, http, apps, platform, base_url, returned).await
}

pub(super) async fn finish_by(
    rules: &Rules,
    http: &Outgoing,
    apps: &Apps,
    platform: Platform,
    base_url: &Url,
    Returned { redirect, code, kept }: Returned<'_>,
) -> ActivityResult<Credentials> {
    let Kept { registered, verifier } =
        serde_json::from_str(kept.expose_secret()).map_err(|_| ActivityError::rejected("a stored authorisation cannot be read"))?;
    let application = match &registered {
        None => Application::of(apps, platform)?,
        Some((id, secret)) => Application { client_id: id.clone(), client_secret: Some(secret.clone().into()) },
    };
    let asking = Asking { http, apps, platform, rules, base_url, application: &application };
    let (code, verifier) = (code.expose_secret(), verifier.as_deref());
    let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect.as_str())];
    form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    let answer = asking.grant(&form, &[code, verifier.unwrap_or_default()]).await.map_err(refused)?;
    let asked = platform.capabilities().connect.scopes().iter().map(|scope| (*scope).to_owned()).collect();
    let mut made = granted(Credentials::new(platform).with_scopes(asked), rules, &answer)?;
    if let Some(exchange) = &rules.lengthen {
        let short = made.bearer().cloned().unwrap_or_default();
        made = granted(made, rules, &asking.exchange(exchange, &short).await.map_err(refused)?)?;
    }
    if let Some((id, secret)) = registered {
        made = made.with_fact("client_id", id).with_secret("client_secret", secret);
    }
    Ok(made)
}

/// There is no account yet whose credentials could have expired: the code was refused.
fn refused(error: ActivityError) -> ActivityError {
    match error {
        ActivityError::CredentialsExpired { what } => ActivityError::Rejected { what },
        other => other,
    }
}

/// Registers an application on a server (<https://docs.joinmastodon.org/methods/apps/>).
async fn register(http: &Outgoing, url: Url, redirect: &Url, scope: &str) -> ActivityResult<(String, SecretString)> {
    #[derive(Deserialize)]
    struct Registered {
        client_id: String,
        client_secret: SecretString,
    }
    let form = [("client_name", "Pressroom"), ("redirect_uris", redirect.as_str()), ("scopes", scope)];
    let answer = http.answer(http.once(Method::POST, url)?.form(&form)).await.map_err(|failure| match failure {
        Failure::Refused(what) => ActivityError::rejected(what),
        Failure::NotSent(what) | Failure::Broken(what) => ActivityError::transient(what),
    })?;
    if !answer.status.is_success() {
        let what = complaint(&answer, str::to_owned).text;
        return Err(if answer.status.is_server_error() { ActivityError::transient(what) } else { ActivityError::rejected(what) });
    }
    let body = answer.body.map_err(ActivityError::transient)?;
    let Registered { client_id, client_secret } = serde_json::from_slice(&body)
        .map_err(|_| ActivityError::rejected("the server's answer is not what this platform's servers answer"))?;
    Ok((client_id, client_secret))
}
