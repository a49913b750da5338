//! The figures that `GET /metrics` shows.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Upper bounds of how late posts go out, in seconds: from what nobody notices to the window's default and beyond.
const LATENESS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0];

/// Upper bounds of the other time histograms, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Makes this process record its figures; a second call changes nothing. Every crate's figures go here, not only the gateway's.
///
/// # Errors
/// When another recorder was installed by somebody else.
pub fn install() -> Result<(), String> {
    if HANDLE.get().is_some() {
        return Ok(());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)
        .map_err(|e| e.to_string())?
        .set_buckets_for_metric(Matcher::Full("pressroom_publish_lateness_seconds".to_owned()), LATENESS)
        .map_err(|e| e.to_string())?
        .install_recorder()
        .map_err(|e| e.to_string())?;
    // Lost only to another call of this very function that got in between, whose recorder then is the installed one.
    let _ = HANDLE.set(handle);
    Ok(())
}

/// What has been recorded, as Prometheus reads it; empty before [`install`].
pub(crate) fn render() -> String {
    HANDLE
        .get()
        .map(|handle| {
            handle.run_upkeep();
            handle.render()
        })
        .unwrap_or_default()
}
