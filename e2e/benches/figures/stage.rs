//! What is measured: a whole Pressroom on real servers, with a stand-in for the model. Each part has a runtime of its own, whose threads carry its
//! name, so that the processor's time can be told apart.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use activities::{
    http::{Outgoing, OutgoingSettings},
    mail::{Mailer, Security, SmtpSettings},
    model::{ModelSettings, Models, http_client},
    platform::Apps,
    store::{
        Store, brands, briefs,
        campaigns::{Approval, NewCampaign},
    },
    vault::{KeyRing, Vault},
};
use anyhow::{Context as _, ensure};
use domain::{
    brand::Brand,
    brief::{Brief, Language},
    ids::{BrandId, BriefId, CampaignId, ConnectorId, OrgId, RunId},
    platform::Platform,
};
use e2e::engine::Engine;
use gateway::{App, GatewaySettings, access::Role, admin, app::Parts};
use restate_sdk::prelude::Endpoint;
use sandbox::{model::StandInModel, servers::TestStack};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::{net::TcpListener, runtime::Runtime};
use url::Url;
use uuid::Uuid;
use workflows::{
    campaign::CreateCampaign,
    step::CrashPlan,
    world::{Outside, WorkflowSettings, World},
};

/// How many connections each part may hold, as the settings have it by default.
const CONNECTIONS: u32 = 10;
const PASSWORD: &str = "app-password-of-a-benchmark";

/// See the module. Everything ends with it.
pub(crate) struct Stage {
    /// Last used, first ended: what serves goes before what it needs.
    _threads: Vec<Threads>,
    pub(crate) http: reqwest::Client,
    pub(crate) engine: Engine,
    /// As the role that owns the database: sees every org's rows.
    pub(crate) owner: PgPool,
    pub(crate) store: Store,
    pub(crate) org: OrgId,
    pub(crate) brand: BrandId,
    /// One account on each platform.
    pub(crate) accounts: Vec<(Platform, ConnectorId)>,
    pub(crate) gateway: Url,
    pub(crate) key: SecretString,
    pub(crate) model: StandInModel,
    pub(crate) app_url: SecretString,
    pub(crate) stack: TestStack,
}

