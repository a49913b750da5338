//! The form of credentials that the vault encrypts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::platform::Platform;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{ACCESS_TOKEN, Credentials, REFRESH_TOKEN};
use crate::error::{ActivityError, ActivityResult};

/// Its version; a text without one is in the form that came before.
const FORM: u8 = 2;

#[derive(Serialize, Deserialize)]
struct Stored {
    form: u8,
    platform: Platform,
    secrets: BTreeMap<String, String>,
    facts: BTreeMap<String, String>,
    expires_at: Option<DateTime<Utc>>,
    scopes: Vec<String>,
}

/// What was stored before there was a form for all platforms.
#[derive(Deserialize)]
#[serde(tag = "platform", rename_all = "lowercase")]
enum Before {
    Mastodon {
        access_token: String,
        client_id: Option<String>,
        client_secret: Option<String>,
        scope: Option<String>,
    },
    Bluesky {
        identifier: String,
        app_password: String,
        access_jwt: Option<String>,
        refresh_jwt: Option<String>,
        access_expires_at: Option<DateTime<Utc>>,
        did: Option<String>,
    },
}

impl Before {
    fn read(self) -> Credentials {
        let secret = |made: Credentials, name, value: Option<String>| match value {
            Some(value) => made.with_secret(name, value),
            None => made,
        };
        let fact = |made: Credentials, name, value: Option<String>| match value {
            Some(value) => made.with_fact(name, value),
            None => made,
        };
        match self {
            Self::Mastodon { access_token, client_id, client_secret, scope } => {
                let made = Credentials::new(Platform::Mastodon).with_token(access_token, None);
                let made = fact(secret(made, "client_secret", client_secret), "client_id", client_id);
                made.with_scopes(scope.iter().flat_map(|scope| scope.split_whitespace()).map(str::to_owned).collect())
            }
            Self::Bluesky { identifier, app_password, access_jwt, refresh_jwt, access_expires_at, did } => {
                let made =
                    Credentials::new(Platform::Bluesky).with_fact("identifier", identifier).with_secret("app_password", app_password);
                let made = secret(secret(made, ACCESS_TOKEN, access_jwt), REFRESH_TOKEN, refresh_jwt);
                Credentials { expires_at: access_expires_at, ..fact(made, "did", did) }
            }
        }
    }
}

impl Credentials {
    /// The form that the vault encrypts.
    ///
    /// # Errors
    /// Only if the serialiser fails.
    pub fn to_plaintext(&self) -> ActivityResult<SecretString> {
        let Self { platform, secrets, facts, expires_at, scopes } = self.clone();
        let secrets = secrets.iter().map(|(name, secret)| (name.clone(), secret.expose_secret().to_owned())).collect();
        let stored = Stored { form: FORM, platform, secrets, facts, expires_at, scopes };
        serde_json::to_string(&stored).map(SecretString::from).map_err(|_| ActivityError::rejected("cannot write credentials"))
    }

    /// Reads [`Self::to_plaintext`] back, and what was stored before in a form for each platform.
    ///
    /// # Errors
    /// [`ActivityError::Rejected`] if the text is not one, without showing it.
    pub fn from_plaintext(text: &str) -> ActivityResult<Self> {
        if let Ok(before) = serde_json::from_str::<Before>(text) {
            return Ok(before.read());
        }
        let stored: Stored = serde_json::from_str(text).map_err(|_| ActivityError::rejected("stored credentials are not readable"))?;
        if stored.form != FORM {
            return Err(ActivityError::rejected(format_args!(
                "stored credentials are in form {}, which this build does not know",
                stored.form
            )));
        }
        let Stored { platform, secrets, facts, expires_at, scopes, .. } = stored;
        let secrets = secrets.into_iter().map(|(name, secret)| (name, secret.into())).collect();
        Ok(Self { platform, secrets, facts, expires_at, scopes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_survive_the_vault() {
        let end = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let made = Credentials::new(Platform::Bluesky)
            .with_token("planted-1", Some(end))
            .with_secret("app_password", "planted-2")
            .with_fact("did", "did:plc:a")
            .with_scopes(vec!["a".to_owned()]);
        let plaintext = made.to_plaintext().unwrap();
        let back = Credentials::from_plaintext(plaintext.expose_secret()).unwrap();
        assert_eq!(back.to_plaintext().unwrap().expose_secret(), plaintext.expose_secret());
        assert_eq!((back.expires_at(), back.fact("did"), back.scopes()), (Some(end), Some("did:plc:a"), &["a".to_owned()][..]));
    }

    #[test]
    fn what_was_stored_before_is_still_read() {
        let mastodon = r#"{"platform":"mastodon","access_token":"t","client_id":"c","client_secret":"s","scope":"read write"}"#;
        let read = Credentials::from_plaintext(mastodon).unwrap();
        assert_eq!(read.bearer().unwrap().expose_secret(), "t");
        assert_eq!((read.fact("client_id"), read.scopes().len()), (Some("c"), 2));
        assert_eq!(read.redact("s"), "[redacted]");
        let bluesky = r#"{"platform":"bluesky","identifier":"ann.example","app_password":"p","access_jwt":"a","refresh_jwt":"r",
            "access_expires_at":"2026-11-21T00:00:00Z","did":null}"#;
        let read = Credentials::from_plaintext(bluesky).unwrap();
        assert_eq!(read.secret(REFRESH_TOKEN).unwrap().expose_secret(), "r");
        assert_eq!((read.fact("identifier"), read.fact("did")), (Some("ann.example"), None));
        assert!(read.expires_at().is_some());
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        for text in ["planted", r#"{"form":9,"platform":"bluesky","secrets":{"a":"planted"},"facts":{},"expires_at":null,"scopes":[]}"#] {
            let error = Credentials::from_plaintext(text).unwrap_err();
            assert!(!error.what().contains("planted"), "{error}");
        }
    }
}
