//! The door that speaks OpenAI's chat completions.

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
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
    #[serde(default, alias = "max_completion_tokens")]
    max_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: String,
}

pub(super) async fn models() -> Json<Value> {
    Json(json!({"object": "list", "data": [{"id": NAME, "object": "model", "created": 0, "owned_by": "pressroom sandbox"}]}))
}

pub(super) async fn chat(State(control): State<Arc<Control>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let request: Request = match serde_json::from_value(body.clone()) {
        Ok(request) => request,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, Door::Chat, "invalid_request_error", &error.to_string()),
    };
    let said_by = |role: &str| {
        request
            .messages
            .iter()
            .filter(|message| message.role == role)
            .map(|message| message.content.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let question = Question { door: Door::Chat, system: said_by("system"), user: said_by("user"), max_tokens: request.max_tokens };
    let (written, fault) = match take(&control, &question, &request.model, &headers, body).await {
        Ok(taken) => taken,
        Err(response) => return response,
    };
    if request.stream {
        streamed(&control, frames(&written, request.stream_options.include_usage), fault.as_ref())
    } else {
        let choice = json!({"index": 0, "message": {"role": "assistant", "content": written.text}, "finish_reason": finish(&written)});
        let whole = json!({"id": "chatcmpl-stand-in", "object": "chat.completion", "created": 0, "model": NAME, "choices": [choice], "usage": usage(&written)});
        document(&control, whole, fault.as_ref()).await
    }
}

fn frames(written: &Written, include_usage: bool) -> Frames {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": "chatcmpl-stand-in", "object": "chat.completion.chunk", "created": 0, "model": NAME, "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, finish: Value| chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]), Value::Null);
    let mut tail = vec![delta(json!({}), json!(finish(written)))];
    if include_usage {
        tail.push(chunk(json!([]), usage(written)));
    }
    tail.push("data: [DONE]\n\n".to_owned());
    Frames {
        head: vec![delta(json!({"role": "assistant", "content": ""}), Value::Null)],
        pieces: pieces(&written.text).into_iter().map(|piece| delta(json!({"content": piece}), Value::Null)).collect(),
        tail,
        error: "data: {\"error\":{\"message\":\"the stand-in was told to fail\",\"type\":\"server_error\"}}\n\n".to_owned(),
    }
}

const fn finish(written: &Written) -> &'static str {
    if written.cut { "length" } else { "stop" }
}

fn usage(written: &Written) -> Value {
    let Written { input_tokens, output_tokens, .. } = written;
    json!({"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "total_tokens": input_tokens + output_tokens})
}
