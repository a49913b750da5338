//! A campaign that people decide over, from the request to the platform, as one run.

mod again;
mod desk;

use activities::store::posts;
use domain::{platform::Platform, post::PostStatus};
use sandbox::mail::Fault;
use serde_json::Value;
use workflows::world::WorkflowSettings;

use self::desk::{Desk, every, named, one};
use crate::runs::events;

#[tokio::test(flavor = "multi_thread")]
async fn what_people_approve_is_followed_to_its_platform_and_the_run_is_done_when_it_is_out() -> anyhow::Result<()> {
    let desk = Desk::open(e2e::settings::quick()).await?;
    let (campaign, run) = desk.campaign(e2e::PLATFORMS, Some(&e2e::desk::now())).await?;
    let told = desk.rest.stream(&format!("{run}/events")).await?;
    let told = tokio::spawn(async move { told.text().await });
    let posts = desk.waiting(campaign, e2e::PLATFORMS.len()).await?;

    let shown = desk.until(&run, "waiting").await?;
    for timer in ["Campaign/remind", "Campaign/finish"] {
        assert_eq!((&one(&shown, timer)["status"], &one(&shown, timer)["waiting_for"]["what"]), (&"waiting".into(), &"start".into()));
    }
    // With all but the last one decided, the rest is still waited for.
    let (last, others) = posts.split_last().unwrap();
    for post in others {
        desk.approve(*post).await?;
        desk.newsroom.goes_out_once(*post).await?;
    }
    desk.newsroom.engine_rests().await?;
    assert_eq!(desk.until(&run, "waiting").await?["finished_at"], Value::Null);
    desk.approve(*last).await?;

    // The stream was opened before anybody decided, and ends by itself.
    let told = events(&told.await??);
    let (_, end, data) = told.last().unwrap();
    assert_eq!((end.as_str(), &data["status"]), ("done", &"completed".into()), "{told:#?}");
    for step in ["Campaign/decide", "store.decide", "Publication/schedule", "mastodon.submit", "bluesky.submit"] {
        assert!(told.iter().any(|(_, event, data)| event == "step" && data["name"] == step && data["status"] == "completed"), "no {step}");
    }
    for post in &posts {
        desk.newsroom.is_there_once(*post).await?;
    }

    let shown = desk.until(&run, "completed").await?;
    assert!(shown["finished_at"].is_string());
    for timer in ["Campaign/remind", "Campaign/finish"] {
        assert_eq!((&one(&shown, timer)["status"], &one(&shown, timer)["started_at"]), (&"cancelled".into(), &Value::Null), "{shown:#}");
    }
    let decisions = named(&shown, "Campaign/decide");
    assert_eq!(decisions.len(), 2, "{shown:#}");
    for (decision, submit) in decisions.iter().zip(["mastodon.submit", "bluesky.submit"]) {
        assert_eq!(decision["kind"], "request");
        let mut at: &Value = decision;
        for below in ["Publication/schedule", "Publication/fire", "Connector/publish"] {
            at = at["children"]
                .as_array()
                .unwrap()
                .iter()
                .find(|step| step["name"] == below)
                .unwrap_or_else(|| panic!("no {below} in {at:#}"));
        }
        assert_eq!(one(at, submit)["status"], "completed", "{at:#}");
    }
    let (_, listed) = desk.rest.ask(reqwest::Method::GET, "v1/runs?status=completed", None).await?;
    assert_eq!(listed["items"][0]["id"], shown["id"], "{listed:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn once_everything_is_rejected_the_run_is_over_long_before_its_deadline() -> anyhow::Result<()> {
    let desk = Desk::open(e2e::settings::quick()).await?;
    let (campaign, run) = desk.campaign(e2e::PLATFORMS, Some(&e2e::desk::now())).await?;
    for post in desk.waiting(campaign, 2).await? {
        desk.reject(post).await?;
    }
    let shown = desk.until(&run, "completed").await?;
    assert!(shown["finished_at"].is_string(), "{shown:#}");
    assert_eq!(named(&shown, "Campaign/decide").len(), 2);
    assert_eq!(one(&shown, "Campaign/finish")["status"], "cancelled", "{shown:#}");
    assert!(e2e::PLATFORMS.iter().all(|platform| desk.newsroom.books(*platform).is_empty()));
    // Somebody who is too late is told so, and leaves no trace in the run.
    let post = desk.newsroom.posts_of(campaign, 2).await?[0];
    let (status, said) = desk.ask_to_approve(post).await?;
    assert_eq!((status.as_u16(), &said["code"]), (409, &"already-decided".into()));
    let shown = desk.until(&run, "completed").await?;
    assert_eq!(named(&shown, "Campaign/decide").len(), 2, "{shown:#}");
    Ok(())
}

/// Somebody who can be reminded.
async fn has_a_reviewer(desk: &Desk) -> anyhow::Result<()> {
    let (store, org) = (desk.newsroom.store(), desk.newsroom.org);
    let role = gateway::access::Role::Reviewer;
    let made = gateway::admin::create_user(store, org, "ada@testers.example", "Ada", role, "a long enough password".to_owned().into());
    made.await.map(drop).map_err(|e| anyhow::anyhow!("{e}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_does_not_answer_holds_up_no_decision() -> anyhow::Result<()> {
    let desk = Desk::open(WorkflowSettings { reminder_seconds: 1, ..e2e::settings::quick() }).await?;
    has_a_reviewer(&desk).await?;
    desk.newsroom.mail.fail_next(Fault::KeepThenHang);
    let (campaign, run) = desk.campaign(&[Platform::Mastodon], Some(&e2e::desk::now())).await?;
    let post = desk.waiting(campaign, 1).await?[0];
    e2e::wait::until("the reminder to be on its way", async || {
        Ok(if desk.newsroom.mail.mails().is_empty() { Err("no mail yet".to_owned()) } else { Ok(()) })
    })
    .await?;
    desk.approve(post).await?;
    desk.newsroom.goes_out_once(post).await?;
    let shown = desk.until(&run, "completed").await?;
    assert_eq!(one(&shown, "Campaign/finish")["status"], "cancelled", "{shown:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_decide_is_reminded_and_then_the_time_is_over() -> anyhow::Result<()> {
    let settings = WorkflowSettings { reminder_seconds: 1, approval_seconds: 6, ..e2e::settings::quick() };
    let desk = Desk::open(settings).await?;
    has_a_reviewer(&desk).await?;
    let (campaign, run) = desk.campaign(&[Platform::Mastodon], Some(&e2e::desk::now())).await?;
    let shown = desk.until(&run, "completed").await?;
    for timer in ["Campaign/remind", "Campaign/finish"] {
        assert_eq!(one(&shown, timer)["status"], "completed", "{shown:#}");
    }
    assert_eq!(one(one(&shown, "Campaign/remind"), "mail.remind")["status"], "completed");
    let mails = desk.newsroom.mail.mails();
    assert_eq!(mails.len(), 1, "{mails:#?}");
    let post = desk.newsroom.posts_of(campaign, 1).await?[0];
    let told = desk.newsroom.is_not_there(post).await?;
    assert_eq!((told.post.status, told.post.decided_by.as_deref()), (PostStatus::Rejected, Some("deadline")));
    assert_eq!(every(&shown, &|step| step["kind"] == "request").len(), 0, "nobody asked for anything");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_reminder_is_another_mail_than_the_first() -> anyhow::Result<()> {
    let desk = Desk::open(WorkflowSettings { reminder_seconds: 1, ..e2e::settings::quick() }).await?;
    has_a_reviewer(&desk).await?;
    let far = e2e::desk::from_now(chrono::TimeDelta::days(20));
    let (campaign, _) = desk.campaign(&[Platform::Mastodon], Some(&far)).await?;
    let post = desk.waiting(campaign, 1).await?[0];
    let mails = async |count: usize| {
        e2e::wait::until("the reminders", async || {
            let ids: Vec<String> = desk.newsroom.mail.mails().iter().filter_map(|m| m.header("Message-ID")).collect();
            Ok(if ids.len() == count { Ok(ids) } else { Err(format!("{ids:?}")) })
        })
        .await
    };
    mails(1).await?;
    desk.approve(post).await?;
    // The edit voids the approval, and people are reminded anew.
    let (status, said) =
        desk.rest.ask(reqwest::Method::PATCH, &format!("v1/posts/{post}"), Some(&serde_json::json!({"first_comment": "More."}))).await?;
    assert!(status.is_success(), "{said:#}");
    let ids = mails(2).await?;
    assert_ne!(ids[0], ids[1], "a mailbox would take the second for the first");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_that_is_stopped_says_so_in_its_run_and_waits_for_nothing_more() -> anyhow::Result<()> {
    let desk = Desk::open(e2e::settings::quick()).await?;
    let far = e2e::desk::from_now(chrono::TimeDelta::days(20));
    let (campaign, run) = desk.campaign(e2e::PLATFORMS, Some(&far)).await?;
    // One waits for its time, the other for a decision.
    let posts = desk.waiting(campaign, 2).await?;
    desk.approve(posts[0]).await?;
    desk.newsroom.until_status(posts[0], PostStatus::Scheduled).await?;
    desk.until(&run, "waiting").await?;
    desk.rest.post(&format!("v1/campaigns/{campaign}/cancel"), &serde_json::json!({}), "stop").await?;
    let shown = desk.until(&run, "cancelled").await?;
    assert!(shown["finished_at"].is_string(), "{shown:#}");
    for timer in ["Campaign/remind", "Campaign/finish", "Publication/fire"] {
        assert_eq!(one(&shown, timer)["status"], "cancelled", "{timer} in {shown:#}");
    }
    for post in posts {
        let told = desk.newsroom.is_not_there(post).await?;
        assert_eq!(told.post.status, PostStatus::Cancelled);
    }
    // A later plan of such a post is not touched by what stopped the one before.
    let stopped = posts::list(&mut desk.newsroom.in_org().await?, Some(campaign), None, None, None, 2).await;
    let approved = stopped.map_err(|e| anyhow::anyhow!("{e}"))?.into_iter().find(|post| post.approved_variant_id.is_some()).unwrap().id;
    desk.rest.post(&format!("v1/posts/{approved}/publish"), &serde_json::json!({}), "after all").await?;
    desk.newsroom.goes_out_once(approved).await?;
    Ok(())
}
