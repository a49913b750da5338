//! A digest that somebody cancels while it is made, or while it is mailed: it stays stopped, and says what it did.

use chrono::{TimeDelta, Utc};
use e2e::{
    Newsroom, Plan,
    mirror::{Mirror, Whim},
    process::Part,
    rest::Rest,
    wait,
};
use reqwest::{Method, StatusCode};
use sandbox::mail::Fault;
use serde_json::{Value, json};

use super::desk::Subscribed;

/// Starts a digest by hand; the path of its run.
async fn start(rest: &Rest, subscribed: &Subscribed<'_>) -> anyhow::Result<String> {
    let path = format!("v1/digests/subscriptions/{}/run", subscribed.id);
    let (status, started) = rest.ask(Method::POST, &path, Some(&json!({}))).await?;
    assert_eq!(status, StatusCode::ACCEPTED, "{started}");
    Ok(format!("v1/runs/{}", started["run_id"].as_str().unwrap()))
}

async fn cancel(rest: &Rest, run: &str) -> anyhow::Result<()> {
    let (status, said) = rest.ask(Method::POST, &format!("{run}/cancel"), Some(&json!({}))).await?;
    assert_eq!(status, StatusCode::ACCEPTED, "{said}");
    Ok(())
}

async fn ends(rest: &Rest, run: &str) -> anyhow::Result<Value> {
    rest.until(run, "the run to end", |run| run["finished_at"].is_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_cancelled_while_the_model_writes_is_not_made_and_not_mailed() -> anyhow::Result<()> {
    let models = Mirror::start().await?;
    let newsroom = Newsroom::staffed(Plan { model_url: Some(models.url().join("v1")?), ..Plan::default() }).await?;
    models.front(newsroom.model.openai_url().parse()?);
    let gateway = Part::gateway(&newsroom)?;
    let rest = Rest::new(&newsroom, gateway.url()?).await?;
    gateway.listens().await?;
    let subscribed = Subscribed::daily_at(&newsroom, Utc::now() + TimeDelta::hours(12), &["ada@testers.example"]).await?;
    subscribed.enable().await?;
    let plan = subscribed.planned().await?;

    models.order("/chat/", Whim::Hold, 1);
    let run = start(&rest, &subscribed).await?;
    wait::until("the model to be asked", async || Ok(models.done().first().ok_or_else(|| "not yet".to_owned()).map(drop))).await?;
    cancel(&rest, &run).await?;
    models.let_go(1);
    let ended = ends(&rest, &run).await?;
    assert_eq!(ended["status"], "cancelled", "{ended:#}");
    newsroom.engine_rests().await?;
    assert!(subscribed.digests().await?.is_empty() && newsroom.mail.mails().is_empty());
    assert_eq!((subscribed.planned().await?, subscribed.timers("fire").await?, subscribed.timers("mail").await?), (plan, 1, 0));

    // The subscription is as it was.
    let run = start(&rest, &subscribed).await?;
    assert_eq!(ends(&rest, &run).await?["status"], "completed");
    assert_eq!((subscribed.digests().await?.len(), newsroom.mail.mails().len()), (1, 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_cancelled_while_it_is_mailed_mails_nobody_else_and_says_whom_not() -> anyhow::Result<()> {
    let newsroom = Newsroom::staffed(Plan::default()).await?;
    let gateway = Part::gateway(&newsroom)?;
    let rest = Rest::new(&newsroom, gateway.url()?).await?;
    gateway.listens().await?;
    let addresses = ["ada@testers.example", "bob@testers.example", "cyd@testers.example"];
    let subscribed = Subscribed::daily_at(&newsroom, Utc::now() + TimeDelta::hours(12), &addresses).await?;
    newsroom.mail.fail_next(Fault::KeepThenHang);
    let run = start(&rest, &subscribed).await?;
    wait::until("the first mail to be on its way", async || Ok(newsroom.mail.mails().pop().ok_or_else(|| "not yet".to_owned()).map(drop)))
        .await?;
    cancel(&rest, &run).await?;
    let ended = ends(&rest, &run).await?;
    assert_eq!(ended["status"], "cancelled", "{ended:#}");
    newsroom.engine_rests().await?;
    assert_eq!((newsroom.mail.mails().len(), subscribed.timers("mail").await?), (1, 0));
    let digest = subscribed.digests().await?.pop().unwrap();
    assert_eq!(
        (digest.mailed_at, digest.mail_note.as_deref()),
        (
            None,
            Some(
                "may have been sent to ada@testers.example, and is not sent again: the run was cancelled; \
                 not sent to bob@testers.example: the run was cancelled; not sent to cyd@testers.example: the run was cancelled"
            )
        )
    );
    Ok(())
}
