//! What stands beside the figures: the goals that Regrow has set itself, and what OpenClaw needs for the same.
//!
//! Megabytes are 10^6 bytes here and everywhere in the benchmark.

use std::fmt;

use serde::Serialize;

use super::figure::number;

/// Where the column of OpenClaw comes from. Its default configuration was measured; where a busy and a quiet run were
/// made, the quiet one, which is the better, stands here. Its memory is that of its main process and its helpers.
pub(super) const OPENCLAW: &str = "OpenClaw 2026.9.6 measured on 2 cores with the same load generator";

/// What a figure shall be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Goal {
    /// Whether the figure is as it shall be.
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "≤ {}", number(*bound)),
            Self::AtLeast(bound) => write!(f, "≥ {}", number(*bound)),
        }
    }
}

/// The goals of one store, by figure.
pub(super) type Goals = &'static [(&'static str, Goal)];

/// The goal of a figure.
pub(super) fn goal(goals: Goals, id: &str) -> Option<Goal> {
    goals.iter().find(|(known, _)| *known == id).map(|(_, goal)| *goal)
}

/// What OpenClaw needs, in the unit of the figure, or in words.
pub(super) fn openclaw(id: &str) -> Option<&'static str> {
    REFERENCE.iter().find(|(known, _)| *known == id).map(|(_, text)| *text)
}

/// With SQLite, and of a gateway whose store is not known.
pub(super) const SQLITE: Goals = &[
    ("start.p50", Goal::AtMost(150.0)),
    ("memory.idle", Goal::AtMost(25.0)),
    ("memory.streams.peak", Goal::AtMost(300.0)),
    ("memory.streams.answered", Goal::AtLeast(100.0)),
    ("own-time.streamed.p50", Goal::AtMost(3.0)),
    ("own-time.whole.p50", Goal::AtMost(3.0)),
    ("own-time.first-token.p50", Goal::AtMost(2.0)),
    ("closed.64.rate", Goal::AtLeast(1_000.0)),
    ("closed.256.p50", Goal::AtMost(500.0)),
    ("closed.burst.answered", Goal::AtLeast(100.0)),
    ("open.50.bare", Goal::AtMost(0.0)),
    ("open.80.bare", Goal::AtMost(0.0)),
    ("open.rate.bare", Goal::AtMost(0.0)),
    ("takeover.kill.text.p99", Goal::AtMost(1_000.0)),
    ("history.total.ratio", Goal::AtMost(1.3)),
    ("history.own.ratio", Goal::AtMost(1.3)),
];

/// With PostgreSQL. A paused replica's lease is two seconds there.
pub(super) const POSTGRES: Goals = &[
    ("start.p50", Goal::AtMost(150.0)),
    ("memory.idle", Goal::AtMost(25.0)),
    ("memory.streams.peak", Goal::AtMost(300.0)),
    ("memory.streams.answered", Goal::AtLeast(100.0)),
    ("own-time.streamed.p50", Goal::AtMost(5.0)),
    ("own-time.whole.p50", Goal::AtMost(5.0)),
    ("own-time.first-token.p50", Goal::AtMost(5.0)),
    ("closed.64.rate", Goal::AtLeast(1_000.0)),
    ("closed.256.rate", Goal::AtLeast(1_000.0)),
    ("closed.256.p50", Goal::AtMost(500.0)),
    ("closed.burst.answered", Goal::AtLeast(100.0)),
    ("open.50.bare", Goal::AtMost(0.0)),
    ("open.80.bare", Goal::AtMost(0.0)),
    ("open.rate.bare", Goal::AtMost(0.0)),
    ("takeover.kill.text.p99", Goal::AtMost(500.0)),
    ("takeover.term.model.p99", Goal::AtMost(50.0)),
    ("takeover.stop.text.p99", Goal::AtMost(2_700.0)),
    ("history.total.ratio", Goal::AtMost(1.3)),
    ("history.own.ratio", Goal::AtMost(1.3)),
    ("commits.64.ratio", Goal::AtLeast(0.6)),
    ("commits.256.ratio", Goal::AtLeast(0.6)),
    ("fleet.all.answered", Goal::AtLeast(100.0)),
];

const REFERENCE: &[(&str, &str)] = &[
    ("start.p50", "8,700"),
    ("memory.idle", "950"),
    ("memory.streams.answered", "0"),
    // Without delay in the model, the model's own time is below the noise there.
    ("own-time.streamed.p50", "297"),
    ("own-time.streamed.p95", "456"),
    // The model's first token came after 240 of 495 ms.
    ("own-time.first-token.p50", "255"),
    ("closed.1.rate", "3.0"),
    ("closed.1.p50", "297"),
    ("closed.1.p95", "456"),
    ("closed.1.peak", "1,520"),
    ("closed.4.rate", "2.4"),
    ("closed.4.p50", "1,535"),
    ("closed.4.p95", "2,008"),
    ("closed.4.peak", "1,620"),
    ("closed.16.rate", "3.5"),
    ("closed.16.p50", "5,832"),
    ("closed.16.p95", "7,151"),
    ("closed.16.peak", "2,130"),
    ("closed.64.rate", "2.55"),
    ("closed.64.p50", "21,940"),
    ("closed.64.p95", "29,860"),
    ("closed.64.peak", "2,520"),
    ("closed.256.rate", "2.2"),
    ("closed.256.p50", "78,330"),
    ("closed.256.p95", "112,812"),
    ("closed.256.peak", "2,720"),
    ("closed.burst.answered", "0"),
    ("closed.burst.peak", "1,760"),
    ("cpu.1.gateway", "330"),
    // After a restart of 14 to 16 s the runs are started again one after another; no client gets the rest.
    ("takeover.kill.text.p50", "never"),
    ("takeover.kill.text.p99", "never"),
    ("takeover.kill.text.max", "never"),
    ("history.total.10", "213"),
    ("replicas.2.rate", "refused"),
    ("replicas.3.rate", "refused"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_met_up_to_their_bound() {
        assert!(Goal::AtMost(3.0).is_met(3.0) && !Goal::AtMost(3.0).is_met(3.01));
        assert!(Goal::AtLeast(3.0).is_met(3.0) && !Goal::AtLeast(3.0).is_met(2.99));
        assert_eq!(goal(SQLITE, "start.p50").map(|goal| goal.to_string()).as_deref(), Some("≤ 150"));
        assert_eq!((goal(SQLITE, "nonsense"), openclaw("nonsense")), (None, None));
    }
}
