//! A request as part of a trace: its span, and what of the trace goes on to the run.

use http::{HeaderMap, HeaderName, Request, Response};
use regrow_protocol::TraceContext;
use tracing::{Instrument, Span};

use crate::body::Body;
use crate::refusal::Refusal;

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// The context that a request carries. One that cannot be read is none, as W3C has it.
pub(crate) fn carried(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    TraceContext::parse(text(&PARENT)?, text(&STATE))
}

/// The span of a request.
pub(crate) fn of<B>(request: &Request<B>, route: &'static str) -> Span {
    let path = request.uri().path();
    regrow_trace::request(request.method().as_str(), route, path, || carried(request.headers()))
}

/// Answers within a span. A stream goes on after its answer has begun, and keeps the span until it ends.
pub(crate) async fn within(
    span: Span,
    answer: impl Future<Output = Result<Response<Body>, Refusal>>,
) -> Result<Response<Body>, Refusal> {
    let response = answer.instrument(span.clone()).await.unwrap_or_else(|refusal| refusal.response());
    regrow_trace::responded(&span, response.status().as_u16());
    Ok(response)
}
