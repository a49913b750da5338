//! What proves to a platform that we may act for an account.

mod input;
mod stored;

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, TimeDelta, Utc};
use domain::platform::Platform;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

pub use self::input::{BadField, BadInput};
use crate::error::{ActivityError, ActivityResult};

/// The name of the secret that most platforms take as `Authorization: Bearer`.
pub const ACCESS_TOKEN: &str = "access_token";
/// The name of the secret that buys the next access token.
pub const REFRESH_TOKEN: &str = "refresh_token";

/// What is known of an account by name: secrets, and facts that are none, as the fields of its platform's `Connect` name them, or as an
/// authorisation gave them.
///
/// Deliberately not `Serialize`: a step of a workflow cannot return it, so it cannot reach a journal. The vault stores [`Self::to_plaintext`]
/// encrypted. Its `Debug` shows names only.
#[derive(Clone)]
pub struct Credentials {
    platform: Platform,
    secrets: BTreeMap<String, SecretString>,
    facts: BTreeMap<String, String>,
    expires_at: Option<DateTime<Utc>>,
    scopes: Vec<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { platform, secrets, facts, expires_at, scopes } = self;
        f.debug_struct("Credentials")
            .field("platform", platform)
            .field("secrets", &secrets.keys())
            .field("facts", &facts.keys())
            .field("expires_at", expires_at)
            .field("scopes", scopes)
            .finish()
    }
}

impl Credentials {
    /// How long before its end an access token is renewed, where the platform's rules say nothing else.
    pub const MARGIN: TimeDelta = TimeDelta::minutes(5);

    /// Of an account on `platform`, empty.
    #[must_use]
    pub const fn new(platform: Platform) -> Self {
        Self { platform, secrets: BTreeMap::new(), facts: BTreeMap::new(), expires_at: None, scopes: Vec::new() }
    }

    /// With this secret, in place of what had its name.
    #[must_use]
    pub fn with_secret(mut self, name: &str, secret: impl Into<SecretString>) -> Self {
        self.secrets.insert(name.to_owned(), secret.into());
        self
    }

    /// With this fact, in place of what had its name.
    #[must_use]
    pub fn with_fact(mut self, name: &str, fact: impl Into<String>) -> Self {
        self.facts.insert(name.to_owned(), fact.into());
        self
    }

    /// With this access token, which ends at `expires_at` if it ends.
    #[must_use]
    pub fn with_token(self, token: impl Into<SecretString>, expires_at: Option<DateTime<Utc>>) -> Self {
        Self { expires_at, ..self.with_secret(ACCESS_TOKEN, token) }
    }

    /// With these scopes, as the platform granted them.
    #[must_use]
    pub fn with_scopes(self, scopes: Vec<String>) -> Self {
        Self { scopes, ..self }
    }

    /// Without the secret of this name.
    #[must_use]
    pub fn without_secret(mut self, name: &str) -> Self {
        self.secrets.remove(name);
        self
    }

    /// The platform that they are for.
    #[must_use]
    pub const fn platform(&self) -> Platform {
        self.platform
    }

    /// A secret by its name.
    ///
    /// # Errors
    /// [`ActivityError::CredentialsExpired`] if there is none: the account was connected in another way, and has to be again.
    pub fn secret(&self, name: &str) -> ActivityResult<&SecretString> {
        self.find(name).ok_or_else(|| ActivityError::credentials_expired(format_args!("the account was connected without its `{name}`")))
    }

    /// A secret by its name, where it is one of several ways to connect.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&SecretString> {
        self.secrets.get(name)
    }

    /// A fact by its name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// What the token allows, where that is known.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Whether the access token is missing where the platform opens sessions, or ends so soon that it should be renewed before it is used.
    #[must_use]
    pub fn needs_refresh(&self, now: DateTime<Utc>) -> bool {
        let adapter = super::adapter(self.platform);
        if self.bearer().is_none() {
            return adapter.opens_sessions();
        }
        let margin = adapter.oauth().map_or(Self::MARGIN, |rules| rules.renew_before);
        self.expires_at.is_some_and(|end| end - margin <= now)
    }

    /// When the access token ends; `None` if it does not, or there is none.
    #[must_use]
    pub const fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.expires_at
    }

    /// The SHA-256 of what the next token is bought with, by which an interrupted renewal is known again: the refresh token, or the token itself.
    #[must_use]
    pub fn renewal_hash(&self) -> [u8; 32] {
        let buys = self.find(REFRESH_TOKEN).or_else(|| self.bearer());
        Sha256::digest(buys.map(|token| token.expose_secret()).unwrap_or_default()).into()
    }

    /// The token that requests carry, if there is one.
    pub(super) fn bearer(&self) -> Option<&SecretString> {
        self.find(ACCESS_TOKEN)
    }

    /// A text without any of these secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut secrets: Vec<&str> = self.secrets.values().map(|secret| secret.expose_secret()).filter(|s| !s.is_empty()).collect();
        // The longest first: of one that holds another, nothing may stay.
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_had_by_name_and_shown_to_nobody() {
        let end = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let made = Credentials::new(Platform::Mastodon)
            .with_token("planted-1", Some(end))
            .with_secret("bot_token", "planted-1-and-more")
            .with_fact("chat_id", "-100");
        assert!(!format!("{made:?}").contains("planted"));
        assert_eq!(made.secret("bot_token").unwrap().expose_secret(), "planted-1-and-more");
        assert!(matches!(made.secret("webhook_url"), Err(ActivityError::CredentialsExpired { what }) if what.contains("webhook_url")));
        assert_eq!(made.fact("chat_id"), Some("-100"));
        assert_eq!(made.redact("a planted-1-and-more b planted-1 c"), "a [redacted] b [redacted] c");
        assert!(!made.needs_refresh(end - TimeDelta::minutes(6)));
        assert!(made.needs_refresh(end - TimeDelta::minutes(5)));
    }

    #[test]
    fn a_renewal_is_known_by_the_token_that_buys_it() {
        let first = Credentials::new(Platform::Bluesky).with_secret(REFRESH_TOKEN, "a");
        assert_eq!(first.renewal_hash(), first.clone().with_secret(ACCESS_TOKEN, "x").renewal_hash());
        assert_ne!(first.renewal_hash(), first.with_secret(REFRESH_TOKEN, "b").renewal_hash());
        let itself = Credentials::new(Platform::Bluesky).with_token("a", None);
        assert_eq!(itself.renewal_hash(), Credentials::new(Platform::Bluesky).with_secret(REFRESH_TOKEN, "a").renewal_hash());
    }
}
