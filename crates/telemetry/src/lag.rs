//! How late timers are: a runtime whose threads are busy or starved serves everybody late.

use std::time::{Duration, Instant};

use crate::Metrics;

/// The time between two looks.
const EVERY: Duration = Duration::from_millis(250);

/// Looks of which the worst counts.
const LOOKS: usize = 40;

/// Looks for ever.
pub(crate) async fn watch(metrics: Metrics) {
    let (mut late, mut next) = ([Duration::ZERO; LOOKS], 0);
    loop {
        let due = Instant::now() + EVERY;
        tokio::time::sleep_until(due.into()).await;
        late[next] = due.elapsed();
        next = (next + 1) % LOOKS;
        metrics.lag(late.iter().copied().max().unwrap_or_default());
    }
}
