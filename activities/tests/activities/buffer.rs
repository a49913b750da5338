//! The Buffer connector against the stand-in.

use activities::{
    ActivityError,
    http::{Outgoing, OutgoingSettings},
    platform::{self, Choice, Sending, Window, choose},
};
use chrono::Utc;
use domain::{
    platform::Platform,
    publication::{Resolution, Submission},
};
use sandbox::{
    buffer::Buffer,
    fault::{Endpoint, Fault},
    social::{Options, StandIn},
};

use crate::desk::{Desk, Made, authorised, part};

async fn desk() -> Desk<Buffer> {
    let server = Buffer::start(Options { throttled: false, ..Options::default() }).await.unwrap();
    let opened = authorised(Platform::Buffer, &server, &[]).await;
    let http = Outgoing::new(&OutgoingSettings { allow_private_networks: true, ..OutgoingSettings::default() }).unwrap();
    let offered = platform::accounts(&http, Platform::Buffer, &server.base_url().parse().unwrap(), &opened).await.unwrap();
    let names: Vec<&str> = offered.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["pressroom (linkedin)", "pressroom-news (mastodon)"]);
    let Choice::Clear(credentials) = choose(opened, offered, Some("pressroom (linkedin)")).unwrap() else { panic!("one of that name") };
    Desk::connect(Platform::Buffer, server, "pressroom", credentials).await
}

fn window() -> Window {
    Window { first_sent_at: Utc::now(), known_external_ids: Vec::new() }
}

async fn look(desk: &Desk<Buffer>, made: &Made) -> activities::ActivityResult<Resolution> {
    let sending = Sending { frozen: &made.frozen, staged: &made.staged, files: &made.files };
    platform::resolve(&desk.http, &desk.account, &desk.credentials, sending, &window()).await.map(|told| told.value)
}

#[tokio::test]
async fn whatever_breaks_one_post_is_left_and_known() {
    let desk = desk().await;
    desk.one_post_is_left(&[
        Fault::AcceptThenReset,
        Fault::AcceptThenFail { status: 502 },
        Fault::AcceptThenHang,
        Fault::Refuse { status: 500 },
        Fault::ResetBeforeReading,
        Fault::Hang,
        Fault::HideNew { ms: 0, lookups: 1 },
    ])
    .await;
    desk.refusals_post_nothing().await;
}

#[tokio::test]
async fn refresh_tokens_work_once() {
    desk().await.refresh_tokens_work_once().await;
}

#[tokio::test]
async fn a_post_is_a_draft_until_it_is_published_and_one_that_arrives_late_is_not_sent_twice() {
    let desk = desk().await;
    let made = desk.make(part("Late (or not)"), Vec::new()).await;
    assert!(desk.entries().is_empty() && look(&desk, &made).await.unwrap().name() == "absent", "nobody sees what is staged");
    desk.server.faults().next(Endpoint::Publish, Fault::ActLate { ms: 2_500 }, 1);
    assert_eq!(desk.submit(&made).await.name(), "unknown", "our patience ends before it acts");
    // Looked for too early, it is sent again: whichever of the two comes first, the other finds no draft.
    assert_eq!(look(&desk, &made).await.unwrap().name(), "absent");
    let Submission::Published(sent) = desk.submit(&made).await else { panic!("refused") };
    tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while desk.server.faults().fired().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let ids: Vec<String> = desk.entries().into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [sent.external_id]);
}

#[tokio::test]
async fn what_buffer_is_at_work_on_is_waited_for_and_what_it_could_not_do_is_told() {
    let desk = desk().await;
    let made = desk.make(part("Slowly"), Vec::new()).await;
    desk.server.faults().next(Endpoint::Publish, Fault::ProcessSlowly { ms: 0, polls: 1 }, 1);
    assert_eq!(desk.submit(&made).await.name(), "unknown");
    let early = look(&desk, &made).await;
    assert!(matches!(&early, Err(ActivityError::Transient { what }) if what.contains("at work")), "{early:?}");
    assert_eq!(look(&desk, &made).await.unwrap().name(), "found");

    let failing = desk.make(part("Not at all"), Vec::new()).await;
    desk.server.faults().next(Endpoint::Publish, Fault::FailProcessing, 1);
    let failed = desk.submit(&failing).await;
    assert!(matches!(&failed, Submission::Rejected { what } if what.contains("refused")), "{failed:?}");
    let looked = look(&desk, &failing).await.unwrap();
    assert!(matches!(&looked, Resolution::Unknown { evidence } if evidence.contains("refused")), "{looked:?}");
    assert_eq!(desk.entries().len(), 1);
}

#[tokio::test]
async fn staging_again_makes_no_other_draft_and_another_text_does() {
    let desk = desk().await;
    let made = desk.make(part("A draft"), Vec::new()).await;
    let stage = async |text: &str| {
        let part = part(text);
        platform::stage(&desk.http, &desk.account, &desk.credentials, &part, &[], made.staged.clone()).await.unwrap().value
    };
    assert_eq!(stage("A draft").await, platform::Staging::Ready(made.staged.clone()));
    assert_ne!(stage("Another").await, platform::Staging::Ready(made.staged.clone()));
}

#[tokio::test]
async fn a_post_that_somebody_deleted_in_buffer_is_not_sent_again() {
    let desk = desk().await;
    let made = desk.make(part("Gone"), Vec::new()).await;
    let id = made.frozen.record_key.clone().unwrap();
    platform::delete(&desk.http, &desk.account, &desk.credentials, &id).await.unwrap();
    let looked = look(&desk, &made).await.unwrap();
    assert!(matches!(&looked, Resolution::Unknown { evidence } if evidence.contains("deleted")), "{looked:?}");
}

#[tokio::test]
async fn the_budget_is_the_tightest_that_buffer_tells() {
    let server = Buffer::start(Options::default()).await.unwrap();
    let credentials = authorised(Platform::Buffer, &server, &[]).await.with_fact("channel", "66a1f0c2e4b0a1d2c3e4f501");
    let desk = Desk::connect(Platform::Buffer, server, "pressroom", credentials).await;
    let told = platform::check(&desk.http, &desk.account, &desk.credentials).await.unwrap().budget.unwrap();
    assert_eq!((told.limit, told.remaining), (100, 98));
}
