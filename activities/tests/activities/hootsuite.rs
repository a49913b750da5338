//! The Hootsuite connector against the stand-in.

use activities::{
    ActivityError,
    http::{Outgoing, OutgoingSettings},
    platform::{self, Choice, Window, choose},
};
use chrono::{TimeDelta, Utc};
use domain::{platform::Platform, publication::Resolution};
use sandbox::{
    fault::{Endpoint, Fault},
    hootsuite::Hootsuite,
    social::{Options, StandIn},
};

use crate::desk::{Desk, authorised, image, part};

async fn desk() -> Desk<Hootsuite> {
    let server = Hootsuite::start(Options { throttled: false, ..Options::default() }).await.unwrap();
    let opened = authorised(Platform::Hootsuite, &server, &[]).await;
    let http = Outgoing::new(&OutgoingSettings { allow_private_networks: true, ..OutgoingSettings::default() }).unwrap();
    let offered = platform::accounts(&http, Platform::Hootsuite, &server.base_url().parse().unwrap(), &opened).await.unwrap();
    let names: Vec<&str> = offered.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["pressroom (LINKEDINCOMPANY)", "pressroom-news (TWITTER)"]);
    let Choice::Clear(credentials) = choose(opened, offered, Some("115185509")).unwrap() else { panic!("one of that number") };
    Desk::connect(Platform::Hootsuite, server, "pressroom", credentials).await
}

fn since(first_sent_at: chrono::DateTime<Utc>) -> Window {
    Window { first_sent_at, known_external_ids: Vec::new() }
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
        Fault::HideNew { ms: 0, lookups: 2 },
    ])
    .await;
    desk.refusals_post_nothing().await;
}

#[tokio::test]
async fn refresh_tokens_work_once() {
    desk().await.refresh_tokens_work_once().await;
}

#[tokio::test]
async fn a_message_is_known_by_its_pictures_whatever_its_text() {
    let desk = desk().await;
    let text = "Every Friday: bread";
    desk.server.faults().next(Endpoint::Media, Fault::ProcessSlowly { ms: 0, polls: 1 }, 9);
    let made = desk.make(part(text), vec![image("A loaf", b"\x89PNG one"), image("", b"\x89PNG two")]).await;
    assert!(desk.entries().is_empty(), "nobody sees what is staged");
    desk.server.faults().clear();
    // Two others of the same text, one with another picture: by the text alone, nothing could be said.
    desk.posted(part(text), Vec::new()).await;
    desk.posted(part(text), vec![image("", b"\x89PNG three")]).await;
    desk.server.faults().next(Endpoint::Publish, Fault::AcceptThenReset, 1);
    assert_eq!(desk.submit(&made).await.name(), "unknown");
    let Resolution::Found { sent, evidence } = desk.resolve(&made, &since(Utc::now())).await else { panic!("not found") };
    assert!(evidence.contains("pictures"), "{evidence}");
    assert_eq!(desk.entries().pop().unwrap().id, sent.external_id);
    assert_eq!(platform::address(&desk.http, &desk.account, &desk.credentials, &sent.external_id).await.unwrap().unwrap(), sent.url);
}

#[tokio::test]
async fn a_look_up_after_months_asks_about_four_weeks_and_not_more() {
    let desk = desk().await;
    let made = desk.make(part("Long ago"), Vec::new()).await;
    assert_eq!(desk.resolve(&made, &since(Utc::now() - TimeDelta::days(90))).await.name(), "absent");
}

#[tokio::test]
async fn two_messages_of_one_text_are_no_evidence_and_known_ones_do_not_count() {
    let desk = desk().await;
    let first = desk.posted(part("The same again"), Vec::new()).await;
    desk.posted(part("The same again"), Vec::new()).await;
    let made = desk.make(part("The same again"), Vec::new()).await;
    assert_eq!(desk.resolve(&made, &since(Utc::now())).await.name(), "unknown");
    let window = Window { known_external_ids: vec![first.external_id], ..since(Utc::now()) };
    assert_eq!(desk.resolve(&made, &window).await.name(), "found");
}

#[tokio::test]
async fn what_was_sent_is_not_deleted_and_that_is_said() {
    let desk = desk().await;
    let sent = desk.posted(part("I stay"), Vec::new()).await;
    let kept = platform::delete(&desk.http, &desk.account, &desk.credentials, &sent.external_id).await.unwrap_err();
    assert!(matches!(&kept, ActivityError::Rejected { what } if what.contains("cannot be deleted")), "{kept:?}");
    assert!(!desk.entries()[0].deleted);
}
