//! Text, links, threads, comments, media: what arrives is what was meant.

use domain::publication::PartKind;
use sandbox::{
    fault::{Endpoint, Fault},
    social::EntryKind,
};

use super::*;

/// Whether parts of a thread hang on each other here. A Discord webhook cannot answer: its parts stand below each other.
fn answers(stage: &Stage) -> bool {
    stage.account.software.as_deref() != Some("webhook")
}

#[tokio::test]
async fn a_text_with_a_link_arrives_as_it_was_written() {
    for stage in Stage::all().await.into_iter().filter(|stage| stage.platform.capabilities().media.required.is_none()) {
        let text = "News & *more*: <b>1 < 2</b> @ann_x\n\nhttps://example.com/a?b=c&d=e_f #News 🙂";
        let sent = stage.publish(&stage.part(text)).await;
        let entries = stage.entries();
        assert_eq!(entries.len(), 1, "{}", stage.name());
        assert_eq!(
            (entries[0].text.as_str(), &entries[0].id, entries[0].kind),
            (text, &sent.external_id, EntryKind::Post),
            "{}",
            stage.name()
        );
        // Some answer with an id alone: where the post is, is asked when that id was kept.
        let asked = platform::address(&stage.http, &stage.account, &stage.credentials, &sent.external_id).await.unwrap();
        let url = if sent.url.is_empty() { asked.unwrap_or_default() } else { sent.url };
        assert!(url.starts_with("http"), "{}: {url}", stage.name());
    }
}

#[tokio::test]
async fn a_thread_hangs_together_and_a_comment_hangs_on_its_first_part() {
    for stage in Stage::all().await.into_iter().filter(|stage| stage.platform.capabilities().media.required.is_none()) {
        let capabilities = stage.platform.capabilities();
        let first = stage.publish(&stage.part("One of three")).await;
        let mut expected = vec![None];
        if capabilities.threads() {
            let second = stage.publish(&below(stage.part("Two of three"), PartKind::Continuation, &first, &first)).await;
            stage.publish(&below(stage.part("Three of three"), PartKind::Continuation, &first, &second)).await;
            // Slack knows no chain: all of a thread hangs on its first message.
            let third = if stage.platform == Platform::Slack { &first } else { &second };
            expected.extend([Some(first.external_id.clone()), Some(third.external_id.clone())]);
        }
        if capabilities.first_comment {
            stage.publish(&below(stage.part("And a comment"), PartKind::Comment, &first, &first)).await;
            expected.push(Some(first.external_id.clone()));
        }
        let parents: Vec<Option<String>> = stage.entries().into_iter().map(|entry| entry.parent).collect();
        if answers(&stage) {
            assert_eq!(parents, expected, "{}", stage.name());
        } else {
            assert_eq!(parents, vec![None; expected.len()], "{}", stage.name());
        }
    }
}

#[tokio::test]
async fn images_arrive_in_their_order_with_their_alt_text() {
    for stage in Stage::all().await {
        let Some(rules) = stage.platform.capabilities().media.images else { continue };
        for count in [1, 2].into_iter().filter(|count| *count <= rules.max) {
            let files: Vec<MediaFile> = (0..count).map(|n| stage.image(n as u8, &format!("A cat, number {n}"))).collect();
            let part = Part { media: files.iter().map(|file| file.media.clone()).collect(), ..stage.part(&format!("Look: {count}")) };
            let (staged, _) = stage.staged(&part, &files).await.unwrap_or_else(|error| panic!("{}: {error}", stage.name()));
            let frozen = platform::freeze(&stage.account, &part, &staged, Uuid::now_v7()).unwrap();
            assert_eq!(frozen.body_hash, body_hash(&frozen.body));
            let sending = Sending { frozen: &frozen, staged: &staged, files: &files };
            let sent = stage.published(platform::submit(&stage.http, &stage.account, &stage.credentials, sending).await.value);
            let entry = stage.entries().pop().unwrap();
            assert_eq!(
                (&entry.id, entry.text.as_str(), entry.media.len()),
                (&sent.external_id, part.text.as_str(), files.len()),
                "{}",
                stage.name()
            );
            for (attachment, file) in entry.media.iter().zip(&files) {
                let alt = Some(file.media.alt.as_str()).filter(|_| rules.max_alt > 0);
                assert_eq!((attachment.alt.as_deref(), attachment.bytes as u64), (alt, file.media.bytes), "{}", stage.name());
                assert!(attachment.sha256.is_empty() || attachment.sha256 == file.media.sha256, "{}", stage.name());
            }
        }
    }
}

#[tokio::test]
async fn media_that_are_processed_slowly_are_waited_for_and_failed_ones_are_told() {
    for stage in Stage::all().await {
        let capabilities = stage.platform.capabilities();
        let files = [stage.image(0, "A cat")];
        let part = Part { media: vec![files[0].media.clone()], ..stage.part("Look") };
        if capabilities.media.images.is_none() {
            continue;
        }
        let uploads = |fault: Fault| stage.stand_in.faults().next(Endpoint::Media, fault, 9);
        uploads(Fault::ProcessSlowly { ms: 0, polls: 2 });
        let (_, waits) = stage.staged(&part, &files).await.unwrap_or_else(|error| panic!("{}: {error}", stage.name()));
        let processes = stage.stand_in.faults().fired().iter().any(|fired| matches!(fired.fault, Fault::ProcessSlowly { .. }));
        stage.stand_in.faults().clear();
        uploads(Fault::FailProcessing);
        let failed = stage.staged(&part, &files).await;
        stage.stand_in.faults().clear();
        if matches!(stage.platform, Platform::Slack) {
            assert!(processes && waits == 2, "{}: {waits}", stage.name());
            assert!(matches!(failed, Err(activities::ActivityError::Rejected { .. })), "{}: {failed:?}", stage.name());
        }
        assert!(stage.entries().is_empty(), "{}: staging is seen by nobody", stage.name());
    }
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused_and_nothing_is_published() {
    for stage in Stage::all().await {
        let limits = stage.account.limits.max_characters.unwrap_or(stage.platform.capabilities().max_units);
        let part = stage.part(&"x".repeat(limits as usize + 1));
        let refused = match stage.try_freeze(&part).await {
            Ok(frozen) => stage.submit(&frozen).await.name(),
            Err(activities::ActivityError::Rejected { .. }) => "rejected",
            Err(other) => panic!("{}: {other}", stage.name()),
        };
        assert_eq!(refused, "rejected", "{}", stage.name());
        assert!(stage.entries().is_empty(), "{}", stage.name());
    }
}
