//! The REST API of a gateway: asked until it answers where it may be dead at the moment, or asked once.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use domain::{brief::Language, ids::CampaignId, schedule::ScheduleSpec};
use gateway::{access::Role, admin};
use reqwest::{Client, Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use url::Url;

use crate::{Newsroom, newsroom::told, seed, wait};

/// A client with a key of its own.
#[derive(Debug)]
pub struct Rest {
    http: Client,
    url: Url,
    key: SecretString,
}

impl Rest {
    /// A client of the gateway at `url`, in the role of an owner.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn new(newsroom: &Newsroom, url: Url) -> anyhow::Result<Self> {
        let key = admin::create_api_key(newsroom.store(), newsroom.org, "tests", Role::Owner).await.map_err(told)?;
        let http = Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?;
        Ok(Self { http, url, key })
    }

    /// A client in a role, with a key that has this name: what the API calls whoever uses it.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn named(newsroom: &Newsroom, url: Url, name: &str, role: Role) -> anyhow::Result<Self> {
        let key = admin::create_api_key(newsroom.store(), newsroom.org, name, role).await.map_err(told)?;
        let http = Client::builder().timeout(Duration::from_secs(90)).no_proxy().build()?;
        Ok(Self { http, url, key })
    }

    /// Waits until the gateway, and what stands behind it, are ready.
    ///
    /// # Errors
    /// When they do not become so.
    pub async fn ready(&self) -> anyhow::Result<()> {
        wait::until("the gateway to be ready", async || {
            Ok(match self.ask(Method::GET, "readyz", None).await {
                Ok((StatusCode::OK, _)) => Ok(()),
                Ok((status, said)) => Err(format!("{status}: {said}")),
                Err(error) => Err(error.to_string()),
            })
        })
        .await
    }

    /// Asks once. Returns the answer's status and body, whatever they are.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, self.url.join(path)?).bearer_auth(self.key.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Reads until `is` is content.
    ///
    /// # Errors
    /// When it is refused, or does not come to that.
    pub async fn until(&self, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        wait::until(what, async || {
            let (status, answer) = self.ask(Method::GET, path, None).await?;
            ensure!(status.is_success(), "{path}: {status}: {answer}");
            Ok(if is(&answer) { Ok(answer) } else { Err(format!("{answer:#}")) })
        })
        .await
    }

    /// Opens a stream of events, as [`Self::ask`] asks.
    ///
    /// # Errors
    /// When the gateway does not answer with one.
    pub async fn stream(&self, path: &str) -> anyhow::Result<Response> {
        Ok(self.http.get(self.url.join(path)?).bearer_auth(self.key.expose_secret()).send().await?.error_for_status()?)
    }

    /// Posts under a key, again and again until the gateway has taken it: it, or what stands behind it, may be down.
    ///
    /// # Errors
    /// When it is refused, or not taken for too long.
    pub async fn post(&self, path: &str, body: &Value, idempotency: &str) -> anyhow::Result<Value> {
        let url = self.url.join(path)?;
        wait::until(&format!("the gateway to take {path}"), async || {
            let request =
                self.http.post(url.clone()).bearer_auth(self.key.expose_secret()).header("idempotency-key", idempotency).json(body);
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) => return Ok(Err(error.to_string())),
            };
            let status = answer.status();
            let text = match answer.text().await {
                Ok(text) => text,
                Err(error) => return Ok(Err(error.to_string())),
            };
            Ok(match status.as_u16() {
                200..=299 => Ok(serde_json::from_str(&text)?),
                // The first request of this key is still under way, or something behind the gateway is down.
                409 | 425 | 429 | 500.. => Err(format!("{status}: {text}")),
                _ => bail!("{path} is refused, {status}: {text}"),
            })
        })
        .await
    }

    /// Starts a campaign on every account of the newsroom, approved by rule. The request is sent twice under its key, and must start one campaign.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub async fn start_campaign(
        &self,
        newsroom: &Newsroom,
        languages: &[Language],
        schedule: &ScheduleSpec,
        idempotency: &str,
    ) -> anyhow::Result<CampaignId> {
        let brief = seed::brief(newsroom, languages).await?;
        let body = json!({
            "brand_id": newsroom.brand,
            "brief_id": brief,
            "connectors": crate::PLATFORMS.iter().map(|platform| newsroom.account(*platform)).collect::<Vec<_>>(),
            "variants_per_post": 1,
            "approval": "auto",
            "schedule": schedule,
        });
        let started = self.post("v1/campaigns", &body, idempotency).await?;
        // The same request again, as a client sends it that has not heard the answer, is the same campaign.
        let again = self.post("v1/campaigns", &body, idempotency).await?;
        ensure!(started == again, "one key started two campaigns: {started} and {again}");
        Ok(started.get("id").and_then(Value::as_str).context("an id")?.parse()?)
    }
}
