//! Contexts on their way: from a request into the store, and from there into the spans of whoever runs the message.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use regrow_protocol::{Epoch, ReplicaId, RunId, SessionId, TraceContext};
use regrow_trace::{Attempt, handed_on, invoke_agent, request};
use tracing::Span;
use tracing_subscriber::layer::SubscriberExt;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn carried(flags: &str) -> Option<TraceContext> {
    TraceContext::parse(&format!("00-{TRACE}-b7ad6b7169203331-{flags}"), Some("vendor=value"))
}

/// What is stored with a message whose request carries this.
fn stored(carried: Option<TraceContext>) -> Option<TraceContext> {
    let span = request("POST", "/r", "/r", || carried.clone());
    span.in_scope(|| handed_on(|| carried))
}

fn run(stored: Option<&TraceContext>) -> Span {
    let session = SessionId::of(&"agent:main:main".parse().unwrap());
    let attempt = Attempt {
        agent: "main",
        run: RunId::new(),
        session,
        replica: ReplicaId::new(),
        epoch: Epoch(1),
        attempt: 1,
    };
    invoke_agent(&attempt, stored)
}

fn listening(sampler: Sampler, test: impl FnOnce()) {
    let provider = SdkTracerProvider::builder().with_sampler(Sampler::ParentBased(Box::new(sampler))).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), test);
}

/// Trace and flags.
fn of(context: Option<&TraceContext>) -> (String, u8) {
    let parent = context.and_then(TraceContext::parent).unwrap();
    (parent.trace_id.to_owned(), parent.flags)
}

#[test]
fn without_an_exporter_what_is_carried_goes_on() {
    assert_eq!(stored(carried("01")), carried("01"));
    assert_eq!(stored(None), None);
    assert!(run(carried("01").as_ref()).is_disabled());
}

#[test]
fn the_stored_context_is_that_of_the_request_in_the_carried_trace() {
    listening(Sampler::AlwaysOff, || {
        for (flags, want) in [("01", 1), ("00", 0)] {
            let stored = stored(carried(flags));
            assert_eq!(of(stored.as_ref()), (TRACE.to_owned(), want));
            assert_ne!(stored, carried(flags), "it is a span of its own");
            assert_eq!(stored.as_ref().unwrap().state(), Some("vendor=value"));
            // Whoever runs it, now or later, is in the same trace and keeps its decision.
            for _ in 0..2 {
                let within = run(stored.as_ref()).in_scope(|| handed_on(|| None));
                assert_eq!(of(within.as_ref()), (TRACE.to_owned(), want));
            }
        }
    });
}

#[test]
fn a_trace_that_begins_here_is_decided_on_here_and_the_decision_is_stored() {
    for (sampler, want) in [(Sampler::AlwaysOn, 1), (Sampler::AlwaysOff, 0)] {
        listening(sampler, || {
            let stored = stored(None);
            let (trace, flags) = of(stored.as_ref());
            assert_eq!(flags, want);
            assert_eq!(run(stored.as_ref()).in_scope(|| of(handed_on(|| None).as_ref())), (trace, want));
        });
    }
}
