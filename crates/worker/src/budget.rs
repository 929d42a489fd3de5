//! What the messages of running work may weigh together: slots bound their number, this bounds their bytes.
//!
//! Work beyond the budget is not lost: its sessions stay ready in the store until there is room, here or elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes of messages that are driven at once, as they were sent. In memory they take a few times that.
const BYTES: usize = 128 << 20;

/// The budget of a replica.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budget {
    used: Arc<AtomicUsize>,
    /// Somebody wanted to claim and there was no room.
    short: Arc<AtomicBool>,
}

/// A share of the budget; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Budget {
    /// There is room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.used.load(Ordering::Relaxed) < BYTES
    }

    /// How many sessions may be claimed at once: fewer as the room gets smaller, because nobody knows beforehand how
    /// much their messages weigh.
    pub(crate) fn claimable(&self, most: usize) -> usize {
        let claimable = self.fitting(most);
        if claimable > 0 {
            return claimable;
        }
        // Noted before a second look, so that a share that is given back in between is not missed.
        self.short.store(true, Ordering::SeqCst);
        self.fitting(most)
    }

    /// Since it was last asked, somebody wanted to claim and there was no room.
    pub(crate) fn was_short(&self) -> bool {
        self.short.swap(false, Ordering::SeqCst)
    }

    fn fitting(&self, most: usize) -> usize {
        match self.used.load(Ordering::SeqCst) {
            used if used >= BYTES => 0,
            used if used >= BYTES / 4 => 1,
            _ => most,
        }
    }

    /// Takes a share. It may exceed what is left: whoever checks for room first exceeds it by one message.
    pub(crate) fn take(&self, bytes: usize) -> Share {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Share { used: Arc::clone(&self.used), bytes }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_get_smaller_and_stop_as_the_room_is_used_up() {
        let budget = Budget::default();
        assert_eq!(budget.claimable(16), 16);
        assert!(!budget.was_short());
        let quarter = budget.take(BYTES / 4);
        assert_eq!(budget.claimable(16), 1);
        let rest = budget.take(BYTES);
        assert_eq!((budget.claimable(16), budget.has_room()), (0, false));
        assert!(budget.was_short() && !budget.was_short());
        drop(rest);
        assert!(budget.has_room());
        drop(quarter);
        assert_eq!(budget.claimable(16), 16);
    }
}
