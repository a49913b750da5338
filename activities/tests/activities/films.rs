//! Platforms that take films: staged ahead but for the last piece, published once by it, and known afterwards.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use activities::{
    ActivityError,
    http::{Outgoing, OutgoingSettings},
    platform::{self, Account, App, Apps, Credentials, MediaFile, Sending, Staged, Staging, Window, oauth},
};
use bytes::Bytes;
use chrono::Utc;
use domain::{
    brief::Language,
    ids::AssetId,
    metrics::Metric,
    platform::{Disclosure, Platform},
    publication::{Frozen, Part, PartKind, PartMedia, ReplyTo, Resolution, SendClass, Sent, Submission},
};
use sandbox::{
    fault::{Endpoint, Fault},
    social::{Entry, EntryKind, Options, StandIn},
    tiktok::TikTok,
    youtube::YouTube,
};
use sha2::Digest as _;
use uuid::Uuid;

const MEBIBYTE: usize = 1024 * 1024;
const TEXT: &str = "How bread rises\nThe film about our oven & what comes out of it. https://example.com/a?b=c #Bread";

struct Studio {
    stand_in: Arc<dyn StandIn>,
    http: Outgoing,
    account: Account,
    credentials: Credentials,
}

/// A post on its way: what was staged, frozen, and its files.
struct Film {
    frozen: Frozen,
    staged: Staged,
    files: Vec<MediaFile>,
}

/// HTTP that gives up after so many seconds.
fn http(patience: u64) -> Outgoing {
    let timeout = Duration::from_secs(patience);
    Outgoing::new(&OutgoingSettings { allow_private_networks: true, timeout, ..OutgoingSettings::default() }).unwrap()
}

async fn studio(stand_in: Arc<dyn StandIn>, who: usize) -> Studio {
    let platform: Platform = stand_in.platform().parse().unwrap();
    let http = http(60);
    let login = stand_in.logins().swap_remove(who);
    let credentials = Credentials::new(platform).with_token(login.credentials["access_token"].as_str().unwrap(), None);
    let connected = platform::connect(&http, &Apps::default(), platform, &login.base_url, &login.handle, credentials).await.unwrap();
    Studio { stand_in, http, account: connected.0, credentials: connected.1 }
}

async fn studios() -> [Studio; 2] {
    let options = Options { throttled: false, ..Options::default() };
    let youtube = studio(Arc::new(YouTube::start(options.clone()).await.unwrap()), 0).await;
    [youtube, studio(Arc::new(TikTok::start(options).await.unwrap()), 0).await]
}

fn file(content_type: &str, length: usize) -> MediaFile {
    let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
    let media = PartMedia {
        asset: AssetId::from_uuid(Uuid::nil()),
        content_type: content_type.to_owned(),
        bytes: length as u64,
        sha256: data(&bytes),
        size: Some((1080, 1920)),
        alt: String::new(),
    };
    MediaFile::held(media, Some("https://media.example/a?X-Amz-Signature=planted".parse().unwrap()), Bytes::from(bytes))
}

