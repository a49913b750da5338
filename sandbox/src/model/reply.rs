//! How an answer leaves: in frames, at a pace, with the fault that was asked for.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::{
    NAME,
    control::{Control, Door, Fault, Pace},
    reading::Asked,
    writing,
};

/// The name of the header that every answer carries.
const MARK: &str = "x-pressroom-stand-in";

/// An answer as frames: what comes before the text, the text in pieces, what comes after.
pub(super) struct Frames {
    pub(super) head: Vec<String>,
    pub(super) pieces: Vec<String>,
    pub(super) tail: Vec<String>,
    /// What an error in the middle looks like.
    pub(super) error: String,
}

/// A question, however it came.
pub(super) struct Question {
    pub(super) door: Door,
    pub(super) system: String,
    pub(super) user: String,
    pub(super) max_tokens: Option<u64>,
}

/// What is written for a question.
pub(super) struct Written {
    pub(super) text: String,
    pub(super) input_tokens: usize,
    pub(super) output_tokens: usize,
    /// It ends where the question's limit is.
    pub(super) cut: bool,
}

/// Text in pieces as models stream it: a word with the space after it. Each counts as a token.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    text.split_inclusive(char::is_whitespace).collect()
}

/// Takes a question in: checks the key and the model's name, writes it down, and answers or gives the fault that concerns the transport.
pub(super) async fn take(
    control: &Control,
    question: &Question,
    model: &str,
    headers: &HeaderMap,
    body: Value,
) -> Result<(Written, Option<Fault>), Response> {
    let asked = Asked::read(&question.user);
    let fault = control.receive(question.door, key_of(headers).is_some(), body, asked.is_post());
    before(control, fault.as_ref(), model, headers, question.door).await?;
    let slip = match &fault {
        Some(Fault::TooLong) => Some(writing::Slip::TooLong),
        Some(Fault::ForgetDisclosure) => Some(writing::Slip::NoDisclosure),
        Some(_) => None,
        None => control.options.careless_one_in.and_then(|n| writing::careless(&asked, n)),
    };
    let mut text = if fault == Some(Fault::EmptyText) { String::new() } else { writing::answer(&asked, slip) };
    let limit = usize::try_from(question.max_tokens.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let cut = pieces(&text).len() > limit;
    if cut {
        text = pieces(&text)[..limit].concat();
    }
    let input_tokens = pieces(&question.system).len() + pieces(&question.user).len();
    Ok((Written { input_tokens, output_tokens: pieces(&text).len(), cut, text }, fault))
}

/// What comes before any text is written: refusals and the faults that leave none.
pub(super) async fn before(control: &Control, fault: Option<&Fault>, model: &str, headers: &HeaderMap, door: Door) -> Result<(), Response> {
    if control.options.api_key.is_some() && key_of(headers) != control.options.api_key.as_deref() {
        return Err(refusal(StatusCode::UNAUTHORIZED, door, "authentication_error", "the stand-in does not know this API key"));
    }
    if !model.starts_with(NAME) {
        return Err(refusal(
            StatusCode::NOT_FOUND,
            door,
            "not_found_error",
            &format!("the stand-in has no model `{model}`, only `{NAME}`"),
        ));
    }
    match fault {
        Some(Fault::RateLimited { retry_after }) => {
            let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, door, "rate_limit_error", "the stand-in was told to be busy");
            if let Some(value) = retry_after.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            Err(response)
        }
        Some(Fault::Status { status }) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Err(refusal(status, door, "api_error", "the stand-in was told to fail"))
        }
        Some(Fault::WebPage) => {
            Err(marked("text/html; charset=utf-8", Body::from("<!doctype html><title>Maintenance</title><p>Back soon.")))
        }
        // The client ends this: when it hangs up, the server drops the handler.
        Some(Fault::Hang) => std::future::pending().await,
        _ => Ok(()),
    }
}

