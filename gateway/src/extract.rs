//! Reads bodies, queries and ids out of requests, with the pointers that a client needs to mend them.

use std::str::FromStr;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{header, request::Parts},
};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{
    fields::segment,
    problem::{Code, Problem},
};

/// The largest body that is read, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// A JSON body of type `T`. `T` refuses unknown fields.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// A query of type `T`. `T` refuses unknown parameters.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

/// The id in the path. One that cannot be an id of this kind names nothing: 404, as for an id of somebody else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Id<T>(pub(crate) T);

/// Reads a body of at most [`MAX_BODY`] bytes.
pub(crate) async fn body(request: Request) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Code::BodyTooLarge).detail(format!("A body may have {MAX_BODY} bytes."));
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    if declared.is_some_and(|length| length > MAX_BODY) {
        return Err(too_large());
    }
    axum::body::to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| too_large())
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(Code::UnsupportedMediaType).detail("Send JSON with Content-Type: application/json."));
        }
        parse(&body(request).await?).map(Self)
    }
}

/// Reads JSON; an error names the field.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if holds_nul(bytes) {
        return Err(Problem::field(String::new(), "a text holds the character U+0000, which cannot be stored".to_owned()));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        if error.inner().is_data() {
            let text = error.inner().to_string();
            // serde_json ends its messages with the position, which says less than the pointer.
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text).to_owned();
            Problem::field(pointer(error.path(), &text), text)
        } else if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
            // It is JSON: serde_json takes a number in the place of a name (an enum's) for bad syntax.
            Problem::field(pointer(error.path(), ""), "has the wrong type")
        } else {
            malformed(error.inner())
        }
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// Whether a JSON text writes the character U+0000, which PostgreSQL takes in no text. (Raw, it is no JSON.)
fn holds_nul(json: &[u8]) -> bool {
    let escape = br"\u0000";
    json.windows(escape.len()).enumerate().any(|(at, window)| {
        // An even number of backslashes before it are backslashes themselves.
        window == escape && json[..at].iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0
    })
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(Code::MalformedJson).detail(format!("Line {}, column {}.", error.line(), error.column()))
}

/// The JSON pointer of what an error is about. Missing fields, and unknown ones, are named by the message only.
fn pointer(path: &serde_path_to_error::Path, message: &str) -> String {
    use serde_path_to_error::Segment;
    let mut parts: Vec<String> = path
        .iter()
        .filter_map(|part| match part {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(segment(key)),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    // A missing field is never on the path, an unknown one is where the reader went through it.
    match named(message) {
        Some((Named::Missing, name)) => parts.push(segment(name)),
        Some((Named::Unknown, name)) if parts.last() != Some(&segment(name)) => parts.push(segment(name)),
        _ => {}
    }
    parts.iter().fold(String::new(), |pointer, part| pointer + "/" + part)
}

/// What serde says of a field by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// It is needed.
    Missing,
    /// There is none of this name.
    Unknown,
}

/// The field that one of serde's messages names, if it is about a missing or an unknown one.
pub(crate) fn named(message: &str) -> Option<(Named, &str)> {
    let (kind, rest) = None
        .or_else(|| Some((Named::Missing, message.strip_prefix("missing field `")?)))
        .or_else(|| Some((Named::Unknown, message.strip_prefix("unknown field `")?)))?;
    Some((kind, rest.split_once('`')?.0))
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        if let Some((name, _)) = url::form_urlencoded::parse(query.as_bytes()).find(|(_, value)| value.contains('\0')) {
            return Err(Problem::field(format!("/{}", segment(&name)), "holds the character U+0000".to_owned()));
        }
        let reader = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(reader).map(Self).map_err(|error| {
            let text = error.inner().to_string();
            Problem::field(pointer(error.path(), &text), text)
        })
    }
}

impl<S: Send + Sync, T: FromStr + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(rename = "inner")]
        _inner: Vec<Inner>,
        #[serde(rename = "plan")]
        _plan: Option<domain::schedule::ScheduleSpec>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "n")]
        _n: u8,
    }

    async fn problem(json: &str) -> serde_json::Value {
        let response = parse::<Outer>(json.as_bytes()).unwrap_err().into_response();
        let response = crate::problem::finish(response, "id", &url::Url::parse("http://h").unwrap());
        serde_json::from_slice(&axum::body::to_bytes(response.into_body(), MAX_BODY).await.unwrap()).unwrap()
    }

    #[test]
    fn a_nul_is_found_and_a_written_out_one_is_not() {
        assert!(holds_nul(br#"{"a": "x\u0000y"}"#));
        assert!(holds_nul(br#"{"a": "\\\u0000"}"#));
        assert!(!holds_nul(br#"{"a": "\\u0000"}"#));
        assert!(!holds_nul(b"{}"));
    }

    #[tokio::test]
    async fn a_bad_field_is_pointed_at() {
        for (json, pointer) in [
            (r#"{"inner": [{"n": 1}, {"n": "x"}]}"#, "/inner/1/n"),
            (r#"{"inner": [{"n": 300}]}"#, "/inner/0/n"),
            (r#"{"inner": [{"n": 1, "a/b": 2}]}"#, "/inner/0/a~1b"),
            (r#"{"inner": [], "other": 1}"#, "/other"),
            (r#"{"inner": [{}]}"#, "/inner/0/n"),
            (r"{}", "/inner"),
            (r#"{"inner": [], "plan": {"mode": 5}}"#, "/plan/mode"),
            (r#"{"inner": [], "plan": {"plan": 1}}"#, "/plan/plan"),
            (r#"{"inner": [], "plan": {"mode": "at", "timezone": "Europe/Berlin"}}"#, "/plan/at"),
            (r"3", ""),
        ] {
            let body = problem(json).await;
            assert_eq!(body["code"], "validation-failed", "{json}");
            assert_eq!(body["errors"][0]["pointer"], pointer, "{json}: {body}");
            assert!(!body["errors"][0]["detail"].as_str().unwrap().contains("column"), "{body}");
        }
    }

    #[tokio::test]
    async fn what_is_not_json_is_malformed() {
        for json in ["", "{", "{\"inner\": []} trailing", "nul"] {
            assert_eq!(problem(json).await["code"], "malformed-json", "{json}");
        }
    }
}
