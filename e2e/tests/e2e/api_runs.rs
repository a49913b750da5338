//! Campaigns through the API, and how their runs show.

use std::time::Duration;

use activities::{
    http::{Outgoing, OutgoingSettings},
    model::Models,
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

/// Serves the workflows of this tree and registers them.
pub(crate) async fn worker(api: &Api) {
    let world = World::new(Outside {
        store: api.store.clone(),
        models: Models::new(Vec::new(), Duration::from_secs(1)),
        outgoing: Outgoing::new(&OutgoingSettings { allow_private_networks: true, ..OutgoingSettings::default() }).unwrap(),
        vault: Vault::from_keys(KeyRing::fresh("test").unwrap().expose_secret()).unwrap(),
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
async fn account(api: &Api) -> ConnectorId {
    let id = ConnectorId::from_uuid(uuid::Uuid::now_v7());
    let owner = sqlx::PgPool::connect(api.stack.superuser_url().expose_secret()).await.unwrap();
    let insert = "INSERT INTO connectors (id, org_id, platform, base_url, handle) VALUES ($1, $2, 'mastodon', 'http://127.0.0.1:1', 'h')";
    sqlx::query(insert).bind(id.uuid()).bind(api.org.uuid()).execute(&owner).await.unwrap();
    id
}

fn campaign(brand: &Value, account: ConnectorId) -> Value {
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
