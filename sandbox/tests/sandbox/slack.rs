//! The Slack stand-in against the documented Web API, with a plain HTTP client.

use reqwest::{Client, StatusCode};
use sandbox::{
    fault::{Endpoint, Fault},
    slack::Slack,
    social::{EntryKind, Options, StandIn},
};
use serde_json::{Value, json};

const TOKEN: &str = "xoxb-slack-stand-in-token";
const CHANNEL: &str = "C0PRESSROOM";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nstand-in";

async fn server() -> Slack {
    Slack::start(Options { throttled: false, ..Options::default() }).await.unwrap()
}

async fn call(server: &Slack, method: &str, body: Value) -> Value {
    let request = Client::new().post(format!("{}/api/{method}", server.base_url())).bearer_auth(TOKEN).json(&body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

async fn post(server: &Slack, text: &str) -> Value {
    call(server, "chat.postMessage", json!({ "channel": CHANNEL, "text": text })).await
}

#[tokio::test]
async fn refusals_are_a_200_with_a_name() {
    let server = server().await;
    for (body, error) in [
        (json!({ "channel": "C9", "text": "x" }), "channel_not_found"),
        (json!({ "channel": CHANNEL }), "no_text"),
        (json!({ "channel": CHANNEL, "text": "x", "thread_ts": "1.000000" }), "cannot_reply_to_message"),
    ] {
        assert_eq!(call(&server, "chat.postMessage", body).await, json!({ "ok": false, "error": error }));
    }
    assert_eq!(call(&server, "chat.delete", json!({ "channel": CHANNEL, "ts": "1.000000" })).await["error"], "message_not_found");
    let stranger = Client::new().post(format!("{}/api/auth.test", server.base_url())).bearer_auth("xoxb-wrong").send().await.unwrap();
    assert_eq!(stranger.json::<Value>().await.unwrap()["error"], "invalid_auth");
    assert!(server.expire("pressroom"));
    assert_eq!(post(&server, "x").await["error"], "token_expired");
    assert!(server.revoke("pressroom"));
    assert_eq!(post(&server, "x").await["error"], "token_revoked");
    assert!(server.entries("pressroom").is_empty());
}

#[tokio::test]
async fn history_shows_metadata_only_if_asked_and_replies_only_in_their_thread() {
    let server = server().await;
    let metadata = json!({ "event_type": "t", "event_payload": { "n": 1 } });
    let root = call(&server, "chat.postMessage", json!({ "channel": CHANNEL, "text": "a &lt; b", "metadata": metadata })).await;
    let reply = call(&server, "chat.postMessage", json!({ "channel": CHANNEL, "text": "more", "thread_ts": root["ts"] })).await;
    let plain = call(&server, "conversations.history", json!({ "channel": CHANNEL })).await;
    assert_eq!(plain["messages"].as_array().unwrap().len(), 1);
    assert_eq!((&plain["messages"][0]["metadata"], &plain["messages"][0]["reply_count"]), (&Value::Null, &json!(1)));
    assert_eq!(plain["messages"][0]["text"], "a &lt; b");
    let full = call(&server, "conversations.history", json!({ "channel": CHANNEL, "include_all_metadata": true })).await;
    assert_eq!(full["messages"][0]["metadata"], metadata);
    let thread = call(&server, "conversations.replies", json!({ "channel": CHANNEL, "ts": root["ts"] })).await;
    let ids: Vec<&Value> = thread["messages"].as_array().unwrap().iter().map(|message| &message["ts"]).collect();
    assert_eq!(ids, [&root["ts"], &reply["ts"]]);
    let entries = server.entries("pressroom");
    assert_eq!((entries[0].text.as_str(), entries[1].kind, entries[1].parent.as_deref()), ("a < b", EntryKind::Reply, root["ts"].as_str()));
}

#[tokio::test]
async fn a_history_comes_in_pages() {
    let server = server().await;
    for text in ["1", "2", "3"] {
        post(&server, text).await;
    }
    let first = call(&server, "conversations.history", json!({ "channel": CHANNEL, "limit": 2 })).await;
    assert_eq!((&first["messages"][0]["text"], &first["has_more"]), (&json!("3"), &json!(true)));
    let cursor = first["response_metadata"]["next_cursor"].clone();
    let rest = call(&server, "conversations.history", json!({ "channel": CHANNEL, "limit": 2, "cursor": cursor })).await;
    assert_eq!((&rest["messages"][0]["text"], &rest["has_more"]), (&json!("1"), &json!(false)));
}

#[tokio::test]
async fn a_long_text_comes_out_as_several_messages() {
    let server = server().await;
    post(&server, &"x".repeat(4040)).await;
    assert_eq!(server.entries("pressroom").len(), 1);
    post(&server, &"y".repeat(4041)).await;
    assert_eq!(server.entries("pressroom").iter().map(|entry| entry.text.len()).collect::<Vec<_>>(), [4040, 4000, 41]);
}

#[tokio::test]
async fn an_image_stands_in_a_message_once_it_was_processed() {
    let server = server().await;
    let announced = call(&server, "files.getUploadURLExternal", json!({ "filename": "a.png", "length": PNG.len() })).await;
    let id = announced["file_id"].as_str().unwrap();
    let url = announced["upload_url"].as_str().unwrap();
    let short = Client::new().post(url).body(&PNG[..4]).send().await.unwrap();
    assert_eq!(short.status(), StatusCode::BAD_REQUEST);
    assert_eq!(Client::new().post(url).body(PNG).send().await.unwrap().status(), StatusCode::OK);
    server.faults().next(Endpoint::Media, Fault::ProcessSlowly { ms: 0, polls: 1 }, 1);
    assert_eq!(call(&server, "files.completeUploadExternal", json!({ "files": [{ "id": id }] })).await["ok"], true);
    let block = json!({ "type": "image", "slack_file": { "id": id }, "alt_text": "A cat" });
    let message = json!({ "channel": CHANNEL, "text": "Look", "attachments": [{ "blocks": [block] }] });
    assert_eq!(call(&server, "chat.postMessage", message.clone()).await["error"], "invalid_blocks");
    for mimetype in ["", "image/png"] {
        assert_eq!(call(&server, "files.info", json!({ "file": id })).await["file"]["mimetype"], mimetype);
    }
    assert_eq!(call(&server, "chat.postMessage", message).await["ok"], true);
    let entries = server.entries("pressroom");
    assert_eq!((entries[0].media[0].alt.as_deref(), entries[0].media[0].bytes), (Some("A cat"), PNG.len()));
}

#[tokio::test]
async fn a_closed_window_is_a_429_with_its_header() {
    let server = server().await;
    server.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: 30 }, 1);
    let sent = Client::new().post(format!("{}/api/chat.postMessage", server.base_url())).bearer_auth(TOKEN).json(&json!({}));
    let refused = sent.send().await.unwrap();
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(refused.status() == StatusCode::TOO_MANY_REQUESTS && (1..=31).contains(&wait));
    assert_eq!(refused.json::<Value>().await.unwrap(), json!({ "ok": false, "error": "ratelimited" }));
}
