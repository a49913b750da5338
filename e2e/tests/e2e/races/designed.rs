//! The nasty ones, by design: the platform has the post and holds its answer; the lane waits; nobody knows whether it arrived; an approval and a
//! stop at once.

use std::time::Duration;

use activities::store::campaigns::{self, Approval, NewCampaign};
use chrono::{SubsecRound as _, TimeDelta, Utc};
use domain::{
    brief::Language,
    ids::{CampaignId, PostId, RunId, VariantId},
    platform::Platform,
    post::{PostOptions, PostStatus},
    schedule::ScheduleSpec,
};
use e2e::{Newsroom, Plan, desk, process::Part, rest::Rest, seed, wait};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::{Method, StatusCode};
use sandbox::{
    fault::{Endpoint, Fault},
    mastodon::{Options, Software},
};
use serde_json::{Value, json};
use workflows::publication::PersonsVerdict;

use super::{
    asking::{Case, case, planned, stop_campaign},
    judge::{Ask, Begins, End},
    rounds::settled,
};

struct House {
    newsroom: Newsroom,
    rest: Rest,
    _gateway: Part,
}

async fn house() -> anyhow::Result<House> {
    // A server that posts twice under one key, so that a repetition would show.
    let mastodon = Options { software: Software::Snac, limits: None, ..Options::default() };
    let newsroom = Newsroom::staffed(Plan { mastodon, ..Plan::default() }).await?;
    let gateway = Part::gateway(&newsroom)?;
    gateway.listens().await?;
    let rest = Rest::new(&newsroom, gateway.url()?).await?;
    rest.ready().await?;
    Ok(House { newsroom, rest, _gateway: gateway })
}

impl House {
    /// A post that goes out now.
    async fn at_once(&self, platform: Platform, text: &str) -> anyhow::Result<Case> {
        let id = self.newsroom.approved_text(platform, text).await?;
        planned(&self.newsroom, id, text, None).await
    }

    /// Waits until a platform has misbehaved on order once more than `before`.
    async fn fired(&self, platform: Platform, before: usize) -> anyhow::Result<()> {
        wait::until("the platform to have the request", async || {
            let fired = self.newsroom.faults(platform).fired().len();
            Ok(if fired > before { Ok(()) } else { Err(format!("{fired}")) })
        })
        .await
    }

    /// Connects an account of a platform again.
    async fn connect_again(&self, platform: Platform) -> anyhow::Result<()> {
        let login = self.newsroom.stand_in(platform).logins().remove(0);
        let mut body = json!({ "platform": platform, "handle": login.handle, "credentials": login.credentials });
        if matches!(platform, Platform::Mastodon | Platform::Bluesky) {
            body["base_url"] = json!(login.base_url);
        }
        let (status, said) = self.rest.ask(Method::POST, "v1/connectors", Some(&body)).await?;
        anyhow::ensure!(status == StatusCode::CREATED, "{status}: {said:#}");
        anyhow::ensure!(said["id"] == json!(self.newsroom.account(platform)), "another account: {said:#}");
        Ok(())
    }

    async fn disconnect(&self, platform: Platform) -> anyhow::Result<()> {
        let (status, said) = self.rest.ask(Method::DELETE, &format!("v1/connectors/{}", self.newsroom.account(platform)), None).await?;
        anyhow::ensure!(status == StatusCode::NO_CONTENT, "{status}: {said:#}");
        Ok(())
    }
}

const BOTH: &[Platform] = e2e::PLATFORMS;

