//! Wrong secrets for each client address, in a table of bounded size.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::AuthRateLimit;

/// The most addresses. When full, the one that came first goes: whoever can guess from that many networks is not
/// stopped by counting addresses.
const MAX_ADDRESSES: usize = 10_000;

/// IPv6 clients have whole /64 networks to themselves.
const V6_NETWORK: u128 = !0 << 64;

/// The table.
pub(super) struct Attempts {
    limit: AuthRateLimit,
    table: Mutex<Table>,
}

/// Invariant: `order` holds each key of `counts` once, the oldest in front.
#[derive(Default)]
struct Table {
    counts: HashMap<IpAddr, Count>,
    order: VecDeque<IpAddr>,
}

#[derive(Clone, Copy)]
struct Count {
    failures: u32,
    since: Instant,
    locked_at: Option<Instant>,
}

impl Attempts {
    pub(super) fn new(limit: AuthRateLimit) -> Self {
        Self { limit, table: Mutex::default() }
    }

    pub(super) fn limit(&self) -> AuthRateLimit {
        self.limit
    }

    /// How long an address is still locked out, if it is.
    pub(super) fn locked(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let table = self.table();
        let locked_at = table.counts.get(&network_of(address))?.locked_at?;
        let left = self.limit.lockout.checked_sub(now.saturating_duration_since(locked_at))?;
        (!left.is_zero()).then_some(left)
    }

    /// Counts a wrong secret; whether it locks the address out.
    pub(super) fn record(&self, address: IpAddr, now: Instant) -> bool {
        let mut table = self.table();
        let count = table.count_of(network_of(address), now);
        let elapsed = now.saturating_duration_since(count.since);
        if elapsed >= self.limit.window || count.locked_at.is_some() {
            *count = Count { failures: 0, since: now, locked_at: None };
        }
        count.failures += 1;
        if count.failures < self.limit.max_attempts {
            return false;
        }
        count.locked_at = Some(now);
        true
    }

    /// Forgets an address's wrong secrets after a right one.
    pub(super) fn forgive(&self, address: IpAddr) {
        let mut table = self.table();
        if let Some(count) = table.counts.get_mut(&network_of(address)) {
            count.failures = 0;
            count.locked_at = None;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while it was held cannot have left it in a state worse than a lost count.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn count_of(&mut self, key: IpAddr, now: Instant) -> &mut Count {
        if !self.counts.contains_key(&key) {
            if self.order.len() >= MAX_ADDRESSES
                && let Some(oldest) = self.order.pop_front()
            {
                self.counts.remove(&oldest);
            }
            self.order.push_back(key);
        }
        self.counts.entry(key).or_insert(Count { failures: 0, since: now, locked_at: None })
    }
}

/// What counts as one client.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() & V6_NETWORK).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts() -> Attempts {
        Attempts::new(AuthRateLimit { max_attempts: 2, ..AuthRateLimit::default() })
    }

    #[test]
    fn only_failures_within_the_window_count() {
        let (attempts, now, address) = (attempts(), Instant::now(), "203.0.113.1".parse().unwrap());
        assert!(!attempts.record(address, now));
        assert!(!attempts.record(address, now + Duration::from_secs(60)));
        assert!(attempts.record(address, now + Duration::from_secs(61)));
        let left = attempts.locked(address, now + Duration::from_secs(161));
        assert_eq!(left, Some(Duration::from_secs(200)));
        assert_eq!(attempts.locked(address, now + Duration::from_secs(361)), None);
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let (attempts, now) = (attempts(), Instant::now());
        attempts.record("2001:db8::1".parse().unwrap(), now);
        attempts.record("2001:db8::2".parse().unwrap(), now);
        assert!(attempts.locked("2001:db8::3".parse().unwrap(), now).is_some());
        assert!(attempts.locked("2001:db8:0:1::3".parse().unwrap(), now).is_none());
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let (attempts, now) = (attempts(), Instant::now());
        let address = |i: u32| IpAddr::from((0x0b00_0000 + i).to_be_bytes());
        let count = u32::try_from(MAX_ADDRESSES).unwrap() + 1;
        for i in 0..count {
            attempts.record(address(i), now);
            attempts.record(address(i), now);
        }
        let table = attempts.table();
        assert_eq!((table.counts.len(), table.order.len()), (MAX_ADDRESSES, MAX_ADDRESSES));
        drop(table);
        assert!(attempts.locked(address(0), now).is_none());
        assert!(attempts.locked(address(1), now).is_some());
    }
}
