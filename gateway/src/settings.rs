//! The gateway's settings.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

/// What the gateway can be told. Every field has a default, so that a laptop needs none of them.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySettings {
    /// Where it listens. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// The URL that people and platforms reach it under, without a trailing slash: short links, OAuth callbacks and error pages start with it.
    pub public_url: Url,
    /// The engine's ingress, where workflows are started.
    pub ingress_url: Url,
    /// The engine's admin API, where progress is read and runs are cancelled.
    pub admin_url: Url,
    /// Signs access tokens; at least 32 bytes, the same on every gateway. Without it each process makes its own: tokens then end with the
    /// process and are refreshed.
    #[serde(serialize_with = "activities::secret::set_or_not")]
    pub token_secret: Option<SecretString>,
    /// For how long an access token is good, in minutes (1 to 60).
    pub access_token_minutes: u32,
    /// After how long an unused session ends, in days (1 to 365).
    pub session_days: u32,
    /// How many requests one key or user may make in a minute, in the long run.
    pub requests_per_minute: u32,
    /// How many of them may come at once.
    pub request_burst: u32,
    /// Whether the last entry of `X-Forwarded-For` is the client: true only behind a proxy that sets it.
    pub trust_forwarded_for: bool,
    /// By how many seconds a signed webhook may be old (or ahead) before it is refused.
    pub webhook_tolerance_seconds: u32,
    /// For how long requests under way may finish when the process is asked to stop, in seconds.
    pub drain_seconds: u32,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            public_url: url("http://127.0.0.1:8081"),
            ingress_url: url("http://127.0.0.1:8080"),
            admin_url: url("http://127.0.0.1:9070"),
            token_secret: None,
            access_token_minutes: 10,
            session_days: 30,
            requests_per_minute: 600,
            request_burst: 120,
            trust_forwarded_for: false,
            webhook_tolerance_seconds: 300,
            drain_seconds: 20,
        }
    }
}

#[expect(clippy::expect_used, reason = "called with constants only; a test reads every default")]
fn url(text: &str) -> Url {
    Url::parse(text).expect("a constant URL")
}

impl GatewaySettings {
    /// Names every setting that makes no sense, as `name: what is wrong`.
    ///
    /// # Errors
    /// The list, if it is not empty.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        if self.token_secret.as_ref().is_some_and(|s| s.expose_secret().len() < 32) {
            wrong.push("token_secret: needs at least 32 bytes".to_owned());
        }
        let ranges = [
            ("access_token_minutes", self.access_token_minutes, 1, 60),
            ("session_days", self.session_days, 1, 365),
            ("requests_per_minute", self.requests_per_minute, 1, 1_000_000),
            ("request_burst", self.request_burst, 1, 1_000_000),
            ("webhook_tolerance_seconds", self.webhook_tolerance_seconds, 1, 86_400),
            ("drain_seconds", self.drain_seconds, 0, 3_600),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                wrong.push(format!("{name}: must be {low} to {high}, is {value}"));
            }
        }
        for (name, url) in [("public_url", &self.public_url), ("ingress_url", &self.ingress_url), ("admin_url", &self.admin_url)] {
            if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
                wrong.push(format!("{name}: must be an http or https URL"));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_unknown_keys_are_refused() {
        assert_eq!(GatewaySettings::default().validate(), Ok(()));
        assert!(serde_json::from_str::<GatewaySettings>(r#"{"lissten": "127.0.0.1:1"}"#).is_err());
    }

    #[test]
    fn every_bad_setting_is_named() {
        let bad = GatewaySettings {
            token_secret: Some("short".into()),
            access_token_minutes: 0,
            admin_url: url("ftp://host"),
            ..GatewaySettings::default()
        };
        let wrong = bad.validate().unwrap_err().join("\n");
        for name in ["token_secret", "access_token_minutes", "admin_url"] {
            assert!(wrong.contains(name), "{wrong}");
        }
        assert!(!wrong.contains("short"), "a secret must not be repeated");
    }
}
