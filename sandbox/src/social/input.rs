//! A request's parameters, whichever way they came: query, form, multipart form or JSON.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde_json::{Map, Value};

use crate::{
    fault::gate::{Hide, Process},
    multipart::{self, FormFile},
};

/// What a request says, and what the gate ordered to be done with it.
#[derive(Debug, Default)]
pub struct Input {
    /// The parameters of query and body as one object; those of a form are strings.
    pub json: Value,
    /// The files of a multipart form.
    pub files: Vec<FormFile>,
    /// The body as it came.
    pub body: Bytes,
    /// Its `Content-Type`.
    pub content_type: String,
    pub(super) hide: Option<Hide>,
    pub(super) process: Option<Process>,
}

impl Input {
    /// A parameter as text, if it is there and not empty; numbers and flags count as text.
    pub fn get(&self, name: &str) -> Option<String> {
        match &self.json[name] {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            _ => None,
        }
    }

    /// A parameter that is JSON by itself, or JSON within a string, as forms carry it.
    pub fn nested(&self, name: &str) -> Option<Value> {
        match &self.json[name] {
            Value::Null => None,
            Value::String(text) => serde_json::from_str(text).ok(),
            value => Some(value.clone()),
        }
    }

    /// Whether a switch is on.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name).as_deref(), Some("true" | "1"))
    }

    /// The file of this field.
    pub fn file(&self, field: &str) -> Option<&FormFile> {
        self.files.iter().find(|file| file.field == field)
    }

    fn read(query: &str, content_type: &str, body: &Bytes) -> Option<(Value, Vec<FormFile>)> {
        let mut fields: Map<String, Value> = Map::new();
        let add = |fields: &mut Map<String, Value>, pairs: Vec<(String, String)>| {
            fields.extend(pairs.into_iter().map(|(name, value)| (name, Value::String(value))));
        };
        add(&mut fields, url::form_urlencoded::parse(query.as_bytes()).into_owned().collect());
        let mut files = Vec::new();
        if content_type.starts_with("application/json") {
            match serde_json::from_slice(body).ok()? {
                Value::Object(object) => fields.extend(object),
                // GraphQL batches and the like: no platform here takes them.
                _ => return None,
            }
        } else if content_type.starts_with("multipart/form-data") {
            let form = multipart::parse(content_type, body)?;
            add(&mut fields, form.fields);
            files = form.files;
        } else if content_type.starts_with("application/x-www-form-urlencoded") {
            add(&mut fields, url::form_urlencoded::parse(body).into_owned().collect());
        }
        Some((Value::Object(fields), files))
    }
}

impl<S: Send + Sync> FromRequest<S> for Input {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let (hide, process) = (request.extensions().get().copied(), request.extensions().get().copied());
        let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        let (json, files) = Self::read(&query, &content_type, &body)
            .ok_or_else(|| (StatusCode::BAD_REQUEST, "the body is not what its content type says").into_response())?;
        Ok(Self { json, files, body, content_type, hide, process })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_read_alike_from_every_form() {
        let body = Bytes::from_static(b"chat_id=7&text=a%20b&reply=%7B%22id%22%3A1%7D&on=true");
        let (form, _) = Input::read("wait=true", "application/x-www-form-urlencoded", &body).unwrap();
        let body = Bytes::from_static(br#"{"chat_id": 7, "text": "a b", "reply": {"id": 1}, "on": true}"#);
        let (json, _) = Input::read("wait=true", "application/json; charset=utf-8", &body).unwrap();
        for json in [form, json] {
            let input = Input { json, ..Input::default() };
            assert_eq!(input.get("chat_id").as_deref(), Some("7"));
            assert_eq!(input.nested("reply"), Some(json!({"id": 1})));
            assert!(input.flag("on") && input.flag("wait") && !input.flag("off"));
        }
        assert!(Input::read("", "application/json", &Bytes::from_static(b"{")).is_none());
    }
}
