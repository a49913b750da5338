//! The Telegram stand-in against the documented Bot API, with a plain HTTP client.

use reqwest::Client;
use sandbox::{
    fault::{Endpoint, Fault},
    social::{EntryKind, Options, StandIn},
    telegram::Telegram,
};
use serde_json::{Value, json};

const BOT: &str = "bot7000000001:telegram-stand-in-token";
const CHAT: &str = "@pressroom_news";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nstand-in";

async fn server() -> Telegram {
    Telegram::start(Options { throttled: false, ..Options::default() }).await.unwrap()
}

async fn call(server: &Telegram, method: &str, body: Value) -> (u16, Value) {
    let answer = Client::new().post(format!("{}/{BOT}/{method}", server.base_url())).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn refusals_have_the_words_of_the_official_server() {
    let server = server().await;
    for (method, body, description) in [
        ("sendMessage", json!({ "chat_id": CHAT, "text": "" }), "Bad Request: message text is empty"),
        ("sendMessage", json!({ "chat_id": CHAT, "text": "x".repeat(4097) }), "Bad Request: message is too long"),
        ("sendMessage", json!({ "chat_id": "@else", "text": "x" }), "Bad Request: chat not found"),
        (
            "sendMessage",
            json!({ "chat_id": CHAT, "text": "x", "reply_parameters": { "message_id": 9 } }),
            "Bad Request: message to be replied not found",
        ),
        ("deleteMessage", json!({ "chat_id": CHAT, "message_id": 9 }), "Bad Request: message to delete not found"),
    ] {
        let expected = json!({ "ok": false, "error_code": 400, "description": description });
        assert_eq!(call(&server, method, body).await, (400, expected));
    }
    assert!(server.revoke("pressroom_news"));
    assert_eq!(call(&server, "getMe", json!({})).await, (401, json!({ "ok": false, "error_code": 401, "description": "Unauthorized" })));
}

#[tokio::test]
async fn a_limit_counts_code_points_and_tells_the_wait_in_the_body() {
    let server = server().await;
    let (status, sent) = call(&server, "sendMessage", json!({ "chat_id": CHAT, "text": "🙂".repeat(4096) })).await;
    assert_eq!((status, &sent["result"]["chat"]["username"]), (200, &json!("pressroom_news")));
    server.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: 20 }, 1);
    let (status, refused) = call(&server, "sendMessage", json!({ "chat_id": CHAT, "text": "x" })).await;
    let wait = refused["parameters"]["retry_after"].as_u64().unwrap();
    assert!(status == 429 && (1..=21).contains(&wait));
    assert_eq!(refused["description"], format!("Too Many Requests: retry after {wait}"));
    assert!(server.faults().fired().iter().all(|fired| !fired.path.contains("stand-in-token")), "{:?}", server.faults().fired());
}

#[tokio::test]
async fn an_album_is_several_messages_and_one_entry() {
    let server = server().await;
    let part = || reqwest::multipart::Part::bytes(PNG.to_vec()).file_name("a.png").mime_str("image/png").unwrap();
    let media = json!([{ "type": "photo", "media": "attach://a", "caption": "Two" }, { "type": "photo", "media": "attach://b" }]);
    let form = reqwest::multipart::Form::new().text("chat_id", CHAT).text("media", media.to_string()).part("a", part()).part("b", part());
    let sent = Client::new().post(format!("{}/{BOT}/sendMediaGroup", server.base_url())).multipart(form).send().await.unwrap();
    let sent: Value = sent.json().await.unwrap();
    let ids: Vec<i64> = sent["result"].as_array().unwrap().iter().map(|message| message["message_id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    let entries = server.entries("pressroom_news");
    assert_eq!((entries.len(), entries[0].text.as_str(), entries[0].media.len()), (1, "Two", 2));
    let reply = json!({ "chat_id": CHAT, "text": "More", "reply_parameters": { "message_id": ids[1] } });
    assert_eq!(call(&server, "sendMessage", reply).await.0, 200);
    let reply = server.entries("pressroom_news").remove(1);
    assert_eq!((reply.kind, reply.parent.as_ref()), (EntryKind::Reply, Some(&entries[0].id)));
    assert_eq!(call(&server, "deleteMessages", json!({ "chat_id": CHAT, "message_ids": ids })).await.1["result"], true);
    assert!(server.entries("pressroom_news")[0].deleted);
}

#[tokio::test]
async fn a_caption_is_shorter_and_a_photo_has_to_be_one() {
    let server = server().await;
    let send = async |caption: String, bytes: &'static [u8]| {
        let part = reqwest::multipart::Part::bytes(bytes).file_name("a.png").mime_str("image/png").unwrap();
        let form = reqwest::multipart::Form::new().text("chat_id", CHAT).text("caption", caption).part("photo", part);
        let sent = Client::new().post(format!("{}/{BOT}/sendPhoto", server.base_url())).multipart(form).send().await.unwrap();
        sent.json::<Value>().await.unwrap()
    };
    assert_eq!(send("x".repeat(1024), PNG).await["ok"], true);
    assert_eq!(send("x".repeat(1025), PNG).await["description"], "Bad Request: message caption is too long");
    assert_eq!(send("x".to_owned(), b"no image").await["description"], "Bad Request: IMAGE_PROCESS_FAILED");
}
