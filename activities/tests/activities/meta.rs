//! Threads, Instagram and Facebook pages against their stand-ins: everything is staged unseen, and what was staged is published once.

use std::time::Duration;

use activities::{
    ActivityError, ActivityResult,
    http::{Outgoing, OutgoingSettings},
    platform::{self, Account, App, Apps, Credentials, MediaFile, Sending, Staged, Staging, Window, oauth},
};
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use domain::{
    brief::Language,
    ids::AssetId,
    platform::{Disclosure, Platform},
    publication::{Frozen, Part, PartKind, PartMedia, ReplyTo, Resolution, SendClass, Sent, Submission},
};
use sandbox::{
    facebook::Facebook,
    fault::{Endpoint, Fault},
    instagram::Instagram,
    social::{Draft, Entry, EntryKind, Input, Options, StandIn},
    threads::Threads,
};
use url::Url;
use uuid::Uuid;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

const META: [Platform; 3] = [Platform::Threads, Platform::Instagram, Platform::Facebook];

fn http() -> Outgoing {
    let settings = OutgoingSettings { allow_private_networks: true, timeout: Duration::from_millis(800), ..OutgoingSettings::default() };
    Outgoing::new(&settings).unwrap()
}

/// One connected account, and a place from which its media are fetched.
struct Stage {
    stand_in: Box<dyn StandIn>,
    platform: Platform,
    http: Outgoing,
    account: Account,
    credentials: Credentials,
    files: MockServer,
}

/// A part with what was staged for it.
struct Prepared {
    frozen: Frozen,
    staged: Staged,
}

impl Stage {
    async fn on(platform: Platform) -> Self {
        let options = Options { throttled: false, ..Options::default() };
        let stand_in: Box<dyn StandIn> = match platform {
            Platform::Threads => Box::new(Threads::start(options).await.unwrap()),
            Platform::Instagram => Box::new(Instagram::start(options).await.unwrap()),
            _ => Box::new(Facebook::start(options).await.unwrap()),
        };
        Self::with(platform, stand_in).await
    }

    async fn with(platform: Platform, stand_in: Box<dyn StandIn>) -> Self {
        let login = stand_in.logins().remove(0);
        let input = Credentials::from_input(platform, &login.credentials).unwrap();
        let http = http();
        let connected = platform::connect(&http, &Apps::default(), platform, &login.base_url, &login.handle, input).await;
        let (account, credentials, _) = connected.unwrap();
        let files = MockServer::start().await;
        Mock::given(method("GET"))
            .respond_with(|request: &wiremock::Request| ResponseTemplate::new(200).set_body_bytes(jpeg(request.url.path())))
            .mount(&files)
            .await;
        Self { stand_in, platform, http, account, credentials, files }
    }

    fn image(&self, name: &str, alt: &str) -> MediaFile {
        let bytes = jpeg(&format!("/{name}"));
        let media = PartMedia {
            asset: AssetId::from_uuid(Uuid::now_v7()),
            content_type: "image/jpeg".to_owned(),
            bytes: bytes.len() as u64,
            sha256: String::new(),
            size: Some((1080, 1080)),
            alt: alt.to_owned(),
        };
        let url: Url = format!("{}/{name}", self.files.uri()).parse().unwrap();
        MediaFile::held(media, Some(url), Bytes::from(bytes))
    }

    /// The files that a post of this text needs at least.
    fn needed(&self) -> Vec<MediaFile> {
        if self.platform.capabilities().media.required.is_some() { vec![self.image("needed", "")] } else { Vec::new() }
    }

    fn part(text: &str) -> Part {
        let now = Utc::now();
        Part::new(text.to_owned(), Language::EN, now, now)
    }

    fn under(text: &str, kind: PartKind, root: &Sent, parent: &Sent) -> Part {
        Part { kind, reply_to: Some(ReplyTo { root: root.clone(), parent: parent.clone() }), ..Self::part(text) }
    }

    async fn staged(&self, part: &Part, files: &[MediaFile]) -> ActivityResult<(Staged, u32)> {
        let (mut staged, mut waits) = (Staged::NOTHING, 0);
        loop {
            match platform::stage(&self.http, &self.account, &self.credentials, part, files, staged).await?.value {
                Staging::Ready(ready) => return Ok((ready, waits)),
                Staging::Wait { staged: so_far, .. } => {
                    staged = Staged::from_plaintext(&so_far.to_plaintext())?;
                    waits += 1;
                    assert!(waits < 20, "{}: never ready", self.platform);
                }
            }
        }
    }

