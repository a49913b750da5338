use bytes::Bytes;
use prost::Message as _;

use super::step::Outcome;
use crate::protocol::{
    EntryKind, Frame,
    messages::{self as m, About, Brings},
};

/// A decoded notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) about: About,
    pub(crate) outcome: Outcome,
}

impl Notice {
    pub(crate) fn decode(raw: &Bytes) -> Result<Self, String> {
        let message = m::Notification::decode(raw.clone()).map_err(|error| error.to_string())?;
        let about = message.about.ok_or("it does not say what it is about")?;
        let outcome = match message.brings.ok_or("it brings nothing")? {
            Brings::Void(_) => Outcome::Nothing,
            Brings::Value(value) => Outcome::Value(value.content.into()),
            Brings::Failure(failure) => Outcome::Failure { code: failure.code, message: failure.message },
            Brings::InvocationId(id) => Outcome::InvocationId(id),
            Brings::StateKeys(keys) => Outcome::Keys(keys.keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect()),
        };
        Ok(Self { about, outcome })
    }
}

/// The notification that gives `about` this outcome.
pub(crate) fn complete(kind: EntryKind, about: About, outcome: &Outcome) -> Frame {
    let brings = match outcome {
        Outcome::Nothing => Brings::Void(m::Void {}),
        Outcome::Value(payload) => Brings::Value(m::Value { content: payload.0.clone() }),
        Outcome::Failure { code, message } => Brings::Failure(m::Failure { code: *code, message: message.clone(), metadata: Vec::new() }),
        Outcome::InvocationId(id) => Brings::InvocationId(id.clone()),
        Outcome::Keys(keys) => Brings::StateKeys(m::StateKeys { keys: keys.iter().map(|key| Bytes::from(key.clone())).collect() }),
    };
    Frame::new(kind.0, &m::Notification { about: Some(about), brings: Some(brings) })
}
