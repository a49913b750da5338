//! Servers that do not recognise repetitions, posts that nobody can tell apart, and what a person answers. And texts that nobody approved.

use activities::store::{posts, receipts, variants};
use domain::{platform::Platform, post::PostStatus};
use e2e::{Newsroom, Plan, desk};
use sandbox::{
    fault::{Endpoint, Fault},
    mastodon::{Options, Software},
};
use workflows::publication::PersonsVerdict;

use super::{BOTH, outcomes};

fn snac() -> Plan {
    Plan { mastodon: Options { software: Software::Snac, ..Options::default() }, ..Plan::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ignores_keys_gets_the_post_once_all_the_same() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(snac()).await?;
    for (fault, expected) in [
        (Fault::AcceptThenReset, &["published"][..]),
        (Fault::AcceptThenFail { status: 500 }, &["published"][..]),
        (Fault::ResetBeforeReading, &["absent", "published"][..]),
        (Fault::ActLate { ms: 150 }, &["published"][..]),
    ] {
        let post = newsroom.approved_post(Platform::Mastodon).await?;
        newsroom.mastodon.faults().next(Endpoint::Publish, fault, 1);
        newsroom.schedule(post, desk::now()).await?;
        let told = newsroom.goes_out_once(post).await?;
        assert_eq!(outcomes(&told), expected, "{told:#?}");
    }
    Ok(())
}

/// Posts a text past Pressroom, as a person with another client does.
async fn by_another_client(newsroom: &Newsroom, text: &str) -> anyhow::Result<String> {
    post_past_us(newsroom, serde_json::json!({ "status": text })).await
}

/// The same, as an answer to another post.
pub(super) async fn by_another_client_in(newsroom: &Newsroom, text: &str, answers: &str) -> anyhow::Result<String> {
    post_past_us(newsroom, serde_json::json!({ "status": text, "in_reply_to_id": answers })).await
}

async fn post_past_us(newsroom: &Newsroom, body: serde_json::Value) -> anyhow::Result<String> {
    let answer = reqwest::Client::new()
        .post(format!("{}/api/v1/statuses", newsroom.mastodon.base_url()))
        .bearer_auth("mastodon-stand-in-token")
        .json(&body)
        .send()
        .await?
        .error_for_status()?;
    let status: serde_json::Value = answer.json().await?;
    Ok(status["id"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_cannot_be_told_apart_is_asked_about_and_never_sent_blindly() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(snac()).await?;
    let text = "The same words from two hands.";
    for _ in 0..2 {
        by_another_client(&newsroom, text).await?;
    }

    // It arrived, and a person says where.
    let arrived = newsroom.approved_text(Platform::Mastodon, text).await?;
    newsroom.mastodon.faults().next(Endpoint::Publish, Fault::AcceptThenReset, 1);
    newsroom.schedule(arrived, desk::now()).await?;
    let told = newsroom.until_status(arrived, PostStatus::NeedsAttention).await?;
    assert_eq!(outcomes(&told), ["unknown"]);
    assert!(told.post.note.is_some_and(|note| note.contains("may have been published")));
    assert_eq!(newsroom.entries_of(arrived).await?.len(), 3, "it was sent more than once");
    let there = newsroom.books(Platform::Mastodon).last().unwrap().external_id.clone();
    let verdict = PersonsVerdict::Published { external_id: Some(there.clone()) };
    newsroom.resolve(arrived, verdict.clone()).await?.unwrap();
    let told = newsroom.until_status(arrived, PostStatus::Published).await?;
    assert_eq!(told.post.external_id, Some(there));
    assert_eq!(told.post.resolved_by.as_deref(), Some("person:editor@testers.example"));
    assert_eq!(outcomes(&told), ["published"]);
    assert_eq!(newsroom.resolve(arrived, PersonsVerdict::NotPublished).await?.unwrap_err().code, 409);
    assert_eq!(newsroom.entries_of(arrived).await?.len(), 3);

    // It did not arrive, and a person says so: it is sent, once.
    let lost = newsroom.approved_text(Platform::Mastodon, text).await?;
    newsroom.mastodon.faults().next(Endpoint::Publish, Fault::ResetBeforeReading, 1);
    newsroom.schedule(lost, desk::now()).await?;
    newsroom.until_status(lost, PostStatus::NeedsAttention).await?;
    assert_eq!(newsroom.entries_of(lost).await?.len(), 3, "it was sent again without anybody's word");
    newsroom.resolve(lost, PersonsVerdict::NotPublished).await?.unwrap();
    let told = newsroom.until_status(lost, PostStatus::Published).await?;
    assert_eq!(outcomes(&told), ["absent", "published"]);
    assert_eq!(newsroom.entries_of(lost).await?.len(), 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_that_fail_are_tried_until_they_tell_and_nothing_is_sent_meanwhile() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let post = newsroom.approved_post(*platform).await?;
        newsroom.faults(*platform).next(Endpoint::Publish, Fault::AcceptThenReset, 1);
        newsroom.faults(*platform).next(Endpoint::Lookup, Fault::Refuse { status: 503 }, 10);
        newsroom.schedule(post, desk::now()).await?;
        let told = newsroom.goes_out_once(post).await?;
        assert_eq!(outcomes(&told), ["published"]);
        assert_eq!(newsroom.faults(*platform).pending(), []);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_was_changed_after_its_approval_is_not_sent() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let post = newsroom.approved_post(*platform).await?;
        let mut tx = newsroom.in_org().await?;
        let edited = async {
            let mut variant = variants::of_post(&mut tx, post).await?.remove(0);
            variant.content.push_str(" And nobody approved this.");
            variants::save(&mut tx, &variant).await?;
            tx.commit().await?;
            Ok::<_, activities::ActivityError>(variant)
        };
        let variant = edited.await.map_err(|e| anyhow::anyhow!("{e}"))?;
        newsroom.schedule(post, desk::now()).await?;
        let told = newsroom.until_status(post, PostStatus::NeedsApproval).await?;
        assert!(told.receipts.is_empty(), "{told:#?}");
        assert!(told.post.note.is_some_and(|note| note.contains("changed after it was approved")));
        newsroom.is_not_there(post).await?;
        // Approved in these words it goes out.
        let mut tx = newsroom.in_org().await?;
        let approved = posts::approve(&mut tx, post, variant.id, &variant.content, "editor@testers.example").await;
        assert!(approved.map_err(|e| anyhow::anyhow!("{e}"))?);
        tx.commit().await.map_err(|e| anyhow::anyhow!("{e}"))?;
        newsroom.schedule(post, desk::now()).await?;
        newsroom.goes_out_once(post).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_our_settings_refuse_is_no_platform_that_is_away() -> anyhow::Result<()> {
    // The accounts were connected while the settings allowed it.
    let mut newsroom = Newsroom::open(Plan::default()).await?;
    newsroom.plan.allow_private_networks = false;
    newsroom.start_worker().await?;
    let mut held = Vec::new();
    for platform in BOTH {
        let post = newsroom.approved_post(*platform).await?;
        newsroom.schedule(post, desk::now()).await?;
        let told = newsroom.until_status(post, PostStatus::NeedsAttention).await?;
        assert_eq!(outcomes(&told), ["refused_by_settings"], "{told:#?}");
        assert!(told.receipts.iter().all(|r| r.sent_at.is_none() && r.answered_at.is_some()), "{told:#?}");
        let note = told.post.note.clone().unwrap_or_default();
        assert!(note.starts_with("nothing was sent") && note.contains("outgoing.allow_private_networks"), "{note}");
        assert_eq!(newsroom.entries_of(post).await?.len(), 0);
        held.push(post);
    }
    // A person changes the setting and gives the posts another time.
    newsroom.plan.allow_private_networks = true;
    newsroom.kill_worker();
    newsroom.start_worker().await?;
    for post in held {
        newsroom.schedule(post, desk::now()).await?;
        let told = newsroom.goes_out_once(post).await?;
        assert_eq!(outcomes(&told), ["refused_by_settings", "published"], "{told:#?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_as_a_repetition_and_not_to_be_found_is_asked_about_and_not_sent_for_ever() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    // Once, X may be behind itself: the post goes out with the next attempt.
    let late = newsroom.approved_text(Platform::X, "Refused once, and out with the next attempt.").await?;
    newsroom.faults(Platform::X).next(Endpoint::Publish, Fault::RefuseAsDuplicate, 1);
    newsroom.schedule(late, desk::now()).await?;
    let told = newsroom.until_status(late, PostStatus::Published).await?;
    assert_eq!(outcomes(&told), ["absent", "published"]);

    let stuck = newsroom.approved_text(Platform::X, "Refused as a repetition of nothing that is there.").await?;
    newsroom.faults(Platform::X).next(Endpoint::Publish, Fault::RefuseAsDuplicate, 99);
    newsroom.schedule(stuck, desk::now()).await?;
    let told = newsroom.until_status(stuck, PostStatus::NeedsAttention).await?;
    assert_eq!(outcomes(&told), ["absent", "unknown"], "{told:#?}");
    assert!(told.post.note.as_ref().is_some_and(|note| note.contains("has this post already")), "{told:#?}");
    let tried = newsroom.faults(Platform::X).fired().len();
    assert_eq!(tried, 3, "one for the first post, two for the second");
    assert_eq!(newsroom.stand_in(Platform::X).entries("pressroom").len(), 1);
    Ok(())
}

/// A name may turn out to be in a private network only when it is connected to, after the attempt was claimed.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_was_refused_after_its_claim_was_not_sent_either() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let post = newsroom.approved_post(Platform::Mastodon).await?;
    newsroom.faults(Platform::Mastodon).next(Endpoint::Publish, Fault::Refuse { status: 503 }, 1);
    newsroom.schedule(post, desk::now()).await?;
    let absent = newsroom.goes_out_once(post).await?.receipts.first().unwrap().clone();
    assert!(absent.sent_at.is_some(), "{absent:#?}");
    for (outcome, sent) in [("not_sent", true), ("refused_by_settings", false)] {
        let mut tx = newsroom.in_org().await?;
        let noted = receipts::settle(&mut tx, absent.id, &receipts::Outcome::named(outcome)).await;
        noted.map_err(|e| anyhow::anyhow!("{e}"))?;
        tx.commit().await.map_err(|e| anyhow::anyhow!("{e}"))?;
        let told = newsroom.told(post).await?;
        assert_eq!(told.receipts.first().unwrap().sent_at.is_some(), sent, "{outcome}: {told:#?}");
    }
    Ok(())
}
