use domain::publication::{ReplyTo, SendClass};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method as verb, path, query_param},
};

use super::*;
use crate::platform::{
    accounts, freeze, submit,
    tests::{account, credentials, http, intent, post},
};

/// The URN of a post that was made then.
fn share(at: DateTime<Utc>) -> String {
    format!("urn:li:share:{}", (at.timestamp_millis() << 22) + 7)
}

fn frozen(account: &Account) -> Frozen {
    freeze(account, &post("News (really)"), &Staged::NOTHING, intent()).unwrap()
}

#[test]
fn a_frozen_post_is_public_and_its_text_means_nothing_but_itself() {
    let frozen = frozen(&account(Platform::LinkedIn, "https://api.linkedin.com/"));
    let body: Value = serde_json::from_str(&frozen.body).unwrap();
    assert_eq!((&body["author"], &body["visibility"]), (&json!("urn:li:person:Ab1_x"), &json!("PUBLIC")));
    assert_eq!((&body["commentary"], &body["content"]), (&json!(r"News \(really\)"), &Value::Null));
    let (first, later) = (frozen.frozen_at, frozen.frozen_at + TimeDelta::minutes(31));
    assert_eq!((frozen.class, frozen.can_resend(first, first), frozen.can_resend(first, later)), (SendClass::D, true, false));
}

#[test]
fn a_comment_hangs_on_a_post_and_is_not_sent_again_by_itself() {
    let account = account(Platform::LinkedIn, "https://api.linkedin.com/");
    let below = |urn: &str, text: &str| {
        let parent = Sent { external_id: urn.to_owned(), url: String::new(), cid: None };
        let part = Part { kind: PartKind::Comment, reply_to: Some(ReplyTo { root: parent.clone(), parent }), ..post(text) };
        freeze(&account, &part, &Staged::NOTHING, intent())
    };
    let frozen = below("urn:li:share:17", "First (1)!").unwrap();
    assert_eq!(comments::object(&frozen.body).as_deref(), Some("urn:li:share:17"));
    assert!(frozen.body.contains(r#""text":"First (1)!""#), "comments are no little text: {}", frozen.body);
    assert!(!frozen.can_resend(frozen.frozen_at, frozen.frozen_at), "LinkedIn refuses no second comment");
    assert!(below("../me", "x").is_err());
    assert!(below("urn:li:share:17", &"x".repeat(1251)).is_err() && below("urn:li:share:17", &"x".repeat(1250)).is_ok());
}

#[test]
fn a_post_is_where_people_read_it_and_bears_its_time() {
    let at = DateTime::from_timestamp_millis(1_796_115_600_123).unwrap();
    let (real, stand_in) = (account(Platform::LinkedIn, "https://api.linkedin.com/"), account(Platform::LinkedIn, "http://127.0.0.1:7/"));
    let urn = share(at);
    assert_eq!(made_at(&urn), Some(at));
    assert_eq!(sent(&real, &urn).unwrap().url, format!("https://www.linkedin.com/feed/update/{urn}"));
    assert_eq!(sent(&stand_in, &format!("urn:li:comment:({urn},9)")).unwrap().url, format!("http://127.0.0.1:7/feed/update/{urn}"));
    assert!(sent(&real, "urn:li:share:1/../me").is_none());
    assert_eq!(encoded("urn:li:comment:(a,1)"), "urn%3Ali%3Acomment%3A%28a%2C1%29");
}

#[tokio::test]
async fn a_repetition_is_ours_only_if_the_post_that_it_names_is_young_enough() {
    for (named, name) in [
        (Some(TimeDelta::zero()), "published"),
        (Some(TimeDelta::minutes(-4)), "published"),
        (Some(TimeDelta::minutes(-6)), "rejected"),
        (Some(TimeDelta::days(-1)), "rejected"),
        (None, "unknown"),
    ] {
        let server = MockServer::start().await;
        let account = account(Platform::LinkedIn, &server.uri());
        let frozen = frozen(&account);
        let urn = named.map(|age| share(frozen.frozen_at + age));
        let message = urn.as_ref().map_or("Content is a duplicate".to_owned(), |urn| format!("Content is a duplicate of {urn}"));
        let refusal = json!({"message": message, "status": 422, "errorDetails": {"inputErrors": [{"code": "DUPLICATE_POST"}]}});
        Mock::given(verb("POST"))
            .and(header("linkedin-version", VERSION))
            .respond_with(ResponseTemplate::new(422).set_body_json(refusal))
            .mount(&server)
            .await;
        let outcome = submit(&http(), &account, &credentials(Platform::LinkedIn), Sending::text(&frozen)).await.value;
        assert_eq!(outcome.name(), name, "{named:?}: {outcome:?}");
        if let Submission::Duplicate(sent) = outcome {
            assert_eq!(Some(sent.external_id), urn);
        }
    }
}

#[tokio::test]
async fn an_upload_goes_to_linkedin_and_nobody_else() {
    let server = MockServer::start().await;
    let place = json!({"value": {"uploadUrl": "https://elsewhere.example/x", "image": "urn:li:image:1"}});
    Mock::given(path("/rest/images")).respond_with(ResponseTemplate::new(200).set_body_json(place)).expect(1).mount(&server).await;
    let account = account(Platform::LinkedIn, &server.uri());
    let media = domain::publication::PartMedia {
        asset: domain::ids::AssetId::from_uuid(Uuid::nil()),
        content_type: "image/png".to_owned(),
        bytes: 1,
        sha256: "a".to_owned(),
        size: None,
        alt: String::new(),
    };
    let files = [MediaFile::held(media.clone(), None, bytes::Bytes::from_static(b"x"))];
    let part = Part { media: vec![media], ..post("Look") };
    let staged = crate::platform::stage(&http(), &account, &credentials(Platform::LinkedIn), &part, &files, Staged::NOTHING).await;
    assert!(matches!(&staged, Err(ActivityError::Rejected { what }) if what.contains("not its own")), "{staged:?}");
    assert!(freeze(&account, &part, &Staged::NOTHING, intent()).is_err(), "nothing is uploaded");
}

#[tokio::test]
async fn an_authorisation_opens_the_member_and_what_it_administers() {
    let server = MockServer::start().await;
    let json = |value: Value| ResponseTemplate::new(200).set_body_json(value);
    Mock::given(path("/v2/userinfo")).respond_with(json(json!({"sub": "Ab1", "name": "Ann"}))).mount(&server).await;
    let roles = json!({"elements": [{"organization": "urn:li:organization:55"}, {"organization": "urn:li:organizationBrand:6"}]});
    Mock::given(path("/rest/organizationAcls")).and(query_param("role", "ADMINISTRATOR")).respond_with(json(roles)).mount(&server).await;
    Mock::given(path("/rest/organizations/55")).respond_with(json(json!({"vanityName": "ann-inc"}))).mount(&server).await;
    let base = server.uri().parse().unwrap();
    let offered = accounts(&http(), Platform::LinkedIn, &base, &credentials(Platform::LinkedIn)).await.unwrap();
    let named: Vec<_> = offered.iter().map(|one| (one.name.as_str(), one.credentials.fact("organization"))).collect();
    assert_eq!(named, [("Ann", None), ("ann-inc", Some("55"))]);
}
