//! One request to a provider: sent once, timed at every stage, its failures classified and stripped of secrets.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, header};
use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    Answer, OnProgress, Timeouts,
    sse::{Event, Malformed, SseParser},
};
use crate::{ActivityError, ActivityResult};

/// How long to wait after a 429 that does not say.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);
/// The longest wait that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// The most bytes of a failure that are read, and the most characters of it that are shown.
const MAX_FAILURE: usize = 16 << 10;
const MAX_SHOWN: usize = 300;
/// The most text that one answer may have, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// The HTTP client that models are called with: it never sends twice and never follows a redirect, which could take a key to another host.
///
/// # Errors
/// If TLS cannot be set up.
pub fn http_client(connect_timeout: Duration) -> reqwest::Result<Client> {
    Client::builder()
        .connect_timeout(connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .user_agent(concat!("pressroom/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// `base` with `path` after it.
pub(super) fn url_of(base: &Url, path: &str) -> String {
    format!("{}/{path}", base.as_str().trim_end_matches('/'))
}

/// Somebody who is asked over HTTP.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) key: Option<SecretString>,
    pub(super) timeouts: Timeouts,
}

/// How one protocol puts an answer together from its events.
pub(super) trait Decoder {
    /// Takes one event.
    fn event(&mut self, event: &Event, on_progress: OnProgress<'_>) -> Result<(), Refusal>;
    /// Nothing further is to come, whether the connection is closed or not.
    fn is_done(&self) -> bool;
    /// The answer, if the protocol's end was seen.
    fn answer(self) -> Result<Answer, Refusal>;
}

/// Why an answer is of no use, before it is known whose it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It may be better next time.
    Broken(String),
    /// It would be the same next time.
    Final(String),
    /// The provider asks to wait.
    Busy(String),
}

impl Peer {
    /// The key, marked so that no layer below prints it.
    pub(super) fn with_key(&self, request: RequestBuilder, name: &'static str, scheme: &str) -> ActivityResult<RequestBuilder> {
        let Some(key) = self.key.as_ref().map(ExposeSecret::expose_secret).filter(|key| !key.is_empty()) else { return Ok(request) };
        let mut value = header::HeaderValue::from_str(&format!("{scheme}{key}"))
            .map_err(|_| self.rejected("the API key has characters that no HTTP header may have"))?;
        value.set_sensitive(true);
        Ok(request.header(name, value))
    }

    /// Sends once and takes the answer's head; any status but a success is an error.
    pub(super) async fn send(&self, request: RequestBuilder) -> ActivityResult<Body<'_>> {
        let started = Instant::now();
        let first_byte = started + Duration::from_millis(self.timeouts.first_byte_ms);
        let total = started + Duration::from_millis(self.timeouts.total_ms);
        let response = match timeout_at(first_byte.min(total), request.send()).await {
            Err(_) if Instant::now() >= total => return Err(self.took_too_long()),
            Err(_) => return Err(self.transient(format_args!("no answer within {} ms", self.timeouts.first_byte_ms))),
            Ok(Err(error)) => return Err(self.transient(format_args!("{}: {}", stage(&error), root(error)))),
            Ok(Ok(response)) => response,
        };
        let mut body = Body { peer: self, response, first_byte: Some(first_byte), total };
        if body.response.status().is_success() { Ok(body) } else { Err(body.failure().await) }
    }

    /// Reads a whole JSON answer.
    pub(super) async fn json<T: DeserializeOwned>(&self, mut body: Body<'_>, limit: usize) -> ActivityResult<T> {
        let bytes = body.all(limit).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.transient(format_args!("the answer is not the JSON of its protocol: {error}")))
    }

    /// Reads a stream of events to its end, or to where the protocol says that it is complete.
    pub(super) async fn stream<D: Decoder>(
        &self,
        mut body: Body<'_>,
        mut decoder: D,
        on_progress: OnProgress<'_>,
    ) -> ActivityResult<Answer> {
        let mut parser = SseParser::default();
        while !decoder.is_done() {
            let Some(chunk) = body.chunk().await? else { break };
            let events = parser.push(&chunk).map_err(|malformed| {
                self.transient(match malformed {
                    Malformed::NotUtf8 => "the answer is not UTF-8",
                    Malformed::TooLarge => "one event of the answer is larger than 1 MiB",
                })
            })?;
            for event in events {
                decoder.event(&event, on_progress).map_err(|refusal| self.refused(refusal))?;
            }
        }
        decoder.answer().map_err(|refusal| self.refused(refusal))
    }

    pub(super) fn refused(&self, refusal: Refusal) -> ActivityError {
        match refusal {
            Refusal::Broken(what) => self.transient(what),
            Refusal::Final(what) => self.rejected(what),
            Refusal::Busy(what) => ActivityError::rate_limited(DEFAULT_RETRY_AFTER, self.says(what)),
        }
    }

    fn took_too_long(&self) -> ActivityError {
        self.transient(format_args!("the answer took longer than {} ms", self.timeouts.total_ms))
    }

    pub(super) fn transient(&self, what: impl std::fmt::Display) -> ActivityError {
        ActivityError::transient(self.says(what))
    }

    pub(super) fn rejected(&self, what: impl std::fmt::Display) -> ActivityError {
        ActivityError::rejected(self.says(what))
    }

    /// `name: what` on one line, cut, and without the key, which some servers repeat in what they object to.
    fn says(&self, what: impl std::fmt::Display) -> String {
        let what = what.to_string();
        let what = match self.key.as_ref().map(ExposeSecret::expose_secret) {
            Some(key) if !key.is_empty() => what.replace(key, "[key]"),
            _ => what,
        };
        let mut line: String = what.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((at, _)) = line.char_indices().nth(MAX_SHOWN) {
            line.truncate(at);
            line.push('…');
        }
        format!("{}: {line}", self.name)
    }
}

/// The body of an answer, read under the peer's timeouts.
pub(super) struct Body<'a> {
    peer: &'a Peer,
    response: Response,
    /// Set until the first byte has come.
    first_byte: Option<Instant>,
    total: Instant,
}

