//! A small client of a server's introspection.
//!
//! A query is SQL as text, without parameters: nothing but checked ids and numbers may be put into one. Look things up by id; anything else
//! scans everything that the server has.

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};

/// How long one query may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server's admin API.
#[derive(Debug, Clone)]
pub struct Admin {
    url: String,
    client: reqwest::Client,
}

/// The server could not be asked.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// It cannot be reached, or broke off.
    #[error("the server cannot be reached: {0}")]
    Away(#[from] reqwest::Error),
    /// It refuses the query.
    #[error("the server refused with {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// Its answer has another form than this version knows.
    #[error("the server's answer about {what} cannot be read: {why}")]
    Unexpected {
        /// What was asked for.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
}

#[derive(Deserialize)]
struct Rows<T> {
    rows: Vec<T>,
}

impl Admin {
    /// The admin API at `url`, such as `http://127.0.0.1:9070`.
    #[must_use]
    pub fn new(url: impl AsRef<str>) -> Self {
        Self::with_client(url, reqwest::Client::new())
    }

    /// The same, asked through a client of yours: with its certificates, its headers, its proxy.
    #[must_use]
    pub fn with_client(url: impl AsRef<str>, client: reqwest::Client) -> Self {
        Self { url: url.as_ref().trim_end_matches('/').to_owned(), client }
    }

    /// Runs a query and reads its rows. The server leaves out what is null, and writes bytes as hexadecimal digits.
    ///
    /// # Errors
    /// When the server is away, refuses, or answers in another form.
    pub async fn query<T: DeserializeOwned>(&self, what: &'static str, sql: &str) -> Result<Vec<T>, AdminError> {
        let request = self.client.post(format!("{}/query", self.url)).timeout(PATIENCE);
        let request = request.header("accept", "application/json").json(&serde_json::json!({ "query": sql }));
        let answer = request.send().await?;
        let status = answer.status();
        if !status.is_success() {
            let message = answer.text().await.unwrap_or_default();
            return Err(AdminError::Refused { status: status.as_u16(), message: message.chars().take(500).collect() });
        }
        let body = answer.bytes().await?;
        let rows: Rows<T> = serde_json::from_slice(&body).map_err(|error| AdminError::Unexpected { what, why: error.to_string() })?;
        Ok(rows.rows)
    }

    /// The server's version.
    ///
    /// # Errors
    /// When the server is away, refuses, or answers in another form.
    pub async fn version(&self) -> Result<String, AdminError> {
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        let answer = self.client.get(format!("{}/version", self.url)).timeout(PATIENCE).send().await?.error_for_status()?;
        let version: Version = answer.json().await?;
        Ok(version.version)
    }
}
