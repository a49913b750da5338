//! Bluesky's own server. It stands alone, without the AppView that counts.

use activities::{
    platform::{self, ACCESS_TOKEN, Credentials, REFRESH_TOKEN},
    publishing::{account, seal_credentials},
    store::connectors,
    vault::Sealed,
};
use anyhow::{Context as _, ensure};
use domain::{platform::Platform, post::PostStatus};
use reqwest::StatusCode;
use sandbox::servers::pds::{Pds, PdsAccount};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Desk, Entry, megabytes};

async fn opened() -> anyhow::Result<(Pds, PdsAccount, Desk)> {
    let begin = std::time::Instant::now();
    let pds = Pds::start().await?;
    println!("Bluesky's PDS was ready after {} ms and takes {} MB", begin.elapsed().as_millis(), megabytes(pds.pid()));
    let account = pds.open_account("roastery").await?;
    let mut desk = Desk::open(Platform::Bluesky, pds.base_url()).await?;
    let connect = json!({ "platform": "bluesky", "base_url": desk.address(), "handle": account.handle, "credentials": { "app_password": account.app_password } });
    let connected = desk.post("v1/connectors", &connect).await?;
    desk.uses(&connected)?;
    Ok((pds, account, desk))
}

async fn entries(pds: &Pds, account: &PdsAccount) -> anyhow::Result<Vec<Entry>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entry = |record: &Value| Entry {
        external_id: text(&record["uri"]),
        text: text(&record["value"]["text"]),
        answers: record["value"]["reply"]["parent"]["uri"].as_str().map(str::to_owned),
    };
    Ok(pds.posts(&account.did).await?.iter().map(entry).collect())
}

/// The account's credentials as they are stored.
async fn stored(desk: &Desk) -> anyhow::Result<Credentials> {
    let id = desk.newsroom.account(Platform::Bluesky);
    let mut tx = desk.newsroom.in_org().await?;
    let sealed = connectors::sealed_credentials(&mut tx, id).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    let text = desk.newsroom.vault()?.open_text(&connectors::seal_context(&tx, id), &Sealed::from_bytes(sealed));
    let text = text.map_err(|e| anyhow::anyhow!("{e}"))?;
    Credentials::from_plaintext(text.expose_secret()).map_err(|e| anyhow::anyhow!("{e}"))
}

fn secret(credentials: &Credentials, name: &str) -> anyhow::Result<String> {
    Ok(credentials.find(name).context("the secret")?.expose_secret().to_owned())
}

/// Lets the stored session be over. Nothing in Pressroom knows it before the server says so.
async fn let_it_expire(desk: &Desk, pds: &Pds) -> anyhow::Result<Credentials> {
    let credentials = stored(desk).await?;
    let aged = credentials.clone().with_token(pds.aged(&secret(&credentials, ACCESS_TOKEN)?)?, credentials.expires_at());
    let id = desk.newsroom.account(Platform::Bluesky);
    let mut tx = desk.newsroom.in_org().await?;
    let row = connectors::require(&mut tx, id).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    let sealed = seal_credentials(&desk.newsroom.vault()?, &tx, id, &aged).map_err(|e| anyhow::anyhow!("{e}"))?;
    connectors::save(&mut tx, &row, sealed.as_bytes()).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    tx.commit().await.map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(credentials)
}

