use domain::{
    platform::Platform,
    publication::{ReplyTo, SendClass, Sent, Submission},
};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path},
};

use super::*;
use crate::platform::{
    Apps, check, connect, delete, freeze, metrics, submit,
    tests::{account, credentials, http, intent, post},
};

/// What Mastodon 4.4 answers to a new status, shortened to what could matter.
const STATUS: &str = r##"{"id":"115532177301220387","created_at":"2026-12-01T09:00:01.120Z","in_reply_to_id":null,"sensitive":false,"spoiler_text":"",
"visibility":"public","language":"de","uri":"https://social.example/users/ann/statuses/115532177301220387",
"url":"https://social.example/@ann/115532177301220387","replies_count":2,"reblogs_count":3,"favourites_count":5,"quotes_count":1,
"content":"<p>Hallo</p>","account":{"id":"109","username":"ann","acct":"ann"},"media_attachments":[],"mentions":[],"tags":[],"emojis":[]}"##;

/// A request as snapshots show it: what a platform could tell apart.
fn seen(request: &Request) -> Value {
    let shown = ["accept", "authorization", "content-type", "idempotency-key", "user-agent"];
    let headers: serde_json::Map<_, _> = shown
        .iter()
        .filter_map(|name| {
            Some(((*name).to_owned(), json!(request.headers.get(*name)?.to_str().unwrap().replace(env!("CARGO_PKG_VERSION"), "[version]"))))
        })
        .collect();
    let body = String::from_utf8(request.body.clone()).unwrap();
    json!({
        "request": format!("{} {}{}", request.method, request.url.path(), request.url.query().map(|q| format!("?{q}")).unwrap_or_default()),
        "headers": headers,
        "body": serde_json::from_str(&body).unwrap_or(json!(body)),
    })
}

async fn received(server: &MockServer) -> Vec<Value> {
    server.received_requests().await.unwrap().iter().map(seen).collect()
}

async fn answering(server: &MockServer, verb: &str, at: &str, body: &str) {
    Mock::given(method(verb))
        .and(path(at))
        .respond_with(ResponseTemplate::new(200).set_body_raw(body, "application/json"))
        .mount(server)
        .await;
}

#[tokio::test]
async fn a_reply_goes_out_as_mastodon_documents_it() {
    let server = MockServer::start().await;
    answering(&server, "POST", "/api/v1/statuses", STATUS).await;
    let account = account(Platform::Mastodon, &server.uri());
    let mut reply = post("Hallo „Welt“ & <alle>\n#Eins");
    let before = Sent { external_id: "77".to_owned(), url: "https://social.example/@ann/77".to_owned(), cid: None };
    reply.reply_to = Some(ReplyTo { root: before.clone(), parent: before });
    let frozen = freeze(&account, &reply, &Staged::NOTHING, intent()).unwrap();
    let submission = submit(&http(), &account, &credentials(Platform::Mastodon), Sending::text(&frozen)).await.value;
    assert_eq!(
        submission,
        Submission::Published(Sent {
            external_id: "115532177301220387".to_owned(),
            url: "https://social.example/@ann/115532177301220387".to_owned(),
            cid: None
        })
    );
    insta::assert_json_snapshot!("reply", received(&server).await);
    insta::assert_json_snapshot!("frozen", frozen);
}

