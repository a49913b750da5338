//! What proves to a platform that we may act for an account.

use chrono::{DateTime, TimeDelta, Utc};
use domain::platform::Platform;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::error::{ActivityError, ActivityResult};

/// Secrets of an account.
///
/// Deliberately not `Serialize`: a step of a workflow cannot return it, so it cannot reach a journal. The vault stores [`Self::to_plaintext`]
/// encrypted. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A token that never expires.
    Mastodon {
        /// The OAuth 2 access token.
        access_token: SecretString,
        /// The application that it was given to, where we registered one.
        client_id: Option<String>,
        /// That application's secret.
        client_secret: Option<SecretString>,
        /// What the token allows, separated by spaces, where the server said.
        scope: Option<String>,
    },
    /// An app password and the session opened with it.
    Bluesky {
        /// Handle, DID or e-mail address.
        identifier: String,
        /// An app password, not the account's own.
        app_password: SecretString,
        /// The access token of the session (about two hours).
        access_jwt: Option<SecretString>,
        /// The token that renews the session (about 90 days, used once).
        refresh_jwt: Option<SecretString>,
        /// When the access token ends.
        access_expires_at: Option<DateTime<Utc>>,
        /// The account's DID.
        did: Option<String>,
    },
}

/// The stored form.
#[derive(Serialize, Deserialize)]
#[serde(tag = "platform", rename_all = "lowercase")]
enum Stored {
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

/// What a person enters for Mastodon.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MastodonInput {
    access_token: SecretString,
}

/// What a person enters for Bluesky.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BlueskyInput {
    identifier: Option<String>,
    app_password: SecretString,
}

fn revealed(secret: &SecretString) -> String {
    secret.expose_secret().to_owned()
}

impl Credentials {
    /// How long before its end an access token is renewed.
    const MARGIN: TimeDelta = TimeDelta::minutes(5);

    /// Reads what a person entered: `{"access_token"}` for Mastodon, `{"app_password", "identifier"?}` for Bluesky, where the handle stands in
    /// for the identifier.
    ///
    /// # Errors
    /// [`ActivityError::Rejected`] naming the field that is missing, unknown or empty, never its value.
    pub fn from_input(platform: Platform, handle: &str, input: serde_json::Value) -> ActivityResult<Self> {
        // serde's messages quote unexpected values, which may be secrets; only its words about field names are passed on, and of an unknown one
        // only what nobody would give as a secret: somebody may have written theirs where the name belongs.
        let wrong = |error: serde_json::Error| {
            let text = error.to_string();
            let unknown = text.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
            let plain = |name: &str| name.len() <= 24 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            ActivityError::rejected(match unknown {
                Some((name, expected)) if !plain(name) => format!("unknown field{expected}"),
                None if !text.starts_with("missing field") => "the credentials must be an object of strings".to_owned(),
                _ => text,
            })
        };
        let credentials = match platform {
            Platform::Mastodon => {
                let MastodonInput { access_token } = serde_json::from_value(input).map_err(wrong)?;
                Self::Mastodon { access_token, client_id: None, client_secret: None, scope: None }
            }
            Platform::Bluesky => {
                let BlueskyInput { identifier, app_password } = serde_json::from_value(input).map_err(wrong)?;
                let identifier = identifier.unwrap_or_else(|| handle.trim().trim_start_matches('@').to_owned());
                Self::Bluesky { identifier, app_password, access_jwt: None, refresh_jwt: None, access_expires_at: None, did: None }
            }
        };
        // A header cannot hold other characters, and an empty secret is a form sent too early.
        if credentials.secrets().any(|secret| secret.is_empty() || !secret.chars().all(|c| c.is_ascii_graphic())) {
            return Err(ActivityError::rejected("the token or password is empty or has characters that none has"));
        }
        Ok(credentials)
    }

    /// The platform that they are for.
    #[must_use]
    pub const fn platform(&self) -> Platform {
        match self {
            Self::Mastodon { .. } => Platform::Mastodon,
            Self::Bluesky { .. } => Platform::Bluesky,
        }
    }

    /// The form that the vault encrypts.
    ///
    /// # Errors
    /// Only if the serialiser fails.
    pub fn to_plaintext(&self) -> ActivityResult<SecretString> {
        let stored = match self {
            Self::Mastodon { access_token, client_id, client_secret, scope } => Stored::Mastodon {
                access_token: revealed(access_token),
                client_id: client_id.clone(),
                client_secret: client_secret.as_ref().map(revealed),
                scope: scope.clone(),
            },
            Self::Bluesky { identifier, app_password, access_jwt, refresh_jwt, access_expires_at, did } => Stored::Bluesky {
                identifier: identifier.clone(),
                app_password: revealed(app_password),
                access_jwt: access_jwt.as_ref().map(revealed),
                refresh_jwt: refresh_jwt.as_ref().map(revealed),
                access_expires_at: *access_expires_at,
                did: did.clone(),
            },
        };
        serde_json::to_string(&stored).map(SecretString::from).map_err(|_| ActivityError::rejected("cannot write credentials"))
    }

