//! What every route keeps: who may, other orgs, problem documents, ids, limits; and brands and briefs as the first resources.

use activities::media::MediaStore;
use gateway::{GatewaySettings, access::Role};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::api_harness::{Answer, Api};

fn brand() -> Value {
    json!({"name": "Northwind", "banned_phrases": ["world's best"], "required_disclosures": ["#ad"], "links": {"web": "https://northwind.example"}})
}

/// The operations of the served contract: method, path with made-up ids, roles.
async fn operations(api: &Api) -> Vec<(Method, String, Vec<String>)> {
    let contract = api.get("/openapi.json").await.expect(200);
    let mut found = Vec::new();
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let roles = operation["x-roles"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()).collect();
            let prefix = path.split('/').nth(2).map_or("x", |resource| match resource {
                "brands" => "brd",
                "briefs" => "brf",
                "campaigns" => "cmp",
                "posts" => "post",
                "variants" => "var",
                "connectors" => "con",
                "assets" => "ast",
                "digests" => "dig",
                "runs" => "run",
                _ => "x",
            });
            let path = path.replace("{id}", &format!("{prefix}_{}", "0".repeat(26)));
            found.push((method.to_uppercase().parse().unwrap(), path, roles));
        }
    }
    assert!(found.len() > 10, "the contract lists too few operations: {found:?}");
    found
}

#[tokio::test]
async fn each_route_refuses_strangers_and_lower_roles() {
    // Storage that nobody reaches: without any, the routes of media would answer that before anything else.
    let media = json!({"endpoint": "http://127.0.0.1:1", "bucket": "media", "access_key": "k", "secret_key": "s"});
    let media = MediaStore::new(&serde_json::from_value(media).unwrap());
    let api = Api::start_storing(GatewaySettings { request_burst: 100_000, ..GatewaySettings::default() }, media).await;
    for (method, path, roles) in operations(&api).await {
        if roles == ["anyone"] {
            continue;
        }
        let name = format!("{method} {path}");
        let nobody = Answer::of(api.anonymous(method.clone(), &path).send().await.unwrap()).await;
        nobody.expect_problem(401, "unauthenticated");
        for role in Role::ALL {
            let answer = Answer::of(api.request(*role, method.clone(), &path).send().await.unwrap()).await;
            let may = roles.iter().any(|r| r == role.as_str());
            if may {
                assert!(!matches!(answer.status.as_u16(), 401 | 403 | 405), "{name} as {role}: {answer:#?}");
                assert!(answer.status.as_u16() < 500, "{name} as {role}: {answer:#?}");
            } else {
                answer.expect_problem(403, "forbidden");
            }
        }
    }
}

