//! Which models there are, and how long they may take.

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

/// The models of an installation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Who writes, in the order in which they are asked.
    pub providers: Vec<ProviderSettings>,
    /// Who embeds.
    pub embedder: EmbedderSettings,
    /// How long a provider that failed is passed over while another one can be asked, in milliseconds.
    #[serde(default = "default_put_aside_ms")]
    pub put_aside_ms: u64,
}

/// The protocol that a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// OpenAI's chat completions, which most hosted and local servers speak too.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
}

/// One provider of completions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// Its name in errors, traces and token counts.
    pub name: String,
    /// Its protocol.
    pub kind: ProviderKind,
    /// Where it is, as its own documentation gives it: for `openai` with the version (`https://api.openai.com/v1`), for `anthropic` without
    /// (`https://api.anthropic.com`).
    pub base_url: Url,
    /// The model to ask for.
    pub model: String,
    /// The key, if it wants one.
    #[serde(default, serialize_with = "crate::secret::set_or_not")]
    pub api_key: Option<SecretString>,
    /// How long each part of an answer may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// The model refuses to be told a temperature, as reasoning models do: leave it out.
    #[serde(default)]
    pub fixed_temperature: bool,
    /// What the model calls the limit of an answer; `openai` only.
    #[serde(default)]
    pub max_tokens_as: MaxTokensAs,
}

/// The name of the limit of an answer. OpenAI's newer models refuse the older name; many local servers know only that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensAs {
    /// `max_tokens`
    #[default]
    MaxTokens,
    /// `max_completion_tokens`
    MaxCompletionTokens,
}

/// The provider of embeddings, over OpenAI's protocol.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedderSettings {
    /// Where it is, with the version (`https://api.openai.com/v1`).
    pub base_url: Url,
    /// The model to ask for.
    pub model: String,
    /// The key, if it wants one.
    #[serde(default, serialize_with = "crate::secret::set_or_not")]
    pub api_key: Option<SecretString>,
    /// How many numbers a vector has; an answer with another count is refused.
    pub dimensions: usize,
    /// Whether to ask for that many, for models that can shorten their vectors.
    #[serde(default)]
    pub request_dimensions: bool,
    /// The most texts in one request.
    #[serde(default = "default_batch")]
    pub batch: usize,
    /// How long each part of an answer may take.
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// How long each part of an answer may take, in milliseconds. The time to connect is the HTTP client's ([`super::http_client`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// From sending the request to the first byte of the answer's body: how long a model may think.
    pub first_byte_ms: u64,
    /// Between two pieces of the answer.
    pub idle_ms: u64,
    /// For all of it, so that an answer that dribbles for ever ends as well.
    pub total_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { first_byte_ms: 60_000, idle_ms: 20_000, total_ms: 180_000 }
    }
}

const fn default_put_aside_ms() -> u64 {
    30_000
}

const fn default_batch() -> usize {
    64
}

/// What is wrong with the settings of models.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Nobody could be asked.
    #[error("`providers` is empty: name at least one model to write with")]
    NoProvider,
    /// Errors and token counts could not tell them apart.
    #[error("two providers are called `{0}`")]
    SameName(String),
    /// A value cannot work.
    #[error("`{field}` of `{of}` {problem}")]
    Value {
        /// The provider's name, or `embedder`.
        of: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl ModelSettings {
    /// Looks for values that cannot work.
    ///
    /// # Errors
    /// The first one found.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if self.providers.is_empty() {
            return Err(SettingsError::NoProvider);
        }
        let mut names = BTreeSet::new();
        for provider in &self.providers {
            if !names.insert(&provider.name) {
                return Err(SettingsError::SameName(provider.name.clone()));
            }
            check(&provider.name, "name", !provider.name.trim().is_empty(), "is empty")?;
            endpoint(&provider.name, &provider.base_url, &provider.model, provider.timeouts)?;
        }
        let embedder = &self.embedder;
        endpoint("embedder", &embedder.base_url, &embedder.model, embedder.timeouts)?;
        check("embedder", "dimensions", embedder.dimensions > 0, "must be at least 1")?;
        check("embedder", "batch", embedder.batch > 0, "must be at least 1")
    }
}

