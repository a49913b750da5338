//! What comes in from outside: clicks on short links and signed counters.

use activities::vault::{KeyRing, Vault};
use domain::ids::{ConnectorId, OrgId};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::{
    api_harness::{Answer, Api},
    api_runs::{account, campaign, worker},
};

/// A post of a new campaign, with a short link to `target`, put there as the workflow would.
async fn post(api: &Api, owner: &sqlx::PgPool, code: &str, target: &str) -> String {
    let account: ConnectorId = account(api).await;
    let brand = api.post("/v1/brands", &json!({"name": "b"})).await.expect(201);
    let started = api.post("/v1/campaigns", &campaign(&brand, account)).await.expect(202);
    let campaign: domain::ids::CampaignId = started["id"].as_str().unwrap().parse().unwrap();
    let post = domain::ids::PostId::from_uuid(uuid::Uuid::now_v7());
    let org = api.org.uuid();
    let insert = "INSERT INTO posts (id, org_id, campaign_id, connector_id, platform, language) VALUES ($1, $2, $3, $4, 'mastodon', 'en')";
    sqlx::query(insert).bind(post.uuid()).bind(org).bind(campaign.uuid()).bind(account.uuid()).execute(owner).await.unwrap();
    let insert = "INSERT INTO links (id, org_id, post_id, code, target) VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(insert).bind(uuid::Uuid::now_v7()).bind(org).bind(post.uuid()).bind(code).bind(target).execute(owner).await.unwrap();
    post.to_string()
}

#[tokio::test]
async fn people_on_short_links_are_counted_and_machines_are_not() {
    let api = Api::start().await;
    worker(&api).await;
    let owner = sqlx::PgPool::connect(api.stack.superuser_url().expose_secret()).await.unwrap();
    let code = domain::links::short_code(uuid::Uuid::now_v7(), 8);
    post(&api, &owner, &code, "https://northwind.example/winter?utm_source=mastodon").await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = api.base.join(&format!("/l/{code}")).unwrap();
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    for agent in [firefox, firefox, "Mastodon/4.5 (http.rb; +https://mastodon.social/)", "Slackbot-LinkExpanding 1.0", ""] {
        let response = client.get(url.clone()).header("user-agent", agent).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["location"].to_str().unwrap()),
            (302, "https://northwind.example/winter?utm_source=mastodon")
        );
    }
    client.head(url.clone()).header("user-agent", firefox).send().await.unwrap();
    client.get(url).header("user-agent", firefox).header("sec-purpose", "prefetch").send().await.unwrap();
    let clicks: i64 = sqlx::query_scalar("SELECT sum(clicks)::bigint FROM link_clicks").fetch_one(&owner).await.unwrap();
    assert_eq!(clicks, 2);
    // No open redirect: neither an unknown code nor a URL leads anywhere.
    api.get("/l/zzzzzzzz").await.expect_problem(404, "not-found");
    api.get("/l/https:%2F%2Fevil.example").await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn a_webhook_counts_once_and_only_with_the_orgs_signature() {
    let keys = KeyRing::fresh("test").unwrap();
    let api = Api::start_with_keys(keys.expose_secret()).await;
    worker(&api).await;
    let owner = sqlx::PgPool::connect(api.stack.superuser_url().expose_secret()).await.unwrap();
    let post = post(&api, &owner, "abcdefgh", "https://northwind.example/").await;
    let vault = Vault::from_keys(keys.expose_secret()).unwrap();
    let secret = gateway::admin::new_webhook_secret(&api.store, &vault, api.org).await.unwrap();
    let body = json!({"post_id": post, "observed_at": chrono::Utc::now(), "counters": {"likes": 12}}).to_string();
    let send = async |org: OrgId, secret: &str, time: i64, body: &str| {
        let signature = gateway::admin::sign_webhook(secret, time, body.as_bytes());
        let request = api.anonymous(Method::POST, "/v1/metrics/ingest").header("pressroom-org", org.to_string());
        Answer::of(request.header("pressroom-signature", signature).body(body.to_owned()).send().await.unwrap()).await
    };
    let now = chrono::Utc::now().timestamp();
    send(api.org, "forged", now, &body).await.expect_problem(401, "signature-invalid");
    send(api.org, secret.expose_secret(), now - 3600, &body).await.expect_problem(401, "signature-invalid");
    let other = gateway::admin::create_org(&api.store, "Other").await.unwrap();
    send(other, secret.expose_secret(), now, &body).await.expect_problem(401, "signature-invalid");
    let of_time = |time: &str| json!({"post_id": post, "observed_at": time, "counters": {"likes": 12}}).to_string();
    for time in ["2126-12-01T10:00:00Z", "2020-12-01T10:00:00Z"] {
        let refused = send(api.org, secret.expose_secret(), now, &of_time(time)).await;
        assert_eq!(refused.expect_problem(422, "validation-failed").pointers(), ["/observed_at"], "{time}");
    }
    let negative = body.replace(":12}", ":-1}");
    let negative = send(api.org, secret.expose_secret(), now, &negative).await;
    assert_eq!(negative.expect_problem(422, "validation-failed").pointers(), ["/counters/likes"]);
    assert_eq!(send(api.org, secret.expose_secret(), now, &body).await.status, 202);
    send(api.org, secret.expose_secret(), now, &body).await.expect_problem(409, "delivery-replayed");
    let path = format!("/v1/metrics?post_id={post}");
    let mut metrics = api.get(&path).await.expect(200);
    while metrics["items"][0]["readings"] == json!([]) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        metrics = api.get(&path).await.expect(200);
    }
    assert_eq!((metrics["items"][0]["totals"]["likes"].as_i64(), metrics["items"][0]["totals"]["clicks"].as_i64()), (Some(12), None));
    assert_eq!(metrics["items"][0]["readings"].as_array().unwrap().len(), 1);
}
