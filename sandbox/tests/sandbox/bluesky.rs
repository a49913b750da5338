//! The PDS stand-in: sessions, records, counters, and its share of the faults.

use reqwest::{Client, Response, StatusCode};
use sandbox::{
    Limit,
    bluesky::{Account, Bluesky, Limits, Options},
    fault::{Endpoint, Fault},
};
use serde_json::{Value, json};

const HANDLE: &str = "pressroom.test";
const PASSWORD: &str = "bluesky-stand-in-password";
const RKEY: &str = "3jzfcijpj2z2a";

/// A stand-in and somebody signed in there.
struct Signed {
    server: Bluesky,
    did: String,
    access: String,
    refresh: String,
}

async fn signed_in(options: Options) -> Signed {
    let server = Bluesky::start(options).await.unwrap();
    let session = sign_in(&server, PASSWORD).await.json::<Value>().await.unwrap();
    let text = |name: &str| session[name].as_str().unwrap().to_owned();
    Signed { did: text("did"), access: text("accessJwt"), refresh: text("refreshJwt"), server }
}

async fn sign_in(server: &Bluesky, password: &str) -> Response {
    let url = format!("{}/xrpc/com.atproto.server.createSession", server.base_url());
    Client::new().post(url).json(&json!({ "identifier": HANDLE, "password": password })).send().await.unwrap()
}

impl Signed {
    fn url(&self, method: &str) -> String {
        format!("{}/xrpc/{method}", self.server.base_url())
    }

    async fn call(&self, method: &str, body: Value) -> reqwest::Result<Response> {
        Client::new().post(self.url(method)).bearer_auth(&self.access).json(&body).send().await
    }

    async fn ask(&self, method: &str, query: &[(&str, &str)]) -> Response {
        Client::new().get(self.url(method)).query(query).bearer_auth(&self.access).send().await.unwrap()
    }

    fn write(&self, rkey: &str, text: &str) -> Value {
        json!({ "repo": self.did, "collection": "app.bsky.feed.post", "rkey": rkey, "record": { "text": text, "createdAt": "2026-11-21T09:00:00.000Z" } })
    }

    async fn put(&self, rkey: &str, text: &str, swap: Option<Value>) -> (StatusCode, Value) {
        let mut body = self.write(rkey, text);
        if let Some(swap) = swap {
            body["swapRecord"] = swap;
        }
        read(self.call("com.atproto.repo.putRecord", body).await.unwrap()).await
    }

    async fn get_record(&self, rkey: &str) -> (StatusCode, Value) {
        read(self.ask("com.atproto.repo.getRecord", &[("repo", HANDLE), ("collection", "app.bsky.feed.post"), ("rkey", rkey)]).await).await
    }

