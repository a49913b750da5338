//! The Mastodon stand-in when nothing is to go wrong.

use reqwest::{Client, Response, StatusCode};
use sandbox::{
    Limit,
    mastodon::{Account, Limits, Mastodon, Options, Software},
};
use serde_json::{Value, json};

const TOKEN: &str = "mastodon-stand-in-token";

pub(crate) async fn post(server: &Mastodon, text: &str, key: Option<&str>) -> reqwest::Result<Response> {
    let mut request = Client::new().post(format!("{}/api/v1/statuses", server.base_url())).bearer_auth(TOKEN).form(&[("status", text)]);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    request.send().await
}

pub(crate) async fn get(server: &Mastodon, path: &str) -> Response {
    Client::new().get(format!("{}{path}", server.base_url())).bearer_auth(TOKEN).send().await.unwrap()
}

pub(crate) async fn json(response: Response) -> Value {
    response.json().await.unwrap()
}

pub(crate) async fn listed(server: &Mastodon, query: &str) -> Vec<String> {
    let id = json(get(server, "/api/v1/accounts/verify_credentials").await).await["id"].as_str().unwrap().to_owned();
    let page = json(get(server, &format!("/api/v1/accounts/{id}/statuses{query}")).await).await;
    page.as_array().unwrap().iter().map(|status| status["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn it_says_what_it_is() {
    let server = Mastodon::start(Options { software: Software::GoToSocial, ..Options::default() }).await.unwrap();
    let links = json(get(&server, "/.well-known/nodeinfo").await).await;
    let href = links["links"][0]["href"].as_str().unwrap().to_owned();
    assert_eq!(href, format!("{}/nodeinfo/2.0", server.base_url()));
    assert_eq!(json(reqwest::get(href).await.unwrap()).await["software"]["name"], "gotosocial");
    let answer = get(&server, "/api/v1/instance").await;
    assert_eq!(answer.headers()["x-pressroom-stand-in"], "true");
    let instance = json(answer).await;
    assert_eq!(instance["title"], "Pressroom stand-in");
    assert_eq!(instance["configuration"]["statuses"]["max_characters"], 5000);
    let instance = json(get(&server, "/api/v2/instance").await).await;
    assert_eq!(instance["configuration"]["statuses"]["characters_reserved_per_url"], 23);
}

#[tokio::test]
async fn a_status_is_kept_rendered_listed_shown_and_deleted() {
    let server = Mastodon::start(Options::default()).await.unwrap();
    let made = json(post(&server, "Hello <world> https://example.com/a #News", None).await.unwrap()).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        made["content"],
        "<p>Hello &lt;world&gt; <a href=\"https://example.com/a\" target=\"_blank\" rel=\"nofollow noopener\" translate=\"no\"><span class=\"invisible\">https://</span>\
         <span class=\"\">example.com/a</span><span class=\"invisible\"></span></a> "
            .to_owned()
            + &format!("<a href=\"{}/tags/news\" class=\"mention hashtag\" rel=\"tag\">#<span>News</span></a></p>", server.base_url())
    );
    assert_eq!(made["tags"][0]["name"], "news");
    assert_eq!(listed(&server, "").await, [id]);
    let page = reqwest::get(made["url"].as_str().unwrap()).await.unwrap().text().await.unwrap();
    assert!(page.contains("stand-in") && page.contains("Hello &lt;world&gt;"), "{page}");

    let url = format!("{}/api/v1/statuses/{id}", server.base_url());
    let gone = json(Client::new().delete(&url).bearer_auth(TOKEN).send().await.unwrap()).await;
    assert_eq!(gone["text"], "Hello <world> https://example.com/a #News");
    assert_eq!(get(&server, &format!("/api/v1/statuses/{id}")).await.status(), StatusCode::NOT_FOUND);
    assert!(listed(&server, "").await.is_empty());
    let books = server.books();
    assert_eq!((books.len(), books[0].deleted, books[0].text.as_str()), (1, true, "Hello <world> https://example.com/a #News"));
}

#[tokio::test]
async fn json_bodies_replies_and_language_are_taken() {
    let server = Mastodon::start(Options::default()).await.unwrap();
    let first = json(post(&server, "one", None).await.unwrap()).await;
    let body = json!({ "status": "zwei", "in_reply_to_id": first["id"], "language": "de", "visibility": "unlisted" });
    let send = |body: Value| Client::new().post(format!("{}/api/v1/statuses", server.base_url())).bearer_auth(TOKEN).json(&body).send();
    let reply = json(send(body).await.unwrap()).await;
    assert_eq!(
        (reply["language"].as_str(), reply["in_reply_to_id"].as_str(), reply["visibility"].as_str()),
        (Some("de"), first["id"].as_str(), Some("unlisted"))
    );
    assert_eq!(send(json!({ "status": "x", "in_reply_to_id": "1" })).await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(send(json!({ "status": "x", "visibility": "secret" })).await.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_key_is_honoured_by_mastodon_and_ignored_by_snac() {
    for (software, posts) in [(Software::Mastodon, 1), (Software::Snac, 2), (Software::GoToSocial, 2)] {
        let server = Mastodon::start(Options { software, ..Options::default() }).await.unwrap();
        let first = json(post(&server, "once", Some("k1")).await.unwrap()).await;
        let second = json(post(&server, "once", Some("k1")).await.unwrap()).await;
        assert_eq!(server.books().len(), posts, "{software:?}");
        assert_eq!(first["id"] == second["id"], posts == 1);
        assert_eq!(server.books()[0].idempotency_key.as_deref(), Some("k1"));
        post(&server, "another", Some("k2")).await.unwrap();
        assert_eq!(server.books().len(), posts + 1);
    }
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_time() {
    let server = Mastodon::start(Options { idempotency_seconds: 0, ..Options::default() }).await.unwrap();
    post(&server, "once", Some("k1")).await.unwrap();
    post(&server, "once", Some("k1")).await.unwrap();
    assert_eq!(server.books().len(), 2);
}

#[tokio::test]
async fn requests_at_once_under_one_key_make_one_status() {
    let server = Mastodon::start(Options::default()).await.unwrap();
    let answers = futures::future::join_all((0..16).map(|_| post(&server, "once", Some("k1")))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().status() == StatusCode::OK));
    assert_eq!(server.books().len(), 1);
}

#[tokio::test]
async fn the_limit_counts_as_mastodon_counts() {
    let server = Mastodon::start(Options { max_characters: Some(30), ..Options::default() }).await.unwrap();
    let url = format!("https://example.com/{}", "a".repeat(200));
    assert_eq!(post(&server, &format!("{url} 123456"), None).await.unwrap().status(), StatusCode::OK);
    let refused = post(&server, &format!("{url} 1234567"), None).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(json(refused).await["error"], "Validation failed: Text character limit of 30 exceeded");
    assert_eq!(json(post(&server, " ", None).await.unwrap()).await["error"], "Validation failed: Text can't be blank");
    assert_eq!(server.books().len(), 1);
}

#[tokio::test]
async fn lists_page_by_id_and_link_to_their_neighbours() {
    let server = Mastodon::start(Options::default()).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(json(post(&server, &format!("post {n}"), None).await.unwrap()).await["id"].as_str().unwrap().to_owned());
    }
    let of = |places: &[usize]| places.iter().map(|place| ids[*place].clone()).collect::<Vec<_>>();
    assert_eq!(listed(&server, "?limit=2").await, of(&[4, 3]));
    assert_eq!(listed(&server, &format!("?limit=2&max_id={}", ids[3])).await, of(&[2, 1]));
    assert_eq!(listed(&server, &format!("?limit=2&since_id={}", ids[0])).await, of(&[4, 3]));
    assert_eq!(listed(&server, &format!("?limit=2&min_id={}", ids[0])).await, of(&[2, 1]));
    let account = json(get(&server, "/api/v1/accounts/lookup?acct=pressroom").await).await["id"].as_str().unwrap().to_owned();
    let page = get(&server, &format!("/api/v1/accounts/{account}/statuses?limit=2")).await;
    let link = page.headers()["link"].to_str().unwrap();
    assert!(
        link.contains(&format!("max_id={}>; rel=\"next\"", ids[3])) && link.contains(&format!("min_id={}>; rel=\"prev\"", ids[4])),
        "{link}"
    );
}

#[tokio::test]
async fn counters_grow_when_looked_at() {
    let server = Mastodon::start(Options::default()).await.unwrap();
    let id = json(post(&server, "look at me", None).await.unwrap()).await["id"].as_str().unwrap().to_owned();
    let first = json(get(&server, &format!("/api/v1/statuses/{id}")).await).await;
    let second = json(get(&server, &format!("/api/v1/statuses/{id}")).await).await;
    for counter in ["favourites_count", "reblogs_count", "replies_count"] {
        assert!(second[counter].as_u64().unwrap() > first[counter].as_u64().unwrap(), "{counter}: {first} {second}");
    }
}

#[tokio::test]
async fn accounts_are_apart_and_bad_tokens_are_refused() {
    let accounts = vec![Account::new("one", TOKEN), Account::new("two", "token-2")];
    let server = Mastodon::start(Options { accounts, ..Options::default() }).await.unwrap();
    post(&server, "mine", Some("k")).await.unwrap();
    let theirs = Client::new().post(format!("{}/api/v1/statuses", server.base_url())).bearer_auth("token-2").header("Idempotency-Key", "k");
    assert_eq!(theirs.form(&[("status", "theirs")]).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!((server.statuses_of("one").len(), server.statuses_of("two").len()), (1, 1));
    let nobody = Client::new()
        .post(format!("{}/api/v1/statuses", server.base_url()))
        .bearer_auth("nonsense")
        .form(&[("status", "x")])
        .send()
        .await
        .unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json(nobody).await["error"], "The access token is invalid");

    assert!(server.expire("one"));
    let expired = post(&server, "late", None).await.unwrap();
    assert_eq!((expired.status(), json(expired).await["error"].clone()), (StatusCode::UNAUTHORIZED, json!("The access token expired")));
    assert!(server.revoke("one"));
    assert_eq!(json(post(&server, "late", None).await.unwrap()).await["error"], "The access token was revoked");
    assert!(server.reinstate("one"));
    assert_eq!(post(&server, "back", None).await.unwrap().status(), StatusCode::OK);
    assert!(!server.revoke("nobody"));
}

#[tokio::test]
async fn media_are_uploaded_described_attached_once() {
    let server = Mastodon::start(Options::default()).await.unwrap();
    let part = |mime| reqwest::multipart::Part::bytes(b"\x89PNG bytes".to_vec()).file_name("cat.png").mime_str(mime).unwrap();
    let upload = |mime| {
        let form = reqwest::multipart::Form::new().part("file", part(mime)).text("description", "A cat");
        Client::new().post(format!("{}/api/v2/media", server.base_url())).bearer_auth(TOKEN).multipart(form).send()
    };
    let media = json(upload("image/png").await.unwrap()).await;
    let id = media["id"].as_str().unwrap();
    assert_eq!(media["description"], "A cat");
    assert_eq!(upload("text/plain").await.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
    let update = Client::new()
        .put(format!("{}/api/v1/media/{id}", server.base_url()))
        .bearer_auth(TOKEN)
        .json(&json!({ "description": "Two cats" }));
    assert_eq!(json(update.send().await.unwrap()).await["description"], "Two cats");
    assert_eq!(reqwest::get(media["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap(), &b"\x89PNG bytes"[..]);
    let attach = || {
        let form = [("status", "look"), ("media_ids[]", id)];
        Client::new().post(format!("{}/api/v1/statuses", server.base_url())).bearer_auth(TOKEN).form(&form).send()
    };
    assert_eq!(json(attach().await.unwrap()).await["media_attachments"][0]["description"], "Two cats");
    assert_eq!(attach().await.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(server.media()[0].bytes, 10);
}

#[tokio::test]
async fn rate_headers_count_down_to_429() {
    let limits = Limits { api: Limit::new(1000, 300), statuses: Limit::new(2, 300), ..Limits::default() };
    let server = Mastodon::start(Options { limits: Some(limits), ..Options::default() }).await.unwrap();
    let first = post(&server, "one", None).await.unwrap();
    assert_eq!(
        (&first.headers()["x-ratelimit-limit"], &first.headers()["x-ratelimit-remaining"]),
        (&"2".parse().unwrap(), &"1".parse().unwrap())
    );
    // A window on the clock may end between two of these, so a few more than the limit are sent.
    let mut refused = None;
    for n in 0..6 {
        let answer = post(&server, &format!("more {n}"), None).await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a 429 within three times the limit");
    assert_eq!(refused.headers()["x-ratelimit-remaining"], "0");
    let reset = refused.headers()["x-ratelimit-reset"].to_str().unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(reset).unwrap() > chrono::Utc::now(), "{reset}");
    let snac = Mastodon::start(Options { software: Software::Snac, ..Options::default() }).await.unwrap();
    assert!(!post(&snac, "one", None).await.unwrap().headers().contains_key("x-ratelimit-limit"));
}

#[tokio::test]
async fn the_books_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(folder.path().to_owned()), ..Options::default() };
    let server = Mastodon::start(options()).await.unwrap();
    let made = json(post(&server, "kept", Some("k")).await.unwrap()).await;
    let before = server.books();
    server.stop().await;
    let server = Mastodon::start(options()).await.unwrap();
    assert_eq!(server.books(), before);
    assert_eq!(json(post(&server, "kept", Some("k")).await.unwrap()).await["id"], made["id"]);
    let next = json(post(&server, "next", None).await.unwrap()).await;
    assert!(next["id"].as_str().unwrap().parse::<u64>().unwrap() > made["id"].as_str().unwrap().parse::<u64>().unwrap());
}

#[tokio::test]
async fn snac_passes_over_what_it_does_not_know() {
    let snac = Mastodon::start(Options { software: Software::Snac, ..Options::default() }).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(json(post(&snac, &format!("*{n}* <b>"), None).await.unwrap()).await["id"].as_str().unwrap().to_owned());
    }
    let (http, base, token) = (Client::new(), snac.base_url(), "mastodon-stand-in-token");
    let made = http.get(format!("{base}/api/v1/statuses/{}", ids[0])).bearer_auth(token).send().await.unwrap();
    let made = json(made).await;
    assert_eq!((&made["content"], &made["text"]), (&"<i>0</i> <b><br>".into(), &"*0* <b>".into()));
    // Whatever page is asked for, it is the whole list.
    let all = json(
        http.get(format!("{base}/api/v1/accounts/{}/statuses?limit=1&max_id={}", made["account"]["id"].as_str().unwrap(), ids[0]))
            .bearer_auth(token)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(all.as_array().unwrap().len(), 3);
    let gone = http.delete(format!("{base}/api/v1/statuses/{}", ids[0])).bearer_auth(token).send().await.unwrap();
    assert_eq!(gone.status(), 404);
    assert!(snac.books().iter().all(|status| !status.deleted));
    let nobody = http.get(format!("{base}/api/v1/accounts/verify_credentials")).bearer_auth("x").send().await.unwrap();
    assert_eq!((nobody.status().as_u16(), nobody.text().await.unwrap().as_str()), (422, ""));
    let alone = json!({ "status": "alone", "in_reply_to_id": "999", "media_ids": ["lost"] });
    let alone = json(http.post(format!("{base}/api/v1/statuses")).bearer_auth(token).json(&alone).send().await.unwrap()).await;
    assert_eq!((&alone["in_reply_to_id"], &alone["media_attachments"]), (&Value::Null, &json!([])));
    assert_eq!(reqwest::get(format!("{base}/api/v2/instance")).await.unwrap().status(), 404);
}
