//! An OpenTelemetry collector that keeps what it gets, or refuses it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message;

use crate::scene::until;

/// A collector. It lives as long as the test's runtime.
pub(crate) struct Collector {
    pub(crate) url: String,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    spans: Mutex<Vec<Span>>,
    lines: Mutex<Vec<Line>>,
    requests: Mutex<Vec<HeaderMap>>,
    /// What is answered instead.
    refusal: Mutex<Option<StatusCode>>,
}

/// A span as it was sent. Ids are in hexadecimal digits.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty if it begins the trace.
    pub(crate) parent: String,
    pub(crate) is_error: bool,
    pub(crate) attributes: HashMap<String, String>,
    /// What sent it.
    pub(crate) resource: HashMap<String, String>,
}

/// A line of a log as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) severity: String,
    pub(crate) trace: String,
    pub(crate) span: String,
    pub(crate) attributes: HashMap<String, String>,
}

impl Span {
    pub(crate) fn says(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let kept = Arc::<Kept>::default();
        let routes = Router::new()
            .route("/v1/traces", post(take_traces))
            .route("/v1/logs", post(take_logs))
            .with_state(Arc::clone(&kept));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, kept }
    }

    /// From now on it answers with this status and keeps nothing, or keeps everything again.
    pub(crate) fn refuse(&self, with: Option<StatusCode>) {
        *self.kept.refusal.lock().unwrap() = with;
    }

    /// The headers of all requests.
    pub(crate) fn requests(&self) -> Vec<HeaderMap> {
        self.kept.requests.lock().unwrap().clone()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.kept.spans.lock().unwrap().clone()
    }

    /// Waits until there are so many spans that fit, and returns them.
    pub(crate) async fn wait_for(&self, many: usize, fits: impl Fn(&Span) -> bool) -> Vec<Span> {
        until(async || {
            let found: Vec<Span> = self.spans().into_iter().filter(|span| fits(span)).collect();
            (found.len() >= many).then_some(found)
        })
        .await
    }

    /// Waits for the span that fits.
    pub(crate) async fn span(&self, fits: impl Fn(&Span) -> bool) -> Span {
        self.wait_for(1, fits).await.remove(0)
    }

    /// Waits for the line that fits.
    pub(crate) async fn line(&self, fits: impl Fn(&Line) -> bool) -> Line {
        until(async || self.kept.lines.lock().unwrap().iter().find(|line| fits(line)).cloned()).await
    }
}

impl Kept {
    fn admit(&self, headers: &HeaderMap) -> Result<(), StatusCode> {
        self.requests.lock().unwrap().push(headers.clone());
        self.refusal.lock().unwrap().map_or(Ok(()), Err)
    }
}

async fn take_traces(
    State(kept): State<Arc<Kept>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(), StatusCode> {
    kept.admit(&headers)?;
    let sent = ExportTraceServiceRequest::decode(body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut spans = kept.spans.lock().unwrap();
    for of_resource in sent.resource_spans {
        let resource = described(of_resource.resource);
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                kind: span.kind(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                is_error: span.status.is_some_and(|status| status.code() == SpanStatus::Error),
                attributes: attributes(span.attributes),
                resource: resource.clone(),
                name: span.name,
            });
        }
    }
    Ok(())
}

async fn take_logs(State(kept): State<Arc<Kept>>, headers: HeaderMap, body: Bytes) -> Result<(), StatusCode> {
    kept.admit(&headers)?;
    let sent = ExportLogsServiceRequest::decode(body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let records = sent.resource_logs.into_iter().flat_map(|of_resource| of_resource.scope_logs);
    for record in records.flat_map(|scope| scope.log_records) {
        kept.lines.lock().unwrap().push(Line {
            text: record.body.map(text).unwrap_or_default(),
            severity: record.severity_text,
            trace: hex(&record.trace_id),
            span: hex(&record.span_id),
            attributes: attributes(record.attributes),
        });
    }
    Ok(())
}

fn described(resource: Option<Resource>) -> HashMap<String, String> {
    attributes(resource.map(|resource| resource.attributes).unwrap_or_default())
}

fn attributes(all: Vec<KeyValue>) -> HashMap<String, String> {
    all.into_iter().filter_map(|one| Some((one.key, text(one.value?)))).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        None => String::new(),
        Some(Value::StringValue(text)) => text,
        Some(Value::BoolValue(is)) => is.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::ArrayValue(array)) => {
            let values: Vec<String> = array.values.into_iter().map(text).collect();
            format!("[{}]", values.join(","))
        }
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
