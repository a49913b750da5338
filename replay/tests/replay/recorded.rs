//! The shop, run live on a real server, once for all tests; and what its runs left.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, mpsc},
    time::Duration,
};

use replay::{Admin, Bundle, Export, InvocationId, Replayer, Run, Verify, VerifyReport};
use restate_sdk::prelude::HttpServer;
use sandbox::servers::TestStack;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::foreign::{Acts, Build, endpoint};

/// What was recorded, by the name of the state that each run is in.
pub(crate) struct Records {
    pub(crate) bundles: BTreeMap<&'static str, Bundle>,
    /// The same tree, of which three runs are wanted at most, and one alone; and what an id that nobody has gives.
    pub(crate) parts: (Bundle, Bundle),
    pub(crate) unknown: String,
    /// What was in flight, verified on the server while it was: with the same build, and with a changed one.
    pub(crate) in_flight: (VerifyReport, VerifyReport),
    /// How often a closure had acted when the recording was over, and the count that goes on.
    pub(crate) acted: usize,
    pub(crate) acts: Acts,
}

impl Records {
    pub(crate) fn bundle(&self, name: &str) -> &Bundle {
        self.bundles.get(name).unwrap_or_else(|| panic!("no bundle {name}"))
    }

    pub(crate) fn run(&self, name: &str) -> &Run {
        self.bundle(name).root().unwrap()
    }
}

/// Recorded once. The server is started and ended by the thread that records.
pub(crate) static RECORDS: LazyLock<Records> =
    LazyLock::new(|| std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(record())).join().unwrap());

/// A server with the shop on it.
pub(crate) struct Live {
    pub(crate) stack: TestStack,
    pub(crate) acts: Acts,
    http: reqwest::Client,
    _stop: mpsc::Sender<()>,
}

