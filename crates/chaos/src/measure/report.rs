//! The result of a measurement, as a table for people and as JSON for comparisons.

use std::fmt;

use serde::Serialize;

/// What was measured. What could not be is absent, never zero.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// From spawning the process to serving, median, in milliseconds.
    pub start_ms: Option<f64>,
    /// Resident memory after a rest, in MiB.
    pub idle_rss_mib: Option<f64>,
    /// A single turn through the gateway, median, in microseconds.
    pub turn_p50_us: f64,
    /// The same question to the model itself, median, in microseconds.
    pub model_p50_us: Option<f64>,
    /// The difference of the two: what the gateway takes.
    pub own_time_us: Option<f64>,
    /// From request to the first token of a single turn, median, in microseconds.
    pub first_token_p50_us: f64,
    /// Sessions at once under load.
    pub concurrency: usize,
    /// Turns per second under load.
    pub turns_per_second: f64,
    /// A turn under load, median, in microseconds.
    pub load_p50_us: f64,
    /// A turn under load, 99th percentile, in microseconds.
    pub load_p99_us: f64,
    /// From request to the first token under load, median, in microseconds.
    pub load_first_token_p50_us: f64,
    /// Processor time of the gateway for one turn under load, in microseconds.
    pub cpu_per_turn_us: Option<f64>,
    /// Resident memory at the end of the load, in MiB.
    pub loaded_rss_mib: Option<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |value: f64| Some(value / 1e3);
        let load = format!("{} sessions", self.concurrency);
        let rows = [
            ("start to ready, median".to_owned(), self.start_ms, "ms"),
            ("memory, idle".to_owned(), self.idle_rss_mib, "MiB"),
            (format!("memory after {load}"), self.loaded_rss_mib, "MiB"),
            ("one turn, p50".to_owned(), micros(self.turn_p50_us), "ms"),
            ("one turn, first token, p50".to_owned(), micros(self.first_token_p50_us), "ms"),
            ("the model alone, p50".to_owned(), self.model_p50_us.and_then(micros), "ms"),
            ("the gateway's own time".to_owned(), self.own_time_us.and_then(micros), "ms"),
            (format!("{load}, turns per second"), Some(self.turns_per_second), ""),
            (format!("{load}, p50"), micros(self.load_p50_us), "ms"),
            (format!("{load}, p99"), micros(self.load_p99_us), "ms"),
            (format!("{load}, first token, p50"), micros(self.load_first_token_p50_us), "ms"),
            ("processor time per turn".to_owned(), self.cpu_per_turn_us.and_then(micros), "ms"),
        ];
        for (name, value, unit) in &rows {
            match value {
                Some(value) => writeln!(f, "{name:<36} {value:>10.2} {unit}")?,
                None => writeln!(f, "{name:<36} {:>10}", "-")?,
            }
        }
        Ok(())
    }
}
