//! The durable engine, as the gateway needs it: start, ask, cancel, pause, resume.
//!
//! Plain HTTP rather than generated clients: a start has to carry the idempotency key and the trace, and 409 "already invoked" means that the
//! invocation exists, which is what was wanted (docs: the engine may answer so to a retry after one of its nodes was lost).

use std::time::Duration;

use activities::store::runs;
use domain::ids::{OrgId, RunId};
use opentelemetry::propagation::Injector;
use reqwest::{Client, Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use url::Url;

use crate::{
    app::App,
    problem::{ApiResult, Code, Problem},
    request::RequestContext,
};

/// Why the engine did not do it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It cannot be reached, or is not ready.
    #[error("the engine is away: {0}")]
    Away(String),
    /// It knows no such invocation or service.
    #[error("the engine knows no such thing")]
    NotFound,
    /// It, or the handler that was called, refuses for good.
    #[error("refused with {status}: {message}")]
    Refused {
        /// The status that it chose.
        status: u16,
        /// Its words; a handler's begin with a code ([`workflows::refuse`]).
        message: String,
    },
    /// It answered something that was not expected: a defect.
    #[error("the engine answered unexpectedly: {0}")]
    Unexpected(String),
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Away(_) => Self::unavailable(error),
            EngineError::NotFound => Self::not_found(),
            EngineError::Refused { status, message } => refusal(status, &message),
            EngineError::Unexpected(_) => Self::internal(error),
        }
    }
}

/// A handler's refusal, as the client reads it. Only words that a handler wrote for people go out; anything else is logged.
fn refusal(status: u16, message: &str) -> Problem {
    let Some((code, sentence)) = workflows::refuse::parse(message) else {
        tracing::warn!(status, message, "refused in words that are not for clients");
        return Problem::new(if status == 409 { Code::Conflict } else { Code::ValidationFailed });
    };
    let known = Code::ALL.iter().copied().find(|c| c.as_str() == code);
    Problem::new(known.unwrap_or(if status == 409 { Code::Conflict } else { Code::ValidationFailed })).detail(sentence)
}

/// A client of one engine.
#[derive(Debug, Clone)]
pub struct Engine {
    http: Client,
    ingress: Url,
    admin: Url,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    invocation_id: String,
}

#[derive(Deserialize)]
struct Rows<T> {
    rows: Vec<T>,
}