    async fn renew(&self, refresh: &str) -> (StatusCode, Value) {
        read(Client::new().post(self.url("com.atproto.server.refreshSession")).bearer_auth(refresh).send().await.unwrap()).await
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn it_says_what_it_is_and_resolves_its_handles() {
    let me = signed_in(Options::default()).await;
    let described = me.ask("com.atproto.server.describeServer", &[]).await;
    assert_eq!(described.headers()["x-pressroom-stand-in"], "true");
    assert!(described.json::<Value>().await.unwrap()["description"].as_str().unwrap().contains("stand-in"));
    let (_, resolved) = read(me.ask("com.atproto.identity.resolveHandle", &[("handle", HANDLE)]).await).await;
    assert_eq!(resolved["did"], me.did.as_str());
    let (status, lost) = read(me.ask("com.atproto.identity.resolveHandle", &[("handle", "nobody.test")]).await).await;
    assert_eq!((status, &lost["error"]), (StatusCode::BAD_REQUEST, &json!("HandleNotFound")));
    let (status, lost) = read(me.ask("com.atproto.identity.resolveHandle", &[("handle", "nobody.example")]).await).await;
    assert_eq!((status, &lost["error"]), (StatusCode::BAD_REQUEST, &json!("InvalidRequest")));
}

#[tokio::test]
async fn sessions_are_had_for_the_password_only() {
    let me = signed_in(Options::default()).await;
    let (status, wrong) = read(sign_in(&me.server, "wrong").await).await;
    assert_eq!((status, &wrong["error"]), (StatusCode::UNAUTHORIZED, &json!("AuthenticationRequired")));
    let (_, session) = read(me.ask("com.atproto.server.getSession", &[]).await).await;
    assert_eq!((&session["handle"], session.get("accessJwt")), (&json!(HANDLE), None));
    let bare = Client::new().get(me.url("com.atproto.server.getSession")).send().await.unwrap();
    assert_eq!((bare.status(), bare.json::<Value>().await.unwrap()["error"].clone()), (StatusCode::UNAUTHORIZED, json!("AuthMissing")));
    let (status, mixed) = me.renew(&me.access).await;
    assert_eq!((status, &mixed["error"]), (StatusCode::BAD_REQUEST, &json!("InvalidToken")));
}

#[tokio::test]
async fn an_expired_access_token_is_400_and_a_refresh_gives_the_next_pair() {
    let me = signed_in(Options { access_seconds: 0, ..Options::default() }).await;
    let (status, expired) = read(me.ask("com.atproto.server.getSession", &[]).await).await;
    assert_eq!((status, &expired["error"]), (StatusCode::BAD_REQUEST, &json!("ExpiredToken")));

    let me = signed_in(Options::default()).await;
    assert!(me.server.expire(HANDLE));
    let (status, expired) = me.put(RKEY, "x", None).await;
    assert_eq!((status, &expired["error"]), (StatusCode::BAD_REQUEST, &json!("ExpiredToken")));
    let (status, renewed) = me.renew(&me.refresh).await;
    assert_eq!(status, StatusCode::OK);
    let me = Signed { access: renewed["accessJwt"].as_str().unwrap().to_owned(), ..me };
    assert_eq!(me.put(RKEY, "x", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_used_refresh_token_gives_one_successor_within_its_grace_and_none_without() {
    let id = |session: &Value| {
        let body = session["refreshJwt"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
        serde_json::from_slice::<Value>(&data_encoding::BASE64URL_NOPAD.decode(body.as_bytes()).unwrap()).unwrap()["jti"].clone()
    };
    let me = signed_in(Options::default()).await;
    let (first, second) = (me.renew(&me.refresh).await, me.renew(&me.refresh).await);
    assert_eq!((first.0, second.0), (StatusCode::OK, StatusCode::OK));
    assert_eq!(id(&first.1), id(&second.1));

    let me = signed_in(Options { refresh_grace_seconds: 0, ..Options::default() }).await;
    let (status, renewed) = me.renew(&me.refresh).await;
    assert_eq!(status, StatusCode::OK);
    let (status, refused) = me.renew(&me.refresh).await;
    assert_eq!((status, &refused["error"]), (StatusCode::BAD_REQUEST, &json!("ExpiredToken")));
    assert_eq!(me.renew(renewed["refreshJwt"].as_str().unwrap()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn revoked_credentials_end_everything_until_reinstated() {
    let me = signed_in(Options::default()).await;
    me.server.faults().next(Endpoint::Publish, Fault::RevokeCredentials, 1);
    assert_eq!(me.put(RKEY, "x", None).await.1["error"], "ExpiredToken");
    assert_eq!(me.renew(&me.refresh).await.1["error"], "ExpiredToken");
    assert_eq!(sign_in(&me.server, PASSWORD).await.status(), StatusCode::UNAUTHORIZED);
    assert!(me.server.reinstate(HANDLE) && !me.server.reinstate("nobody.test"));
    assert_eq!(sign_in(&me.server, PASSWORD).await.status(), StatusCode::OK);
    assert!(me.server.books().is_empty());
}

#[tokio::test]
async fn create_makes_a_record_once_per_key() {
    let me = signed_in(Options::default()).await;
    let (status, made) = read(me.call("com.atproto.repo.createRecord", me.write(RKEY, "hello")).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(made["uri"], format!("at://{}/app.bsky.feed.post/{RKEY}", me.did));
    assert!(made["commit"]["rev"].is_string() && made["validationStatus"] == "valid");
    let (status, _) = read(me.call("com.atproto.repo.createRecord", me.write(RKEY, "hello")).await.unwrap()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(me.server.records_of(HANDLE).len(), 1);
    let (_, found) = me.get_record(RKEY).await;
    assert_eq!(
        (&found["cid"], &found["value"]["text"], &found["value"]["$type"]),
        (&made["cid"], &json!("hello"), &json!("app.bsky.feed.post"))
    );
    let mut keyless = me.write("", "no key");
    keyless.as_object_mut().unwrap().remove("rkey");
    assert_eq!(me.call("com.atproto.repo.createRecord", keyless).await.unwrap().status(), StatusCode::OK);
    assert_eq!(me.server.books()[1].rkey.len(), 13);
}

#[tokio::test]
async fn put_follows_what_was_observed_on_the_real_pds() {
    let me = signed_in(Options::default()).await;
    let (status, made) = me.put(RKEY, "one", Some(Value::Null)).await;
    assert_eq!((status, made.get("commit").is_some()), (StatusCode::OK, true));
    // Identical: 200 without a commit, with and without the swap.
    for swap in [None, Some(Value::Null)] {
        let (status, again) = me.put(RKEY, "one", swap).await;
        assert_eq!((status, again.get("commit"), &again["cid"]), (StatusCode::OK, None, &made["cid"]));
    }
    // Different, under "there must be none": refused with the id of what stands there.
    let (status, refused) = me.put(RKEY, "two", Some(Value::Null)).await;
    assert_eq!((status, &refused["error"]), (StatusCode::BAD_REQUEST, &json!("InvalidSwap")));
    assert!(refused["message"].as_str().unwrap().contains(made["cid"].as_str().unwrap()), "{refused}");
    assert_eq!(me.server.books()[0].value["text"], "one");
    // Different, without a condition: overwritten.
    let (status, changed) = me.put(RKEY, "two", None).await;
    assert_eq!((status, changed.get("commit").is_some()), (StatusCode::OK, true));
    let books = me.server.books();
    assert_eq!((books.len(), &books[0].value["text"], books[0].overwritten.len()), (1, &json!("two"), 1));
    // A wrong and a right condition.
    assert_eq!(me.put(RKEY, "three", Some(made["cid"].clone())).await.1["error"], "InvalidSwap");
    assert_eq!(me.put(RKEY, "three", Some(changed["cid"].clone())).await.0, StatusCode::OK);
    // A put after a delete makes the post anew.
    let body = json!({ "repo": me.did, "collection": "app.bsky.feed.post", "rkey": RKEY });
    let (_, deleted) = read(me.call("com.atproto.repo.deleteRecord", body.clone()).await.unwrap()).await;
    assert!(deleted.get("commit").is_some());
    let (status, lost) = me.get_record(RKEY).await;
    assert_eq!((status, &lost["error"]), (StatusCode::BAD_REQUEST, &json!("RecordNotFound")));
    assert_eq!(read(me.call("com.atproto.repo.deleteRecord", body).await.unwrap()).await, (StatusCode::OK, json!({})));
    assert_eq!(me.put(RKEY, "one", Some(Value::Null)).await.1["cid"], made["cid"]);
    assert_eq!(me.server.books().iter().map(|record| record.deleted).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn posts_that_the_lexicon_forbids_are_400() {
    let me = signed_in(Options::default()).await;
    for (rkey, text, fits) in
        [(RKEY, "é".repeat(300), true), ("3jzfcijpj2z2b", "é".repeat(301), false), ("not-a-tid", "x".to_owned(), false)]
    {
        let (status, answer) = me.put(rkey, &text, None).await;
        assert_eq!(status == StatusCode::OK, fits, "{rkey}: {answer}");
        assert!(fits || answer["error"] == "InvalidRequest", "{answer}");
    }
    let mut theirs = me.write(RKEY, "x");
    theirs["repo"] = json!("did:plc:somebodyelse");
    let (status, refused) = read(me.call("com.atproto.repo.putRecord", theirs).await.unwrap()).await;
    assert_eq!((status, &refused["error"]), (StatusCode::FORBIDDEN, &json!("AccountNotFound")));
    assert_eq!(me.call("com.atproto.repo.putRecord", json!({ "repo": me.did })).await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(me.server.books().len(), 1);
}

#[tokio::test]
async fn another_accounts_repository_is_closed() {
    let accounts = vec![Account::new(HANDLE, PASSWORD), Account::new("other.test", "p")];
    let me = signed_in(Options { accounts, ..Options::default() }).await;
    let mut theirs = me.write(RKEY, "x");
    theirs["repo"] = json!("other.test");
    let (status, refused) = read(me.call("com.atproto.repo.createRecord", theirs).await.unwrap()).await;
    assert_eq!((status, &refused["error"]), (StatusCode::UNAUTHORIZED, &json!("AuthenticationRequired")));
}

#[tokio::test]
async fn lists_go_from_new_to_old_by_cursor() {
    let me = signed_in(Options::default()).await;
    let keys = ["3jzfcijpj2z2a", "3jzfcijpj2z2b", "3jzfcijpj2z2c"];
    for key in keys {
        me.put(key, key, None).await;
    }
    let list = async |more: &[(&str, &str)]| {
        let query = [&[("repo", HANDLE), ("collection", "app.bsky.feed.post"), ("limit", "2")], more].concat();
        let (_, page) = read(me.ask("com.atproto.repo.listRecords", &query).await).await;
        let texts: Vec<String> =
            page["records"].as_array().unwrap().iter().map(|record| record["value"]["text"].as_str().unwrap().to_owned()).collect();
        (texts, page["cursor"].as_str().unwrap_or_default().to_owned())
    };
    let (texts, cursor) = list(&[]).await;
    assert_eq!(texts, [keys[2], keys[1]]);
    assert_eq!(list(&[("cursor", &cursor)]).await.0, [keys[0]]);
    assert_eq!(list(&[("reverse", "true")]).await.0, [keys[0], keys[1]]);
    let (_, feed) = read(me.ask("app.bsky.feed.getAuthorFeed", &[("actor", HANDLE), ("limit", "2")]).await).await;
    assert_eq!(feed["feed"][0]["post"]["record"]["text"], keys[2]);
    let (_, feed) =
        read(me.ask("app.bsky.feed.getAuthorFeed", &[("actor", HANDLE), ("cursor", feed["cursor"].as_str().unwrap())]).await).await;
    assert_eq!((feed["feed"].as_array().unwrap().len(), &feed["feed"][0]["post"]["record"]["text"]), (1, &json!(keys[0])));
}

#[tokio::test]
async fn counters_grow_when_looked_at_and_missing_posts_are_left_out() {
    let me = signed_in(Options::default()).await;
    let uri = me.put(RKEY, "look", None).await.1["uri"].as_str().unwrap().to_owned();
    let lost = format!("{uri}x");
    let query = [("uris", uri.as_str()), ("uris", lost.as_str())];
    let (_, first) = read(me.ask("app.bsky.feed.getPosts", &query).await).await;
    let (_, second) = read(me.ask("app.bsky.feed.getPosts", &query).await).await;
    assert_eq!(first["posts"].as_array().unwrap().len(), 1);
    for counter in ["likeCount", "repostCount", "replyCount", "quoteCount"] {
        assert!(second["posts"][0][counter].as_u64().unwrap() > first["posts"][0][counter].as_u64().unwrap(), "{counter}");
    }
}

#[tokio::test]
async fn images_must_be_uploaded_first() {
    let me = signed_in(Options::default()).await;
    let upload = Client::new()
        .post(me.url("com.atproto.repo.uploadBlob"))
        .bearer_auth(&me.access)
        .header("content-type", "image/png")
        .body("png")
        .send();
    let (_, uploaded) = read(upload.await.unwrap()).await;
    let with = |blob: &Value| {
        let mut body = me.write(RKEY, "image");
        body["record"]["embed"] = json!({ "$type": "app.bsky.embed.images", "images": [{ "alt": "a cat", "image": blob }] });
        body
    };
    let mut lost = uploaded["blob"].clone();
    lost["ref"]["$link"] = json!("bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity");
    let (status, refused) = read(me.call("com.atproto.repo.putRecord", with(&lost)).await.unwrap()).await;
    assert_eq!((status, &refused["error"]), (StatusCode::BAD_REQUEST, &json!("BlobNotFound")));
    assert_eq!(me.call("com.atproto.repo.putRecord", with(&uploaded["blob"])).await.unwrap().status(), StatusCode::OK);
    assert_eq!(me.server.blobs()[0].size, 3);
}

#[tokio::test]
async fn writes_cost_points_until_429() {
    let limits = Limits { writes: Limit::new(7, 3_600), ..Limits::default() };
    let me = signed_in(Options { limits: Some(limits), ..Options::default() }).await;
    let made = me.call("com.atproto.repo.createRecord", me.write(RKEY, "x")).await.unwrap();
    assert_eq!(
        (&made.headers()["ratelimit-remaining"], &made.headers()["ratelimit-policy"]),
        (&"4".parse().unwrap(), &"7;w=3600".parse().unwrap())
    );
    for status in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(me.put(RKEY, "x", None).await.0, status);
    }
    let refused = me.call("com.atproto.repo.putRecord", me.write(RKEY, "x")).await.unwrap();
    let reset: i64 = refused.headers()["ratelimit-reset"].to_str().unwrap().parse().unwrap();
    assert!(reset > chrono::Utc::now().timestamp() + 1_800);
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "RateLimitExceeded");
    let limits = Limits { sessions: Limit::new(1, 3_600), ..Limits::default() };
    let me = signed_in(Options { limits: Some(limits), ..Options::default() }).await;
    assert_eq!(sign_in(&me.server, PASSWORD).await.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_lost_answer_is_healed_by_the_same_put() {
    let me = signed_in(Options::default()).await;
    me.server.faults().next(Endpoint::Publish, Fault::AcceptThenReset, 1);
    let error = me.call("com.atproto.repo.putRecord", me.write(RKEY, "once")).await.unwrap_err();
    assert!(error.is_request() && !error.is_connect(), "{error:?}");
    assert_eq!(me.server.books().len(), 1);
    let (status, again) = me.put(RKEY, "once", Some(Value::Null)).await;
    assert_eq!((status, again.get("commit")), (StatusCode::OK, None));
    assert_eq!(me.server.books().len(), 1);
}

#[tokio::test]
async fn faults_speak_xrpc() {
    let me = signed_in(Options::default()).await;
    me.server.faults().next(Endpoint::Publish, Fault::Refuse { status: 503 }, 1);
    let (status, refused) = me.put(RKEY, "x", None).await;
    assert_eq!((status, &refused["error"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("NotEnoughResources")));
    me.server.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: 3_600 }, 1);
    let limited = me.call("com.atproto.repo.putRecord", me.write(RKEY, "x")).await.unwrap();
    assert_eq!((limited.status(), limited.headers()["ratelimit-remaining"].to_str().unwrap()), (StatusCode::TOO_MANY_REQUESTS, "0"));
    me.server.faults().clear();
    me.server.faults().next(Endpoint::Publish, Fault::HideNew { ms: 0, lookups: 2 }, 1);
    let uri = me.put(RKEY, "x", None).await.1["uri"].as_str().unwrap().to_owned();
    assert_eq!(me.get_record(RKEY).await.1["error"], "RecordNotFound");
    assert_eq!(read(me.ask("app.bsky.feed.getPosts", &[("uris", &uri)]).await).await.1["posts"], json!([]));
    assert_eq!(me.get_record(RKEY).await.0, StatusCode::OK);
}

#[tokio::test]
async fn books_and_sessions_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(folder.path().to_owned()), ..Options::default() };
    let me = signed_in(options()).await;
    me.put(RKEY, "one", None).await;
    me.put(RKEY, "two", None).await;
    let before = me.server.books();
    let Signed { server, did, access, refresh } = me;
    server.stop().await;
    let me = Signed { server: Bluesky::start(options()).await.unwrap(), did, access, refresh };
    assert_eq!(me.server.books(), before);
    assert_eq!(me.put(RKEY, "two", Some(Value::Null)).await.1.get("commit"), None);
    assert_eq!(me.renew(&me.refresh).await.0, StatusCode::OK);
    let books: Value = reqwest::get(format!("{}/_sandbox/books", me.server.base_url())).await.unwrap().json().await.unwrap();
    assert_eq!(books["records"][0]["overwritten"][0]["text"], "one");
}
