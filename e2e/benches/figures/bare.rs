//! The baselines: a Restate service that does what the recording says and nothing else, in three strengths ([`Effects`]). It goes past `step(...)` on
//! purpose, because that door is a part of what is measured.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use restate_sdk::{
    endpoint::ServiceOptions,
    prelude::*,
    service::{IntoServiceDefinition, ServiceDefinition},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::{
    recording::{Deed, Recording},
    stage::Threads,
};

/// What the steps do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Effects {
    /// Nothing: the literal baseline.
    Nothing,
    /// One row each.
    Rows,
    /// One row each, and the requests to other people's servers (a campaign's to the model, a post's to its platform), as plainly as they can be made:
    /// what the same effects cost without Pressroom.
    RowsAndRequests,
}

/// Input of every invocation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// Which node of the recording to be.
    pub(crate) node: usize,
    /// The key of the objects of this campaign.
    pub(crate) key: String,
    /// What the steps do.
    pub(crate) effects: Effects,
    /// As many bytes as the recorded input had.
    pub(crate) pad: String,
}

/// What is done for a step besides its row.
type Others = Box<dyn Fn(&str) -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

/// What both services know.
pub(crate) struct Known {
    pub(crate) recording: Recording,
    pub(crate) database: PgPool,
    /// The requests that a step makes to other people's servers.
    pub(crate) others: Others,
    /// Hears of every step that was done.
    pub(crate) done: Box<dyn Fn(&str) + Send + Sync>,
}

impl Known {
    pub(crate) fn ask(&self, node: usize, key: &str, effects: Effects) -> Ask {
        let pad = self.recording.nodes[node].input.saturating_sub(100);
        Ask { node, key: key.to_owned(), effects, pad: "x".repeat(pad) }
    }
}

/// The nodes that were a service's.
pub(crate) struct BareService(Arc<Known>);

/// The nodes that were an object's.
pub(crate) struct BareObject(Arc<Known>);

macro_rules! act {
    ($known:expr, $context:expr, $ask:expr) => {{
        let (known, context, ask): (&Arc<Known>, _, Ask) = ($known, $context, $ask);
        for deed in known.recording.nodes[ask.node].does.clone() {
            match deed {
                Deed::Step { name, bytes } => {
                    let (known, effects, step) = (Arc::clone(known), ask.effects, name.clone());
                    let run = context.run(move || async move { work(&known, &step, bytes, effects).await });
                    run.name(name).retry_policy(RunRetryPolicy::new()).await?;
                }
                Deed::Calls(nodes) => {
                    let mut calls = DurableFuturesUnordered::new();
                    for node in nodes {
                        let input = Json(known.ask(node, &ask.key, ask.effects));
                        calls.push(context.service_client::<BareServiceClient>().run(input).call());
                    }
                    while let Some((_, answer)) = calls.next().await? {
                        answer?;
                    }
                }
                Deed::Send(node) => {
                    let input = Json(known.ask(node, &ask.key, ask.effects));
                    if known.recording.nodes[node].keyed {
                        context.object_client::<BareObjectClient>(ask.key.clone()).run(input).send();
                    } else {
                        context.service_client::<BareServiceClient>().run(input).send();
                    }
                }
                Deed::Later(bytes) => {
                    let input = Json(Ask { pad: "x".repeat(bytes.saturating_sub(200)), ..known.ask(0, &ask.key, ask.effects) });
                    let day = Duration::from_secs(24 * 3600);
                    context.object_client::<BareObjectClient>(ask.key.clone()).run(input).send_after(day);
                }
            }
        }
        Ok(())
    }};
}

#[restate_sdk::service(client_visibility = "pub(crate)")]
impl BareService {
    #[handler]
    async fn run(&self, context: Context<'_>, ask: Json<Ask>) -> Result<(), TerminalError> {
        act!(&self.0, &context, ask.into_inner())
    }
}

#[restate_sdk::object(client_visibility = "pub(crate)")]
impl BareObject {
    #[handler]
    async fn run(&self, context: ObjectContext<'_>, ask: Json<Ask>) -> Result<(), TerminalError> {
        act!(&self.0, &context, ask.into_inner())
    }
}

/// One step. A row takes the transaction that an org's takes at least.
async fn work(known: &Known, step: &str, bytes: usize, effects: Effects) -> HandlerResult<Json<String>> {
    if effects == Effects::RowsAndRequests {
        (known.others)(step).await?;
    }
    if effects != Effects::Nothing && !step.starts_with("clock.") {
        let mut tx = known.database.begin().await?;
        sqlx::query("SELECT set_config('app.org_id', $1, true)").bind("00000000-0000-0000-0000-000000000000").execute(&mut *tx).await?;
        sqlx::query("INSERT INTO bench_rows (body) VALUES ($1)").bind("x".repeat(bytes)).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    (known.done)(step);
    Ok(Json("x".repeat(bytes.saturating_sub(10))))
}

/// Serves both services on threads of their own, with the options that ours have.
pub(crate) async fn serve(threads: &Threads, known: &Arc<Known>) -> anyhow::Result<SocketAddr> {
    let keep = Duration::from_secs(7 * 24 * 3600);
    let options = || ServiceOptions::new().journal_retention(keep).idempotency_retention(keep).inactivity_timeout(Duration::from_secs(10));
    let with = |definition: ServiceDefinition| definition.options(options());
    let endpoint = Endpoint::builder()
        .bind(with(BareService(Arc::clone(known)).into_service_definition()))
        .bind(with(BareObject(Arc::clone(known)).into_service_definition()))
        .build();
    threads.serve(endpoint).await
}

/// A table to write to, and connections to it as the application's role has them, opened where they are used.
pub(crate) async fn rows_table(owner: &PgPool, app_url: &SecretString, threads: &Threads) -> anyhow::Result<PgPool> {
    sqlx::raw_sql(
        "CREATE TABLE bench_rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL); GRANT INSERT ON bench_rows TO PUBLIC",
    )
    .execute(owner)
    .await?;
    let url = app_url.expose_secret().to_owned();
    let options = sqlx::postgres::PgPoolOptions::new().max_connections(10);
    Ok(threads.run(async move { options.connect(&url).await }).await??)
}
