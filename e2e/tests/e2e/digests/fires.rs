//! The times of a digest: one for each period, whatever becomes of its timers, and one mail, however often it takes.

use activities::{digests::digest_id, store::usage};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use domain::ids::DigestId;
use e2e::{Newsroom, Plan, process::Part, wait};
use sandbox::mail::Fault;
use serde_json::json;
use workflows::digest::{Fire, Made, MailAgain};

use super::desk::{Planned, Subscribed};

const ADA: &str = "ada@testers.example";

/// An instant whose time of the day is half a day away from now: nothing comes due by itself while a test runs.
fn half_a_day_away() -> DateTime<Utc> {
    Utc::now() + TimeDelta::hours(12)
}

/// The mails with the Message-ID of a digest.
fn letters(newsroom: &Newsroom, message_id: &str) -> usize {
    newsroom.mail.mails().iter().filter(|letter| letter.header("Message-ID").as_deref() == Some(message_id)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timer_makes_one_digest_at_its_time_and_plans_the_next() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    // The next full minute that leaves time to subscribe; on a machine that stood still meanwhile, one after it.
    let (subscribed, due) = loop {
        let due = (Utc::now() + TimeDelta::seconds(70)).duration_trunc(TimeDelta::minutes(1))?;
        let subscribed = Subscribed::daily_at(&newsroom, due, &[ADA]).await?;
        if subscribed.enable().await?.next_at == Some(due) {
            break (subscribed, due);
        }
    };
    assert_eq!(subscribed.planned().await?, Planned { revision: 1, fire_at: Some(due) });
    let digest = wait::until("the digest to be mailed", async || {
        let made = subscribed.digests().await?;
        Ok(made.into_iter().find(|digest| digest.mailed_at.is_some()).ok_or_else(|| "not yet".to_owned()))
    })
    .await?;
    assert_eq!((digest.id, digest.data.period.to), (digest_id(subscribed.id, due), due));
    assert_eq!(digest.data.period.from, subscribed.rhythm.period_start(due));
    assert!(digest.created_at >= due, "not before its time: {digest:?}");
    let next = Planned { revision: 1, fire_at: subscribed.rhythm.next_after(due) };
    assert_eq!(subscribed.planned().await?, next);
    newsroom.engine_rests().await?;
    assert_eq!(subscribed.timers("fire").await?, 1, "the next one");

    // The same timer again, as after an engine that lost track: that digest was made.
    subscribed.fire(1, due).await?;
    assert_eq!(subscribed.planned().await?, next);
    assert_eq!((subscribed.digests().await?.len(), letters(&newsroom, &digest.message_id), newsroom.mail.mails().len()), (1, 1, 1));
    assert_eq!(subscribed.timers("fire").await?, 1, "nothing is planned twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_of_a_plan_that_was_replaced_or_ended_does_nothing() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let subscribed = Subscribed::daily_at(&newsroom, half_a_day_away(), &[ADA]).await?;
    let due = subscribed.enable().await?.next_at.unwrap();
    assert_eq!(subscribed.enable().await?.next_at, Some(due));
    assert_eq!(subscribed.planned().await?, Planned { revision: 2, fire_at: Some(due) });
    // An older plan; and the right one at a time that is not its.
    subscribed.fire(1, due).await?;
    subscribed.fire(2, due - TimeDelta::days(1)).await?;
    assert_eq!(subscribed.planned().await?, Planned { revision: 2, fire_at: Some(due) });
    let (): () = subscribed.call("disable", &json!({ "org": newsroom.org })).await?;
    subscribed.fire(2, due).await?;
    subscribed.fire(3, due).await?;
    assert_eq!(subscribed.planned().await?, Planned { revision: 3, fire_at: None });
    assert!(subscribed.digests().await?.is_empty() && newsroom.mail.mails().is_empty());

    // The one in force does.
    assert_eq!(subscribed.enable().await?.next_at, Some(due));
    subscribed.fire(4, due).await?;
    assert_eq!(subscribed.digests().await?.iter().map(|digest| digest.data.period.to).collect::<Vec<_>>(), [due]);
    assert_eq!(newsroom.mail.mails().len(), 1);
    Ok(())
}

/// The rule for periods in which nothing ran: each gets its digest, so that their numbers add up, and only the newest is mailed.
#[tokio::test(flavor = "multi_thread")]
async fn every_period_that_was_missed_gets_its_digest_and_only_the_newest_is_mailed() -> anyhow::Result<()> {
    let mut newsroom = Newsroom::staffed(Plan::default()).await?;
    newsroom.kill_worker();
    let (id, due) = {
        let subscribed = Subscribed::daily_at(&newsroom, half_a_day_away(), &[ADA]).await?;
        let mut due = vec![subscribed.rhythm.next_after(Utc::now() - TimeDelta::days(3)).unwrap()];
        while due.len() < 3 {
            due.extend(due.last().and_then(|last| subscribed.rhythm.next_after(*last)));
        }
        // As it was left three days ago, when the system went down; its timer goes off as soon as the engine is back.
        newsroom.engine.set_state("Digest", &subscribed.id.to_string(), &json!({"plan": {"revision": 5, "fire_at": due[0]}})).await?;
        let late = Fire { org: newsroom.org, revision: 5, fire_at: due[0] };
        newsroom.engine.send("Digest", &subscribed.id.to_string(), "fire", &late, "the late timer").await?;
        ((subscribed.id, subscribed.rhythm), due)
    };
    newsroom.start_worker().await?;
    let subscribed = Subscribed::of(&newsroom, id.0, id.1);
    let made = wait::until("the newest digest to be mailed", async || {
        let made = subscribed.digests().await?;
        Ok(if made.last().is_some_and(|newest| newest.mailed_at.is_some()) { Ok(made) } else { Err(format!("{made:#?}")) })
    })
    .await?;
    newsroom.engine_rests().await?;
    assert_eq!(subscribed.digests().await?.len(), made.len(), "none comes after the newest");
    assert_eq!(made.iter().map(|digest| digest.data.period.to).collect::<Vec<_>>(), due);
    for pair in made.windows(2) {
        assert_eq!(pair[1].data.period.from, pair[0].data.period.to, "no hole, no overlap");
        assert_eq!((pair[0].mailed_at, pair[0].mail_note.as_deref()), (None, Some("not mailed: the next digest was due already")));
    }
    assert_eq!((letters(&newsroom, &made[2].message_id), newsroom.mail.mails().len()), (1, 1));
    assert_eq!(subscribed.planned().await?, Planned { revision: 5, fire_at: subscribed.rhythm.next_after(due[2]) });
    assert_eq!(subscribed.timers("fire").await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_not_taken_is_tried_again_and_taken_once() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let subscribed = Subscribed::daily_at(&newsroom, half_a_day_away(), &[ADA]).await?;
    let find = async |id: DigestId| anyhow::Ok(subscribed.digests().await?.into_iter().find(|digest| digest.id == id).unwrap());

    // It works in the same round.
    newsroom.mail.fail_next(Fault::RefuseContent(451));
    newsroom.mail.fail_next(Fault::DropBeforeContent);
    let made: Made = subscribed.call("now", &json!({ "org": newsroom.org })).await?;
    let first = find(made.digest_id).await?;
    assert!(first.mailed_at.is_some() && first.mail_note.is_none(), "{first:?}");
    assert_eq!((letters(&newsroom, &first.message_id), newsroom.mail.mails().len(), newsroom.mail.faults_left()), (1, 1, 0));
    assert_eq!(subscribed.timers("mail").await?, 0);

    // It does not, and works in the next one, for which a timer waits.
    for _ in 0..3 {
        newsroom.mail.fail_next(Fault::RefuseContent(451));
    }
    let made: Made = subscribed.call("now", &json!({ "org": newsroom.org })).await?;
    let second = find(made.digest_id).await?;
    let note = second.mail_note.as_deref().unwrap();
    assert!(second.mailed_at.is_none() && note.starts_with("not sent to ada@testers.example: "), "{second:?}");
    assert_eq!((letters(&newsroom, &second.message_id), subscribed.timers("mail").await?), (0, 1));
    let again = MailAgain { org: newsroom.org, digest_id: second.id, to: vec![ADA.to_owned()], notes: Vec::new(), round: 1 };
    let (): () = subscribed.call("mail", &again).await?;
    let second = find(second.id).await?;
    assert!(second.mailed_at.is_some() && second.mail_note.is_none(), "{second:?}");
    assert_eq!((letters(&newsroom, &second.message_id), newsroom.mail.mails().len()), (1, 2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ended_a_subscription_gets_no_mail_that_was_to_be_tried_again() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let subscribed = Subscribed::daily_at(&newsroom, half_a_day_away(), &[ADA]).await?;
    for _ in 0..3 {
        newsroom.mail.fail_next(Fault::RefuseContent(451));
    }
    let Made { digest_id } = subscribed.call("now", &json!({ "org": newsroom.org })).await?;
    assert_eq!(subscribed.timers("mail").await?, 1);
    let (): () = subscribed.call("disable", &json!({ "org": newsroom.org })).await?;
    let again = MailAgain { org: newsroom.org, digest_id, to: vec![ADA.to_owned()], notes: Vec::new(), round: 1 };
    let (): () = subscribed.call("mail", &again).await?;
    let made = subscribed.digests().await?;
    assert_eq!(made[0].mail_note.as_deref(), Some("not sent to ada@testers.example: the subscription was ended"));
    assert!(made[0].mailed_at.is_none() && newsroom.mail.mails().is_empty(), "{made:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_of_a_summary_are_the_orgs() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let subscribed = Subscribed::daily_at(&newsroom, half_a_day_away(), &[ADA]).await?;
    let spent = async || usage::spent_this_month(&mut newsroom.in_org().await?).await.map_err(|e| anyhow::anyhow!("{e}"));
    let before = spent().await?;
    let _: Made = subscribed.call("now", &json!({ "org": newsroom.org })).await?;
    let after = spent().await?;
    assert!(after > before, "{before} and then {after}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_a_dead_process_may_have_sent_comes_again_under_the_same_message_id() -> anyhow::Result<()> {
    let newsroom = Newsroom::open(Plan::default()).await?;
    let worker = Part::worker(&newsroom, Some("mail.digest:after"))?;
    wait::until("the worker to be registered", async || {
        let known = newsroom.engine.query("SELECT name FROM sys_service WHERE name = 'Digest'").await?;
        Ok(if known.is_empty() { Err(worker.tail()) } else { Ok(()) })
    })
    .await?;
    let subscribed = Subscribed::daily_at(&newsroom, half_a_day_away(), &[ADA]).await?;
    newsroom.engine.send("Digest", &subscribed.id.to_string(), "now", &json!({ "org": newsroom.org }), "now").await?;
    worker.crashes("mail.digest:after").await?;
    assert_eq!(newsroom.mail.mails().len(), 1);
    worker.start(None)?;
    let digest = wait::until("the digest to be mailed", async || {
        Ok(subscribed.digests().await?.into_iter().find(|digest| digest.mailed_at.is_some()).ok_or_else(|| worker.tail()))
    })
    .await?;
    assert_eq!((letters(&newsroom, &digest.message_id), newsroom.mail.mails().len()), (2, 2), "a mailbox shows them once");
    Ok(())
}