    /// Reads [`Self::to_plaintext`] back.
    ///
    /// # Errors
    /// [`ActivityError::Rejected`] if the text is not one, without showing it.
    pub fn from_plaintext(text: &str) -> ActivityResult<Self> {
        let stored = serde_json::from_str(text).map_err(|_| ActivityError::rejected("stored credentials are not readable"))?;
        Ok(match stored {
            Stored::Mastodon { access_token, client_id, client_secret, scope } => {
                Self::Mastodon { access_token: access_token.into(), client_id, client_secret: client_secret.map(Into::into), scope }
            }
            Stored::Bluesky { identifier, app_password, access_jwt, refresh_jwt, access_expires_at, did } => Self::Bluesky {
                identifier,
                app_password: app_password.into(),
                access_jwt: access_jwt.map(Into::into),
                refresh_jwt: refresh_jwt.map(Into::into),
                access_expires_at,
                did,
            },
        })
    }

    /// Whether the access token is missing, or ends so soon that it should be renewed before it is used.
    #[must_use]
    pub fn needs_refresh(&self, now: DateTime<Utc>) -> bool {
        match self {
            Self::Mastodon { .. } => false,
            Self::Bluesky { access_jwt, access_expires_at, .. } => {
                access_jwt.is_none() || access_expires_at.is_some_and(|end| end - Self::MARGIN <= now)
            }
        }
    }

    /// When the access token ends; `None` if it does not, or there is none.
    #[must_use]
    pub const fn expires_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Mastodon { .. } => None,
            Self::Bluesky { access_expires_at, .. } => *access_expires_at,
        }
    }

    /// The token that requests carry, if there is one.
    pub(super) const fn bearer(&self) -> Option<&SecretString> {
        match self {
            Self::Mastodon { access_token, .. } => Some(access_token),
            Self::Bluesky { access_jwt, .. } => access_jwt.as_ref(),
        }
    }

    /// A text without any of these secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.secrets().filter(|secret| !secret.is_empty()).fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
    }

    fn secrets(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::Mastodon { access_token, client_secret, .. } => [Some(access_token), client_secret.as_ref(), None],
            Self::Bluesky { app_password, access_jwt, refresh_jwt, .. } => [Some(app_password), access_jwt.as_ref(), refresh_jwt.as_ref()],
        };
        all.into_iter().flatten().map(|secret| secret.expose_secret())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn credentials_survive_the_vault_and_show_nothing() {
        let end = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let credentials = Credentials::Bluesky {
            identifier: "ann.example".to_owned(),
            app_password: "planted-1".into(),
            access_jwt: Some("planted-2".into()),
            refresh_jwt: Some("planted-3".into()),
            access_expires_at: Some(end),
            did: Some("did:plc:a".to_owned()),
        };
        assert!(!format!("{credentials:?}").contains("planted"));
        let plaintext = credentials.to_plaintext().unwrap();
        let back = Credentials::from_plaintext(plaintext.expose_secret()).unwrap();
        assert_eq!(back.to_plaintext().unwrap().expose_secret(), plaintext.expose_secret());
        assert_eq!(back.redact("a planted-1 b planted-2 c planted-3"), "a [redacted] b [redacted] c [redacted]");
        assert!(!back.needs_refresh(end - TimeDelta::minutes(6)));
        assert!(back.needs_refresh(end - TimeDelta::minutes(5)));
    }

    #[test]
    fn what_people_enter_is_checked_without_repeating_it() {
        let ok = Credentials::from_input(Platform::Bluesky, "@ann.example", json!({"app_password": "abcd-efgh"})).unwrap();
        assert!(matches!(&ok, Credentials::Bluesky { identifier, .. } if identifier == "ann.example"));
        assert!(ok.needs_refresh(Utc::now()));
        for (input, says) in [
            (json!({}), "missing field `access_token`"),
            (json!({"access_token": "planted", "client": 1}), "unknown field `client`"),
            (json!({"planted-1": "access_token"}), "unknown field, expected `access_token`"),
            (json!({"access_token": ["planted"]}), "object of strings"),
            (json!("planted"), "object of strings"),
            (json!({"access_token": "planted\r\nX: y"}), "characters that none has"),
            (json!({"access_token": ""}), "empty"),
        ] {
            let error = Credentials::from_input(Platform::Mastodon, "ann", input).unwrap_err();
            assert!(error.what().contains(says) && !error.what().contains("planted"), "{error}");
        }
    }
}
