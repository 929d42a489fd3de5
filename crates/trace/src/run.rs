//! The span of a run on one replica, and within it that of taking the run over.

use std::time::Duration;

use opentelemetry::trace::Status;
use regrow_protocol::{Epoch, ReplicaId, RunId, SessionId, TraceContext, Usage};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::handed_on::{continue_from, of};
use crate::{TARGET, root};

/// A run as one replica drives it.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The agent's id.
    pub agent: &'a str,
    /// The run.
    pub run: RunId,
    /// Its session. The session's key is not told: callers may put names into it.
    pub session: SessionId,
    /// Who drives it.
    pub replica: ReplicaId,
    /// Under which lease.
    pub epoch: Epoch,
    /// How often it was claimed since it last made progress.
    pub attempt: u32,
}

/// Why a run goes on at another replica, and whose it was.
#[derive(Debug, Clone, Copy)]
pub struct Takeover {
    /// The cause in one word.
    pub cause: &'static str,
    /// The former owner, if it is known.
    pub from: Option<ReplicaId>,
    /// How long the run stood still before, if that is known.
    pub stood_still: Option<Duration>,
}

/// The span of a run on this replica. All replicas that drive a run have the same parent, the one that was stored, or begin
/// the same trace. The line
/// of the log that is current gets the ids of the trace.
pub fn invoke_agent(of_run: &Attempt<'_>, stored: Option<&TraceContext>) -> Span {
    let Attempt { agent, run, session, replica, epoch, attempt } = *of_run;
    let span = tracing::trace_span!(
        target: TARGET, "run", otel.name = %format_args!("invoke_agent {agent}"), otel.kind = "internal",
        gen_ai.operation.name = "invoke_agent", gen_ai.agent.id = agent, gen_ai.agent.name = agent,
        gen_ai.conversation.id = %session, regrow.session = %session, regrow.run.id = %run,
        regrow.replica = %replica, regrow.epoch = epoch.0, regrow.attempt = attempt
    );
    if !span.is_disabled() {
        match stored {
            Some(stored) => continue_from(&span, stored),
            None => root::begin(&span, run),
        }
    }
    note_in_log(&span, stored);
    span
}

/// Lines of the log that belong to the run name its trace: also without an exporter, if its request came with one.
fn note_in_log(span: &Span, stored: Option<&TraceContext>) {
    let begun = of(span);
    let Some(parent) = begun.as_ref().or(stored).and_then(TraceContext::parent) else { return };
    let line = Span::current();
    line.record("trace_id", parent.trace_id);
    if begun.is_some() {
        line.record("span_id", parent.span_id);
    }
}

/// The span of taking a run over: until what is known of it has been read. A child of the present span.
pub fn taken_over(takeover: Takeover, replica: ReplicaId) -> Span {
    let span = tracing::trace_span!(
        target: TARGET, "takeover", otel.name = "take over run", otel.kind = "internal",
        regrow.takeover.cause = takeover.cause, regrow.replica = %replica
    );
    if let Some(from) = takeover.from.filter(|_| !span.is_disabled()) {
        span.set_attribute("regrow.takeover.from", from.to_string());
    }
    if let Some(stood_still) = takeover.stood_still.filter(|_| !span.is_disabled()) {
        span.set_attribute("regrow.takeover.seconds", stood_still.as_secs_f64());
    }
    span
}

/// How a run ended here: `done`, `failed`, `aborted`, or that it goes on elsewhere. `usage`: of the whole run.
pub fn ended(span: &Span, outcome: &'static str, error: Option<&'static str>, usage: Option<Usage>) {
    if span.is_disabled() {
        return;
    }
    span.set_attribute("regrow.outcome", outcome);
    if let Some(error) = error {
        span.set_attribute("error.type", error);
        span.set_status(Status::error(""));
    }
    if let Some(usage) = usage {
        crate::chat::used(span, usage);
    }
}
