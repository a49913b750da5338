//! The X stand-in against the documented API, with a plain HTTP client.

use reqwest::{Client, Method, StatusCode, multipart};
use sandbox::{
    fault::{Endpoint, Fault},
    social::{EntryKind, Options, StandIn},
    x::X,
};
use serde_json::{Value, json};

const TOKEN: &str = "x-stand-in-token";

async fn server() -> X {
    X::start(Options { throttled: false, ..Options::default() }).await.unwrap()
}

async fn call(server: &X, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let mut request = Client::new().request(method, format!("{}{path}", server.base_url())).bearer_auth(TOKEN);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn post(server: &X, body: Value) -> (StatusCode, Value) {
    call(server, Method::POST, "/2/tweets", Some(body)).await
}

#[tokio::test]
async fn the_same_text_again_is_refused_without_a_name() {
    let server = server().await;
    let (_, first) = post(&server, json!({ "text": "Once" })).await;
    let (status, again) = post(&server, json!({ "text": "Once" })).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(again["detail"], "You are not allowed to create a Tweet with duplicate content.");
    let id = first["data"]["id"].as_str().unwrap();
    // As a reply it is another text, and after a deletion it may come again.
    assert_eq!(post(&server, json!({ "text": "Once", "reply": { "in_reply_to_tweet_id": id } })).await.0, StatusCode::OK);
    let (_, gone) = call(&server, Method::DELETE, &format!("/2/tweets/{id}"), None).await;
    assert_eq!(gone, json!({ "data": { "deleted": true } }));
    assert_eq!(post(&server, json!({ "text": "Once" })).await.0, StatusCode::OK);
    assert_eq!(post(&server, json!({ "text": "日".repeat(141) })).await.0, StatusCode::FORBIDDEN);
    assert_eq!(server.entries("pressroom").len(), 3);
}

#[tokio::test]
async fn a_list_wraps_links_names_media_and_goes_on_by_token() {
    let server = server().await;
    for number in 0..6 {
        post(&server, json!({ "text": format!("{number} & https://a.example/{number}"), "made_with_ai": true })).await;
    }
    let path = "/2/users/1700000000000000001/tweets?max_results=5&tweet.fields=entities";
    let (_, page) = call(&server, Method::GET, path, None).await;
    assert_eq!(page["meta"]["result_count"], 5);
    let newest = &page["data"][0];
    assert!(newest["text"].as_str().unwrap().starts_with("5 &amp; https://t.co/"), "{newest}");
    assert_eq!(newest["entities"]["urls"][0]["expanded_url"], "https://a.example/5");
    let next = page["meta"]["next_token"].as_str().unwrap();
    let (_, last) = call(&server, Method::GET, &format!("{path}&pagination_token={next}"), None).await;
    assert_eq!((&last["meta"]["result_count"], &last["meta"]["next_token"]), (&json!(1), &Value::Null));
    assert_eq!(server.entries("pressroom")[0].disclosures, ["made_with_ai"]);
    let (status, missing) = call(&server, Method::GET, "/2/tweets/7", None).await;
    assert_eq!((status, &missing["errors"][0]["title"]), (StatusCode::OK, &json!("Not Found Error")));
}

#[tokio::test]
async fn media_come_in_segments_are_processed_and_have_an_alt_text() {
    let server = server().await;
    server.faults().next(Endpoint::Media, Fault::ProcessSlowly { ms: 0, polls: 1 }, 4);
    let init = json!({ "media_type": "image/png", "total_bytes": 6, "media_category": "tweet_image" });
    let (_, made) = call(&server, Method::POST, "/2/media/upload/initialize", Some(init)).await;
    let id = made["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(made["data"]["media_key"], format!("3_{id}"));
    for (index, piece) in [(1, "def"), (0, "abc"), (0, "abc")] {
        let form = multipart::Form::new().text("segment_index", index.to_string());
        let form = form.part("media", multipart::Part::bytes(piece.as_bytes()).file_name("piece"));
        let url = format!("{}/2/media/upload/{id}/append", server.base_url());
        assert!(Client::new().post(url).bearer_auth(TOKEN).multipart(form).send().await.unwrap().status().is_success());
    }
    server.faults().clear();
    server.faults().next(Endpoint::Media, Fault::ProcessSlowly { ms: 0, polls: 1 }, 1);
    let (_, finished) = call(&server, Method::POST, &format!("/2/media/upload/{id}/finalize"), None).await;
    assert_eq!(finished["data"]["processing_info"]["state"], "in_progress");
    let named = json!({ "text": "With a cat", "media": { "media_ids": [id] } });
    assert_eq!(post(&server, named.clone()).await.0, StatusCode::BAD_REQUEST);
    let status = format!("/2/media/upload?command=STATUS&media_id={id}");
    call(&server, Method::GET, &status, None).await;
    let alt = json!({ "id": id, "metadata": { "alt_text": { "text": "A cat" } } });
    assert_eq!(call(&server, Method::POST, "/2/media/metadata", Some(alt)).await.0, StatusCode::OK);
    assert_eq!(post(&server, named).await.0, StatusCode::OK);
    let entry = server.entries("pressroom").remove(0);
    assert_eq!((entry.kind, entry.media[0].bytes, entry.media[0].alt.as_deref()), (EntryKind::Post, 6, Some("A cat")));
    let (_, page) = call(&server, Method::GET, "/2/users/pressroom/tweets?max_results=5", None).await;
    assert_eq!(page["data"][0]["attachments"]["media_keys"][0], format!("3_{id}"));
}

#[tokio::test]
async fn limits_are_told_in_its_own_headers() {
    let server = X::start(Options::default()).await.unwrap();
    let request = Client::new().post(format!("{}/2/tweets", server.base_url())).bearer_auth(TOKEN).json(&json!({ "text": "Hi" }));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["x-rate-limit-limit"], "100");
    assert_eq!(answer.headers()["x-rate-limit-remaining"], "99");
    server.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: 60 }, 1);
    let (status, problem) = post(&server, json!({ "text": "More" })).await;
    assert_eq!((status, &problem["title"]), (StatusCode::TOO_MANY_REQUESTS, &json!("Too Many Requests")));
    server.expire("pressroom");
    assert_eq!(call(&server, Method::GET, "/2/users/me", None).await.0, StatusCode::UNAUTHORIZED);
}
