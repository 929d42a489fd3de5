//! The store: whether it can be opened, what it finds about itself, who lives on it, and how fast it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use regrow_store::{Examination, Finding, Store};

use super::latency::{self, Times};
use super::verdict;
use crate::command::serve::advertised;
use crate::state::State;
use crate::wiring::{self, Present};

/// What was learned of a store that could be opened.
pub(super) struct Seen {
    pub(super) examination: Examination,
    /// How far the store's clock is ahead of this machine's, at least, in milliseconds.
    pub(super) skew: i64,
    pub(super) reads: Option<Times>,
    pub(super) commits: Option<Times>,
}

/// Examines the store, if there is one.
pub(super) async fn check(state: &State, deep: bool, findings: &mut Vec<Finding>) -> Option<Seen> {
    let store = match wiring::present(state).await {
        Ok(Present::Store) => wiring::store(state, Duration::ZERO).await,
        Ok(Present::Nothing) => {
            findings.push(Finding::warning(
                "store",
                "there is none yet",
                "start a replica, which makes it; if some run already, look with their --state-dir or --store",
            ));
            return None;
        }
        Ok(Present::Older { has, needs }) => {
            findings.push(Finding::warning(
                "store",
                format!("it has schema version {has}, and this program needs {needs}"),
                "regrow migrate, or start a replica of this release",
            ));
            return None;
        }
        Err(error) => Err(error),
    };
    match store {
        Ok(store) => examine(state, &*store, deep, findings).await,
        Err(error) => {
            let advice = "see that it is where --store or `regrow.store` says, and that this user may use it";
            findings.push(Finding::problem("store", format!("it cannot be used: {error:#}"), advice));
            None
        }
    }
}

async fn examine(state: &State, store: &dyn Store, deep: bool, findings: &mut Vec<Finding>) -> Option<Seen> {
    let before = now();
    let examination = match store.examine(deep).await {
        Ok(examination) => examination,
        Err(error) => {
            findings.push(Finding::problem("store", error.to_string(), "correct that, and look again"));
            return None;
        }
    };
    let skew = skew(examination.clock, before, now());
    findings.push(Finding::ok("store", describe(&examination)));
    findings.extend(examination.findings.iter().cloned());
    findings.push(verdict::clock(skew));
    let reads = verdict::speed("reads", verdict::SLOW_READ, latency::reads(store).await, findings);
    let commits = verdict::speed("commits", verdict::SLOW_COMMIT, latency::commits(store).await, findings);
    findings.extend(verdict::replicas(&examination.replicas));
    findings.push(verdict::backlog(&examination));
    let address = advertised(state, state.config.gateway.listen_address());
    findings.push(verdict::peers(store.is_shared_across_machines(), &address, &examination.replicas));
    Some(Seen { examination, skew, reads, commits })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// How far `clock`, which was read between `before` and `after`, is ahead at least.
fn skew(clock: i64, before: i64, after: i64) -> i64 {
    clock - clock.clamp(before, after.max(before))
}

fn describe(seen: &Examination) -> String {
    let size = seen.size as f64 / f64::from(1 << 20);
    format!("{} {}, schema version {}, {size:.1} MiB", seen.back_end, seen.version, seen.schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_trip_is_no_skew() {
        for (clock, want) in [(100, 0), (110, 0), (99, -1), (90, -10), (111, 1), (5_000, 4_890)] {
            assert_eq!(skew(clock, 100, 110), want, "{clock}");
        }
        assert_eq!(skew(100, 110, 100), -10, "this machine's clock was set back meanwhile");
    }
}
