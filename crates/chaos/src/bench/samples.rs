//! A few hundred measured values, kept whole, because differences of times can be negative.

/// Measured values in one unit.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    pub(super) fn push(&mut self, value: f64) {
        let at = self.0.partition_point(|known| known.total_cmp(&value).is_le());
        self.0.insert(at, value);
    }

    /// The smallest value that this share of all (0 to 1) does not exceed; none if there are no values.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let rank = (share * self.0.len() as f64).ceil().max(1.0) as usize;
        self.0.get(rank.min(self.0.len()).checked_sub(1)?).copied()
    }

    pub(super) fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    pub(super) fn max(&self) -> Option<f64> {
        self.0.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut samples = Samples::default();
        for value in (1..=100).rev() {
            samples.push(f64::from(value) - 50.0);
        }
        assert_eq!(samples.median(), Some(0.0));
        assert_eq!((samples.quantile(0.95), samples.quantile(0.99)), (Some(45.0), Some(49.0)));
        assert_eq!(
            (samples.quantile(0.0), samples.quantile(1.0), samples.max()),
            (Some(-49.0), Some(50.0), Some(50.0))
        );
        assert_eq!((Samples::default().median(), Samples::default().max()), (None, None));
    }
}
