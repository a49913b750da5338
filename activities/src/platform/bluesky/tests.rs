use std::collections::BTreeMap;

use base64::Engine as _;
use domain::publication::SendClass;
use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_partial_json, header, method as verb, path},
};

use super::*;
use crate::platform::{
    check, connect, delete, find, freeze, metrics, refresh, resolve, submit,
    tests::{DID, TOKEN, account, credentials, http, intent, post},
};

fn xrpc(nsid: &str) -> wiremock::MockBuilder {
    Mock::given(path(format!("/xrpc/{nsid}")))
}

fn refused(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"error": code, "message": "as the server puts it"}))
}

fn window() -> Window {
    Window { first_sent_at: "2026-12-01T09:00:00Z".parse().unwrap(), known_external_ids: Vec::new() }
}

fn frozen(server: &MockServer) -> (Account, Frozen) {
    let account = account(Platform::Bluesky, &server.uri());
    let frozen = freeze(&account, &post("Hallo"), &Staged::NOTHING, intent()).unwrap();
    (account, frozen)
}

fn uri(frozen: &Frozen) -> String {
    format!("at://{DID}/app.bsky.feed.post/{}", frozen.record_key.as_deref().unwrap())
}

/// An access token whose claims say when it ends; nobody checks its signature here.
fn jwt(exp: i64) -> String {
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json!({"scope": "com.atproto.appPass", "exp": exp}).to_string());
    format!("e30.{claims}.c2ln")
}

#[test]
fn a_frozen_reply_is_what_the_lexicon_asks_for() {
    let account = account(Platform::Bluesky, "https://pds.example");
    let mut reply = post("Grüße 🙂 @ann.bsky.social: https://a.example/b #Größe");
    reply.mentions = BTreeMap::from([("ann.bsky.social".to_owned(), "did:plc:ann".to_owned())]);
    let before = |key: &str| Sent {
        external_id: format!("at://{DID}/app.bsky.feed.post/{key}"),
        url: String::new(),
        cid: Some(format!("cid-{key}")),
    };
    reply.reply_to = Some(ReplyTo { root: before("3jzfcijpj2z2a"), parent: before("3jzfcijpj2z2b") });
    let frozen = freeze(&account, &reply, &Staged::NOTHING, intent()).unwrap();
    assert_eq!(frozen.class, SendClass::A);
    insta::assert_json_snapshot!("frozen", frozen);
    insta::assert_json_snapshot!("body", serde_json::from_str::<Value>(&frozen.body).unwrap());
    reply.reply_to.as_mut().unwrap().parent.cid = None;
    assert!(freeze(&account, &reply, &Staged::NOTHING, intent()).is_err(), "a reply needs the hash of its parent");
}

#[tokio::test]
async fn a_record_written_is_published() {
    let server = MockServer::start().await;
    let (account, frozen) = frozen(&server);
    let written = json!({"uri": uri(&frozen), "cid": "bafy1", "commit": {"cid": "bafy2", "rev": "3m"}, "validationStatus": "valid"});
    let matching = xrpc("com.atproto.repo.putRecord").and(verb("POST")).and(header("authorization", format!("Bearer {TOKEN}")));
    matching
        .and(body_partial_json(json!({"swapRecord": null, "rkey": frozen.record_key})))
        .respond_with(ResponseTemplate::new(200).set_body_json(written))
        .expect(1)
        .mount(&server)
        .await;
    let submission = submit(&http(), &account, &credentials(Platform::Bluesky), Sending::text(&frozen)).await.value;
    let key = frozen.record_key.as_deref().unwrap();
    let url = format!(
        "{}/xrpc/com.atproto.repo.getRecord?repo={}&collection=app.bsky.feed.post&rkey={key}",
        server.uri(),
        DID.replace(':', "%3A")
    );
    assert_eq!(submission, Submission::Published(Sent { external_id: uri(&frozen), url, cid: Some("bafy1".to_owned()) }));
    assert_eq!(server.received_requests().await.unwrap()[0].body, frozen.body.as_bytes(), "byte for byte what was frozen");
}

