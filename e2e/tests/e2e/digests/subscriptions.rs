//! Subscriptions over REST: listed, read and ended, and what is ended makes no digest any more.

use e2e::{engine::Engine, wait};
use gateway::access::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api_harness::{Answer, Api},
    api_runs,
};

async fn delete(api: &Api, path: &str) -> Answer {
    Answer::of(api.request(Role::Editor, Method::DELETE, path).send().await.unwrap()).await
}

/// The instant that the object waits for; null once it waits for none.
async fn planned(engine: &Engine, id: &str) -> anyhow::Result<Value> {
    let plan = async || {
        let sql = format!("SELECT value_utf8 FROM state WHERE service_name = 'Digest' AND service_key = '{id}' AND key = 'plan'");
        let rows = engine.query(&sql).await?;
        let text = rows.first().and_then(|row| row["value_utf8"].as_str()).map(str::to_owned);
        Ok(text.ok_or_else(|| "there is no plan".to_owned()))
    };
    let plan: Value = serde_json::from_str(&wait::until("a plan", plan).await?)?;
    Ok(plan["fire_at"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_listed_until_it_is_ended_and_then_waits_for_nothing() -> anyhow::Result<()> {
    let api = Api::start().await;
    api_runs::worker(&api).await;
    let engine = Engine::new(api.stack.ingress_url(), api.stack.admin_url())?;
    let mut ids = Vec::new();
    let mut brands = Vec::new();
    for name in ["Northwind", "Southwind"] {
        let brand = api.post("/v1/brands", &json!({"name": name})).await.expect(201)["id"].clone();
        for cadence in ["daily", "weekly"] {
            let asked =
                json!({"brand_id": brand, "cadence": cadence, "at": "09:00", "timezone": "Europe/Berlin", "email": ["a@b.example"]});
            let made = api.post("/v1/digests/subscriptions", &asked).await.expect(202);
            ids.push(made["id"].as_str().unwrap().to_owned());
        }
        brands.push(brand.as_str().unwrap().to_owned());
    }
    let listed = async |query: &str| {
        let page = api.get(&format!("/v1/digests/subscriptions{query}")).await.expect(200);
        let ids: Vec<String> = page["items"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect();
        (ids, page["next_cursor"].clone())
    };
    let newest_first = |some: &[usize]| some.iter().map(|i| ids[*i].clone()).collect::<Vec<_>>();
    assert_eq!(listed("").await, (newest_first(&[3, 2, 1, 0]), Value::Null));
    assert_eq!(listed(&format!("?brand_id={}", brands[0])).await.0, newest_first(&[1, 0]));
    let (first, cursor) = listed("?limit=3").await;
    assert_eq!(first, newest_first(&[3, 2, 1]));
    assert_eq!(listed(&format!("?limit=3&cursor={}", cursor.as_str().unwrap())).await, (newest_first(&[0]), Value::Null));

    let path = |i: usize| format!("/v1/digests/subscriptions/{}", ids[i]);
    let weekly = api.get(&path(1)).await.expect(200);
    assert_eq!(
        (&weekly["cadence"], &weekly["weekday"], &weekly["at"], &weekly["timezone"], &weekly["email"], &weekly["brand_id"]),
        (&json!("weekly"), &json!("monday"), &json!("09:00"), &json!("Europe/Berlin"), &json!(["a@b.example"]), &json!(brands[0]))
    );
    let daily = api.get(&path(0)).await.expect(200);
    assert_eq!(daily["weekday"], Value::Null);
    assert_eq!(planned(&engine, &ids[0]).await?, daily["next_at"], "what is shown is what the object waits for");

    let refused = Answer::of(api.request(Role::Reviewer, Method::DELETE, &path(0)).send().await?).await;
    refused.expect_problem(403, "forbidden");
    for time in ["the first time", "again"] {
        let ended = delete(&api, &path(0)).await;
        assert_eq!(ended.status, 204, "{time}: {ended:#?}");
        assert_eq!(planned(&engine, &ids[0]).await?, Value::Null, "{time}");
    }
    api.get(&path(0)).await.expect_problem(404, "not-found");
    api.post(&format!("{}/run", path(0)), &json!({})).await.expect_problem(404, "not-found");
    assert_eq!(listed("").await.0, newest_first(&[3, 2, 1]));
    assert_ne!(planned(&engine, &ids[1]).await?, Value::Null, "only the one that was named is ended");
    Ok(())
}
