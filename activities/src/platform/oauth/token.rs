//! The token endpoint: one request, and what its answer means.

use chrono::{TimeDelta, Utc};
use domain::platform::Platform;
use http::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::{ClientAuth, Exchange, Rules};
use crate::{
    error::{ActivityError, ActivityResult},
    http::{Answer, Failure, Outgoing},
    platform::{
        Credentials, REFRESH_TOKEN,
        answer::{complaint, moved, retry_after_of},
        apps::Apps,
        endpoint,
    },
};

/// An application, as it proves itself.
#[derive(Debug, Clone)]
pub(super) struct Application {
    pub(super) client_id: String,
    pub(super) client_secret: Option<SecretString>,
}

impl Application {
    /// The one of the settings.
    pub(super) fn of(apps: &Apps, platform: Platform) -> ActivityResult<Self> {
        let client_id = apps
            .client_id(platform)
            .ok_or_else(|| ActivityError::rejected(format_args!("no application is set up: set platforms.{platform}.client_id")))?;
        let client_secret = apps.get(platform).and_then(|app| app.client_secret.clone());
        Ok(Self { client_id: client_id.to_owned(), client_secret })
    }

    /// For exchanges in which no application proves itself.
    pub(super) const fn nobody() -> Self {
        Self { client_id: String::new(), client_secret: None }
    }

    fn secret(&self, platform: Platform) -> ActivityResult<&SecretString> {
        self.client_secret
            .as_ref()
            .ok_or_else(|| ActivityError::rejected(format_args!("the application has no secret: set platforms.{platform}.client_secret")))
    }
}

/// Which endpoint is asked, for whom.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) http: &'a Outgoing,
    pub(super) apps: &'a Apps,
    pub(super) platform: Platform,
    pub(super) rules: &'a Rules,
    /// The account's server.
    pub(super) base_url: &'a Url,
    pub(super) application: &'a Application,
}

/// An address of the rules: on the account's server if it is a path, else as it stands, or at the base that the settings put in its place.
pub(super) fn place(address: &str, base_url: &Url, instead: Option<&Url>) -> ActivityResult<Url> {
    let Ok(url) = Url::parse(address) else { return endpoint(base_url, address) };
    match instead {
        None => Ok(url),
        Some(instead) => endpoint(instead, url.path().trim_start_matches('/')),
    }
}

impl Asking<'_> {
    fn place(&self, address: &str) -> ActivityResult<Url> {
        place(address, self.base_url, self.apps.get(self.platform).and_then(|app| app.api_base.as_ref()))
    }

    /// Posts a grant to the token endpoint, once. `secrets` are removed from what the platform says.
    pub(super) async fn grant(&self, grant: &[(&str, &str)], secrets: &[&str]) -> ActivityResult<Value> {
        let mut form = grant.to_vec();
        let mut hidden = secrets.to_vec();
        let mut request = self.http.once(Method::POST, self.place(self.rules.token)?)?;
        let id = self.application.client_id.as_str();
        match self.rules.client {
            ClientAuth::Basic => {
                let secret = self.application.secret(self.platform)?.expose_secret();
                hidden.push(secret);
                request = request.basic_auth(id, Some(secret));
            }
            ClientAuth::Body => {
                let secret = self.application.secret(self.platform)?.expose_secret();
                hidden.push(secret);
                form.extend([(self.rules.client_id, id), ("client_secret", secret)]);
            }
            ClientAuth::Public => form.push((self.rules.client_id, id)),
        }
        self.ask(request.form(&form), &hidden).await
    }

    /// Exchanges one token for another.
    pub(super) async fn exchange(&self, exchange: &Exchange, token: &SecretString) -> ActivityResult<Value> {
        let mut url = self.place(exchange.url)?;
        let mut hidden = vec![token.expose_secret()];
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("grant_type", exchange.grant_type);
            if exchange.with_id {
                query.append_pair(self.rules.client_id, &self.application.client_id);
            }
            if exchange.with_secret {
                let secret = self.application.secret(self.platform)?.expose_secret();
                hidden.push(secret);
                query.append_pair("client_secret", secret);
            }
            query.append_pair(exchange.token, token.expose_secret());
        }
        self.ask(self.http.once(Method::GET, url)?, &hidden).await
    }

    async fn ask(&self, request: reqwest::RequestBuilder, hidden: &[&str]) -> ActivityResult<Value> {
        let answer = self.http.answer(request).await.map_err(|failure| match failure {
            Failure::Refused(what) => ActivityError::rejected(what),
            Failure::NotSent(what) | Failure::Broken(what) => ActivityError::transient(what),
        })?;
        read(&answer, hidden)
    }
}

