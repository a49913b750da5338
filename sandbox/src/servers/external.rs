//! Servers that somebody else runs, named in the settings: used instead of our own, once they are seen to answer and to fit.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::Connection;
use url::Url;

use super::error::SandboxError;

/// The setting that names a running PostgreSQL.
pub(crate) const DATABASE_SETTING: &str = "servers.database_url";
/// The setting that names a running restate-server.
pub(crate) const RESTATE_URLS_SETTING: &str = "servers.ingress_url and servers.admin_url";
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// PostgreSQL 16, in the notation of `server_version_num`.
const POSTGRES_OLDEST: i32 = 160_000;

/// Where a running restate-server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestateUrls {
    /// Where invocations are sent.
    pub ingress: Url,
    /// The admin API.
    pub admin: Url,
}

/// Checks that a PostgreSQL answers, is new enough, and has pgvector to offer.
pub(crate) async fn check_postgres(url: &SecretString) -> Result<(), SandboxError> {
    let unreachable = |reason: String| SandboxError::Unreachable { server: "PostgreSQL", setting: DATABASE_SETTING, reason };
    let look = async {
        let mut connection = sqlx::PgConnection::connect(url.expose_secret()).await?;
        let sql = "select current_setting('server_version_num')::int4, exists (select from pg_available_extensions where name = 'vector')";
        let found: (i32, bool) = sqlx::query_as(sql).fetch_one(&mut connection).await?;
        let _ = connection.close().await;
        Ok::<_, sqlx::Error>(found)
    };
    let found = tokio::time::timeout(ANSWER_WITHIN, look).await;
    match found.map_err(|_| unreachable("no answer".to_owned()))?.map_err(|error| unreachable(error.to_string()))? {
        (version, _) if version < POSTGRES_OLDEST => Err(unreachable(format!("it is version {}, wanted is 16 or newer", version / 10_000))),
        (_, false) => Err(unreachable("the extension pgvector is not installed on it".to_owned())),
        _ => Ok(()),
    }
}

#[derive(Debug, Deserialize)]
struct Version {
    version: String,
}

/// Checks that a restate-server answers at both addresses and is a 1.7.
pub(crate) async fn check_restate(urls: &RestateUrls) -> Result<(), SandboxError> {
    let unreachable = |reason: String| SandboxError::Unreachable { server: "restate-server", setting: RESTATE_URLS_SETTING, reason };
    let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).build().map_err(|error| unreachable(error.to_string()))?;
    let get = async |base: &Url, path: &str| {
        let url = base.join(path).map_err(|error| unreachable(error.to_string()))?;
        let answer = client.get(url.clone()).send().await.and_then(reqwest::Response::error_for_status);
        answer.map_err(|error| unreachable(format!("{url}: {}", root(&error))))
    };
    get(&urls.ingress, "restate/health").await?;
    let version = get(&urls.admin, "version").await?.json::<Version>().await.map_err(|error| unreachable(error.to_string()))?.version;
    if version.starts_with("1.7.") { Ok(()) } else { Err(unreachable(format!("it is version {version}, wanted is 1.7"))) }
}

/// The innermost cause, which says more than "error sending request".
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named_with_its_setting_but_not_its_password() {
        let url = SecretString::from("postgres://app:hunter2@127.0.0.1:1/app".to_owned());
        let error = check_postgres(&url).await.unwrap_err().to_string();
        assert!(error.contains("database_url") && !error.contains("hunter2"), "{error}");
        let nowhere = Url::parse("http://127.0.0.1:1/").unwrap();
        let error = check_restate(&RestateUrls { ingress: nowhere.clone(), admin: nowhere }).await.unwrap_err().to_string();
        assert!(error.contains("servers.admin_url") && error.contains("refused"), "{error}");
    }
}
