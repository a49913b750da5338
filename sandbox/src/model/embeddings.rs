//! The door that embeds: texts become vectors of hashed letters and words, close together where their wording is.

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
    control::{Control, Door, Fault},
    reply::{before, document, pieces, refusal},
};

#[derive(Debug, Deserialize)]
struct Request {
    model: String,
    input: Input,
    #[serde(default)]
    dimensions: Option<usize>,
    #[serde(default)]
    encoding_format: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
}

pub(super) async fn embed(State(control): State<Arc<Control>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let refuse = |message: &str| refusal(StatusCode::BAD_REQUEST, Door::Embeddings, "invalid_request_error", message);
    let request: Request = match serde_json::from_value(body.clone()) {
        Ok(request) => request,
        Err(error) => return refuse(&error.to_string()),
    };
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    let dimensions = request.dimensions.unwrap_or(control.options.dimensions);
    // The real service takes between 1 and 2048 texts, none of them empty.
    if texts.is_empty() || texts.len() > 2048 || texts.iter().any(String::is_empty) {
        return refuse("input must be 1 to 2048 texts, none of them empty");
    }
    if !(1..=4096).contains(&dimensions) {
        return refuse("dimensions must be 1 to 4096");
    }
    if request.encoding_format.is_some_and(|format| format != "float") {
        return refuse("the stand-in knows the encoding_format `float` only");
    }
    let key = headers.contains_key("authorization");
    let fault = control.receive(Door::Embeddings, key, body, false);
    if let Err(response) = before(&control, fault.as_ref(), &request.model, &headers, Door::Embeddings).await {
        return response;
    }
    let count = if fault == Some(Fault::WrongDimensions) { dimensions - 1 } else { dimensions };
    let item = |(index, text): (usize, &String)| json!({"object": "embedding", "index": index, "embedding": vector(text, count)});
    let data: Vec<_> = texts.iter().enumerate().map(item).collect();
    let tokens: usize = texts.iter().map(|text| pieces(text).len()).sum();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    document(&control, json!({"object": "list", "model": NAME, "data": data, "usage": usage}), fault.as_ref()).await
}

/// The text's letters in threes to fives and its words, each hashed to one place and one sign, as a vector of length 1.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    let mut add = |gram: &str, weight: f32| {
        let hash = fnv(gram);
        let sign = if hash >> 63 == 0 { weight } else { -weight };
        if let Some(place) = usize::try_from(hash % dimensions.max(1) as u64).ok().and_then(|at| vector.get_mut(at)) {
            *place += sign;
        }
    };
    let lower = text.to_lowercase();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        add(word, 1.0);
        let letters: Vec<char> = format!("^{word}$").chars().collect();
        for size in 3..=5 {
            for gram in letters.windows(size) {
                add(&gram.iter().collect::<String>(), 0.3);
            }
        }
    }
    // Texts of signs only (emoji, a dash) have a direction too.
    add(&lower, 0.01);
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter().map(|x| x / length).collect()
}

/// FNV-1a in 64 bits: short, and the same on every machine and in every version.
pub(super) fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        vector(a, 256).iter().zip(vector(b, 256)).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn vectors_have_length_one_and_are_the_same_every_time() {
        for text in ["Plum and cocoa", "🦀", "—", "a"] {
            let first = vector(text, 256);
            assert_eq!(first, vector(text, 256));
            assert!((first.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4, "{text}");
        }
    }

    #[test]
    fn texts_with_shared_wording_are_closer() {
        let text = "We roast our winter blend on Tuesdays, slowly and in small drums";
        let near = cosine(text, "Our roaster makes the winter blends slowly, in a small drum");
        let far = cosine(text, "Quarterly earnings exceeded analysts' expectations by four percent");
        assert!(near > far + 0.2, "{near} {far}");
    }
}
