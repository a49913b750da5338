//! No secret in any journal, log or answer. Every secret of a whole system is one that can be recognised; the system then works, fails, is refused and
//! recovers, among servers that repeat whatever they were told; and afterwards everything that it said or kept is searched.

mod house;

use domain::platform::Platform;
use e2e::{mirror::Whim, planted, wait};
use house::House;
use reqwest::{Method, StatusCode};
use sandbox::fault::{Endpoint, Fault};
use serde_json::{Value, json};

/// Connects the account on a platform, as the API does it; the mirror stands between.
async fn connect(house: &mut House, platform: Platform, credentials: Value) -> anyhow::Result<(StatusCode, Value)> {
    let body = json!({"platform": platform, "base_url": house.mirror(platform).url(), "handle": house.handle(platform), "credentials": credentials});
    house.ask(Method::POST, "/v1/connectors", Some(&body)).await
}

/// A campaign on one account; what becomes of its posts.
async fn campaign(house: &mut House, platform: Platform, connector: &Value, approval: &str) -> anyhow::Result<String> {
    let brief = json!({"topic": house.canary, "audience": "people at home", "tone": "warm", "languages": ["en"], "platforms": [platform]});
    let mut body = json!({"brand_id": house.newsroom.brand.to_string(), "brief": brief, "connectors": [connector["id"]],
        "variants_per_post": 1, "approval": approval});
    if approval == "auto" {
        body["schedule"] = json!({"mode": "now"});
    }
    let (status, started) = house.ask(Method::POST, "/v1/campaigns", Some(&body)).await?;
    anyhow::ensure!(status == StatusCode::ACCEPTED, "{started:#}");
    Ok(started["id"].as_str().unwrap_or_default().to_owned())
}

/// Everything that can be done with accounts, in good and in bad ways.
async fn live(house: &mut House) -> anyhow::Result<()> {
    house.people().await?;
    for platform in e2e::PLATFORMS {
        let right = house.credentials(*platform);
        // Refused: in a wrong form, with a wrong secret, and by servers that say back what they were told.
        for wrong in house.wrong_credentials(*platform) {
            let (status, answer) = connect(house, *platform, wrong).await?;
            assert!(status.is_client_error(), "{answer:#}");
        }
        for status in [400, 401, 403, 422, 500, 503] {
            // Cut off in the middle of what must not be shown, too.
            for words in [0, 200, 280, 290] {
                house.mirror(*platform).order("/", Whim::Echo(status, words), 1);
                let (status, answer) = connect(house, *platform, right.clone()).await?;
                assert!(!status.is_success(), "{answer:#}");
            }
        }
        let (status, connector) = connect(house, *platform, right.clone()).await?;
        assert_eq!(status, StatusCode::CREATED, "{connector:#}");

        // Well, and with a token that ends on the way.
        if *platform == Platform::Bluesky {
            house.newsroom.bluesky.faults().next(Endpoint::Publish, Fault::ExpireAccess, 1);
        }
        let fine = campaign(house, *platform, &connector, "auto").await?;
        house.until_posts(&fine, &["published"]).await?;

        // Refused by the platform, which says why in our own words.
        let send = house.sends(*platform);
        house.mirror(*platform).order(send, Whim::Echo(422, 270), 1);
        let refused = campaign(house, *platform, &connector, "auto").await?;
        house.until_posts(&refused, &["failed"]).await?;
        // Failed over there, nobody knows how: it is looked up, and sent again.
        house.mirror(*platform).order(send, Whim::Echo(500, 280), 1);
        let unknown = campaign(house, *platform, &connector, "auto").await?;
        house.until_posts(&unknown, &["published", "needs_attention"]).await?;

        // The account is lost, waits, and is connected again.
        house.newsroom.faults(*platform).next(Endpoint::Publish, Fault::RevokeCredentials, 1);
        let waiting = campaign(house, *platform, &connector, "auto").await?;
        house.until_health(&connector, "needs_reconnect").await?;
        house.newsroom.stand_in(*platform).reinstate(&house.handle(*platform));
        let (status, again) = connect(house, *platform, right).await?;
        assert_eq!((status, &again["id"]), (StatusCode::CREATED, &connector["id"]), "{again:#}");
        house.until_posts(&waiting, &["published"]).await?;

        // A model that repeats its key, once for good and then in passing.
        house.models.order("/v1/chat/completions", Whim::Echo(401, 280), 1);
        let unwritten = campaign(house, *platform, &connector, "required").await?;
        house.until_posts(&unwritten, &["failed"]).await?;
        for status in [500, 503] {
            house.models.order("/v1/chat/completions", Whim::Echo(status, 0), 1);
        }
        // A person has to decide, and is reminded by mail, through a server that wants a password.
        let asked = campaign(house, *platform, &connector, "required").await?;
        house.until_posts(&asked, &["needs_approval"]).await?;
    }
    wait::until("the reminders to be mailed", async || {
        Ok(if house.newsroom.mail.mails().is_empty() { Err("there is none".to_owned()) } else { Ok(()) })
    })
    .await?;
    house.webhook().await?;
    house.look_at_everything().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_in_any_journal_log_or_answer() -> anyhow::Result<()> {
    let mut house = House::open().await?;
    live(&mut house).await?;
    house.also_search_for_what_was_issued()?;

    // What is no secret is found in each of these places, so they were searched, and they hold what they are said to hold.
    let canary = house.canary.clone();
    let mut seen = planted::Planted::default();
    seen.add("canary", &canary, 0)?;
    let places: Vec<String> = house.search(&seen).await?.into_iter().map(|leak| leak.place).collect();
    for place in ["sys_journal.raw", "database briefs", "database variants", "GET /v1/briefs/", "GET /v1/posts/"] {
        assert!(places.iter().any(|found| found.starts_with(place)), "the canary was not found in {place}: {places:#?}");
    }
    let logs: Vec<_> = house.logs()?;
    for (part, word) in [("gateway", "/v1/campaigns"), ("worker", "DEBUG")] {
        let log = logs.iter().find(|(name, _)| name.ends_with(&format!("{part}.log"))).map(|(_, text)| text.as_str());
        assert!(log.is_some_and(|text| text.contains("DEBUG") && text.contains(word)), "the log of the {part} tells nothing");
    }

    let leaks = house.search(&house.planted).await?;
    assert!(leaks.is_empty(), "{} leaks: {leaks:#?}", leaks.len());

    // And a secret that is put there on purpose is found, in each kind of place.
    let token = house.credentials(Platform::Mastodon)["access_token"].as_str().unwrap_or_default().to_owned();
    let input = json!({"org": house.newsroom.org, "leak": token});
    let account = house.newsroom.account(Platform::Mastodon).to_string();
    let _ = house.newsroom.engine.call::<Value>("Connector", &account, "check", &input).await?;
    house.ask(Method::POST, "/v1/brands", Some(&json!({"name": token}))).await?;
    let said = format!("a line of a log that says {token}\n");
    std::fs::write(house.newsroom.stack.folder().join("on-purpose.log"), said)?;
    let places: Vec<String> = house.search(&house.planted).await?.into_iter().map(|leak| leak.place).collect();
    for place in ["sys_journal.raw", "database brands", "POST /v1/brands"] {
        assert!(places.iter().any(|found| found.starts_with(place)), "nothing was found in {place}: {places:#?}");
    }
    assert!(places.iter().any(|found| found.ends_with("on-purpose.log")), "{places:#?}");
    // The person's key goes on being one: the search did not stop anything.
    assert_eq!(house.ask(Method::GET, "/v1/me", None).await?.0, StatusCode::OK);
    Ok(())
}
