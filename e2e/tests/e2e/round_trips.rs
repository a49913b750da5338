//! What a start waits for: counted on the wire between the gateway and its database.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use activities::{
    http::{Outgoing, OutgoingSettings},
    store::Store,
    vault::{KeyRing, Vault},
};
use axum::{Json, Router};
use gateway::{App, GatewaySettings, access::Role, app::Parts};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::{
    api_harness::{Answer, Api},
    api_runs::{account, campaign},
};

/// The protocol's `Sync` alone: the pool asks it of every connection that is given back, which nobody waits for while another one is free.
const POOLS_OWN: [u8; 5] = [b'S', 0, 0, 0, 4];

/// Counts what a client says, and holds it back when told to.
#[derive(Debug, Default)]
struct Wire {
    said: AtomicU32,
    holds: AtomicBool,
}

impl Wire {
    fn said(&self) -> u32 {
        self.said.load(Ordering::SeqCst)
    }

    /// Passes bytes between every client and the server at `to`; returns where clients connect.
    async fn lay(self: &Arc<Self>, to: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(to).await.unwrap();
                tokio::spawn(Arc::clone(&wire).pass(client, server));
            }
        });
        address
    }

    async fn pass(self: Arc<Self>, client: TcpStream, server: TcpStream) {
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let ((mut asks, mut hears), (mut back, mut there)) = (client.into_split(), server.into_split());
        tokio::spawn(async move { tokio::io::copy(&mut back, &mut hears).await });
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = asks.read(&mut bytes).await {
            while self.holds.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            if bytes[..length] != POOLS_OWN {
                self.said.fetch_add(1, Ordering::SeqCst);
            }
            if there.write_all(&bytes[..length]).await.is_err() {
                break;
            }
        }
    }

    /// Waits until nothing has been said for a while.
    async fn is_quiet(&self) {
        let mut before = u32::MAX;
        while before != self.said() {
            before = self.said();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// An engine that takes everything; what was said on the wire when it was asked is put into `seen`, and nothing more gets through from then on.
async fn engine(wire: Arc<Wire>, seen: Arc<AtomicU32>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let router = Router::new().fallback(async move || {
        seen.store(wire.said(), Ordering::SeqCst);
        wire.holds.store(true, Ordering::SeqCst);
        Json(json!({"invocationId": "inv_181jcAcAQzx805TjnVxuFslUlqauZxQORy", "status": "Accepted"}))
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn a_start_waits_for_seven_round_trips() {
    let api = Api::start().await;
    let brand = api.post("/v1/brands", &json!({"name": "b"})).await.expect(201);
    let mut body = campaign(&brand, account(&api).await);
    let brief = body.as_object_mut().unwrap().remove("brief").unwrap();
    let mut written = brief.clone();
    written["brand_id"] = brand["id"].clone();
    body["brief_id"] = api.post("/v1/briefs", &written).await.expect(201)["id"].clone();

    let (wire, seen) = (Arc::new(Wire::default()), Arc::new(AtomicU32::new(0)));
    let mut database = Url::parse(api.stack.superuser_url().expose_secret()).unwrap();
    let server = database.socket_addrs(|| None).unwrap()[0];
    let address = wire.lay(server).await;
    database.set_ip_host(address.ip()).unwrap();
    database.set_port(Some(address.port())).unwrap();
    database.set_username(migrations::APP_ROLE).unwrap();
    database.set_password(Some("app-password-of-a-test")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let url = engine(Arc::clone(&wire), Arc::clone(&seen)).await;
    let settings = GatewaySettings { public_url: base.clone(), ingress_url: url.clone(), admin_url: url, ..GatewaySettings::default() };
    // One connection to listen on, and one for the rest, so that every statement is known to it after the first round.
    let parts = Parts {
        store: Store::connect_lazy(database.as_str(), 2).unwrap(),
        vault: Vault::from_keys(KeyRing::fresh("test").unwrap().expose_secret()).unwrap(),
        outgoing: Outgoing::new(&OutgoingSettings::default()).unwrap(),
        apps: activities::platform::Apps::default(),
        media: None,
    };
    tokio::spawn(gateway::serve(App::new(settings, parts).unwrap(), listener, std::future::pending()));

    let http = reqwest::Client::new();
    let mut least = u32::MAX;
    // A key is looked up again now and then, and a connection that has rested is asked whether it lives: the least of some rounds has neither.
    for round in 0..6 {
        let before = wire.said();
        let request = http.post(base.join("/v1/campaigns").unwrap()).bearer_auth(api.key(Role::Owner));
        let request = request.header("idempotency-key", format!("round {round}")).timeout(Duration::from_secs(30)).json(&body);
        // The database hears nothing more once the engine was asked, and the answer comes all the same.
        Answer::of(request.send().await.unwrap()).await.expect(202);
        assert!(wire.holds.load(Ordering::SeqCst), "the engine was not asked");
        least = least.min(seen.load(Ordering::SeqCst) - before);
        wire.holds.store(false, Ordering::SeqCst);
        wire.is_quiet().await;
    }
    assert_eq!(least, 7);
}
