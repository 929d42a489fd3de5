//! Ids of traces and spans: random, unless a trace is to have a certain one.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        regrow_trace::wanted().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
    use regrow_protocol::{Epoch, ReplicaId, RunId, SessionId, TraceContext};
    use tracing_subscriber::layer::SubscriberExt;

    use super::Ids;

    /// The trace of a run whose message came without one, and whether it is sampled, at one of its replicas.
    fn trace(run: RunId, rate: f64) -> (String, u8) {
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(rate)));
        let provider =
            SdkTracerProvider::builder().with_id_generator(Ids::default()).with_sampler(sampler).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let attempt = regrow_trace::Attempt {
                agent: "main",
                run,
                session: SessionId::of(&"agent:main:main".parse().unwrap()),
                replica: ReplicaId::new(),
                epoch: Epoch(1),
                attempt: 1,
            };
            let span = regrow_trace::invoke_agent(&attempt, None);
            let context = span.in_scope(|| regrow_trace::handed_on(|| None)).unwrap();
            let parent = context.parent().unwrap();
            (parent.trace_id.to_owned(), parent.flags)
        })
    }

    #[test]
    fn every_replica_of_a_run_without_a_stored_trace_is_in_the_same_one() {
        let runs = [(); 400].map(|()| RunId::new());
        for run in runs {
            assert_eq!(trace(run, 0.5), trace(run, 0.5));
        }
        let sampled = runs.iter().filter(|run| trace(**run, 0.25).1 == 1).count();
        assert!((50..150).contains(&sampled), "a quarter of 400, not {sampled}");
        assert_ne!(trace(runs[0], 1.0).0, trace(runs[1], 1.0).0);
    }

    #[test]
    fn what_is_wanted_once_is_not_given_twice() {
        let run = RunId::new();
        trace(run, 1.0);
        assert_eq!(regrow_trace::wanted(), None);
        assert!(
            TraceContext::parse(&format!("00-{}-b7ad6b7169203331-01", trace(run, 1.0).0), None).is_some()
        );
    }
}
