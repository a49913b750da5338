//! restate-server, as a test asks it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use crate::wait;

/// The two doors of one restate-server.
#[derive(Debug, Clone)]
pub struct Engine {
    http: Client,
    ingress: Url,
    admin: Url,
}

/// A handler's refusal, as a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its code (409, 422 ...).
    pub code: u16,
    /// Its words.
    pub message: String,
}

impl Engine {
    /// Asks at these two URLs. Nothing is connected to yet.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(ingress: &Url, admin: &Url) -> anyhow::Result<Self> {
        let http = Client::builder().timeout(Duration::from_secs(90)).no_proxy().build()?;
        Ok(Self { http, ingress: ingress.clone(), admin: admin.clone() })
    }

    /// Calls a handler of an object and waits for what it returns, or how it refuses.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn call<T: DeserializeOwned>(
        &self,
        service: &str,
        key: &str,
        handler: &str,
        input: &impl Serialize,
    ) -> anyhow::Result<Result<T, Refusal>> {
        let url = self.ingress.join(&format!("restate/call/{service}/{key}/{handler}"))?;
        let answer = self.http.post(url).json(input).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status.is_success() {
            let text = if text.is_empty() { "null" } else { &text };
            return Ok(Ok(serde_json::from_str(text).with_context(|| format!("{service}/{handler} answered {text}"))?));
        }
        let message = serde_json::from_str::<Value>(&text).ok().and_then(|v| v.get("message")?.as_str().map(ToOwned::to_owned));
        Ok(Err(Refusal { code: status.as_u16(), message: message.unwrap_or(text) }))
    }

    /// Starts a handler of an object under a key, again and again until the engine has taken it: it may be down.
    ///
    /// # Errors
    /// When the engine refuses, or is away for too long.
    pub async fn send(&self, service: &str, key: &str, handler: &str, input: &impl Serialize, idempotency: &str) -> anyhow::Result<()> {
        let url = self.ingress.join(&format!("restate/send/{service}/{key}/{handler}"))?;
        let input = serde_json::to_value(input)?;
        wait::until("the engine to take a request", async || {
            let answer = self.http.post(url.clone()).header("idempotency-key", idempotency).json(&input).send().await;
            Ok(match answer {
                // 409 says that this very request runs already.
                Ok(answer) if answer.status().is_success() || answer.status() == StatusCode::CONFLICT => Ok(()),
                Ok(answer) if answer.status().is_client_error() => bail!("refused: {}", answer.text().await?),
                Ok(answer) => Err(answer.status().to_string()),
                Err(error) => Err(error.to_string()),
            })
        })
        .await
    }

    /// Makes a deployment the one that new invocations go to.
    ///
    /// # Errors
    /// When the engine refuses it, or is away for too long.
    pub async fn register(&self, deployment: &Url) -> anyhow::Result<()> {
        let url = self.admin.join("deployments")?;
        let body = serde_json::json!({ "uri": deployment, "force": true });
        wait::until("the engine to take a deployment", async || {
            let answer = self.http.post(url.clone()).json(&body).send().await;
            Ok(match answer {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(format!("{}: {}", answer.status(), answer.text().await?)),
                Err(error) => Err(error.to_string()),
            })
        })
        .await
    }

    /// Rows out of the engine's own tables.
    ///
    /// # Errors
    /// When the engine does not answer, or not with rows.
    pub async fn query(&self, sql: &str) -> anyhow::Result<Vec<Value>> {
        let request = self.http.post(self.admin.join("query")?).header("accept", "application/json");
        let answer = request.json(&serde_json::json!({ "query": sql })).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        match body.get("rows").and_then(Value::as_array) {
            Some(rows) if status.is_success() => Ok(rows.clone()),
            _ => bail!("the engine answered {status}: {body}"),
        }
    }

    /// Puts this state in the place of an object's, as if it had been left so, and waits until it is there.
    ///
    /// # Errors
    /// When the engine refuses it, or does not get there.
    pub async fn set_state(&self, service: &str, key: &str, state: &Value) -> anyhow::Result<()> {
        let fields = state.as_object().context("an object")?;
        let bytes: serde_json::Map<_, _> =
            fields.iter().map(|(name, value)| (name.clone(), value.to_string().into_bytes().into())).collect();
        let url = self.admin.join(&format!("services/{service}/state"))?;
        let answer = self.http.post(url).json(&serde_json::json!({ "object_key": key, "new_state": bytes })).send().await?;
        if !answer.status().is_success() {
            bail!("{}: {}", answer.status(), answer.text().await?);
        }
        let sql = format!("SELECT key, value_utf8 FROM state WHERE service_name = '{service}' AND service_key = '{key}'");
        wait::until("the state to be there", async || {
            let rows = self.query(&sql).await?;
            let there = rows.len() == fields.len()
                && rows.iter().all(|row| {
                    let name = row.get("key").and_then(Value::as_str).unwrap_or_default();
                    row.get("value_utf8").and_then(Value::as_str) == fields.get(name).map(Value::to_string).as_deref()
                });
            Ok(if there { Ok(()) } else { Err(format!("{rows:?}")) })
        })
        .await
    }

    /// Every invocation that has not ended, with its last failure: what to print when a test waits in vain.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn unfinished(&self) -> anyhow::Result<Vec<Value>> {
        self.query(
            "SELECT target, status, retry_count, last_failure, last_failure_related_command_name FROM sys_invocation \
             WHERE status <> 'completed' AND status <> 'scheduled' ORDER BY target",
        )
        .await
    }
}