#[test]
fn only_servers_of_bluesky_itself_have_their_posts_on_its_page() {
    let page = |base: &str| page(&account(Platform::Bluesky, base), "3jzfcijpj2z2a");
    let on_the_app = format!("https://bsky.app/profile/{DID}/post/3jzfcijpj2z2a");
    assert_eq!(page("https://bsky.social"), on_the_app);
    assert_eq!(page("https://morel.us-east.host.bsky.network"), on_the_app);
    for other in ["https://pds.example", "https://notbsky.social", "http://127.0.0.1:2583"] {
        assert!(page(other).starts_with(&format!("{other}/xrpc/com.atproto.repo.getRecord?repo=did")), "{other}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart_by_their_names() {
    for (status, code, name) in [
        (400, "ExpiredToken", "credentials_expired"),
        (400, "InvalidToken", "credentials_expired"),
        (401, "AuthMissing", "credentials_expired"),
        (400, "InvalidRequest", "rejected"),
        (400, "InvalidSwap", "unknown"),
        (500, "ExpiredToken", "unknown"),
        (502, "UpstreamFailure", "unknown"),
    ] {
        let server = MockServer::start().await;
        let (account, frozen) = frozen(&server);
        xrpc("com.atproto.repo.putRecord").respond_with(refused(status, code)).mount(&server).await;
        let submission = submit(&http(), &account, &credentials(Platform::Bluesky), Sending::text(&frozen)).await.value;
        assert_eq!(submission.name(), name, "{status} {code}");
    }
}

#[tokio::test]
async fn without_a_session_nothing_is_sent() {
    let server = MockServer::start().await;
    let (account, frozen) = frozen(&server);
    let fresh = Credentials::from_input(Platform::Bluesky, &json!({"app_password": "p"})).unwrap();
    assert_eq!(submit(&http(), &account, &fresh, Sending::text(&frozen)).await.value.name(), "credentials_expired");
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_key_tells_whether_the_post_is_there() {
    let server = MockServer::start().await;
    let (account, frozen) = frozen(&server);
    let credentials = credentials(Platform::Bluesky);
    let look = async || resolve(&http(), &account, &credentials, Sending::text(&frozen), &window()).await;
    let body: Value = serde_json::from_str(&frozen.body).unwrap();
    let holding = |value: &Value| ResponseTemplate::new(200).set_body_json(json!({"uri": uri(&frozen), "cid": "bafy1", "value": value}));

    xrpc("com.atproto.repo.getRecord").respond_with(holding(&body["record"])).mount(&server).await;
    let found = look().await.unwrap().value;
    assert!(
        matches!(&found, Resolution::Found { sent, .. } if sent.external_id == uri(&frozen) && sent.cid.as_deref() == Some("bafy1")),
        "{found:?}"
    );
    let asked = server.received_requests().await.unwrap().remove(0);
    assert!(!asked.headers.contains_key("authorization"), "works while the session is expired");

    server.reset().await;
    let mut other = body["record"].clone();
    other["text"] = json!("Hullo");
    xrpc("com.atproto.repo.getRecord").respond_with(holding(&other)).mount(&server).await;
    assert_eq!(look().await.unwrap().value.name(), "unknown");

    server.reset().await;
    xrpc("com.atproto.repo.getRecord").respond_with(refused(400, "RecordNotFound")).mount(&server).await;
    assert_eq!(look().await.unwrap().value.name(), "absent");

    for (status, code) in [(400, "InvalidRequest"), (404, "XRPCNotSupported"), (500, "InternalServerError"), (429, "RateLimitExceeded")] {
        server.reset().await;
        xrpc("com.atproto.repo.getRecord").respond_with(refused(status, code)).mount(&server).await;
        assert!(look().await.is_err(), "{code} does not say that the post is absent");
    }
}

#[tokio::test]
async fn a_session_is_renewed_and_opened_anew_where_that_fails() {
    let server = MockServer::start().await;
    let account = account(Platform::Bluesky, &server.uri());
    let opened = |refresh: &str| {
        ResponseTemplate::new(200)
            .set_body_json(json!({"accessJwt": jwt(1_800_000_000), "refreshJwt": refresh, "did": DID, "handle": "ann.example"}))
    };
    let renewing = || xrpc("com.atproto.server.refreshSession").and(verb("POST")).and(header("authorization", "Bearer planted-refresh"));
    let opening = || {
        xrpc("com.atproto.server.createSession")
            .and(body_partial_json(json!({"identifier": "ann.example", "password": "planted-password"})))
    };

    renewing().respond_with(opened("next-1")).expect(1).mount(&server).await;
    let renewed = refresh(&http(), &Apps::default(), &account, &credentials(Platform::Bluesky)).await.unwrap();
    assert_eq!(renewed.expires_at().map(|end| end.timestamp()), Some(1_800_000_000));
    assert_eq!(renewed.redact("next-1"), "[redacted]", "the next refresh token is kept");

    for answer in [refused(400, "ExpiredToken"), refused(401, "InvalidToken")] {
        server.reset().await;
        renewing().respond_with(answer).mount(&server).await;
        opening().respond_with(opened("next-2")).expect(1).mount(&server).await;
        let anew = refresh(&http(), &Apps::default(), &account, &credentials(Platform::Bluesky)).await.unwrap();
        assert_eq!(anew.redact("next-2 planted-password"), "[redacted] [redacted]");
    }

    // A passing failure must not burn a log-in, of which there are few a day.
    server.reset().await;
    renewing().respond_with(refused(503, "Upstream")).mount(&server).await;
    opening().respond_with(opened("next-3")).expect(0).mount(&server).await;
    let error = refresh(&http(), &Apps::default(), &account, &credentials(Platform::Bluesky)).await.unwrap_err();
    assert!(matches!(error, ActivityError::Transient { .. }));

    server.reset().await;
    renewing().respond_with(refused(400, "ExpiredToken")).mount(&server).await;
    opening().respond_with(refused(401, "AuthenticationRequired")).mount(&server).await;
    let error = refresh(&http(), &Apps::default(), &account, &credentials(Platform::Bluesky)).await.unwrap_err();
    assert!(matches!(&error, ActivityError::CredentialsExpired { .. }), "{error:?}");
}

#[tokio::test]
async fn connecting_opens_a_session_and_learns_the_did() {
    let server = MockServer::start().await;
    let opened = json!({"accessJwt": jwt(1_800_000_000), "refreshJwt": "r", "did": DID, "handle": "ann.example"});
    xrpc("com.atproto.server.createSession").respond_with(ResponseTemplate::new(200).set_body_json(opened)).mount(&server).await;
    let session = |active: bool| {
        ResponseTemplate::new(200).set_body_json(json!({"did": DID, "handle": "ann.example", "active": active, "status": "takendown"}))
    };
    xrpc("com.atproto.server.getSession").respond_with(session(true)).up_to_n_times(1).mount(&server).await;
    let input = Credentials::from_input(Platform::Bluesky, &json!({"app_password": "p"})).unwrap();
    let (account, credentials, health) =
        connect(&http(), &Apps::default(), Platform::Bluesky, &server.uri(), "@ann.example", input).await.unwrap();
    assert_eq!((account.remote_id.as_str(), account.handle.as_str(), account.send_class()), (DID, "ann.example", SendClass::A));
    assert_eq!(health.token_expires_at.map(|end| end.timestamp()), Some(1_800_000_000));
    xrpc("com.atproto.server.getSession").respond_with(session(false)).mount(&server).await;
    let error = check(&http(), &account, &credentials).await.unwrap_err();
    assert_eq!(error.what(), "the account is not active: takendown");
}

#[tokio::test]
async fn counters_come_from_the_appview_and_a_missing_post_is_missing() {
    let server = MockServer::start().await;
    let (account, frozen) = frozen(&server);
    let credentials = credentials(Platform::Bluesky);
    let post = json!({"uri": uri(&frozen), "likeCount": 5, "repostCount": 2, "replyCount": 1, "quoteCount": 4});
    xrpc("app.bsky.feed.getPosts")
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"posts": [post]})))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let counters = metrics(&http(), &account, &credentials, &uri(&frozen)).await.unwrap().value;
    assert_eq!(counters, Counters { likes: Some(5), comments: Some(1), shares: Some(6), ..Counters::default() });
    xrpc("app.bsky.feed.getPosts").respond_with(ResponseTemplate::new(200).set_body_json(json!({"posts": []}))).mount(&server).await;
    let error = metrics(&http(), &account, &credentials, &uri(&frozen)).await.unwrap_err();
    assert!(matches!(error, ActivityError::NotFound { .. }));
}

