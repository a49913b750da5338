//! snac: an ActivityPub server with Mastodon's API that takes no notice of idempotency keys, so that a repetition would show.

use activities::{
    platform::{self, ACCESS_TOKEN, Credentials},
    publishing::account,
    store::connectors,
    vault::Sealed,
};
use anyhow::{Context as _, ensure};
use domain::{platform::Platform, post::PostStatus};
use reqwest::StatusCode;
use sandbox::servers::snac::Snac;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::Url;

use super::{Desk, Entry, megabytes};

/// A desk whose account was connected by OAuth, on the server's own page.
async fn opened() -> anyhow::Result<(Snac, Desk)> {
    let begin = std::time::Instant::now();
    let snac = Snac::start().await?;
    println!("snac was ready after {} ms and takes {} MB", begin.elapsed().as_millis(), megabytes(snac.pid()));
    let mut desk = Desk::open(Platform::Mastodon, snac.base_url()).await?;
    let begun = desk.get(&format!("v1/connectors/authorize?platform=mastodon&base_url={}", desk.address())).await?;
    let authorize: Url = begun["authorize_url"].as_str().context("an address")?.parse()?;
    let back = snac.agree(&authorize).await?;
    // The browser comes back to the public address, behind which this gateway stands.
    let mut here = desk.gateway.url()?.join(back.path())?;
    here.set_query(back.query());
    let connected = reqwest::get(here).await?;
    let (status, said) = (connected.status(), connected.text().await?);
    ensure!(status.is_success(), "{status}: {said}");
    desk.uses(&serde_json::from_str(&said)?)?;
    Ok((snac, desk))
}

/// The account, and what it is opened with.
async fn connected(desk: &Desk) -> anyhow::Result<(platform::Account, Credentials)> {
    let id = desk.newsroom.account(Platform::Mastodon);
    let mut tx = desk.newsroom.in_org().await?;
    let read = async {
        let row = connectors::require(&mut tx, id).await?;
        Ok::<_, activities::ActivityError>((account(&row)?, connectors::sealed_credentials(&mut tx, id).await?))
    };
    let (account, sealed) = read.await.map_err(|e| anyhow::anyhow!("{e}"))?;
    let text = desk.newsroom.vault()?.open_text(&connectors::seal_context(&tx, id), &Sealed::from_bytes(sealed));
    let text = text.map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok((account, Credentials::from_plaintext(text.expose_secret()).map_err(|e| anyhow::anyhow!("{e}"))?))
}

async fn statuses(snac: &Snac, desk: &Desk) -> anyhow::Result<Vec<Value>> {
    let (account, credentials) = connected(desk).await?;
    Ok(snac.statuses(credentials.find(ACCESS_TOKEN).context("a token")?.expose_secret(), &account.remote_id).await?)
}

