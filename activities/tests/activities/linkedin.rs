//! The LinkedIn connector against the stand-in: as a member, whose posts nobody can list, and as an organisation, whose posts can be looked through.

use activities::{
    ActivityError,
    platform::{self, Choice, Credentials, Window, choose},
};
use chrono::Utc;
use domain::{
    platform::Platform,
    publication::{Part, PartKind, ReplyTo, Resolution, Sent, Submission},
};
use sandbox::{
    fault::{Endpoint, Fault},
    linkedin::LinkedIn,
    social::{EntryKind, Options, StandIn},
};
use url::Url;

use crate::desk::{Desk, authorised, image, part};

/// Every way in which a send can break.
const FAULTS: &[Fault] = &[
    Fault::AcceptThenReset,
    Fault::AcceptThenFail { status: 502 },
    Fault::AcceptThenHang,
    Fault::Refuse { status: 500 },
    Fault::ResetBeforeReading,
    Fault::Hang,
    Fault::AcceptThenDuplicate,
];

/// An account that was opened by an authorisation: the member, or the organisation that it chose.
async fn desk(hint: &str) -> Desk<LinkedIn> {
    let server = LinkedIn::start(Options { throttled: false, ..Options::default() }).await.unwrap();
    let opened: Credentials = authorised(Platform::LinkedIn, &server, &[]).await;
    let settings = activities::http::OutgoingSettings { allow_private_networks: true, ..activities::http::OutgoingSettings::default() };
    let (http, base) = (activities::http::Outgoing::new(&settings).unwrap(), Url::parse(server.base_url()).unwrap());
    let offered = platform::accounts(&http, Platform::LinkedIn, &base, &opened).await.unwrap();
    assert_eq!(offered.len(), 2);
    let Choice::Clear(credentials) = choose(opened, offered, Some(hint)).unwrap() else { panic!("{hint} is clear") };
    Desk::connect(Platform::LinkedIn, server, hint, credentials).await
}

fn comment(text: &str, on: &Sent) -> Part {
    Part { kind: PartKind::Comment, reply_to: Some(ReplyTo { root: on.clone(), parent: on.clone() }), ..part(text) }
}

#[tokio::test]
async fn whatever_breaks_a_members_post_is_sent_once_because_linkedin_names_the_original() {
    let desk = desk("pressroom").await;
    desk.one_post_is_left(FAULTS).await;
    desk.refusals_post_nothing().await;
}

#[tokio::test]
async fn whatever_breaks_an_organisations_post_is_found_or_sent_once() {
    let desk = desk("pressroom-inc").await;
    desk.one_post_is_left(FAULTS).await;
    desk.one_post_is_left(&[Fault::HideNew { ms: 0, lookups: 1 }]).await;
}

#[tokio::test]
async fn a_token_is_renewed_by_the_same_refresh_token() {
    let desk = desk("pressroom").await;
    let next = platform::refresh(&desk.http, &desk.apps, &desk.account, &desk.credentials).await.unwrap();
    assert!(platform::check(&desk.http, &desk.account, &next).await.is_ok());
    let again = platform::refresh(&desk.http, &desk.apps, &desk.account, &desk.credentials).await;
    assert!(again.is_ok(), "a crash between refresh and save loses nothing: {again:?}");
}

#[tokio::test]
async fn images_have_their_alt_text_and_wait_until_linkedin_is_through() {
    let desk = desk("pressroom-inc").await;
    desk.server.faults().next(Endpoint::Media, Fault::ProcessSlowly { ms: 0, polls: 1 }, 9);
    let made = desk.make(part("Look"), vec![image("A loaf", b"\x89PNG one"), image("", b"\x89PNG two")]).await;
    assert!(desk.entries().is_empty(), "nobody sees what is staged");
    let Submission::Published(sent) = desk.submit(&made).await else { panic!("refused") };
    let entry = desk.entries().remove(0);
    assert_eq!(entry.media.iter().map(|file| file.alt.as_deref()).collect::<Vec<_>>(), [Some("A loaf"), None]);
    desk.server.set_counter(&sent.external_id, "click", 9);
    let counters = platform::metrics(&desk.http, &desk.account, &desk.credentials, &sent.external_id).await.unwrap().value;
    assert_eq!((counters.clicks, counters.saves), (Some(9), None));
}

#[tokio::test]
async fn a_comment_is_looked_for_where_that_can_be_done_and_else_a_person_is_asked() {
    for (hint, known) in [("pressroom-inc", true), ("pressroom", false)] {
        let desk = desk(hint).await;
        let root = desk.posted(part("The post"), Vec::new()).await;
        let made = desk.make(comment("What a (fine) post #News", &root), Vec::new()).await;
        desk.server.faults().next(Endpoint::Publish, Fault::AcceptThenReset, 1);
        assert_eq!(desk.submit(&made).await.name(), "unknown");
        let window = Window { first_sent_at: Utc::now(), known_external_ids: Vec::new() };
        let entry = desk.entries().remove(1);
        assert_eq!((entry.kind, entry.parent.as_ref()), (EntryKind::Comment, Some(&root.external_id)));
        match desk.resolve(&made, &window).await {
            Resolution::Found { sent, .. } => {
                assert!(known && sent.external_id == entry.id, "{sent:?}");
                platform::delete(&desk.http, &desk.account, &desk.credentials, &sent.external_id).await.unwrap();
                assert!(desk.entries()[1].deleted && !desk.entries()[0].deleted);
            }
            Resolution::Unknown { .. } => {
                assert!(!known);
                assert!(!made.frozen.can_resend(window.first_sent_at, Utc::now()), "it is not sent again unasked");
            }
            Resolution::Absent { evidence } => panic!("{hint}: {evidence}"),
        }
    }
}

#[tokio::test]
async fn an_older_post_of_the_same_text_is_told_and_not_taken_for_the_new_one() {
    let desk = desk("pressroom").await;
    let old = desk.posted(part("Every Friday: bread"), Vec::new()).await;
    let mut later = part("Every Friday: bread");
    later.created_at += chrono::TimeDelta::minutes(10);
    let made = desk.make(later, Vec::new()).await;
    let outcome = desk.submit(&made).await;
    assert!(matches!(&outcome, Submission::Rejected { what } if what.contains(&old.external_id)), "{outcome:?}");
    assert_eq!(desk.entries().len(), 1);
}

#[tokio::test]
async fn an_organisation_that_the_token_does_not_administer_is_refused() {
    let desk = desk("pressroom-inc").await;
    let other = desk.credentials.clone().with_fact("organization", "999");
    let refused = platform::check(&desk.http, &desk.account, &other).await.unwrap_err();
    assert!(matches!(refused, ActivityError::NotFound { .. }), "{refused:?}");
    let odd = desk.credentials.clone().with_fact("organization", "5515715/../x");
    assert!(matches!(platform::check(&desk.http, &desk.account, &odd).await, Err(ActivityError::Rejected { .. })));
}
