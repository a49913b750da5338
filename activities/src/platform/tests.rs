//! What every platform must conclude from whatever can happen to a send.

use std::time::Duration;

use domain::brief::Language;
use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, method, path},
};

use super::*;
use crate::http::{
    OutgoingSettings,
    raw_server::{Act, RawServer},
};

/// A token that must never come out again.
pub(super) const TOKEN: &str = "planted-token-1";
pub(super) const DID: &str = "did:plc:abcdefghijklmnopqrstuvwx";

pub(super) fn http() -> Outgoing {
    let settings = OutgoingSettings { allow_private_networks: true, timeout: Duration::from_secs(5), ..OutgoingSettings::default() };
    Outgoing::new(&settings).unwrap()
}

pub(super) fn account(platform: Platform, base_url: &str) -> Account {
    let (handle, remote_id, software) = match platform {
        Platform::Mastodon => ("ann@social.example", "109", Some("mastodon".to_owned())),
        Platform::Bluesky => ("ann.example", DID, Some("bluesky".to_owned())),
        Platform::Telegram => ("ann_news", "-1001234567890", None),
        Platform::Discord => ("ann", "1/2/3", Some("bot".to_owned())),
        Platform::Slack => ("ann@acme.slack.com", "T1/C1", None),
        Platform::TikTok => ("ann", "-000ann", None),
        Platform::YouTube => ("ann", "UCann", None),
        Platform::Threads => ("ann", "246", None),
        Platform::Instagram => ("ann", "178", None),
        Platform::Facebook => ("Ann's Coffee", "546", None),
        Platform::X => ("ann", "1700000000000000001", None),
        Platform::LinkedIn => ("Ann", "urn:li:person:Ab1_x", Some("member".to_owned())),
        Platform::Buffer => ("ann", "66a1c", Some("linkedin".to_owned())),
        Platform::Hootsuite => ("ann", "115185509", Some("LINKEDINCOMPANY".to_owned())),
    };
    Account {
        platform,
        base_url: base_url.parse().unwrap(),
        handle: handle.to_owned(),
        remote_id: remote_id.to_owned(),
        software,
        limits: Limits::default(),
    }
}

/// The platforms that take nothing but a text; the others have tests of their own.
fn texts() -> impl Iterator<Item = &'static Platform> {
    Platform::ALL.iter().filter(|platform| platform.capabilities().takes_text_alone())
}

pub(super) fn credentials(platform: Platform) -> Credentials {
    let known = Credentials::new(platform).with_token(TOKEN, None).with_secret("app_password", "planted-password");
    let known = known.with_secret(REFRESH_TOKEN, "planted-refresh").with_fact("identifier", "ann.example");
    known
        .with_secret("bot_token", TOKEN)
        .with_fact("chat_id", "@ann_news")
        .with_fact("channel", "C1")
        .with_fact("social_profile", "115185509")
}

/// What a post of nothing but text is given ahead, where it is.
pub(super) fn staged(platform: Platform) -> Staged {
    match platform {
        Platform::Threads | Platform::Instagram => Staged::of(&json!({"container": "17"})).unwrap(),
        Platform::Facebook => Staged::of(&json!({"post": "546_17", "url": "https://www.facebook.com/546/posts/17"})).unwrap(),
        Platform::Buffer => buffer::tests::drafted("Hallo"),
        _ => Staged::NOTHING,
    }
}

pub(super) fn post(text: &str) -> Part {
    let at = "2026-12-01T09:00:00Z".parse().unwrap();
    Part::new(text.to_owned(), Language::DE, at, at)
}

pub(super) fn intent() -> Uuid {
    Uuid::from_u128(0x0193_7c00_0000_7000_8000_0000_0000_0001)
}

/// Sends the same post to a server at `url` and returns what was concluded.
async fn sent(platform: Platform, http: &Outgoing, url: &str) -> Answered<Submission> {
    let account = account(platform, url);
    let frozen = freeze(&account, &post("Hallo"), &staged(platform), intent()).unwrap();
    submit(http, &account, &credentials(platform), Sending::text(&frozen)).await
}

async fn sent_to(platform: Platform, answer: ResponseTemplate) -> Submission {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).expect(1).mount(&server).await;
    sent(platform, &http(), &server.uri()).await.value
}

