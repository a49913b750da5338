//! Whatever a platform does to a request: what is concluded is true, and what is open can be settled as far as the platform allows.

use sandbox::fault::{Endpoint, Fault};

use super::*;

/// Every way to fail that leaves the outcome open or not, with what has to be concluded; `None` where platforms may differ within the truth.
const FAULTS: &[(Fault, Option<&str>)] = &[
    (Fault::AcceptThenReset, Some("unknown")),
    (Fault::AcceptThenFail { status: 500 }, Some("unknown")),
    (Fault::AcceptThenFail { status: 502 }, Some("unknown")),
    (Fault::AcceptThenHang, Some("unknown")),
    (Fault::Refuse { status: 500 }, Some("unknown")),
    (Fault::Refuse { status: 503 }, Some("unknown")),
    (Fault::Refuse { status: 400 }, Some("rejected")),
    (Fault::ResetBeforeReading, Some("unknown")),
    (Fault::Hang, Some("unknown")),
    (Fault::AnswerLate { ms: 200 }, Some("published")),
    (Fault::AcceptThenDuplicate, None),
    (Fault::RefuseAsDuplicate, None),
    (Fault::RateLimit { seconds: 30 }, Some("rate_limited")),
    (Fault::ExpireAccess, Some("credentials_expired")),
    (Fault::RevokeCredentials, Some("credentials_expired")),
];

#[tokio::test]
async fn what_is_concluded_is_true() {
    futures::future::join_all(Stage::by_server().await.into_iter().map(async |stages| {
        for mut stage in stages {
            concluded(&mut stage).await;
        }
    }))
    .await;
}

async fn concluded(stage: &mut Stage) {
    for (number, (fault, expected)) in FAULTS.iter().enumerate() {
        let why = format!("{}, {fault:?}", stage.name());
        let before = stage.entries().len();
        stage.stand_in.faults().next(Endpoint::Publish, fault.clone(), 1);
        let frozen = stage.freeze(&stage.part(&format!("Number {number} of many, and one of a kind"))).await;
        let submission = stage.submit(&frozen).await;
        assert!(stage.stand_in.faults().pending().is_empty(), "{why}: it did happen");
        stage.stand_in.faults().clear();
        let there = stage.entries().len() - before;
        assert!(there <= 1, "{why}");
        assert!(expected.is_none_or(|expected| submission.name() == expected), "{why}: {submission:?}");
        match &submission {
            Submission::Published(sent) | Submission::Duplicate(sent) => {
                assert_eq!(stage.entries().last().map(|entry| &entry.id), Some(&sent.external_id), "{why}");
            }
            Submission::Unknown { .. } | Submission::Repeated { .. } => {}
            other => assert_eq!(there, 0, "{why}: it is there, and was said not to be: {other:?}"),
        }
        if let Submission::RateLimited { retry_after_ms } = submission {
            // These say nowhere how long to wait.
            let silent = matches!(stage.platform, Platform::LinkedIn | Platform::Hootsuite);
            let told = if silent { 60_000..=60_000 } else { 25_000..=32_000 };
            assert!(told.contains(&retry_after_ms), "{why}: the platform's own header is obeyed, not {retry_after_ms}");
        }
        if submission.name() == "credentials_expired" {
            assert!(stage.stand_in.reinstate(&stage.login.handle), "{why}");
            stage.credentials = platform::refresh(&stage.http, &Apps::default(), &stage.account, &stage.credentials).await.unwrap();
        }
        if submission.name() == "unknown" {
            settled(stage, &frozen, there == 1, &why).await;
        }
    }
}

/// The look-up tells what is there, or, in class F, that it cannot.
async fn settled(stage: &Stage, frozen: &Ready, there: bool, why: &str) {
    match (stage.class(), stage.resolve(frozen).await) {
        (SendClass::F, Resolution::Unknown { .. }) => {}
        (SendClass::F, other) => panic!("{why}: a platform of class F knows {other:?}"),
        (_, Resolution::Found { sent, .. }) => {
            assert!(there, "{why}: found what is not there");
            assert_eq!(stage.entries().last().map(|entry| &entry.id), Some(&sent.external_id), "{why}");
        }
        (_, Resolution::Absent { .. }) => assert!(!there, "{why}: missed what is there"),
        (_, Resolution::Unknown { evidence }) => {
            assert!(frozen.frozen.is_refused_as_duplicate(frozen.frozen.frozen_at, Utc::now()), "{why}: {evidence}");
            match stage.submit(frozen).await {
                Submission::Duplicate(sent) => {
                    assert!(there, "{why}: it names what is not there");
                    assert_eq!(stage.entries().last().map(|entry| &entry.id), Some(&sent.external_id), "{why}");
                }
                Submission::Published(_) => assert!(!there, "{why}: posted twice"),
                other => panic!("{why}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_post_that_shows_late_is_found_by_looking_again() {
    for stage in Stage::all().await.iter().filter(|stage| stage.looks()) {
        stage.stand_in.faults().next(Endpoint::Publish, Fault::HideNew { ms: 0, lookups: 2 }, 1);
        let frozen = stage.freeze(&stage.part("Shown late")).await;
        assert_eq!(stage.submit(&frozen).await.name(), "published", "{}", stage.name());
        let mut looks = Vec::new();
        while looks.len() < 5 && looks.last() != Some(&"found") {
            looks.push(stage.resolve(&frozen).await.name());
        }
        assert_eq!(looks.last(), Some(&"found"), "{}: {looks:?}", stage.name());
        // A container tells that it was published; which post it is may show later.
        let early = if stage.class() == SendClass::C { ["absent", "unknown"] } else { ["absent"; 2] };
        assert!(looks[..looks.len() - 1].iter().all(|look| early.contains(look)) && looks.len() > 1, "{}: {looks:?}", stage.name());
    }
}

#[tokio::test]
async fn a_key_makes_one_post_of_two_sends_and_only_where_its_class_says_so() {
    for stage in Stage::all().await {
        let frozen = stage.freeze(&stage.part("Twice")).await;
        for turn in 0..2 {
            let name = stage.submit(&frozen).await.name();
            // What was staged is published once: the second time, the platform has nothing of that name any more.
            let spent = turn == 1 && stage.class() == SendClass::C && name == "unknown";
            // A platform of class D refuses the second one; what it says of it differs.
            let refused = turn == 1 && stage.class() == SendClass::D;
            assert!(name == "published" || spent || refused, "{}: {name}", stage.name());
        }
        let harmless = frozen.frozen.can_resend(frozen.frozen.frozen_at, Utc::now());
        let names = frozen.frozen.duplicate_oracle.is_some();
        assert!(!names || stage.class() == SendClass::D, "{}", stage.name());
        assert_eq!(harmless, names || matches!(stage.class(), SendClass::A | SendClass::B), "{}", stage.name());
        assert!(
            !(harmless || stage.class() == SendClass::C) || stage.entries().len() == 1,
            "{}: {} posts",
            stage.name(),
            stage.entries().len()
        );
    }
}

#[tokio::test]
async fn another_post_is_not_taken_for_the_one_that_is_looked_for() {
    for stage in Stage::all().await.iter().filter(|stage| stage.looks()) {
        stage.publish(&stage.part("Something quite different, which is there")).await;
        let missing = stage.freeze(&stage.part("What was never sent at all")).await;
        assert_eq!(stage.resolve(&missing).await.name(), "absent", "{}", stage.name());
    }
}