#[tokio::test]
async fn servers_that_answer_a_little_differently_are_understood() {
    for (body, id, url) in [
        (r#"{"id":12,"uri":"https://a.example/12","url":null}"#, "12", "https://a.example/12"),
        (r#"{"id":"x-1","uri":"urn:x","url":"javascript:alert(1)"}"#, "x-1", ""),
        (r#"{"id":"x-2"}"#, "x-2", ""),
    ] {
        let sent = serde_json::from_str::<Status>(body).unwrap().sent().unwrap();
        assert_eq!((sent.external_id.as_str(), sent.url.as_str()), (id, url));
    }
}

#[tokio::test]
async fn a_token_without_the_scope_needs_a_reconnect() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(403).set_body_json(json!({"error": "This action is outside the authorized scopes"}));
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let account = account(Platform::Mastodon, &server.uri());
    let frozen = freeze(&account, &post("Hallo"), &Staged::NOTHING, intent()).unwrap();
    let submission = submit(&http(), &account, &credentials(Platform::Mastodon), Sending::text(&frozen)).await.value;
    assert_eq!(submission.name(), "credentials_expired", "{submission:?}");
}

/// A server that answers the questions of `check`; `nodeinfo` is the software it names.
async fn instance_server(nodeinfo: Option<&str>, v2: bool) -> MockServer {
    let server = MockServer::start().await;
    answering(
        &server,
        "GET",
        "/api/v1/accounts/verify_credentials",
        r#"{"id":"109","username":"ann","acct":"ann","source":{"privacy":"public"}}"#,
    )
    .await;
    if v2 {
        let body = r#"{"domain":"social.example","version":"4.4.1","configuration":{"statuses":{"max_characters":500,"max_media_attachments":4,"characters_reserved_per_url":23}}}"#;
        answering(&server, "GET", "/api/v2/instance", body).await;
    } else {
        answering(
            &server,
            "GET",
            "/api/v1/instance",
            r#"{"uri":"https://social.example","version":"2.7.2 (compatible; x)","max_toot_chars":5000}"#,
        )
        .await;
    }
    if let Some(name) = nodeinfo {
        let rel = |version: &str| format!("http://nodeinfo.diaspora.software/ns/schema/{version}");
        let links = json!({"links": [{"rel": rel("1.0"), "href": "http://unused.invalid/"}, {"rel": rel("2.0"), "href": format!("{}/nodeinfo/2.0", server.uri())}]});
        answering(&server, "GET", "/.well-known/nodeinfo", &links.to_string()).await;
        answering(&server, "GET", "/nodeinfo/2.0", &json!({"version": "2.0", "software": {"name": name, "version": "1"}}).to_string())
            .await;
    }
    server
}

#[tokio::test]
async fn connecting_learns_whose_the_token_is_and_what_the_server_keeps() {
    let server = instance_server(Some("mastodon"), true).await;
    let (account, _, health) =
        connect(&http(), &Apps::default(), Platform::Mastodon, &server.uri(), "@ann", credentials(Platform::Mastodon)).await.unwrap();
    assert_eq!((account.remote_id.as_str(), account.handle.as_str()), ("109", "ann@social.example"));
    assert_eq!(account.send_class(), SendClass::B);
    assert_eq!((health.limits.max_characters, health.limits.characters_per_url), (Some(500), Some(23)));
    insta::assert_json_snapshot!("check", received(&server).await);
    // NodeInfo is public: no token goes to the address it names.
    let told: Vec<_> =
        server.received_requests().await.unwrap().into_iter().filter(|request| request.headers.contains_key("authorization")).collect();
    assert!(told.iter().all(|request| request.url.path() == "/api/v1/accounts/verify_credentials"));
}

#[tokio::test]
async fn a_server_that_names_other_or_no_software_is_looked_up_only() {
    for name in [Some("snac"), None] {
        let server = instance_server(name, false).await;
        let (account, ..) =
            connect(&http(), &Apps::default(), Platform::Mastodon, &server.uri(), "", credentials(Platform::Mastodon)).await.unwrap();
        assert_eq!((account.software.as_deref(), account.send_class()), (name, SendClass::E));
        assert_eq!((account.handle.as_str(), account.limits.max_characters), ("ann@social.example", Some(5000)));
    }
}

#[tokio::test]
async fn a_token_of_somebody_else_is_refused() {
    let server = instance_server(Some("mastodon"), true).await;
    let error =
        connect(&http(), &Apps::default(), Platform::Mastodon, &server.uri(), "bob", credentials(Platform::Mastodon)).await.unwrap_err();
    assert_eq!(error.what(), "these credentials belong to @ann@social.example, not to @bob");
}

#[tokio::test]
async fn a_failing_nodeinfo_is_not_taken_for_none() {
    let server = instance_server(None, true).await;
    Mock::given(path("/.well-known/nodeinfo")).respond_with(ResponseTemplate::new(502)).mount(&server).await;
    let error = check(&http(), &account(Platform::Mastodon, &server.uri()), &credentials(Platform::Mastodon)).await.unwrap_err();
    assert!(matches!(error, ActivityError::Transient { .. }));
}

#[tokio::test]
async fn counters_and_deletion_ask_for_the_one_status() {
    let server = MockServer::start().await;
    let id = "115532177301220387";
    answering(&server, "GET", &format!("/api/v1/statuses/{id}"), STATUS).await;
    answering(&server, "DELETE", &format!("/api/v1/statuses/{id}"), STATUS).await;
    let (account, credentials) = (account(Platform::Mastodon, &server.uri()), credentials(Platform::Mastodon));
    let counters = metrics(&http(), &account, &credentials, id).await.unwrap().value;
    assert_eq!(counters, Counters { likes: Some(5), comments: Some(2), shares: Some(4), ..Counters::default() });
    delete(&http(), &account, &credentials, id).await.unwrap();
    let error = metrics(&http(), &account, &credentials, "../accounts/109").await.unwrap_err();
    assert!(matches!(error, ActivityError::NotFound { .. }));
    let paths: Vec<_> = server.received_requests().await.unwrap().iter().map(|request| request.url.path().to_owned()).collect();
    assert!(paths.iter().all(|path| path.starts_with("/api/v1/statuses/")), "an id stays one segment: {paths:?}");
}

#[tokio::test]
async fn a_server_without_deletion_is_not_believed_that_the_post_is_gone() {
    let server = MockServer::start().await;
    let (account, credentials) = (account(Platform::Mastodon, &server.uri()), credentials(Platform::Mastodon));
    assert!(matches!(delete(&http(), &account, &credentials, "7").await, Err(ActivityError::NotFound { .. })));
    answering(&server, "GET", "/api/v1/statuses/7", STATUS).await;
    let error = delete(&http(), &account, &credentials, "7").await.unwrap_err();
    assert!(matches!(&error, ActivityError::Rejected { what } if what.contains("delete it there")), "{error:?}");
}

#[tokio::test]
async fn a_token_that_stands_for_nobody_needs_a_reconnect() {
    let server = MockServer::start().await;
    Mock::given(path("/api/v1/accounts/verify_credentials")).respond_with(ResponseTemplate::new(422)).mount(&server).await;
    let error = check(&http(), &account(Platform::Mastodon, &server.uri()), &credentials(Platform::Mastodon)).await.unwrap_err();
    assert!(matches!(error, ActivityError::CredentialsExpired { .. }), "{error:?}");
}