#[tokio::test]
async fn every_status_is_concluded_the_same_on_every_platform() {
    for platform in texts() {
        for (status, name) in [
            (200, "unknown"),
            (202, "unknown"),
            (204, "unknown"),
            (301, "rejected"),
            (302, "unknown"),
            (303, "unknown"),
            (307, "rejected"),
            (308, "rejected"),
            (400, "rejected"),
            (401, "credentials_expired"),
            (403, "rejected"),
            (404, "rejected"),
            (408, "unknown"),
            (409, "unknown"),
            (413, "rejected"),
            (422, "rejected"),
            (425, "unknown"),
            (429, "rate_limited"),
            (499, "unknown"),
            (500, "unknown"),
            (502, "unknown"),
            (503, "unknown"),
            (504, "unknown"),
            (520, "unknown"),
        ] {
            let submission = sent_to(*platform, ResponseTemplate::new(status)).await;
            assert_eq!(submission.name(), name, "{platform} {status}: {submission:?}");
        }
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_not_a_success() {
    for platform in texts() {
        for body in [
            "",
            "<html>Welcome</html>",
            "{}",
            r#"{"id":"","uri":"","cid":""}"#,
            r#"{"id":{"$oid":1},"uri":"at://did:plc:else/app.bsky.feed.post/3jzfcijpj2z2a","cid":"x"}"#,
        ] {
            let submission = sent_to(*platform, ResponseTemplate::new(200).set_body_string(body)).await;
            assert_eq!(submission.name(), "unknown", "{platform} {body}: {submission:?}");
        }
    }
}

#[tokio::test]
async fn one_submit_is_one_request_however_it_breaks() {
    for platform in texts() {
        for (act, name) in [
            (Act::Reset, "unknown"),
            (Act::Close, "unknown"),
            (Act::SayThenReset("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"id\":".to_owned()), "unknown"),
            (Act::Say("HTTP/1.1 503 Slow down\r\ncontent-length: 0\r\nretry-after: 0\r\n\r\n".to_owned()), "unknown"),
            (Act::Say("this is not HTTP at all\r\n\r\n".to_owned()), "unknown"),
        ] {
            let server = RawServer::start(act.clone()).await;
            let submission = sent(*platform, &http(), &server.url).await.value;
            assert_eq!(submission.name(), name, "{platform} {act:?}: {submission:?}");
            assert_eq!((server.requests(), server.connections()), (1, 1), "{platform} {act:?}");
        }
    }
}

#[tokio::test]
async fn a_send_without_an_answer_is_unknown_and_one_without_a_connection_is_not_sent() {
    let settings = OutgoingSettings { allow_private_networks: true, timeout: Duration::from_millis(300), ..OutgoingSettings::default() };
    let impatient = Outgoing::new(&settings).unwrap();
    let strict = Outgoing::new(&OutgoingSettings::default()).unwrap();
    for platform in texts() {
        let server = RawServer::start(Act::Hang).await;
        assert_eq!(sent(*platform, &impatient, &server.url).await.value.name(), "unknown");
        assert!(server.requests() <= 1);
        let connections = server.connections();
        assert_eq!(sent(*platform, &strict, &server.url).await.value.name(), "refused_by_settings", "a private address");
        assert_eq!(server.connections(), connections);
        let gone = server.url.clone();
        drop(server);
        // The listener's task ends when it is next polled; until then connections may still be taken.
        while tokio::net::TcpStream::connect(gone.trim_start_matches("http://").trim_end_matches('/')).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(sent(*platform, &http(), &gone).await.value.name(), "not_sent");
    }
}

#[tokio::test]
async fn waits_and_budgets_come_with_the_answer() {
    let answer = ResponseTemplate::new(429)
        .insert_header("retry-after", "90")
        .insert_header("ratelimit-limit", "5000")
        .insert_header("ratelimit-remaining", "0")
        .insert_header("ratelimit-reset", "120");
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    for platform in texts() {
        let answered = sent(*platform, &http(), &server.uri()).await;
        assert_eq!(answered.value, Submission::RateLimited { retry_after_ms: 90_000 });
        assert_eq!(answered.budget.map(|budget| (budget.limit, budget.remaining)), Some((5000, 0)));
    }
}

#[tokio::test]
async fn a_server_that_repeats_our_token_does_not_get_it_into_an_outcome_or_error() {
    let server = MockServer::start().await;
    let echo = |status: u16| {
        ResponseTemplate::new(status)
            .set_body_json(json!({"error": format!("bad header: Bearer {TOKEN}"), "message": "planted-password planted-refresh"}))
    };
    Mock::given(method("POST")).respond_with(echo(422)).mount(&server).await;
    Mock::given(any()).respond_with(echo(401)).mount(&server).await;
    for platform in texts() {
        let account = account(*platform, &server.uri());
        let credentials = credentials(*platform);
        let submission = sent(*platform, &http(), &server.uri()).await.value;
        let error = check(&http(), &account, &credentials).await.unwrap_err();
        for text in [format!("{submission:?}"), format!("{error:?}"), format!("{credentials:?}")] {
            assert!(!text.contains(TOKEN), "{text}");
            assert!(!text.contains("planted"), "{text}");
        }
        assert_eq!(submission.name(), "rejected", "{platform}");
        // Buffer takes questions by POST, too.
        let refused = *platform == Platform::Buffer && matches!(error, ActivityError::Rejected { .. });
        assert!(refused || matches!(error, ActivityError::CredentialsExpired { .. }), "{platform}: {error:?}");
    }
}

#[tokio::test]
async fn a_changed_or_misdirected_post_is_not_sent_at_all() {
    let server = RawServer::start(Act::Close).await;
    let mastodon = account(Platform::Mastodon, &server.url);
    let mut frozen = freeze(&mastodon, &post("Hallo"), &Staged::NOTHING, intent()).unwrap();
    let bluesky = account(Platform::Bluesky, &server.url);
    assert_eq!(submit(&http(), &bluesky, &credentials(Platform::Bluesky), Sending::text(&frozen)).await.value.name(), "rejected");
    frozen.body = frozen.body.replace("Hallo", "Hello");
    assert_eq!(submit(&http(), &mastodon, &credentials(Platform::Mastodon), Sending::text(&frozen)).await.value.name(), "rejected");
    assert_eq!(server.connections(), 0);
}

#[test]
fn freezing_is_repeatable_and_needs_a_connected_account() {
    for platform in texts() {
        let mut account = account(*platform, "https://social.example/");
        assert_eq!(
            freeze(&account, &post("Hallo"), &staged(*platform), intent()).unwrap(),
            freeze(&account, &post("Hallo"), &staged(*platform), intent()).unwrap()
        );
        let other = freeze(&account, &post("Hallo"), &staged(*platform), Uuid::from_u128(2)).unwrap();
        let first = freeze(&account, &post("Hallo"), &staged(*platform), intent()).unwrap();
        // Where nothing recognises a repetition, nothing names the intent; what was staged belongs to one post and names it.
        let names = |frozen: Frozen| (frozen.body, frozen.idempotency_key, frozen.record_key);
        let nameless = matches!(first.class, SendClass::C | SendClass::D | SendClass::E | SendClass::F);
        assert!(nameless || names(first) != names(other), "{platform}");
        account.remote_id.clear();
        assert!(freeze(&account, &post("Hallo"), &Staged::NOTHING, intent()).is_err());
    }
}

#[tokio::test]
async fn a_read_says_what_is_to_be_done_about_its_failure() {
    for (status, kind) in [
        (400, "rejected"),
        (401, "credentials_expired"),
        (404, "not_found"),
        (410, "not_found"),
        (409, "transient"),
        (429, "rate_limited"),
        (500, "transient"),
        (307, "rejected"),
    ] {
        let server = MockServer::start().await;
        Mock::given(path("/api/v1/statuses/1")).respond_with(ResponseTemplate::new(status)).mount(&server).await;
        let error = metrics(&http(), &account(Platform::Mastodon, &server.uri()), &credentials(Platform::Mastodon), "1").await.unwrap_err();
        assert_eq!(serde_json::to_value(&error).unwrap()["kind"], kind, "{status}");
    }
}

#[test]
fn handles_are_compared_as_people_write_them() {
    assert!(same_handle("Ann", "ann@social.example"));
    assert!(same_handle("ann@social.example", "ann@social.example"));
    assert!(!same_handle("ann@other.example", "ann@social.example"));
    assert!(!same_handle("anna", "ann@social.example"));
    assert!(same_handle("ann.bsky.social", "ann.bsky.social"));
}

#[test]
fn only_a_platform_whose_data_say_so_is_asked_for_the_ids_of_who_is_mentioned() {
    let mut by_id = Vec::new();
    for &platform in Platform::ALL {
        let step = platform.capabilities().steps.resolve_mentions;
        // An adapter that looks for ids and a table that has no step for it would never meet.
        assert_eq!(adapter(platform).needs_ids("Hello @ann.example.com, well done"), step.is_some(), "{platform}");
        assert!(!needs_ids(platform, "Hello"), "{platform}");
        by_id.extend(step);
    }
    assert_eq!(by_id, ["bluesky.resolve_mentions"]);
}
