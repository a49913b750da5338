//! A newsroom in which every secret can be recognised, with gateway and worker as processes that log whatever they can.

use std::collections::BTreeMap;

use domain::platform::Platform;
use e2e::{
    Newsroom, Plan,
    mirror::Mirror,
    planted::{Leak, Planted, secret},
    process::Part,
    wait,
};
use gateway::{access::Role, admin};
use reqwest::{Method, StatusCode};
use sandbox::{bluesky, mastodon};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use workflows::world::WorkflowSettings;

/// See the module.
pub(super) struct House {
    gateway: Part,
    _worker: Part,
    pub(super) newsroom: Newsroom,
    mirrors: BTreeMap<Platform, Mirror>,
    /// Between the worker and the model.
    pub(super) models: Mirror,
    /// What must be nowhere.
    pub(super) planted: Planted,
    /// What is no secret and stands in every brief.
    pub(super) canary: String,
    key: SecretString,
    webhook: SecretString,
    heard: Vec<(String, String)>,
    http: reqwest::Client,
}

/// Tables of the engine in which something of a handler's can stand.
const ENGINES: [&str; 5] = ["sys_journal", "sys_journal_events", "sys_invocation", "state", "sys_inbox"];

fn told(error: activities::ActivityError) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

impl House {
    pub(super) async fn open() -> anyhow::Result<Self> {
        let mut planted = Planted::default();
        let mut plant = |name: &str| {
            let secret = secret();
            planted.add(name, &secret, 0).map(|()| secret)
        };
        let (token, password, model, smtp) =
            (plant("the access token")?, plant("the app password")?, plant("the model's key")?, plant("the mail server's password")?);
        let models = Mirror::start().await?;
        let settings = WorkflowSettings { reminder_seconds: 1, ..e2e::settings::quick() };
        let plan = Plan {
            settings,
            mastodon: mastodon::Options {
                limits: None,
                accounts: vec![mastodon::Account::new("pressroom", &token)],
                ..mastodon::Options::default()
            },
            bluesky: bluesky::Options {
                limits: None,
                accounts: vec![bluesky::Account::new("pressroom.test", &password)],
                ..bluesky::Options::default()
            },
            model: sandbox::model::Options { api_key: Some(model), ..sandbox::model::Options::default() },
            mail: sandbox::mail::Options { credentials: Some(("pressroom".to_owned(), smtp)), ..sandbox::mail::Options::default() },
            model_url: Some(models.url().join("v1")?),
            // Everything that our own code and its HTTP clients would say to somebody who looks for an error.
            log: "debug",
            ..Plan::default()
        };
        let newsroom = Newsroom::open(plan).await?;
        models.front(newsroom.model.openai_url().parse()?);
        let mut mirrors = BTreeMap::new();
        for (platform, server) in [(Platform::Mastodon, newsroom.mastodon.base_url()), (Platform::Bluesky, newsroom.bluesky.base_url())] {
            let mirror = Mirror::start().await?;
            mirror.front(server.parse()?);
            mirrors.insert(platform, mirror);
        }
        let (worker, gateway) = (Part::worker(&newsroom, None)?, Part::gateway(&newsroom)?);
        let key = admin::create_api_key(newsroom.store(), newsroom.org, "test", Role::Owner).await.map_err(told)?;
        let webhook = admin::new_webhook_secret(newsroom.store(), &newsroom.vault()?, newsroom.org).await.map_err(told)?;
        planted.add("the API key", key.expose_secret(), 30)?;
        planted.add("the webhook's secret", webhook.expose_secret(), 0)?;
        // `test:<base64>`
        planted.add("the vault's key", newsroom.vault_keys().expose_secret(), 5)?;
        let database = url::Url::parse(newsroom.app_url().expose_secret())?;
        // A UUIDv7 begins with the time, which other ids share.
        planted.add("the database's password", database.password().unwrap_or_default(), 14)?;
        planted.add("the secret of access tokens", &Part::token_secret(&newsroom), 0)?;
        let canary = format!("Canary{}", secret());
        let http = reqwest::Client::builder().no_proxy().build()?;
        let house = Self { gateway, _worker: worker, newsroom, mirrors, models, planted, canary, key, webhook, heard: Vec::new(), http };
        let url = house.gateway.url()?.join("readyz")?;
        wait::until("the gateway to be ready", async || {
            Ok(match house.http.get(url.clone()).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(answer.text().await?),
                Err(error) => Err(error.to_string()),
            })
        })
        .await?;
        Ok(house)
    }

    pub(super) fn mirror(&self, platform: Platform) -> &Mirror {
        &self.mirrors[&platform]
    }

    pub(super) fn handle(&self, platform: Platform) -> String {
        self.newsroom.stand_in(platform).logins()[0].handle.clone()
    }

    pub(super) fn credentials(&self, platform: Platform) -> Value {
        self.newsroom.stand_in(platform).logins()[0].credentials.clone()
    }

    /// Where a platform takes posts.
    pub(super) fn sends(&self, platform: Platform) -> &'static str {
        match platform {
            Platform::Mastodon => "/api/v1/statuses",
            Platform::Bluesky => "/xrpc/com.atproto.repo.",
            Platform::Telegram => "/bot",
            Platform::Discord => "/api/v10/channels/",
            Platform::Slack => "/api/chat.postMessage",
            Platform::TikTok => "/v2/post/publish/",
            Platform::YouTube => "/upload/youtube/",
            Platform::Threads => "/v1.0/",
            Platform::Instagram | Platform::Facebook => "/v25.0/",
            Platform::X => "/2/tweets",
            Platform::LinkedIn => "/rest/posts",
            // Buffer has one address for all.
            Platform::Buffer => "/",
            Platform::Hootsuite => "/v1/messages",
        }
    }

    /// Secrets in the wrong place, in the wrong form, and of nobody.
    pub(super) fn wrong_credentials(&mut self, platform: Platform) -> Vec<Value> {
        let secrets = platform.capabilities().connect.fields().iter().filter(|field| field.secret);
        let field = secrets.map(|field| field.name).next().unwrap_or_default();
        let other = if field == "access_token" { "app_password" } else { "access_token" };
        let right = self.credentials(platform)[field].as_str().unwrap_or_default().to_owned();
        let nobodys = secret();
        self.planted.add("nobody's token", &nobodys, 0).unwrap();
        vec![
            json!({ field: nobodys }),
            json!({ other: right }),
            json!({ field: [right] }),
            json!({ field: format!("{right} ") }),
            json!({ right.clone(): "x" }),
            json!(right),
            json!({ field: right, "more": right }),
        ]
    }

    /// Asks the gateway as the owner; whatever it answers is searched afterwards.
    pub(super) async fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.http.request(method.clone(), self.gateway.url()?.join(path)?).bearer_auth(self.key.expose_secret());
        if let Some(body) = body {
            request = request.header("idempotency-key", uuid::Uuid::now_v7().to_string()).json(body);
        }
        let answer = request.send().await?;
        let (status, head) = (answer.status(), format!("{:?}", answer.headers()));
        let text = answer.text().await?;
        self.heard.push((format!("{method} {path}"), format!("{head}\n{text}")));
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// A person signs in, goes on, comes with a used token, and goes. What is issued to them is in these answers, and nowhere else.
    pub(super) async fn people(&mut self) -> anyhow::Result<()> {
        let password = secret();
        self.planted.add("the person's password", &password, 0)?;
        let (store, org) = (self.newsroom.store(), self.newsroom.org);
        admin::create_user(store, org, "ada@example.com", "Ada", Role::Owner, password.clone().into()).await.map_err(told)?;
        let url = self.gateway.url()?;
        let post = async |path: &str, body: Value| {
            let answer = self.http.post(url.join(path)?).json(&body).send().await?;
            anyhow::Ok((answer.status(), answer.json::<Value>().await.unwrap_or_default()))
        };
        let mut issued = Vec::new();
        let (status, first) = post("v1/auth/login", json!({"email": "ada@example.com", "password": password})).await?;
        anyhow::ensure!(status == StatusCode::OK, "{first:#}");
        let (_, second) = post("v1/auth/refresh", json!({"refresh_token": first["refresh_token"]})).await?;
        let (reused, refused) = post("v1/auth/refresh", json!({"refresh_token": first["refresh_token"]})).await?;
        anyhow::ensure!(reused == StatusCode::UNAUTHORIZED, "{refused:#}");
        let (_, wrong) = post("v1/auth/login", json!({"email": password, "password": [password]})).await?;
        self.heard.push(("POST /v1/auth/refresh".to_owned(), refused.to_string()));
        self.heard.push(("POST /v1/auth/login".to_owned(), wrong.to_string()));
        for answer in [&first, &second] {
            for (name, public) in [("access_token", 60), ("refresh_token", 31)] {
                issued.push((name, answer[name].as_str().unwrap_or_default().to_owned(), public));
            }
        }
        let me = self.http.get(url.join("v1/me")?).bearer_auth(&issued[0].1).send().await?;
        self.heard.push(("GET /v1/me".to_owned(), me.text().await?));
        for (name, token, public) in issued {
            self.planted.add(name, &token, public)?;
        }
        Ok(())
    }

    /// Counters come from outside, signed and forged.
    pub(super) async fn webhook(&mut self) -> anyhow::Result<()> {
        let (_, posts) = self.ask(Method::GET, "/v1/posts?status=published", None).await?;
        let body = json!({"post_id": posts["items"][0]["id"], "observed_at": chrono::Utc::now(), "counters": {"likes": 12}}).to_string();
        let time = chrono::Utc::now().timestamp();
        let url = self.gateway.url()?.join("v1/metrics/ingest")?;
        for (secret, expected) in [(self.webhook.expose_secret(), 202), ("forged", 401)] {
            let signature = admin::sign_webhook(secret, time, body.as_bytes());
            let request = self.http.post(url.clone()).header("pressroom-org", self.newsroom.org.to_string());
            let answer = request.header("pressroom-signature", signature).body(body.clone()).send().await?;
            let status = answer.status().as_u16();
            let text = answer.text().await?;
            anyhow::ensure!(status == expected, "{status}: {text}");
            self.heard.push(("POST /v1/metrics/ingest".to_owned(), text));
        }
        Ok(())
    }

    /// Waits until a campaign has posts, and each has one of these statuses.
    pub(super) async fn until_posts(&mut self, campaign: &str, statuses: &[&str]) -> anyhow::Result<()> {
        let this = tokio::sync::Mutex::new(self);
        wait::until(&format!("the posts of {campaign} to be {statuses:?}"), async || {
            let (_, found) = this.lock().await.ask(Method::GET, &format!("/v1/campaigns/{campaign}"), None).await?;
            let posts = found["posts"].as_array().cloned().unwrap_or_default();
            let there =
                !posts.is_empty() && posts.iter().all(|post| post["status"].as_str().is_some_and(|status| statuses.contains(&status)));
            Ok(if there { Ok(()) } else { Err(format!("{found:#}")) })
        })
        .await
    }

    /// Waits until an account is in this state.
    pub(super) async fn until_health(&mut self, connector: &Value, health: &str) -> anyhow::Result<()> {
        let path = format!("/v1/connectors/{}/status", connector["id"].as_str().unwrap_or_default());
        let this = tokio::sync::Mutex::new(self);
        wait::until(&format!("{path} to be {health}"), async || {
            let (_, found) = this.lock().await.ask(Method::GET, &path, None).await?;
            Ok(if found["health"] == health { Ok(()) } else { Err(format!("{found:#}")) })
        })
        .await
    }

    /// Reads everything that the API shows: each list, and each thing in it.
    pub(super) async fn look_at_everything(&mut self) -> anyhow::Result<()> {
        for path in [
            "/metrics",
            "/healthz",
            "/readyz",
            "/openapi.json",
            "/docs",
            "/v1/me",
            "/v1/usage",
            "/v1/brands",
            "/v1/connectors",
            "/v1/digests",
        ] {
            let (status, answer) = self.ask(Method::GET, path, None).await?;
            anyhow::ensure!(status == StatusCode::OK, "{path}: {answer:#}");
        }
        for list in ["campaigns", "posts", "runs"] {
            let (_, found) = self.ask(Method::GET, &format!("/v1/{list}?limit=200"), None).await?;
            let items = found["items"].as_array().cloned().unwrap_or_default();
            anyhow::ensure!(!items.is_empty(), "there are no {list}: {found:#}");
            for item in items {
                let id = item["id"].as_str().unwrap_or_default().to_owned();
                self.ask(Method::GET, &format!("/v1/{list}/{id}"), None).await?;
                match list {
                    "campaigns" => {
                        self.ask(Method::GET, &format!("/v1/metrics?campaign_id={id}"), None).await?;
                        let brief = item["brief_id"].as_str().unwrap_or_default();
                        self.ask(Method::GET, &format!("/v1/briefs/{brief}"), None).await?;
                    }
                    "posts" => {
                        self.ask(Method::GET, &format!("/v1/posts/{id}/receipts"), None).await?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Tokens that the stand-ins gave out, as they passed the mirrors.
    pub(super) fn also_search_for_what_was_issued(&mut self) -> anyhow::Result<()> {
        let sessions: Vec<String> = self.mirror(Platform::Bluesky).tokens().into_iter().filter(|token| token.starts_with("ey")).collect();
        anyhow::ensure!(sessions.len() >= 4, "no session was seen");
        for token in sessions {
            // The signature: what comes before it says what others say too.
            let public = token.rfind('.').map_or(0, |dot| dot + 1);
            self.planted.add("a session's token", &token, public)?;
        }
        Ok(())
    }

    /// The logs of all processes.
    pub(super) fn logs(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut logs = Vec::new();
        for entry in std::fs::read_dir(self.newsroom.stack.folder())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                logs.push((path.display().to_string(), std::fs::read_to_string(&path)?));
            }
        }
        Ok(logs)
    }

    /// Looks for secrets in everything that was answered, logged, journalled or stored.
    pub(super) async fn search(&self, what: &Planted) -> anyhow::Result<Vec<Leak>> {
        let mut leaks = what.in_logs(self.newsroom.stack.folder())?;
        for (request, answer) in &self.heard {
            leaks.extend(what.in_bytes(request, answer.as_bytes()));
        }
        for table in ENGINES {
            let rows = self.newsroom.engine.query(&format!("SELECT * FROM {table}")).await?;
            if table == "sys_journal" {
                anyhow::ensure!(rows.iter().any(|row| row["raw"].is_string()), "the journal shows no bytes");
            }
            for row in &rows {
                leaks.extend(what.in_json(table, row));
            }
        }
        let mut owner = PgConnection::connect(self.newsroom.stack.superuser_url().expose_secret()).await?;
        let columns = sqlx::query(
            "SELECT c.relname::text, a.attname::text, a.atttypid = 'bytea'::regtype FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped",
        );
        for column in columns.fetch_all(&mut owner).await? {
            let (table, name, binary): (String, String, bool) = (column.get(0), column.get(1), column.get(2));
            // As the bytes that they are, whatever type they have.
            let bytes = if binary { format!("\"{name}\"") } else { format!("convert_to(\"{name}\"::text, 'UTF8')") };
            let select = format!("SELECT {bytes} FROM public.\"{table}\" WHERE \"{name}\" IS NOT NULL");
            let values: Vec<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(&mut owner).await?;
            for value in values {
                leaks.extend(what.in_bytes(&format!("database {table}.{name}"), &value));
            }
        }
        Ok(leaks)
    }
}
