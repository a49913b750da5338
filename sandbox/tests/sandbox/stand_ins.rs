//! The one handle that all stand-ins have.

use sandbox::{
    bluesky::{self, Bluesky},
    mastodon::{self, Mastodon},
    social::{EntryKind, StandIn},
};
use serde_json::{Value, json};

#[tokio::test]
async fn the_older_stand_ins_speak_through_the_same_handle() {
    let mastodon = Mastodon::start(mastodon::Options::default()).await.unwrap();
    let stand_in: &dyn StandIn = &mastodon;
    let login = &stand_in.logins()[0];
    let token = login.credentials["access_token"].as_str().unwrap();
    let client = reqwest::Client::new();
    let post = async |body: Value| {
        let sent =
            client.post(format!("{}/api/v1/statuses", login.base_url)).bearer_auth(token).header("idempotency-key", body.to_string());
        sent.json(&body).send().await.unwrap().json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let first = post(json!({ "status": "One" })).await;
    let second = post(json!({ "status": "Two", "in_reply_to_id": first })).await;
    let entries = stand_in.entries(&login.handle);
    assert_eq!(
        entries.iter().map(|entry| (&entry.id, entry.kind)).collect::<Vec<_>>(),
        [(&first, EntryKind::Post), (&second, EntryKind::Reply)]
    );
    assert_eq!((entries[1].parent.as_ref(), entries[1].text.as_str()), (Some(&first), "Two"));
    assert!(entries[0].key.as_ref().is_some_and(|key| key.contains("One")));
    assert!(stand_in.revoke(&login.handle) && stand_in.reinstate(&login.handle) && !stand_in.expire("nobody"));

    let bluesky = Bluesky::start(bluesky::Options::default()).await.unwrap();
    let stand_in: &dyn StandIn = &bluesky;
    let login = &stand_in.logins()[0];
    let session = json!({ "identifier": login.handle, "password": login.credentials["app_password"] });
    let session = client.post(format!("{}/xrpc/com.atproto.server.createSession", login.base_url)).json(&session).send().await.unwrap();
    let session: Value = session.json().await.unwrap();
    let record = json!({
        "repo": session["did"], "collection": "app.bsky.feed.post", "rkey": "3jzfcijpj2z2a",
        "record": { "$type": "app.bsky.feed.post", "text": "Three", "createdAt": "2026-11-21T00:00:00Z" },
    });
    let put = client.post(format!("{}/xrpc/com.atproto.repo.putRecord", login.base_url));
    let put = put.bearer_auth(session["accessJwt"].as_str().unwrap()).json(&record).send().await.unwrap();
    assert!(put.status().is_success());
    let entries = stand_in.entries(&login.handle);
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].text.as_str(), entries[0].key.as_deref(), entries[0].kind), ("Three", Some("3jzfcijpj2z2a"), EntryKind::Post));
}
