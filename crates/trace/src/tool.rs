//! The span of one execution of a tool.

use opentelemetry::trace::Status;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::TARGET;

/// The span of executing `tool` for the call `call`. `rerun`: an earlier owner of the run may have begun to.
pub fn execute_tool(tool: &str, call: &str, rerun: bool) -> Span {
    tracing::trace_span!(
        target: TARGET, "tool", otel.name = %format_args!("execute_tool {tool}"), otel.kind = "internal",
        gen_ai.operation.name = "execute_tool", gen_ai.tool.name = tool, gen_ai.tool.call.id = call,
        gen_ai.tool.type = "function", regrow.tool.rerun = rerun
    )
}

/// The tool is done; `error` says in one word that it failed.
pub fn executed(span: &Span, error: Option<&'static str>) {
    if let Some(error) = error.filter(|_| !span.is_disabled()) {
        span.set_attribute("error.type", error);
        span.set_status(Status::error(""));
    }
}
