//! The Bluesky connector against the stand-in: the record key makes one record of however many sends.

use std::{collections::BTreeMap, time::Duration};

use activities::{
    ActivityError,
    http::{Outgoing, OutgoingSettings},
    platform::{self, Account, Apps, Credentials, Sending, Staged, Window},
};
use chrono::Utc;
use domain::{
    brief::Language,
    platform::Platform,
    publication::{Frozen, Part, ReplyTo, Resolution, Sent, Submission},
};
use sandbox::{
    bluesky::{Bluesky, Options},
    fault::{Endpoint, Fault},
};
use serde_json::json;
use uuid::Uuid;

const HANDLE: &str = "pressroom.test";
const PASSWORD: &str = "bluesky-stand-in-password";

struct Stage {
    server: Bluesky,
    http: Outgoing,
    account: Account,
    credentials: Credentials,
}

impl Stage {
    async fn set() -> Self {
        let server = Bluesky::start(Options::default()).await.unwrap();
        let settings = OutgoingSettings { allow_private_networks: true, timeout: Duration::from_secs(2), ..OutgoingSettings::default() };
        let http = Outgoing::new(&settings).unwrap();
        let input = Credentials::from_input(Platform::Bluesky, &json!({"app_password": PASSWORD})).unwrap();
        let (account, credentials, health) =
            platform::connect(&http, &Apps::default(), Platform::Bluesky, server.base_url(), HANDLE, input).await.unwrap();
        assert!(account.remote_id.starts_with("did:") && health.token_expires_at.is_some_and(|end| end > Utc::now()));
        Self { server, http, account, credentials }
    }

    fn freeze(&self, text: &str, reply_to: Option<ReplyTo>) -> Frozen {
        self.freeze_with(text, reply_to, BTreeMap::new())
    }

    fn freeze_with(&self, text: &str, reply_to: Option<ReplyTo>, mentions: BTreeMap<String, String>) -> Frozen {
        let now = Utc::now();
        let post = Part { reply_to, mentions, ..Part::new(text.to_owned(), Language::EN, now, now) };
        platform::freeze(&self.account, &post, &Staged::NOTHING, Uuid::now_v7()).unwrap()
    }

    async fn submit(&self, frozen: &Frozen) -> Submission {
        platform::submit(&self.http, &self.account, &self.credentials, Sending::text(frozen)).await.value
    }

    async fn resolve(&self, frozen: &Frozen) -> Resolution {
        let window = Window { first_sent_at: frozen.frozen_at, known_external_ids: Vec::new() };
        platform::resolve(&self.http, &self.account, &self.credentials, Sending::text(frozen), &window).await.unwrap().value
    }

    /// The protocol in small: send; if the outcome is open, look; send again only on "absent".
    async fn publish(&self, frozen: &Frozen) -> Sent {
        for _ in 0..4 {
            match self.submit(frozen).await {
                Submission::Published(sent) => return sent,
                Submission::Unknown { .. } => {}
                other => panic!("{other:?}"),
            }
            match self.resolve(frozen).await {
                Resolution::Found { sent, .. } => return sent,
                Resolution::Absent { .. } => assert!(frozen.can_resend(frozen.frozen_at, Utc::now())),
                Resolution::Unknown { evidence } => panic!("{evidence}"),
            }
        }
        panic!("never published")
    }
}

#[tokio::test]
async fn whatever_breaks_one_record_is_left_and_known() {
    let stage = Stage::set().await;
    for (number, fault) in [
        Fault::AcceptThenReset,
        Fault::AcceptThenFail { status: 502 },
        Fault::AcceptThenHang,
        Fault::Refuse { status: 500 },
        Fault::ResetBeforeReading,
        Fault::Hang,
        // It arrives after we gave up and sent again.
        Fault::ActLate { ms: 2_500 },
        Fault::HideNew { ms: 0, lookups: 1 },
    ]
    .into_iter()
    .enumerate()
    {
        stage.server.faults().next(Endpoint::Publish, fault.clone(), 1);
        let frozen = stage.freeze(&format!("{number}: Grüße 🙂 https://a.example/{number} #News"), None);
        let sent = stage.publish(&frozen).await;
        assert_eq!(stage.server.faults().pending().len(), 0, "{fault:?} did happen");
        let books: Vec<_> = stage
            .server
            .records_of(HANDLE)
            .into_iter()
            .filter(|record| record.value["text"].as_str().unwrap().starts_with(&format!("{number}:")))
            .collect();
        assert_eq!(
            books.iter().map(|record| (record.uri.clone(), Some(record.cid.clone()))).collect::<Vec<_>>(),
            [(sent.external_id, sent.cid)],
            "{fault:?}"
        );
        assert!(books[0].overwritten.is_empty());
    }
}