fn data(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Studio {
    fn part(&self, text: &str, files: &[MediaFile]) -> Part {
        let now = Utc::now();
        let media = files.iter().map(|file| file.media.clone()).collect();
        Part { media, ..Part::new(text.to_owned(), Language::EN, now, now) }
    }

    async fn stage(&self, part: &Part, files: &[MediaFile]) -> Result<(Staged, u32), ActivityError> {
        let (mut staged, mut waits) = (Staged::NOTHING, 0);
        loop {
            match platform::stage(&self.http, &self.account, &self.credentials, part, files, staged).await?.value {
                Staging::Ready(ready) => return Ok((ready, waits)),
                Staging::Wait { staged: so_far, .. } => {
                    staged = Staged::from_plaintext(&so_far.to_plaintext()).unwrap();
                    waits += 1;
                    assert!(waits < 20, "never ready");
                }
            }
        }
    }

    async fn film(&self, part: Part, files: Vec<MediaFile>) -> Film {
        let staged = self.stage(&part, &files).await.unwrap().0;
        let frozen = platform::freeze(&self.account, &part, &staged, Uuid::now_v7()).unwrap();
        Film { frozen, staged, files }
    }

    /// A film of this many bytes, staged and frozen.
    async fn of(&self, text: &str, length: usize) -> Film {
        let files = vec![file("video/mp4", length)];
        self.film(self.part(text, &files), files).await
    }

    async fn submit(&self, film: &Film) -> Submission {
        platform::submit(&self.http, &self.account, &self.credentials, sending(film)).await.value
    }

    async fn resolve(&self, film: &Film) -> Result<Resolution, ActivityError> {
        let window = Window { first_sent_at: film.frozen.frozen_at, known_external_ids: Vec::new() };
        platform::resolve(&self.http, &self.account, &self.credentials, sending(film), &window).await.map(|looked| looked.value)
    }

    async fn publish(&self, film: &Film) -> Sent {
        match self.submit(film).await {
            Submission::Published(sent) => sent,
            other => panic!("{}: {other:?}", self.account.platform),
        }
    }

    fn entries(&self) -> Vec<Entry> {
        self.stand_in.entries(&self.account.handle)
    }
}

fn sending(film: &Film) -> Sending<'_> {
    Sending { frozen: &film.frozen, staged: &film.staged, files: &film.files }
}

#[tokio::test]
async fn a_film_arrives_whole_however_many_pieces_it_has() {
    for studio in studios().await {
        let platform = studio.account.platform;
        for (number, length) in [1, 5 * MEBIBYTE, 8 * MEBIBYTE, 21 * MEBIBYTE + 7].into_iter().enumerate() {
            let text = format!("Film {number}\nof {length} bytes & more");
            let film = studio.of(&text, length).await;
            assert_eq!(studio.entries().len(), number, "{platform}: what is staged is seen by nobody");
            let sent = studio.publish(&film).await;
            let entry = studio.entries().pop().unwrap();
            assert_eq!((&entry.id, &entry.text, entry.kind), (&sent.external_id, &text, EntryKind::Post), "{platform}");
            assert_eq!((entry.media[0].bytes, &entry.media[0].sha256), (length, &film.files[0].media.sha256), "{platform}");
            assert!(reqwest::get(&sent.url).await.unwrap().status().is_success(), "{platform}: {}", sent.url);
        }
    }
}

#[tokio::test]
async fn staging_goes_on_where_it_was_and_begins_anew_for_another_film() {
    for studio in studios().await {
        let platform = studio.account.platform;
        let files = vec![file("video/mp4", 21 * MEBIBYTE)];
        let part = studio.part(TEXT, &files);
        let (staged, waits) = studio.stage(&part, &files).await.unwrap();
        assert_eq!(waits, 1, "{platform}: what was opened is kept before anything goes into it");
        let again = platform::stage(&studio.http, &studio.account, &studio.credentials, &part, &files, staged.clone()).await.unwrap();
        assert_eq!(again.value, Staging::Ready(staged.clone()), "{platform}: nothing is opened twice");
        let other = vec![file("video/mp4", 3)];
        let another = studio.part(TEXT, &other);
        let anew = platform::stage(&studio.http, &studio.account, &studio.credentials, &another, &other, staged.clone()).await.unwrap();
        assert!(matches!(anew.value, Staging::Ready(new) if new != staged), "{platform}");
        // A piece that fails on the way is sent again by the next call.
        studio.stand_in.faults().next(Endpoint::Media, Fault::Refuse { status: 503 }, 1);
        assert!(matches!(studio.stage(&part, &files).await, Err(ActivityError::Transient { .. })), "{platform}");
        assert!(studio.entries().is_empty(), "{platform}");
    }
}

/// What the last piece can meet, and what has to be concluded.
const FAULTS: &[(Fault, &str)] = &[
    (Fault::AcceptThenReset, "unknown"),
    (Fault::AcceptThenFail { status: 500 }, "unknown"),
    (Fault::AcceptThenHang, "unknown"),
    (Fault::Refuse { status: 500 }, "unknown"),
    (Fault::Refuse { status: 503 }, "unknown"),
    (Fault::Refuse { status: 400 }, "rejected"),
    (Fault::ResetBeforeReading, "unknown"),
    (Fault::Hang, "unknown"),
    (Fault::AnswerLate { ms: 200 }, "published"),
    (Fault::RateLimit { seconds: 0 }, "rate_limited"),
];