/// What the token endpoint answered. [`ActivityError::CredentialsExpired`]: what was given (a code, a token) is refused.
/// [`ActivityError::Rejected`]: the application is, or the request. An answer that is lost, or not understood, refuses nothing.
fn read(answer: &Answer, hidden: &[&str]) -> ActivityResult<Value> {
    let clean = |text: &str| {
        hidden.iter().filter(|secret| !secret.is_empty()).fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
    };
    let status = answer.status;
    let body = answer.body.as_ref().ok().and_then(|body| serde_json::from_slice::<Value>(body).ok());
    if status.is_success() {
        answer.body.as_ref().map_err(ActivityError::transient)?;
        let body = body.ok_or_else(|| ActivityError::transient("the platform's answer is not what a token endpoint answers"))?;
        if holder(&body).is_some() {
            return Ok(body);
        }
        // Slack and TikTok answer 200 to a refusal.
    }
    let complaint = complaint(answer, clean);
    let what = complaint.text;
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(ActivityError::rate_limited(retry_after_of(answer), what));
    }
    if status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::CONFLICT) {
        return Err(ActivityError::transient(what));
    }
    if status.is_redirection() {
        return Err(ActivityError::rejected(moved(answer)));
    }
    let code = complaint.code.as_deref().unwrap_or_default();
    Err(match code {
        "temporarily_unavailable" | "server_error" | "internal_error" | "ratelimited" => ActivityError::transient(what),
        "invalid_client"
        | "unauthorized_client"
        | "unsupported_grant_type"
        | "invalid_scope"
        | "invalid_client_id"
        | "bad_client_secret"
        | "bad_redirect_uri" => ActivityError::rejected(format_args!("the platform refuses the application: {what}")),
        // A success with neither a token nor a refusal proves nothing.
        "" if status.is_success() => ActivityError::transient("the platform's answer holds no token"),
        "" if !matches!(status.as_u16(), 400 | 401 | 403) => ActivityError::rejected(what),
        _ => ActivityError::credentials_expired(what),
    })
}

/// The part of an answer that holds the token: the answer itself, or the only entry of its `data` (Instagram).
fn holder(body: &Value) -> Option<&Value> {
    ["", "/data/0", "/data"]
        .iter()
        .filter_map(|at| body.pointer(at))
        .find(|part| part["access_token"].as_str().is_some_and(|t| !t.is_empty()))
}

/// What an answer grants, on top of what was known: tokens, when they end, scopes, and the facts that the rules name.
pub(super) fn granted(known: Credentials, rules: &Rules, body: &Value) -> ActivityResult<Credentials> {
    let missing = || ActivityError::transient("the platform's answer holds no token");
    let part = holder(body).ok_or_else(missing)?;
    let token = part["access_token"].as_str().ok_or_else(missing)?;
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let lives = number(&part["expires_in"]).filter(|seconds| *seconds > 0).and_then(TimeDelta::try_seconds);
    let mut made = known.with_token(token, lives.map(|lives| Utc::now() + lives));
    if let Some(next) = part["refresh_token"].as_str().filter(|next| !next.is_empty()) {
        made = made.with_secret(REFRESH_TOKEN, next);
    }
    let scopes: Vec<String> = match &part["scope"] {
        Value::String(text) => text.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        Value::Array(list) => list.iter().filter_map(|scope| scope.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    if !scopes.is_empty() {
        made = made.with_scopes(scopes);
    }
    for (at, name) in rules.facts {
        match body.pointer(at) {
            Some(Value::String(text)) => made = made.with_fact(name, text.as_str()),
            Some(Value::Number(number)) => made = made.with_fact(name, number.to_string()),
            _ => {}
        }
    }
    Ok(made)
}
