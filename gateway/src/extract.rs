//! Reads bodies, queries and ids out of requests, with the pointers that a client needs to mend them.

use std::str::FromStr;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{header, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    complaints,
    fields::segment,
    problem::{Code, FieldError, Problem},
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

impl<S: Send + Sync, T: DeserializeOwned + ToSchema> FromRequest<S> for Json<T> {
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

/// Reads JSON; an error names every field that cannot be read.
pub(crate) fn parse<T: DeserializeOwned + ToSchema>(bytes: &[u8]) -> Result<T, Problem> {
    if holds_nul(bytes) {
        let body: Value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        return Err(Problem::fields(complaints::nuls(&body)));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let first = if error.inner().is_data() {
            let text = error.inner().to_string();
            // serde_json ends its messages with the position, which says less than the pointer.
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text).to_owned();
            FieldError { pointer: complaints::pointer(error.path(), &text), detail: text }
        } else {
            // It may be JSON: serde_json takes a number in the place of a name (an enum's) for bad syntax.
            FieldError { pointer: complaints::pointer(error.path(), ""), detail: "has the wrong type".to_owned() }
        };
        let body: Value = match serde_json::from_slice(bytes) {
            Ok(body) => body,
            Err(_) if error.inner().is_data() => return Problem::fields(vec![first]),
            Err(_) => return malformed(error.inner()),
        };
        let mut others = complaints::all::<T>(&body);
        others.retain(|other| other.pointer != first.pointer);
        others.insert(0, first);
        Problem::fields(others)
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// The request, if it has no body, or an empty object for one. Anything else is a bad field: nothing would come of it.
pub(crate) async fn nothing(request: Request) -> Result<Request, Problem> {
    let (parts, sent) = request.into_parts();
    let sent = body(Request::from_parts(parts.clone(), sent)).await?;
    let text = sent.trim_ascii();
    if !text.is_empty() {
        let fields = match serde_json::from_slice(text).map_err(|error| malformed(&error))? {
            Value::Object(fields) => fields,
            // Some clients write nothing so.
            Value::Null => serde_json::Map::new(),
            _ => return Err(Problem::field("", "this takes no body")),
        };
        if !fields.is_empty() {
            let unknown = |name: &String| FieldError {
                pointer: format!("/{}", segment(name)),
                detail: "unknown field: this takes no body".to_owned(),
            };
            return Err(Problem::fields(fields.keys().take(complaints::AT_MOST).map(unknown).collect()));
        }
    }
    Ok(Request::from_parts(parts, Body::empty()))
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

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        if let Some((name, _)) = url::form_urlencoded::parse(query.as_bytes()).find(|(_, value)| value.contains('\0')) {
            return Err(Problem::field(format!("/{}", segment(&name)), "holds the character U+0000".to_owned()));
        }
        // Each parameter that cannot be read is noted and left out, and the others are read again.
        let mut bad: Vec<FieldError> = Vec::new();
        loop {
            let left = url::form_urlencoded::parse(query.as_bytes())
                .filter(|(name, _)| bad.iter().all(|error| error.pointer != format!("/{}", segment(name))));
            let left = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(left).finish();
            let reader = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(left.as_bytes()));
            match serde_path_to_error::deserialize(reader) {
                Ok(value) if bad.is_empty() => return Ok(Self(value)),
                Ok(_) => return Err(Problem::fields(bad)),
                Err(error) => {
                    let detail = error.inner().to_string();
                    let pointer = complaints::pointer(error.path(), &detail);
                    // One that was left out is missing now.
                    if bad.iter().any(|known| known.pointer == pointer) {
                        return Err(Problem::fields(bad));
                    }
                    let last = pointer.is_empty() || detail.starts_with("missing field");
                    bad.push(FieldError { pointer, detail });
                    if last {
                        return Err(Problem::fields(bad));
                    }
                }
            }
        }
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

    #[derive(Debug, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(rename = "inner")]
        _inner: Vec<Inner>,
        #[serde(rename = "plan")]
        #[schema(value_type = Option<Object>)]
        _plan: Option<domain::schedule::ScheduleSpec>,
    }

    #[derive(Debug, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "n")]
        _n: u8,
    }

    async fn problem(json: &str) -> Value {
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
            (r#"{"inner": [], "plan": {"mode": "now", "plan": 1}}"#, "/plan/plan"),
            (r#"{"inner": [], "plan": {"mode": "at", "timezone": "Europe/Berlin"}}"#, "/plan/at"),
            (r#"{"inner": [], "inner": []}"#, "/inner"),
            (r"3", ""),
        ] {
            let body = problem(json).await;
            assert_eq!(body["code"], "validation-failed", "{json}");
            assert_eq!(body["errors"][0]["pointer"], pointer, "{json}: {body}");
            assert_eq!(body["errors"].as_array().unwrap().len(), 1, "{json}: {body}");
            assert!(!body["errors"][0]["detail"].as_str().unwrap().contains("column"), "{body}");
        }
    }

    #[tokio::test]
    async fn all_bad_fields_are_pointed_at_and_a_nul_by_its_field() {
        let pointers = async |json: &str| {
            let body = problem(json).await;
            let errors = body["errors"].as_array().unwrap().clone();
            errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            pointers(r#"{"inner": [{"n": "x"}, {"n": 1, "m": 2}, {}], "plan": 3, "other": 1}"#).await,
            ["/inner/0/n", "/inner/1/m", "/inner/2/n", "/other", "/plan"]
        );
        assert_eq!(pointers(r#"{"plan": {"mode": 5}, "other": 1}"#).await, ["/plan/mode", "/other", "/inner"]);
        assert_eq!(pointers(r#"{"inner": "a\u0000", "plan": {"mode": "\u0000"}}"#).await, ["/inner", "/plan/mode"]);
    }

    #[tokio::test]
    async fn every_bad_parameter_is_pointed_at() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "what is read is not looked at")]
        struct Query {
            limit: Option<u16>,
            since: Option<u8>,
            brand: String,
        }
        let read = async |query: &str| {
            let (mut parts, ()) = http::Request::builder().uri(format!("/x?{query}")).body(()).unwrap().into_parts();
            Params::<Query>::from_request_parts(&mut parts, &()).await.map_err(|problem| format!("{problem:?}"))
        };
        assert_eq!(read("limit=5&brand=x").await.unwrap().0.limit, Some(5));
        let told = read("limit=many&since=300&brand=x&other=1").await.unwrap_err();
        for pointer in ["/limit", "/since", "/other"] {
            assert!(told.contains(&format!("\"{pointer}\"")), "{pointer}: {told}");
        }
        assert!(!told.contains("/brand"), "{told}");
        assert!(read("limit=many").await.unwrap_err().contains("/brand"));
    }

    #[tokio::test]
    async fn what_is_not_json_is_malformed() {
        for json in ["", "{", "{\"inner\": []} trailing", "nul"] {
            assert_eq!(problem(json).await["code"], "malformed-json", "{json}");
        }
    }
}