#[tokio::test]
async fn only_posts_of_the_account_are_deleted() {
    let server = MockServer::start().await;
    let (account, frozen) = frozen(&server);
    let credentials = credentials(Platform::Bluesky);
    let matching = xrpc("com.atproto.repo.deleteRecord").and(body_partial_json(json!({"repo": DID, "rkey": frozen.record_key})));
    matching.respond_with(ResponseTemplate::new(200).set_body_json(json!({}))).expect(1).mount(&server).await;
    delete(&http(), &account, &credentials, &uri(&frozen)).await.unwrap();
    for foreign in [
        "at://did:plc:other/app.bsky.feed.post/3jzfcijpj2z2a",
        &format!("at://{DID}/app.bsky.graph.follow/3jzfcijpj2z2a"),
        &format!("at://{DID}/app.bsky.feed.post/self"),
    ] {
        assert!(delete(&http(), &account, &credentials, foreign).await.is_err(), "{foreign}");
    }
}

#[tokio::test]
async fn a_post_that_a_person_names_is_looked_up_with_its_hash() {
    let server = MockServer::start().await;
    let account = account(Platform::Bluesky, &server.uri());
    let (key, find) = ("3jzfcijpj2z2a", async |named: &str| find(&http(), &account, &credentials(Platform::Bluesky), named).await);
    let uri = format!("at://{DID}/app.bsky.feed.post/{key}");
    let record = json!({"uri": uri, "cid": "bafy1", "value": {"text": "Hallo"}});
    let asked = xrpc("com.atproto.repo.getRecord").and(wiremock::matchers::query_param("rkey", key));
    asked.respond_with(ResponseTemplate::new(200).set_body_json(record)).mount(&server).await;
    let handle = &account.handle;
    for named in [
        uri.clone(),
        format!("at://{handle}/app.bsky.feed.post/{key}"),
        format!("https://bsky.app/profile/{DID}/post/{key}"),
        format!("https://bsky.app/profile/{handle}/post/{key}?ref=x"),
        page(&account, key),
        key.to_owned(),
    ] {
        let found = find(&named).await.unwrap().unwrap();
        assert_eq!(
            (found.external_id.as_str(), found.cid.as_deref(), found.url),
            (uri.as_str(), Some("bafy1"), page(&account, key)),
            "{named}"
        );
    }
    assert!(server.received_requests().await.unwrap().iter().all(|request| !request.headers.contains_key("authorization")));
    for foreign in [
        "https://bsky.app/profile/bob.example/post/3jzfcijpj2z2a",
        "at://did:plc:bob/app.bsky.feed.post/3jzfcijpj2z2a",
        "https://bsky.app/",
        "x",
    ] {
        assert!(matches!(find(foreign).await, Err(ActivityError::Rejected { .. })), "{foreign}");
    }
    xrpc("com.atproto.repo.getRecord").respond_with(refused(400, "RecordNotFound")).with_priority(9).mount(&server).await;
    assert!(matches!(find("3jzfcijpj2z2b").await, Err(ActivityError::NotFound { .. })));
}
