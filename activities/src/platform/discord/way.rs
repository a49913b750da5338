//! The two ways into a channel.

use std::fmt;

use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::{
    error::{ActivityError, ActivityResult},
    platform::{Account, Call, Credentials, endpoint},
};

/// What a bot is called where other platforms have their software.
pub(super) const BOT: &str = "bot";
const WEBHOOK: &str = "webhook";

/// The name under which a webhook's token is kept besides its address.
const WEBHOOK_TOKEN: &str = "webhook_token";

/// Where an account is: its server, its channel, and the bot or webhook that writes there.
pub(super) struct Place {
    pub(super) guild: String,
    pub(super) channel: String,
    pub(super) author: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.guild, self.channel, self.author)
    }
}

impl Place {
    /// Reads an account's id.
    pub(super) fn of(account: &Account) -> ActivityResult<Self> {
        let mut parts = account.remote_id.split('/').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(guild), Some(channel), Some(author)) => Ok(Self { guild, channel, author }),
            _ => Err(ActivityError::rejected("the account is not connected yet")),
        }
    }
}

/// How the channel is reached.
pub(super) enum Way {
    Bot { token: SecretString },
    Webhook { id: String, token: SecretString },
}

impl Way {
    /// What the credentials are for; the bot goes before the webhook.
    pub(super) fn of(credentials: &Credentials) -> ActivityResult<Self> {
        if let Some(token) = credentials.find("bot_token") {
            return Ok(Self::Bot { token: token.clone() });
        }
        let url = credentials.secret("webhook_url")?;
        let wrong = || ActivityError::rejected("the webhook's address is not of the form https://discord.com/api/webhooks/<id>/<token>");
        let url = Url::parse(url.expose_secret()).map_err(|_| wrong())?;
        let mut path = url.path_segments().ok_or_else(wrong)?.skip_while(|segment| *segment != "webhooks").skip(1);
        match (path.next(), path.next().filter(|token| !token.is_empty())) {
            (Some(id), Some(token)) if id.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self::Webhook { id: id.to_owned(), token: token.to_owned().into() })
            }
            _ => Err(wrong()),
        }
    }

    /// What the account's software is said to be.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Bot { .. } => BOT,
            Self::Webhook { .. } => WEBHOOK,
        }
    }

    /// The credentials with every secret under a name.
    pub(super) fn keep(&self, credentials: &Credentials) -> Credentials {
        match self {
            Self::Bot { .. } => credentials.clone(),
            Self::Webhook { token, .. } => credentials.clone().with_secret(WEBHOOK_TOKEN, token.clone()),
        }
    }

    /// A request to an address under the API for a bot, under the webhook's own for a webhook.
    pub(super) fn request(&self, call: Call<'_>, method: Method, path: &[&str]) -> ActivityResult<reqwest::RequestBuilder> {
        let mut url = endpoint(&call.account.base_url, "api/v10")?;
        {
            let mut segments = url.path_segments_mut().map_err(|()| ActivityError::rejected("not an address"))?;
            if let Self::Webhook { id, token } = self {
                segments.extend(["webhooks", id, token.expose_secret()]);
            }
            segments.extend(path);
        }
        let request = if method == Method::GET { call.http.get(url)? } else { call.http.once(method, url)? };
        Ok(match self {
            Self::Bot { token } => request.header(http::header::AUTHORIZATION, format!("Bot {}", token.expose_secret())),
            Self::Webhook { .. } => request,
        })
    }

    /// A request about one message.
    pub(super) fn to_message(&self, call: Call<'_>, method: Method, id: &str) -> ActivityResult<reqwest::RequestBuilder> {
        let place = Place::of(call.account)?;
        match self {
            Self::Bot { .. } => self.request(call, method, &["channels", &place.channel, "messages", id]),
            Self::Webhook { .. } => self.request(call, method, &["messages", id]),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::platform::Platform;

    use super::*;

    #[test]
    fn a_webhooks_address_is_taken_apart_and_its_token_hidden() {
        for url in
            ["https://discord.com/api/webhooks/42/planted-token", "https://canary.discord.com/api/v10/webhooks/42/planted-token?wait=1"]
        {
            let credentials = Credentials::new(Platform::Discord).with_secret("webhook_url", url);
            let way = Way::of(&credentials).unwrap();
            let Way::Webhook { id, .. } = &way else { panic!() };
            assert_eq!(id, "42");
            let kept = way.keep(&credentials);
            assert_eq!(kept.redact("at /webhooks/42/planted-token"), "at /webhooks/42/[redacted]");
        }
        for url in ["https://discord.com/api/webhooks/42", "https://discord.com/42/planted-token", "planted-token"] {
            let credentials = Credentials::new(Platform::Discord).with_secret("webhook_url", url);
            let Err(ActivityError::Rejected { what }) = Way::of(&credentials) else { panic!("{url}") };
            assert!(!what.contains("planted"), "{what}");
        }
    }
}
