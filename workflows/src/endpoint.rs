//! All services, bound to one endpoint.

use std::time::Duration;

use restate_sdk::{
    endpoint::ServiceOptions,
    prelude::*,
    service::{IntoServiceDefinition, ServiceDefinition},
};

use crate::{
    campaign::Campaign, connector::Connector, digest::Digest, drafting::Drafting, enrichment::Enrichment, generation::Generation,
    metrics::Metrics, publication::Publication, voice_training::VoiceTraining, world::World,
};

/// The endpoint that a worker serves, and that a replay runs journals against.
#[must_use]
pub fn endpoint(world: &World) -> Endpoint {
    let keep = Duration::from_secs(u64::from(world.settings.journal_days) * 24 * 3600);
    // Journals are the progress that people look at, so they are kept for days; idempotency keys for as long, so that a late retry of a request
    // finds its run.
    let options = || ServiceOptions::new().journal_retention(keep).idempotency_retention(keep).inactivity_timeout(Duration::from_secs(10));
    let with = |definition: ServiceDefinition| definition.options(options());
    Endpoint::builder()
        .bind(with(Campaign { world: world.clone() }.into_service_definition()))
        .bind(with(Generation { world: world.clone() }.into_service_definition()))
        .bind(with(Drafting { world: world.clone() }.into_service_definition()))
        .bind(with(Enrichment { world: world.clone() }.into_service_definition()))
        .bind(with(VoiceTraining { world: world.clone() }.into_service_definition()))
        .bind(with(Publication { world: world.clone() }.into_service_definition()))
        .bind(with(Connector { world: world.clone() }.into_service_definition()))
        .bind(with(Metrics { world: world.clone() }.into_service_definition()))
        .bind(with(Digest { world: world.clone() }.into_service_definition()))
        .build()
}
