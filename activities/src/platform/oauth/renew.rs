//! Renewing a token by the platform's rules.

use chrono::Utc;
use secrecy::ExposeSecret as _;

use super::{
    Refresh, Rules,
    token::{Application, Asking, granted},
};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{Call, Credentials, REFRESH_TOKEN, apps::Apps},
};

/// Buys the next token, once. Credentials that cannot be renewed come back as they are while they hold: the platform says whether they still work.
pub(in crate::platform) async fn refresh(call: Call<'_>, apps: &Apps, rules: &Rules) -> ActivityResult<Credentials> {
    let platform = call.account.platform;
    let known = call.credentials.clone();
    let as_they_are = || match known.expires_at() {
        Some(end) if end <= Utc::now() => {
            Err(ActivityError::credentials_expired("the token has ended, and the platform gave nothing to renew it with"))
        }
        _ => Ok(known.clone()),
    };
    let base_url = &call.account.base_url;
    match &rules.refresh {
        Refresh::None => as_they_are(),
        Refresh::Rotating | Refresh::Reusable => {
            let Some(token) = known.find(REFRESH_TOKEN) else { return as_they_are() };
            let application = Application::of(apps, platform)?;
            let asking = Asking { http: call.http, apps, platform, rules, base_url, application: &application };
            let token = token.expose_secret();
            let answer = asking.grant(&[("grant_type", "refresh_token"), ("refresh_token", token)], &[token]).await?;
            granted(known, rules, &answer)
        }
        Refresh::Itself(exchange) => {
            // A token that was entered by hand says no end, and perhaps belongs to another application.
            let Some(token) = known.bearer().filter(|_| known.expires_at().is_some()) else { return as_they_are() };
            let application =
                if exchange.with_id || exchange.with_secret { Application::of(apps, platform)? } else { Application::nobody() };
            let asking = Asking { http: call.http, apps, platform, rules, base_url, application: &application };
            let answer = asking.exchange(exchange, token).await?;
            granted(known, rules, &answer)
        }
    }
}
