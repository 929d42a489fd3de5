//! The metrics that are served, by the names that they have for Prometheus as well.

use regrow_telemetry::Load;

/// A figure about all replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    /// What is ready and running, in units of one replica's slots.
    Load,
    /// How long the first session that waits has waited.
    OldestReady,
    /// Sessions that wait for a replica.
    LanesReady,
    /// Sessions that run.
    LanesRunning,
    /// Runs that all living replicas can drive at once.
    Slots,
    /// Replicas that live and drive runs.
    Replicas,
}

impl Metric {
    pub(super) const ALL: [Self; 6] =
        [Self::Load, Self::OldestReady, Self::LanesReady, Self::LanesRunning, Self::Slots, Self::Replicas];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Load => "regrow_load",
            Self::OldestReady => "regrow_oldest_ready_seconds",
            Self::LanesReady => "regrow_lanes_ready",
            Self::LanesRunning => "regrow_lanes_running",
            Self::Slots => "regrow_slots",
            Self::Replicas => "regrow_replicas",
        }
    }

    pub(super) fn of(self, load: &Load) -> f64 {
        match self {
            Self::Load => load.load,
            Self::OldestReady => load.oldest_ready_seconds,
            Self::LanesReady => load.ready as f64,
            Self::LanesRunning => load.running as f64,
            Self::Slots => load.slots as f64,
            Self::Replicas => load.replicas as f64,
        }
    }
}