#[tokio::test]
async fn whatever_the_last_piece_meets_there_is_one_film_in_the_end() {
    for mut studio in studios().await {
        studio.http = http(2);
        for (number, (fault, expected)) in FAULTS.iter().enumerate() {
            let why = format!("{}, {fault:?}", studio.account.platform);
            let film = studio.of(&format!("Film {number}\nand one of a kind"), 9_000).await;
            let before = studio.entries().len();
            studio.stand_in.faults().next(Endpoint::Publish, fault.clone(), 1);
            let submission = studio.submit(&film).await;
            assert!(studio.stand_in.faults().pending().is_empty(), "{why}: it did happen");
            studio.stand_in.faults().clear();
            let there = studio.entries().len() - before;
            assert_eq!(submission.name(), *expected, "{why}: {submission:?}");
            match &submission {
                Submission::Published(sent) => assert_eq!(studio.entries().last().map(|entry| &entry.id), Some(&sent.external_id), "{why}"),
                Submission::Unknown { .. } => match studio.resolve(&film).await.unwrap() {
                    Resolution::Found { sent, .. } => {
                        assert_eq!((there, studio.entries().last().map(|e| &e.id)), (1, Some(&sent.external_id)), "{why}");
                    }
                    Resolution::Absent { .. } => assert_eq!(there, 0, "{why}: missed what is there"),
                    Resolution::Unknown { evidence } => panic!("{why}: {evidence}"),
                },
                other => assert_eq!(there, 0, "{why}: it is there, and was said not to be: {other:?}"),
            }
            // Sending again finds what is there, or completes it: never a second film.
            for _ in 0..2 {
                studio.publish(&film).await;
            }
            assert_eq!(studio.entries().len(), before + 1, "{why}");
        }
    }
}

#[tokio::test]
async fn credentials_that_end_are_told_and_nothing_is_sent() {
    for studio in studios().await {
        let film = studio.of(TEXT, 3).await;
        assert!(studio.stand_in.revoke(&studio.account.handle));
        assert_eq!(studio.submit(&film).await.name(), "credentials_expired", "{}", studio.account.platform);
        assert!(matches!(studio.resolve(&film).await, Err(ActivityError::CredentialsExpired { .. })));
        let lost = platform::check(&studio.http, &studio.account, &studio.credentials).await.unwrap_err();
        assert!(matches!(lost, ActivityError::CredentialsExpired { .. }) && !lost.what().contains("stand-in-token"), "{lost}");
        assert!(studio.stand_in.reinstate(&studio.account.handle));
        studio.publish(&film).await;
        assert_eq!(studio.entries().len(), 1);
    }
}

#[tokio::test]
async fn what_is_told_of_its_origin_is_told_and_counters_are_read() {
    for studio in studios().await {
        let platform = studio.account.platform;
        let files = vec![file("video/mp4", 3)];
        let disclosures: BTreeSet<Disclosure> = platform.capabilities().disclosures.iter().copied().collect();
        let plain = studio.publish(&studio.of(TEXT, 4).await).await;
        let told = Part { disclosures: disclosures.clone(), ..studio.part(TEXT, &files) };
        let sent = studio.publish(&studio.film(told, files).await).await;
        let entries = studio.entries();
        assert_eq!((entries[0].disclosures.len(), entries[1].disclosures.len()), (0, disclosures.len()), "{platform}: {entries:?}");
        let counter = if platform == Platform::YouTube { "likeCount" } else { "like_count" };
        assert!(studio.stand_in.set_counter(&sent.external_id, counter, 4711));
        let read = async |id: &str| platform::metrics(&studio.http, &studio.account, &studio.credentials, id).await;
        let counters = read(&sent.external_id).await.unwrap().value;
        assert_eq!(counters.likes, Some(4711), "{platform}");
        for metric in Metric::ALL {
            assert_eq!(counters.get(metric).is_some(), platform.capabilities().metrics.contains(&metric), "{platform}: {metric}");
        }
        let deleted = platform::delete(&studio.http, &studio.account, &studio.credentials, &plain.external_id).await;
        if platform == Platform::TikTok {
            assert!(matches!(deleted, Err(ActivityError::Rejected { what }) if what.contains("in TikTok itself")));
        } else {
            deleted.unwrap();
            assert!(studio.entries()[0].deleted && matches!(read(&plain.external_id).await, Err(ActivityError::NotFound { .. })));
        }
    }
}

