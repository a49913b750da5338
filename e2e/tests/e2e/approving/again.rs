//! What people do after they have decided: another time, other words, an account that waits. All of it is the campaign's run.

use chrono::TimeDelta;
use domain::{platform::Platform, post::PostStatus};
use reqwest::Method;
use sandbox::fault::{Endpoint, Fault};
use serde_json::json;
use workflows::world::WorkflowSettings;

use super::desk::{Desk, named, one};
use crate::runs::events;

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_gets_its_time_later_opens_its_run_again_and_a_new_time_takes_the_place_of_the_old() -> anyhow::Result<()> {
    let desk = Desk::open(e2e::settings::quick()).await?;
    let (campaign, run) = desk.campaign(&[Platform::Mastodon], None).await?;
    let post = desk.waiting(campaign, 1).await?[0];
    desk.approve(post).await?;
    // Nothing is under way: it has no time.
    desk.until(&run, "completed").await?;
    let told = events(&desk.rest.stream(&format!("{run}/events")).await?.text().await?);
    assert_eq!(told.last().unwrap().1, "done");

    let at = |days| serde_json::to_value(e2e::desk::from_now(TimeDelta::days(days))).unwrap();
    desk.rest.post(&format!("v1/posts/{post}/schedule"), &at(20), "in twenty days").await?;
    let shown = desk.until(&run, "waiting").await?;
    assert_eq!(
        (&one(&shown, "Publication/schedule")["kind"], &one(&shown, "Publication/fire")["status"]),
        (&"request".into(), &"waiting".into())
    );
    // Whoever follows the run again hears how it goes on, and of its end once more.
    let told = desk.rest.stream(&format!("{run}/events")).await?;
    let told = tokio::spawn(async move { told.text().await });
    desk.rest.post(&format!("v1/posts/{post}/schedule"), &at(10), "in ten days").await?;
    desk.rest.post(&format!("v1/posts/{post}/publish"), &json!({}), "now").await?;
    desk.newsroom.goes_out_once(post).await?;
    let shown = desk.until(&run, "completed").await?;
    let fires: Vec<_> = named(&shown, "Publication/fire").iter().map(|step| step["status"].clone()).collect();
    assert_eq!(fires, ["cancelled", "cancelled", "completed"], "{shown:#}");
    one(&shown, "mastodon.submit");
    let told = events(&told.await??);
    let (_, end, data) = told.last().unwrap();
    assert_eq!((end.as_str(), &data["status"]), ("done", &"completed".into()), "{told:#?}");
    assert!(told.iter().any(|(_, _, data)| data["name"] == "mastodon.submit"), "{told:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_is_stopped_leaves_no_timer_behind() -> anyhow::Result<()> {
    let desk = Desk::open(e2e::settings::quick()).await?;
    let far = e2e::desk::from_now(TimeDelta::days(20));
    let (campaign, run) = desk.campaign(&[Platform::Mastodon], Some(&far)).await?;
    let post = desk.waiting(campaign, 1).await?[0];
    desk.approve(post).await?;
    desk.newsroom.until_status(post, PostStatus::Scheduled).await?;
    desk.rest.post(&format!("v1/posts/{post}/cancel"), &json!({}), "stop").await?;
    // The campaign was not stopped, one post of it was.
    let shown = desk.until(&run, "completed").await?;
    assert_eq!(one(&shown, "Publication/fire")["status"], "cancelled", "{shown:#}");
    assert_eq!(one(&shown, "Publication/cancel")["kind"], "request");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_is_void_gives_people_time_again() -> anyhow::Result<()> {
    let settings = WorkflowSettings { reminder_seconds: 0, approval_seconds: 8, ..e2e::settings::quick() };
    let desk = Desk::open(settings).await?;
    let far = e2e::desk::from_now(TimeDelta::days(20));
    let (campaign, run) = desk.campaign(&[Platform::Mastodon], Some(&far)).await?;
    let post = desk.waiting(campaign, 1).await?[0];
    desk.approve(post).await?;
    desk.newsroom.until_status(post, PostStatus::Scheduled).await?;
    let (status, said) =
        desk.rest.ask(Method::PATCH, &format!("v1/posts/{post}"), Some(&json!({"first_comment": "More on our page."}))).await?;
    assert!(status.is_success(), "{said:#}");
    // Nobody decides over it again.
    let told = desk.newsroom.until_status(post, PostStatus::Rejected).await?;
    assert_eq!(told.post.decided_by.as_deref(), Some("deadline"));
    let shown = desk.until(&run, "completed").await?;
    let ends: Vec<_> = named(&shown, "Campaign/finish").iter().map(|step| step["status"].clone()).collect();
    assert_eq!(ends, ["cancelled", "completed"], "{shown:#}");
    assert_eq!(one(&shown, "Publication/fire")["status"], "cancelled", "the plan of what had been approved");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_behind_a_rate_window_keeps_its_own_run_open_until_it_is_out() -> anyhow::Result<()> {
    let desk = Desk::open(e2e::settings::quick()).await?;
    let now = e2e::desk::now();
    let (first, _) = desk.campaign(&[Platform::Mastodon], Some(&now)).await?;
    let (second, run) = desk.campaign(&[Platform::Mastodon], Some(&now)).await?;
    let (first, second) = (desk.waiting(first, 1).await?[0], desk.waiting(second, 1).await?[0]);
    desk.newsroom.mastodon.faults().next(Endpoint::Publish, Fault::RateLimit { seconds: 6 }, 1);
    desk.approve(first).await?;
    desk.newsroom.until_post(first, "the first post to wait", |told| told.receipts.len() == 1 && told.post.note.is_some()).await?;
    desk.approve(second).await?;
    let shown =
        desk.rest.until(&run, "the second post to wait for the first one's lane", |run| !named(run, "store.join_run").is_empty()).await?;
    assert_eq!((&shown["status"], &one(&shown, "Connector/go_on")["kind"]), (&"waiting".into(), &"request".into()), "{shown:#}");
    let shown = desk.until(&run, "completed").await?;
    desk.newsroom.is_there_once(first).await?;
    desk.newsroom.is_there_once(second).await?;
    let lane = one(&shown, "Connector/go_on");
    assert_eq!(named(lane, "mastodon.submit").len(), 2, "{shown:#}");
    assert_eq!(shown["steps"].as_array().unwrap().iter().filter(|step| step["kind"] == "request").count(), 2);
    Ok(())
}
