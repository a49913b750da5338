//! The Mastodon connector against the stand-in: whatever breaks, following what the connector concludes leaves one post.

use std::time::Duration;

use activities::{
    ActivityError,
    http::{Outgoing, OutgoingSettings},
    platform::{self, Account, Apps, Credentials, Sending, Staged, Window},
};
use chrono::Utc;
use domain::{
    brief::Language,
    platform::Platform,
    publication::{Frozen, Part, Resolution, SendClass, Sent, Submission},
};
use sandbox::{
    fault::{Endpoint, Fault},
    mastodon::{Mastodon, Options, Software},
};
use serde_json::json;
use uuid::Uuid;

const HANDLE: &str = "pressroom";
const TOKEN: &str = "mastodon-stand-in-token";

/// Look-ups that have to miss a post before it counts as absent where no key protects a repetition.
const SETTLING: usize = 3;

struct Stage {
    server: Mastodon,
    http: Outgoing,
    account: Account,
    credentials: Credentials,
}

impl Stage {
    async fn set(software: Software) -> Self {
        let server = Mastodon::start(Options { software, ..Options::default() }).await.unwrap();
        let settings = OutgoingSettings { allow_private_networks: true, timeout: Duration::from_secs(2), ..OutgoingSettings::default() };
        let http = Outgoing::new(&settings).unwrap();
        let input = Credentials::from_input(Platform::Mastodon, &json!({"access_token": TOKEN})).unwrap();
        let (account, credentials, _) =
            platform::connect(&http, &Apps::default(), Platform::Mastodon, server.base_url(), HANDLE, input).await.unwrap();
        Self { server, http, account, credentials }
    }

    fn freeze(&self, text: &str) -> Frozen {
        let now = Utc::now();
        let post = Part::new(text.to_owned(), Language::EN, now, now);
        platform::freeze(&self.account, &post, &Staged::NOTHING, Uuid::now_v7()).unwrap()
    }

    async fn submit(&self, frozen: &Frozen) -> Submission {
        platform::submit(&self.http, &self.account, &self.credentials, Sending::text(frozen)).await.value
    }

    async fn resolve(&self, frozen: &Frozen, window: &Window) -> Resolution {
        platform::resolve(&self.http, &self.account, &self.credentials, Sending::text(frozen), window).await.unwrap().value
    }

    /// The protocol in small: send; if the outcome is open, look; send again only on "absent".
    async fn publish(&self, frozen: &Frozen) -> Sent {
        let window = Window { first_sent_at: Utc::now(), known_external_ids: Vec::new() };
        for _ in 0..4 {
            match self.submit(frozen).await {
                Submission::Published(sent) => return sent,
                Submission::Unknown { .. } => {}
                other => panic!("{other:?}"),
            }
            let looks = if frozen.can_resend(window.first_sent_at, Utc::now()) { 1 } else { SETTLING };
            for _ in 0..looks {
                match self.resolve(frozen, &window).await {
                    Resolution::Found { sent, .. } => return sent,
                    Resolution::Absent { .. } => {}
                    Resolution::Unknown { evidence } => panic!("{evidence}"),
                }
            }
        }
        panic!("never published")
    }
}

