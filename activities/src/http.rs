//! Requests to addresses that users gave: social servers, webhooks.
//!
//! Two promises. A request reaches public networks only, whatever a name resolves to at the moment of connecting ([`address`]). And a request made
//! with [`Outgoing::once`] leaves the house at most once: no retry, no redirect, no reused connection, HTTP/1.1.

pub mod address;
#[cfg(test)]
pub(crate) mod raw_server;

use std::{error::Error as _, net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use self::address::is_public;
use crate::error::{ActivityError, ActivityResult};

/// How requests go out.
#[derive(Debug, Clone)]
pub struct OutgoingSettings {
    /// Allow private, loopback and link-local addresses, and plain `http`: for development, where the servers stand on this machine.
    pub allow_private_networks: bool,
    /// How long looking up a name, connecting and TLS may take together.
    pub connect_timeout: Duration,
    /// How long a request may take from connecting to the last byte of its answer. Longer than `connect_timeout`, so that a request that never got
    /// a connection is known as one.
    pub timeout: Duration,
    /// The largest answer that is read, in bytes.
    pub response_limit: usize,
}

impl Default for OutgoingSettings {
    fn default() -> Self {
        Self {
            allow_private_networks: false,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            response_limit: 2 << 20,
        }
    }
}

/// The clients for outgoing requests.
#[derive(Debug, Clone)]
pub struct Outgoing {
    reads: reqwest::Client,
    once: reqwest::Client,
    allow_private_networks: bool,
    response_limit: usize,
    timeout: Duration,
}

/// What a server answered.
///
/// Not `Debug`: answers to logins hold tokens.
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or why it could not be read to its end.
    pub body: Result<Bytes, String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No connection was made, so no byte of the request was sent.
    NotSent(String),
    /// Our own settings refuse the address; nothing was sent. The words name the setting.
    Refused(String),
    /// It broke after the connection stood: the request may have arrived.
    Broken(String),
}

impl Outgoing {
    /// Builds the clients. Proxies named in the environment are not used: behind one, the address that is connected to could not be checked.
    ///
    /// # Errors
    /// If the TLS back-end cannot be set up.
    pub fn new(settings: &OutgoingSettings) -> ActivityResult<Self> {
        let base = || {
            reqwest::Client::builder()
                .user_agent(concat!("Pressroom/", env!("CARGO_PKG_VERSION")))
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(settings.connect_timeout)
                .timeout(settings.timeout)
                .https_only(!settings.allow_private_networks)
                .dns_resolver(GuardedResolver { allow_private_networks: settings.allow_private_networks })
        };
        let failed = |error: reqwest::Error| ActivityError::rejected(format!("cannot set up HTTP: {}", explain(error)));
        Ok(Self {
            // Some servers close after each answer without saying so (snac), and a read that was just written to such a connection fails.
            reads: base().pool_max_idle_per_host(0).build().map_err(failed)?,
            // A request on a pooled connection that turns out closed is sent again by the client underneath, and so are HTTP/2 streams that the
            // server refuses: neither may happen to a post.
            once: base().pool_max_idle_per_host(0).http1_only().retry(reqwest::retry::never()).build().map_err(failed)?,
            allow_private_networks: settings.allow_private_networks,
            response_limit: settings.response_limit,
            timeout: settings.timeout,
        })
    }

    /// How long a request may take, from connecting to the last byte of its answer.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Reads a URL that a user gave and checks what can be checked without connecting: scheme, user info, literal addresses.
    ///
    /// # Errors
    /// [`ActivityError::Rejected`], saying what is wrong with it.
    pub fn check_url(&self, url: &str) -> ActivityResult<Url> {
        let url = Url::parse(url.trim()).map_err(|error| ActivityError::rejected(format!("not a URL: {error}")))?;
        self.check(&url)?;
        Ok(url)
    }

    /// Whether our own settings let requests go to this address at all, as far as that can be told without asking a name server.
    ///
    /// # Errors
    /// In words that name the setting that stands in the way, or the mistake in the address.
    pub fn admits(&self, url: &Url) -> Result<(), String> {
        self.check(url).map_err(|error| because_of_settings(error.what()))
    }

    fn check(&self, url: &Url) -> ActivityResult<()> {
        match url.scheme() {
            "https" => {}
            "http" if self.allow_private_networks => {}
            other => return Err(ActivityError::rejected(format!("the address must begin with https://, not {other}:"))),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ActivityError::rejected("the address must not contain a user name or password"));
        }
        let public = match url.host() {
            None => return Err(ActivityError::rejected("the address names no host")),
            Some(Host::Domain(name)) => !is_local_name(name),
            Some(Host::Ipv4(ip)) => is_public(ip.into()),
            Some(Host::Ipv6(ip)) => is_public(ip.into()),
        };
        if public || self.allow_private_networks { Ok(()) } else { Err(ActivityError::rejected("the address is in a private network")) }
    }

    /// A GET, on a connection of its own, that may be repeated by the client underneath.
    ///
    /// # Errors
    /// [`ActivityError::Rejected`] if the address is refused.
    pub fn get(&self, url: Url) -> ActivityResult<reqwest::RequestBuilder> {
        self.admits(&url).map_err(ActivityError::rejected)?;
        Ok(self.reads.get(url))
    }

    /// A request that is sent at most once.
    ///
    /// # Errors
    /// [`ActivityError::Rejected`] if the address is refused.
    pub fn once(&self, method: Method, url: Url) -> ActivityResult<reqwest::RequestBuilder> {
        self.admits(&url).map_err(ActivityError::rejected)?;
        Ok(self.once.request(method, url))
    }

    /// Sends a request and reads its answer up to the limit.
    ///
    /// # Errors
    /// A [`Failure`] that says whether anything was sent.
    pub async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
        let mut response = request.send().await.map_err(failure)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        let body = loop {
            match response.chunk().await {
                Ok(None) => break Ok(body.freeze()),
                Ok(Some(chunk)) if body.len() + chunk.len() <= self.response_limit => body.extend_from_slice(&chunk),
                Ok(Some(_)) => break Err(format!("the answer is larger than {} bytes", self.response_limit)),
                Err(error) => break Err(explain(error)),
            }
        };
        Ok(Answer { status, headers, body })
    }
}

/// Classifies an error from sending. Only an error of the connector proves that nothing was sent; a timeout of the whole request does not.
fn failure(error: reqwest::Error) -> Failure {
    if refused(&error) {
        Failure::Refused(because_of_settings(&explain(error)))
    } else if error.is_connect() || error.is_builder() {
        Failure::NotSent(explain(error))
    } else {
        Failure::Broken(explain(error))
    }
}

/// Whoever reads why nothing was sent reads what to change.
fn because_of_settings(what: &str) -> String {
    format!("{what} (the setting outgoing.allow_private_networks is off)")
}

fn refused(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<PrivateAddress>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// An HTTP error with its causes, without the URL: its query can hold secrets.
#[must_use]
pub fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}

/// Names that mean this machine or this network without asking a name server.
fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    ["localhost", "local", "internal", "home.arpa"]
        .iter()
        .any(|local| name == *local || name.strip_suffix(local).is_some_and(|rest| rest.ends_with('.')))
}

/// The name resolves to an address that is not a public one.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address in a private network")]
struct PrivateAddress;

/// Looks names up with the system's resolver and refuses any that has a private address among its own.
///
/// The connection is made to the very addresses that were checked, so a name that changes between a check and the connection gains nothing.
#[derive(Debug, Clone)]
struct GuardedResolver {
    allow_private_networks: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = self.allow_private_networks;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !allow && found.iter().any(|address| !is_public(address.ip())) {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
