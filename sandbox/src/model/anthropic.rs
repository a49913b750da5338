//! The door that speaks Anthropic's messages.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    NAME,
    control::{Control, Door},
    reply::{Frames, Question, Written, document, pieces, refusal, streamed, take},
};

#[derive(Debug, Deserialize)]
struct Request {
    model: String,
    max_tokens: u64,
    #[serde(default)]
    system: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: String,
}

pub(super) async fn messages(State(control): State<Arc<Control>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let refuse = |message: &str| refusal(StatusCode::BAD_REQUEST, Door::Messages, "invalid_request_error", message);
    if !headers.contains_key("anthropic-version") {
        return refuse("anthropic-version: header is required");
    }
    let request: Request = match serde_json::from_value(body.clone()) {
        Ok(request) => request,
        Err(error) => return refuse(&error.to_string()),
    };
    let user = request
        .messages
        .iter()
        .filter(|message| message.role == "user")
        .map(|message| message.content.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let question = Question { door: Door::Messages, system: request.system, user, max_tokens: Some(request.max_tokens) };
    let (written, fault) = match take(&control, &question, &request.model, &headers, body).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    if request.stream {
        streamed(&control, frames(&written), fault.as_ref())
    } else {
        let mut message = message();
        message["content"] = json!([{"type": "text", "text": written.text}]);
        message["stop_reason"] = json!(stop(&written));
        message["usage"] = json!({"input_tokens": written.input_tokens, "output_tokens": written.output_tokens});
        document(&control, message, fault.as_ref()).await
    }
}

fn message() -> Value {
    json!({"id": "msg_stand_in", "type": "message", "role": "assistant", "model": NAME, "content": [], "stop_reason": null, "stop_sequence": null})
}

fn frames(written: &Written) -> Frames {
    let event = |name: &str, mut data: Value| {
        data["type"] = json!(name);
        format!("event: {name}\ndata: {data}\n\n")
    };
    let mut start = message();
    start["usage"] = json!({"input_tokens": written.input_tokens, "output_tokens": 1});
    let stop = json!({"delta": {"stop_reason": stop(written), "stop_sequence": null}, "usage": {"output_tokens": written.output_tokens}});
    Frames {
        head: vec![
            event("message_start", json!({"message": start})),
            event("content_block_start", json!({"index": 0, "content_block": {"type": "text", "text": ""}})),
            event("ping", json!({})),
        ],
        pieces: pieces(&written.text)
            .into_iter()
            .map(|piece| event("content_block_delta", json!({"index": 0, "delta": {"type": "text_delta", "text": piece}})))
            .collect(),
        tail: vec![event("content_block_stop", json!({"index": 0})), event("message_delta", stop), event("message_stop", json!({}))],
        error: event("error", json!({"error": {"type": "overloaded_error", "message": "the stand-in was told to fail"}})),
    }
}

const fn stop(written: &Written) -> &'static str {
    if written.cut { "max_tokens" } else { "end_turn" }
}
