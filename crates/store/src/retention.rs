//! How long what is over is kept, and what was deleted because of it.

use std::ops::AddAssign;
use std::time::Duration;

/// How long what is over is kept. Whatever is still to be done is kept until it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long the record of an ended run is kept, and with it its message, its idempotency key and its entries in the
    /// log: so long a sender may ask again and gets the same reply. The newest ended run of a session is kept in any
    /// case.
    pub keys: Duration,
    /// How long an idle session is kept whole after its last change; for ever if unset.
    pub sessions: Option<Duration>,
    /// How long entries are kept that no conversation needs any more, because a summary stands for them or the session
    /// was reset; for ever if unset.
    pub history: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keys: Duration::from_secs(30 * 86_400), sessions: None, history: None }
    }
}

impl Retention {
    /// The times before which something is too old, at `now`. Neither sessions nor history take a key with them that
    /// must still be known.
    pub(crate) fn cutoffs(&self, now: i64) -> Cutoffs {
        let before = |age: Duration| now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let longer = |age: Option<Duration>| age.map(|age| before(age.max(self.keys)));
        Cutoffs { keys: before(self.keys), sessions: longer(self.sessions), history: longer(self.history) }
    }
}

/// What is older goes: milliseconds since 1970, by the store's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cutoffs {
    /// Ended runs.
    pub(crate) keys: i64,
    /// Sessions.
    pub(crate) sessions: Option<i64>,
    /// Entries before the context.
    pub(crate) history: Option<i64>,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Ended runs, each with its message and its idempotency key.
    pub runs: u64,
    /// Sessions.
    pub sessions: u64,
    /// Entries of logs.
    pub entries: u64,
    /// The bound was reached: there may be more to delete.
    pub more: bool,
}

impl Pruned {
    /// Nothing was deleted.
    pub fn is_empty(&self) -> bool {
        (self.runs, self.sessions, self.entries) == (0, 0, 0)
    }
}

impl AddAssign for Pruned {
    /// What both deleted; whether there is more, the later one knows.
    fn add_assign(&mut self, later: Self) {
        self.runs += later.runs;
        self.sessions += later.sessions;
        self.entries += later.entries;
        self.more = later.more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_takes_a_key_with_it_that_must_still_be_known() {
        let day = Duration::from_secs(86_400);
        let policy = Retention { keys: 30 * day, sessions: Some(7 * day), history: Some(90 * day) };
        let cutoffs = policy.cutoffs(100 * 86_400_000);
        assert_eq!(cutoffs.keys, 70 * 86_400_000);
        assert_eq!((cutoffs.sessions, cutoffs.history), (Some(70 * 86_400_000), Some(10 * 86_400_000)));
        let policy = Retention { sessions: Some(Duration::MAX), ..Retention::default() };
        assert_eq!(policy.cutoffs(0).history, None);
        assert!(policy.cutoffs(0).sessions < Some(0), "an endless time does not overflow");
    }
}
