//! A service to record, on a real server of its own.

use std::{error::Error, time::Duration};

use replay::{Admin, Bundle, Export, InvocationId, Run};
use restate_sdk::prelude::*;
use sandbox::servers::TestStack;
use tokio::net::TcpListener;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Ten side effects, a call and a message: a journal of 30 entries, as a handler of a workflow has them.
struct Work;

#[restate_sdk::service]
impl Work {
    #[handler]
    async fn work(&self, context: Context<'_>, name: Json<String>) -> HandlerResult<Json<usize>> {
        let mut sum = name.into_inner().len();
        for step in ["plan", "ask", "read", "write", "score", "store", "link", "draw", "check", "tell"] {
            let body = format!("{step} {}", "x".repeat(200));
            sum += context.run(|| async move { Ok(Json(body)) }).name(step).await?.into_inner().len();
        }
        sum += context.service_client::<WorkClient>().spread(Json((0, 0))).call().await?.into_inner();
        context.service_client::<WorkClient>().spread(Json((0, 0))).send();
        Ok(Json(sum))
    }

    /// Calls itself: so many, and each of them so many.
    #[handler]
    async fn spread(&self, context: Context<'_>, asked: Json<(u32, u32)>) -> HandlerResult<Json<usize>> {
        let (width, leaves) = asked.into_inner();
        let mut calls = DurableFuturesUnordered::new();
        for _ in 0..width {
            calls.push(context.service_client::<WorkClient>().spread(Json((leaves, 0))).call());
        }
        let mut sum = 1;
        while let Some((_, below)) = calls.next().await? {
            sum += below?.into_inner();
        }
        Ok(Json(sum))
    }
}

pub(crate) fn endpoint() -> Endpoint {
    Endpoint::builder().bind(Work).build()
}

/// The service on a server.
pub(crate) struct Shop {
    stack: TestStack,
    http: reqwest::Client,
}

impl Shop {
    pub(crate) async fn open() -> Result<Self> {
        let shop = Self { stack: TestStack::start().await?, http: reqwest::Client::builder().no_proxy().build()? };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let deployment = serde_json::json!({ "uri": format!("http://{}", listener.local_addr()?) });
        tokio::spawn(HttpServer::new(endpoint()).serve_with_cancel(listener, std::future::pending::<()>()));
        let answer = shop.http.post(shop.stack.admin_url().join("deployments")?).json(&deployment).send().await?;
        answer.error_for_status()?;
        Ok(shop)
    }

    pub(crate) fn export(&self) -> Export {
        Export::new(Admin::with_client(self.stack.admin_url().as_str(), self.http.clone()))
    }

    /// Runs a handler to its end.
    pub(crate) async fn run(&self, handler: &str, input: &serde_json::Value) -> Result<InvocationId> {
        let url = self.stack.ingress_url().join(&format!("Work/{handler}/send"))?;
        let answer: serde_json::Value = self.http.post(url).json(input).send().await?.error_for_status()?.json().await?;
        let id: InvocationId = answer["invocationId"].as_str().unwrap_or_default().parse()?;
        let alone = self.export().without_children();
        while alone.run(&id).await?.root().is_none_or(|run| run.status != "completed") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(id)
    }

    /// The recorded journal.
    pub(crate) async fn journal(&self) -> Result<Run> {
        let id = self.run("work", &"a journal".into()).await?;
        let mut bundle = self.export().without_children().run(&id).await?;
        Ok(bundle.runs.swap_remove(0))
    }
}

/// The same journal as another run's.
pub(crate) fn another(run: &Run, number: usize) -> Bundle {
    let mut bytes = [0; 24];
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let mut run = run.clone();
    run.id = InvocationId::from_bytes(bytes);
    Bundle::new(vec![run])
}
