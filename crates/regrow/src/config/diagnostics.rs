//! `diagnostics`: what goes to an OpenTelemetry collector.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// What the program tells about its work to systems beside it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DiagnosticsConfig {
    /// Without it nothing of this is done.
    pub enabled: bool,
    /// What is sent to an OpenTelemetry collector.
    pub otel: OtelConfig,
}

impl Default for DiagnosticsConfig {
    fn default() -> Self {
        Self { enabled: true, otel: OtelConfig::default() }
    }
}

/// An OpenTelemetry collector, and what it gets. What is unset here is read from the variables of OpenTelemetry's
/// specification, such as OTEL_EXPORTER_OTLP_ENDPOINT.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OtelConfig {
    /// Something is sent.
    pub enabled: bool,
    /// The collector's URL for OTLP over HTTP, to which `/v1/traces` and `/v1/logs` are added; unset means
    /// http://localhost:4318.
    pub endpoint: Option<String>,
    /// The whole URL for traces.
    pub traces_endpoint: Option<String>,
    /// The whole URL for logs.
    pub logs_endpoint: Option<String>,
    /// How it is sent.
    pub protocol: OtelProtocol,
    /// Headers of each request to the collector.
    pub headers: BTreeMap<String, Secret>,
    /// The name under which the replicas are found; unset means `regrow`.
    pub service_name: Option<String>,
    /// Send traces.
    pub traces: bool,
    /// Send the lines of the log.
    pub logs: bool,
    /// Where those go beside the standard error stream.
    pub logs_exporter: LogsExporter,
    /// The share of traces that are recorded, from 0 to 1, of those that begin here; a request that is part of a trace has
    /// that of its sender. Unset means all.
    #[schemars(range(min = 0, max = 1))]
    pub sample_rate: Option<f64>,
    /// How long what is finished waits for more before it is sent, in milliseconds.
    #[schemars(range(min = 100, max = 600_000))]
    pub flush_interval_ms: Option<u32>,
}

impl Default for OtelConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            endpoint: None,
            traces_endpoint: None,
            logs_endpoint: None,
            protocol: OtelProtocol::default(),
            headers: BTreeMap::new(),
            service_name: None,
            traces: true,
            logs: false,
            logs_exporter: LogsExporter::default(),
            sample_rate: None,
            flush_interval_ms: None,
        }
    }
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OtelProtocol {
    /// OTLP over HTTP.
    #[default]
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

/// Where lines of the log go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LogsExporter {
    /// To the collector.
    #[default]
    Otlp,
    /// Nowhere else.
    Stdout,
    /// To the collector.
    Both,
}
