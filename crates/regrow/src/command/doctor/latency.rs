//! How long the store takes to answer.

use std::time::{Duration, Instant};

use regrow_protocol::ReplicaId;
use regrow_store::{Error, Replica, Store};

/// How often the store is read.
const READS: usize = 10;

/// How often it commits.
const COMMITS: usize = 5;

/// Long enough for every heartbeat here, however slow; a doctor that dies is noticed like any replica.
const LEASE: Duration = Duration::from_secs(60);

/// Times of one kind of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) median: Duration,
    pub(super) worst: Duration,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |index: usize| times.get(index).copied().unwrap_or_default();
        Self { median: at(times.len() / 2), worst: times.last().copied().unwrap_or_default() }
    }
}

/// The read that every acceptance of a message may need.
pub(super) async fn reads(store: &dyn Store) -> Result<Times, Error> {
    let mut times = Vec::with_capacity(READS);
    for _ in 0..READS {
        let begun = Instant::now();
        store.load().await?;
        times.push(begun.elapsed());
    }
    Ok(Times::of(times))
}

/// Heartbeats of a replica that takes no work: the durable commit that readiness hangs on, and one that touches nothing of
/// anybody else. It leaves afterwards, whatever became of it.
pub(super) async fn commits(store: &dyn Store) -> Result<Times, Error> {
    let doctor = Replica {
        id: ReplicaId::new(),
        address: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        slots: 0,
        lease: LEASE,
    };
    store.join(&doctor).await?;
    let times = heartbeats(store, doctor.id).await;
    store.leave(doctor.id).await?;
    times
}

async fn heartbeats(store: &dyn Store, replica: ReplicaId) -> Result<Times, Error> {
    let mut times = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        let begun = Instant::now();
        store.heartbeat(replica).await?;
        times.push(begun.elapsed());
    }
    Ok(Times::of(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let ms = Duration::from_millis;
        let times = Times::of([5, 1, 9, 2, 3].map(ms).to_vec());
        assert_eq!(times, Times { median: ms(3), worst: ms(9) });
        assert_eq!(Times::of(Vec::new()).worst, Duration::ZERO);
    }
}