#[tokio::test]
async fn sending_twice_writes_one_record_and_a_taken_key_is_not_overwritten() {
    let stage = Stage::set().await;
    let frozen = stage.freeze("Twice under one key", None);
    let first = stage.submit(&frozen).await;
    assert_eq!((first.name(), &first), ("published", &stage.submit(&frozen).await));
    let mut other = stage.freeze("Something else", None);
    other.body = other.body.replace(other.record_key.as_deref().unwrap(), frozen.record_key.as_deref().unwrap());
    other.body_hash = domain::publication::body_hash(&other.body);
    assert_eq!(stage.submit(&other).await.name(), "unknown");
    assert_eq!(stage.resolve(&other).await.name(), "unknown");
    let books = stage.server.records_of(HANDLE);
    assert_eq!((books.len(), books[0].overwritten.len()), (1, 0));
}

#[tokio::test]
async fn a_thread_hangs_together() {
    let stage = Stage::set().await;
    let root = stage.publish(&stage.freeze("One of two", None)).await;
    let second = stage.publish(&stage.freeze("Two of two", Some(ReplyTo { root: root.clone(), parent: root.clone() }))).await;
    let record = stage.server.records_of(HANDLE).into_iter().find(|record| record.uri == second.external_id).unwrap();
    assert_eq!(record.value["reply"]["parent"], json!({"uri": root.external_id, "cid": root.cid.unwrap()}));
}

#[tokio::test]
async fn a_handle_becomes_a_mention_where_somebody_has_it_and_stays_text_elsewhere() {
    let stage = Stage::set().await;
    let text = "By @Pressroom.test, not by @nobody.test.";
    assert!(platform::needs_ids(Platform::Bluesky, text) && !platform::needs_ids(Platform::Mastodon, text));
    assert!(!platform::needs_ids(Platform::Bluesky, "Write to ann@pressroom.test"));
    let mentions = platform::mentions(&stage.http, &stage.account, &stage.credentials, text).await.unwrap();
    assert_eq!(mentions, BTreeMap::from([(HANDLE.to_owned(), stage.account.remote_id.clone())]));
    stage.publish(&stage.freeze_with(text, None, mentions)).await;
    let facets = stage.server.records_of(HANDLE).remove(0).value["facets"].clone();
    let mention = json!({"$type": "app.bsky.richtext.facet#mention", "did": stage.account.remote_id});
    assert_eq!(facets, json!([{"index": {"byteStart": 3, "byteEnd": 18}, "features": [mention]}]));

    let server = stage.server;
    server.stop().await;
    let away = platform::mentions(&stage.http, &stage.account, &stage.credentials, text).await.unwrap_err();
    assert!(matches!(away, ActivityError::Transient { .. }), "{away:?}");
}

#[tokio::test]
async fn the_address_of_a_post_is_one_that_its_server_answers() {
    let stage = Stage::set().await;
    let sent = stage.publish(&stage.freeze("Read me", None)).await;
    assert!(sent.url.starts_with(stage.server.base_url()), "{}", sent.url);
    let answer = stage.http.get(sent.url.parse().unwrap()).unwrap().send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("Read me"));
}

#[tokio::test]
async fn an_expired_session_is_renewed_and_the_post_goes_out() {
    let mut stage = Stage::set().await;
    let frozen = stage.freeze("After the session ended", None);
    assert!(stage.server.expire(HANDLE));
    let expired = stage.submit(&frozen).await;
    assert_eq!(expired.name(), "credentials_expired", "{expired:?}");
    assert_eq!(stage.resolve(&frozen).await.name(), "absent", "looking needs no session");
    stage.credentials = platform::refresh(&stage.http, &Apps::default(), &stage.account, &stage.credentials).await.unwrap();
    assert_eq!(stage.submit(&frozen).await.name(), "published");
    assert!(stage.server.revoke(HANDLE));
    let error = platform::refresh(&stage.http, &Apps::default(), &stage.account, &stage.credentials).await.unwrap_err();
    assert!(matches!(&error, ActivityError::CredentialsExpired { what } if !what.contains(PASSWORD)), "{error:?}");
}

#[tokio::test]
async fn definite_refusals_write_nothing() {
    let stage = Stage::set().await;
    let too_long = stage.submit(&stage.freeze(&"x".repeat(301), None)).await;
    assert_eq!(too_long.name(), "rejected", "{too_long:?}");
    stage.server.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: 90 }, 1);
    let limited = stage.submit(&stage.freeze("Too many", None)).await;
    assert!(matches!(limited, Submission::RateLimited { retry_after_ms } if (60_000..=92_000).contains(&retry_after_ms)), "{limited:?}");
    assert!(stage.server.books().is_empty());
}

#[tokio::test]
async fn counters_budgets_and_deletion_work_over_the_protocol() {
    let stage = Stage::set().await;
    let frozen = stage.freeze("Count me", None);
    let answered = platform::submit(&stage.http, &stage.account, &stage.credentials, Sending::text(&frozen)).await;
    let budget = answered.budget.unwrap();
    assert!(budget.remaining < budget.limit && budget.reset_at > Utc::now());
    let Submission::Published(sent) = answered.value else { panic!("{:?}", answered.value) };
    let counters = platform::metrics(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await.unwrap().value;
    assert!(counters.likes.is_some() && counters.comments.is_some() && counters.shares.is_some() && counters.impressions.is_none());
    platform::delete(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await.unwrap();
    let gone = platform::metrics(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await.unwrap_err();
    assert!(matches!(gone, ActivityError::NotFound { .. }), "{gone:?}");
}
