use std::collections::BTreeSet;

use domain::publication::{PartKind, ReplyTo, SendClass};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method as verb, path},
};

use super::*;
use crate::platform::{
    freeze, metrics, submit,
    tests::{account, credentials, http, intent, post},
};

fn before(id: &str) -> Sent {
    Sent { external_id: id.to_owned(), url: String::new(), cid: None }
}

#[test]
fn a_frozen_reply_has_its_parent_and_its_switches() {
    let account = account(Platform::X, "https://api.x.com/");
    let mut reply = post("Grüße");
    reply.kind = PartKind::Continuation;
    reply.reply_to = Some(ReplyTo { root: before("1"), parent: before("2") });
    reply.disclosures = BTreeSet::from([Disclosure::AiGenerated, Disclosure::PaidPartnership, Disclosure::OwnBrand]);
    let frozen = freeze(&account, &reply, &Staged::NOTHING, intent()).unwrap();
    let body: Value = serde_json::from_str(&frozen.body).unwrap();
    let wanted = json!({"text": "Grüße", "reply": {"in_reply_to_tweet_id": "2"}, "made_with_ai": true, "paid_partnership": true});
    assert_eq!(body, wanted);
    assert_eq!((frozen.class, frozen.can_resend(Utc::now(), Utc::now())), (SendClass::D, false), "a refusal names nothing");
}

#[test]
fn an_address_is_that_of_people_and_not_of_the_api() {
    let id = "1700000000000000002";
    let url = |base: &str| sent(&account(Platform::X, base), id).unwrap().url;
    assert_eq!(url("https://api.x.com/"), format!("https://x.com/ann/status/{id}"));
    assert_eq!(url("http://127.0.0.1:7"), format!("http://127.0.0.1:7/ann/status/{id}"));
    assert!(sent(&account(Platform::X, "https://api.x.com/"), "../me").is_none());
}

#[tokio::test]
async fn a_duplicate_proves_that_something_is_there_and_not_what() {
    let server = MockServer::start().await;
    let problem = json!({"title": "Forbidden", "type": "about:blank", "status": 403,
        "detail": "You are not allowed to create a Tweet with duplicate content."});
    Mock::given(path("/2/tweets")).respond_with(ResponseTemplate::new(403).set_body_json(problem)).mount(&server).await;
    let account = account(Platform::X, &server.uri());
    let frozen = freeze(&account, &post("Hallo"), &Staged::NOTHING, intent()).unwrap();
    let outcome = submit(&http(), &account, &credentials(Platform::X), Sending::text(&frozen)).await.value;
    assert!(matches!(&outcome, Submission::Repeated { what } if what.contains("duplicate")), "{outcome:?}");
}

#[tokio::test]
async fn private_counters_are_asked_for_as_long_as_there_are_any() {
    let server = MockServer::start().await;
    let told =
        json!({"data": {"id": "1", "public_metrics": {"like_count": 3, "retweet_count": 2, "quote_count": 1, "impression_count": 9}}});
    Mock::given(verb("GET")).respond_with(ResponseTemplate::new(200).set_body_json(told)).mount(&server).await;
    let account = account(Platform::X, &server.uri());
    let young = ((Utc::now().timestamp_millis() - EPOCH) << 22).to_string();
    for (id, private) in [("20", false), (young.as_str(), true)] {
        let counters = metrics(&http(), &account, &credentials(Platform::X), id).await.unwrap().value;
        assert_eq!((counters.likes, counters.shares, counters.impressions, counters.clicks), (Some(3), Some(3), Some(9), None));
        let asked = server.received_requests().await.unwrap().pop().unwrap().url;
        assert_eq!(asked.query().unwrap().contains("non_public_metrics"), private, "{asked}");
    }
}