#[tokio::test]
async fn an_account_is_connected_by_its_page_and_its_token_renewed() {
    for studio in studios().await {
        let platform = studio.account.platform;
        let base: url::Url = studio.stand_in.base_url().parse().unwrap();
        let app = App {
            client_id: Some("stand-in-app".to_owned()),
            client_secret: Some("stand-in-app-secret".to_owned().into()),
            api_base: Some(base.clone()),
            ..App::default()
        };
        let apps = Apps::default().with(platform, app);
        let redirect: url::Url = "http://127.0.0.1:9/back".parse().unwrap();
        let begun = oauth::begin(&studio.http, &apps, platform, &base, &redirect, "state").await.unwrap();
        let page = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let answer = page.get(begun.authorize_url.clone()).send().await.unwrap();
        let back: url::Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
        let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let returned = oauth::Returned { redirect: &redirect, code: &code.into(), kept: &begun.kept };
        let made = oauth::finish(&studio.http, &apps, platform, &base, returned).await.unwrap();
        assert!(made.expires_at().is_some_and(|end| end > Utc::now()), "{platform}");
        assert_eq!(made.scopes(), platform.capabilities().connect.scopes(), "{platform}");
        let renewed = platform::refresh(&studio.http, &apps, &studio.account, &made).await.unwrap();
        let again = platform::refresh(&studio.http, &apps, &studio.account, &made).await;
        let once = platform == Platform::TikTok;
        assert_eq!(matches!(again, Err(ActivityError::CredentialsExpired { .. })), once, "{platform}: a refresh token that works once");
        let health = platform::check(&studio.http, &studio.account, &renewed).await.unwrap().value;
        assert_eq!((&health.remote_id, &health.handle), (&studio.account.remote_id, &studio.account.handle), "{platform}");
    }
}

#[tokio::test]
async fn youtube_makes_a_title_of_the_first_line_and_loses_no_word() {
    let [studio, _] = studios().await;
    let long = format!("{} end\nmore <b>", "word ".repeat(30));
    studio.publish(&studio.of(&long, 3).await).await;
    let entry = studio.entries().pop().unwrap();
    let field = |name: &str| entry.request["snippet"][name].as_str().unwrap().to_owned();
    assert!(field("title").chars().count() <= 100 && field("title").ends_with("word…"), "{}", field("title"));
    assert_eq!(field("description"), long.trim().replace('<', "\u{2039}").replace('>', "\u{203a}"));
    assert_eq!(entry.request["snippet"]["defaultLanguage"], "en");
}

#[tokio::test]
async fn a_comment_under_a_film_is_sent_once_and_found() {
    let [studio, _] = studios().await;
    let root = studio.publish(&studio.of(TEXT, 3).await).await;
    for (number, fault) in [Fault::AnswerLate { ms: 1 }, Fault::AcceptThenReset, Fault::Refuse { status: 500 }].into_iter().enumerate() {
        let text = format!("Comment {number}, all by itself");
        let reply_to = Some(ReplyTo { root: root.clone(), parent: root.clone() });
        let part = Part { kind: PartKind::Comment, reply_to, ..studio.part(&text, &[]) };
        let comment = studio.film(part, Vec::new()).await;
        let before = studio.entries().len();
        studio.stand_in.faults().next(Endpoint::Publish, fault.clone(), 1);
        let submission = studio.submit(&comment).await;
        let there = studio.entries().len() - before;
        let found = studio.resolve(&comment).await.unwrap();
        assert_eq!((submission.name() == "published", found.name() == "found"), (number == 0, there == 1), "{fault:?}: {found:?}");
        if let (Resolution::Found { sent, .. }, Some(entry)) = (found, studio.entries().last()) {
            assert_eq!((&sent.external_id, &entry.parent, &entry.text), (&entry.id, &Some(root.external_id.clone()), &text));
            platform::delete(&studio.http, &studio.account, &studio.credentials, &sent.external_id).await.unwrap();
        }
    }
}

