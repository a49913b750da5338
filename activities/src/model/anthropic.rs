//! Messages as Anthropic defined them (<https://docs.anthropic.com/en/api/messages-streaming>).

use futures::future::BoxFuture;
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Answer, Completed, CompletionRequest, LanguageModel, OnProgress, Progress, ProviderSettings,
    http::{Decoder, Peer, Refusal, grow, url_of},
    sse::Event,
};
use crate::ActivityResult;

/// The version of the protocol that this file speaks.
const VERSION: &str = "2023-06-01";

/// One model at Anthropic, or behind an endpoint that speaks its protocol.
#[derive(Debug)]
pub struct Anthropic {
    peer: Peer,
    url: String,
    model: String,
    fixed_temperature: bool,
}

impl Anthropic {
    /// The model that `settings` name, called through `client` ([`super::http_client`]).
    #[must_use]
    pub fn new(settings: &ProviderSettings, client: &Client) -> Self {
        Self {
            peer: Peer { client: client.clone(), name: settings.name.clone(), key: settings.api_key.clone(), timeouts: settings.timeouts },
            url: url_of(&settings.base_url, "v1/messages"),
            model: settings.model.clone(),
            fixed_temperature: settings.fixed_temperature,
        }
    }

    fn body(&self, request: &CompletionRequest) -> Value {
        let mut body = json!({
            "model": self.model,
            "max_tokens": request.max_tokens,
            "system": request.prompt.system,
            "messages": [{"role": "user", "content": request.prompt.user}],
            "stream": true,
        });
        // The protocol's temperatures end at 1.
        if let Some(temperature) = request.temperature.filter(|_| !self.fixed_temperature) {
            body["temperature"] = json!(temperature.clamp(0.0, 1.0));
        }
        body
    }
}

impl LanguageModel for Anthropic {
    fn name(&self) -> &str {
        &self.peer.name
    }

    fn complete<'a>(&'a self, request: &'a CompletionRequest, on_progress: OnProgress<'a>) -> BoxFuture<'a, ActivityResult<Completed>> {
        Box::pin(async move {
            on_progress(Progress::Started { provider: self.name() });
            let call = self.peer.client.post(&self.url).header("anthropic-version", VERSION).json(&self.body(request));
            let body = self.peer.send(self.peer.with_key(call, "x-api-key", "")?).await?;
            if !body.is_event_stream() {
                return Err(self.peer.transient(format_args!("the answer is `{}`, not a stream of events", body.content_type())));
            }
            self.peer.stream(body, Stream::default(), on_progress).await?.completed(self.name(), &self.model, request)
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    MessageStart {
        message: Start,
    },
    ContentBlockDelta {
        delta: Delta,
    },
    MessageDelta {
        delta: Stop,
        #[serde(default)]
        usage: Usage,
    },
    MessageStop,
    Error {
        error: Fault,
    },
    /// Pings, block borders, and whatever the protocol gains.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Start {
    model: Option<String>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Delta {
    TextDelta {
        text: String,
    },
    /// Thinking, tool use: not the answer's text.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Stop {
    stop_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Fault {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    message: String,
}

#[derive(Debug, Default)]
struct Stream {
    answer: Answer,
    stop: Option<String>,
    done: bool,
}

impl Decoder for Stream {
    fn event(&mut self, event: &Event, on_progress: OnProgress<'_>) -> Result<(), Refusal> {
        let message = serde_json::from_str(&event.data)
            .map_err(|error| Refusal::Broken(format!("an event of the answer is not the JSON of its protocol: {error}")))?;
        match message {
            Line::MessageStart { message } => {
                self.answer.model = message.model;
                let Usage { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, .. } = message.usage;
                let cached = cache_creation_input_tokens.unwrap_or(0) + cache_read_input_tokens.unwrap_or(0);
                self.answer.input_tokens = input_tokens.map(|tokens| tokens + cached);
            }
            Line::ContentBlockDelta { delta: Delta::TextDelta { text } } => {
                grow(&mut self.answer.text, &text)?;
                on_progress(Progress::Text(&text));
            }
            Line::MessageDelta { delta, usage } => {
                self.stop = delta.stop_reason.or(self.stop.take());
                // The count is cumulative: the last one is the answer's.
                self.answer.output_tokens = usage.output_tokens.or(self.answer.output_tokens);
            }
            Line::MessageStop => self.done = true,
            Line::Error { error } => {
                let what = format!("an error instead of the rest of the answer: {}: {}", error.kind, error.message);
                return Err(match error.kind.as_str() {
                    "rate_limit_error" => Refusal::Busy(what),
                    "invalid_request_error" | "authentication_error" | "permission_error" | "not_found_error" => Refusal::Final(what),
                    _ => Refusal::Broken(what),
                });
            }
            Line::ContentBlockDelta { delta: Delta::Other } | Line::Other => {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn answer(self) -> Result<Answer, Refusal> {
        match self.stop.as_deref() {
            _ if !self.done => Err(Refusal::Broken("the answer ended in the middle".to_owned())),
            Some("max_tokens" | "model_context_window_exceeded") => {
                Err(Refusal::Final("the answer was cut at the most tokens that were asked for".to_owned()))
            }
            Some("refusal") => Err(Refusal::Final("the model refuses".to_owned())),
            _ => Ok(self.answer),
        }
    }
}
