//! How a platform does OAuth, as data.

use chrono::TimeDelta;

use crate::platform::Credentials;

/// What is particular to a platform. Begin with [`Rules::STANDARD`] and name what differs, with its source.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The page that asks the person: an address, or a path on the account's own server.
    pub authorize: &'static str,
    /// Where a code becomes a token.
    pub token: &'static str,
    /// Where an application is registered, on platforms whose servers each take their own.
    pub register: Option<&'static str>,
    /// What stands between scopes.
    pub separator: &'static str,
    /// What the platform calls the application's id in requests.
    pub client_id: &'static str,
    /// How the application proves itself.
    pub client: ClientAuth,
    /// Whether the platform takes PKCE (always S256).
    pub pkce: bool,
    /// What is added to the address of the page that asks.
    pub extra: &'static [(&'static str, &'static str)],
    /// An exchange for a token that lives longer, made at once.
    pub lengthen: Option<Exchange>,
    /// How a token is renewed.
    pub refresh: Refresh,
    /// What else the token's answer tells: its JSON pointer there, and the name of the fact that it becomes.
    pub facts: &'static [(&'static str, &'static str)],
    /// How long before its end a token is renewed. Where a token that has ended cannot be renewed any more, days.
    pub renew_before: TimeDelta,
}

impl Rules {
    /// What RFC 6749 and RFC 7636 describe, with refresh tokens that work once.
    pub const STANDARD: Self = Self {
        authorize: "",
        token: "",
        register: None,
        separator: " ",
        client_id: "client_id",
        client: ClientAuth::Body,
        pkce: true,
        extra: &[],
        lengthen: None,
        refresh: Refresh::Rotating,
        facts: &[],
        renew_before: Credentials::MARGIN,
    };
}

/// How an application proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Id and secret by HTTP Basic authentication.
    Basic,
    /// Id and secret in the form.
    Body,
    /// The id alone, in the form.
    Public,
}

/// How a token is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// It does not end, or a person has to connect again.
    None,
    /// By a refresh token that works once and brings the next.
    Rotating,
    /// By a refresh token that goes on working.
    Reusable,
    /// The token itself is exchanged for a younger one, while it still works.
    Itself(Exchange),
}

/// One token for another, by GET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// Where.
    pub url: &'static str,
    /// The `grant_type`.
    pub grant_type: &'static str,
    /// What the token that is given is called.
    pub token: &'static str,
    /// Whether the application's id goes along.
    pub with_id: bool,
    /// Whether its secret goes along.
    pub with_secret: bool,
}
