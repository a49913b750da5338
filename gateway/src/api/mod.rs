//! One file for each resource. Each states beside its routes who may use them.

mod account;
mod assets;
mod auth;
mod authorize;
mod brands;
mod briefs;
mod campaigns;
mod choosing;
mod connectors;
mod decisions;
mod digests;
mod docs;
mod generate;
mod health;
mod ingest;
mod links;
mod metrics;
mod platforms;
mod posts;
mod runs;
mod schedules;
mod started;
mod variants;
mod voices;

use utoipa_axum::router::OpenApiRouter;

use crate::{app::App, openapi};

/// Every route, with the contract that they add up to.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(health::routes())
        .merge(docs::routes())
        .merge(auth::routes())
        .merge(account::routes())
        .merge(brands::routes())
        .merge(voices::routes())
        .merge(briefs::routes())
        .merge(campaigns::routes())
        .merge(posts::routes())
        .merge(generate::routes())
        .merge(decisions::routes())
        .merge(variants::routes())
        .merge(connectors::routes())
        .merge(authorize::routes())
        .merge(choosing::routes())
        .merge(platforms::routes())
        .merge(assets::routes())
        .merge(metrics::routes())
        .merge(ingest::routes())
        .merge(schedules::routes())
        .merge(digests::routes())
        .merge(runs::routes())
        .merge(links::routes())
}