#[tokio::test]
async fn tiktok_is_asked_until_it_is_done_and_a_film_that_it_refuses_is_told() {
    let [_, studio] = studios().await;
    let slow = studio.of(TEXT, 3).await;
    studio.stand_in.faults().next(Endpoint::Publish, Fault::ProcessSlowly { ms: 0, polls: 2 }, 1);
    assert_eq!(studio.submit(&slow).await.name(), "unknown");
    assert!(matches!(studio.resolve(&slow).await, Err(ActivityError::Transient { what }) if what.contains("at work")));
    assert_eq!(studio.resolve(&slow).await.unwrap().name(), "found");
    let refused = studio.of("Another", 3).await;
    studio.stand_in.faults().next(Endpoint::Publish, Fault::FailProcessing, 1);
    assert!(matches!(studio.submit(&refused).await, Submission::Rejected { what } if what.contains("video_pull_failed")));
    assert_eq!(studio.resolve(&refused).await.unwrap().name(), "absent");
    assert_eq!(studio.entries().len(), 1);
}

#[tokio::test]
async fn tiktok_photos_are_published_by_their_announcement_and_a_person_is_asked_when_it_is_lost() {
    let [_, studio] = studios().await;
    let photos = async |text: &str| {
        let files = vec![file("image/jpeg", 30), file("image/jpeg", 31)];
        studio.film(studio.part(text, &files), files).await
    };
    let film = photos("Two loaves\nand nothing else").await;
    assert_eq!(film.frozen.class, SendClass::F);
    assert!(!film.frozen.body.contains("planted"), "an address that opens a file is frozen nowhere");
    studio.publish(&film).await;
    assert_eq!(studio.entries()[0].media.len(), 2);
    let lost = photos("Three loaves").await;
    studio.stand_in.faults().next(Endpoint::Publish, Fault::AcceptThenReset, 1);
    assert_eq!(studio.submit(&lost).await.name(), "unknown");
    assert_eq!(studio.resolve(&lost).await.unwrap().name(), "found", "the list of public posts shows it");
    let never = photos("Four loaves").await;
    studio.stand_in.faults().next(Endpoint::Publish, Fault::ResetBeforeReading, 1);
    assert_eq!(studio.submit(&never).await.name(), "unknown");
    assert_eq!(studio.resolve(&never).await.unwrap().name(), "unknown", "that it is not listed proves nothing");
}

#[tokio::test]
async fn tiktok_posts_privately_for_an_application_that_was_not_audited() {
    let options = Options { throttled: false, ..Options::default() };
    let studio = studio(Arc::new(TikTok::start(options).await.unwrap()), 1).await;
    let sent = studio.publish(&studio.of(TEXT, 3).await).await;
    assert_eq!(studio.entries()[0].request["post_info"]["privacy_level"], "SELF_ONLY");
    assert!(sent.external_id.starts_with("v_pub"), "nobody sees it, so it has no number: {sent:?}");
    let read = platform::metrics(&studio.http, &studio.account, &studio.credentials, &sent.external_id).await.unwrap().value;
    assert_eq!(read, domain::metrics::Counters::default());
    let files = vec![file("video/mp4", 3)];
    let paid = Part { disclosures: [Disclosure::PaidPartnership].into(), ..studio.part(TEXT, &files) };
    let refused = studio.stage(&paid, &files).await.unwrap_err();
    assert!(matches!(&refused, ActivityError::Rejected { what } if what.contains("paid partnership")), "{refused}");
}