    async fn prepare(&self, part: &Part, files: &[MediaFile]) -> Prepared {
        let staged = self.staged(part, files).await.unwrap().0;
        let frozen = platform::freeze(&self.account, part, &staged, Uuid::now_v7()).unwrap();
        Prepared { frozen, staged }
    }

    /// A post of this text, ready to go.
    async fn ready(&self, text: &str) -> Prepared {
        self.prepare(&Self::part(text), &self.needed()).await
    }

    async fn submit(&self, prepared: &Prepared) -> Submission {
        let sending = Sending { frozen: &prepared.frozen, staged: &prepared.staged, files: &[] };
        platform::submit(&self.http, &self.account, &self.credentials, sending).await.value
    }

    async fn resolve(&self, prepared: &Prepared) -> Resolution {
        let window = Window { first_sent_at: prepared.frozen.frozen_at, known_external_ids: Vec::new() };
        let sending = Sending { frozen: &prepared.frozen, staged: &prepared.staged, files: &[] };
        platform::resolve(&self.http, &self.account, &self.credentials, sending, &window).await.unwrap().value
    }

    /// The protocol in small: send; while the outcome is open, look; send again only what is absent.
    async fn publish(&self, prepared: &Prepared) -> Sent {
        for _ in 0..6 {
            match self.submit(prepared).await {
                Submission::Published(sent) => return sent,
                Submission::Unknown { .. } => {}
                other => panic!("{}: {other:?}", self.platform),
            }
            for _ in 0..4 {
                if let Resolution::Found { sent, .. } = self.resolve(prepared).await {
                    return sent;
                }
            }
        }
        panic!("{}: never published", self.platform)
    }

    fn entries(&self) -> Vec<Entry> {
        self.stand_in.entries(&self.stand_in.logins()[0].handle)
    }
}

/// The smallest thing that begins as a JPEG does.
fn jpeg(name: &str) -> Vec<u8> {
    [&[0xff, 0xd8, 0xff, 0xe0], name.as_bytes()].concat()
}