impl Live {
    pub(crate) async fn start() -> Self {
        // Handlers suspend as soon as they wait.
        let stack = TestStack::start_with_env(&[("RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT", "0s")]).await.unwrap();
        let acts = Acts::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = mpsc::channel::<()>();
        let served = HttpServer::new(endpoint(Build::AsItWas, &acts));
        // The shop lives on threads of its own, as a service does: a test's runtime may be gone before the server's last word.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let listener = {
                let _entered = runtime.enter();
                TcpListener::from_std(listener.into_std().unwrap()).unwrap()
            };
            runtime.spawn(served.serve_with_cancel(listener, std::future::pending::<()>()));
            let _ = stopped.recv();
            runtime.shutdown_background();
        });
        let live = Self { stack, acts, http: reqwest::Client::builder().no_proxy().build().unwrap(), _stop: stop };
        let deployment = json!({ "uri": format!("http://{address}") });
        let answer = live.http.post(live.admin_url("deployments")).json(&deployment).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        live
    }

    fn admin_url(&self, path: &str) -> String {
        self.stack.admin_url().join(path).unwrap().to_string()
    }

    pub(crate) fn export(&self) -> Export {
        Export::new(Admin::with_client(self.stack.admin_url().as_str(), self.http.clone()))
    }

    pub(crate) async fn call(&self, path: &str, input: Value) -> Value {
        let url = self.stack.ingress_url().join(path).unwrap();
        let answer = self.http.post(url).json(&input).send().await.unwrap();
        answer.json().await.unwrap_or(Value::Null)
    }

    pub(crate) async fn send(&self, path: &str, input: Option<Value>) -> InvocationId {
        let request = self.http.post(self.stack.ingress_url().join(&format!("{path}/send")).unwrap());
        let request = match input {
            Some(input) => request.json(&input),
            None => request,
        };
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["invocationId"].as_str().unwrap_or_else(|| panic!("{path}: {answer}")).parse().unwrap()
    }

    async fn patch(&self, id: &InvocationId, what: &str) {
        let answer = self.http.patch(self.admin_url(&format!("invocations/{id}/{what}"))).send().await.unwrap();
        assert!(answer.status().is_success(), "{what}: {}", answer.text().await.unwrap());
    }

    /// Waits until a run is as `fits` says, and returns it with what it caused.
    pub(crate) async fn until(&self, id: &InvocationId, fits: impl Fn(&Run) -> bool) -> Bundle {
        let mut last = String::new();
        for _ in 0..600 {
            match self.export().run(id).await {
                Ok(bundle) if fits(bundle.root().unwrap()) => return bundle,
                Ok(bundle) => last = format!("{} with {} entries", bundle.runs[0].status, bundle.runs[0].journal.len()),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{id} stays {last}");
    }
}

fn is_over(run: &Run) -> bool {
    run.status == "completed"
}

fn is(status: &'static str, steps: usize) -> impl Fn(&Run) -> bool {
    move |run| run.status == status && run.steps().unwrap().len() == steps
}

async fn record() -> Records {
    let live = Live::start().await;
    let mut bundles = BTreeMap::new();
    let order = json!({"sku": "tea", "amount": 2, "token": "secret-token"});

    let id = live.send("Checkout/order", Some(order.clone())).await;
    let ordered = live.until(&id, is_over).await;
    // What it sent comes later.
    let children: Vec<_> = ordered.runs.iter().map(|run| run.id.clone()).collect();
    for child in &children {
        live.until(child, is_over).await;
    }
    bundles.insert("ordered", live.export().run(&id).await.unwrap());

    let part = live.export().most(3).run(&id).await.unwrap();
    let alone = live.export().without_children().run(&id).await.unwrap();
    let nobody = InvocationId::from_bytes([7; 24]);
    let unknown = live.export().run(&nobody).await.unwrap_err().to_string();

    let id = live.send("Checkout/order", Some(json!({"sku": "tea", "amount": 200, "token": "secret-token"}))).await;
    bundles.insert("ordered by hand", live.until(&id, is_over).await);
    let id = live.send("Checkout/refused", Some(order.clone())).await;
    bundles.insert("refused", live.until(&id, is_over).await);
    let id = live.send("Cart/coffee/add", Some(json!(3))).await;
    bundles.insert("added", live.until(&id, is_over).await);
    let id = live.send("Cart/coffee/add", Some(json!(4))).await;
    bundles.insert("added again", live.until(&id, is_over).await);

    let answered = live.send("Waits/awakeable", Some(json!("desk"))).await;
    live.until(&answered, is("suspended", 4 - 1)).await;
    live.call("Cart/desk/answer", json!("hello")).await;
    bundles.insert("answered", live.until(&answered, is_over).await);
    let id = live.send("Cart/desk/answer", Some(json!("nobody waits"))).await;
    bundles.insert("answered nobody", live.until(&id, is_over).await);

    let id = live.send("Waits/calls_by_id", None).await;
    bundles.insert("called by id", live.until(&id, is_over).await);
    let id = live.send("Waits/attaches", None).await;
    bundles.insert("attached", live.until(&id, is_over).await);
    let id = live.send("Waits/signalled", None).await;
    live.until(&id, is("suspended", 1)).await;
    let by = live.send("Waits/signal", Some(json!(id.to_string()))).await;
    bundles.insert("signalled", live.until(&id, is_over).await);
    bundles.insert("signalling", live.until(&by, is_over).await);

    let id = live.send("Approval/one/run", None).await;
    live.until(&id, is("suspended", 3)).await;
    bundles.insert("promised", live.export().run(&id).await.unwrap());
    let by = live.send("Approval/one/decide", Some(json!("go"))).await;
    bundles.insert("approved", live.until(&id, is_over).await);
    bundles.insert("deciding", live.until(&by, is_over).await);

    let id = live.send("Waits/cancelled", None).await;
    live.until(&id, is("suspended", 3)).await;
    live.patch(&id, "cancel").await;
    bundles.insert("cancelled", live.until(&id, is_over).await);
    let id = live.send("Waits/either", None).await;
    live.until(&id, is("suspended", 2)).await;
    live.patch(&id, "kill").await;
    bundles.insert("killed", live.until(&id, is_over).await);

    // And what is in flight.
    let id = live.send("Waits/awakeable", Some(json!("shelf"))).await;
    bundles.insert("waiting for an answer", live.until(&id, is("suspended", 3)).await);
    let id = live.send("Waits/either", None).await;
    bundles.insert("waiting for either", live.until(&id, is("suspended", 2)).await);
    let id = live.send("Waits/signalled", None).await;
    bundles.insert("waiting for a signal", live.until(&id, is("suspended", 1)).await);
    let failing = live.send("Checkout/stuck", Some(order)).await;
    bundles.insert("failing", live.until(&failing, |run| run.status == "backing-off" && !run.attempts.is_empty()).await);
    let broken = live.send("Checkout/broken", None).await;
    bundles.insert("broken", live.until(&broken, |run| run.status == "backing-off" && !run.attempts.is_empty()).await);

    let verify = |build| Verify::new(Replayer::new(endpoint(build, &live.acts)));
    let in_flight = (
        verify(Build::AsItWas).in_flight(&live.export()).await.unwrap(),
        verify(Build::RenamedRun).in_flight(&live.export()).await.unwrap(),
    );
    // Nothing acts any more that is not asked to.
    for id in [failing, broken] {
        live.patch(&id, "kill").await;
        live.until(&id, is_over).await;
    }
    let acts = live.acts.clone();
    drop(live);
    Records { bundles, parts: (part, alone), unknown, in_flight, acted: acts.count(), acts }
}
