//! Logs and traces of a process.

use std::{fs::OpenOptions, path::Path, sync::Arc};

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use restate_sdk::filter::ReplayAwareFilter;
use tracing_subscriber::{EnvFilter, Layer as _, fmt::writer::BoxMakeWriter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::settings::{LogFormat, TelemetrySettings};

/// Ends the export of traces in order when it is dropped.
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take() {
            // What could not be delivered by now is lost with the process; there is nobody left to tell.
            let _ = provider.shutdown();
        }
    }
}

/// Starts logging to standard error, and exporting traces where the settings name a receiver. Lines written while a journal is replayed are left
/// out: they were logged when the step really ran.
///
/// # Errors
/// When the filter or the receiver's address makes no sense.
pub(crate) fn start(settings: &TelemetrySettings, service: &'static str) -> anyhow::Result<Telemetry> {
    start_with(settings, service, BoxMakeWriter::new(std::io::stderr))
}

/// The same with the log in a file, for a process whose screen belongs to people.
///
/// # Errors
/// As [`start`], and when the file cannot be written.
pub(crate) fn start_into(settings: &TelemetrySettings, service: &'static str, file: &Path) -> anyhow::Result<Telemetry> {
    let log = OpenOptions::new().create(true).append(true).open(file).with_context(|| format!("opening {}", file.display()))?;
    start_with(settings, service, BoxMakeWriter::new(Arc::new(log)))
}

fn start_with(settings: &TelemetrySettings, service: &'static str, writer: BoxMakeWriter) -> anyhow::Result<Telemetry> {
    gateway::telemetry::install().map_err(|e| anyhow::anyhow!("metrics: {e}"))?;
    let filter = EnvFilter::try_new(&settings.log).context("telemetry.log")?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match settings.format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let provider = match &settings.otlp_endpoint {
        Some(endpoint) => {
            let exporter =
                opentelemetry_otlp::SpanExporter::builder().with_http().with_endpoint(endpoint.join("v1/traces")?.as_str()).build()?;
            let resource = opentelemetry_sdk::Resource::builder().with_service_name(service).build();
            Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
        }
        None => None,
    };
    let traces = provider.as_ref().map(|p| tracing_opentelemetry::layer().with_tracer(p.tracer("pressroom")));
    tracing_subscriber::registry().with(traces).with(filter).with(lines.with_filter(ReplayAwareFilter)).try_init()?;
    Ok(Telemetry(provider))
}
