//! The X connector against the stand-in.

use activities::platform::{self, Window};
use chrono::Utc;
use domain::{
    platform::Platform,
    publication::{PartKind, ReplyTo, Resolution},
};
use sandbox::{
    fault::{Endpoint, Fault},
    social::{EntryKind, Options, StandIn},
    x::X,
};

use crate::desk::{Desk, authorised, image, part};

async fn desk() -> Desk<X> {
    let server = X::start(Options::default()).await.unwrap();
    let credentials = authorised(Platform::X, &server, &[]).await;
    Desk::connect(Platform::X, server, "pressroom", credentials).await
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
        Fault::AcceptThenDuplicate,
        Fault::RefuseAsDuplicate,
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
async fn a_thread_with_media_goes_out_part_by_part_and_is_known_by_its_media() {
    let desk = desk().await;
    desk.server.faults().next(Endpoint::Media, Fault::ProcessSlowly { ms: 0, polls: 1 }, 9);
    let made = desk
        .make(part("Look https://bakery.example/a & bakery.example"), vec![image("A loaf", b"\x89PNG one"), image("", b"\x89PNG two")])
        .await;
    assert!(desk.entries().is_empty(), "nobody sees what is staged");
    desk.server.faults().next(Endpoint::Publish, Fault::AcceptThenReset, 1);
    let window = Window { first_sent_at: Utc::now(), known_external_ids: Vec::new() };
    assert_eq!(desk.submit(&made).await.name(), "unknown");
    let Resolution::Found { sent: root, evidence } = desk.resolve(&made, &window).await else { panic!("not found") };
    assert!(evidence.contains("media"), "{evidence}");
    let mut next = part("And more");
    next.kind = PartKind::Continuation;
    next.reply_to = Some(ReplyTo { root: root.clone(), parent: root.clone() });
    let reply = desk.posted(next, Vec::new()).await;
    let entries = desk.entries();
    assert_eq!(
        (entries[1].kind, entries[1].parent.as_ref(), &entries[1].id),
        (EntryKind::Reply, Some(&root.external_id), &reply.external_id)
    );
    let alts: Vec<_> = entries[0].media.iter().map(|file| file.alt.as_deref()).collect();
    assert_eq!(alts, [Some("A loaf"), None]);
    desk.server.set_counter(&root.external_id, "like", 7);
    let counters = platform::metrics(&desk.http, &desk.account, &desk.credentials, &root.external_id).await.unwrap().value;
    assert!(counters.likes == Some(7) && counters.clicks.is_some() && counters.followers_delta.is_none(), "{counters:?}");
    platform::delete(&desk.http, &desk.account, &desk.credentials, &reply.external_id).await.unwrap();
    let again = platform::delete(&desk.http, &desk.account, &desk.credentials, &reply.external_id).await.unwrap_err();
    assert!(matches!(again, activities::ActivityError::NotFound { .. }), "{again:?}");
    assert!(desk.entries()[1].deleted && !desk.entries()[0].deleted);
}

#[tokio::test]
async fn an_older_post_of_the_same_text_is_not_taken_for_the_new_one() {
    let desk = desk().await;
    let old = desk.posted(part("Every Friday: bread"), Vec::new()).await;
    let made = desk.make(part("Every Friday: bread"), Vec::new()).await;
    assert_eq!(desk.submit(&made).await.name(), "unknown", "X refuses it, and does not say which it means");
    let window = Window { first_sent_at: Utc::now(), known_external_ids: vec![old.external_id] };
    assert_eq!(desk.resolve(&made, &window).await.name(), "absent");
    assert_eq!(desk.entries().len(), 1);
}
