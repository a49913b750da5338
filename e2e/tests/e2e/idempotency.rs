//! A request that is repeated with one `Idempotency-Key` starts one campaign, whatever happened to the first: counted in the database, in the engine
//! and on the platform, with a gateway and a worker that are processes of their own.

use std::collections::BTreeMap;

use domain::{ids::OrgId, platform::Platform};
use e2e::{
    Newsroom, Plan,
    mirror::{Mirror, Whim},
    process::Part,
    wait,
};
use gateway::{access::Role, admin};
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use url::Url;

/// A newsroom with a gateway that reaches the engine through a mirror.
struct Desk {
    gateway: Part,
    _worker: Part,
    ingress: Mirror,
    newsroom: Newsroom,
    key: SecretString,
    http: reqwest::Client,
}

type Answered = (StatusCode, bool, Value);

impl Desk {
    async fn open() -> anyhow::Result<Self> {
        let ingress = Mirror::start().await?;
        let newsroom = Newsroom::open(Plan { ingress_url: Some(ingress.url().clone()), ..Plan::default() }).await?;
        ingress.front(newsroom.stack.ingress_url().clone());
        let (worker, gateway) = (Part::worker(&newsroom, None)?, Part::gateway(&newsroom)?);
        let key = owner(&newsroom, newsroom.org).await?;
        let desk = Self { gateway, _worker: worker, ingress, newsroom, key, http: reqwest::Client::builder().no_proxy().build()? };
        desk.is_ready().await?;
        Ok(desk)
    }

