//! The Discord stand-in against the documented HTTP API, with a plain HTTP client.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use sandbox::{
    discord::Discord,
    fault::{Endpoint, Fault},
    social::{EntryKind, Options, StandIn},
};
use serde_json::{Value, json};

const CHANNEL: &str = "1000000000000000002";
const HOOK: &str = "webhooks/1000000000000000011/discord-stand-in-webhook-token";

async fn server() -> Discord {
    Discord::start(Options { throttled: false, ..Options::default() }).await.unwrap()
}

fn request(server: &Discord, method: Method, path: &str) -> RequestBuilder {
    let request = Client::new().request(method, format!("{}/api/v10/{path}", server.base_url()));
    if path.starts_with("webhooks") { request } else { request.header("authorization", "Bot discord-stand-in-bot-token") }
}

fn messages() -> String {
    format!("channels/{CHANNEL}/messages")
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

async fn post(server: &Discord, body: Value) -> (u16, Value) {
    answer(request(server, Method::POST, &messages()).json(&body)).await
}

#[tokio::test]
async fn an_enforced_nonce_gives_the_first_message_again() {
    let server = server().await;
    let body = json!({ "content": "Hello", "nonce": "n-1", "enforce_nonce": true });
    let first = post(&server, body.clone()).await.1;
    assert_eq!((&post(&server, body).await.1["id"], &first["nonce"]), (&first["id"], &json!("n-1")));
    assert_eq!(server.entries("pressroom").len(), 1);
    post(&server, json!({ "content": "Hello", "nonce": "n-1" })).await;
    assert_eq!(server.entries("pressroom").len(), 2, "a nonce that is not enforced protects nothing");
    let listed = answer(request(&server, Method::GET, &messages())).await.1;
    assert!(listed[0].get("nonce").is_none(), "it is not kept with the message");
    let long = json!({ "content": "x", "nonce": "n".repeat(26), "enforce_nonce": true });
    assert_eq!(post(&server, long).await.1["code"], 50035);
}

#[tokio::test]
async fn refusals_have_their_codes() {
    let server = server().await;
    for (body, status, code) in [
        (json!({ "content": "" }), 400, 50006),
        (json!({ "content": "x".repeat(2001) }), 400, 50035),
        (json!({ "content": "x", "message_reference": { "message_id": "1" } }), 400, 50035),
    ] {
        let (got, answer) = post(&server, body).await;
        assert_eq!((got, &answer["code"]), (status, &json!(code)));
    }
    let unknown = answer(request(&server, Method::GET, &format!("{}/1", messages()))).await;
    assert_eq!((unknown.0, &unknown.1["message"]), (404, &json!("Unknown Message")));
    assert_eq!(answer(request(&server, Method::GET, "channels/1")).await.1["code"], 10003);
    assert!(server.revoke("pressroom") && server.revoke("pressroom-hook"));
    assert_eq!(post(&server, json!({ "content": "x" })).await, (401, json!({ "message": "401: Unauthorized", "code": 0 })));
    assert_eq!(answer(request(&server, Method::GET, HOOK)).await.1["code"], 10015);
    assert!(server.expire("pressroom-hook"));
    assert_eq!(answer(request(&server, Method::POST, HOOK).json(&json!({ "content": "x" }))).await.1["code"], 50027);
}

#[tokio::test]
async fn a_webhook_answers_only_if_it_waits_and_knows_its_own_messages() {
    let server = server().await;
    let send = |query: &str| request(&server, Method::POST, &format!("{HOOK}{query}")).json(&json!({ "content": "By hook" }));
    assert_eq!(send("").send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let sent = answer(send("?wait=true")).await.1;
    assert_eq!((&sent["webhook_id"], server.entries("pressroom-hook").len()), (&json!("1000000000000000011"), 2));
    let id = sent["id"].as_str().unwrap();
    let own = format!("{HOOK}/messages/{id}");
    assert_eq!(answer(request(&server, Method::GET, &own)).await.0, 200);
    let bots = post(&server, json!({ "content": "By bot" })).await.1["id"].as_str().unwrap().to_owned();
    assert_eq!(answer(request(&server, Method::GET, &format!("{HOOK}/messages/{bots}"))).await.0, 404);
    assert_eq!(request(&server, Method::DELETE, &own).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(answer(request(&server, Method::GET, &own)).await.0, 404);
}

#[tokio::test]
async fn files_come_with_their_descriptions_and_replies_with_their_message() {
    let server = server().await;
    let first = post(&server, json!({ "content": "One" })).await.1;
    let payload = json!({
        "content": "Two", "message_reference": { "message_id": first["id"] },
        "attachments": [{ "id": 0, "filename": "0.png", "description": "A cat" }],
    });
    let part = reqwest::multipart::Part::bytes(b"cat".to_vec()).file_name("0.png").mime_str("image/png").unwrap();
    let form = reqwest::multipart::Form::new().text("payload_json", payload.to_string()).part("files[0]", part);
    let (status, sent) = answer(request(&server, Method::POST, &messages()).multipart(form)).await;
    assert_eq!((status, &sent["attachments"][0]["description"]), (200, &json!("A cat")));
    let entry = server.entries("pressroom").remove(1);
    assert_eq!((entry.kind, entry.parent.as_deref(), entry.media[0].bytes), (EntryKind::Reply, first["id"].as_str(), 3));
}

#[tokio::test]
async fn every_answer_tells_its_bucket() {
    let server = Discord::start(Options::default()).await.unwrap();
    let told = |answer: &reqwest::Response, name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let send = || request(&server, Method::POST, &messages()).json(&json!({ "content": "x" })).send();
    let first = send().await.unwrap();
    assert_eq!((told(&first, "x-ratelimit-limit").as_str(), told(&first, "x-ratelimit-remaining").as_str()), ("5", "4"));
    assert!(told(&first, "x-ratelimit-reset").contains('.'));
    server.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: 60 }, 1);
    let refused = send().await.unwrap();
    assert_eq!((refused.status(), told(&refused, "x-ratelimit-scope").as_str()), (StatusCode::TOO_MANY_REQUESTS, "user"));
    let body: Value = refused.json().await.unwrap();
    assert!(body["retry_after"].as_f64().unwrap() > 50.0 && body["global"] == false);
}
