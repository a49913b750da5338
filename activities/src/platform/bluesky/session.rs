//! Sessions: an app password opens one, its refresh token renews it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::method;
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{Call, Credentials, REFRESH_TOKEN, answer::expect_json},
};

/// What both methods answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opened {
    access_jwt: SecretString,
    refresh_jwt: SecretString,
    did: String,
}

/// Renews the session by its refresh token; where there is none or it is not accepted, opens a new one with the app password.
pub(super) async fn refresh(call: Call<'_>) -> ActivityResult<Credentials> {
    let known = call.credentials;
    let app_password = known.secret("app_password")?;
    let identifier = known.fact("identifier").unwrap_or(&call.account.handle);
    let renewed = match known.find(REFRESH_TOKEN) {
        Some(token) => {
            let url = method(call.account, "com.atproto.server.refreshSession")?;
            let request = call.http.once(Method::POST, url)?.bearer_auth(token.expose_secret());
            match expect_json::<Opened>(call, request).await.map_err(expired) {
                Err(ActivityError::CredentialsExpired { .. }) => None,
                other => Some(other?.value),
            }
        }
        None => None,
    };
    let Opened { access_jwt, refresh_jwt, did } = match renewed {
        Some(opened) => opened,
        None => {
            let url = method(call.account, "com.atproto.server.createSession")?;
            let body = json!({"identifier": identifier, "password": app_password.expose_secret()});
            expect_json::<Opened>(call, call.http.once(Method::POST, url)?.json(&body)).await.map_err(expired)?.value
        }
    };
    if !call.account.remote_id.is_empty() && call.account.remote_id != did {
        return Err(ActivityError::credentials_expired(format!("the app password now opens another account, {did}")));
    }
    let expires_at = expiry(access_jwt.expose_secret());
    let fresh = known.clone().with_token(access_jwt, expires_at).with_secret(REFRESH_TOKEN, refresh_jwt);
    Ok(fresh.with_fact("identifier", identifier).with_fact("did", did))
}

/// The AT Protocol answers 400 `ExpiredToken` where others answer 401.
pub(super) fn expired(error: ActivityError) -> ActivityError {
    match error {
        ActivityError::Rejected { what }
            if ["ExpiredToken", "InvalidToken", "AuthFactorTokenRequired"].iter().any(|code| what.contains(code)) =>
        {
            ActivityError::CredentialsExpired { what }
        }
        other => other,
    }
}

/// When a token ends, by its own `exp` claim. Its signature is the server's to check, not ours.
fn expiry(jwt: &str) -> Option<DateTime<Utc>> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let payload = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?).ok()?;
    let Claims { exp } = serde_json::from_slice(&payload).ok()?;
    DateTime::from_timestamp(exp, 0)
}
