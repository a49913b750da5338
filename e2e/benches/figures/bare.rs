//! The baselines: a Restate service that does what the recording says and nothing else, in three strengths ([`Effects`]). It goes past `step(...)` on
//! purpose, because that door is a part of what is measured.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use restate_sdk::{
    endpoint::ServiceOptions,
    prelude::*,
    service::{IntoServiceDefinition, ServiceDefinition},
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::{
    plain_model::PlainModel,
    recording::{Deed, Recording},
    stage::Threads,
};

/// The step with which a campaign's generation is over.
const LAST: &str = "store.settle_drafts";

/// What the steps do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Effects {
    /// Nothing: the literal baseline.
    Nothing,
    /// One row each.
    Rows,
    /// One row each, and the questions to the model that a campaign asks, as plainly as they can be asked: what the same effects cost without
    /// Pressroom.
    RowsAndModel,
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

/// What both services know.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) recording: Recording,
    pub(crate) database: PgPool,
    /// The model's questions.
    pub(crate) model: PlainModel,
    /// How many campaigns have come to their end.
    pub(crate) ended: AtomicUsize,
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
    if effects == Effects::RowsAndModel {
        known.model.ask(step).await?;
    }
    if effects != Effects::Nothing && !step.starts_with("clock.") {
        let mut tx = known.database.begin().await?;
        sqlx::query("SELECT set_config('app.org_id', $1, true)").bind("00000000-0000-0000-0000-000000000000").execute(&mut *tx).await?;
        sqlx::query("INSERT INTO bench_rows (body) VALUES ($1)").bind("x".repeat(bytes)).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    if step == LAST {
        known.ended.fetch_add(1, Ordering::SeqCst);
    }
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
