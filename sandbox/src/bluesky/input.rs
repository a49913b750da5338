//! The JSON body of an XRPC procedure, refused in XRPC's words.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::Refusal;

/// A body of this shape.
pub(crate) struct Input<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection| Refusal::of(rejection.status()))?;
        serde_json::from_slice(&body).map(Self).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Refusal::invalid(as_the_server_says(&error.to_string())),
            _ => Refusal::bad("SyntaxError", error.to_string()),
        })
    }
}

/// What is missing, in the server's words; anything else in our own.
fn as_the_server_says(error: &str) -> String {
    match error.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        Some(field) => format!("Missing required key \"{field}\" at $"),
        None => format!("Input is not what the method takes: {error}"),
    }
}

/// Tells a field that is `null` (`Some(None)`) from one that is not there (`None`, by `#[serde(default)]`).
pub(crate) fn or_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}
