//! Posts of several parts: threads, first comments, and what becomes of the rest when a part is refused, unknown, or the worker dies on the way.

use domain::{
    ids::PostId,
    platform::Platform,
    post::{PostOptions, PostStatus, Threading},
};
use e2e::{Newsroom, Plan, desk, process::Part, wait};
use sandbox::{
    fault::{Endpoint, Fault},
    mastodon::{Options, Software},
};
use workflows::publication::PersonsVerdict;

use super::BOTH;

/// The parts of a thread that no other post has, and the text that they stand in.
fn thread(name: &str) -> (Vec<String>, String) {
    let texts: Vec<String> = (1..=3).map(|n| format!("{name}, part {n} of a story about bread.")).collect();
    let text = texts.join("\n---\n");
    (texts, text)
}

fn refs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn out_per_part(told: &e2e::books::Told) -> Vec<(u32, &str)> {
    told.receipts.iter().filter_map(|r| Some((r.part, r.outcome.as_deref()?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_and_its_comment_go_out_in_order_and_hang_right() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let (mut texts, text) = thread("In order");
        texts.push("comment: where to find us".to_owned());
        let options = PostOptions { first_comment: Some(texts[3].clone()), ..PostOptions::default() };
        let post = newsroom.approved_with(*platform, &text, &options).await?;
        newsroom.schedule(post, desk::now()).await?;
        newsroom.until_status(post, PostStatus::Published).await?;
        let told = newsroom.parts_are_there_once(post, &refs(&texts)).await?;
        assert_eq!(out_per_part(&told), [(0, "published"), (1, "published"), (2, "published"), (3, "published")]);
        let kinds: Vec<_> = told.receipts.iter().map(|r| r.kind.as_str()).collect();
        assert_eq!(kinds, ["post", "continuation", "continuation", "comment"]);

        // A text that is too long is split where that was asked for.
        let long = format!("A long one on {platform}. {}", "Every word of it is worth reading twice. ".repeat(14));
        let options = PostOptions { thread: Threading::Split, ..PostOptions::default() };
        let post = newsroom.approved_with(*platform, long.trim(), &options).await?;
        newsroom.schedule(post, desk::now()).await?;
        let told = newsroom.until_status(post, PostStatus::Published).await?;
        assert!(told.receipts.len() > 1, "{told:#?}");
        assert_eq!(told.receipts.iter().map(|r| r.part).collect::<Vec<_>>(), (0..told.receipts[0].parts as u32).collect::<Vec<_>>());
    }
    Ok(())
}

/// Lets the worker die at `step`, and a thread that is under way then come to its end.
async fn dies_at(newsroom: &Newsroom, worker: &Part, platform: Platform, step: &str) -> anyhow::Result<()> {
    let (texts, text) = thread(&format!("Dies at {step} on {platform}"));
    worker.kill9();
    worker.start(Some(step))?;
    let post = newsroom.approved_text(platform, &text).await?;
    // The first worker of all is still to be registered.
    wait::until("the plan to be taken", async || Ok(newsroom.schedule(post, desk::now()).await.map_err(|e| e.to_string()))).await?;
    worker.crashes(step).await?;
    worker.start(None)?;
    newsroom.until_status(post, PostStatus::Published).await?;
    newsroom.parts_are_there_once(post, &refs(&texts)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_between_parts_or_in_one_sends_each_once() -> anyhow::Result<()> {
    // snac takes a repetition for a new post, so that one would show.
    let mastodon = Options { software: Software::Snac, ..Options::default() };
    let newsroom = Newsroom::open(Plan { mastodon, ..Plan::default() }).await?;
    let worker = Part::worker(&newsroom, None)?;
    for platform in BOTH {
        for step in [
            "store.arm:after:2".to_owned(),
            format!("{platform}.submit:before:2"),
            format!("{platform}.submit:after:2"),
            "store.record_published:before:2".to_owned(),
            "store.record_published:after:1".to_owned(),
            format!("{platform}.submit:after:3"),
        ] {
            dies_at(&newsroom, &worker, *platform, &step).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_without_an_answer_is_found_and_the_chain_goes_on() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let (texts, text) = thread(&format!("Unanswered on {platform}"));
        let post = newsroom.approved_text(*platform, &text).await?;
        let faults = newsroom.faults(*platform);
        faults.next(Endpoint::Publish, Fault::AnswerLate { ms: 0 }, 1);
        faults.next(Endpoint::Publish, Fault::AcceptThenReset, 1);
        newsroom.schedule(post, desk::now()).await?;
        newsroom.until_status(post, PostStatus::Published).await?;
        let told = newsroom.parts_are_there_once(post, &refs(&texts)).await?;
        let how: Vec<_> = told.receipts.iter().map(|r| (r.part, r.resolved_by.as_deref().unwrap_or_default())).collect();
        assert_eq!(how, [(0, "answer"), (1, "lookup"), (2, "answer")]);
        assert_eq!(faults.pending(), []);
    }
    Ok(())
}

/// A thread whose second part the server refuses; what is out is told.
async fn refused_second(newsroom: &Newsroom) -> anyhow::Result<(PostId, Vec<String>)> {
    let (texts, text) = thread("Refused");
    let post = newsroom.approved_text(Platform::Mastodon, &text).await?;
    newsroom.mastodon.faults().next(Endpoint::Publish, Fault::AnswerLate { ms: 0 }, 1);
    newsroom.mastodon.faults().next(Endpoint::Publish, Fault::Refuse { status: 422 }, 1);
    newsroom.schedule(post, desk::now()).await?;
    let told = newsroom.until_status(post, PostStatus::NeedsAttention).await?;
    assert_eq!(out_per_part(&told), [(0, "published"), (1, "rejected")]);
    let note = told.post.note.unwrap();
    assert!(note.contains("part 2 of 3 was refused") && note.contains("part 1 of 3 is out (http"), "{note}");
    assert!(told.post.external_id.is_some(), "where the first part is, is known");
    Ok((post, texts))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_part_asks_and_the_rest_goes_on_by_a_persons_word() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    // It is tried again, and nothing that is out is sent twice.
    let (post, texts) = refused_second(&newsroom).await?;
    newsroom.resolve(post, PersonsVerdict::NotPublished).await?.unwrap();
    newsroom.until_status(post, PostStatus::Published).await?;
    let told = newsroom.parts_are_there_once(post, &refs(&texts)).await?;
    assert_eq!(out_per_part(&told), [(0, "published"), (1, "rejected"), (1, "published"), (2, "published")]);

    // A person has posted it by another client: the third part hangs on that one.
    let (texts, text) = thread("By hand");
    let post = newsroom.approved_text(Platform::Mastodon, &text).await?;
    newsroom.mastodon.faults().next(Endpoint::Publish, Fault::AnswerLate { ms: 0 }, 1);
    newsroom.mastodon.faults().next(Endpoint::Publish, Fault::Refuse { status: 422 }, 1);
    newsroom.schedule(post, desk::now()).await?;
    let first = newsroom.until_status(post, PostStatus::NeedsAttention).await?.post.external_id.unwrap();
    let by_hand = super::asked::by_another_client_in(&newsroom, &texts[1], &first).await?;
    newsroom.resolve(post, PersonsVerdict::Published { external_id: Some(by_hand) }).await?.unwrap();
    newsroom.until_status(post, PostStatus::Published).await?;
    let books = newsroom.books(Platform::Mastodon);
    let chain: Vec<_> = texts.iter().map(|text| books.iter().filter(|e| e.text == *text).collect::<Vec<_>>()).collect();
    assert!(chain.iter().all(|found| found.len() == 1), "{chain:#?}");
    assert_eq!(chain[2][0].answers.as_ref(), Some(&chain[1][0].external_id));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_waits_half_way_cannot_be_stopped_or_changed_under_the_lanes_hands() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let (texts, text) = thread(&format!("Throttled on {platform}"));
        let post = newsroom.approved_text(*platform, &text).await?;
        let faults = newsroom.faults(*platform);
        faults.next(Endpoint::Publish, Fault::AnswerLate { ms: 0 }, 1);
        faults.next(Endpoint::Publish, Fault::RateLimit { seconds: 3 }, 1);
        newsroom.schedule(post, desk::now()).await?;
        newsroom.until_post(post, "the second part to be throttled", |told| out_per_part(told).contains(&(1, "rate_limited"))).await?;
        let mut tx = newsroom.in_org().await?;
        let other = PostOptions { thread: Threading::Split, ..PostOptions::default() };
        let changed = activities::store::posts::set_options(&mut tx, post, &other);
        assert!(!changed.await.map_err(|e| anyhow::anyhow!("{e}"))?);
        drop(tx);
        assert_eq!(newsroom.cancel(post).await?.unwrap_err().code, 409);
        newsroom.until_status(post, PostStatus::Published).await?;
        newsroom.parts_are_there_once(post, &refs(&texts)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_were_approved_anew_are_the_ones_that_are_sent() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    for platform in BOTH {
        let post = newsroom.approved_text(*platform, &format!("The old words on {platform}.")).await?;
        // Throttled once, so that the old words are frozen already.
        newsroom.faults(*platform).next(Endpoint::Publish, Fault::RateLimit { seconds: 2 }, 1);
        newsroom.schedule(post, desk::now()).await?;
        newsroom
            .until_post(post, "the post to be throttled", |told| {
                told.post.status == PostStatus::Scheduled && out_per_part(told) == [(0, "rate_limited")]
            })
            .await?;
        let mut tx = newsroom.in_org().await?;
        let edit = async {
            let variant = activities::store::variants::of_post(&mut tx, post).await?.remove(0);
            assert!(activities::store::posts::void_approval(&mut tx, post, "edited").await?);
            let new = format!("The new words on {platform}.");
            assert!(activities::store::posts::approve(&mut tx, post, variant.id, &new, "editor@testers.example").await?);
            tx.commit().await
        };
        edit.await.map_err(|e: activities::ActivityError| anyhow::anyhow!("{e}"))?;
        newsroom.schedule(post, desk::now()).await?;
        newsroom.until_status(post, PostStatus::Published).await?;
        let texts: Vec<_> =
            newsroom.books(*platform).into_iter().map(|e| e.text).filter(|t| t.ends_with(&format!("on {platform}."))).collect();
        assert_eq!(texts, [format!("The new words on {platform}.")]);
    }
    Ok(())
}
