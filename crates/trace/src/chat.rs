//! The span of one request to a model.

use opentelemetry::trace::Status;
use opentelemetry::{Array, StringValue, Value};
use regrow_protocol::{StopReason, Usage};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::TARGET;

/// The span of a request to `provider` for `model`; `attempt` counts the requests for one answer to one model.
pub fn chat(provider: &str, model: &str, attempt: u32) -> Span {
    let span = tracing::trace_span!(
        target: TARGET, "chat", otel.name = %format_args!("chat {model}"), otel.kind = "client",
        gen_ai.operation.name = "chat", gen_ai.provider.name = provider, gen_ai.request.model = model
    );
    if attempt > 1 && !span.is_disabled() {
        span.set_attribute("regrow.model.attempt", i64::from(attempt));
    }
    span
}

/// The model answered. `model`: its name, perhaps behind that of its provider.
pub fn answered(span: &Span, model: &str, stop: StopReason, usage: Usage) {
    if span.is_disabled() {
        return;
    }
    let model = model.split_once('/').map_or(model, |(_, model)| model);
    span.set_attribute("gen_ai.response.model", model.to_owned());
    let reasons = vec![StringValue::from(reason(stop))];
    span.set_attribute("gen_ai.response.finish_reasons", Value::Array(Array::String(reasons)));
    used(span, usage);
}

/// The request failed, for this reason in one word.
pub fn failed(span: &Span, error: &'static str) {
    if !span.is_disabled() {
        span.set_attribute("error.type", error);
        span.set_status(Status::error(""));
    }
}

pub(crate) fn used(span: &Span, usage: Usage) {
    let whole = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
    span.set_attribute("gen_ai.usage.input_tokens", whole(usage.input));
    span.set_attribute("gen_ai.usage.output_tokens", whole(usage.output));
    if usage.cache_read > 0 {
        span.set_attribute("gen_ai.usage.cache_read.input_tokens", whole(usage.cache_read));
    }
    if usage.cache_write > 0 {
        span.set_attribute("gen_ai.usage.cache_creation.input_tokens", whole(usage.cache_write));
    }
}

fn reason(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Stop => "stop",
        StopReason::Length => "length",
        StopReason::ToolCalls => "tool_calls",
        StopReason::ContentFilter => "content_filter",
    }
}