#[tokio::test(flavor = "multi_thread")]
async fn while_the_platform_holds_its_answer_nothing_is_granted_and_it_is_out_once() -> anyhow::Result<()> {
    let house = house().await?;
    for platform in BOTH {
        let before = house.newsroom.faults(*platform).fired().len();
        house.newsroom.faults(*platform).next(Endpoint::Publish, Fault::AnswerLate { ms: 2_000 }, 1);
        let mut case = house.at_once(*platform, &format!("The answer is held on {platform}.")).await?;
        house.fired(*platform, before).await?;
        let asks =
            [Ask::Cancel, Ask::Edit, case.plan(Some(Utc::now() + TimeDelta::hours(1))), case.plan(None), case.other_words(), Ask::Reject];
        for ask in asks {
            assert!(!case.ask(&house.rest, ask).await?, "{ask:?} was granted: {case:#?}");
        }
        settled(&house.newsroom, &[case.id]).await?;
        assert_eq!(case.holds(&house.newsroom).await?, End::Out { plan: 0, words: 0 });
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_waits_in_its_lane_is_whatever_was_granted() -> anyhow::Result<()> {
    let house = house().await?;
    for platform in BOTH {
        // The head of the lane is refused once it has frozen its bytes, and waits for a person who reconnects the account; the others wait behind it.
        let text = |what: &str| format!("{what} while the lane waits on {platform}.");
        let handle = house.newsroom.stand_in(*platform).logins().remove(0).handle;
        assert!(house.newsroom.stand_in(*platform).revoke(&handle));
        let mut edited = house.at_once(*platform, &text("Edited")).await?;
        house.newsroom.until_post(edited.id, "the lane to wait", |told| told.post.held_by.as_deref() == Some("reconnect")).await?;
        house.newsroom.until_status(edited.id, PostStatus::Scheduled).await?;
        let mut stopped = house.at_once(*platform, &text("Stopped")).await?;
        let mut moved = house.at_once(*platform, &text("Moved")).await?;
        let mut hurried = house.at_once(*platform, &text("Hurried")).await?;
        let mut back = house.at_once(*platform, &text("Stopped and brought back")).await?;
        assert!(edited.ask(&house.rest, Ask::Edit).await?);
        let other = edited.other_words();
        assert!(edited.ask(&house.rest, other).await?);
        let now = edited.plan(None);
        assert!(edited.ask(&house.rest, now).await?);
        assert!(stopped.ask(&house.rest, Ask::Cancel).await?);
        let later = moved.plan(Some((Utc::now() + TimeDelta::seconds(12)).trunc_subsecs(0)));
        assert!(moved.ask(&house.rest, later).await?);
        for _ in 0..3 {
            let now = hurried.plan(None);
            assert!(hurried.ask(&house.rest, now).await?);
        }
        assert!(back.ask(&house.rest, Ask::Cancel).await?);
        let now = back.plan(None);
        assert!(back.ask(&house.rest, now).await?);
        assert!(house.newsroom.stand_in(*platform).reinstate(&handle));
        house.connect_again(*platform).await?;
        let cases = [edited, stopped, moved, hurried, back];
        settled(&house.newsroom, &cases.iter().map(|case| case.id).collect::<Vec<_>>()).await?;
        let expected = [
            End::Out { plan: 1, words: 1 },
            End::Not(PostStatus::Cancelled),
            End::Out { plan: 1, words: 0 },
            End::Out { plan: 3, words: 0 },
            End::Out { plan: 1, words: 0 },
        ];
        for (case, expected) in cases.iter().zip(expected) {
            assert_eq!(case.holds(&house.newsroom).await?, expected, "{case:#?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_disconnect_nothing_goes_out_and_what_waited_asks() -> anyhow::Result<()> {
    let house = house().await?;
    for platform in BOTH {
        let before = house.newsroom.faults(*platform).fired().len();
        house.newsroom.faults(*platform).next(Endpoint::Publish, Fault::AnswerLate { ms: 1_500 }, 1);
        let first = house.at_once(*platform, &format!("On its way on {platform} when the account goes.")).await?;
        house.fired(*platform, before).await?;
        let mut behind = Vec::new();
        for n in 0..3 {
            behind.push(house.at_once(*platform, &format!("Number {n} behind it on {platform}.")).await?);
        }
        // Its timer goes off when the account is gone.
        let text = format!("Due later on {platform}.");
        let id = house.newsroom.approved_text(*platform, &text).await?;
        behind.push(planned(&house.newsroom, id, &text, Some((Utc::now() + TimeDelta::seconds(10)).trunc_subsecs(0))).await?);
        house.disconnect(*platform).await?;
        let books = house.newsroom.books(*platform).len();
        for case in &behind {
            let told = house.newsroom.until_post(case.id, "an answer", |t| t.post.status != PostStatus::Scheduled).await?;
            // One may have been on its way before the account went.
            if told.post.status != PostStatus::Published {
                house.newsroom.until_status(case.id, PostStatus::NeedsAttention).await?;
            }
        }
        house.newsroom.engine_rests().await?;
        first.holds(&house.newsroom).await?;
        assert_eq!(house.newsroom.books(*platform).len(), books, "something went out after the account was disconnected");
        let mut asking = Vec::new();
        for case in behind {
            let told = house.newsroom.told(case.id).await?;
            if told.post.status == PostStatus::NeedsAttention {
                assert!(told.post.note.as_deref().is_some_and(|note| note.starts_with("its account is disconnected")), "{told:#?}");
                house.newsroom.is_not_there(case.id).await?;
                asking.push(case);
            }
        }
        assert!(!asking.is_empty());
        house.connect_again(*platform).await?;
        for case in &mut asking {
            let (status, said) = house.rest.ask(Method::POST, &format!("v1/posts/{}/publish", case.id), None).await?;
            assert_eq!(status, StatusCode::OK, "{said:#}");
            house.newsroom.goes_out_once(case.id).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_out_is_not_stopped_and_is_not_forgotten_with_its_account() -> anyhow::Result<()> {
    let house = house().await?;
    for platform in BOTH {
        let faults = house.newsroom.faults(*platform);
        let before = faults.fired().len();
        faults.next(Endpoint::Publish, Fault::AcceptThenReset, 1);
        faults.next(Endpoint::Lookup, Fault::Refuse { status: 503 }, 10_000);
        let mut case = house.at_once(*platform, &format!("Nobody knows whether it arrived on {platform}.")).await?;
        house.fired(*platform, before).await?;
        for ask in [Ask::Cancel, Ask::Edit, case.plan(None)] {
            assert!(!case.ask(&house.rest, ask).await?, "{ask:?} was granted: {case:#?}");
        }
        house.disconnect(*platform).await?;
        let told = house.newsroom.until_status(case.id, PostStatus::NeedsAttention).await?;
        assert!(told.post.note.as_deref().is_some_and(|note| note.contains("may have been published")), "{told:#?}");
        faults.clear();
        house.connect_again(*platform).await?;
        // A new time is not to be had before a person has looked.
        assert!(!case.ask(&house.rest, Ask::Plan(1)).await?);
        let there = house.newsroom.entries_of(case.id).await?.remove(0).external_id;
        house.newsroom.resolve(case.id, PersonsVerdict::Published { external_id: Some(there) }).await?.unwrap();
        house.newsroom.engine_rests().await?;
        house.newsroom.is_there_once(case.id).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_what_nobody_can_look_for_says_so_and_it_is_never_sent_again() -> anyhow::Result<()> {
    let house = house().await?;
    house.newsroom.faults(Platform::Telegram).next(Endpoint::Publish, Fault::AcceptThenReset, 1);
    let text = "No bot can read what it wrote.";
    let id = house.newsroom.approved_text(Platform::Telegram, text).await?;
    house.newsroom.schedule(id, desk::now()).await?;
    house.newsroom.until_status(id, PostStatus::NeedsAttention).await?;
    let (status, said) = house.rest.ask(Method::POST, &format!("v1/posts/{id}/cancel"), None).await?;
    assert_eq!((status, &said["status"]), (StatusCode::OK, &json!("cancelled")), "{said:#}");
    assert!(said["note"].as_str().is_some_and(|note| note.contains("may have been published")), "{said:#}");
    // Brought back, it asks again, and nothing is sent blindly.
    let (status, said) = house.rest.ask(Method::POST, &format!("v1/posts/{id}/publish"), None).await?;
    assert_eq!(status, StatusCode::OK, "{said:#}");
    house.newsroom.until_status(id, PostStatus::NeedsAttention).await?;
    house.newsroom.engine_rests().await?;
    assert_eq!(house.newsroom.entries_of(id).await?.len(), 1);
    Ok(())
}

/// A post that waits for a decision, in a campaign of its own whose posts go out at once.
async fn waiting(house: &House, text: &str) -> anyhow::Result<(CampaignId, Case)> {
    let campaign = campaign(house, text).await?;
    Ok((campaign, waiting_in(house, campaign, text).await?))
}

/// One more post that waits for a decision in a campaign.
async fn waiting_in(house: &House, campaign: CampaignId, text: &str) -> anyhow::Result<Case> {
    let (post, _): (PostId, VariantId) = house.newsroom.waiting_in(campaign, Platform::Mastodon, text).await?;
    Ok(case(post, text, Begins::Waits { campaign_plan: true }, None))
}

/// A campaign whose posts go out as soon as they are approved.
async fn campaign(house: &House, text: &str) -> anyhow::Result<CampaignId> {
    let newsroom = &house.newsroom;
    let id = CampaignId::derived(newsroom.org.uuid(), text);
    let brief_id = seed::brief(newsroom, &[Language::EN]).await?;
    let campaign = NewCampaign {
        id,
        brand_id: newsroom.brand,
        brief_id,
        name: text.to_owned(),
        variants_per_post: 1,
        approval: Approval::Required,
        schedule: Some(ScheduleSpec::Now {}),
        options: PostOptions::default(),
        run_id: RunId::derived(newsroom.org.uuid(), text),
    };
    let mut tx = newsroom.in_org().await?;
    let stored = async {
        campaigns::insert(&mut tx, &campaign).await?;
        tx.commit().await
    };
    stored.await.map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(id)
}

/// How often each: which comes first is up to the machine.
const TURNS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_and_whatever_else_at_once_come_to_what_was_answered() -> anyhow::Result<()> {
    let house = house().await?;
    let rest = &house.rest;
    let mut cases = Vec::new();
    for turn in 0..TURNS {
        // The campaign's plan is on its way when the person asks for something else.
        for (what, after) in
            [("stopped", true), ("moved", true), ("stopped at once", false), ("rejected at once", false), ("hurried", false)]
        {
            let (_, mut case) = waiting(&house, &format!("Approved and {what}, {turn}.")).await?;
            let later = (Utc::now() + TimeDelta::seconds(4)).trunc_subsecs(0);
            let ask = match what {
                "moved" => case.plan(Some(later)),
                "rejected at once" => Ask::Reject,
                "hurried" => case.plan(None),
                _ => Ask::Cancel,
            };
            let (approved, asked) = if after {
                let approved = case.send(rest, Ask::Approve(0)).await?;
                (approved, case.send(rest, ask).await?)
            } else {
                tokio::try_join!(case.send(rest, Ask::Approve(0)), case.send(rest, ask))?
            };
            case.asked.extend([approved, asked]);
            cases.push(case);
        }
        // The whole campaign is stopped right after.
        let (campaign, mut case) = waiting(&house, &format!("Approved, and the campaign is stopped, {turn}.")).await?;
        assert!(case.ask(rest, Ask::Approve(0)).await?);
        let stopped = stop_campaign(rest, campaign, std::slice::from_ref(&case)).await?;
        case.asked.extend(stopped);
        cases.push(case);
    }
    settled(&house.newsroom, &cases.iter().map(|case| case.id).collect::<Vec<_>>()).await?;
    for case in &cases {
        case.holds(&house.newsroom).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_that_is_stopped_among_its_approvals_says_what_goes_out() -> anyhow::Result<()> {
    let house = house().await?;
    let (rest, seed) = (&house.rest, super::seed()?);
    let mut draw = StdRng::seed_from_u64(seed);
    let mut cases = Vec::new();
    for turn in 0..2 * TURNS {
        let campaign = campaign(&house, &format!("Stopped among its approvals, {turn}.")).await?;
        let mut four = Vec::new();
        for post in 0..4 {
            four.push(waiting_in(&house, campaign, &format!("Number {post} of what is stopped, {turn}.")).await?);
        }
        let pause = Duration::from_millis(draw.random_range(0..120));
        let approvals = futures::future::try_join_all(four.iter().map(|case| case.send(rest, Ask::Approve(0))));
        let stop = async {
            tokio::time::sleep(pause).await;
            stop_campaign(rest, campaign, &four).await
        };
        let (approved, stopped) = tokio::try_join!(approvals, stop)?;
        for (case, (approved, stopped)) in four.iter_mut().zip(approved.into_iter().zip(stopped)) {
            case.asked.extend([approved, stopped]);
        }
        cases.extend(four);
    }
    settled(&house.newsroom, &cases.iter().map(|case| case.id).collect::<Vec<_>>()).await?;
    let mut out = 0;
    for case in &cases {
        out += usize::from(matches!(case.holds(&house.newsroom).await?, End::Out { .. }));
    }
    println!("stopped among approvals: {out} of {} were out, PRESSROOM_E2E_SEED={seed}", cases.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_a_campaign_neither_brings_back_nor_moves() -> anyhow::Result<()> {
    let house = house().await?;
    let by_campaign = |post: PostId| {
        let input = workflows::publication::Schedule { org: house.newsroom.org, spec: desk::now(), late_is_fine: true, first_only: true };
        let engine = &house.newsroom.engine;
        async move { engine.call::<Value>("Publication", &post.to_string(), "schedule", &input).await?.map_err(|e| anyhow::anyhow!("{e:?}")) }
    };
    // The message of an approval comes late: the person has stopped the one, and moved the other.
    let stopped = house.newsroom.approved_post(Platform::Mastodon).await?;
    house.newsroom.cancel(stopped).await?.unwrap();
    let moved = house.newsroom.approved_post(Platform::Mastodon).await?;
    let far = house.newsroom.schedule(moved, desk::from_now(TimeDelta::days(2))).await?;
    let fresh = house.newsroom.approved_post(Platform::Mastodon).await?;
    for post in [stopped, moved, fresh] {
        by_campaign(post).await?;
    }
    house.newsroom.goes_out_once(fresh).await?;
    let told = house.newsroom.is_not_there(stopped).await?;
    assert_eq!(told.post.status, PostStatus::Cancelled);
    let told = house.newsroom.is_not_there(moved).await?;
    assert_eq!((told.post.status, told.post.revision, told.post.due_at), (PostStatus::Scheduled, far.revision, Some(far.due_at)));
    Ok(())
}
