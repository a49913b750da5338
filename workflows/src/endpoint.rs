//! All services, bound to one endpoint.

use std::time::Duration;

use restate_sdk::{
    endpoint::ServiceOptions,
    prelude::*,
    service::{IntoServiceDefinition, ServiceDefinition},
};

use crate::{
    campaign::Campaign, connector::Connector, digest::Digest, drafting::Drafting, enrichment::Enrichment, generation::Generation,
    metrics::Metrics, publication::Publication, schedule::Schedule, voice_training::VoiceTraining, world::World,
};

/// The endpoint that a worker serves, and that a replay runs journals against.
#[must_use]
pub fn endpoint(world: &World) -> Endpoint {
    let keep = Duration::from_secs(u64::from(world.settings.journal_days) * 24 * 3600);
    // Journals are the progress that people look at, so they are kept for days; idempotency keys for as long, so that a late retry of a request
    // finds its run.
    let options = || {
        ServiceOptions::new()
            .journal_retention(keep)
            .idempotency_retention(keep)
            .inactivity_timeout(Duration::from_secs(10))
            // The engine's own default gives up after 70 attempts and pauses the run until a person looks: a worker that is away for an hour would
            // strand every post that came due meanwhile. A run waits for its worker instead, and hears of it within seconds.
            .retry_policy_initial_interval(Duration::from_millis(100))
            .retry_policy_exponentiation_factor(2.0)
            .retry_policy_max_interval(Duration::from_secs(10))
            .retry_policy_max_attempts(u64::from(u32::MAX))
    };
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
        .bind(with(Schedule { world: world.clone() }.into_service_definition()))
        .bind(with(Digest { world: world.clone() }.into_service_definition()))
        .build()
}
