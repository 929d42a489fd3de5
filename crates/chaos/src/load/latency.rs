//! Latencies in a histogram of constant size: microseconds, three digits, up to an hour; longer ones count as an hour.

use std::time::Duration;

use hdrhistogram::Histogram;

/// An hour in microseconds.
const MAX: u64 = 3_600_000_000;

/// The distribution of a latency; empty until the first is recorded.
#[derive(Debug, Clone, Default)]
pub struct Latency(Option<Histogram<u64>>);

impl Latency {
    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(MAX);
        // The bounds are constants that the histogram accepts, so it is always there.
        if self.0.is_none() {
            self.0 = Histogram::new_with_bounds(1, MAX, 3).ok();
        }
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(micros);
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (Some(mine), Some(theirs)) => mine.add(theirs).unwrap_or_default(),
            (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    /// The latency that this share of all (0 to 1) does not exceed; zero if there are none.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.as_ref().map_or(0, |histogram| histogram.value_at_quantile(share)))
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_over_merged_parts() {
        let (mut odd, mut even, mut all) = (Latency::default(), Latency::default(), Latency::default());
        for millis in 1..=100 {
            let part = if millis % 2 == 0 { &mut even } else { &mut odd };
            part.record(Duration::from_millis(millis));
        }
        all.merge(&odd);
        all.merge(&even);
        assert_eq!(all.count(), 100);
        assert_eq!(all.quantile(0.5).as_millis(), 50);
        assert_eq!(all.quantile(0.99).as_millis(), 99);
        assert_eq!(Latency::default().quantile(0.5), Duration::ZERO);
    }
}
