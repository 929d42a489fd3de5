//! The metrics of a replica.

use std::sync::Arc;
use std::time::Duration;

use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder, IntGauge, Opts, Registry, TextEncoder};
use regrow_store::{Layer, Store};
use regrow_worker::{Readiness, Worker};

use crate::counts::Counts;
use crate::load::Load;
use crate::store::Measured;

/// Everything that one replica counts. Clones share it.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) counts: Arc<Counts>,
    registry: Registry,
}

/// What became of a change of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// It is in force, but for keys that take effect at the next start.
    Applied {
        /// How many these are.
        need_restart: usize,
    },
    /// It is invalid; the one before it stays in force.
    Refused,
}

impl Reload {
    /// All outcomes.
    pub(crate) const OUTCOMES: [&str; 2] = ["applied", "refused"];

    fn outcome(self) -> &'static str {
        Self::OUTCOMES[usize::from(self == Self::Refused)]
    }
}

impl Metrics {
    /// Metrics that stand at zero. `version` and `revision` say which program this is.
    ///
    /// # Errors
    /// If two metrics had the same name, which is a defect.
    pub fn new(version: &str, revision: &str) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let info = Opts::new("build_info", "Which program this is; always 1")
            .namespace("regrow")
            .const_label("version", version)
            .const_label("revision", revision);
        let info = IntGauge::with_opts(info)?;
        info.set(1);
        registry.register(Box::new(info))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Self { counts: Arc::new(Counts::register(&registry)?), registry })
    }

    /// The same store, whose calls are counted and timed.
    pub fn over(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Layer::store(Measured::new(store, Arc::clone(&self.counts)))
    }

    /// Counts that begin at zero for a provider that is configured.
    pub fn begin_provider(&self, provider: &str) {
        self.counts.begin_provider(provider);
    }

    /// All of it in Prometheus' text format. `load` is that of all replicas, if it is known.
    pub(crate) fn text(&self, worker: &Worker, load: Option<&Load>) -> Result<Vec<u8>, prometheus::Error> {
        self.ask(worker);
        self.know(load);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    fn ask(&self, worker: &Worker) {
        let counts = &self.counts;
        let slots = worker.slots();
        counts.runs_running.set(whole(slots.driven));
        counts.slots_free.set(whole(slots.free));
        let readiness = worker.readiness();
        counts.is_ready.set((readiness == Readiness::Ready).into());
        counts.is_draining.set((readiness == Readiness::Draining).into());
        for (reason, number) in worker.refusals() {
            let counter = counts.refused.with_label_values(&[reason]);
            counter.inc_by(number.saturating_sub(counter.get()));
        }
    }

    /// What is unknown is not a number: neither an old value nor zero would be true.
    fn know(&self, load: Option<&Load>) {
        let figure = |of: fn(&Load) -> f64| load.map_or(f64::NAN, of);
        let counts = &self.counts;
        counts.lanes_ready.set(figure(|load| load.ready as f64));
        counts.lanes_running.set(figure(|load| load.running as f64));
        counts.oldest_ready.set(figure(|load| load.oldest_ready_seconds));
        counts.slots.set(figure(|load| load.slots as f64));
        counts.replicas.set(figure(|load| load.replicas as f64));
    }

    /// A change of the configuration was taken or refused.
    pub fn reloaded(&self, reload: Reload) {
        let counts = &self.counts;
        counts.reloads.with_label_values(&[reload.outcome()]).inc();
        counts.is_config_refused.set((reload == Reload::Refused).into());
        if let Reload::Applied { need_restart } = reload {
            counts.need_restart.set(whole(need_restart));
        }
    }

    pub(crate) fn lag(&self, lag: Duration) {
        self.counts.lag.set(lag.as_secs_f64());
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
