//! The REST API, as a client uses it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

/// A client with a key.
pub(crate) struct Api {
    base: Url,
    key: SecretString,
    http: reqwest::Client,
}

impl Api {
    /// For the API at `base`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn new(base: &Url, key: &SecretString) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { base: base.clone(), key: key.clone(), http })
    }

    /// `GET path`
    ///
    /// # Errors
    /// With what the API said, unless it succeeded.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None, None).await
    }

    /// `POST path` under an idempotency key.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn post(&self, path: &str, body: &Value, idempotency_key: &str) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body), Some(idempotency_key)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>, idempotency_key: Option<&str>) -> anyhow::Result<Value> {
        let mut request = self.http.request(method.clone(), self.base.join(path)?).bearer_auth(self.key.expose_secret());
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(|| format!("{method} {path}"))?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| format!("{method} {path}"))?;
        if !status.is_success() {
            bail!("{method} {path}: {status}: {text}");
        }
        if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).with_context(|| format!("{method} {path}")) }
    }

    /// Follows a short link as a reader's browser would; where it leads.
    ///
    /// # Errors
    /// When it is no redirect.
    pub(crate) async fn click(&self, link: &str) -> anyhow::Result<String> {
        const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let answer = self.http.get(link).header("user-agent", BROWSER).send().await.with_context(|| format!("following {link}"))?;
        if answer.status() != StatusCode::FOUND {
            bail!("{link} answers {} instead of leading somewhere", answer.status());
        }
        let target = answer.headers().get("location").context("a redirect without a target")?;
        Ok(target.to_str()?.to_owned())
    }
}

/// A text out of an answer.
///
/// # Errors
/// When the answer has none there.
pub(crate) fn text<'a>(answer: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    answer.get(field).and_then(Value::as_str).with_context(|| format!("the answer has no `{field}`: {answer}"))
}

/// The items of a list.
pub(crate) fn items(answer: &Value) -> &[Value] {
    answer.get("items").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
