//! Who lives on a stand-in, and how to start one.

use std::path::PathBuf;

use serde_json::Value;

/// An account that exists from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The platform's id of it.
    pub id: String,
    /// Its name as people write it, without `@`.
    pub handle: String,
    /// Name shown.
    pub name: String,
    /// A token that is valid without signing in: an access token, a bot's token, a webhook's secret.
    pub token: String,
    /// What it is, where the platform has several kinds (`bot`, `webhook`, `organization`); else empty.
    pub kind: String,
}

impl Account {
    /// An account of the platform's usual kind.
    pub fn new(id: &str, handle: &str, token: &str) -> Self {
        Self { id: id.to_owned(), handle: handle.to_owned(), name: handle.to_owned(), token: token.to_owned(), kind: String::new() }
    }

    /// Of this kind.
    #[must_use]
    pub fn of_kind(mut self, kind: &str) -> Self {
        self.kind = kind.to_owned();
        self
    }
}

/// An application that was registered with the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthApp {
    /// Its public id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// How to start a stand-in.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Who lives there; empty for the platform's usual inhabitants. The first one is who approves at the OAuth page unless `account=` names another.
    pub accounts: Vec<Account>,
    /// The application that may ask for tokens.
    pub app: OAuthApp,
    /// Whether the platform's documented rate limits hold. Faults throttle in any case.
    pub throttled: bool,
    /// How long an access token is good, in seconds; `None` for as long as the platform says.
    pub access_seconds: Option<i64>,
    /// How long a used single-use refresh token still gives the same successor, in seconds; `None` for as long as the platform says.
    pub refresh_grace_seconds: Option<i64>,
    /// Where the books are kept over a restart.
    pub data: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            accounts: Vec::new(),
            app: OAuthApp { client_id: "stand-in-app".to_owned(), client_secret: "stand-in-app-secret".to_owned() },
            throttled: true,
            access_seconds: None,
            refresh_grace_seconds: None,
            data: None,
        }
    }
}

/// What a test, or a person, enters to connect an account of a stand-in.
#[derive(Debug, Clone, PartialEq)]
pub struct Login {
    /// The account's name.
    pub handle: String,
    /// Where the API answers.
    pub base_url: String,
    /// The fields that are asked for when the account is connected by hand.
    pub credentials: Value,
}