    async fn is_ready(&self) -> anyhow::Result<()> {
        let url = self.gateway.url()?.join("readyz")?;
        wait::until("the gateway to be ready", async || {
            Ok(match self.http.get(url.clone()).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(answer.text().await?),
                Err(error) => Err(error.to_string()),
            })
        })
        .await
    }

    async fn post(&self, key: &SecretString, path: &str, idempotency: &str, body: &Value) -> anyhow::Result<Answered> {
        let request = self.http.post(self.gateway.url()?.join(path)?).bearer_auth(key.expose_secret());
        let answer = request.header("idempotency-key", idempotency).json(body).send().await?;
        let (status, replayed) = (answer.status(), answer.headers().contains_key("idempotency-replayed"));
        let text = answer.text().await?;
        Ok((status, replayed, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Repeats a request until somebody has worked on it to the end.
    async fn until_taken(&self, idempotency: &str, body: &Value) -> anyhow::Result<Answered> {
        wait::until("a repeat to be answered", async || {
            let answered = self.post(&self.key, "v1/campaigns", idempotency, body).await?;
            // In use: another one works on it, or did so until just now.
            Ok(if answered.0 == StatusCode::CONFLICT { Err(answered.2.to_string()) } else { Ok(answered) })
        })
        .await
    }

    /// One post on one platform, approved by rule, as soon as it is written.
    fn campaign(&self) -> Value {
        let brief =
            json!({"topic": "A new roast", "audience": "people at home", "tone": "warm", "languages": ["en"], "platforms": ["mastodon"]});
        json!({"brand_id": self.newsroom.brand.to_string(), "brief": brief, "connectors": [self.newsroom.account(Platform::Mastodon).to_string()],
            "variants_per_post": 1, "approval": "auto", "schedule": {"mode": "now"}})
    }

    /// Campaigns in the database, invocations that created one, runs shown, and posts in the database; the newsroom's own campaign has none of these.
    async fn counts(&self) -> anyhow::Result<BTreeMap<&'static str, i64>> {
        let pool = sqlx::PgPool::connect(self.newsroom.stack.superuser_url().expose_secret()).await?;
        let mut counts = BTreeMap::new();
        for (what, sql) in [
            ("campaigns", "SELECT count(*) FROM campaigns WHERE name <> 'By hand'"),
            ("briefs", "SELECT count(*) - 1 FROM briefs"),
            ("runs", "SELECT count(*) FROM runs WHERE workflow = 'Campaign'"),
            ("posts", "SELECT count(*) FROM posts"),
        ] {
            counts.insert(what, sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await?);
        }
        let invoked = "SELECT id FROM sys_invocation WHERE target_service_name = 'Campaign' AND target_handler_name = 'create'";
        counts.insert("invocations", i64::try_from(self.newsroom.engine.query(invoked).await?.len())?);
        Ok(counts)
    }

    /// Waits until so many posts are out and nothing is in hand any more, and compares every count with it.
    async fn has_started(&self, campaigns: usize) -> anyhow::Result<()> {
        let wanted = i64::try_from(campaigns)?;
        wait::until("every campaign to be published and nothing more", async || {
            let (counts, out) = (self.counts().await?, self.newsroom.books(Platform::Mastodon).len());
            let busy = self.newsroom.engine.unfinished().await?;
            let done = busy.is_empty() && out >= campaigns && counts["posts"] >= wanted;
            Ok(if done { Ok(()) } else { Err(format!("{counts:?}, {out} are out; in hand: {busy:#?}")) })
        })
        .await?;
        let counts = self.counts().await?;
        assert!(counts.values().all(|n| *n == wanted), "{campaigns} wanted: {counts:?}");
        let books = self.newsroom.books(Platform::Mastodon);
        assert_eq!(books.len(), campaigns, "{books:#?}");
        Ok(())
    }
}

async fn owner(newsroom: &Newsroom, org: OrgId) -> anyhow::Result<SecretString> {
    admin::create_api_key(newsroom.store(), org, "test", Role::Owner).await.map_err(|e| anyhow::anyhow!("{e}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_one_after_the_other_and_all_at_once_start_one_campaign() -> anyhow::Result<()> {
    let desk = Desk::open().await?;
    let body = desk.campaign();
    let (status, replayed, first) = desk.post(&desk.key, "v1/campaigns", "one", &body).await?;
    assert_eq!((status, replayed), (StatusCode::ACCEPTED, false), "{first:#}");
    for _ in 0..3 {
        assert_eq!(desk.post(&desk.key, "v1/campaigns", "one", &body).await?, (StatusCode::ACCEPTED, true, first.clone()));
    }
    desk.has_started(1).await?;

    // The same key for something else is a mistake of the client, and nothing happens.
    let mut other = body.clone();
    other["variants_per_post"] = json!(2);
    for (path, body) in [("v1/campaigns", &other), ("v1/brands", &json!({"name": "n"}))] {
        let (status, _, refused) = desk.post(&desk.key, path, "one", body).await?;
        assert_eq!((status.as_u16(), refused["code"].as_str()), (422, Some("idempotency-key-reused")), "{path}: {refused:#}");
    }

    let storm = futures::future::join_all((0..20).map(|_| desk.post(&desk.key, "v1/campaigns", "many", &body))).await;
    let second = desk.until_taken("many", &body).await?;
    assert_eq!((second.0, second.1), (StatusCode::ACCEPTED, true), "{second:#?}");
    assert_ne!(second.2["id"], first["id"]);
    let mut fresh = 0;
    for answered in storm {
        let (status, replayed, answer) = answered?;
        match status.as_u16() {
            202 => assert_eq!(answer, second.2),
            _ => assert_eq!((status.as_u16(), answer["code"].as_str()), (409, Some("idempotency-key-in-use")), "{answer:#}"),
        }
        fresh += usize::from(status == StatusCode::ACCEPTED && !replayed);
    }
    assert_eq!(fresh, 1, "one of them did the work");
    desk.has_started(2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_before_it_answers_has_started_one_campaign() -> anyhow::Result<()> {
    let desk = Desk::open().await?;
    let mut started = 0;
    // Killed before the engine got it, after the engine took it, and again in the repeat.
    for (key, whims) in
        [("before", vec![Whim::Swallow]), ("after", vec![Whim::KeepAnswer]), ("both", vec![Whim::KeepAnswer, Whim::Swallow])]
    {
        let body = desk.campaign();
        for whim in whims {
            let had = desk.ingress.done().len();
            desk.ingress.order("/Campaign/", whim, 1);
            let killed = async {
                wait::until("the request to be on its way", async || {
                    Ok(if desk.ingress.done().len() > had { Ok(()) } else { Err("it is not".to_owned()) })
                })
                .await?;
                desk.gateway.kill9();
                anyhow::Ok(())
            };
            // A repeat is refused as long as the gateway that died could still be at work.
            let (answered, killed) = tokio::join!(desk.until_taken(key, &body), killed);
            killed?;
            assert!(answered.is_err(), "{key}: nobody was left to answer: {answered:?}");
            desk.gateway.start(None)?;
            desk.is_ready().await?;
        }
        let (status, replayed, first) = desk.until_taken(key, &body).await?;
        assert_eq!((status, replayed), (StatusCode::ACCEPTED, false), "{key}: {first:#}");
        assert_eq!(desk.until_taken(key, &body).await?, (StatusCode::ACCEPTED, true, first));
        started += 1;
        desk.has_started(started).await?;
    }
    assert_eq!(desk.ingress.done(), [Whim::Swallow, Whim::KeepAnswer, Whim::KeepAnswer, Whim::Swallow]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_in_two_orgs_is_two_keys() -> anyhow::Result<()> {
    let desk = Desk::open().await?;
    let other = admin::create_org(desk.newsroom.store(), "Other").await.map_err(|e| anyhow::anyhow!("{e}"))?;
    let theirs = owner(&desk.newsroom, other).await?;
    let account = &desk.newsroom.plan.mastodon.accounts[0];
    let connector = json!({"platform": "mastodon", "base_url": desk.newsroom.mastodon.base_url(), "handle": account.handle,
        "credentials": {"access_token": account.token}});
    let (status, _, brand) = desk.post(&theirs, "v1/brands", "brand", &json!({"name": "Theirs"})).await?;
    assert_eq!(status, StatusCode::CREATED, "{brand:#}");
    let (status, _, connector) = desk.post(&theirs, "v1/connectors", "connector", &connector).await?;
    assert_eq!(status, StatusCode::CREATED, "{connector:#}");
    let ours = desk.campaign();
    let mut body = ours.clone();
    body["brand_id"] = brand["id"].clone();
    body["connectors"] = json!([connector["id"]]);

    let first = desk.post(&desk.key, "v1/campaigns", "k", &ours).await?;
    let second = desk.post(&theirs, "v1/campaigns", "k", &body).await?;
    for (status, replayed, answer) in [&first, &second] {
        assert_eq!((*status, *replayed), (StatusCode::ACCEPTED, false), "{answer:#}");
    }
    assert_ne!(first.2["id"], second.2["id"]);
    assert_eq!(desk.post(&theirs, "v1/campaigns", "k", &body).await?, (StatusCode::ACCEPTED, true, second.2));
    desk.has_started(2).await
}

/// The mirror itself: without whims it changes nothing, so what the tests above saw is what they ordered.
#[tokio::test]
async fn a_mirror_without_whims_changes_nothing() -> anyhow::Result<()> {
    let (front, back) = (Mirror::start().await?, Mirror::start().await?);
    front.front(back.url().clone());
    back.front(Url::parse("http://127.0.0.1:1/")?);
    back.order("/a", Whim::Echo(418, 3), 1);
    let answer = reqwest::Client::new().post(front.url().join("x/a?b=c")?).bearer_auth("token-1").body("body").send().await?;
    assert_eq!(answer.status(), 418);
    let text = answer.text().await?;
    assert!(text.contains("---Bearer token-1 body"), "{text}");
    assert_eq!((front.tokens(), back.done()), (vec!["token-1".to_owned()], vec![Whim::Echo(418, 3)]));
    Ok(())
}