fn endpoint(of: &str, base_url: &Url, model: &str, timeouts: Timeouts) -> Result<(), SettingsError> {
    check(of, "base_url", matches!(base_url.scheme(), "http" | "https") && base_url.has_host(), "must be an http or https URL")?;
    check(of, "base_url", base_url.query().is_none() && base_url.fragment().is_none(), "must end with its path")?;
    let anonymous = base_url.username().is_empty() && base_url.password().is_none();
    check(of, "base_url", anonymous, "must not carry credentials: put the key into `api_key`")?;
    check(of, "model", !model.trim().is_empty(), "is empty")?;
    let Timeouts { first_byte_ms, idle_ms, total_ms } = timeouts;
    check(of, "timeouts", first_byte_ms > 0 && idle_ms > 0 && total_ms > 0, "must be above 0")
}

fn check(of: &str, field: &'static str, holds: bool, problem: &'static str) -> Result<(), SettingsError> {
    if holds { Ok(()) } else { Err(SettingsError::Value { of: of.to_owned(), field, problem }) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings() -> Value {
        json!({
            "providers": [{"name": "main", "kind": "openai", "base_url": "https://api.openai.com/v1", "model": "m", "api_key": "sk-planted"}],
            "embedder": {"base_url": "http://127.0.0.1:11434/v1", "model": "e", "dimensions": 256},
        })
    }

    fn read(value: Value) -> Result<ModelSettings, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn little_has_to_be_said() {
        let settings = read(settings()).unwrap();
        settings.validate().unwrap();
        assert_eq!(settings.providers[0].timeouts, Timeouts::default());
        assert_eq!(settings.put_aside_ms, 30_000);
    }

    #[test]
    fn a_key_is_shown_as_set_and_nowhere_else() {
        let settings = read(settings()).unwrap();
        let printed = serde_json::to_string(&settings).unwrap();
        assert!(printed.contains(r#""api_key":"(set)""#) && printed.contains(r#""api_key":"(not set)""#));
        assert!(!printed.contains("planted") && !format!("{settings:?}").contains("planted"));
    }

    #[test]
    fn unknown_fields_are_refused() {
        let mut value = settings();
        value["providers"][0]["timeouts"] = json!({"first_bite_ms": 1});
        assert!(read(value).unwrap_err().to_string().contains("first_bite_ms"));
        let mut value = settings();
        value["embedder"]["dimension"] = json!(3);
        assert!(read(value).unwrap_err().to_string().contains("dimension"));
    }

    #[test]
    fn what_cannot_work_is_named() {
        for (pointer, wrong, says) in [
            ("/providers/0/base_url", json!("ftp://example.com"), "`base_url` of `main` must be an http or https URL"),
            (
                "/providers/0/base_url",
                json!("https://me:secret@example.com/v1"),
                "`base_url` of `main` must not carry credentials: put the key into `api_key`",
            ),
            ("/providers/0/base_url", json!("https://example.com/v1?key=1"), "`base_url` of `main` must end with its path"),
            ("/providers/0/model", json!(" "), "`model` of `main` is empty"),
            ("/embedder/dimensions", json!(0), "`dimensions` of `embedder` must be at least 1"),
            ("/providers", json!([]), "`providers` is empty: name at least one model to write with"),
        ] {
            let mut value = settings();
            *value.pointer_mut(pointer).unwrap() = wrong;
            assert_eq!(read(value).unwrap().validate().unwrap_err().to_string(), says);
        }
        let mut value = settings();
        let twin = value["providers"][0].clone();
        value["providers"].as_array_mut().unwrap().push(twin);
        assert_eq!(read(value).unwrap().validate(), Err(SettingsError::SameName("main".to_owned())));
    }
}
