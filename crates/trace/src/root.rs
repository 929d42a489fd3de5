//! The trace of a message that came without one, as those of schedules do: its id is made of the run's, so that every
//! replica that drives the run is in the same trace without anything being stored.

use std::cell::Cell;

use opentelemetry::trace::TraceId;
use regrow_protocol::RunId;
use tracing::Span;

use crate::handed_on::of;

thread_local! {
    static WANTED: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// The id that the trace which begins now is to have, if somebody wants a certain one. Generators of ids ask for it.
pub fn wanted() -> Option<TraceId> {
    WANTED.get()
}

/// Begins a span that has no parent as the root of the run's trace.
pub(crate) fn begin(span: &Span, run: RunId) {
    WANTED.set(Some(trace_of(run)));
    // A span gets its ids when they are asked for first.
    of(span);
    WANTED.set(None);
}

/// Samplers compare the last eight bytes with a bound. Of an id of version 7 only the last four are random, so they come
/// first there.
fn trace_of(run: RunId) -> TraceId {
    let mut bytes = *run.as_bytes();
    bytes[8..].reverse();
    TraceId::from_bytes(bytes)
}