#[tokio::test]
async fn whatever_breaks_one_post_is_left_and_known() {
    for software in [Software::Mastodon, Software::Snac, Software::GoToSocial] {
        let stage = Stage::set(software).await;
        for (number, fault) in [
            Fault::AcceptThenReset,
            Fault::AcceptThenFail { status: 502 },
            Fault::AcceptThenHang,
            Fault::Refuse { status: 500 },
            Fault::Refuse { status: 503 },
            Fault::ResetBeforeReading,
            Fault::Hang,
        ]
        .into_iter()
        .enumerate()
        {
            stage.server.faults().next(Endpoint::Publish, fault.clone(), 1);
            let frozen = stage.freeze(&format!("{number}: News from @pressroom, *really* & <truly>\n\nhttps://a.example/{number} #News"));
            let sent = stage.publish(&frozen).await;
            assert_eq!(stage.server.faults().pending().len(), 0, "{fault:?} did happen");
            let books: Vec<_> =
                stage.server.statuses_of(HANDLE).into_iter().filter(|status| status.text.starts_with(&format!("{number}:"))).collect();
            assert_eq!(books.iter().map(|status| status.id.clone()).collect::<Vec<_>>(), [sent.external_id], "{software:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_post_that_shows_late_is_found_by_looking_again() {
    let stage = Stage::set(Software::Snac).await;
    assert_eq!(stage.account.send_class(), SendClass::E);
    stage.server.faults().next(Endpoint::Publish, Fault::HideNew { ms: 0, lookups: 2 }, 1);
    let frozen = stage.freeze("Shown late");
    let window = Window { first_sent_at: Utc::now(), known_external_ids: Vec::new() };
    assert_eq!(stage.submit(&frozen).await.name(), "published");
    assert_eq!(stage.resolve(&frozen, &window).await.name(), "absent");
    assert_eq!(stage.resolve(&frozen, &window).await.name(), "absent");
    assert_eq!(stage.resolve(&frozen, &window).await.name(), "found");
}

#[tokio::test]
async fn the_key_is_worth_what_its_class_says() {
    for (software, class, posts) in [(Software::Mastodon, SendClass::B, 1), (Software::Snac, SendClass::E, 2)] {
        let stage = Stage::set(software).await;
        assert_eq!(stage.account.send_class(), class);
        let frozen = stage.freeze("Twice with one key");
        assert_eq!(frozen.can_resend(Utc::now(), Utc::now()), posts == 1);
        for _ in 0..2 {
            assert_eq!(stage.submit(&frozen).await.name(), "published");
        }
        assert_eq!(stage.server.statuses_of(HANDLE).len(), posts, "{software:?}");
    }
}

#[tokio::test]
async fn definite_refusals_post_nothing() {
    let stage = Stage::set(Software::Mastodon).await;
    let too_long = stage.submit(&stage.freeze(&"x".repeat(501))).await;
    assert_eq!(too_long.name(), "rejected", "{too_long:?}");
    stage.server.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: 90 }, 1);
    let limited = stage.submit(&stage.freeze("Too many")).await;
    assert!(matches!(limited, Submission::RateLimited { retry_after_ms } if (60_000..=91_000).contains(&retry_after_ms)), "{limited:?}");
    stage.server.faults().clear();
    stage.server.expire(HANDLE);
    let expired = stage.submit(&stage.freeze("Expired")).await;
    assert!(matches!(&expired, Submission::CredentialsExpired { what } if !what.contains(TOKEN)), "{expired:?}");
    let error = platform::check(&stage.http, &stage.account, &stage.credentials).await.unwrap_err();
    assert!(matches!(error, ActivityError::CredentialsExpired { .. }), "{error:?}");
    assert!(stage.server.books().is_empty());
}

#[tokio::test]
async fn counters_budgets_and_deletion_work_over_the_protocol() {
    let stage = Stage::set(Software::Mastodon).await;
    let frozen = stage.freeze("Count me");
    let answered = platform::submit(&stage.http, &stage.account, &stage.credentials, Sending::text(&frozen)).await;
    let budget = answered.budget.unwrap();
    assert!(budget.limit == 300 && budget.remaining < 300 && budget.reset_at > Utc::now());
    let Submission::Published(sent) = answered.value else { panic!("{:?}", answered.value) };
    let counters = platform::metrics(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await.unwrap().value;
    assert!(counters.likes.is_some() && counters.comments.is_some() && counters.shares.is_some());
    assert_eq!((counters.impressions, counters.clicks), (None, None), "Mastodon does not tell");
    platform::delete(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await.unwrap();
    let gone = platform::metrics(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await.unwrap_err();
    assert!(matches!(gone, ActivityError::NotFound { .. }), "{gone:?}");
}