#[tokio::test(flavor = "multi_thread")]
async fn real_servers_pds_publishes_a_thread_with_a_picture_and_deletes() -> anyhow::Result<()> {
    let (pds, owner, desk) = opened().await?;
    let texts = [
        "Grüße 🙂 aus dem Hafen: https://harbour.example/roast #Kaffee",
        "The second part hangs on the first.",
        "And the third on the second.",
    ];
    let picture = desk.picture().await?;
    let post = desk.publish(&texts.join("\n---\n"), Some(picture)).await?;
    desk.until_published(post).await?;
    let shown = desk.is_there_once(post, &texts, &entries(&pds, &owner).await?).await?;

    let records = pds.posts(&owner.did).await?;
    let by_text = |text: &str| records.iter().find(|record| record["value"]["text"] == text).unwrap();
    let (first, third) = (by_text(texts[0]), by_text(texts[2]));
    let image = &first["value"]["embed"]["images"][0];
    assert_eq!((&image["alt"], &image["image"]["mimeType"]), (&json!("A bag of coffee"), &json!("image/png")), "{first:#}");
    assert_eq!(image["aspectRatio"], json!({ "width": 3, "height": 2 }));
    let kinds: Vec<_> = first["value"]["facets"].as_array().unwrap().iter().map(|facet| &facet["features"][0]["$type"]).collect();
    assert_eq!(kinds, ["app.bsky.richtext.facet#link", "app.bsky.richtext.facet#tag"]);
    assert_eq!(third["value"]["reply"]["root"], json!({ "uri": first["uri"], "cid": first["cid"] }));
    // Where it says that the post can be read, it can be.
    let read: Value = reqwest::get(shown["published"]["url"].as_str().unwrap()).await?.error_for_status()?.json().await?;
    assert_eq!(read["cid"], first["cid"]);

    // Nobody counts here. That is no reason to bother anybody, or to try for ever.
    desk.newsroom.engine_rests().await?;
    let counted = desk.get(&format!("v1/metrics?post_id={post}")).await?;
    assert_eq!(desk.get(&format!("v1/posts/{post}")).await?["status"], "published", "{counted:#}");

    // Deleting is a connector's ability that no route offers yet.
    let mut tx = desk.newsroom.in_org().await?;
    let row = connectors::require(&mut tx, desk.newsroom.account(Platform::Bluesky)).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    drop(tx);
    let (account, credentials, outgoing) = (account(&row).unwrap(), stored(&desk).await?, desk.newsroom.outgoing()?);
    let uri = third["uri"].as_str().unwrap();
    platform::delete(&outgoing, &account, &credentials, uri).await.unwrap();
    platform::delete(&outgoing, &account, &credentials, uri).await.unwrap();
    assert_eq!(entries(&pds, &owner).await?.len(), 2, "the one that was deleted, and no other");
    let gone = platform::find(&outgoing, &account, &credentials, uri).await;
    assert!(matches!(gone, Err(activities::ActivityError::NotFound { .. })), "{gone:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn real_servers_pds_has_each_post_once_wherever_the_worker_dies() -> anyhow::Result<()> {
    let (pds, owner, desk) = opened().await?;
    for step in ["store.arm:after", "bluesky.submit:before", "bluesky.submit:after", "store.record_published:before"] {
        let texts = [format!("The worker dies at {step}."), format!("It goes on after {step}.")];
        let post = desk.dies_at(step, &texts.join("\n---\n")).await?;
        desk.until_published(post).await?;
        desk.is_there_once(post, &[&texts[0], &texts[1]], &entries(&pds, &owner).await?).await?;
    }
    let texts = ["The server has it, and the worker dies unheard.", "The rest follows."];
    let arrived = async || Ok(entries(&pds, &owner).await?.iter().any(|entry| entry.text == texts[0]));
    let post = desk.dies_unheard(&texts.join("\n---\n"), arrived).await?;
    desk.until_published(post).await?;
    desk.is_there_once(post, &texts, &entries(&pds, &owner).await?).await?;
    let told = desk.newsroom.told(post).await?;
    let how: Vec<_> = told.receipts.iter().map(|r| r.resolved_by.as_deref().unwrap_or_default()).collect();
    assert_eq!(how, ["lookup", "answer"], "{told:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn real_servers_pds_a_person_names_the_post_and_its_thread_goes_on() -> anyhow::Result<()> {
    let (pds, owner, desk) = opened().await?;
    let texts = ["Somebody changes this one before its answer is heard.", "This hangs on what it was changed to."];
    let arrived = async || Ok(entries(&pds, &owner).await?.iter().any(|entry| entry.text == texts[0]));
    let post = desk.publish_into_silence(&texts.join("\n---\n"), arrived).await?;
    desk.worker.kill9();
    let record = pds.posts(&owner.did).await?.remove(0);
    let (uri, mut value) = (record["uri"].as_str().unwrap().to_owned(), record["value"].clone());
    let key = uri.rsplit('/').next().unwrap();
    value["text"] = json!("Changed by another hand.");
    pds.write(&owner, key, &value).await?;
    desk.line.cut_all();
    desk.line.restore();
    desk.worker.start(None)?;
    let told = desk.newsroom.until_status(post, PostStatus::NeedsAttention).await?;
    ensure!(told.post.note.as_deref().is_some_and(|note| note.contains("part 1 of 2 may have been published")), "{told:#?}");

    // What is not there is not believed.
    let body = |named: &str| json!({ "as": "published", "external_id": named });
    for (named, says) in [("https://bsky.app/profile/bob.test/post/3jzfcijpj2z2a", "not the address"), ("3jzfcijpj2z2a", "RecordNotFound")]
    {
        let (status, said) = desk.resolve(post, &body(named)).await?;
        assert_eq!((status, &said["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("platform-refused")), "{said:#}");
        assert!(said["detail"].as_str().unwrap().contains(says), "{said:#}");
    }
    // The address as a browser shows it, by the handle.
    let (status, said) = desk.resolve(post, &body(&format!("https://bsky.app/profile/{}/post/{key}", owner.handle))).await?;
    assert_eq!(status, StatusCode::OK, "{said:#}");
    desk.until_published(post).await?;
    let now = ["Changed by another hand.", texts[1]];
    desk.is_there_once(post, &now, &entries(&pds, &owner).await?).await?;
    let records = pds.posts(&owner.did).await?;
    let (changed, second) = (records.iter().find(|r| r["uri"] == uri.as_str()).unwrap(), &records[0]);
    assert_eq!(second["value"]["reply"]["parent"], json!({ "uri": uri, "cid": changed["cid"] }), "it hangs on what is there now");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn real_servers_pds_sessions_are_renewed_and_a_revoked_one_waits_for_a_person() -> anyhow::Result<()> {
    let (pds, owner, desk) = opened().await?;
    // Its time is over: renewed by the refresh token, which is another one afterwards; and so again.
    for turn in ["first", "second"] {
        let before = let_it_expire(&desk, &pds).await?;
        let text = format!("The {turn} session is over.");
        let post = desk.publish(&text, None).await?;
        desk.until_published(post).await?;
        desk.is_there_once(post, &[&text], &entries(&pds, &owner).await?).await?;
        let after = stored(&desk).await?;
        // Access tokens of one second are the same: nothing in them is counted.
        assert_ne!(pds.aged(&secret(&before, ACCESS_TOKEN)?)?, secret(&after, ACCESS_TOKEN)?, "{turn}");
        assert_ne!(secret(&before, REFRESH_TOKEN)?, secret(&after, REFRESH_TOKEN)?, "{turn}");
    }
    // The worker dies when it has the next token, before the engine has heard so.
    let before = let_it_expire(&desk, &pds).await?;
    desk.worker.kill9();
    desk.worker.start(Some("account.refresh_token:after"))?;
    let post = desk.publish("Renewed, and not heard of.", None).await?;
    desk.worker.crashes("account.refresh_token:after").await?;
    desk.worker.start(None)?;
    desk.until_published(post).await?;
    assert_ne!(secret(&before, REFRESH_TOKEN)?, secret(&stored(&desk).await?, REFRESH_TOKEN)?);

    // The password is taken away, and with it all that it opened: the post waits for a person.
    pds.revoke(&owner).await?;
    let_it_expire(&desk, &pds).await?;
    let post = desk.publish("Waits for a new password.", None).await?;
    let waits = |note: &str| note.contains("reconnect");
    desk.newsroom.until_post(post, "the post to wait for the account", |t| t.post.note.as_deref().is_some_and(waits)).await?;
    ensure!(entries(&pds, &owner).await?.iter().all(|entry| !entry.text.starts_with("Waits")), "it was sent");
    Ok(())
}