#[tokio::test]
async fn brands_and_briefs_keep_the_contract() {
    let api = Api::start().await;
    let me = api.get("/v1/me").await.expect(200);
    assert_eq!((me["org"]["id"].as_str(), me["role"].as_str()), (Some(api.org.to_string().as_str()), Some("owner")));

    // Happy.
    let made = api.post("/v1/brands", &brand()).await;
    let location = made.headers["location"].to_str().unwrap().to_owned();
    let made = made.expect(201);
    assert_eq!(location, format!("/v1/brands/{}", made["id"].as_str().unwrap()));
    assert_eq!(api.get(&location).await.expect(200), made);
    let patch = api.request(Role::Editor, Method::PATCH, &location).json(&json!({"guidelines": "Plain."})).send().await.unwrap();
    let patched = Answer::of(patch).await.expect(200);
    assert_eq!((patched["guidelines"].as_str(), patched["name"].as_str()), (Some("Plain."), Some("Northwind")));

    // Bad fields, all at once; unknown fields; malformed; another type; too large.
    let bad = api.post("/v1/brands", &json!({"name": "", "colors": ["red"]})).await;
    assert_eq!(bad.expect_problem(422, "validation-failed").pointers(), ["/name", "/colors/0"]);
    let unknown = api.post("/v1/brands", &json!({"name": "x", "colour": []})).await;
    assert_eq!(unknown.expect_problem(422, "validation-failed").pointers(), ["/colour"]);
    assert!(unknown.json["type"].as_str().unwrap().ends_with("/docs/errors/validation-failed"));
    assert_eq!(unknown.json["instance"].as_str().unwrap(), unknown.headers["x-request-id"]);
    let page = api.anonymous(Method::GET, unknown.json["type"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let raw = |body: &'static str, kind: &'static str| {
        api.request(Role::Owner, Method::POST, "/v1/brands").header("content-type", kind).body(body)
    };
    Answer::of(raw("{", "application/json").send().await.unwrap()).await.expect_problem(400, "malformed-json");
    Answer::of(raw("{}", "text/plain").send().await.unwrap()).await.expect_problem(415, "unsupported-media-type");
    let large = json!({"name": "x", "guidelines": "x".repeat(1024 * 1024)});
    api.post("/v1/brands", &large).await.expect_problem(413, "body-too-large");
    api.post_with_key("/v1/brands", &large, "large").await.expect_problem(413, "body-too-large");

    // Another org's key finds nothing, and cannot hang a brief on it.
    let stranger = api.stranger().await;
    let theirs = |method, path: &str| api.anonymous(method, path).bearer_auth(stranger.expose_secret());
    Answer::of(theirs(Method::GET, &location).send().await.unwrap()).await.expect_problem(404, "not-found");
    let patch = theirs(Method::PATCH, &location).json(&json!({"name": "mine"})).send().await.unwrap();
    Answer::of(patch).await.expect_problem(404, "not-found");
    let list = Answer::of(theirs(Method::GET, "/v1/brands").send().await.unwrap()).await.expect(200);
    assert_eq!(list["items"], json!([]));
    let brief =
        json!({"brand_id": made["id"], "topic": "t", "audience": "a", "tone": "warm", "languages": ["en"], "platforms": ["mastodon"]});
    let hung = Answer::of(theirs(Method::POST, "/v1/briefs").json(&brief).send().await.unwrap()).await;
    assert_eq!(hung.expect_problem(422, "validation-failed").pointers(), ["/brand_id"]);

    let written = api.post("/v1/briefs", &brief).await.expect(201);
    let path = format!("/v1/briefs/{}", written["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await.expect(200), written);
    Answer::of(theirs(Method::GET, &path).send().await.unwrap()).await.expect_problem(404, "not-found");
    let twice = json!({"brand_id": made["id"], "topic": "t", "audience": "a", "tone": "warm", "languages": ["en", "en"], "platforms": []});
    assert_eq!(api.post("/v1/briefs", &twice).await.expect_problem(422, "validation-failed").pointers(), ["/languages/1", "/platforms"]);
    let language =
        json!({"brand_id": made["id"], "topic": "t", "audience": "a", "tone": "warm", "languages": ["english"], "platforms": ["mastodon"]});
    assert_eq!(api.post("/v1/briefs", &language).await.expect_problem(422, "validation-failed").pointers(), ["/languages/0"]);

    // Unknown paths and methods.
    api.get("/v1/nothing").await.expect_problem(404, "not-found");
    let put = Answer::of(api.request(Role::Owner, Method::PUT, "/v1/brands").send().await.unwrap()).await;
    put.expect_problem(405, "method-not-allowed");
    assert_eq!(put.headers["allow"], "GET, POST");
}

#[tokio::test]
async fn a_repeated_request_answers_the_same_and_does_nothing() {
    let api = Api::start().await;
    let first = api.post_with_key("/v1/brands", &brand(), "k1").await;
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = api.post_with_key("/v1/brands", &brand(), "k1").await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["location"], first.headers["location"]);
    assert_eq!((again.status, &again.json), (first.status, &first.json));
    let other = api.post_with_key("/v1/brands", &json!({"name": "Other"}), "k1").await;
    other.expect_problem(422, "idempotency-key-reused");
    // A refusal is an answer too.
    let refused = api.post_with_key("/v1/brands", &json!({"name": ""}), "k2").await;
    let refused_again = api.post_with_key("/v1/brands", &json!({"name": ""}), "k2").await;
    assert_eq!(refused.json, refused_again.json);
    refused_again.expect_problem(422, "validation-failed");
    assert_eq!(refused_again.headers["idempotency-replayed"], "true");
    // The key of one org means nothing in another.
    let stranger = api.stranger().await;
    let request = api.anonymous(Method::POST, "/v1/brands").bearer_auth(stranger.expose_secret());
    let theirs = Answer::of(request.header("idempotency-key", "k1").json(&brand()).send().await.unwrap()).await;
    assert_ne!(theirs.expect(201)["id"], first.json["id"]);
    // Many at once with one key make one brand.
    let body = json!({"name": "Storm"});
    let storm: Vec<_> = futures::future::join_all((0..20).map(|_| api.post_with_key("/v1/brands", &body, "k3"))).await;
    for answer in &storm {
        assert!(matches!(answer.status.as_u16(), 201 | 409), "{answer:#?}");
    }
    let all = api.get("/v1/brands").await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 2, "{all:#}");
}

/// A process that dies between its work and its answer leaves a reservation without one. The repeat works again, to the same ids.
#[tokio::test]
async fn a_repeat_after_a_crash_makes_the_same_thing() {
    let api = Api::start().await;
    let first = api.post_with_key("/v1/brands", &brand(), "k").await.expect(201);
    let owner = sqlx::PgPool::connect(api.stack.superuser_url().expose_secret()).await.unwrap();
    let forget = "UPDATE idempotency_keys SET status = NULL, body = NULL, location = NULL, leased_at = now()";
    sqlx::query(forget).execute(&owner).await.unwrap();
    api.post_with_key("/v1/brands", &brand(), "k").await.expect_problem(409, "idempotency-key-in-use");
    sqlx::query("UPDATE idempotency_keys SET leased_at = now() - interval '1 hour'").execute(&owner).await.unwrap();
    let again = api.post_with_key("/v1/brands", &brand(), "k").await;
    assert!(!again.headers.contains_key("idempotency-replayed"));
    assert_eq!(again.expect(201)["id"], first["id"]);
    assert_eq!(api.get("/v1/brands").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn lists_come_in_pages_and_too_many_requests_are_refused() {
    let api = Api::start_with(GatewaySettings { requests_per_minute: 1, request_burst: 12, ..GatewaySettings::default() }).await;
    for n in 0..5 {
        api.post("/v1/brands", &json!({"name": format!("b{n}")})).await.expect(201);
        // Ids sort by the millisecond in which they are made; within one they are in no order.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let mut names = Vec::new();
    let mut path = "/v1/brands?limit=2".to_owned();
    loop {
        let page = api.get(&path).await.expect(200);
        names.extend(page["items"].as_array().unwrap().iter().map(|b| b["name"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/brands?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(names, ["b4", "b3", "b2", "b1", "b0"]);
    assert_eq!(api.get("/v1/brands?cursor=nonsense").await.expect_problem(422, "validation-failed").pointers(), ["/cursor"]);
    assert_eq!(api.get("/v1/brands?limit=0").await.expect_problem(422, "validation-failed").pointers(), ["/limit"]);
    assert_eq!(api.get("/v1/brands?limt=1").await.expect_problem(422, "validation-failed").pointers(), ["/limt"]);
    let last = api.get("/v1/me").await;
    assert_eq!(last.headers["ratelimit-remaining"], "0");
    let refused = api.get("/v1/me").await;
    refused.expect_problem(429, "rate-limited");
    assert!(refused.headers.contains_key("retry-after") && refused.headers["ratelimit-limit"] == "12");
}

#[tokio::test]
async fn people_sign_in_and_a_stolen_refresh_token_ends_the_session() {
    let api = Api::start().await;
    gateway::admin::create_user(&api.store, api.org, "Ada@example.com", "Ada", Role::Reviewer, "correct horse".into()).await.unwrap();
    let post = async |path: &str, body: Value| Answer::of(api.anonymous(Method::POST, path).json(&body).send().await.unwrap()).await;
    let wrong = post("/v1/auth/login", json!({"email": "ada@example.com", "password": "wrong"})).await;
    wrong.expect_problem(401, "invalid-credentials");
    post("/v1/auth/login", json!({"email": "nobody@example.com", "password": "x"})).await.expect_problem(401, "invalid-credentials");
    let tokens = post("/v1/auth/login", json!({"email": "ada@EXAMPLE.com", "password": "correct horse"})).await.expect(200);
    let me = api.anonymous(Method::GET, "/v1/me").bearer_auth(tokens["access_token"].as_str().unwrap()).send().await.unwrap();
    let me = Answer::of(me).await.expect(200);
    assert_eq!((me["role"].as_str(), me["actor"]["name"].as_str()), (Some("reviewer"), Some("Ada")));

    let next = post("/v1/auth/refresh", json!({"refresh_token": tokens["refresh_token"]})).await.expect(200);
    assert_ne!(next["refresh_token"], tokens["refresh_token"]);
    // The first one again: somebody else has it. The newest one ends with it.
    post("/v1/auth/refresh", json!({"refresh_token": tokens["refresh_token"]})).await.expect_problem(401, "session-ended");
    post("/v1/auth/refresh", json!({"refresh_token": next["refresh_token"]})).await.expect_problem(401, "session-ended");

    let other = post("/v1/auth/login", json!({"email": "ada@example.com", "password": "correct horse"})).await.expect(200);
    assert_eq!(post("/v1/auth/logout", json!({"refresh_token": other["refresh_token"]})).await.status, 204);
    post("/v1/auth/refresh", json!({"refresh_token": other["refresh_token"]})).await.expect_problem(401, "session-ended");
    // Guessing is slowed: the sixth attempt in a row is not even looked at.
    let mut last = None;
    for _ in 0..6 {
        last = Some(post("/v1/auth/login", json!({"email": "ada@example.com", "password": "guess"})).await);
    }
    last.unwrap().expect_problem(429, "too-many-attempts");
}

#[tokio::test]
async fn readiness_names_what_is_away_and_stored_secrets_are_hashed() {
    let api = Api::start().await;
    assert_eq!(api.get("/healthz").await.expect(200), json!({"status": "ok"}));
    let ready = api.get("/readyz").await;
    ready.expect_problem(503, "unavailable");
    assert_eq!(ready.json["detail"], "the workflows are not deployed");
    api.stack.kill9_postgres();
    let ready = api.get("/readyz").await;
    assert!(ready.json["detail"].as_str().unwrap().contains("the database does not answer"), "{ready:#?}");
    let away = api.get("/v1/brands").await;
    away.expect_problem(503, "unavailable");
    assert!(!away.json.to_string().contains("postgres"), "{away:#?}");
    api.stack.restart_postgres().await.unwrap();
    api.get("/v1/brands").await.expect(200);

    let owner = sqlx::PgPool::connect(api.stack.superuser_url().expose_secret()).await.unwrap();
    let rows: Vec<String> = sqlx::query_scalar("SELECT k::text FROM api_keys k").fetch_all(&owner).await.unwrap();
    assert_eq!(rows.len(), Role::ALL.len());
    let secret = &api.key(Role::Owner)[30..];
    assert!(rows.iter().all(|row| !row.contains(secret)));
}