#[tokio::test]
async fn whatever_breaks_one_post_is_left_and_known() {
    for platform in META {
        let stage = Stage::on(platform).await;
        for (number, fault) in [
            Fault::AcceptThenReset,
            Fault::AcceptThenFail { status: 502 },
            Fault::AcceptThenHang,
            Fault::Refuse { status: 500 },
            Fault::ResetBeforeReading,
            Fault::Hang,
            // It is acted on after we gave up, and perhaps sent again: a container is published once all the same.
            Fault::ActLate { ms: 1_000 },
            Fault::AcceptThenDuplicate,
            Fault::RefuseAsDuplicate,
        ]
        .into_iter()
        .enumerate()
        {
            let why = format!("{platform}, {fault:?}");
            let prepared = stage.ready(&format!("{number}: Grüße 🙂 of a kind")).await;
            assert_eq!(stage.entries().len(), number, "{why}: staging is not seen");
            stage.stand_in.faults().next(Endpoint::Publish, fault.clone(), 1);
            let sent = stage.publish(&prepared).await;
            assert!(stage.stand_in.faults().pending().is_empty(), "{why}: it did happen");
            // What comes late has come.
            tokio::time::sleep(Duration::from_millis(if matches!(fault, Fault::ActLate { .. }) { 1_300 } else { 0 })).await;
            let mine: Vec<_> = stage.entries().into_iter().filter(|entry| entry.text.starts_with(&format!("{number}:"))).collect();
            assert_eq!(mine.iter().map(|entry| &entry.id).collect::<Vec<_>>(), [&sent.external_id], "{why}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_one_and_leaves_nothing() {
    for platform in META {
        let stage = Stage::on(platform).await;
        for (fault, name) in [
            (Fault::Refuse { status: 400 }, "rejected"),
            (Fault::Refuse { status: 403 }, "rejected"),
            (Fault::RateLimit { seconds: 120 }, "rate_limited"),
            (Fault::ExpireAccess, "credentials_expired"),
            (Fault::RevokeCredentials, "credentials_expired"),
        ] {
            let prepared = stage.ready("Not to be seen").await;
            stage.stand_in.faults().next(Endpoint::Publish, fault.clone(), 1);
            let submission = stage.submit(&prepared).await;
            assert_eq!(submission.name(), name, "{platform} {fault:?}: {submission:?}");
            if let Submission::RateLimited { retry_after_ms } = submission {
                // Two windows of a minute, less what has passed: whole minutes are told.
                assert_eq!(retry_after_ms, 60_000, "{platform}");
            }
            stage.stand_in.faults().clear();
            assert!(stage.stand_in.reinstate("pressroom") && stage.entries().is_empty(), "{platform} {fault:?}");
            // What was staged is still good.
            assert_eq!(stage.resolve(&prepared).await.name(), "absent", "{platform} {fault:?}");
        }
    }
}

#[tokio::test]
async fn sending_twice_publishes_once() {
    for platform in META {
        let stage = Stage::on(platform).await;
        let prepared = stage.ready("Twice").await;
        assert_eq!(stage.submit(&prepared).await.name(), "published", "{platform}");
        let again = stage.submit(&prepared).await;
        assert!(matches!(again.name(), "published" | "unknown"), "{platform}: {again:?}");
        assert_eq!(stage.entries().len(), 1, "{platform}");
        assert!(prepared.frozen.class == SendClass::C && matches!(stage.resolve(&prepared).await, Resolution::Found { .. }), "{platform}");
    }
}

#[tokio::test]
async fn a_post_that_the_list_does_not_show_yet_is_never_taken_for_absent() {
    // A page's post is asked for by itself: what lags there says "not published", and publishing again changes nothing.
    for platform in [Platform::Threads, Platform::Instagram] {
        let stage = Stage::on(platform).await;
        stage.stand_in.faults().next(Endpoint::Publish, Fault::HideNew { ms: 0, lookups: 2 }, 1);
        let prepared = stage.ready("Shown late").await;
        assert_eq!(stage.submit(&prepared).await.name(), "published");
        let mut looks = Vec::new();
        for _ in 0..3 {
            looks.push(stage.resolve(&prepared).await.name());
        }
        assert_eq!(looks, ["unknown", "unknown", "found"], "{platform}");
    }
}

#[tokio::test]
async fn images_arrive_in_order_with_their_words_and_are_fetched_by_the_platform() {
    for platform in META {
        let stage = Stage::on(platform).await;
        for count in [1, 3] {
            let files: Vec<_> = (0..count).map(|n| stage.image(&format!("{count}-{n}.jpg"), &format!("Picture {n}"))).collect();
            stage.stand_in.faults().next(Endpoint::Media, Fault::ProcessSlowly { ms: 0, polls: 2 }, 1);
            let (staged, waits) = stage.staged(&Stage::part("Look"), &files).await.unwrap();
            assert!(platform == Platform::Facebook || waits >= 2, "{platform}: {waits}");
            let frozen = platform::freeze(&stage.account, &Stage::part("Look"), &staged, Uuid::now_v7()).unwrap();
            let sent = stage.publish(&Prepared { frozen, staged }).await;
            let entry = stage.entries().into_iter().find(|entry| entry.id == sent.external_id).unwrap();
            let words: Vec<_> = entry.media.iter().map(|media| media.alt.clone().unwrap()).collect();
            assert_eq!(words, (0..count).map(|n| format!("Picture {n}")).collect::<Vec<_>>(), "{platform}");
            let lengths: Vec<_> = entry.media.iter().map(|media| media.bytes as u64).collect();
            assert_eq!(lengths, files.iter().map(|file| file.media.bytes).collect::<Vec<_>>(), "{platform}");
        }
    }
}

#[tokio::test]
async fn processing_that_fails_is_tried_anew_and_given_up_at_last() {
    for platform in [Platform::Threads, Platform::Instagram] {
        let stage = Stage::on(platform).await;
        let files = [stage.image("a.jpg", "")];
        stage.stand_in.faults().next(Endpoint::Media, Fault::FailProcessing, 2);
        assert_eq!(stage.staged(&Stage::part("Third time"), &files).await.unwrap().1, 2, "{platform}");
        stage.stand_in.faults().next(Endpoint::Media, Fault::FailProcessing, 3);
        let given_up = stage.staged(&Stage::part("Never"), &files).await;
        assert!(matches!(given_up, Err(ActivityError::Rejected { .. })), "{platform}: {given_up:?}");
        assert!(stage.entries().is_empty());
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_fetched_is_a_refusal_in_words() {
    for platform in META {
        let stage = Stage::on(platform).await;
        let gone = stage.image("a.jpg", "");
        let nowhere = MediaFile::held(gone.media.clone(), Some("http://127.0.0.1:9/gone.jpg".parse().unwrap()), Bytes::new());
        let unreachable = stage.staged(&Stage::part("No"), &[nowhere]).await;
        assert!(matches!(unreachable, Err(ActivityError::Rejected { .. })), "{platform}: {unreachable:?}");
        let private = MediaFile::held(gone.media.clone(), None, Bytes::new());
        let private = stage.staged(&Stage::part("No"), &[private]).await;
        assert!(matches!(&private, Err(ActivityError::Rejected { what }) if what.contains("public address")), "{platform}: {private:?}");
    }
}

#[tokio::test]
async fn a_chain_hangs_together_on_threads() {
    let stage = Stage::on(Platform::Threads).await;
    let first = stage.publish(&stage.ready("One").await).await;
    let mut last = first.clone();
    for (text, kind) in [("Two", PartKind::Continuation), ("Three", PartKind::Continuation), ("And a comment", PartKind::Comment)] {
        let parent = if kind == PartKind::Comment { &first } else { &last };
        let prepared = stage.prepare(&Stage::under(text, kind, &first, parent), &[]).await;
        // Also replies are found again.
        stage.stand_in.faults().next(Endpoint::Publish, Fault::AcceptThenReset, 1);
        last = stage.publish(&prepared).await;
    }
    let parents: Vec<_> = stage.entries().into_iter().map(|entry| (entry.kind, entry.parent)).collect();
    let ids: Vec<_> = stage.entries().into_iter().map(|entry| entry.id).collect();
    assert_eq!(
        parents,
        [
            (EntryKind::Post, None),
            (EntryKind::Reply, Some(ids[0].clone())),
            (EntryKind::Reply, Some(ids[1].clone())),
            (EntryKind::Reply, Some(ids[0].clone())),
        ]
    );
}

#[tokio::test]
async fn a_first_comment_stands_once_under_its_post() {
    for platform in [Platform::Instagram, Platform::Facebook] {
        let stage = Stage::on(platform).await;
        let post = stage.publish(&stage.ready("A post").await).await;
        for (number, fault) in
            [Fault::AcceptThenReset, Fault::Refuse { status: 500 }, Fault::AcceptThenFail { status: 500 }].into_iter().enumerate()
        {
            let comment = Stage::under(&format!("Comment {number} #tag"), PartKind::Comment, &post, &post);
            let prepared = stage.prepare(&comment, &[]).await;
            assert_eq!(prepared.frozen.class, SendClass::E);
            stage.stand_in.faults().next(Endpoint::Publish, fault, 1);
            let sent = stage.publish(&prepared).await;
            let comments: Vec<_> = stage.entries().into_iter().filter(|entry| entry.kind == EntryKind::Comment).collect();
            assert_eq!((comments.len(), &comments[number].id), (number + 1, &sent.external_id), "{platform}");
            assert_eq!(comments[number].parent.as_ref(), Some(&post.external_id), "{platform}");
        }
    }
}

#[tokio::test]
async fn instagram_is_told_who_paid_and_what_a_machine_made() {
    let stage = Stage::on(Platform::Instagram).await;
    for count in [1, 2] {
        let files: Vec<_> = (0..count).map(|n| stage.image(&format!("{n}.jpg"), "")).collect();
        let part = Part { disclosures: [Disclosure::PaidPartnership, Disclosure::AiGenerated].into(), ..Stage::part("Ad") };
        stage.publish(&stage.prepare(&part, &files).await).await;
        assert_eq!(stage.entries().last().unwrap().disclosures, ["is_paid_partnership", "is_ai_generated"]);
    }
    stage.publish(&stage.ready("No ad").await).await;
    assert!(stage.entries().last().unwrap().disclosures.is_empty());
}

#[tokio::test]
async fn counters_an_address_and_deletion() {
    for (platform, set) in [
        (Platform::Threads, [("views", 900), ("likes", 7), ("replies", 3), ("reposts", 2), ("quotes", 1), ("shares", 4)].as_slice()),
        (Platform::Instagram, [("views", 900), ("likes", 7), ("comments", 3), ("shares", 7), ("saved", 5), ("follows", 2)].as_slice()),
        (Platform::Facebook, [("post_media_view", 900), ("reactions", 7), ("comments", 3), ("shares", 7), ("post_clicks", 6)].as_slice()),
    ] {
        let stage = Stage::on(platform).await;
        let sent = stage.publish(&stage.ready("Count me").await).await;
        for (counter, value) in set {
            assert!(stage.stand_in.set_counter(&sent.external_id, counter, *value));
        }
        let read = async || platform::metrics(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await;
        let counters = read().await.unwrap().value;
        assert_eq!(
            (counters.impressions, counters.likes, counters.comments, counters.shares),
            (Some(900), Some(7), Some(3), Some(7)),
            "{platform}"
        );
        for metric in domain::metrics::Metric::ALL {
            assert_eq!(counters.get(metric).is_some(), platform.capabilities().metrics.contains(&metric), "{platform} {metric}");
        }
        let address = platform::address(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await.unwrap();
        assert!(address.unwrap_or(sent.url).starts_with(stage.stand_in.base_url()), "{platform}");
        platform::delete(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await.unwrap();
        assert!(stage.entries()[0].deleted);
        assert!(matches!(read().await, Err(ActivityError::NotFound { .. })), "{platform}");
        let again = platform::delete(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await;
        assert!(matches!(again, Err(ActivityError::NotFound { .. })), "{platform}: {again:?}");
    }
}

#[tokio::test]
async fn a_day_s_posts_that_are_used_up_are_waited_for_before_anything_is_made() {
    let threads = Threads::start(Options::default()).await.unwrap();
    let desk = threads.desk().clone();
    let stage = Stage::with(Platform::Threads, Box::new(threads)).await;
    let now = Utc::now();
    for number in 0..250 {
        let entry = Entry::new("pressroom", EntryKind::Post, "x");
        desk.books().publish(number.to_string(), entry, &Input::default(), now);
    }
    let full = stage.staged(&Stage::part("One too many"), &[]).await;
    assert!(matches!(full, Err(ActivityError::RateLimited { retry_after_ms, .. }) if retry_after_ms >= 600_000), "{full:?}");
    assert!(desk.books().drafts().is_empty());
    // Replies have a limit of their own.
    let first = Sent { external_id: "1".to_owned(), url: String::new(), cid: None };
    assert!(stage.staged(&Stage::under("A reply", PartKind::Comment, &first, &first), &[]).await.is_ok());
}

#[tokio::test]
async fn a_container_that_expired_is_made_anew() {
    let instagram = Instagram::start(Options { throttled: false, ..Options::default() }).await.unwrap();
    let desk = instagram.desk().clone();
    let stage = Stage::with(Platform::Instagram, Box::new(instagram)).await;
    let (part, files) = (Stage::part("Old"), [stage.image("a.jpg", "")]);
    let prepared = stage.prepare(&part, &files).await;
    let old: Vec<Draft> =
        desk.books().drafts().iter().map(|draft| Draft { at: Utc::now() - TimeDelta::hours(25), ..draft.clone() }).collect();
    old.into_iter().for_each(|draft| desk.books().keep_draft(draft));
    assert!(matches!(stage.resolve(&prepared).await, Resolution::Absent { evidence } if evidence.contains("expired")));
    let again =
        platform::stage(&stage.http, &stage.account, &stage.credentials, &part, &files, prepared.staged.clone()).await.unwrap().value;
    let Staging::Wait { staged, .. } = again else { panic!("{again:?}") };
    let again = platform::stage(&stage.http, &stage.account, &stage.credentials, &part, &files, staged).await.unwrap().value;
    assert!(matches!(again, Staging::Ready(ready) if ready != prepared.staged));
}

#[tokio::test]
async fn a_person_connects_an_account_and_its_token_is_a_long_one() {
    for platform in META {
        let stage = Stage::on(platform).await;
        let base: Url = stage.stand_in.base_url().parse().unwrap();
        let app = App {
            client_id: Some("stand-in-app".to_owned()),
            client_secret: Some("stand-in-app-secret".into()),
            api_base: Some(base.clone()),
            ..App::default()
        };
        let apps = Apps::default().with(platform, app);
        let back: Url = "https://pressroom.example/v1/connectors/callback".parse().unwrap();
        let begun = oauth::begin(&stage.http, &apps, platform, &base, &back, "state").await.unwrap();
        let page = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let to = page.get(begun.authorize_url).send().await.unwrap().headers()["location"].to_str().unwrap().to_owned();
        let to: Url = to.parse().unwrap();
        let code = to.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned().into();
        let returned = oauth::Returned { redirect: &back, code: &code, kept: &begun.kept };
        let person = oauth::finish(&stage.http, &apps, platform, &base, returned).await.unwrap();
        let days = (person.expires_at().unwrap() - Utc::now()).num_days();
        assert!((58..=60).contains(&days), "{platform}: {days}");
        let offered = platform::accounts(&stage.http, platform, &base, &person).await.unwrap();
        let (credentials, pages) = match offered.as_slice() {
            [] => (person, false),
            [one] => (one.credentials.clone(), true),
            many => panic!("{many:?}"),
        };
        assert_eq!(pages, platform != Platform::Threads);
        // Threads renews the token itself; a page's own does not end.
        assert_eq!(credentials.expires_at().is_some(), !pages);
        let renewed = platform::refresh(&stage.http, &apps, &stage.account, &credentials).await.unwrap();
        let connected = platform::connect(&stage.http, &apps, platform, base.as_str(), "", renewed).await.unwrap();
        assert_eq!(connected.0, stage.account, "{platform}: the same account");
    }
}
