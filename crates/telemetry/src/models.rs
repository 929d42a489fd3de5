//! Counting model calls.

use regrow_providers::{Attempt, Observer};

use crate::Metrics;

impl Observer for Metrics {
    fn attempted(&self, attempt: &Attempt<'_>) {
        let counts = &self.counts;
        counts.model_calls.with_label_values(&[attempt.provider, attempt.outcome]).inc();
        counts.model_seconds.observe(attempt.took.as_secs_f64());
        if let Some(usage) = attempt.usage {
            counts.tokens.with_label_values(&["input"]).inc_by(usage.input);
            counts.tokens.with_label_values(&["output"]).inc_by(usage.output);
        }
    }
}