impl Engine {
    /// A client of the engine at these two URLs. Nothing is connected to yet.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(ingress: &Url, admin: &Url) -> Result<Self, EngineError> {
        let http = Client::builder()
            .connect_timeout(Duration::from_secs(3))
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(90))
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| EngineError::Unexpected(e.to_string()))?;
        Ok(Self { http, ingress: ingress.clone(), admin: admin.clone() })
    }

    /// Starts `service/handler` and returns the invocation's id at once. The same `idempotency_key` again starts nothing and returns the same id.
    ///
    /// # Errors
    /// When the engine is away or knows no such handler.
    pub async fn send(&self, service: &str, handler: &str, input: &impl Serialize, idempotency_key: &str) -> Result<String, EngineError> {
        self.send_to(&["restate", "send", service, handler], input, idempotency_key).await
    }

    /// Starts `service/key/handler` on the object `key`; otherwise as [`Self::send`].
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_object(
        &self,
        service: &str,
        key: &str,
        handler: &str,
        input: &impl Serialize,
        idempotency_key: &str,
    ) -> Result<String, EngineError> {
        self.send_to(&["restate", "send", service, key, handler], input, idempotency_key).await
    }

    /// Calls `service/key/handler` on the object `key` and waits for what it returns.
    ///
    /// # Errors
    /// As [`Self::send`]; [`EngineError::Refused`] with the handler's own words when it refused for good.
    pub async fn call_object<T: DeserializeOwned>(
        &self,
        service: &str,
        key: &str,
        handler: &str,
        input: &impl Serialize,
        idempotency_key: &str,
    ) -> Result<T, EngineError> {
        let request = self.http.post(join(&self.ingress, &["restate", "call", service, key, handler])).json(input);
        let response = answer(traced(request.header("idempotency-key", idempotency_key))).await.map_err(deployed)?;
        let body = response.bytes().await.map_err(|e| EngineError::Away(e.without_url().to_string()))?;
        // A handler without a result answers nothing at all, which is no JSON.
        let json: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(json).map_err(|e| EngineError::Unexpected(e.to_string()))
    }

    async fn send_to(&self, path: &[&str], input: &impl Serialize, idempotency_key: &str) -> Result<String, EngineError> {
        let request = self.http.post(join(&self.ingress, path)).json(input).header("idempotency-key", idempotency_key);
        let response = answer(traced(request)).await.map_err(deployed)?;
        let sent: Sent = response.json().await.map_err(|e| EngineError::Unexpected(e.to_string()))?;
        Ok(sent.invocation_id)
    }

    /// Answers when the engine does.
    ///
    /// # Errors
    /// When it is away.
    pub async fn ready(&self) -> Result<(), EngineError> {
        answer(self.http.get(join(&self.admin, &["health"])).timeout(Duration::from_secs(2))).await.map(drop)
    }

    /// Whether a deployment that holds `service` is registered.
    ///
    /// # Errors
    /// When the engine is away.
    pub async fn has_service(&self, service: &str) -> Result<bool, EngineError> {
        match answer(self.http.get(join(&self.admin, &["services", service])).timeout(Duration::from_secs(2))).await {
            Ok(_) => Ok(true),
            Err(EngineError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Asks the engine's own tables. Put nothing into `sql` that a client wrote: there are no bound parameters.
    ///
    /// # Errors
    /// When the engine is away, busy, or does not understand.
    pub async fn query<T: DeserializeOwned>(&self, sql: &str) -> Result<Vec<T>, EngineError> {
        let request = self.http.post(join(&self.admin, &["query"])).header("accept", "application/json");
        let response = answer(request.json(&serde_json::json!({"query": sql}))).await?;
        let rows: Rows<T> = response.json().await.map_err(|e| EngineError::Unexpected(e.to_string()))?;
        Ok(rows.rows)
    }

    /// Cancels, pauses or resumes an invocation: `verb` as in the admin API.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when there is none (any more), [`EngineError::Refused`] when its state does not allow it.
    pub async fn change(&self, invocation_id: &str, verb: Verb) -> Result<(), EngineError> {
        let url = join(&self.admin, &["invocations", invocation_id, verb.as_str()]);
        answer(self.http.request(Method::PATCH, url)).await.map(drop)
    }
}

/// A workflow to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    /// The durable service.
    pub(crate) service: &'static str,
    /// The object's key, for services that are objects.
    pub(crate) key: Option<&'a str>,
    /// The handler.
    pub(crate) handler: &'static str,
    /// The run that the client is given. It is the engine's idempotency key as well: the same run is started once.
    pub(crate) run_id: RunId,
    /// What the run is about.
    pub(crate) subject: &'a str,
    /// Who makes sure that the run can be found.
    pub(crate) noted_by: NotedBy,
}

/// Who notes which invocation stands behind a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotedBy {
    /// The gateway, before it answers.
    Gateway,
    /// The workflow's first step. The gateway notes it too, after its answer, for readers who are faster than the step.
    Workflow,
}

/// Starts a workflow and notes its run. The same run again starts nothing.
///
/// # Errors
/// When the engine or the database is away. The start may have happened then: a repeat finds it by its run.
pub(crate) async fn start(app: &App, org: OrgId, start: &Start<'_>, input: &(impl Serialize + Sync)) -> ApiResult<()> {
    let Start { service, key, handler, run_id, subject, noted_by } = *start;
    let idempotency_key = run_id.to_string();
    let invocation = match key {
        Some(key) => app.engine.send_object(service, key, handler, input, &idempotency_key).await?,
        None => app.engine.send(service, handler, input, &idempotency_key).await?,
    };
    let (store, subject) = (app.store.clone(), subject.to_owned());
    let note = async move {
        let mut tx = store.in_org(org).await?;
        runs::insert(&mut tx, run_id, service, &subject, &invocation).await?;
        tx.commit().await
    };
    match noted_by {
        NotedBy::Gateway => note.await?,
        NotedBy::Workflow => drop(tokio::spawn(async move {
            if let Err(error) = note.await {
                tracing::warn!(%error, %run_id, "a run is left to its workflow to note");
            }
        })),
    }
    Ok(())
}

