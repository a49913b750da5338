//! What the stand-ins do when they are told to misbehave, seen by a plain HTTP client. The Mastodon stand-in serves as the one at fault; the gate is shared.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use sandbox::{
    fault::{Endpoint, Fault, Rule, When},
    mastodon::{Mastodon, Options},
};
use serde_json::{Value, json as value};

use crate::mastodon::{get, json, listed, post};

async fn server() -> Mastodon {
    Mastodon::start(Options::default()).await.unwrap()
}

/// The text of an error and of all that it comes from.
fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn accept_then_reset_keeps_the_post_and_resets_the_connection() {
    let server = server().await;
    server.faults().next(Endpoint::Publish, Fault::AcceptThenReset, 1);
    let error = post(&server, "lost answer", Some("k")).await.unwrap_err();
    assert!(!error.is_connect() && error.status().is_none() && causes(&error).contains("reset"), "{}", causes(&error));
    assert_eq!(server.books().len(), 1);
    assert_eq!(post(&server, "lost answer", Some("k")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(server.books().len(), 1);
    assert_eq!(server.faults().fired()[0].fault, Fault::AcceptThenReset);
}

#[tokio::test]
async fn reset_before_reading_keeps_nothing() {
    let server = server().await;
    server.faults().next(Endpoint::Publish, Fault::ResetBeforeReading, 1);
    let error = post(&server, "never read", None).await.unwrap_err();
    assert!(causes(&error).contains("reset"), "{}", causes(&error));
    assert!(server.books().is_empty());
}

#[tokio::test]
async fn accept_then_fail_keeps_and_refuse_does_not() {
    let server = server().await;
    server.faults().next(Endpoint::Publish, Fault::AcceptThenFail { status: 500 }, 1);
    server.faults().next(Endpoint::Publish, Fault::Refuse { status: 503 }, 2);
    let failed = post(&server, "one", None).await.unwrap();
    assert_eq!((failed.status(), server.books().len()), (StatusCode::INTERNAL_SERVER_ERROR, 1));
    for _ in 0..2 {
        assert_eq!(post(&server, "two", None).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(server.books().len(), 1);
    assert_eq!(post(&server, "two", None).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_hang_is_a_timeout_with_or_without_the_post() {
    let server = server().await;
    server.faults().next(Endpoint::Publish, Fault::Hang, 1);
    server.faults().next(Endpoint::Publish, Fault::AcceptThenHang, 1);
    let send = || {
        let request = Client::new()
            .post(format!("{}/api/v1/statuses", server.base_url()))
            .bearer_auth("mastodon-stand-in-token")
            .form(&[("status", "x")]);
        request.timeout(Duration::from_millis(700)).send()
    };
    assert!(send().await.unwrap_err().is_timeout());
    assert!(server.books().is_empty());
    assert!(send().await.unwrap_err().is_timeout());
    assert_eq!(server.books().len(), 1);
    // Stopping must not wait for what hangs on order.
    server.stop().await;
}

#[tokio::test]
async fn a_late_act_happens_after_the_caller_has_gone() {
    let server = server().await;
    server.faults().next(Endpoint::Publish, Fault::ActLate { ms: 1500 }, 1);
    let request = Client::new()
        .post(format!("{}/api/v1/statuses", server.base_url()))
        .bearer_auth("mastodon-stand-in-token")
        .form(&[("status", "late")]);
    assert!(request.timeout(Duration::from_millis(700)).send().await.unwrap_err().is_timeout());
    while server.books().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.books()[0].text, "late");
}

#[tokio::test]
async fn a_late_answer_comes_after_the_post_is_kept() {
    let server = server().await;
    server.faults().next(Endpoint::Publish, Fault::AnswerLate { ms: 200 }, 1);
    let waiting = post(&server, "slow", None);
    let kept = async {
        while server.books().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (answer, ()) = tokio::join!(waiting, kept);
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_rate_window_answers_429_until_it_ends() {
    let server = server().await;
    server.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: 3600 }, 1);
    for _ in 0..3 {
        let refused = post(&server, "x", None).await.unwrap();
        assert_eq!((refused.status(), refused.headers()["x-ratelimit-remaining"].to_str().unwrap()), (StatusCode::TOO_MANY_REQUESTS, "0"));
        let reset = chrono::DateTime::parse_from_rfc3339(refused.headers()["x-ratelimit-reset"].to_str().unwrap()).unwrap();
        assert!(reset > chrono::Utc::now() + chrono::TimeDelta::minutes(30));
    }
    assert_eq!(get(&server, "/api/v1/accounts/verify_credentials").await.status(), StatusCode::OK);
    server.faults().clear();
    assert_eq!(post(&server, "x", None).await.unwrap().status(), StatusCode::OK);
    server.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: 1 }, 1);
    while post(&server, "y", None).await.unwrap().status() == StatusCode::TOO_MANY_REQUESTS {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.books().len(), 2);
}

#[tokio::test]
async fn tokens_expire_and_are_revoked_in_mid_flight() {
    let server = server().await;
    server.faults().next(Endpoint::Publish, Fault::ExpireAccess, 1);
    for _ in 0..2 {
        assert_eq!(json(post(&server, "x", None).await.unwrap()).await["error"], "The access token expired");
    }
    server.reinstate("pressroom");
    server.faults().next(Endpoint::Auth, Fault::RevokeCredentials, 1);
    assert_eq!(json(get(&server, "/api/v1/accounts/verify_credentials").await).await["error"], "The access token was revoked");
    assert_eq!(post(&server, "x", None).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert!(server.books().is_empty());
}

#[tokio::test]
async fn a_new_post_stays_hidden_from_lookups_for_a_number_or_a_time() {
    let server = server().await;
    server.faults().next(Endpoint::Publish, Fault::HideNew { ms: 0, lookups: 2 }, 1);
    let id = json(post(&server, "shy", None).await.unwrap()).await["id"].as_str().unwrap().to_owned();
    assert!(listed(&server, "").await.is_empty());
    assert_eq!(get(&server, &format!("/api/v1/statuses/{id}")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(listed(&server, "").await, [id]);

    server.faults().next(Endpoint::Publish, Fault::HideNew { ms: 300, lookups: 0 }, 1);
    let id = json(post(&server, "shy too", None).await.unwrap()).await["id"].as_str().unwrap().to_owned();
    assert_eq!(server.books().len(), 2);
    while get(&server, &format!("/api/v1/statuses/{id}")).await.status() == StatusCode::NOT_FOUND {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(listed(&server, "").await.len(), 2);
}

#[tokio::test]
async fn another_process_can_steer_and_read_the_books() {
    let server = server().await;
    let url = |path: &str| format!("{}/_sandbox/{path}", server.base_url());
    let rule = Rule { on: Endpoint::Publish, fault: Fault::AcceptThenFail { status: 502 }, when: When::Next(1) };
    let ordered = Client::new().post(url("faults")).json(std::slice::from_ref(&rule)).send().await.unwrap();
    assert_eq!(ordered.status(), StatusCode::NO_CONTENT);
    assert_eq!(server.faults().pending(), [rule]);
    assert_eq!(post(&server, "steered", Some("k")).await.unwrap().status(), StatusCode::BAD_GATEWAY);
    let books: Value = json(reqwest::get(url("books")).await.unwrap()).await;
    assert_eq!((&books["statuses"][0]["text"], &books["statuses"][0]["idempotency_key"]), (&value!("steered"), &value!("k")));
    let faults: Value = json(reqwest::get(url("faults")).await.unwrap()).await;
    assert_eq!(faults["fired"][0]["fault"], value!({ "kind": "accept_then_fail", "status": 502 }));
    let one = Client::new().post(url("faults")).json(&value!({ "on": "publish", "fault": { "kind": "hang" } })).send().await.unwrap();
    assert_eq!(one.status(), StatusCode::NO_CONTENT);
    Client::new().delete(url("faults")).send().await.unwrap();
    assert_eq!(server.faults().pending(), []);
    Client::new().post(url("accounts/pressroom/expire")).send().await.unwrap();
    assert_eq!(post(&server, "x", None).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(Client::new().post(url("accounts/nobody/expire")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_stopped_or_dropped_server_is_gone() {
    for gently in [true, false] {
        let server = server().await;
        let url = format!("{}/api/v1/instance", server.base_url());
        assert!(reqwest::get(&url).await.is_ok());
        if gently {
            server.stop().await;
        } else {
            drop(server);
        }
        // A dropped server's tasks end at the runtime's next turn.
        while let Ok(answer) = reqwest::get(&url).await {
            assert!(!gently, "still answers {}", answer.status());
            tokio::task::yield_now().await;
        }
    }
}
