//! Contexts that come from elsewhere and go elsewhere: with a request, and with a message in the store.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use regrow_protocol::TraceContext;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// What is stored with a message: the span in which it is accepted, or without an exporter what its request carried.
pub fn handed_on(carried: impl FnOnce() -> Option<TraceContext>) -> Option<TraceContext> {
    of(&Span::current()).or_else(carried)
}

/// Makes `span` a child of one that another process made.
pub(crate) fn continue_from(span: &Span, context: &TraceContext) {
    if let Some(parent) = remote(context) {
        // It fails if the span has begun, which none here has.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// The context of a span; nothing if nobody listens.
pub(crate) fn of(span: &Span) -> Option<TraceContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let of = span.span_context();
    let parent = format!("00-{}-{}-{:02x}", of.trace_id(), of.span_id(), of.trace_flags().to_u8());
    TraceContext::parse(&parent, Some(&of.trace_state().header()))
}

fn remote(context: &TraceContext) -> Option<SpanContext> {
    let parent = context.parent()?;
    let state = context.state().and_then(|state| state.parse::<TraceState>().ok());
    Some(SpanContext::new(
        TraceId::from_hex(parent.trace_id).ok()?,
        SpanId::from_hex(parent.span_id).ok()?,
        TraceFlags::new(parent.flags),
        true,
        state.unwrap_or_default(),
    ))
}
