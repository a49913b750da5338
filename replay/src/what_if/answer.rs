use std::time::Duration;

use crate::journal::{Outcome, Payload, Step, Timestamp};

/// What a stand-in is asked: the step that needs an outcome, and the virtual time.
#[non_exhaustive]
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The step: its kind, its name and what it was asked with. For an awakeable the kind is
    /// [`EntryKind::SIGNAL`](crate::EntryKind::SIGNAL) and the name `awakeable 17`, counting from 17.
    pub step: &'a Step,
    /// The virtual time.
    pub now: Timestamp,
}

impl Asked<'_> {
    /// What the step was asked with in this field: `parameter` of a call, `value` of a write.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Payload> {
        self.step.fields.iter().find(|field| field.name == name).map(|field| &field.value)
    }
}

/// What a stand-in answers.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What comes of the step.
    pub outcome: Outcome,
    /// How long that takes, in virtual time.
    pub after: Duration,
}

impl Answer {
    /// A value that is serialised to JSON.
    ///
    /// # Errors
    /// When it does not serialise.
    pub fn json(value: &impl serde::Serialize) -> Result<Self, serde_json::Error> {
        Ok(Outcome::Value(Payload::json(value)?).into())
    }

    /// A terminal failure.
    #[must_use]
    pub fn failure(code: u32, message: impl Into<String>) -> Self {
        Outcome::Failure { code, message: message.into() }.into()
    }

    /// The same, after so long.
    #[must_use]
    pub fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }
}

impl From<Outcome> for Answer {
    /// At once.
    fn from(outcome: Outcome) -> Self {
        Self { outcome, after: Duration::ZERO }
    }
}

/// Answers where the record has none.
pub(crate) type StandIn<'a> = dyn Fn(&Asked<'_>) -> Option<Answer> + Send + Sync + 'a;