/// A runtime that may be dropped anywhere.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    pub(crate) fn named(name: &str) -> anyhow::Result<Self> {
        Ok(Self(Some(tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build()?)))
    }

    /// Runs a future on these threads.
    pub(crate) async fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> anyhow::Result<T> {
        Ok(self.0.as_ref().context("the runtime ended")?.spawn(future).await?)
    }

    /// Serves an endpoint on a free port, as a worker does.
    pub(crate) async fn serve(&self, endpoint: Endpoint) -> anyhow::Result<SocketAddr> {
        self.run(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            tokio::spawn(workflows::serve(endpoint, listener, std::future::pending::<()>()));
            anyhow::Ok(address)
        })
        .await?
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Stage {
    /// Starts everything.
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let stack = TestStack::start().await?;
        migrations::run(stack.superuser_url().expose_secret(), Some(PASSWORD)).await?;
        let owner = PgPool::connect(stack.superuser_url().expose_secret()).await?;
        let app_url = app_url(stack.superuser_url())?;
        let store = Store::connect_lazy(app_url.expose_secret(), CONNECTIONS).map_err(told)?;
        let org = admin::create_org(&store, "Measured").await.map_err(told)?;
        let key = admin::create_api_key(&store, org, "bench", Role::Owner).await.map_err(told)?;

        let (model_threads, worker_threads, gateway_threads) =
            (Threads::named("model")?, Threads::named("worker")?, Threads::named("gateway")?);
        let model = model_threads.run(StandInModel::start(sandbox::model::Options::default())).await??;
        let (url, base_url) = (app_url.clone(), model.openai_url());
        let world = worker_threads.run(async move { world(&url, &base_url) }).await??;
        let worker = worker_threads.serve(workflows::endpoint(&world)).await?;

        let settings = GatewaySettings {
            ingress_url: stack.ingress_url().clone(),
            admin_url: stack.admin_url().clone(),
            requests_per_minute: 1_000_000,
            request_burst: 1_000_000,
            ..GatewaySettings::default()
        };
        let gateway = gateway_threads.run(serve_gateway(settings, app_url.clone())).await??;
        let stage = Self {
            _threads: vec![gateway_threads, worker_threads, model_threads],
            engine: Engine::new(stack.ingress_url(), stack.admin_url())?,
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?,
            owner,
            store,
            org,
            brand: BrandId::from_uuid(Uuid::now_v7()),
            accounts: e2e::PLATFORMS.iter().map(|platform| (*platform, ConnectorId::from_uuid(Uuid::now_v7()))).collect(),
            gateway,
            key,
            model,
            app_url,
            stack,
        };
        stage.register(worker).await?;
        stage.seed().await?;
        Ok(stage)
    }

    /// Makes the engine use a deployment.
    pub(crate) async fn register(&self, address: SocketAddr) -> anyhow::Result<()> {
        self.engine.register(&Url::parse(&format!("http://{address}"))?).await
    }

    async fn seed(&self) -> anyhow::Result<()> {
        let brand = Brand {
            name: "Harbour Roastery".to_owned(),
            guidelines: "Plain words, short sentences.".to_owned(),
            banned_phrases: vec!["game changer".to_owned()],
            required_disclosures: Vec::new(),
            colors: Vec::new(),
            links: std::collections::BTreeMap::new(),
        };
        let mut tx = self.store.in_org(self.org).await.map_err(told)?;
        brands::insert(&mut tx, self.brand, &brand).await.map_err(told)?;
        tx.commit().await.map_err(told)?;
        for (platform, id) in &self.accounts {
            // As if it had been connected; nothing is published here.
            sqlx::query(
                "INSERT INTO connectors (id, org_id, platform, base_url, handle) VALUES ($1, $2, $3, 'http://127.0.0.1:1', 'bench')",
            )
            .bind(id.uuid())
            .bind(self.org.uuid())
            .bind(platform.as_str())
            .execute(&self.owner)
            .await?;
        }
        Ok(())
    }

    /// A brief in these languages for the first so many platforms.
    pub(crate) fn brief(&self, languages: &[Language], platforms: usize) -> Brief {
        Brief {
            topic: "A new roast from the harbour".to_owned(),
            audience: "people who make coffee at home".to_owned(),
            tone: "warm".to_owned(),
            goal: Some("visit the shop".to_owned()),
            languages: languages.to_vec(),
            platforms: self.accounts.iter().take(platforms).map(|(platform, _)| *platform).collect(),
            regions: Vec::new(),
            competitors: Vec::new(),
            constraints: Vec::new(),
            link: Some("https://harbour.example/roast".to_owned()),
            key_points: vec!["roasted on Tuesdays".to_owned()],
        }
    }

    /// Stores a brief, and returns what starts campaigns for it.
    pub(crate) async fn plan(&self, brief: &Brief, variants: i32) -> anyhow::Result<CreateCampaign> {
        let id = BriefId::from_uuid(Uuid::now_v7());
        let mut tx = self.store.in_org(self.org).await.map_err(told)?;
        briefs::insert(&mut tx, id, self.brand, brief).await.map_err(told)?;
        tx.commit().await.map_err(told)?;
        let campaign = NewCampaign {
            id: CampaignId::from_uuid(Uuid::now_v7()),
            brand_id: self.brand,
            brief_id: id,
            name: brief.topic.clone(),
            variants_per_post: variants,
            approval: Approval::Required,
            schedule: None,
            options: domain::post::PostOptions::default(),
            run_id: RunId::from_uuid(Uuid::now_v7()),
        };
        let connectors = self.accounts.iter().take(brief.platforms.len()).map(|(_, id)| *id).collect();
        Ok(CreateCampaign { org: self.org, campaign, connectors })
    }

    /// Starts a handler of an object directly at the engine, as the gateway would, and returns the invocation's id.
    pub(crate) async fn send(&self, service: &str, key: &str, handler: &str, input: &Value, idempotency: &str) -> anyhow::Result<String> {
        let url = self.stack.ingress_url().join(&format!("restate/send/{service}/{key}/{handler}"))?;
        let answer = self.http.post(url).header("idempotency-key", idempotency).json(input).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        ensure!(status.is_success(), "the engine answered {status}: {body}");
        Ok(body["invocationId"].as_str().context("an invocation's id")?.to_owned())
    }

    /// How many of these campaigns have all their drafts.
    pub(crate) async fn generated(&self, campaigns: &[Uuid]) -> anyhow::Result<usize> {
        let sql = "SELECT count(*) FROM campaigns WHERE id = ANY($1) AND generated_at IS NOT NULL";
        let count: i64 = sqlx::query_scalar(sql).bind(campaigns).fetch_one(&self.owner).await?;
        Ok(usize::try_from(count)?)
    }

    /// The servers and their versions.
    pub(crate) async fn versions(&self) -> anyhow::Result<String> {
        let postgres: String = sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(&self.owner).await?;
        let restate: Value = self.http.get(self.stack.admin_url().join("version")?).send().await?.json().await?;
        Ok(format!("restate-server {}, PostgreSQL {postgres}", restate["version"].as_str().unwrap_or("?")))
    }
}