/// What can be done to an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Ask it to end, with compensation.
    Cancel,
    /// Stop working on it until it is resumed.
    Pause,
    /// Go on.
    Resume,
}

impl Verb {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

/// Each part is one segment, whatever is in it.
fn join(base: &Url, parts: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(parts);
    }
    url
}

struct Carrier<'a>(&'a mut HeaderMap);

impl Injector for Carrier<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (key.parse::<reqwest::header::HeaderName>(), value.parse()) {
            self.0.insert(name, value);
        }
    }
}

/// Hands the trace on: our own span's, or, without a tracer in this process, the one that the client sent.
fn traced(request: RequestBuilder) -> RequestBuilder {
    let mut headers = HeaderMap::new();
    let context = tracing::Span::current().context();
    opentelemetry::global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut Carrier(&mut headers)));
    if !headers.contains_key("traceparent")
        && let Some(value) = RequestContext::current().traceparent()
    {
        headers.insert("traceparent", value.clone());
    }
    request.headers(headers)
}

/// A service that the engine does not know is one that is not deployed (yet), which passes.
fn deployed(error: EngineError) -> EngineError {
    match error {
        EngineError::NotFound => EngineError::Away("the service is not deployed".to_owned()),
        other => other,
    }
}

async fn answer(request: RequestBuilder) -> Result<reqwest::Response, EngineError> {
    let response = request.send().await.map_err(|e| EngineError::Away(e.without_url().to_string()))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.text().await.unwrap_or_default();
    Err(refused(status, &body))
}

fn refused(status: StatusCode, body: &str) -> EngineError {
    let message = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|v| v.get("message").and_then(|m| m.as_str()).map(str::to_owned))
        .unwrap_or_else(|| body.chars().take(300).collect());
    match status.as_u16() {
        404 | 410 => EngineError::NotFound,
        409 | 422 => EngineError::Refused { status: status.as_u16(), message },
        429 | 500 | 502..=504 => EngineError::Away(format!("{status}: {message}")),
        _ => EngineError::Unexpected(format!("{status}: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_leave_its_segment() {
        let base = Url::parse("http://h/base/").unwrap();
        assert_eq!(join(&base, &["Campaign", "a/../b?c", "run"]).as_str(), "http://h/base/Campaign/a%2F..%2Fb%3Fc/run");
    }

    #[test]
    fn a_handlers_words_reach_the_client_and_the_engines_do_not() {
        assert_eq!(refusal(409, "already-decided: the post is approved by Ada").code(), Code::AlreadyDecided);
        assert_eq!(refusal(409, "some-later-code: words").code(), Code::Conflict);
        let unknown = refusal(422, "Internal: stack");
        assert_eq!(unknown.code(), Code::ValidationFailed);
        assert!(!format!("{unknown:?}").contains("stack"));
    }

    #[test]
    fn answers_are_sorted_by_what_is_to_be_done() {
        assert!(matches!(refused(StatusCode::NOT_FOUND, ""), EngineError::NotFound));
        assert!(
            matches!(refused(StatusCode::CONFLICT, r#"{"message":"m"}"#), EngineError::Refused { status: 409, message } if message == "m")
        );
        assert!(matches!(refused(StatusCode::SERVICE_UNAVAILABLE, ""), EngineError::Away(_)));
        assert!(matches!(refused(StatusCode::BAD_REQUEST, ""), EngineError::Unexpected(_)));
    }
}
