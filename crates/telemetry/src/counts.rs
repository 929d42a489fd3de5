//! Everything that is counted, registered once, with all labels from the start: what has not happened yet is 0, not
//! absent, so that alerts see the first time.

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    Result,
};
use regrow_providers::Attempt;
use regrow_store::Loss;
use regrow_worker::SubmitError;

use crate::Reload;
use crate::intents::Intents;

/// From a quarter of a millisecond to ten seconds.
const STORE: [f64; 15] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.5, 10.0];

/// From a tenth of a second to ten minutes.
const MODEL: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 180.0, 600.0];

/// From ten milliseconds to a minute. A crash is noticed within the tenth of a second, silence after a lease.
const TAKEOVER: [f64; 14] = [0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 60.0];

/// How a run may end.
pub(crate) const STATUSES: [&str; 3] = ["done", "failed", "aborted"];

/// The handles.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) accepted: IntCounter,
    pub(crate) duplicates: IntCounter,
    pub(crate) refused: IntCounterVec,
    pub(crate) ended: IntCounterVec,
    pub(crate) resumed: IntCounter,
    pub(crate) takeovers: IntCounter,
    pub(crate) takeover_seconds: HistogramVec,
    pub(crate) lost_replicas: IntCounter,
    pub(crate) fenced: IntCounter,
    pub(crate) store_seconds: HistogramVec,
    pub(crate) store_errors: IntCounterVec,
    pub(crate) model_calls: IntCounterVec,
    pub(crate) model_seconds: Histogram,
    pub(crate) tokens: IntCounterVec,
    pub(crate) reloads: IntCounterVec,
    pub(crate) is_config_refused: IntGauge,
    pub(crate) need_restart: IntGauge,
    pub(crate) runs_running: IntGauge,
    pub(crate) slots_free: IntGauge,
    pub(crate) is_ready: IntGauge,
    pub(crate) is_draining: IntGauge,
    pub(crate) lag: Gauge,
    pub(crate) lanes_ready: Gauge,
    pub(crate) lanes_running: Gauge,
    pub(crate) oldest_ready: Gauge,
    pub(crate) slots: Gauge,
    pub(crate) replicas: Gauge,
}

impl Counts {
    pub(crate) fn register(to: &Registry) -> Result<Self> {
        let counts = Self {
            accepted: add(to, counter("accepted_total", "Messages accepted"))?,
            duplicates: add(to, counter("duplicates_total", "Messages that had been accepted before"))?,
            refused: add(to, counters("refused_total", "Messages refused, by reason", &["reason"]))?,
            ended: add(to, counters("runs_ended_total", "Runs that this replica ended", &["status"]))?,
            resumed: add(to, counter("runs_resumed_total", "Runs continued that others had begun"))?,
            takeovers: add(to, counter("takeovers_total", "Sessions taken from replicas that were gone"))?,
            takeover_seconds: add(
                to,
                histograms(
                    "takeover_seconds",
                    "How long runs stood still until this replica took them over",
                    &TAKEOVER,
                    "cause",
                ),
            )?,
            lost_replicas: add(to, counter("replicas_lost_total", "Replicas that this one found gone"))?,
            fenced: add(to, counter("fenced_total", "Writes refused because the lease was gone"))?,
            store_seconds: add(
                to,
                histograms("store_seconds", "Time of the store's intents", &STORE, "intent"),
            )?,
            store_errors: add(to, counters("store_errors_total", "Intents that failed", &["intent"]))?,
            model_calls: add(to, counters("model_calls_total", "Model calls", &["provider", "outcome"]))?,
            model_seconds: add(to, histogram("model_call_seconds", "Time of a model call", &MODEL))?,
            tokens: add(to, counters("tokens_total", "Tokens as providers count them", &["direction"]))?,
            reloads: add(to, counters("config_reloads_total", "Changes of the configuration", &["outcome"]))?,
            is_config_refused: add(to, whole("config_refused", "1 if the files are not what is in force"))?,
            need_restart: add(to, whole("config_restart_keys", "Changed keys that wait for a restart"))?,
            runs_running: add(to, whole("runs_running", "Runs driven by this replica"))?,
            slots_free: add(to, whole("slots_free", "Runs that it could drive besides"))?,
            is_ready: add(to, whole("ready", "1 if this replica can accept work"))?,
            is_draining: add(to, whole("draining", "1 if this replica is leaving"))?,
            lag: add(to, gauge("event_loop_lag_seconds", "The most that a timer was late lately"))?,
            lanes_ready: add(to, gauge("lanes_ready", "Sessions that wait for a replica, in all"))?,
            lanes_running: add(to, gauge("lanes_running", "Sessions that run, in all"))?,
            oldest_ready: add(to, gauge("oldest_ready_seconds", "How long the first of them has waited"))?,
            slots: add(to, gauge("slots", "Runs that all living replicas can drive at once"))?,
            replicas: add(to, gauge("replicas", "Replicas that live, drive runs and are not leaving"))?,
        };
        counts.begin_at_zero();
        Ok(counts)
    }

    fn begin_at_zero(&self) {
        SubmitError::REASONS.iter().for_each(|reason| drop(self.refused.with_label_values(&[*reason])));
        STATUSES.iter().for_each(|status| drop(self.ended.with_label_values(&[*status])));
        Reload::OUTCOMES.iter().for_each(|outcome| drop(self.reloads.with_label_values(&[*outcome])));
        ["input", "output"].iter().for_each(|direction| drop(self.tokens.with_label_values(&[*direction])));
        Loss::KNOWN.iter().for_each(|loss| drop(self.takeover_seconds.with_label_values(&[loss.as_str()])));
        drop(Intents::of(self));
    }

    /// Counters of a provider, from the start.
    pub(crate) fn begin_provider(&self, provider: &str) {
        for outcome in Attempt::OUTCOMES {
            drop(self.model_calls.with_label_values(&[provider, outcome]));
        }
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("regrow")
}

fn add<C: Collector + Clone + 'static>(to: &Registry, made: Result<C>) -> Result<C> {
    let made = made?;
    to.register(Box::new(made.clone()))?;
    Ok(made)
}

fn counter(name: &str, help: &str) -> Result<IntCounter> {
    IntCounter::with_opts(opts(name, help))
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
    IntCounterVec::new(opts(name, help), labels)
}

fn whole(name: &str, help: &str) -> Result<IntGauge> {
    IntGauge::with_opts(opts(name, help))
}

fn gauge(name: &str, help: &str) -> Result<Gauge> {
    Gauge::with_opts(opts(name, help))
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> Result<Histogram> {
    Histogram::with_opts(HistogramOpts { common_opts: opts(name, help), buckets: buckets.to_vec() })
}

fn histograms(name: &str, help: &str, buckets: &[f64], label: &str) -> Result<HistogramVec> {
    HistogramVec::new(HistogramOpts { common_opts: opts(name, help), buckets: buckets.to_vec() }, &[label])
}
