use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method as verb, path},
};

use super::*;
use crate::platform::{
    check, freeze, submit,
    tests::{account, credentials, http, intent, post},
};

fn frozen(account: &Account) -> Frozen {
    freeze(account, &post("Hallo"), &Staged::NOTHING, intent()).unwrap()
}

async fn sent(status: u16, body: Value) -> Submission {
    let server = MockServer::start().await;
    Mock::given(verb("POST"))
        .and(path("/v1/messages"))
        .and(header("content-type", "application/json;charset=utf-8"))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .expect(1)
        .mount(&server)
        .await;
    let account = account(Platform::Hootsuite, &server.uri());
    submit(&http(), &account, &credentials(Platform::Hootsuite), Sending::text(&frozen(&account))).await.value
}

#[test]
fn a_frozen_message_goes_out_at_once_by_its_profile() {
    let account = account(Platform::Hootsuite, "https://platform.hootsuite.com/");
    let frozen = frozen(&account);
    let body: Value = serde_json::from_str(&frozen.body).unwrap();
    assert_eq!(body, json!({"text": "Hallo", "socialProfileIds": ["115185509"], "emailNotification": false}));
    assert!(!frozen.can_resend(frozen.frozen_at, frozen.frozen_at), "there is no key");
    let pinterest = Account { software: Some("PINTEREST".to_owned()), ..account };
    assert!(freeze(&pinterest, &post("Hallo"), &Staged::NOTHING, intent()).is_err());
}

#[tokio::test]
async fn an_answer_proves_what_its_state_says() {
    for (state, name) in [
        ("SENT", "published"),
        ("SCHEDULED", "published"),
        ("SUBMITTED", "published"),
        ("PENDING_APPROVAL", "unknown"),
        ("NEW_ONE", "unknown"),
        ("SEND_FAILED_PERMANENTLY", "rejected"),
    ] {
        assert_eq!(sent(200, json!({"data": [{"id": "4138476039", "state": state}]})).await.name(), name, "{state}");
    }
    let two_minds = json!({"data": [], "errors": [{"code": 9000, "message": "An internal error occurred"}]});
    assert_eq!(sent(200, two_minds).await.name(), "unknown");
}

#[tokio::test]
async fn a_refusal_is_read_by_its_code() {
    for (status, code, name) in [
        (400, 4000, "rejected"),
        (400, 40_025, "rejected"),
        (400, 40_021, "not_sent"),
        (400, 9000, "unknown"),
        (400, 1001, "credentials_expired"),
        (401, 1001, "credentials_expired"),
        (429, 1003, "rate_limited"),
        (403, 1043, "rate_limited"),
        (500, 5000, "unknown"),
        (500, 4000, "unknown"),
    ] {
        let body = json!({"errors": [{"code": code, "message": "no", "id": "f7d3"}]});
        assert_eq!(sent(status, body).await.name(), name, "{status} {code}");
    }
}

#[tokio::test]
async fn a_profile_that_its_network_does_not_let_in_has_to_be_reconnected() {
    let server = MockServer::start().await;
    let profile = json!({"data": {"id": "115185509", "type": "TWITTER", "socialNetworkId": "77", "isReauthRequired": 1}});
    Mock::given(path("/v1/socialProfiles/115185509")).respond_with(ResponseTemplate::new(200).set_body_json(profile)).mount(&server).await;
    let account = account(Platform::Hootsuite, &server.uri());
    let known = credentials(Platform::Hootsuite).with_fact("social_profile", "115185509");
    let error = check(&http(), &account, &known).await.unwrap_err();
    assert!(matches!(&error, ActivityError::CredentialsExpired { what } if what.contains("in Hootsuite")), "{error:?}");
}
