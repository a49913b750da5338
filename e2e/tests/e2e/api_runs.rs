//! Campaigns through the API, and how their runs show.

use std::{sync::Arc, time::Duration};

use activities::{
    http::{Outgoing, OutgoingSettings},
    mail::{Mailer, Security, SmtpSettings},
    model::{ModelSettings, Models, http_client},
    vault::{KeyRing, Vault},
};
use domain::ids::ConnectorId;
use reqwest::Method;
use restate_sdk::prelude::HttpServer;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use workflows::{
    step::CrashPlan,
    world::{Outside, WorkflowSettings, World},
};

use crate::api_harness::{Answer, Api};

/// A mail server that does not exist: these tests send none.
fn nobody() -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: 1,
        security: Security::Plain,
        username: None,
        password: None,
        from: "pressroom@localhost.localdomain".to_owned(),
        timeout_seconds: 1,
    }
}

/// Serves the workflows of this tree and registers them.
pub(crate) async fn worker(api: &Api) {
    // A model that does not exist: what these tests look at does not depend on what is written.
    let nowhere = json!({"base_url": "http://127.0.0.1:1/v1", "model": "none", "dimensions": 8});
    let settings: ModelSettings = serde_json::from_value(json!({"providers": [{"name": "none", "kind": "openai",
        "base_url": "http://127.0.0.1:1/v1", "model": "none"}], "embedder": nowhere}))
    .unwrap();
    let (models, embedder) = Models::from_settings(&settings, &http_client(Duration::from_secs(1)).unwrap()).unwrap();
    let world = World::new(Outside {
        store: api.store.clone(),
        models,
        embedder: Arc::new(embedder),
        mailer: Mailer::new(&nobody()).unwrap(),
        outgoing: Outgoing::new(&OutgoingSettings { allow_private_networks: true, ..OutgoingSettings::default() }).unwrap(),
        apps: activities::platform::Apps::default(),
        vault: Vault::from_keys(KeyRing::fresh("test").unwrap().expose_secret()).unwrap(),
        media: None,
        settings: WorkflowSettings::default(),
        crash_plan: CrashPlan::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { HttpServer::new(workflows::endpoint(&world)).serve(listener).await });
    let url = api.stack.admin_url().join("deployments").unwrap();
    let registered = reqwest::Client::new().post(url).json(&json!({"uri": uri})).send().await.unwrap();
    assert!(registered.status().is_success(), "{}", registered.text().await.unwrap());
}

/// An account as if it had been connected, on a server that does not exist.
pub(crate) async fn account(api: &Api) -> ConnectorId {
    let id = ConnectorId::from_uuid(uuid::Uuid::now_v7());
    let owner = sqlx::PgPool::connect(api.stack.superuser_url().expose_secret()).await.unwrap();
    let insert = "INSERT INTO connectors (id, org_id, platform, base_url, handle) VALUES ($1, $2, 'mastodon', 'http://127.0.0.1:1', 'h')";
    sqlx::query(insert).bind(id.uuid()).bind(api.org.uuid()).execute(&owner).await.unwrap();
    id
}

pub(crate) fn campaign(brand: &Value, account: ConnectorId) -> Value {
    let brief = json!({"topic": "t", "audience": "a", "tone": "warm", "languages": ["en"], "platforms": ["mastodon"]});
    json!({"brand_id": brand["id"], "brief": brief, "connectors": [account.to_string()]})
}

/// How many invocations of a handler the engine knows.
async fn invocations(api: &Api, service: &str, handler: &str) -> usize {
    let sql = format!("SELECT id FROM sys_invocation WHERE target_service_name = '{service}' AND target_handler_name = '{handler}'");
    api.app.engine.query::<Value>(&sql).await.unwrap().len()
}

/// "An API retry with one key starts one campaign", also when the gateway died after the start and before its answer.
#[tokio::test]
async fn a_retry_with_one_key_starts_one_campaign() {
    let api = Api::start().await;
    worker(&api).await;
    let brand = api.post("/v1/brands", &json!({"name": "b"})).await.expect(201);
    let body = campaign(&brand, account(&api).await);
    let first = api.post_with_key("/v1/campaigns", &body, "k").await.expect(202);
    let replayed = api.post_with_key("/v1/campaigns", &body, "k").await;
    assert_eq!(replayed.headers["idempotency-replayed"], "true");
    assert_eq!(replayed.expect(202), first);

    // What a gateway that died between the start and the answer leaves behind.
    let owner = sqlx::PgPool::connect(api.stack.superuser_url().expose_secret()).await.unwrap();
    let forget = "UPDATE idempotency_keys SET status = NULL, body = NULL, location = NULL, leased_at = NULL WHERE key = 'k'";
    assert_eq!(sqlx::query(forget).execute(&owner).await.unwrap().rows_affected(), 1);
    let again = api.post_with_key("/v1/campaigns", &body, "k").await;
    assert!(!again.headers.contains_key("idempotency-replayed"), "this one has to do the work again");
    assert_eq!(again.expect(202), first);
    assert_eq!(invocations(&api, "Campaign", "create").await, 1);
    assert_eq!(api.get("/v1/campaigns").await.expect(200)["items"].as_array().unwrap().len(), 1);

    let other = api.post_with_key("/v1/campaigns", &body, "k2").await.expect(202);
    assert_ne!(other["id"], first["id"]);
    assert_eq!(invocations(&api, "Campaign", "create").await, 2);
}

#[tokio::test]
async fn a_campaign_names_every_bad_field() {
    let api = Api::start().await;
    let brand = api.post("/v1/brands", &json!({"name": "b"})).await.expect(201);
    let account = account(&api).await;
    let good = campaign(&brand, account);
    let with = |change: Value| {
        let mut body = good.clone();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let brief = |change: Value| {
        let mut body = good.clone();
        for (name, value) in change.as_object().unwrap() {
            body["brief"][name] = value.clone();
        }
        body
    };
    for (body, pointer) in [
        (with(json!({"variants_per_post": 6})), "/variants_per_post"),
        (with(json!({"connectors": []})), "/connectors"),
        (with(json!({"connectors": [account.to_string(), account.to_string()]})), "/connectors/1"),
        (with(json!({"connectors": [ConnectorId::from_uuid(uuid::Uuid::now_v7()).to_string()]})), "/connectors/0"),
        (with(json!({"approval": "maybe"})), "/approval"),
        (with(json!({"brand_id": "brd_00000000000000000000000000"})), "/brand_id"),
        (with(json!({"brief_id": "brf_00000000000000000000000000"})), "/brief_id"),
        (with(json!({"schedule": {"mode": "at", "at": "2001-01-01T09:00", "timezone": "Europe/Berlin"}})), "/schedule/at"),
        (with(json!({"surprise": 1})), "/surprise"),
        (brief(json!({"platforms": ["bluesky"]})), "/connectors/0"),
        (brief(json!({"topic": ""})), "/brief/topic"),
    ] {
        let answer = api.post("/v1/campaigns", &body).await;
        assert_eq!(answer.expect_problem(422, "validation-failed").pointers(), [pointer], "{body}");
    }
    // The engine has no workflows yet: said as what it is, and a later repeat with the same key works.
    api.post_with_key("/v1/campaigns", &good, "k").await.expect_problem(503, "unavailable");
    worker(&api).await;
    api.post_with_key("/v1/campaigns", &good, "k").await.expect(202);
    assert_eq!(invocations(&api, "Campaign", "create").await, 1);

    let stranger = api.stranger().await;
    let theirs = api.anonymous(Method::POST, "/v1/campaigns").bearer_auth(stranger.expose_secret()).json(&good).send().await.unwrap();
    assert_eq!(Answer::of(theirs).await.expect_problem(422, "validation-failed").pointers(), ["/brand_id", "/connectors/0"]);
}

#[tokio::test]
async fn a_run_shows_its_steps_to_its_org_only() {
    let api = Api::start().await;
    worker(&api).await;
    let brand = api.post("/v1/brands", &json!({"name": "b"})).await.expect(201);
    let started = api.post("/v1/campaigns", &campaign(&brand, account(&api).await)).await.expect(202);
    let path = format!("/v1/runs/{}", started["run_id"].as_str().unwrap());

    // A subscription to digests is made when it is in force; its digests come by themselves, and are runs of their own.
    let subscription =
        json!({"brand_id": brand["id"], "cadence": "daily", "at": "09:00", "timezone": "Europe/Berlin", "email": ["a@b.example"]});
    let subscribed = api.post("/v1/digests/subscriptions", &subscription).await.expect(202);
    let subscribing = format!("/v1/runs/{}", subscribed["run_id"].as_str().unwrap());
    // The day of a weekly one is named, and belongs to a weekly one only.
    for (cadence, weekday) in [("weekly", "someday"), ("weekly", "Friday"), ("daily", "friday")] {
        let mut wrong = subscription.clone();
        (wrong["cadence"], wrong["weekday"]) = (json!(cadence), json!(weekday));
        let refused = api.post("/v1/digests/subscriptions", &wrong).await;
        assert_eq!(refused.expect_problem(422, "validation-failed").pointers(), ["/weekday"], "{cadence} on {weekday}");
    }
    let mut run = api.get(&subscribing).await.expect(200);
    while run["status"] != "completed" {
        tokio::time::sleep(Duration::from_millis(50)).await;
        run = api.get(&subscribing).await.expect(200);
    }
    let steps = run["steps"].as_array().unwrap();
    let fire = &run["background"][0];
    assert_eq!(
        (fire["kind"].as_str(), fire["name"].as_str(), fire["status"].as_str()),
        (Some("send"), Some("Digest/fire"), Some("waiting")),
        "{run:#}"
    );
    assert_eq!(fire["invocation_id"], run["invocation_id"], "sent off by the run itself");
    assert_eq!(fire["waiting_for"]["what"], "start");
    assert!(fire["waiting_for"]["until"].is_string(), "it says when: {fire:#}");
    assert!(steps.iter().any(|s| s["kind"] == "step" && s["status"] == "completed" && s["took_ms"].is_i64()), "{run:#}");
    let listed = api.get("/v1/runs?workflow=Digest&status=completed").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed:#}");
    assert_eq!(api.get("/v1/runs?workflow=Digest&status=failed").await.expect(200)["items"], json!([]));

    // All that is left of it is a timer of the subscription, which is not the run's to cancel: DELETE the subscription.
    api.post(&format!("{subscribing}/cancel"), &json!({})).await.expect_problem(409, "conflict");

    // What is written is told from its siblings by what it is for.
    fn drafting(steps: &Value) -> Option<&Value> {
        let mut steps = steps.as_array()?.iter();
        steps.find_map(|step| if step["name"] == "Drafting/write" { Some(step) } else { drafting(&step["children"]) })
    }
    let draft = loop {
        let run = api.get(&path).await.expect(200);
        match drafting(&run["steps"]) {
            Some(draft) if draft["invoked"]["subject"].is_object() => break draft.clone(),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let subject = &draft["invoked"]["subject"];
    assert_eq!(
        (&subject["platform"], &subject["language"], &subject["variant"]),
        (&json!("mastodon"), &json!("en"), &json!(1)),
        "{draft:#}"
    );
    let posts = api.get("/v1/posts").await.expect(200);
    assert_eq!(subject["post_id"], posts["items"][0]["id"], "{posts:#}");

    // No input, output or other payload of a step is shown.
    let shown = api.get(&path).await.expect(200).to_string();
    assert!(!shown.contains("audience") && !shown.contains("payload"), "{shown}");

    let stranger = api.stranger().await;
    for path in [path.clone(), format!("{path}/events"), format!("/v1/campaigns/{}", started["id"].as_str().unwrap())] {
        let theirs = api.anonymous(Method::GET, &path).bearer_auth(stranger.expose_secret()).send().await.unwrap();
        Answer::of(theirs).await.expect_problem(404, "not-found");
    }
    let theirs = api.anonymous(Method::POST, &format!("{path}/cancel")).bearer_auth(stranger.expose_secret()).send().await.unwrap();
    Answer::of(theirs).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn a_voice_is_trained_and_its_bad_examples_are_named() {
    let api = Api::start().await;
    worker(&api).await;
    let brand = api.post("/v1/brands", &json!({"name": "b"})).await.expect(201);
    let voice = format!("/v1/brands/{}/voice", brand["id"].as_str().unwrap());
    api.get(&voice).await.expect_problem(404, "not-found");
    let train = format!("{voice}/train");
    let few = api.post(&train, &json!({"examples": [{"text": "One."}]})).await;
    assert_eq!(few.expect_problem(422, "validation-failed").pointers(), ["/examples"]);
    let bad =
        json!({"examples": [{"text": "One."}, {"text": " "}, {"text": "one."}, {"text": "Two.", "url": "ftp://x"}, {"text": "Three."}]});
    let bad = api.post(&train, &bad).await;
    assert_eq!(bad.expect_problem(422, "validation-failed").pointers(), ["/examples/3/url", "/examples/1/text", "/examples/2/text"]);
    let unknown = api.post(&train, &json!({"examples": [{"text": "One.", "txt": 1}]})).await;
    assert_eq!(unknown.expect_problem(422, "validation-failed").pointers(), ["/examples/0/txt"]);

    let good = json!({"examples": [{"text": "The kettle is on."}, {"text": "Open from eight."}, {"text": "Eleven bags, one farm.", "platform": "bluesky"}]});
    let started = api.post_with_key(&train, &good, "k").await.expect(202);
    assert_eq!(api.post_with_key(&train, &good, "k").await.expect(202), started);
    let run = api.get(&format!("/v1/runs/{}", started["run_id"].as_str().unwrap())).await.expect(200);
    assert_eq!((run["workflow"].as_str(), run["subject"].as_str()), (Some("VoiceTraining"), brand["id"].as_str()));
    let mut shown = api.get(&voice).await;
    while shown.status == 404 || shown.json["status"] == "training" {
        tokio::time::sleep(Duration::from_millis(100)).await;
        shown = api.get(&voice).await;
    }
    let shown = shown.expect(200);
    assert_eq!((shown["id"].as_str(), shown["version"].as_i64(), shown["examples"].as_i64()), (started["id"].as_str(), Some(1), Some(3)));
    // The models of this test do not exist: the voice is learned from what can be counted.
    assert_eq!(shown["status"], "ready", "{shown:#}");
    assert!(shown["profile"].is_object() && shown["constraints"].is_array());

    let stranger = api.stranger().await;
    for (method, path) in [(Method::GET, &voice), (Method::POST, &train)] {
        let theirs = api.anonymous(method, path).bearer_auth(stranger.expose_secret()).json(&good).send().await.unwrap();
        Answer::of(theirs).await.expect_problem(404, "not-found");
    }
}
