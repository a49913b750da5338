//! Language models and embeddings.
//!
//! One call here is one attempt at one answer. Every provider is spoken to over its public HTTP protocol, and what comes back is believed only
//! if it is whole: a stream without its end, an answer without text and bytes that are no protocol at all are failures, not short texts.
//! Retries belong to the caller; [`Models`] only goes on to the next provider in the same attempt.

mod anthropic;
mod embedder;
mod failover;
mod http;
mod openai;
mod settings;
mod sse;

use domain::prompt::{Prompt, clean_completion};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use self::{
    anthropic::Anthropic,
    embedder::OpenAiEmbedder,
    failover::{Health, Models},
    http::http_client,
    openai::OpenAi,
    settings::{EmbedderSettings, MaxTokensAs, ModelSettings, ProviderKind, ProviderSettings, SettingsError, Timeouts},
};
use crate::{ActivityError, ActivityResult};

/// What a completion is for: the name that traces and token counts carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A first text of a variant.
    Draft,
    /// A better text of a variant.
    Rewrite,
    /// A text in another language.
    Translate,
    /// The words of a digest.
    Digest,
    /// The description of a picture.
    Image,
    /// The meaning of a text, in numbers.
    Embed,
}

impl Purpose {
    /// The name as it is stored and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Rewrite => "rewrite",
            Self::Translate => "translate",
            Self::Digest => "digest",
            Self::Image => "image",
            Self::Embed => "embed",
        }
    }
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletionRequest {
    /// The text of the question.
    pub prompt: Prompt,
    /// How free the choice of words is, from 0; `None` leaves it to the provider.
    pub temperature: Option<f64>,
    /// The most tokens the answer may have. An answer that reaches it is refused, for it ends in mid-sentence.
    pub max_tokens: u32,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a model answered, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// The text, without what models wrap around it ([`clean_completion`]); never empty.
    pub text: String,
    /// Tokens of the prompt, as the provider bills them.
    pub input_tokens: u64,
    /// Tokens of the answer, as the provider bills them.
    pub output_tokens: u64,
    /// The provider did not tell the counts; they are estimated at four bytes a token.
    pub tokens_estimated: bool,
    /// The model that answered, as it calls itself.
    pub model: String,
    /// The provider's name in the settings.
    pub provider: String,
}

/// What happens while a model writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A provider begins. Text that an earlier one had begun is void.
    Started {
        /// The provider's name in the settings.
        provider: &'a str,
    },
    /// The next piece of text, raw: what is stored afterwards is [`Completed::text`].
    Text(&'a str),
}

/// Who listens while a model writes. It is called between two reads of the network, so it must not block.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress<'_>) + Send);

/// One model at one provider.
pub trait LanguageModel: Send + Sync {
    /// The provider's name in the settings.
    fn name(&self) -> &str;

    /// Asks once and streams the answer.
    ///
    /// # Errors
    /// `RateLimited` with the time that the provider asks for; `Rejected` if asking again cannot help (a refused key, an unknown model, a
    /// prompt that is too long, an answer cut at `max_tokens`); everything else, a stream that ends early included, is `Transient`.
    fn complete<'a>(&'a self, request: &'a CompletionRequest, on_progress: OnProgress<'a>) -> BoxFuture<'a, ActivityResult<Completed>>;
}

/// Vectors of texts, and what they cost.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embedded {
    /// One vector for each text, in the same order.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of the texts, as the provider bills them; estimated at four bytes a token where it does not tell.
    pub tokens: u64,
}

/// Turns texts into vectors that lie close together where the texts mean alike.
pub trait Embedder: Send + Sync {
    /// The model's name: vectors of different models must never be compared.
    fn model(&self) -> &str;

    /// How many numbers a vector has.
    fn dimensions(&self) -> usize;

    /// One vector for each text, in the same order. No text must be empty.
    ///
    /// # Errors
    /// As [`LanguageModel::complete`]; vectors of another length than [`Self::dimensions`] are `Rejected`, for the settings are wrong.
    fn embed<'a>(&'a self, texts: &'a [String]) -> BoxFuture<'a, ActivityResult<Embedded>>;
}

/// What a protocol read from an answer, before it is known to be of use.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    text: String,
    model: Option<String>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

/// Tokens of so many bytes of text, where the provider does not tell.
fn estimate(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

impl Answer {
    /// Refuses an empty text and fills in what the provider did not tell.
    fn completed(self, provider: &str, model: &str, request: &CompletionRequest) -> ActivityResult<Completed> {
        let text = clean_completion(&self.text);
        if text.is_empty() {
            return Err(ActivityError::transient(format_args!("{provider}: the answer has no text")));
        }
        let prompt = request.prompt.system.len() + request.prompt.user.len();
        Ok(Completed {
            input_tokens: self.input_tokens.unwrap_or_else(|| estimate(prompt)),
            output_tokens: self.output_tokens.unwrap_or_else(|| estimate(self.text.len())),
            tokens_estimated: self.input_tokens.is_none() || self.output_tokens.is_none(),
            model: self.model.unwrap_or_else(|| model.to_owned()),
            provider: provider.to_owned(),
            text,
        })
    }
}
