//! The span of a request, from its headers to the last byte of its answer.

use opentelemetry::trace::Status;
use regrow_protocol::{RunId, TraceContext};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::TARGET;
use crate::handed_on::continue_from;

/// The span of a request that carried a context, or begins a trace. `route` is the path with its variable parts left out.
pub fn request(
    method: &str,
    route: &'static str,
    path: &str,
    carried: impl FnOnce() -> Option<TraceContext>,
) -> Span {
    let span = tracing::trace_span!(
        target: TARGET, "request", otel.name = %format_args!("{method} {route}"), otel.kind = "server",
        http.request.method = method, http.route = route, url.path = path, url.scheme = "http"
    );
    if !span.is_disabled()
        && let Some(carried) = carried()
    {
        continue_from(&span, &carried);
    }
    span
}

/// The present request led to this run. `duplicate`: an earlier one had begun it.
pub fn accepted(run: RunId, duplicate: bool) {
    let span = Span::current();
    if !span.is_disabled() {
        span.set_attribute("regrow.run.id", run.to_string());
        span.set_attribute("regrow.duplicate", duplicate);
    }
}

/// The answer begins with this status. It is the fault of whoever asked below 500.
pub fn responded(span: &Span, status: u16) {
    if span.is_disabled() {
        return;
    }
    span.set_attribute("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.set_attribute("error.type", status.to_string());
        span.set_status(Status::error(""));
    }
}
