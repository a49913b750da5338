//! The questions that a campaign put to the model, put to it again in the plainest way: the recorded requests, their streams read to the end and the
//! text put together. No fail-over, no time limits, no counting, nobody who watches.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::ensure;
use futures::future::try_join_all;
use serde_json::Value;

use crate::recording::Recording;

/// See the module.
#[derive(Debug)]
pub(crate) struct PlainModel {
    client: reqwest::Client,
    url: String,
    questions: Vec<Value>,
    /// How many questions a step asks that asks for several at once.
    together: usize,
    next: AtomicUsize,
}

/// Steps that ask one question.
const ALONE: [&str; 2] = ["model.complete", "model.rewrite"];

impl PlainModel {
    /// Asks what was asked while `recording` was made.
    pub(crate) fn new(base_url: &str, questions: Vec<Value>, recording: &Recording) -> anyhow::Result<Self> {
        let steps = recording.steps();
        let asking: usize = steps.iter().filter(|(name, _)| name.starts_with("model.")).map(|(_, count)| count).sum();
        let alone: usize = ALONE.iter().filter_map(|name| steps.get(name)).sum();
        let together = (questions.len() - alone.min(questions.len())) / (asking - alone).max(1);
        ensure!(alone + together * (asking - alone) == questions.len(), "{} questions in {asking} steps", questions.len());
        let url = format!("{}/chat/completions", base_url.trim_end_matches('/'));
        Ok(Self { client: reqwest::Client::builder().no_proxy().build()?, url, questions, together, next: AtomicUsize::new(0) })
    }

    /// What this step asks, if it asks anything. Each question comes as often as the others.
    pub(crate) async fn ask(&self, step: &str) -> anyhow::Result<()> {
        if step.starts_with("model.") {
            let count = if ALONE.contains(&step) { 1 } else { self.together };
            try_join_all((0..count).map(|_| self.one())).await?;
        }
        Ok(())
    }

    async fn one(&self) -> anyhow::Result<String> {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.questions.len();
        let mut answer = self.client.post(&self.url).json(&self.questions[at]).send().await?.error_for_status()?;
        let (mut text, mut rest) = (String::new(), Vec::new());
        while let Some(chunk) = answer.chunk().await? {
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let Some(data) = line.strip_prefix(b"data: ").filter(|data| !data.starts_with(b"[DONE]")) else { continue };
                let event: Value = serde_json::from_slice(data)?;
                text.push_str(event["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
            }
        }
        ensure!(!text.is_empty(), "the model answered nothing");
        Ok(text)
    }
}