async fn entries(snac: &Snac, desk: &Desk) -> anyhow::Result<Vec<Entry>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entry = |status: &Value| Entry {
        external_id: text(&status["id"]),
        text: text(&status["text"]),
        answers: status["in_reply_to_id"].as_str().map(str::to_owned),
    };
    Ok(statuses(snac, desk).await?.iter().map(entry).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn real_servers_snac_takes_a_thread_with_a_picture_and_no_deletion() -> anyhow::Result<()> {
    let (snac, desk) = opened().await?;
    let status = desk.get(&format!("v1/connectors/{}/status", desk.newsroom.account(Platform::Mastodon))).await?;
    assert_eq!((&status["send"]["class"], &status["max_characters"]), (&json!("E"), &json!(100_000)), "{status:#}");
    let texts = [
        "Grüße 🙂 aus dem Hafen: https://harbour.example/roast #Kaffee",
        "The second part hangs on the first.",
        "And the third on the second.",
    ];
    let picture = desk.picture().await?;
    let post = desk.publish(&texts.join("\n---\n"), Some(picture)).await?;
    desk.until_published(post).await?;
    let shown = desk.is_there_once(post, &texts, &entries(&snac, &desk).await?).await?;
    let there = statuses(&snac, &desk).await?;
    let first = there.iter().find(|status| status["text"] == texts[0]).unwrap();
    assert_eq!(first["media_attachments"][0]["description"], "A bag of coffee", "{first:#}");
    assert_eq!(shown["published"]["url"], first["url"]);
    // Its counters are what it says of it.
    let path = format!("v1/metrics?post_id={post}");
    let counted = desk.rest.until(&path, "a reading", |seen| !seen["items"][0]["readings"].as_array().is_none_or(Vec::is_empty)).await?;
    assert!(counted.to_string().contains("\"comments\":1"), "the second part answers the first: {counted:#}");

    // It has no deletion for programs, and says 404; the post is not taken for gone.
    let (account, credentials) = connected(&desk).await?;
    let refused = platform::delete(&desk.newsroom.outgoing()?, &account, &credentials, first["id"].as_str().unwrap()).await;
    assert!(matches!(&refused, Err(activities::ActivityError::Rejected { what }) if what.contains("delete it there")), "{refused:?}");
    assert_eq!(entries(&snac, &desk).await?.len(), 3);
    let nobody = credentials.with_token("nobody's", None);
    let expired = platform::check(&desk.newsroom.outgoing()?, &account, &nobody).await;
    assert!(matches!(expired, Err(activities::ActivityError::CredentialsExpired { .. })), "{:?}", expired.map(|_| ()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn real_servers_snac_has_each_post_once_wherever_the_worker_dies() -> anyhow::Result<()> {
    let (snac, desk) = opened().await?;
    for step in ["store.arm:after", "mastodon.submit:before", "mastodon.submit:after", "store.record_published:before"] {
        // Words that the server makes something else of when it shows them.
        let texts = [format!("The worker <b> *dies* & \"ends\" at {step}. :-)"), format!("It goes on after {step}.")];
        let post = desk.dies_at(step, &texts.join("\n---\n")).await?;
        desk.until_published(post).await?;
        desk.is_there_once(post, &[&texts[0], &texts[1]], &entries(&snac, &desk).await?).await?;
    }
    let texts = ["The server *has* it <i>, and the worker dies unheard.", "The rest follows."];
    let arrived = async || Ok(entries(&snac, &desk).await?.iter().any(|entry| entry.text == texts[0]));
    let post = desk.dies_unheard(&texts.join("\n---\n"), arrived).await?;
    desk.until_published(post).await?;
    desk.is_there_once(post, &texts, &entries(&snac, &desk).await?).await?;
    let told = desk.newsroom.told(post).await?;
    let how: Vec<_> = told.receipts.iter().map(|r| r.resolved_by.as_deref().unwrap_or_default()).collect();
    assert_eq!(how, ["lookup", "answer"], "{told:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn real_servers_snac_a_person_names_the_post_by_its_address() -> anyhow::Result<()> {
    let (snac, desk) = opened().await?;
    let (account, credentials) = connected(&desk).await?;
    let (first, second) = ("The same words from two hands.", "And what follows them.");
    let token = credentials.find(ACCESS_TOKEN).context("a token")?.expose_secret();
    for _ in 0..2 {
        let by_hand = reqwest::Client::new().post(snac.base_url().join("api/v1/statuses")?).bearer_auth(token);
        by_hand.json(&json!({ "status": first })).send().await?.error_for_status()?;
    }
    let arrived = async || Ok(entries(&snac, &desk).await?.iter().filter(|entry| entry.text == first).count() == 3);
    let post = desk.dies_unheard(&format!("{first}\n---\n{second}"), arrived).await?;
    desk.newsroom.until_status(post, PostStatus::NeedsAttention).await?;
    assert_eq!(entries(&snac, &desk).await?.len(), 3, "nothing was sent again without anybody's word");
    let there = snac.statuses(token, &account.remote_id).await?.remove(0);
    let named = |address: &str| json!({ "as": "published", "external_id": address });
    let (status, said) = desk.resolve(post, &named("http://127.0.0.1/ann/p/1")).await?;
    assert_eq!((status, &said["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("platform-refused")), "{said:#}");
    let (status, said) = desk.resolve(post, &named(there["url"].as_str().unwrap())).await?;
    assert_eq!(status, StatusCode::OK, "{said:#}");
    let shown = desk.until_published(post).await?;
    assert_eq!((&shown["published"]["external_id"], &shown["published"]["url"]), (&there["id"], &there["url"]), "{shown:#}");
    let follows = entries(&snac, &desk).await?.into_iter().find(|entry| entry.text == second).context("the second part")?;
    assert_eq!(follows.answers.as_deref(), there["id"].as_str());
    Ok(())
}
