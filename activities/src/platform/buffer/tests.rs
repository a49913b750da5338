use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string_contains, header, method as verb},
};

use super::*;
use crate::platform::{
    check, freeze, submit,
    tests::{account, credentials, http, intent, post, staged},
};

/// What was staged of a post with this text.
pub(in crate::platform) fn drafted(text: &str) -> Staged {
    let account = account(Platform::Buffer, "https://api.buffer.com/");
    Staged::of(&Draft { post: "66a1".to_owned(), of: made_of(&account, &post(text)) }).unwrap()
}

/// A server that answers the edit, and the question after it, with these.
async fn server(edit: Value, then: Value) -> (MockServer, Account) {
    let server = MockServer::start().await;
    let answer = |value: &Value| ResponseTemplate::new(200).set_body_json(value);
    Mock::given(verb("POST")).and(body_string_contains("editPost")).respond_with(answer(&edit)).expect(1).mount(&server).await;
    Mock::given(verb("POST")).and(body_string_contains("query Post")).respond_with(answer(&then)).mount(&server).await;
    let account = account(Platform::Buffer, &server.uri());
    (server, account)
}

fn standing_of(status: &str) -> Value {
    json!({"data": {"post": {"id": "66a1", "status": status, "externalLink": "https://x.example/1", "error": {"message": "why"}}}})
}

fn edited(status: &str) -> Value {
    json!({"data": {"editPost": {"__typename": "PostActionSuccess", "post": standing_of(status)["data"]["post"]}}})
}

async fn sent(edit: Value, then: &str) -> Submission {
    let (_server, account) = server(edit, standing_of(then)).await;
    let frozen = freeze(&account, &post("Hallo"), &staged(Platform::Buffer), intent()).unwrap();
    submit(&http(), &account, &credentials(Platform::Buffer), Sending::text(&frozen)).await.value
}

#[test]
fn what_is_published_is_the_draft_and_the_whole_text_is_frozen() {
    let account = account(Platform::Buffer, "https://api.buffer.com/");
    let frozen = freeze(&account, &post("Hallo"), &staged(Platform::Buffer), intent()).unwrap();
    let body: Value = serde_json::from_str(&frozen.body).unwrap();
    let input = json!({"id": "66a1", "schedulingType": "automatic", "mode": "shareNow", "saveToDraft": false, "text": "Hallo"});
    assert_eq!((&body["variables"]["input"], frozen.record_key.as_deref()), (&input, Some("66a1")));
    assert!(!frozen.can_resend(frozen.frozen_at, frozen.frozen_at), "only if it is a draft still");
    assert!(freeze(&account, &post("Another"), &staged(Platform::Buffer), intent()).is_err(), "the draft is of another text");
}

#[test]
fn some_networks_want_more_than_a_part_has() {
    for (service, goes) in [("linkedin", true), ("twitter", true), ("instagram", false), ("pinterest", false), ("youtube", false)] {
        let account = Account { software: Some(service.to_owned()), ..account(Platform::Buffer, "https://api.buffer.com/") };
        assert_eq!(allowed(&account, &post("Hallo")).is_ok(), goes, "{service}");
    }
}

#[tokio::test]
async fn an_answer_proves_what_it_says_and_no_more() {
    for (status, name) in [
        ("sent", "published"),
        ("sending", "unknown"),
        ("scheduled", "unknown"),
        ("needs_approval", "unknown"),
        ("new_one", "unknown"),
        ("error", "rejected"),
        ("draft", "rejected"),
    ] {
        assert_eq!(sent(edited(status), "draft").await.name(), name, "{status}");
    }
    for (code, name) in [
        ("UNAUTHENTICATED", "credentials_expired"),
        ("UNAUTHORIZED", "credentials_expired"),
        ("UNEXPECTED", "unknown"),
        ("RATE_LIMIT_EXCEEDED", "rate_limited"),
        ("FORBIDDEN", "rejected"),
    ] {
        let errors = json!({"data": null, "errors": [{"message": "no", "extensions": {"code": code}}]});
        assert_eq!(sent(errors, "draft").await.name(), name, "{code}");
    }
}

#[tokio::test]
async fn a_refusal_is_worth_what_the_post_itself_says() {
    let refused = |kind: &str| json!({"data": {"editPost": {"__typename": kind, "message": "already sent"}}});
    for (kind, then, name) in [
        ("InvalidInputError", "draft", "rejected"),
        ("InvalidInputError", "sent", "published"),
        ("InvalidInputError", "sending", "unknown"),
        ("LimitReachedError", "draft", "rejected"),
        ("UnexpectedError", "draft", "unknown"),
        ("RestProxyError", "draft", "unknown"),
    ] {
        assert_eq!(sent(refused(kind), then).await.name(), name, "{kind}, {then}");
    }
}

#[tokio::test]
async fn a_channel_that_its_network_does_not_let_in_has_to_be_reconnected() {
    for (field, expired) in [("isDisconnected", true), ("isLocked", false)] {
        let server = MockServer::start().await;
        let mut channel = json!({"id": "66a1c", "name": "ann", "service": "linkedin", "isDisconnected": false, "isLocked": false});
        channel[field] = true.into();
        let answer = ResponseTemplate::new(200).set_body_json(json!({"data": {"channel": channel}}));
        Mock::given(header("authorization", "Bearer planted-token-1")).respond_with(answer).mount(&server).await;
        let account = account(Platform::Buffer, &server.uri());
        let error = check(&http(), &account, &credentials(Platform::Buffer)).await.unwrap_err();
        assert_eq!(matches!(error, ActivityError::CredentialsExpired { .. }), expired, "{error:?}");
    }
}

#[test]
fn counters_are_told_or_not_there() {
    let read = json!([{"type": "reactions", "value": 3.0}, {"type": "shares", "value": 1.0}, {"type": "reposts", "value": 2.0},
        {"type": "engagementRate", "value": 1.5}, {"type": "views", "value": 40.0}]);
    let counters = counters(&read);
    assert_eq!((counters.likes, counters.shares, counters.impressions, counters.clicks), (Some(3), Some(3), Some(40), None));
    assert_eq!(super::counters(&Value::Null), Counters::default());
}
