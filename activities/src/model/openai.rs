//! Chat completions as OpenAI defined them, which most hosted and local servers speak (<https://platform.openai.com/docs/api-reference/chat>).

use futures::future::BoxFuture;
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Answer, Completed, CompletionRequest, LanguageModel, MaxTokensAs, OnProgress, Progress, ProviderSettings,
    http::{Decoder, Peer, Refusal, grow, url_of},
    sse::Event,
};
use crate::ActivityResult;

/// One model behind an OpenAI-compatible endpoint.
#[derive(Debug)]
pub struct OpenAi {
    peer: Peer,
    url: String,
    model: String,
    fixed_temperature: bool,
    max_tokens_as: MaxTokensAs,
}

impl OpenAi {
    /// The model that `settings` name, called through `client` ([`super::http_client`]).
    #[must_use]
    pub fn new(settings: &ProviderSettings, client: &Client) -> Self {
        Self {
            peer: Peer { client: client.clone(), name: settings.name.clone(), key: settings.api_key.clone(), timeouts: settings.timeouts },
            url: url_of(&settings.base_url, "chat/completions"),
            model: settings.model.clone(),
            fixed_temperature: settings.fixed_temperature,
            max_tokens_as: settings.max_tokens_as,
        }
    }

    fn body(&self, request: &CompletionRequest) -> Value {
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(self.model));
        body.insert(
            "messages".to_owned(),
            json!([{"role": "system", "content": request.prompt.system}, {"role": "user", "content": request.prompt.user}]),
        );
        body.insert("stream".to_owned(), json!(true));
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        let limit = match self.max_tokens_as {
            MaxTokensAs::MaxTokens => "max_tokens",
            MaxTokensAs::MaxCompletionTokens => "max_completion_tokens",
        };
        body.insert(limit.to_owned(), json!(request.max_tokens));
        if let Some(temperature) = request.temperature.filter(|_| !self.fixed_temperature) {
            body.insert("temperature".to_owned(), json!(temperature));
        }
        Value::Object(body)
    }
}

impl LanguageModel for OpenAi {
    fn name(&self) -> &str {
        &self.peer.name
    }

    fn complete<'a>(&'a self, request: &'a CompletionRequest, on_progress: OnProgress<'a>) -> BoxFuture<'a, ActivityResult<Completed>> {
        Box::pin(async move {
            on_progress(Progress::Started { provider: self.name() });
            let call = self.peer.client.post(&self.url).header("accept", "text/event-stream").json(&self.body(request));
            let body = self.peer.send(self.peer.with_key(call, "authorization", "Bearer ")?).await?;
            let answer = if body.is_event_stream() {
                self.peer.stream(body, Stream::default(), on_progress).await?
            } else if body.is_json() {
                // Some servers cannot stream with every model, and say so by not doing it.
                let mut whole = Stream::default();
                whole
                    .take(self.peer.json(body, 4 << 20).await?, on_progress)
                    .and_then(|()| whole.answer())
                    .map_err(|refusal| self.peer.refused(refusal))?
            } else {
                return Err(self.peer.transient(format_args!("the answer is `{}`, not a stream of events", body.content_type())));
            };
            answer.completed(self.name(), &self.model, request)
        })
    }
}

/// A chunk of a stream, or a whole answer: they differ only in where the text stands.
#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default, alias = "message")]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

#[derive(Debug, Default)]
struct Stream {
    answer: Answer,
    refusal: String,
    finish: Option<String>,
    done: bool,
}

impl Stream {
    fn take(&mut self, chunk: Chunk, on_progress: OnProgress<'_>) -> Result<(), Refusal> {
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            let what = error.get("message").and_then(Value::as_str).or_else(|| error.as_str()).unwrap_or("without a message");
            return Err(Refusal::Broken(format!("an error instead of the rest of the answer: {what}")));
        }
        if let Some(model) = chunk.model.filter(|model| !model.is_empty()) {
            self.answer.model = Some(model);
        }
        if let Some(usage) = chunk.usage {
            self.answer.input_tokens = Some(usage.prompt_tokens);
            self.answer.output_tokens = Some(usage.completion_tokens);
        }
        let Some(choice) = chunk.choices.into_iter().next() else { return Ok(()) };
        if let Some(delta) = choice.delta {
            grow(&mut self.refusal, delta.refusal.as_deref().unwrap_or_default())?;
            if let Some(text) = delta.content.filter(|text| !text.is_empty()) {
                grow(&mut self.answer.text, &text)?;
                on_progress(Progress::Text(&text));
            }
        }
        self.finish = choice.finish_reason.or(self.finish.take());
        Ok(())
    }
}

impl Decoder for Stream {
    fn event(&mut self, event: &Event, on_progress: OnProgress<'_>) -> Result<(), Refusal> {
        if event.data.trim() == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let chunk = serde_json::from_str(&event.data)
            .map_err(|error| Refusal::Broken(format!("an event of the answer is not the JSON of its protocol: {error}")))?;
        self.take(chunk, on_progress)
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn answer(self) -> Result<Answer, Refusal> {
        if !self.refusal.is_empty() {
            return Err(Refusal::Final(format!("the model refuses: {}", self.refusal)));
        }
        match self.finish.as_deref() {
            Some("length") => Err(Refusal::Final("the answer was cut at the most tokens that were asked for".to_owned())),
            Some("content_filter") => Err(Refusal::Final("the provider's content filter withheld the answer".to_owned())),
            None if !self.done => Err(Refusal::Broken("the answer ended in the middle".to_owned())),
            // Servers that say `[DONE]` without a reason, or have reasons of their own, did end the answer themselves.
            _ => Ok(self.answer),
        }
    }
}
