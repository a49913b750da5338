//! Connecting an account by OAuth, against a server that speaks the protocol.

use gateway::access::Role;
use reqwest::{Method, redirect::Policy};
use sandbox::mastodon::{Mastodon, Options};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use url::Url;

use crate::api_harness::{Answer, Api};

/// What the platform's page does once the person agrees: the address that the browser is sent back to.
async fn agree(begun: &Value) -> Url {
    let browser = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let answer = browser.get(begun["authorize_url"].as_str().unwrap()).send().await.unwrap();
    let back = answer.headers().get("location").map(|to| to.to_str().unwrap().parse().unwrap());
    back.unwrap_or_else(|| panic!("{}", answer.status()))
}

/// What a browser brings back: without the parameter `name`, or with another in its place.
fn changed(url: &Url, name: &str, other: Option<(&str, &str)>) -> Url {
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(known, _)| known != name).collect();
    pairs.extend(other.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(pairs);
    url
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned()
}

async fn come_back(url: Url) -> Answer {
    Answer::of(reqwest::get(url).await.unwrap()).await
}

#[tokio::test]
async fn an_account_is_connected_by_whoever_began_once_and_in_time() {
    let api = Api::start().await;
    let platform = Mastodon::start(Options::default()).await.unwrap();
    let mut owner = PgConnection::connect(api.stack.superuser_url().expose_secret()).await.unwrap();
    let path = format!("/v1/connectors/authorize?platform=mastodon&base_url={}", platform.base_url());
    let begin = || async { api.get(&path).await.expect(200) };

    let by_editor = api.request(Role::Editor, Method::GET, &path).send().await.unwrap();
    Answer::of(by_editor).await.expect_problem(403, "forbidden");
    let bluesky = path.replace("=mastodon", "=bluesky");
    assert_eq!(api.get(&bluesky).await.expect_problem(422, "validation-failed").pointers(), ["/platform"]);

    let begun = begin().await;
    let asked: Url = begun["authorize_url"].as_str().unwrap().parse().unwrap();
    assert_eq!(parameter(&asked, "code_challenge_method"), "S256");
    let back = agree(&begun).await;
    assert!(back.as_str().starts_with(api.base.join("/v1/connectors/callback").unwrap().as_str()), "{back}");

    // The database has neither the state nor, in the clear, what the account is opened with.
    let row: String = sqlx::query_scalar("SELECT encode(state_hash, 'escape') || encode(sealed, 'escape') FROM oauth_states")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    let client = parameter(&asked, "client_id");
    assert!(!row.contains(&parameter(&back, "state")) && !row.contains(&client) && !row.contains("verifier"), "{row}");

    let forged = "A".repeat(43);
    come_back(changed(&back, "state", Some(("state", &forged)))).await.expect_problem(400, "authorization-unknown");
    come_back(changed(&back, "state", None)).await.expect_problem(400, "authorization-unknown");

    let answer = come_back(back.clone()).await;
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    let connected = answer.expect(200);
    assert_eq!((connected["platform"].as_str(), connected["health"].as_str()), (Some("mastodon"), Some("connected")));
    come_back(back).await.expect_problem(400, "authorization-unknown");
    let listed = api.get("/v1/connectors").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["id"], connected["id"]);

    // The person says no; then nothing comes of the same state any more.
    let back = agree(&begin().await).await;
    let answer = come_back(changed(&back, "code", Some(("error", "access_denied")))).await;
    assert!(answer.expect_problem(422, "authorization-denied").json["detail"].as_str().unwrap().contains("access_denied"));
    come_back(back).await.expect_problem(400, "authorization-unknown");

    // A code of another authorisation opens no account: it was given to another application, under another verifier.
    let (one, other) = (agree(&begin().await).await, agree(&begin().await).await);
    let mixed = changed(&one, "code", Some(("code", &parameter(&other, "code"))));
    come_back(mixed).await.expect_problem(422, "platform-refused");

    let back = agree(&begin().await).await;
    sqlx::query("UPDATE oauth_states SET created_at = now() - interval '10 minutes 1 second'").execute(&mut owner).await.unwrap();
    come_back(back).await.expect_problem(410, "authorization-expired");

    // Whoever began has lost the right meanwhile.
    let back = agree(&begin().await).await;
    sqlx::query("UPDATE api_keys SET revoked_at = now() WHERE role = 'owner'").execute(&mut owner).await.unwrap();
    come_back(back).await.expect_problem(400, "authorization-unknown");
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM connectors").fetch_one(&mut owner).await.unwrap();
    assert_eq!(count, 1, "one account was connected, once");
}
