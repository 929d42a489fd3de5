//! One life of this replica in the store, and how long it may trust that it still has it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use regrow_protocol::ReplicaId;
use tokio_util::sync::CancellationToken;

/// The part of the lease after which a replica no longer trusts it, in percent. The rest covers the difference between
/// the store's clock and this process's, and the time between a check and its effect.
const TRUSTED_PERCENT: u32 = 80;

/// One life. When the store no longer knows it, every run under it is dropped and a new life begins.
#[derive(Debug)]
pub(crate) struct Life {
    /// The replica's id in this life.
    pub(crate) replica: ReplicaId,
    /// Cancelled when this life is over.
    pub(crate) over: CancellationToken,
    started: Instant,
    /// Milliseconds after `started` until which effects on the outside are allowed.
    trusted_until: AtomicU64,
}

impl Life {
    /// A life whose first heartbeat was sent at `sent`.
    pub(crate) fn new(replica: ReplicaId, sent: Instant, lease: Duration) -> Self {
        let life =
            Self { replica, over: CancellationToken::new(), started: sent, trusted_until: AtomicU64::new(0) };
        life.renew(sent, lease);
        life
    }

    /// The store has confirmed a heartbeat that was sent at `sent`.
    pub(crate) fn renew(&self, sent: Instant, lease: Duration) {
        let until = sent.duration_since(self.started) + lease * TRUSTED_PERCENT / 100;
        self.trusted_until.fetch_max(millis(until), Ordering::Release);
    }

    /// The lease cannot have been taken yet: effects on the outside are allowed. Uses the monotonic clock, so a paused
    /// process finds out before its first effect.
    pub(crate) fn is_trusted(&self) -> bool {
        !self.over.is_cancelled()
            && millis(self.started.elapsed()) < self.trusted_until.load(Ordering::Acquire)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_trusted_for_less_than_it_lasts() {
        let lease = Duration::from_secs(10);
        let now = Instant::now();
        let fresh = Life::new(ReplicaId::new(), now, lease);
        assert!(fresh.is_trusted());
        let Some(old) = now.checked_sub(Duration::from_secs(9)) else { return };
        let stale = Life::new(ReplicaId::new(), old, lease);
        assert!(!stale.is_trusted(), "nine of ten seconds are over");
        stale.renew(now, lease);
        assert!(stale.is_trusted());
        stale.over.cancel();
        assert!(!stale.is_trusted());
    }
}
