//! The REST API of a gateway that may be dead at the moment.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use domain::{brief::Language, ids::CampaignId, schedule::ScheduleSpec};
use gateway::{access::Role, admin};
use reqwest::Client;
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
            "connectors": newsroom.accounts.values().collect::<Vec<_>>(),
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
