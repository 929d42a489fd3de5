//! Traces and logs for an OpenTelemetry collector, by OTLP over HTTP.
//!
//! What a replica does is never held up: finished spans and lines wait in queues of a fixed length, a thread for each signal
//! sends what has gathered, and what does not fit is dropped. A collector that is away, slow or refuses is told once in the
//! log, and so is its return; readiness does not ask for it. What waits when the process is killed is lost.

mod ids;
mod transport;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::{OpenTelemetryTracingBridge, TracingSpanAttributes};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{self, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::trace::{self, BatchSpanProcessor, Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing_subscriber::filter::{FilterExt as _, FilterFn, Targets, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::{Layer, Registry};

use ids::Ids;
use transport::Transport;

/// Who made the spans.
const SCOPE: &str = "regrow";

/// What lines say of the run that they belong to. Not the session's key: callers may put names into it.
const RUN: [&str; 4] = ["run.id", "replica.id", "epoch", "attempt"];

/// What is sent, and where to. What is left open is read from the variables of OpenTelemetry's specification.
#[derive(Debug)]
pub struct Options {
    /// The URL that takes traces; nothing sends none.
    pub traces: Option<String>,
    /// The URL that takes logs; nothing sends none.
    pub logs: Option<String>,
    /// Headers of each request.
    pub headers: HashMap<String, String>,
    /// The name of the service.
    pub service: Option<String>,
    /// The program's release.
    pub version: &'static str,
    /// The share of traces that are recorded, of those that begin here.
    pub sample_rate: Option<f64>,
    /// How long what is finished waits for more, at most.
    pub flush_interval: Option<Duration>,
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client could not be made.
    #[error("no HTTP client can be made for the collector: {0}")]
    Client(#[from] reqwest::Error),
    /// An exporter could not be made.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

/// Sends traces and logs for as long as it lives.
#[derive(Debug)]
pub struct Exporter {
    traces: Option<SdkTracerProvider>,
    logs: Option<SdkLoggerProvider>,
}

impl Exporter {
    /// Starts to send, on this runtime.
    ///
    /// # Errors
    /// If a URL is none, or there are no roots of trust for TLS.
    pub fn start(options: &Options, runtime: &Handle) -> Result<Self, Error> {
        let resource = resource(options);
        let traces = options.traces.as_ref().map(|url| traces(options, url, &resource, runtime));
        let logs = options.logs.as_ref().map(|url| logs(options, url, &resource, runtime));
        Ok(Self { traces: traces.transpose()?, logs: logs.transpose()? })
    }

    /// What listens for spans, and for the lines that pass `level`.
    pub fn layers(
        &self,
        level: impl Filter<Registry> + Send + Sync + 'static,
    ) -> Vec<Box<dyn Layer<Registry> + Send + Sync>> {
        let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
        if let Some(traces) = &self.traces {
            let spans = tracing_opentelemetry::layer()
                .with_tracer(traces.tracer(SCOPE))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_level(false)
                .with_tracked_inactivity(false);
            let of_messages = Targets::new().with_target(regrow_trace::TARGET, tracing::Level::TRACE);
            layers.push(spans.with_filter(of_messages).boxed());
        }
        if let Some(logs) = &self.logs {
            let lines = OpenTelemetryTracingBridge::builder(logs)
                .with_tracing_span_attributes(TracingSpanAttributes::allowlist(RUN))
                .build();
            layers.push(lines.with_filter(level.and(own())).boxed());
        }
        layers
    }

    /// Sends what is left, within this time, and nothing from then on. It blocks; the runtime must still be there.
    pub fn end(&self, within: Duration) {
        let until = Instant::now() + within;
        let left = || until.saturating_duration_since(Instant::now());
        // It was told already that the collector is away.
        if let Some(traces) = &self.traces {
            let _ = traces.shutdown_with_timeout(left());
        }
        if let Some(logs) = &self.logs {
            let _ = logs.shutdown_with_timeout(left());
        }
    }
}

/// Lines of this program. Those of the libraries that send them would make more of them.
fn own() -> FilterFn {
    filter_fn(|metadata| metadata.target().starts_with("regrow"))
}

fn resource(options: &Options) -> Resource {
    let instance = uuid::Uuid::new_v4().to_string();
    let own =
        [KeyValue::new("service.version", options.version), KeyValue::new("service.instance.id", instance)];
    let builder = Resource::builder().with_attributes(own);
    match &options.service {
        Some(name) => builder.with_service_name(name.clone()).build(),
        None => builder.build(),
    }
}

fn traces(
    options: &Options,
    url: &str,
    resource: &Resource,
    runtime: &Handle,
) -> Result<SdkTracerProvider, Error> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Transport::new("traces", runtime.clone())?)
        .with_endpoint(url)
        .with_protocol(Protocol::HttpBinary)
        .with_headers(options.headers.clone())
        .build()?;
    let mut batches = trace::BatchConfigBuilder::default();
    if let Some(interval) = options.flush_interval {
        batches = batches.with_scheduled_delay(interval);
    }
    let batches = BatchSpanProcessor::builder(exporter).with_batch_config(batches.build()).build();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_id_generator(Ids::default())
        .with_span_processor(batches);
    Ok(match options.sample_rate {
        Some(rate) => {
            let begun_here = Box::new(Sampler::TraceIdRatioBased(rate));
            provider.with_sampler(Sampler::ParentBased(begun_here)).build()
        }
        None => provider.build(),
    })
}

fn logs(
    options: &Options,
    url: &str,
    resource: &Resource,
    runtime: &Handle,
) -> Result<SdkLoggerProvider, Error> {
    let exporter = LogExporter::builder()
        .with_http()
        .with_http_client(Transport::new("logs", runtime.clone())?)
        .with_endpoint(url)
        .with_protocol(Protocol::HttpBinary)
        .with_headers(options.headers.clone())
        .build()?;
    let mut batches = logs::BatchConfigBuilder::default();
    if let Some(interval) = options.flush_interval {
        batches = batches.with_scheduled_delay(interval);
    }
    let batches = BatchLogProcessor::builder(exporter).with_batch_config(batches.build()).build();
    Ok(SdkLoggerProvider::builder().with_resource(resource.clone()).with_log_processor(batches).build())
}
