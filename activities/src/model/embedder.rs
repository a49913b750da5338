//! Embeddings over OpenAI's protocol (<https://platform.openai.com/docs/api-reference/embeddings>), which local servers speak too.

use futures::future::BoxFuture;
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;

use super::{
    Embedded, Embedder, EmbedderSettings, estimate,
    http::{Peer, url_of},
};
use crate::ActivityResult;

/// An embedding model behind an OpenAI-compatible endpoint.
#[derive(Debug)]
pub struct OpenAiEmbedder {
    peer: Peer,
    url: String,
    model: String,
    dimensions: usize,
    request_dimensions: bool,
    batch: usize,
}

#[derive(Debug, Deserialize)]
struct Answer {
    data: Vec<Item>,
    #[serde(default)]
    usage: Option<Spent>,
}

#[derive(Debug, Deserialize)]
struct Spent {
    prompt_tokens: u64,
}

#[derive(Debug, Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

impl OpenAiEmbedder {
    /// The model that `settings` name, called through `client` ([`super::http_client`]).
    #[must_use]
    pub fn new(settings: &EmbedderSettings, client: &Client) -> Self {
        Self {
            peer: Peer { client: client.clone(), name: "embedder".to_owned(), key: settings.api_key.clone(), timeouts: settings.timeouts },
            url: url_of(&settings.base_url, "embeddings"),
            model: settings.model.clone(),
            dimensions: settings.dimensions,
            request_dimensions: settings.request_dimensions,
            batch: settings.batch.max(1),
        }
    }

    async fn embed_batch(&self, texts: &[String]) -> ActivityResult<Embedded> {
        let mut body = json!({"model": self.model, "input": texts, "encoding_format": "float"});
        if self.request_dimensions {
            body["dimensions"] = json!(self.dimensions);
        }
        let call = self.peer.with_key(self.peer.client.post(&self.url).json(&body), "authorization", "Bearer ")?;
        let answer: Answer = self.peer.json(self.peer.send(call).await?, 64 << 20).await?;
        let told = answer.usage.as_ref().map(|spent| spent.prompt_tokens);
        let tokens = told.unwrap_or_else(|| texts.iter().map(|text| estimate(text.len())).sum());
        Ok(Embedded { vectors: self.in_order(answer, texts.len())?, tokens })
    }

    /// The vectors in the order of the texts; the protocol promises an index, not an order.
    fn in_order(&self, answer: Answer, texts: usize) -> ActivityResult<Vec<Vec<f32>>> {
        let mut vectors = vec![Vec::new(); texts];
        for Item { index, embedding } in answer.data {
            if embedding.len() != self.dimensions {
                return Err(self.peer.rejected(format_args!(
                    "`{}` gives vectors of {} numbers, the settings say {}: correct `dimensions`, or the model",
                    self.model,
                    embedding.len(),
                    self.dimensions
                )));
            }
            // Neither has a direction, so neither could be compared with anything.
            if embedding.iter().any(|x| !x.is_finite()) || embedding.iter().all(|x| *x == 0.0) {
                return Err(self.peer.transient(format_args!("the vector of text {index} is zero or not finite")));
            }
            match vectors.get_mut(index) {
                Some(slot) if slot.is_empty() => *slot = embedding,
                _ => return Err(self.peer.transient(format_args!("an unexpected vector with index {index} for {texts} texts"))),
            }
        }
        match vectors.iter().position(Vec::is_empty) {
            Some(missing) => Err(self.peer.transient(format_args!("the vector of text {missing} is missing"))),
            None => Ok(vectors),
        }
    }
}

impl Embedder for OpenAiEmbedder {
    fn model(&self) -> &str {
        &self.model
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn embed<'a>(&'a self, texts: &'a [String]) -> BoxFuture<'a, ActivityResult<Embedded>> {
        Box::pin(async move {
            if let Some(index) = texts.iter().position(|text| text.trim().is_empty()) {
                return Err(self.peer.rejected(format_args!("text {index} is empty: there is nothing to embed")));
            }
            let mut whole = Embedded { vectors: Vec::with_capacity(texts.len()), tokens: 0 };
            for batch in texts.chunks(self.batch) {
                let Embedded { vectors, tokens } = self.embed_batch(batch).await?;
                whole.vectors.extend(vectors);
                whole.tokens += tokens;
            }
            Ok(whole)
        })
    }
}
