//! The parts, put together from settings: the same for `up` and for the parts one by one.

use crate::{settings::Settings, worker};

/// The gateway.
///
/// # Errors
/// Every setting that is missing or makes no sense.
pub(crate) fn gateway_app(settings: &Settings) -> anyhow::Result<gateway::App> {
    gateway::App::new(settings.gateway.clone(), worker::gateway_parts(settings)?)
        .map_err(|wrong| anyhow::anyhow!("the settings make no sense:\n  {}", wrong.join("\n  ")))
}
