//! Transcripts that this replica wrote last: a session that comes back to the same replica is not read again.
//!
//! A cached transcript is used only if its head is the head that the claim returned, so a stale one does no harm. Only a
//! session that was deleted and came back can have the same head with another log; nothing is deleted that was used within
//! the last day, so transcripts are forgotten before that.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use regrow_agent::Transcript;
use regrow_protocol::{Seq, SessionId};

/// Bytes of transcripts that are kept; the least recently used go first.
const CAPACITY: usize = 64 << 20;

/// How long a transcript is good for, in milliseconds.
const GOOD_FOR: i64 = 60 * 60 * 1_000;

/// The cache.
#[derive(Debug, Default)]
pub(crate) struct Transcripts {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<SessionId, Cached>,
    /// Sessions by last use.
    order: BTreeMap<u64, SessionId>,
    clock: u64,
    weight: usize,
}

#[derive(Debug)]
struct Cached {
    base: Seq,
    head: Seq,
    transcript: Transcript,
    weight: usize,
    used: u64,
    /// When it was put in: milliseconds since 1970, because sessions are deleted by that clock.
    at: i64,
}

impl Transcripts {
    /// Takes the entries after `base` up to `head` out, if exactly those are here.
    pub(crate) fn take(&self, session: SessionId, base: Seq, head: Seq) -> Option<Transcript> {
        self.take_at(session, base, head, jiff::Timestamp::now().as_millisecond())
    }

    fn take_at(&self, session: SessionId, base: Seq, head: Seq, now: i64) -> Option<Transcript> {
        let cached = self.inner.lock().unwrap_or_else(PoisonError::into_inner).remove(session)?;
        let is_good = (0..GOOD_FOR).contains(&now.saturating_sub(cached.at));
        (is_good && cached.base == base && cached.head == head).then_some(cached.transcript)
    }

    /// Puts the entries after `base` up to `head` in.
    pub(crate) fn put(&self, session: SessionId, base: Seq, head: Seq, transcript: Transcript) {
        let weight = transcript.weight();
        if weight > CAPACITY / 4 {
            return;
        }
        let at = jiff::Timestamp::now().as_millisecond();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.remove(session);
        inner.clock += 1;
        let used = inner.clock;
        inner.order.insert(used, session);
        inner.weight += weight;
        inner.sessions.insert(session, Cached { base, head, transcript, weight, used, at });
        while inner.weight > CAPACITY
            && let Some((_, oldest)) = inner.order.pop_first()
        {
            inner.remove(oldest);
        }
    }
}

impl Inner {
    fn remove(&mut self, session: SessionId) -> Option<Cached> {
        let cached = self.sessions.remove(&session)?;
        self.order.remove(&cached.used);
        self.weight -= cached.weight;
        Some(cached)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use regrow_agent::{Entry, Recorded};
    use regrow_protocol::{Message, SessionKey};

    use super::*;

    fn session(n: usize) -> SessionId {
        SessionId::of(&format!("agent:main:{n}").parse::<SessionKey>().unwrap())
    }

    fn entries(bytes: usize) -> Transcript {
        let entry = Entry::User { inbox_seq: 1, messages: vec![Message::user("x".repeat(bytes))] };
        Transcript::from_iter([Recorded { seq: 1, entry: Arc::new(entry) }])
    }

    #[test]
    fn gives_back_only_what_was_asked_for() {
        let cache = Transcripts::default();
        cache.put(session(1), 0, 1, entries(10));
        assert!(cache.take(session(1), 0, 2).is_none(), "another head");
        cache.put(session(1), 0, 1, entries(10));
        assert_eq!(cache.take(session(1), 0, 1), Some(entries(10)));
        assert!(cache.take(session(1), 0, 1).is_none(), "taken");
    }

    #[test]
    fn gives_back_nothing_of_long_ago() {
        let cache = Transcripts::default();
        for (later, good) in [(GOOD_FOR - 60_000, true), (GOOD_FOR, false), (-60_000, false)] {
            cache.put(session(1), 0, 1, entries(10));
            let now = jiff::Timestamp::now().as_millisecond() + later;
            assert_eq!(cache.take_at(session(1), 0, 1, now).is_some(), good, "{later}");
        }
    }

    #[test]
    fn is_bounded_and_forgets_the_least_recently_used() {
        let cache = Transcripts::default();
        for n in 0..100 {
            cache.put(session(n), 0, 1, entries(1 << 20));
        }
        assert!(cache.inner.lock().unwrap().weight <= CAPACITY);
        assert!(cache.take(session(0), 0, 1).is_none());
        assert!(cache.take(session(99), 0, 1).is_some());
    }
}