impl Body<'_> {
    /// Whether the answer is what it was asked to be.
    pub(super) fn is_event_stream(&self) -> bool {
        self.content_type().starts_with("text/event-stream")
    }

    /// Whether the answer is one JSON document.
    pub(super) fn is_json(&self) -> bool {
        self.content_type().starts_with("application/json")
    }

    /// The media type, or nothing.
    pub(super) fn content_type(&self) -> &str {
        self.response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    async fn chunk(&mut self) -> ActivityResult<Option<Bytes>> {
        let Timeouts { first_byte_ms, idle_ms, .. } = self.peer.timeouts;
        let (until, waited) = match self.first_byte {
            Some(until) => (until, format!("no byte of an answer within {first_byte_ms} ms")),
            None => (Instant::now() + Duration::from_millis(idle_ms), format!("the answer stopped for {idle_ms} ms")),
        };
        match timeout_at(until.min(self.total), self.response.chunk()).await {
            Err(_) if Instant::now() >= self.total => Err(self.peer.took_too_long()),
            Err(_) => Err(self.peer.transient(waited)),
            Ok(Err(error)) => Err(self.peer.transient(format_args!("the connection broke in the middle of the answer: {}", root(error)))),
            Ok(Ok(chunk)) => {
                self.first_byte = None;
                Ok(chunk)
            }
        }
    }

    async fn all(&mut self, limit: usize) -> ActivityResult<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if bytes.len() + chunk.len() > limit {
                return Err(self.peer.transient(format_args!("the answer is larger than {limit} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// What an answer that is no success means.
    async fn failure(&mut self) -> ActivityError {
        let status = self.response.status();
        let wait = retry_after(self.response.headers(), Utc::now());
        // The status alone decides; a body that cannot be read only leaves the message shorter.
        let mut bytes = Vec::new();
        while let Ok(Some(chunk)) = self.chunk().await {
            bytes.extend_from_slice(&chunk[..chunk.len().min(MAX_FAILURE - bytes.len())]);
            if bytes.len() == MAX_FAILURE {
                break;
            }
        }
        let what = match message(&bytes) {
            Some(message) => format!("{status}: {message}"),
            None => status.to_string(),
        };
        match status {
            StatusCode::TOO_MANY_REQUESTS => ActivityError::rate_limited(wait.unwrap_or(DEFAULT_RETRY_AFTER), self.peer.says(what)),
            StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT | StatusCode::TOO_EARLY => self.peer.transient(what),
            _ if status.is_server_error() => self.peer.transient(what),
            _ if status.is_redirection() => self.peer.rejected(format_args!("{status}: redirects are not followed; correct `base_url`")),
            _ => self.peer.rejected(what),
        }
    }
}

/// Adds to a text that must not grow without end.
pub(super) fn grow(text: &mut String, piece: &str) -> Result<(), Refusal> {
    if text.len() + piece.len() > MAX_TEXT {
        return Err(Refusal::Broken("the answer has more than 1 MiB of text".to_owned()));
    }
    text.push_str(piece);
    Ok(())
}

/// The message of an error document as OpenAI, Anthropic and most local servers write it.
fn message(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let error = value.get("error").unwrap_or(&value);
    let message = error.as_str().or_else(|| error.get("message").or_else(|| error.get("detail"))?.as_str())?;
    Some(message.to_owned())
}

/// Where a request ended that got no answer.
fn stage(error: &reqwest::Error) -> &'static str {
    if error.is_connect() { "cannot connect" } else { "the connection broke before an answer" }
}

/// The innermost cause, without the URL, for addresses can carry secrets.
fn root(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The wait that `Retry-After` asks for, in seconds or as a date (RFC 9110, 10.2.3), at most an hour; a date that is past asks for none.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => DateTime::parse_from_rfc2822(value).ok()?.signed_duration_since(now).to_std().unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    fn peer(key: Option<&str>) -> Peer {
        Peer { client: Client::new(), name: "main".to_owned(), key: key.map(SecretString::from), timeouts: Timeouts::default() }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = Utc.with_ymd_and_hms(2026, 11, 21, 12, 0, 0).unwrap();
        for (value, wait) in [
            ("7", Some(Duration::from_secs(7))),
            ("0.5", Some(Duration::from_millis(500))),
            ("Sat, 21 Nov 2026 12:00:30 GMT", Some(Duration::from_secs(30))),
            ("Sat, 21 Nov 2026 11:00:00 GMT", Some(Duration::ZERO)),
            ("999999", Some(MAX_RETRY_AFTER)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
        ] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), wait, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn what_is_said_is_one_short_line_without_the_key() {
        let said = peer(Some("sk-planted")).says("bad key\n  sk-planted ");
        assert_eq!(said, "main: bad key [key]");
        let long = peer(None).says("ä".repeat(1000));
        assert_eq!(long.chars().count(), "main: ".len() + MAX_SHOWN + 1);
    }

    #[test]
    fn messages_are_found_where_servers_put_them() {
        for (body, found) in [
            (r#"{"error":{"message":"too long","type":"x"}}"#, Some("too long")),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Some("Overloaded")),
            (r#"{"error":"model not found"}"#, Some("model not found")),
            (r#"{"message":"no"}"#, Some("no")),
            (r#"{"detail":"no such route"}"#, Some("no such route")),
            (r#"{"detail":[1]}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(message(body.as_bytes()).as_deref(), found, "{body}");
        }
    }
}
