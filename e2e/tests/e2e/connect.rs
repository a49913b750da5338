//! Connecting an account by OAuth, against a server that speaks the protocol.

use activities::{
    platform::{App, Apps, Credentials, Offered, apps::needs_app},
    store::oauth::{self as states, Authorization},
    vault::{KeyRing, Vault},
};
use domain::platform::Platform;
use gateway::{GatewaySettings, access::Role};
use reqwest::{Method, redirect::Policy};
use sandbox::{
    mastodon::{Mastodon, Options},
    social::StandIn as _,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use url::Url;
use uuid::Uuid;

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
async fn an_account_that_is_connected_many_times_at_once_is_one() {
    let api = Api::start().await;
    crate::api_runs::worker(&api).await;
    let platform = Mastodon::start(Options::default()).await.unwrap();
    let login = platform.logins().remove(0);
    let body = json!({"platform": "mastodon", "base_url": login.base_url, "handle": login.handle, "credentials": login.credentials});
    let answers = futures::future::join_all((0..8).map(|_| api.post("/v1/connectors", &body))).await;
    let ids: std::collections::BTreeSet<String> =
        answers.into_iter().map(|answer| answer.expect(201)["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1, "each has a lane of its own: {ids:?}");
    assert_eq!(api.get("/v1/connectors").await.expect(200)["items"].as_array().unwrap().len(), 1);
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

    // How it is: what sending once means there, what its token allows, what its posts may hold; no secret.
    let path_of_status = format!("/v1/connectors/{}/status", connected["id"].as_str().unwrap());
    let by_viewer = api.request(Role::Viewer, Method::GET, &path_of_status).send().await.unwrap();
    let status = Answer::of(by_viewer).await.expect(200);
    assert_eq!((status["send"]["class"].as_str(), status["id"] == connected["id"]), (Some("B"), true), "{status:#}");
    assert!(status["send"]["reason"].is_string() && status["send"]["here"].is_string());
    let scopes: Vec<&str> = status["scopes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(scopes, Platform::Mastodon.capabilities().connect.scopes());
    assert_eq!(status["capabilities"]["text"]["max_units"], status["max_characters"]);
    assert!(status.get("credentials").is_none());

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

#[tokio::test]
async fn every_platform_says_how_it_is_connected_and_what_is_still_to_be_set() {
    let bare = Api::start().await;
    let listed = Answer::of(bare.request(Role::Viewer, Method::GET, "/v1/platforms").send().await.unwrap()).await.expect(200);
    let names: Vec<&str> = listed["items"].as_array().unwrap().iter().filter_map(|item| item["platform"].as_str()).collect();
    assert_eq!(names, Platform::ALL.iter().map(|platform| platform.as_str()).collect::<Vec<_>>());

    let mut apps = Apps::default();
    for (platform, item) in Platform::ALL.iter().zip(listed["items"].as_array().unwrap()) {
        let path = format!("/v1/connectors/authorize?platform={platform}");
        let refused = bare.get(&path).await;
        let detail = refused.json["errors"][0]["detail"].as_str().unwrap_or_default();
        let (pointer, says) = match (item["connect"]["oauth"].as_bool().unwrap(), needs_app(*platform)) {
            (false, _) => ("/platform", "POST /v1/connectors".to_owned()),
            (true, false) => ("/base_url", "is needed".to_owned()),
            (true, true) => ("/platform", format!("set platforms.{platform}.client_id")),
        };
        assert_eq!(refused.expect_problem(422, "validation-failed").pointers(), [pointer], "{platform}");
        assert!(detail.contains(&says), "{platform}: {detail}");
        assert_eq!(item["connect"]["missing"].is_string(), needs_app(*platform), "{platform}");
        let id = format!("id-of-{platform}");
        apps = apps.with(*platform, App { client_id: Some(id), client_secret: Some("planted-secret".into()), ..App::default() });
    }

    // Where an application is set up, a person can be sent to the platform's own page, and no user says where that is.
    let api = Api::start_connecting(GatewaySettings::default(), apps).await;
    for platform in Platform::ALL.iter().filter(|platform| needs_app(**platform)) {
        let path = format!("/v1/connectors/authorize?platform={platform}");
        let begun = api.get(&path).await.expect(200);
        let asked: Url = begun["authorize_url"].as_str().unwrap().parse().unwrap();
        assert!(asked.scheme() == "https" && asked.as_str().contains(&format!("id-of-{platform}")), "{asked}");
        assert!(!begun.to_string().contains("planted"));
        let elsewhere = api.get(&format!("{path}&base_url=https://evil.example")).await;
        assert_eq!(elsewhere.expect_problem(422, "validation-failed").pointers(), ["/base_url"], "{platform}");
    }
}

#[tokio::test]
async fn one_of_several_accounts_is_chosen_once_and_in_time() {
    let keys = KeyRing::fresh("test").unwrap();
    let api = Api::start_with_keys(keys.expose_secret()).await;
    let options = Options::default();
    let account = options.accounts.first().unwrap().clone();
    let platform = Mastodon::start(options).await.unwrap();
    let mut owner = PgConnection::connect(api.stack.superuser_url().expose_secret()).await.unwrap();
    let one = |id: &str, token: &str| {
        let credentials = Credentials::new(Platform::Mastodon).with_token(token, None);
        Offered { id: id.to_owned(), name: format!("Page {id}"), credentials }
    };
    // As the callback keeps them.
    let vault = Vault::from_keys(keys.expose_secret()).unwrap();
    let ask = async |token: &str| {
        let hash = states::choice_hash(token);
        let plaintext = Offered::to_plaintext(&[one("1", &account.token), one("2", "nobody's")]).unwrap();
        let sealed = vault.seal(&states::seal_context(api.org, &hash), plaintext.expose_secret().as_bytes()).unwrap();
        let authorization = Authorization {
            platform: Platform::Mastodon,
            base_url: platform.base_url().to_owned(),
            sealed: sealed.as_bytes().to_vec(),
            begun_by: Uuid::now_v7(),
            begun_by_person: false,
        };
        let mut tx = api.store.in_org(api.org).await.unwrap();
        states::begin(&mut tx, &hash, &authorization).await.unwrap();
        tx.commit().await.unwrap();
        token.to_owned()
    };
    let choose = async |token: &str, id: &str| api.post("/v1/connectors/choose", &json!({"choice_token": token, "account": id})).await;

    let first = ask("token-1").await;
    let by_editor = api.request(Role::Editor, Method::POST, "/v1/connectors/choose").json(&json!({"choice_token": first, "account": "1"}));
    Answer::of(by_editor.send().await.unwrap()).await.expect_problem(403, "forbidden");
    let stranger = api.stranger().await;
    let body = json!({"choice_token": first, "account": "1"});
    let foreign = api.anonymous(Method::POST, "/v1/connectors/choose").bearer_auth(stranger.expose_secret()).json(&body);
    Answer::of(foreign.send().await.unwrap()).await.expect_problem(400, "authorization-unknown");
    let callback = api.base.join("/v1/connectors/callback?code=x&state=token-1").unwrap();
    come_back(callback).await.expect_problem(400, "authorization-unknown");
    choose("another", "1").await.expect_problem(400, "authorization-unknown");
    assert_eq!(choose(&first, "3").await.expect_problem(422, "validation-failed").pointers(), ["/account"], "uses nothing up");
    let connected = choose(&first, "1").await.expect(200);
    assert_eq!((connected["health"].as_str(), connected["platform"].as_str()), (Some("connected"), Some("mastodon")));
    choose(&first, "1").await.expect_problem(400, "authorization-unknown");

    let second = ask("token-2").await;
    let refused = choose(&second, "2").await;
    assert!(!refused.expect_problem(422, "platform-refused").json.to_string().contains("nobody's"));

    let third = ask("token-3").await;
    sqlx::query("UPDATE oauth_states SET created_at = now() - interval '10 minutes 1 second'").execute(&mut owner).await.unwrap();
    choose(&third, "1").await.expect_problem(410, "authorization-expired");
    let listed = api.get("/v1/connectors").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}
