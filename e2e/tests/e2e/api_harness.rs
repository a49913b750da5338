//! A gateway on a real PostgreSQL and a real engine, and a client to ask it.

use std::{collections::BTreeMap, time::Duration};

use activities::{
    http::{Outgoing, OutgoingSettings},
    media::MediaStore,
    platform::Apps,
    store::Store,
    vault::{KeyRing, Vault},
};
use domain::ids::OrgId;
use gateway::{App, GatewaySettings, access::Role, admin, app::Parts};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use sandbox::servers::TestStack;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::{net::TcpListener, sync::oneshot};
use url::Url;

/// A gateway of a test. Everything ends with it.
pub(crate) struct Api {
    pub(crate) stack: TestStack,
    pub(crate) store: Store,
    pub(crate) app: App,
    pub(crate) base: Url,
    pub(crate) org: OrgId,
    keys: BTreeMap<Role, SecretString>,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, json }
    }

    /// Panics with the whole answer unless it has this status and code.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status.as_u16(), self.json["code"].as_str()), (status, Some(code)), "{self:#?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        self
    }

    /// Panics with the whole answer unless it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:#?}");
        self.json
    }

    /// The pointers of the bad fields.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        self.json["errors"].as_array().into_iter().flatten().filter_map(|e| e["pointer"].as_str()).collect()
    }
}

impl Api {
    /// Starts the servers, migrates, makes an org with one key for each role, and serves.
    pub(crate) async fn start() -> Self {
        Self::start_with(GatewaySettings::default()).await
    }

    pub(crate) async fn start_with(settings: GatewaySettings) -> Self {
        Self::start_connecting(settings, Apps::default()).await
    }

    /// Registered as these applications at platforms.
    pub(crate) async fn start_connecting(settings: GatewaySettings, apps: Apps) -> Self {
        Self::start_as(settings, KeyRing::fresh("test").unwrap().expose_secret(), apps, None).await
    }

    /// With this key ring.
    pub(crate) async fn start_with_keys(keys: &str) -> Self {
        Self::start_as(GatewaySettings::default(), keys, Apps::default(), None).await
    }

    /// With object storage for media.
    pub(crate) async fn start_storing(settings: GatewaySettings, media: MediaStore) -> Self {
        Self::start_as(settings, KeyRing::fresh("test").unwrap().expose_secret(), Apps::default(), Some(media)).await
    }

    async fn start_as(settings: GatewaySettings, key_ring: &str, apps: Apps, media: Option<MediaStore>) -> Self {
        let stack = TestStack::start().await.unwrap();
        let owner = stack.superuser_url().expose_secret().to_owned();
        migrations::run(&owner, Some("app-password-of-a-test")).await.unwrap();
        let mut url = Url::parse(&owner).unwrap();
        url.set_username(migrations::APP_ROLE).unwrap();
        url.set_password(Some("app-password-of-a-test")).unwrap();
        let store = Store::connect_lazy(url.as_str(), 10).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let settings = GatewaySettings {
            public_url: base.clone(),
            ingress_url: stack.ingress_url().clone(),
            admin_url: stack.admin_url().clone(),
            ..settings
        };
        let vault = Vault::from_keys(key_ring).unwrap();
        let outgoing = Outgoing::new(&OutgoingSettings { allow_private_networks: true, ..OutgoingSettings::default() }).unwrap();
        let app = App::new(settings, Parts { store: store.clone(), vault, outgoing, apps, media }).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(gateway::serve(app.clone(), listener, async {
            let _ = stopped.await;
        }));
        let org = admin::create_org(&store, "Test org").await.unwrap();
        let keys = keys(&store, org).await;
        Self { stack, store, app, base, org, keys, http: reqwest::Client::new(), stop: Some(stop) }
    }

    /// The key of a role in the test's org.
    pub(crate) fn key(&self, role: Role) -> &str {
        self.keys[&role].expose_secret()
    }

    /// A request without a key.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.base.join(path).unwrap()).timeout(Duration::from_secs(30))
    }

    /// A request in a role.
    pub(crate) fn request(&self, role: Role, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(self.key(role))
    }

    /// GET as an owner.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Role::Owner, Method::GET, path).send().await.unwrap()).await
    }

    /// POST as an owner.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Role::Owner, Method::POST, path).json(body).send().await.unwrap()).await
    }

    /// POST as an owner with an idempotency key.
    pub(crate) async fn post_with_key(&self, path: &str, body: &Value, key: &str) -> Answer {
        Answer::of(self.request(Role::Owner, Method::POST, path).header("idempotency-key", key).json(body).send().await.unwrap()).await
    }

    /// An owner's key of another org.
    pub(crate) async fn stranger(&self) -> SecretString {
        let org = admin::create_org(&self.store, "Other org").await.unwrap();
        admin::create_api_key(&self.store, org, "stranger", Role::Owner).await.unwrap()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

async fn keys(store: &Store, org: OrgId) -> BTreeMap<Role, SecretString> {
    let mut keys = BTreeMap::new();
    for role in Role::ALL {
        keys.insert(*role, admin::create_api_key(store, org, role.as_str(), *role).await.unwrap());
    }
    keys
}