/// Frames as a stream of events, with the faults of streams.
pub(super) fn streamed(control: &Arc<Control>, frames: Frames, fault: Option<&Fault>) -> Response {
    let Frames { head, mut pieces, tail, error } = frames;
    let Pace { first_token_ms, token_delay_ms } = control.pace();
    let half = pieces.len().div_ceil(2);
    let mut end = Vec::new();
    match fault {
        Some(Fault::Nonsense) => return marked("text/event-stream", Body::from("data: {\"choices\": oops\n\ndata: lorem ipsum\n\n")),
        Some(Fault::NotUtf8) => return marked("text/event-stream", Body::from(&b"data: \xff\xfe\xfd\n\n"[..])),
        Some(Fault::HalfStream | Fault::Stall) => pieces.truncate(half),
        Some(Fault::BrokenStream) => {
            pieces.truncate(half);
            end.push(Err(io::Error::other("told to break")));
        }
        Some(Fault::ErrorInStream) => {
            pieces.truncate(half);
            end.push(Ok(error));
        }
        _ => end.extend(tail.into_iter().map(Ok)),
    }
    let stalls = fault == Some(&Fault::Stall);
    let head = stream::iter(head.into_iter().map(Ok));
    let text = stream::iter(pieces.into_iter().enumerate()).then(move |(index, piece)| async move {
        let wait = if index == 0 { first_token_ms } else { token_delay_ms };
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        Ok(piece)
    });
    let end = stream::iter(end).then(after_a_turn);
    let frames = head.chain(text).chain(end);
    let body = if stalls { Body::from_stream(frames.chain(stream::pending())) } else { Body::from_stream(frames) };
    marked("text/event-stream", body)
}

/// One JSON document, with the faults of documents.
pub(super) async fn document(control: &Arc<Control>, value: Value, fault: Option<&Fault>) -> Response {
    let pace = control.pace();
    if pace.first_token_ms > 0 {
        tokio::time::sleep(Duration::from_millis(pace.first_token_ms)).await;
    }
    let text = value.to_string();
    let half = text.len() / 2;
    let head = Bytes::copy_from_slice(&text.as_bytes()[..half]);
    match fault {
        Some(Fault::Nonsense) => marked("application/json", Body::from("{\"data\": oops")),
        Some(Fault::NotUtf8) => marked("application/json", Body::from(&b"{\"data\": \"\xff\xfe\"}"[..])),
        Some(Fault::HalfStream) => marked("application/json", Body::from(head)),
        Some(Fault::BrokenStream) => {
            let parts = stream::iter([Ok(head), Err(io::Error::other("told to break"))]).then(after_a_turn);
            marked("application/json", Body::from_stream(parts))
        }
        Some(Fault::Stall) => {
            marked("application/json", Body::from_stream(stream::iter([Ok::<_, Infallible>(head)]).chain(stream::pending())))
        }
        _ => marked("application/json", Body::from(text)),
    }
}

/// A turn of the runtime before each part, so that what was written before leaves the server before the connection breaks.
async fn after_a_turn<T>(part: T) -> T {
    tokio::task::yield_now().await;
    part
}

/// An error document as the protocol of the door has it; Anthropic's fields are a superset of OpenAI's.
pub(super) fn refusal(status: StatusCode, door: Door, kind: &str, message: &str) -> Response {
    let error = json!({"type": kind, "message": message});
    let body = match door {
        Door::Messages => json!({"type": "error", "error": error}),
        Door::Chat | Door::Embeddings => json!({"error": error}),
    };
    let mut response = marked("application/json", Body::from(body.to_string()));
    *response.status_mut() = status;
    response
}

fn marked(content_type: &'static str, body: Body) -> Response {
    ([(header::CONTENT_TYPE.as_str(), content_type), (MARK, NAME)], body).into_response()
}

fn key_of(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    bearer.or_else(|| headers.get("x-api-key")?.to_str().ok())
}
