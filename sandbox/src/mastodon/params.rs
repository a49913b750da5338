//! Request bodies as Rails reads them: a form, a multipart form or JSON, all giving the same parameters.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use http::header;
use serde_json::Value;

use super::Refusal;
use crate::multipart;

/// The parameters of a request, in order; a list is a name that comes several times.
#[derive(Debug, Default)]
pub(crate) struct Params {
    fields: Vec<(String, String)>,
    /// The files of a multipart form: field name, content type, bytes.
    pub(crate) files: Vec<(String, String, Bytes)>,
}

impl Params {
    /// The first value of this name, if it is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field.trim_end_matches("[]") == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All values of this name; `media_ids[]` is `media_ids`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(field, _)| field.trim_end_matches("[]") == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "true" | "1"))
    }

    /// The parameters of a URL's query.
    pub(crate) fn of_query(query: &str) -> Self {
        Self { fields: pairs(query.as_bytes()), files: Vec::new() }
    }

    fn of_json(body: &[u8]) -> Result<Self, Refusal> {
        let bad = || Refusal::new(http::StatusCode::BAD_REQUEST, "Error occurred while parsing request parameters");
        let Value::Object(object) = serde_json::from_slice(body).map_err(|_| bad())? else { return Err(bad()) };
        let mut fields = Vec::new();
        for (name, value) in object {
            match value {
                Value::Array(items) => fields.extend(items.iter().filter_map(plain).map(|item| (name.clone(), item))),
                value => fields.extend(plain(&value).map(|value| (name, value))),
            }
        }
        Ok(Self { fields, files: Vec::new() })
    }

    fn of_multipart(content_type: &str, body: &Bytes) -> Result<Self, Refusal> {
        let bad = || Refusal::new(http::StatusCode::BAD_REQUEST, "bad content body");
        let form = multipart::parse(content_type, body).ok_or_else(bad)?;
        let files = form.files.into_iter().map(|file| (file.field, file.content_type, file.bytes)).collect();
        Ok(Self { fields: form.fields, files })
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn pairs(form: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(form).into_owned().collect()
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let body =
            Bytes::from_request(request, state).await.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))?;
        if content_type.starts_with("application/json") {
            Self::of_json(&body)
        } else if content_type.starts_with("multipart/form-data") {
            Self::of_multipart(&content_type, &body)
        } else {
            Ok(Self { fields: pairs(&body), files: Vec::new() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_and_json_give_the_same() {
        let form = Params::of_query("status=a%20b&media_ids[]=1&media_ids[]=2&sensitive=true");
        let json = Params::of_json(br#"{"status": "a b", "media_ids": ["1", "2"], "sensitive": true, "poll": null}"#).unwrap();
        for params in [form, json] {
            assert_eq!(params.get("status"), Some("a b"));
            assert_eq!(params.all("media_ids").collect::<Vec<_>>(), ["1", "2"]);
            assert!(params.flag("sensitive"));
            assert_eq!(params.get("poll"), None);
        }
    }

    #[test]
    fn a_multipart_form_keeps_its_bytes() {
        let body = b"--x-1\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\nA cat\r\n--x-1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cat.png\"\r\n\
            Content-Type: image/png\r\n\r\n\r\n\x89PNG\r\n--x\r\n--x-1--\r\n";
        let params = Params::of_multipart("multipart/form-data; boundary=x-1", &Bytes::from_static(body)).unwrap();
        assert_eq!(params.get("description"), Some("A cat"));
        assert_eq!(params.files, [("file".to_owned(), "image/png".to_owned(), Bytes::from_static(b"\r\n\x89PNG\r\n--x"))]);
        assert!(Params::of_multipart("multipart/form-data; boundary=x-1", &Bytes::from_static(b"--x-1\r\nname")).is_err());
    }
}