/// An activity's error, which on purpose is no standard error.
pub(crate) fn told(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

fn app_url(superuser: &SecretString) -> anyhow::Result<SecretString> {
    let mut url = Url::parse(superuser.expose_secret())?;
    let set = url.set_username(migrations::APP_ROLE).and_then(|()| url.set_password(Some(PASSWORD)));
    set.map_err(|()| anyhow::anyhow!("the database's address takes no user"))?;
    Ok(url.to_string().into())
}

fn vault() -> anyhow::Result<Vault> {
    Vault::from_keys(KeyRing::fresh("bench").map_err(told)?.expose_secret()).map_err(told)
}

fn outgoing() -> anyhow::Result<Outgoing> {
    Outgoing::new(&OutgoingSettings { allow_private_networks: true, ..OutgoingSettings::default() }).map_err(told)
}

fn world(app_url: &SecretString, base_url: &str) -> anyhow::Result<World> {
    let name = sandbox::model::NAME;
    let settings: ModelSettings = serde_json::from_value(json!({
        "providers": [{ "name": "stand-in", "kind": "openai", "base_url": base_url, "model": name }],
        "embedder": { "base_url": base_url, "model": name, "dimensions": 256 },
    }))?;
    let (models, embedder) = Models::from_settings(&settings, &http_client(Duration::from_secs(5)).map_err(told)?).map_err(told)?;
    // No mail is sent here.
    let mail = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: 1,
        security: Security::Plain,
        username: None,
        password: None,
        from: "Pressroom <pressroom@pressroom.test>".to_owned(),
        timeout_seconds: 1,
    };
    Ok(World::new(Outside {
        store: Store::connect_lazy(app_url.expose_secret(), CONNECTIONS).map_err(told)?,
        models,
        embedder: Arc::new(embedder),
        mailer: Mailer::new(&mail)?,
        outgoing: outgoing()?,
        apps: Apps::default(),
        vault: vault()?,
        media: None,
        settings: WorkflowSettings::default(),
        crash_plan: CrashPlan::default(),
    }))
}

async fn serve_gateway(settings: GatewaySettings, app_url: SecretString) -> anyhow::Result<Url> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = Url::parse(&format!("http://{}", listener.local_addr()?))?;
    let store = Store::connect_lazy(app_url.expose_secret(), CONNECTIONS).map_err(told)?;
    let settings = GatewaySettings { public_url: url.clone(), ..settings };
    let parts = Parts { store, vault: vault()?, outgoing: outgoing()?, apps: Apps::default(), media: None };
    let app = App::new(settings, parts).map_err(|wrong| anyhow::anyhow!(wrong.join("; ")))?;
    // The figures of the whole process, steps among them, show at /metrics.
    gateway::telemetry::install().map_err(told)?;
    tokio::spawn(gateway::serve(app, listener, std::future::pending::<()>()));
    Ok(url)
}
